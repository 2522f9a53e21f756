"""Measure what each step of a firmware takes on its emulated board: the planner's cost table, progress judged with it.

A step is what lies between two commits, with the one at its end; what a board's report itself takes, a line on a UART,
is no part of it. A layer is measured with tiles of several sizes, each a firmware of its own, because its cost at any
size is wanted; the line through the worst tiles is moved up until nothing measured lies above it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from freeml.board.board import Board
from freeml.board.cost_table import CostTable, MeasuredLayer, MeasuredStep
from freeml.c_files import c_files
from freeml.energy.capacitor import StepCost, budget_of
from freeml.errors import BadBoard, BadData, ToolFailed
from freeml.exits.policy import Policy, PolicyKind
from freeml.exits.tune import device_policy
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph
from freeml.kernels.kernel import KernelCall
from freeml.output.folder import Output, Sources, write_folder
from freeml.plan.calls import kernel_calls
from freeml.plan.measured import PARTS, MeasuredPrices, signature
from freeml.plan.memory import MemoryPlan
from freeml.plan.planner import recut
from freeml.plan.step_table import Kind
from freeml.plan.steps import Cut, FixedStep, TilePlan
from freeml.sim.board_device import board_device
from freeml.sim.device import Device, Step, Taken, steps_to_report
from freeml.version import __version__

_MOST_BOOTS = 8
_SIZES = (1, 2, 4)  # tiles of the plan's size, of half of it, and of a quarter
Progress = Callable[[str], None]


def measure_steps(device: Device, codes: bytes) -> list[Step]:
    """All steps of one inference, of a device that has published before.

    Raises ToolFailed where they are not each of the plan's once, in order, but for those that a decision leaves out.
    """
    _to_report(device, codes)
    steps = list(steps_to_report(device))
    leaps = [
        after.index != before.index + 1 and (before.kind, after.kind) != (Kind.DECIDE, Kind.REPORT)
        for before, after in pairwise(steps)
    ]
    if steps[0].index != 0 or any(leaps):
        raise ToolFailed("the firmware makes its steps in another order than its plan")
    return steps


def measure_boots(device: Device, codes: bytes, most: int = _MOST_BOOTS) -> list[Taken]:
    """Boots amid an inference, at each of its first tiles, `most` of them: boot and step, less the step alone."""
    _to_report(device, codes)
    device.step()
    boots: list[Taken] = []
    for _ in range(most):
        before = device.nvm
        alone = device.step()
        if alone.kind is not Kind.TILES:
            break
        device.nvm = before
        device.power_on()
        boots.append(counted(device.step()) - counted(alone))
    return boots


def measure_cold_start(device: Device, codes: bytes) -> Taken:
    """What a boot on garbage in NVM takes beyond one between two inferences."""
    device.nvm = random_bytes(len(device.nvm))
    cold = _capture_behind_boot(device, codes)
    _to_report(device, codes)
    return cold - _capture_behind_boot(device, codes)


def counted(step: Step) -> Taken:
    """What a step took. Raises ToolFailed for a device that does not count."""
    if step.taken is None:
        raise ToolFailed("this engine does not count what steps take")
    return step.taken


def _capture_behind_boot(device: Device, codes: bytes) -> Taken:
    device.sense(codes)
    device.power_on()
    return counted(device.step())


def _to_report(device: Device, codes: bytes) -> None:
    """Power on and run to a report."""
    device.sense(codes)
    device.power_on()
    for _ in steps_to_report(device):
        pass


def resized(graph: Graph, memory_plan: MemoryPlan, board: Board, plan: TilePlan, divisor: int) -> TilePlan | None:
    """The same plan with smaller tiles; None where there would be too many for its commit record."""
    cuts = [
        Cut(1, -(-layer.part_macs // divisor)) if layer.parts > 1 else Cut(-(-layer.tile_units // divisor))
        for layer in plan.layers
    ]
    return recut(graph, memory_plan, board, plan, cuts)


def fit(sizes: Sequence[int], worst: Sequence[float]) -> tuple[float, float]:
    """(fixed, unit) of the line of least squares through the worst costs by size, moved up to lie above them all.

    With a single size, all of it is fixed cost per tile of that size: a larger tile is priced in proportion.
    """
    x, y = np.asarray(sizes, dtype=float), np.asarray(worst, dtype=float)
    if len(set(sizes)) < 2:
        return 0.0, float(np.max(y / x))
    unit = max(0.0, float(np.polyfit(x, y, 1)[0]))
    return float(np.max(y - unit * x)), unit


def profile_output(output: Output, toolchain: Toolchain = "auto", progress: Progress = lambda _: None) -> CostTable:
    """Measure a compiled folder. Raises BadBoard for a board without firmware or energy model, and as a build does."""
    board = output.board
    if board.memory_map is None or board.energy is None or board.clock_hz is None:
        raise BadBoard(f"{board.name} has no firmware to measure", hint="freeml boards lists those that have one")
    graph = output.graph
    plan, tiles = output.manifest.arena, output.manifest.tiles
    codes = random_codes(graph)
    found = Found(graph, {(call.op.output, call.operand): call for call in kernel_calls(graph, plan)})
    basis = compiler = ""
    for divisor in _SIZES:
        smaller = resized(graph, plan, board, to_its_end(tiles), divisor)
        if smaller is None or (divisor > 1 and smaller.n_tiles == tiles.n_tiles):
            continue
        progress(f"run {smaller.n_tiles:,} tiles, 1/{divisor} of the planned size")
        device, compiler = device_of(output, smaller, toolchain)
        basis = device.basis
        found.add(device, codes, smaller)
    return CostTable(
        freeml=__version__,
        board=board.name,
        model=graph.name,
        compiler=compiler,
        clock_hz=board.clock_hz.value,
        basis=basis,
        boot=_most(found.boots),
        fixed={name: _most(taken) for name, taken in sorted(found.fixed.items()) if taken},
        layers=tuple(_line(name, sizes) for name, sizes in found.layers.items()),
    )


def to_its_end(tiles: TilePlan) -> TilePlan:
    """The same plan, whose policy stops nowhere: what lies behind an exit is measured, too."""
    if tiles.policy is None:
        return tiles
    table = Policy.of_numbers(tiles.policy.head, tiles.policy.rows)
    whole = replace(table, kind=PolicyKind.FIXED, depth=len(table.rows) + 1, deadline_ms=0)
    return replace(tiles, policy=device_policy(whole))


def random_codes(graph: Graph, seed: int = 1) -> bytes:
    """One sample, over the whole range of codes."""
    n_bytes = sum(graph.types[port.value].size_bytes for port in graph.inputs)
    return random_bytes(n_bytes, seed)


def random_bytes(n_bytes: int, seed: int = 1) -> bytes:
    """The same ones each time."""
    return np.random.default_rng(seed).bytes(n_bytes)


def device_of(made: Output, tiles: TilePlan, toolchain: Toolchain) -> tuple[Device, str]:
    """A board with the folder's network cut into these tiles, and the compiler of its firmware."""
    known = made.manifest
    _, files = c_files(made.graph, known.arena, tiles, made.board, header=(), windows=known.windows)
    with tempfile.TemporaryDirectory(prefix="freeml-profile-") as work:
        folder = Path(work) / "out"
        write_folder(folder, files)
        device, built = board_device(Sources(folder, made.graph, made.board), tiles, toolchain)
        return device, built.compiler.version


