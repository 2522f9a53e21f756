"""Graph@QUANTIZED + MemoryPlan + Board -> TilePlan: the atomic steps of an inference.

A tile computes output units [first, first + n) of one layer into SRAM, the runtime writes them to NVM and commits its
number. Step 0 captures the input, steps 1 .. n_tiles are the tiles in order, step n_tiles + 1 publishes the result,
step n_tiles + 2 reports it.
Of each layer the tile is the largest whose worst case, with restore and commit, fits the capacitor's usable charge
(energy.py) and the SRAM there is, so commits are fewest; among sizes with as many tiles, the one whose tile is
cheapest. Whole pixels and rows need no rule of their own: a tile that starts inside a pixel gathers its window again;
but for a pooled convolution, whose windows are several: whole pixels where one fits.
Where not even one output fits, its dot product is cut into parts (Tile.part), with int32 partial sums in two NVM slots.

`plan_tiles` takes the smallest tile where none fits; `progress.check_progress` refuses such a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from freeml.board.board import Board
from freeml.errors import DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvPoolI8
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints, aligned
from freeml.plan.calls import kernel_calls
from freeml.plan.cost import costs
from freeml.plan.energy import ONE_WORD, TWO_SLOTS, Budget, CostModel, StepCosts, TileCost, budget_of
from freeml.plan.energy_work import Work, capture_work, fixed_work, part_work, report_work, work
from freeml.plan.measured import COLD_START, MeasuredPrices, capture_key, publish_key, report_key
from freeml.plan.memory import MemoryPlan
from freeml.plan.protocol import (
    COMMIT_SLOT_BYTES,
    COMMIT_WORD_BYTES,
    MAX_CHECKED_WORD_STEPS,
    MAX_WORD_STEPS,
    PARTIAL_BYTES,
    RECORD_BYTES,
)
from freeml.plan.step_table import StepTable, step_table
from freeml.plan.windows import Windows

# fml_nvm_cold_start: identity twice, two results, two empty commit slots; the commit is extra.
COLD_START_BYTES, COLD_START_WRITES = 64, 6
HOST_TILE_BYTES = 4096  # tile buffer where the board sets no limit


@dataclass(frozen=True, slots=True)
class Tile:
    """Units [first, first + n) of a layer; with parts, products [mac_first, mac_first + mac_n) of unit `first`.

    is_last_part  the part that requantizes and writes the output; True where there are no parts
    """

    first: int
    n: int
    part: int
    mac_first: int
    mac_n: int
    is_last_part: bool


@dataclass(frozen=True, slots=True)
class LayerTiles:
    """The tiles of one kernel call: of an op, or of one copied input of a Concat.

    value              output of the op
    operand            which input of a Concat is copied; 0 elsewhere
    loc                the model's node
    first_tile         step number of the first tile; they are consecutive
    n_units            output units of the kernel
    unit_bytes         bytes of one unit
    unit_stride_bytes  from one unit to the next in the arena; above unit_bytes only in copies
    offset_bytes       where unit 0 lies in the arena
    tile_units         units of each tile but perhaps the last
    parts              tiles for each unit; above 1 only with tile_units = 1
    part_macs          products of each part but perhaps the last; the whole dot product where parts = 1, 0 without one
    macs               products of one unit; 0 where it is no dot product
    n_tiles            tiles of this layer
    stage_bytes        SRAM for inputs, behind tile_bytes rounded up to 4; 0 where NVM is memory-mapped
    cost               worst tile with restore and commit; None on a board without energy model
    least_cost         the same of the smallest tile that there could be
    """

    value: str
    operand: int
    loc: str
    first_tile: int
    n_units: int
    unit_bytes: int
    unit_stride_bytes: int
    offset_bytes: int
    tile_units: int
    parts: int
    part_macs: int
    macs: int
    n_tiles: int
    stage_bytes: int
    cost: TileCost | None
    least_cost: TileCost | None

    @property
    def tile_bytes(self) -> int:
        """SRAM for the outputs of one tile; a part writes a partial sum."""
        return max(self.tile_units * self.unit_bytes, PARTIAL_BYTES if self.parts > 1 else 0)

    @property
    def sram_bytes(self) -> int:
        """SRAM of one tile: outputs, and staged inputs at a multiple of 4 behind them."""
        return -(-self.tile_bytes // 4) * 4 + self.stage_bytes if self.stage_bytes else self.tile_bytes

    def tile(self, index: int) -> Tile:
        """Tile 0 <= index < n_tiles of this layer."""
        unit, part = divmod(index, self.parts)
        first = unit * self.tile_units
        mac_first = part * self.part_macs
        return Tile(
            first=first,
            n=min(self.tile_units, self.n_units - first),
            part=part,
            mac_first=mac_first,
            mac_n=min(self.part_macs, self.macs - mac_first),
            is_last_part=part == self.parts - 1,
        )

    @property
    def cut(self) -> Cut:
        """What `recut_tiles` makes the same tiles of."""
        return Cut(self.tile_units, self.part_macs if self.parts > 1 else 0)

    def tiles(self) -> Iterator[Tile]:
        """All tiles, in order."""
        return map(self.tile, range(self.n_tiles))


@dataclass(frozen=True, slots=True)
class Cut:
    """How one kernel call is cut: tiles of so many units, or, where that is not 0, parts of so many products of one."""

    tile_units: int
    part_macs: int = 0


@dataclass(frozen=True, slots=True)
class FixedStep:
    """The capture of the input (step 0), the publishing of the result or its report (the last two steps), or a cold
    start before them.

    loc   names of the ports concerned; of the model for a cold start
    cost  with restore and commit; None on a board without energy model
    """

    name: str
    loc: str
    written_bytes: int
    cost: TileCost | None


@dataclass(frozen=True, slots=True)
class TilePlan:
    """All steps of an inference.

    board              its name
    budget             what the capacitor gives one boot; None on a board without energy model
    restore            cost of a boot, part of the cost of every step; None as budget
    cold_start         what a boot does first where NVM is not this model's; no step of an inference
    capture            first step
    publish, report    the last two steps
    layers             the others, in execution order; step numbers run on from 1
    commit_slots       1: one word; 2: alternating slots that check themselves
    commit_bytes       of one record
    tile_buffer_bytes  SRAM for the outputs of the largest tile
    is_staged          whether NVM is not memory-mapped, so that inputs of a tile are copied to SRAM first
    stage_bytes        SRAM for the largest inputs of a tile where is_staged, else 0
    partial_bytes      NVM for partial sums: two slots, or 0 where no layer has parts
    written_bytes      NVM bytes written in one inference without a power loss, commits included
    activation_bytes   of these, bytes of values: the input and what ops compute
    """

    board: str
    budget: Budget | None
    restore: TileCost | None
    cold_start: FixedStep
    capture: FixedStep
    publish: FixedStep
    report: FixedStep
    layers: tuple[LayerTiles, ...]
    commit_slots: int
    commit_bytes: int
    tile_buffer_bytes: int
    is_staged: bool
    stage_bytes: int
    partial_bytes: int
    written_bytes: int
    activation_bytes: int

    @property
    def n_tiles(self) -> int:
        """Tiles of all layers, without capture, publish and report."""
        return sum(layer.n_tiles for layer in self.layers)

    @property
    def steps(self) -> StepTable:
        """What the step of each number does."""
        return step_table(layer.n_tiles for layer in self.layers)

    @property
    def commits(self) -> int:
        """Commit records written in one inference: one for each step."""
        return self.steps.n_steps

    @property
    def commit_check(self) -> bool:
        """Whether a flipped bit of the commit record shows: in two slots, and in a word with bits left for a check."""
        return self.commit_slots == 2 or self.commits <= MAX_CHECKED_WORD_STEPS

    @property
    def sram_bytes(self) -> int:
        """SRAM of the fullest tile: its outputs and staged inputs. No more than the planner was given."""
        return max((layer.sram_bytes for layer in self.layers), default=0)

    @property
    def written_ratio(self) -> float:
        """Bytes written to NVM for each byte of a value."""
        return self.written_bytes / self.activation_bytes

    def layer_of(self, step: int) -> tuple[LayerTiles, int]:
        """The layer of step 1 .. n_tiles, and which of its tiles that is."""
        for layer in self.layers:
            if layer.first_tile <= step < layer.first_tile + layer.n_tiles:
                return layer, step - layer.first_tile
        raise IndexError(f"no tile {step} in 1 .. {self.n_tiles}")


def plan_tiles(
    graph: Graph,
    memory_plan: MemoryPlan,
    board: Board,
    capacitor: float | None = None,
    *,
    sram_tile_bytes: int,
) -> TilePlan:
    """Cut the kernel calls of a quantized graph into tiles.

    capacitor        in uF, in place of the board's
    sram_tile_bytes  SRAM for what a tile writes and, where NVM is not memory-mapped, reads: see `sram_for_tiles`
    Raises DoesNotFit where SRAM cannot hold even the smallest tile; about energy ask `progress.check_progress`.
    """
    budget = budget_of(board, capacitor)
    one_word = not board.nvm.tears and board.nvm.atomic_bytes >= COMMIT_WORD_BYTES
    if one_word:
        plan = _Planner(graph, memory_plan, board, budget, sram_tile_bytes, commit_slots=1).plan()
        if plan.commits <= MAX_WORD_STEPS:
            return plan
    return _Planner(graph, memory_plan, board, budget, sram_tile_bytes, commit_slots=2).plan()


def recut_tiles(
    graph: Graph,
    memory_plan: MemoryPlan,
    board: Board,
    cuts: Sequence[Cut],
    capacitor: float | None = None,
    *,
    commit_slots: int,
) -> TilePlan:
    """A plan whose calls are cut as said, one cut for each call in order: buffers and costs follow.

    Nothing is chosen, nothing refused: `verify_tiles` says whether it is a plan, `check_progress` whether it will do.
    Raises ValueError where there are more or fewer cuts than calls.
    """
    budget = budget_of(board, capacitor)
    return _Planner(graph, memory_plan, board, budget, HOST_TILE_BYTES, commit_slots=commit_slots).plan(cuts)


def sram_for_tiles(board: Board, *, stack_bytes: int, scratch_bytes: int) -> int:
    """SRAM left for tiles beside stack and scratch memory; where the board has no limit, a buffer of moderate size."""
    figure = board.memory.sram_bytes
    if figure is None:
        return HOST_TILE_BYTES
    left = (figure.value - stack_bytes - scratch_bytes) // 4 * 4  # the runtime aligns its buffers to 4
    if left < COMMIT_SLOT_BYTES:
        raise DoesNotFit(
            f"stack, windows of inputs and outputs, and scratch need {stack_bytes + scratch_bytes:,} bytes of sram and "
            f"leave none for tiles, "
            f"{board.name} has {figure.value:,}",
            region="sram",
            needed=stack_bytes + scratch_bytes + COMMIT_SLOT_BYTES,
            available=figure.value,
            hint="choose a larger board or a model with smaller convolution windows",
        )
    return left


def sram_of_tiles(graph: Graph, board: Board, windows: Windows) -> int:
    """SRAM left for the tiles of a graph. Raises DoesNotFit where stack, scratch and the firmware's own leave none."""
    # The stack is measured on the finished C; until then tiles leave it this much.
    kept = board.code.stack_bytes.value + board.code.ram_bytes.value if board.code else 0
    shown = 0 if board.memory_map is None else windows.sram_bytes
    scratch = costs(graph, board.kernels).scratch_bytes
    return sram_for_tiles(board, stack_bytes=kept + shown, scratch_bytes=scratch)


