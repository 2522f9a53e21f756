"""What a capacitor gives one boot: a step that just fits, boots of many steps, the smallest that does."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from freeml.board.board import load_board
from freeml.energy.capacitor import MOST_UF, Budget, StepCost, budget_of, count_boots, find_smallest_uf
from freeml.errors import FreemlError
from freeml.units import round_up

AMOUNTS = st.integers(1, 2_000)


def budget(capacitor_uf: float = 1.0, *, leakage_na_per_uf: float = 0.0, margin: float = 0.0) -> Budget:
    """One microfarad between 3 V and 2 V is a million pC."""
    return Budget(capacitor_uf, 3_000.0, 2_000.0, leakage_na_per_uf, margin)


def step(charge_pc: float, time_us: float = 0.0) -> StepCost:
    return StepCost(0.0, charge_pc, time_us)


@given(st.floats(0.1, 1e6), st.floats(1.0, 1e9), st.floats(0.0, 1e5), st.floats(0.0, 5e3), st.floats(0.0, 0.9))
def test_a_step_fits_from_the_capacitance_on_that_it_needs(
    capacitor_uf: float, charge_pc: float, time_us: float, leakage: float, margin: float
) -> None:
    there, cost = budget(capacitor_uf, leakage_na_per_uf=leakage, margin=margin), step(charge_pc, time_us)
    needed = there.needed_uf(cost)
    assume(abs(needed / capacitor_uf - 1) > 1e-9)  # there the last digit of a double decides
    assert there.covers_one(cost) == (capacitor_uf > needed)


def test_leakage_takes_of_a_charge_what_it_takes_of_the_time() -> None:
    there = budget(2.0, leakage_na_per_uf=100.0)
    assert there.leakage_pc(5_000.0) == 1_000.0  # 200 nA for 5 ms
    assert there.drain_pc(step(7.0, 5_000.0)) == 1_007.0
    assert there.available_uj(step(7.0, 5_000.0)) == pytest.approx((2e6 - 1_000) * 2.5e-6)


def one_by_one(usable_pc: int, boot_pc: int, runs: list[tuple[int, int]]) -> tuple[int, int]:
    """Boots, and charge drawn in them: a step that what is left does not pay for begins a boot."""
    boots, left, drawn = 1, usable_pc - boot_pc, boot_pc
    for n_steps, own_pc in runs:
        for _ in range(n_steps):
            if left < own_pc:
                boots, drawn, left = boots + 1, drawn + left + boot_pc, usable_pc - boot_pc
            left, drawn = left - own_pc, drawn + own_pc
    return boots, drawn


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), AMOUNTS), min_size=1, max_size=5), AMOUNTS, AMOUNTS)
def test_boots_are_those_of_a_device_that_goes_step_by_step(
    runs: list[tuple[int, int]], boot_pc: int, more_pc: int
) -> None:
    usable = boot_pc + max(own for _, own in runs) + more_pc
    there = budget(usable / 1e6)
    assume(there.usable_pc == usable)
    costs = [(n_steps, step(float(boot_pc + own))) for n_steps, own in runs]
    assert count_boots(there, step(float(boot_pc)), costs) == one_by_one(usable, boot_pc, runs)


@given(st.floats(1e-3, 1e5))
def test_the_smallest_capacitor_has_two_digits_and_a_smaller_one_does_not(needed_uf: float) -> None:
    asked: list[float] = []

    def does(capacitor_uf: float) -> bool:
        asked.append(capacitor_uf)
        return capacitor_uf >= needed_uf

    least = [step(1e6 * needed_uf / 3), step(1e6 * needed_uf / 2)]  # no plan is below these, and more may be needed
    found = find_smallest_uf(budget(), least, does)
    assert found is not None
    assert found == round_up(found)
    assert found >= needed_uf
    assert all(one < needed_uf for one in asked[:-1])


def test_no_capacitor_is_named_where_leakage_takes_more_than_any_holds() -> None:
    there = budget(leakage_na_per_uf=1e6)
    assert find_smallest_uf(there, [step(1.0, 2e3)], lambda _: pytest.fail("nothing to try")) is None
    assert find_smallest_uf(budget(), [step(1e6 * MOST_UF / 2)], lambda _: False) is None


def test_a_capacitor_for_a_board_without_energy_model_is_refused() -> None:
    assert budget_of(load_board("host")) is None
    with pytest.raises(FreemlError, match="no energy model"):
        budget_of(load_board("host"), 10.0)