@dataclass
class Found:
    """Everything measured so far: by signature the cost of tiles by size, steps of one size by name, boots."""

    graph: Graph
    calls: Mapping[tuple[str, int], KernelCall]
    layers: dict[str, list[tuple[int, Taken]]] = field(default_factory=dict)
    fixed: dict[str, list[Taken]] = field(default_factory=dict)
    boots: list[Taken] = field(default_factory=list)

    def add(self, device: Device, codes: bytes, tiles: TilePlan) -> None:
        """Measure one firmware."""
        self.fixed.setdefault(tiles.cold_start.key, []).append(measure_cold_start(device, codes))
        steps = {step.index: counted(step) for step in measure_steps(device, codes)}
        self.boots += measure_boots(device, codes)
        for row, planned in zip(tiles.steps.rows, tiles.in_order, strict=True):
            if isinstance(planned, FixedStep):
                # One sample shows one way of a decision, and the other may take more: there the board's price stays.
                if planned.kind is not Kind.DECIDE:
                    self.fixed.setdefault(planned.key, []).extend(steps[k] for k in row.steps if k in steps)
                continue
            call = self.calls[planned.value, planned.operand]
            key = signature(self.graph, call) + (PARTS if planned.parts > 1 else "")
            for index, tile in zip(row.steps, planned.tiles(), strict=True):
                if index in steps:
                    size = tile.mac_n if planned.parts > 1 else tile.n
                    self.layers.setdefault(key, []).append((size, steps[index]))


