"""KernelCall -> LayerTiles: all ways to cut one kernel call into tiles, what each takes, and which is best.

Of each call the tile is the largest whose worst case, with restore and commit, fits the capacitor's usable charge
(energy/capacitor.py) and the SRAM there is, so commits are fewest; among sizes with as many tiles, the one whose tile
is cheapest. Whole pixels and rows need no rule of their own: a tile that starts inside a pixel gathers its window
again; but for a pooled convolution, whose windows are several: whole pixels where one fits.
Where not even one output fits, its dot product is cut into parts (Tile.part), with int32 partial sums in two NVM slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from freeml.board.board import Board
from freeml.energy.capacitor import Budget, StepCost, StepCosts
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvPoolI8
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints, aligned
from freeml.plan.energy_work import Work, part_work, work
from freeml.plan.price import StepPrices
from freeml.plan.steps import Cut, LayerTiles


@dataclass(frozen=True, slots=True)
class _Ways:
    """Ways to cut one call: entry i of each array (n,) makes n_tiles[i] tiles of tile_units[i] units, or parts of
    part_macs[i] products.

    sram_bytes  for outputs, staged inputs where NVM is not memory-mapped, and scratch that depends on the tile
    effort      what to compare tiles of equal number by where there are no costs
    """

    tile_units: Ints
    part_macs: Ints
    n_tiles: Ints
    stage_bytes: Ints
    scratch_bytes: Ints
    sram_bytes: Ints
    effort: Ints
    costs: StepCosts | None

    def best(self, sram_bytes: int, budget: Budget | None) -> int | None:
        """Fewest tiles; of these the cheapest, so the most even split; of these the smallest. None where none fits."""
        fits = self.sram_bytes <= sram_bytes
        if budget is not None and self.costs is not None:
            fits = fits & budget.covers(self.costs)
        if not fits.any():
            return None
        price = self.effort if self.costs is None else self.costs.charge_pc
        n_tiles = np.where(fits, self.n_tiles, np.iinfo(np.int64).max)
        return int(np.lexsort((self.tile_units, self.part_macs, price, n_tiles))[0])

    def cheapest(self, sram_bytes: int) -> int | None:
        """The way whose tile takes least charge, of those that SRAM can hold."""
        if self.costs is None or not (self.sram_bytes <= sram_bytes).any():
            return None
        return int(np.argmin(np.where(self.sram_bytes <= sram_bytes, self.costs.charge_pc, np.inf)))


@dataclass(frozen=True, slots=True)
class _Choice:
    """One of several ways."""

    ways: _Ways
    index: int

    @property
    def cost(self) -> StepCost | None:
        """Of its worst tile; None without prices."""
        return self.ways.costs.at(self.index) if self.ways.costs else None

    @property
    def charge_pc(self) -> float:
        """The same, where there are prices."""
        assert self.ways.costs is not None
        return float(self.ways.costs.charge_pc[self.index])


class Cutter:
    """Cuts the calls of one graph for a board with so much SRAM for a tile, and a budget for each boot."""

    def __init__(
        self, graph: Graph, board: Board, prices: StepPrices | None, budget: Budget | None, sram_bytes: int
    ) -> None:
        self._graph, self._board, self._prices, self._budget = graph, board, prices, budget
        self._sram_bytes = sram_bytes
        self._is_staged = board.nvm.is_staged

    def best(self, call: KernelCall) -> LayerTiles:
        """The best tiles of a call, not numbered yet; the smallest where the budget covers none.

        Raises DoesNotFit where SRAM cannot hold even the smallest.
        """
        ways = self._all_ways(call)
        best = ((some, some.best(self._sram_bytes, self._budget)) for some in ways)
        picked = next((_Choice(some, index) for some, index in best if index is not None), None)
        least = self._least(ways)
        return _made(call, picked or least or self._refuse(call, ways), least)

    def exactly(self, call: KernelCall, cut: Cut) -> LayerTiles:
        """Tiles as said, whether they fit or not."""
        size = np.array([cut.part_macs or cut.tile_units], dtype=np.int64)
        ways = self._parts(call, size) if cut.part_macs else self._units(call, size)
        return _made(call, _Choice(ways, 0), self._least(self._all_ways(call)))

    def _all_ways(self, call: KernelCall) -> list[_Ways]:
        """Those that make the fewest tiles first."""
        ways = [*self._pixels(call), self._wholes(call)]
        if call.has_parts:
            ways.append(self._parts(call, np.arange(1, call.macs, dtype=np.int64)))  # one product to all but one
        return ways

    def _least(self, ways: Sequence[_Ways]) -> _Choice | None:
        """The cheapest tile that there could be; None without prices, or where SRAM holds none."""
        found = [_Choice(some, index) for some in ways if (index := some.cheapest(self._sram_bytes)) is not None]
        return min(found, key=lambda choice: choice.charge_pc, default=None)

    def _pixels(self, call: KernelCall) -> list[_Ways]:
        """Tiles of whole pixels of a pooled convolution: others gather each of several windows again."""
        channels = self._graph.types[call.op.output].shape[-1]
        if not isinstance(call.op, ConvPoolI8) or min(call.n_units, self._sram_bytes) < channels:
            return []
        return [self._wholes(call, channels)]

    def _wholes(self, call: KernelCall, step: int = 1) -> _Ways:
        """Tiles of whole units, from `step` to as many as the SRAM holds, by so many."""
        most = max(1, min(call.n_units, self._sram_bytes // call.unit_bytes))
        return self._units(call, np.arange(step, most + 1, step, dtype=np.int64))

    def _units(self, call: KernelCall, units: Ints) -> _Ways:
        """Tiles of so many units (n,)."""
        done = work(self._graph, call, units, self._board.kernels)
        costs = self._prices.tiles(self._graph, call, units, done) if self._prices else None
        return self._ways(done, units, call.macs + 0 * units, -(-call.n_units // units), costs)

    def _parts(self, call: KernelCall, macs: Ints) -> _Ways:
        """Tiles of a part of one unit, of so many products (n,)."""
        done = part_work(self._graph, call, macs)
        costs = self._prices.parts(self._graph, call, macs, done) if self._prices else None
        return self._ways(done, 1 + 0 * macs, macs, call.n_units * -(-call.macs // macs), costs)

    def _ways(self, done: Work, units: Ints, macs: Ints, n_tiles: Ints, costs: StepCosts | None) -> _Ways:
        stage = done.stage_room_bytes if self._is_staged else 0 * units
        behind = stage + done.scratch_bytes
        sram = np.where(behind > 0, aligned(done.write_bytes) + behind, done.write_bytes)
        return _Ways(units, macs, n_tiles, stage, done.scratch_bytes, sram, _effort(done), costs)

    def _refuse(self, call: KernelCall, ways: Sequence[_Ways]) -> NoReturn:
        needed = min(int(some.sram_bytes.min()) for some in ways)
        what = "one output and what it is computed from" if self._is_staged else "one output"
        raise DoesNotFit(
            f"{what} need {needed:,} bytes of sram, {self._board.name} has {self._sram_bytes:,} left for them",
            region="sram",
            needed=needed,
            available=self._sram_bytes,
            where=call.op.loc,
            hint="choose a larger board, or a layer with fewer channels",
        )


def _made(call: KernelCall, choice: _Choice, least: _Choice | None) -> LayerTiles:
    """The tiles of a call, cut in the chosen way; `least` is the cheapest there could be."""
    ways, index = choice.ways, choice.index
    part_macs = int(ways.part_macs[index])
    return LayerTiles(
        value=call.op.output,
        operand=call.operand,
        loc=call.op.loc,
        first_tile=0,
        n_units=call.n_units,
        unit_bytes=call.unit_bytes,
        unit_stride_bytes=call.unit_stride_bytes,
        offset_bytes=call.offset_bytes,
        tile_units=int(ways.tile_units[index]),
        parts=-(-call.macs // part_macs) if part_macs else 1,
        part_macs=part_macs,
        macs=call.macs,
        n_tiles=int(ways.n_tiles[index]),
        stage_bytes=int(ways.stage_bytes[index]),
        scratch_bytes=int(ways.scratch_bytes[index]),
        cost=choice.cost,
        least_cost=least.cost if least else None,
    )


def _effort(done: Work) -> Ints:
    """All that a tile does, each thing counted once."""
    counted: Ints = sum(done.counts.values(), done.value_read_bytes + done.stage_bytes)
    return counted
