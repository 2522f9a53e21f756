"""What random layers on the emulated device are held to, whichever kernels its firmware has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from tests.kernels.cases import GENERATORS
from tests.kernels.choices import Seeded, splits
from tests.kernels.library import Case

from .device import Device

BANK_END = 0x2_0000  # where bit 17 of an address changes


def far_across_the_bank(case: Case, seed: int) -> int:
    """An address of the weights, even or odd, such that some lie on each side of 0x20000."""
    n_bytes = case.consts["w"].nbytes if "w" in case.consts else 1
    return BANK_END - seed % n_bytes


def seeded(kernel: str, seeds: Iterable[int]) -> Iterable[tuple[int, Seeded, Case]]:
    """Random layers of a kernel, with the choices that go on from there."""
    for seed in seeds:
        choices = Seeded(seed)
        yield seed, choices, GENERATORS[kernel](choices)


def any_split_is_the_whole(device: Device, cases: Iterable[tuple[int, Seeded, Case]]) -> None:
    """Tiles of any size, in any order, give the interpreter's answer."""
    for seed, choices, case in cases:
        tiles = splits(choices, case.n_units)
        got = device.run(case, tiles, far=far_across_the_bank(case, seed))
        assert np.array_equal(got, case.expected), (seed, tiles)


def parts_add_up(device: Device, cases: Iterable[tuple[int, Seeded, Case]], *, most_parts: int) -> None:
    """Sums of parts of dot products give the interpreter's answer."""
    for seed, choices, case in cases:
        part = choices.between(max(1, case.n_products // most_parts), case.n_products + 1)
        got = device.run_parts(case, case.n_products, part, far=far_across_the_bank(case, seed))
        assert np.array_equal(got, case.expected), seed
