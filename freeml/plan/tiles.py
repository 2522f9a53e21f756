"""Graph@QUANTIZED + MemoryPlan + Board -> TilePlan: the atomic steps of an inference.

The calls of a graph are cut one by one (cuts.py); between and around them are the steps that cannot be cut
(fixed_steps.py). `plan_tiles` takes the smallest tile where none fits the capacitor; `progress.check_progress` refuses
such a plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from freeml.board.board import Board
from freeml.energy.capacitor import Budget, budget_of
from freeml.ir.graph import Graph
from freeml.plan.calls import kernel_calls
from freeml.plan.cuts import Cutter
from freeml.plan.fixed_steps import FixedSteps
from freeml.plan.memory import MemoryPlan
from freeml.plan.price import ONE_WORD, TWO_SLOTS, step_prices
from freeml.plan.protocol import (
    COMMIT_SLOT_BYTES,
    COMMIT_WORD_BYTES,
    MAX_WORD_STEPS,
    PARTIAL_BYTES,
)
from freeml.plan.sram import HOST_TILE_BYTES
from freeml.plan.steps import Cut, LayerTiles, TilePlan, numbered


def plan_tiles(
    graph: Graph,
    memory_plan: MemoryPlan,
    board: Board,
    capacitor_uf: float | None = None,
    *,
    sram_tile_bytes: int,
) -> TilePlan:
    """Cut the kernel calls of a quantized graph into tiles.

    capacitor_uf     in place of the board's
    sram_tile_bytes  SRAM for what a tile writes and, where NVM is not memory-mapped, reads: see `sram.sram_of_tiles`
    Raises DoesNotFit where SRAM cannot hold even the smallest tile; about energy ask `progress.check_progress`.
    """
    planner = _Tiler(graph, memory_plan, board, budget_of(board, capacitor_uf), sram_tile_bytes)
    one_word = not board.nvm.tears and board.nvm.atomic_bytes >= COMMIT_WORD_BYTES
    if one_word:
        plan = planner.plan(commit_slots=1)
        if plan.steps.n_steps <= MAX_WORD_STEPS:
            return plan
    return planner.plan(commit_slots=2)


def recut_tiles(
    graph: Graph,
    memory_plan: MemoryPlan,
    board: Board,
    cuts: Sequence[Cut],
    capacitor_uf: float | None = None,
    *,
    commit_slots: int,
) -> TilePlan:
    """A plan whose calls are cut as said, one cut for each call in order: buffers and costs follow.

    Nothing is chosen, nothing refused: `verify_tiles` says whether it is a plan, `check_progress` whether it will do.
    Raises ValueError where there are more or fewer cuts than calls.
    """
    budget = budget_of(board, capacitor_uf)
    return _Tiler(graph, memory_plan, board, budget, HOST_TILE_BYTES).plan(cuts, commit_slots=commit_slots)


class _Tiler:
    """Plans with either kind of commit record."""

    def __init__(
        self, graph: Graph, memory_plan: MemoryPlan, board: Board, budget: Budget | None, sram_tile_bytes: int
    ) -> None:
        self._graph, self._board, self._budget = graph, board, budget
        self._sram_bytes = sram_tile_bytes
        self._calls = tuple(kernel_calls(graph, memory_plan))

    def plan(self, cuts: Sequence[Cut] | None = None, *, commit_slots: int) -> TilePlan:
        """All steps; with `cuts`, one for each call, tiles are as said there."""
        commit_bytes = COMMIT_WORD_BYTES if commit_slots == 1 else COMMIT_SLOT_BYTES
        prices = step_prices(self._board, ONE_WORD if commit_slots == 1 else TWO_SLOTS)
        cut = self._layers(Cutter(self._graph, self._board, prices, self._budget, self._sram_bytes), cuts)
        known = FixedSteps(self._graph, self._calls, prices)
        fixed = known.in_order(buffer_bytes=max((layer.sram_bytes for layer in cut), default=1))
        layers = numbered(cut, fixed)
        values = fixed[0].written_bytes + sum(layer.n_units * layer.unit_bytes for layer in layers)
        partial = sum(PARTIAL_BYTES * layer.n_units * (layer.parts - 1) for layer in layers)
        plan = TilePlan(
            board=self._board.name,
            budget=self._budget,
            restore=prices.restore() if prices else None,
            cold_start=known.cold_start(),
            fixed=fixed,
            layers=layers,
            commit_slots=commit_slots,
            commit_bytes=commit_bytes,
            tile_buffer_bytes=max((layer.tile_bytes for layer in layers), default=0),
            is_staged=self._board.nvm.is_staged,
            stage_bytes=max((layer.stage_bytes for layer in layers), default=0),
            partial_bytes=2 * PARTIAL_BYTES if any(layer.parts > 1 for layer in layers) else 0,
            written_bytes=values + partial + sum(step.written_bytes for step in fixed[1:]),
            activation_bytes=values,
        )
        return replace(plan, written_bytes=plan.written_bytes + plan.commits * commit_bytes)

    def _layers(self, cutter: Cutter, cuts: Sequence[Cut] | None) -> tuple[LayerTiles, ...]:
        ways = zip(self._calls, cuts or (None,) * len(self._calls), strict=True)
        return tuple(cutter.best(call) if cut is None else cutter.exactly(call, cut) for call, cut in ways)
