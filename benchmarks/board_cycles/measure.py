"""Tiles of a board's firmware: what the emulator measures of each, and what every entry of [cycles] counts of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from freeml.board import Amount, Board, Cycles
from freeml.codegen.emit import write_folder
from freeml.errors import FreemlError
from freeml.firmware.output import Output
from freeml.ir.graph import Graph
from freeml.pipeline import c_files
from freeml.plan.cost import costs
from freeml.plan.energy import ONE_WORD, TWO_SLOTS, CostModel
from freeml.plan.energy_work import PARTIAL_BYTES, Call, Work, capture_work, fixed_work, kernel_calls, part_work, work
from freeml.plan.measured import COLD_START
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.schedule import schedule
from freeml.plan.tiles import (
    COLD_START_BYTES,
    COLD_START_WRITES,
    PUBLISH_BYTES,
    LayerTiles,
    TilePlan,
    plan_tiles,
    sram_for_tiles,
)
from freeml.profile import measure_boots, measure_cold_start, measure_steps, random_codes, resized
from freeml.sim.board import start_engine
from freeml.sim.engine import Engine, Taken
from freeml.sim.msp430_charge import charge_entry

ENTRIES = tuple(Cycles.model_fields)
_LARGE_UF = 1e6  # no tile is smaller than SRAM asks for
_DIVISORS = (1, 3, 16)
_MOST_TILES = 4_000  # of a firmware with tiles of one unit, or with parts
_SAMPLES = 2


@dataclass(frozen=True)
class Row:
    """The worst of all tiles of one size of one layer, or a step of one size.

    counts     how often each of ENTRIES is priced in it, boot left out
    cycles, charge_pc  measured, commit included, boot left out
    fixed_pc   charge that the planner adds to its cycles' charge: bytes moved
    """

    network: str
    what: str
    size: int
    tiles: int
    counts: np.ndarray
    fixed_pc: float
    cycles: int
    charge_pc: float

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.network}: {self.what}, {self.size:,}"


@dataclass(frozen=True)
class Found:
    """All that was measured of a board; boots without what the planner adds for the supply."""

    rows: tuple[Row, ...]
    boots: tuple[Taken, ...]
    compiler: str
    basis: str
    left_out: tuple[str, ...]


class Pricing:
    """The planner's cost model taken apart: it is linear, one entry at 1 and the rest at 0 give its count."""

    def __init__(self, board: Board) -> None:
        assert board.energy is not None
        self._cycle_pc = board.energy.cycle_pc.value * board.energy.calibration.value
        nothing = dict.fromkeys(ENTRIES, 0.0)
        self._none = _priced(board, nothing)
        self._each = [_priced(board, nothing | {entry: 1.0}) for entry in ENTRIES if entry != "boot"]
        self._boot_pc = self._none.restore().charge_pc

    def row(self, network: str, what: str, size: int, work: Work, slots: int, taken: list[Taken]) -> Row:
        """A row of steps that do this work."""
        commit = ONE_WORD if slots == 1 else TWO_SLOTS
        counts = [float(model.costs(work, commit).cycles[0]) for model in self._each]
        return Row(
            network,
            what,
            size,
            len(taken),
            np.array(counts),
            float(self._none.costs(work, commit).charge_pc[0]) - self._boot_pc,
            max(one.cycles for one in taken),
            max(one.charge_pc or 0.0 for one in taken),
        )

    def charge_pc(self, row: Row, cycles: float) -> float:
        """What the planner takes for a step of so many cycles."""
        return row.fixed_pc + cycles * self._cycle_pc


def _priced(board: Board, values: dict[str, float]) -> CostModel:
    amounts = {name: Amount(value=value, source="assumed: a probe") for name, value in values.items()}
    return CostModel(board.model_copy(update={"cycles": Cycles.model_construct(**amounts)}))


def measure(board: Board, networks: dict[str, Graph]) -> Found:
    """Run every network that fits the board with tiles of several sizes."""
    rows: list[Row] = []
    boots: list[Taken] = []
    left_out: list[str] = []
    compiler = basis = ""
    pricing = Pricing(board)
    for name, given in networks.items():
        graph = schedule(given, in_place=False)
        plan = plan_memory(graph, in_place=False)
        try:
            for tiles in _plans(graph, plan, board):
                engine, compiler = _start(graph, plan, tiles, board)
                basis = engine.basis
                found, booted = _steps(engine, graph, plan, tiles, pricing, name)
                rows += found
                boots += booted
        except FreemlError as error:
            left_out.append(f"{name}: {error}")
    return Found(tuple(rows), tuple(boots), compiler, basis, tuple(left_out))


