"""Stored formats as MSP430 compilers build them, on the emulated device, against the integer interpreter."""

from __future__ import annotations

import functools

import pytest

from tests.kernels.coded_cases import CODED_KERNELS

from .checks import any_split_is_the_whole, parts_add_up, seeded
from .device import Build, Device, builds, firmware

N_CASES = 16

every_build = pytest.mark.parametrize("build", builds(), ids=lambda build: build.name)
every_format = pytest.mark.parametrize("kernel", sorted(CODED_KERNELS))


@functools.cache
def device(build: Build) -> Device:
    return Device(build, firmware(build, coded=True))


@every_build
@every_format
def test_any_range_of_units_of_a_stored_layer_is_that_of_the_dense_one(build: Build, kernel: str) -> None:
    any_split_is_the_whole(device(build), seeded(kernel, range(N_CASES)))


@every_build
@every_format
def test_parts_of_a_stored_layer_add_up_to_the_dense_one(build: Build, kernel: str) -> None:
    parts_add_up(device(build), seeded(kernel, range(N_CASES, N_CASES + 6)), most_parts=4)
