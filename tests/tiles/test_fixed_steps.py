"""Steps that cannot be cut: cold start, capture, publication, report; and which commit record an NVM gets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.errors import DoesNotFit
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import work
from freeml.plan.price import TWO_SLOTS, CountedPrices
from freeml.plan.step_table import Kind
from freeml.plan.steps import FixedStep, TilePlan
from freeml.plan.tiles import plan_tiles
from tests.tiles.proofs import proved
from tests.tiles.test_tiles import MSP430, SRAM, Builder, planned, tiny_cnn


def plan_of(n_scores: int) -> TilePlan:
    b = Builder()
    graph, memory = planned(b.graph(b.dense(b.input(4), n_scores)))
    return plan_tiles(graph, memory, MSP430, sram_tile_bytes=SRAM)


@pytest.mark.parametrize("step", [None, Kind.CAPTURE, Kind.PUBLISH, Kind.REPORT])
def test_each_step_that_cannot_be_cut_must_fit(step: Kind | None) -> None:
    graph, memory = planned(tiny_cnn())
    plan = plan_tiles(graph, memory, MSP430, sram_tile_bytes=SRAM)

    def priced(fixed: FixedStep) -> FixedStep:
        assert fixed.cost is not None
        return replace(fixed, cost=replace(fixed.cost, charge_pc=1e9)) if fixed.kind is step else fixed

    dear = replace(plan, cold_start=priced(plan.cold_start), fixed=tuple(map(priced, plan.fixed)))
    assert dear != plan
    with pytest.raises(DoesNotFit, match="needs"):
        proved(graph, memory, dear, MSP430, None, SRAM)


def test_publishing_costs_what_comparing_the_scores_costs() -> None:
    few, many = plan_of(2).fixed_of(Kind.PUBLISH).cost, plan_of(202).fixed_of(Kind.PUBLISH).cost
    assert few is not None
    assert many is not None
    assert many.cycles > few.cycles + 200 * 5


@pytest.mark.parametrize("atomic_bytes", [1, 2, 4])
@pytest.mark.parametrize("tears", [False, True])
def test_nvm_that_tears_gets_two_slots_however_wide_it_writes(tears: bool, atomic_bytes: int) -> None:
    host = load_board("host")
    board = host.model_copy(update={"nvm": host.nvm.model_copy(update={"tears": tears, "atomic_bytes": atomic_bytes})})
    graph, memory = planned(tiny_cnn())
    plan = plan_tiles(graph, memory, board, sram_tile_bytes=SRAM)
    assert plan.commit_slots == (2 if tears or atomic_bytes < 2 else 1)


@pytest.mark.parametrize(
    "price", ["nvm_read_byte_pc", "nvm_write_byte_pc", "const_read_byte_pc", "nvm_command_pc", "boot_nc"]
)
def test_every_price_of_energy_is_paid_by_a_tile(price: str) -> None:
    board = load_board("nucleo_l476rg")
    assert board.energy is not None
    figure = getattr(board.energy, price)
    dear = board.energy.model_copy(update={price: figure.model_copy(update={"value": figure.value + 1000})})
    graph, memory = planned(tiny_cnn())
    (call, *_) = kernel_calls(graph, memory)
    done = work(graph, call, np.array([1, 5]), board.kernels)
    before = CountedPrices(board).costs(done, TWO_SLOTS).charge_pc
    after = CountedPrices(board.model_copy(update={"energy": dear})).costs(done, TWO_SLOTS).charge_pc
    assert (after >= before + 1000).all()
