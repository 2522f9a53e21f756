"""Convolutions with stored constants as MSP430 compilers build them, against the interpreter."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import count, islice

import pytest

from tests.kernels.choices import Seeded
from tests.kernels.coded_conv_cases import CODED_CONV_KERNELS, CODED_CONV_PARTS, DECODED_IN_BLOCKS
from tests.kernels.library import Case, for_variant, in_blocks

from .checks import any_split_is_the_whole, parts_add_up, seeded
from .device import SCRATCH, SCRATCH_END, Build, Device, builds, firmware

N_CASES = 24

every_build = pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)


@functools.cache
def device(build: Build, *, decoded: bool) -> Device:
    return Device(build, firmware(build, convs="DECODED" if decoded else "CODED"))


def cases(kernel: str, first_seed: int) -> Iterator[tuple[int, Seeded, Case]]:
    """Those whose scratch the device's memory holds: all rows of a convolution in groups may be too many."""
    for seed, choices, case in seeded(kernel, count(first_seed)):
        made = for_variant(case, "msp430")
        if (made.scratch_bytes or 0) <= SCRATCH_END - SCRATCH:
            yield seed, choices, made


@every_build
@pytest.mark.parametrize("kernel", sorted(CODED_CONV_KERNELS))
def test_any_range_of_units_is_that_of_the_dense_convolution(build: Build, kernel: str) -> None:
    any_split_is_the_whole(device(build, decoded="decoded" in kernel), islice(cases(kernel, 0), N_CASES))


@every_build
@pytest.mark.parametrize("kernel", DECODED_IN_BLOCKS)
def test_rows_that_are_decoded_block_by_block_give_the_dense_convolution(build: Build, kernel: str) -> None:
    blocks = ((seed, choices, in_blocks(case, "msp430")) for seed, choices, case in cases(kernel, 2000))
    some = islice(((seed, choices, case) for seed, choices, case in blocks if case is not None), N_CASES // 2)
    any_split_is_the_whole(device(build, decoded=True), some)


@every_build
@pytest.mark.parametrize("kernel", sorted(CODED_CONV_PARTS))
def test_parts_add_up_to_the_dense_convolution(build: Build, kernel: str) -> None:
    parts_add_up(device(build, decoded="decoded" in kernel), islice(cases(kernel, 1000), 12), most_parts=4)
