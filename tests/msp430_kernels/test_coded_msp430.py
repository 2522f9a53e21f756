"""Stored formats as MSP430 compilers build them, on the emulated device, against the integer interpreter."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from tests.kernels.cases import GENERATORS
from tests.kernels.choices import Seeded, splits
from tests.kernels.coded_cases import CODED_KERNELS

from .device import Build, Device, builds, firmware
from .test_kernels_msp430 import far_across_the_bank

N_CASES = 16

every_build = pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)
every_format = pytest.mark.parametrize("kernel", sorted(CODED_KERNELS))


@functools.cache
def device(build: Build) -> Device:
    return Device(build, firmware(build, coded=True))


@every_build
@every_format
def test_any_range_of_units_of_a_stored_layer_is_that_of_the_dense_one(build: Build, kernel: str) -> None:
    for seed in range(N_CASES):
        choices = Seeded(seed)
        case = GENERATORS[kernel](choices)
        tiles = splits(choices, case.n_units)
        got = device(build).run(case, tiles, far=far_across_the_bank(case, seed))
        assert np.array_equal(got, case.expected), (seed, tiles)


@every_build
@every_format
def test_parts_of_a_stored_layer_add_up_to_the_dense_one(build: Build, kernel: str) -> None:
    for seed in range(N_CASES, N_CASES + 6):
        choices = Seeded(seed)
        case = GENERATORS[kernel](choices)
        part = choices.between(max(1, case.n_products // 4), case.n_products + 1)
        got = device(build).run_parts(case, case.n_products, part, far=far_across_the_bank(case, seed))
        assert np.array_equal(got, case.expected), seed