def _most(taken: Iterable[Taken]) -> MeasuredStep:
    both = list(taken)
    return MeasuredStep(
        cycles=max(0, *(one.cycles for one in both)),
        charge_pc=max(0.0, *(one.charge_pc or 0.0 for one in both)),
    )


def _line(name: str, measured: Sequence[tuple[int, Taken]]) -> MeasuredLayer:
    """The line above everything measured of a layer."""
    sizes = sorted({size for size, _ in measured})
    cycles = [max(taken.cycles for size, taken in measured if size == one) for one in sizes]
    charge = [max(taken.charge_pc or 0.0 for size, taken in measured if size == one) for one in sizes]
    fixed_cycles, unit_cycles = fit(sizes, cycles)
    fixed_pc, unit_pc = fit(sizes, charge)
    return MeasuredLayer(
        signature=name,
        fixed_cycles=fixed_cycles,
        unit_cycles=unit_cycles,
        fixed_pc=fixed_pc,
        unit_pc=unit_pc,
        sizes=tuple(sizes),
    )


@dataclass(frozen=True, slots=True)
class JudgedStep:
    """A step of a plan with its measured cost.

    n_units, tile_units  of its layer and of its largest tile; 0 for steps that are of no layer
    cycles, uj           of its worst case, with boot
    unit_cycles          of one unit more
    share                of what is usable of the capacitor
    """

    loc: str
    n_units: int
    tile_units: int
    cycles: float
    unit_cycles: float
    uj: float
    share: float


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether every step fits one charge of the capacitor."""

    fits: bool
    capacitor_uf: float
    usable_uj: float
    steps: tuple[JudgedStep, ...]


def check_measured(output: Output, table: CostTable, capacitor_uf: float | None = None) -> Proof:
    """Progress with measured costs: every step of the folder's plan against one charge of the capacitor."""
    graph, priced = output.graph, MeasuredPrices(output.board, table)
    plan, tiles = output.manifest.arena, output.manifest.tiles
    budget = tiles.budget if capacitor_uf is None else budget_of(output.board, capacitor_uf)
    assert budget is not None
    steps: list[JudgedStep] = []

    def judge(loc: str, cost: StepCost | None, n_units: int = 0, tile_units: int = 0, unit_cycles: float = 0.0) -> None:
        if cost is None:
            raise BadData(f"{loc} was not measured", hint="profile this very folder")
        drain_pc = budget.drain_pc(cost)
        steps.append(
            JudgedStep(
                loc=loc,
                n_units=n_units,
                tile_units=tile_units,
                cycles=cost.cycles,
                unit_cycles=unit_cycles,
                uj=budget.energy_uj(cost.charge_pc),
                share=drain_pc / budget.usable_pc,
            )
        )

    for name, step in sorted({step.key: step for step in (tiles.cold_start, *tiles.fixed)}.items()):
        measured = priced.fixed(name)
        # One inference shows one way of a decision, and none of the report behind an early end: there the plan's price
        # counts.
        own = bool(graph.exits) and step.kind in (Kind.DECIDE, Kind.REPORT)
        judge(name, measured.at(0) if measured is not None else step.cost if own else None)
    for call, layer in zip(kernel_calls(graph, plan), tiles.layers, strict=True):
        size = np.array([layer.part_macs if layer.parts > 1 else layer.tile_units])
        of = priced.parts if layer.parts > 1 else priced.tiles
        key = signature(graph, call) + (PARTS if layer.parts > 1 else "")
        unit_cycles = table.by_signature[key].unit_cycles if key in table.by_signature else 0.0
        costs = of(graph, call, size)
        judge(layer.loc, None if costs is None else costs.at(0), layer.n_units, int(size[0]), unit_cycles)
    return Proof(
        fits=all(step.share <= 1 for step in steps),
        capacitor_uf=budget.capacitor_uf,
        usable_uj=budget.energy_uj(budget.usable_pc),
        steps=tuple(steps),
    )
