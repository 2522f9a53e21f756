"""Convolutions with stored constants as MSP430 compilers build them, against the interpreter."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest

from tests.kernels.cases import GENERATORS
from tests.kernels.choices import Seeded, splits
from tests.kernels.coded_conv_cases import CODED_CONV_KERNELS, CODED_CONV_PARTS, DECODED_IN_BLOCKS
from tests.kernels.library import Case, for_variant, in_blocks

from .device import SCRATCH, SCRATCH_END, Build, Device, builds, firmware
from .test_kernels_msp430 import far_across_the_bank

N_CASES = 24

every_build = pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)


@functools.cache
def device(build: Build, *, decoded: bool) -> Device:
    return Device(build, firmware(build, convs="DECODED" if decoded else "CODED"))


def cases(kernel: str, first_seed: int, n: int) -> Iterator[tuple[Seeded, Case]]:
    """As many as these whose scratch the device's memory holds: all rows of a convolution in groups may be too many."""
    found = 0
    for seed in count(first_seed):
        choices = Seeded(seed)
        case = for_variant(GENERATORS[kernel](choices), "msp430")
        if (case.scratch_bytes or 0) <= SCRATCH_END - SCRATCH:
            yield choices, case
            found += 1
        if found == n:
            return


@every_build
@pytest.mark.parametrize("kernel", sorted(CODED_CONV_KERNELS))
def test_any_range_of_units_is_that_of_the_dense_convolution(build: Build, kernel: str) -> None:
    for seed, (choices, case) in enumerate(cases(kernel, 0, N_CASES)):
        tiles = splits(choices, case.n_units)
        got = device(build, decoded="decoded" in kernel).run(case, tiles, far=far_across_the_bank(case, seed))
        assert np.array_equal(got, case.expected), (seed, tiles)


@every_build
@pytest.mark.parametrize("kernel", DECODED_IN_BLOCKS)
def test_rows_that_are_decoded_block_by_block_give_the_dense_convolution(build: Build, kernel: str) -> None:
    for seed, (choices, whole) in enumerate(cases(kernel, 2000, N_CASES)):
        case = in_blocks(whole, "msp430")
        if case is not None:
            tiles = splits(choices, case.n_units)
            got = device(build, decoded=True).run(case, tiles, far=far_across_the_bank(case, seed))
            assert np.array_equal(got, case.expected), (seed, tiles)


@every_build
@pytest.mark.parametrize("kernel", sorted(CODED_CONV_PARTS))
def test_parts_add_up_to_the_dense_convolution(build: Build, kernel: str) -> None:
    for seed, (choices, case) in enumerate(cases(kernel, 1000, 12)):
        part = choices.between(max(1, case.n_products // 4), case.n_products + 1)
        got = device(build, decoded="decoded" in kernel).run_parts(
            case, case.n_products, part, far=far_across_the_bank(case, seed)
        )
        assert np.array_equal(got, case.expected), seed