@dataclass(frozen=True, slots=True)
class _Options:
    """Ways to cut one call: entry i makes n_tiles[i] tiles of tile_units[i] units, or parts of part_macs[i] products.

    sram_bytes  for outputs and, where NVM is not memory-mapped, staged inputs
    effort      what to compare tiles of equal number by where there are no costs
    """

    tile_units: Ints
    part_macs: Ints
    n_tiles: Ints
    stage_bytes: Ints
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
        """The option whose tile takes least charge, of those that SRAM can hold."""
        if self.costs is None or not (self.sram_bytes <= sram_bytes).any():
            return None
        return int(np.argmin(np.where(self.sram_bytes <= sram_bytes, self.costs.charge_pc, np.inf)))


class _Planner:
    """Plans with one kind of commit record."""

    def __init__(
        self,
        graph: Graph,
        memory_plan: MemoryPlan,
        board: Board,
        budget: Budget | None,
        sram_tile_bytes: int,
        *,
        commit_slots: int,
    ) -> None:
        self._graph, self._memory_plan, self._board = graph, memory_plan, board
        self._budget = budget
        self._sram_bytes = sram_tile_bytes
        self._staged = board.nvm.kind == "spi_fram"
        self._commit_slots = commit_slots
        self._commit_bytes = COMMIT_WORD_BYTES if commit_slots == 1 else COMMIT_SLOT_BYTES
        self._commit = ONE_WORD if commit_slots == 1 else TWO_SLOTS
        self._model = None if budget is None else CostModel(board)
        self._measured = MeasuredPrices(board, board.costs) if budget is not None and board.costs is not None else None

    def plan(self, cuts: Sequence[Cut] | None = None) -> TilePlan:
        layers: list[LayerTiles] = []
        step = 1
        calls = list(kernel_calls(self._graph, self._memory_plan))
        for call, cut in zip(calls, cuts or (None,) * len(calls), strict=True):
            layers.append(self._layer(call, step) if cut is None else self._recut(call, step, cut))
            step += layers[-1].n_tiles
        capture, publish = self._capture(layers), self._publish()
        values = capture.written_bytes + sum(layer.n_units * layer.unit_bytes for layer in layers)
        partial = sum(PARTIAL_BYTES * layer.n_units * (layer.parts - 1) for layer in layers)
        return TilePlan(
            board=self._board.name,
            budget=self._budget,
            restore=(self._measured or self._model).restore() if self._model else None,
            cold_start=self._cold_start(),
            capture=capture,
            publish=publish,
            report=self._report(),
            layers=tuple(layers),
            commit_slots=self._commit_slots,
            commit_bytes=self._commit_bytes,
            tile_buffer_bytes=max((layer.tile_bytes for layer in layers), default=0),
            is_staged=self._staged,
            stage_bytes=max((layer.stage_bytes for layer in layers), default=0),
            partial_bytes=2 * PARTIAL_BYTES if any(layer.parts > 1 for layer in layers) else 0,
            written_bytes=values + partial + publish.written_bytes + (step + 2) * self._commit_bytes,
            activation_bytes=values,
        )

    def _layer(self, call: KernelCall, first_tile: int) -> LayerTiles:
        options = self._ways(call)
        best = ((option, option.best(self._sram_bytes, self._budget)) for option in options)
        picked = next(((option, index) for option, index in best if index is not None), None)
        least = self._least(options)
        return self._made(call, first_tile, picked or least or self._refuse(call, options), least)

    def _recut(self, call: KernelCall, first_tile: int, cut: Cut) -> LayerTiles:
        size = np.array([cut.part_macs or cut.tile_units], dtype=np.int64)
        option = self._parts(call, size) if cut.part_macs else self._units(call, size)
        return self._made(call, first_tile, (option, 0), self._least(self._ways(call)))

    def _ways(self, call: KernelCall) -> list[_Options]:
        """All ways to cut a call, those that make the fewest tiles first."""
        options = [*self._pixels(call), self._wholes(call)]
        if call.has_parts:
            options.append(self._parts(call, np.arange(1, call.macs, dtype=np.int64)))  # one product to all but one
        return options

    def _least(self, options: Sequence[_Options]) -> tuple[_Options, int] | None:
        """The cheapest tile that there could be."""
        found = [(option, index) for option in options if (index := option.cheapest(self._sram_bytes)) is not None]
        return min(found, key=lambda choice: _charge(*choice), default=None)

    def _made(
        self, call: KernelCall, first_tile: int, choice: tuple[_Options, int], least: tuple[_Options, int] | None
    ) -> LayerTiles:
        chosen, index = choice
        part_macs = int(chosen.part_macs[index])
        parts = -(-call.macs // part_macs) if part_macs else 1
        return LayerTiles(
            value=call.op.output,
            operand=call.operand,
            loc=call.op.loc,
            first_tile=first_tile,
            n_units=call.n_units,
            unit_bytes=call.unit_bytes,
            unit_stride_bytes=call.unit_stride_bytes,
            offset_bytes=call.offset_bytes,
            tile_units=int(chosen.tile_units[index]),
            parts=parts,
            part_macs=part_macs,
            macs=call.macs,
            n_tiles=int(chosen.n_tiles[index]),
            stage_bytes=int(chosen.stage_bytes[index]),
            cost=chosen.costs.at(index) if chosen.costs else None,
            least_cost=least[0].costs.at(least[1]) if least and least[0].costs else None,
        )

    def _pixels(self, call: KernelCall) -> list[_Options]:
        """Tiles of whole pixels of a pooled convolution: others gather each of several windows again."""
        channels = self._graph.types[call.op.output].shape[-1]
        if not isinstance(call.op, ConvPoolI8) or min(call.n_units, self._sram_bytes) < channels:
            return []
        return [self._wholes(call, channels)]

    def _wholes(self, call: KernelCall, step: int = 1) -> _Options:
        """Tiles of whole units, from `step` to as many as the SRAM holds, by so many."""
        most = max(1, min(call.n_units, self._sram_bytes // call.unit_bytes))
        return self._units(call, np.arange(step, most + 1, step, dtype=np.int64))

    def _units(self, call: KernelCall, units: Ints) -> _Options:
        """Tiles of so many units."""
        done = work(self._graph, call, units, self._board.kernels)
        measured = self._measured.tiles(self._graph, call, units) if self._measured else None
        return self._options(done, units, call.macs + 0 * units, -(-call.n_units // units), measured)

    def _parts(self, call: KernelCall, macs: Ints) -> _Options:
        """Tiles of a part of one unit, of so many products."""
        done = part_work(self._graph, call, macs)
        measured = self._measured.parts(self._graph, call, macs) if self._measured else None
        return self._options(done, 1 + 0 * macs, macs, call.n_units * -(-call.macs // macs), measured)

    def _options(self, done: Work, units: Ints, macs: Ints, n_tiles: Ints, measured: StepCosts | None) -> _Options:
        stage = done.stage_room_bytes if self._staged else 0 * units
        sram = aligned(done.write_bytes) + stage if self._staged else done.write_bytes
        costs = measured or (self._model.costs(done, self._commit) if self._model else None)
        return _Options(units, macs, n_tiles, stage, sram, _effort(done), costs)

    def _refuse(self, call: KernelCall, options: Sequence[_Options]) -> NoReturn:
        needed = min(int(option.sram_bytes.min()) for option in options)
        what = "one output and what it is computed from" if self._staged else "one output"
        raise DoesNotFit(
            f"{what} need {needed:,} bytes of sram, {self._board.name} has {self._sram_bytes:,} left for them",
            region="sram",
            needed=needed,
            available=self._sram_bytes,
            where=call.op.loc,
            hint="choose a larger board, or a layer with fewer channels",
        )

    def _cold_start(self) -> FixedStep:
        done = fixed_work(write_bytes=COLD_START_BYTES, compared=0, writes=COLD_START_WRITES)
        return self._fixed("cold start", self._graph.name, done, COLD_START)

    def _capture(self, layers: Sequence[LayerTiles]) -> FixedStep:
        ports = self._graph.inputs
        input_bytes = [self._graph.types[port.value].size_bytes for port in ports]
        n_bytes = sum(input_bytes)
        done = capture_work(input_bytes, max((layer.sram_bytes for layer in layers), default=1))
        return self._fixed("capture", "input " + ", ".join(port.name for port in ports), done, capture_key(n_bytes))

    def _publish(self) -> FixedStep:
        ports = self._graph.outputs
        scores = sum(self._graph.types[port.value].size_bytes for port in ports)
        done = fixed_work(write_bytes=RECORD_BYTES, compared=scores)
        return self._fixed("publish", "output " + ", ".join(port.name for port in ports), done, publish_key(scores))

    def _report(self) -> FixedStep:
        ports = self._graph.outputs
        output_bytes = [self._graph.types[port.value].size_bytes for port in ports]
        loc = "output " + ", ".join(port.name for port in ports)
        return self._fixed("report", loc, report_work(output_bytes), report_key(sum(output_bytes)))

    def _fixed(self, name: str, loc: str, done: Work, key: str) -> FixedStep:
        measured = self._measured.fixed(key) if self._measured else None
        costs = measured or (self._model.costs(done, self._commit) if self._model else None)
        return FixedStep(name, loc, int(done.write_bytes[0]), costs.at(0) if costs else None)


def _charge(options: _Options, index: int) -> float:
    assert options.costs is not None
    return float(options.costs.charge_pc[index])


def _effort(done: Work) -> Ints:
    """All that a tile does, each thing counted once."""
    counted: Ints = sum(done.counts.values(), done.value_read_bytes + done.stage_bytes)
    return counted