def _plans(graph: Graph, plan: MemoryPlan, board: Board) -> Iterator[TilePlan]:
    """As large as SRAM allows, several smaller ones, single units, and products in parts."""
    stack = board.code.stack_bytes.value if board.code else 0
    sram = sram_for_tiles(board, stack_bytes=stack, scratch_bytes=costs(graph, board.kernels).scratch_bytes)
    largest = plan_tiles(graph, plan, board, _LARGE_UF, sram_tile_bytes=sram)
    for divisor in _DIVISORS:
        if (smaller := resized(largest, divisor)) is not None:
            yield smaller
    single = resized(largest, 2**30)
    if single is not None and single.n_tiles <= _MOST_TILES:
        yield single
        for parts in (2, 5):
            cut = _in_parts(single, {call.op.output for call in kernel_calls(graph, plan) if call.has_parts}, parts)
            if cut.n_tiles <= _MOST_TILES:
                yield cut


def _in_parts(plan: TilePlan, values: set[str], parts: int) -> TilePlan:
    """Tiles of one unit, and of these layers parts of one."""
    layers: list[LayerTiles] = []
    step = 1
    for layer in plan.layers:
        cut = replace(layer, first_tile=step)
        if layer.value in values:
            part_macs = -(-layer.macs // parts)
            n_parts = -(-layer.macs // part_macs)
            cut = replace(cut, part_macs=part_macs, parts=n_parts, n_tiles=layer.n_units * n_parts)
        layers.append(cut)
        step += cut.n_tiles
    buffer = max(plan.tile_buffer_bytes, PARTIAL_BYTES)
    return replace(plan, layers=tuple(layers), partial_bytes=2 * PARTIAL_BYTES, tile_buffer_bytes=buffer)


def _start(graph: Graph, plan: MemoryPlan, tiles: TilePlan, board: Board) -> tuple[Engine, str]:
    _, files = c_files(graph, plan, tiles, board, header=())
    assert board.memory_map is not None
    manifest = {
        "memory_map": asdict(board.memory_map),
        "charge": charge_entry(board),
        "board": board.model_dump(mode="json"),
        "options": {"board": board.name},
    }
    with tempfile.TemporaryDirectory(prefix="freeml-cycles-") as folder:
        out = Path(folder) / "out"
        write_folder(out, files)
        return start_engine(Output(out, manifest, graph, graph), "zig")


def _steps(
    engine: Engine, graph: Graph, plan: MemoryPlan, tiles: TilePlan, pricing: Pricing, network: str
) -> tuple[list[Row], list[Taken]]:
    """Rows of one firmware, and its boots: each with the commit that follows a last step, as in `freeml profile`."""
    first = random_codes(graph)
    cold = measure_cold_start(engine, first)
    boots: list[Taken] = []
    taken: list[list[Taken]] = [[] for _ in range(tiles.n_tiles + 2)]
    for seed in range(1, _SAMPLES + 1):
        codes = random_codes(graph, seed)
        steps, last = measure_steps(engine, codes, tiles.n_tiles)
        for step in steps:
            taken[step.index].append(step.taken)
        boots += [boot + last for boot in measure_boots(engine, codes)]
    slots = tiles.commit_slots

    ins = [graph.types[port.value].size_bytes for port in graph.inputs]
    n_out = sum(graph.types[port.value].size_bytes for port in graph.outputs)
    start = fixed_work(write_bytes=COLD_START_BYTES, compared=0, writes=COLD_START_WRITES)
    capture = capture_work(ins, tiles.sram_bytes)
    publish = fixed_work(write_bytes=PUBLISH_BYTES, compared=n_out)
    rows = [
        pricing.row(network, COLD_START, 0, start, slots, [cold]),
        pricing.row(network, "capture", sum(ins), capture, slots, taken[0]),
        pricing.row(network, "publish", n_out, publish, slots, taken[-1]),
    ]
    for call, layer in zip(kernel_calls(graph, plan), tiles.layers, strict=True):
        of = [one for index in range(layer.n_tiles) for one in taken[layer.first_tile + index]]
        rows.append(_row(pricing, network, graph, call, layer, slots, of))
    return rows, boots


def _row(
    pricing: Pricing, network: str, graph: Graph, call: Call, layer: LayerTiles, slots: int, taken: list[Taken]
) -> Row:
    kind = type(call.op).__name__
    if layer.parts > 1:
        done = part_work(graph, call, np.array([layer.part_macs]))
        return pricing.row(network, f"{kind} in parts", layer.part_macs, done, slots, taken)
    return pricing.row(network, kind, layer.tile_units, work(graph, call, np.array([layer.tile_units])), slots, taken)
