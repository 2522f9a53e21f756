"""Planned costs against emulated ones: python -m benchmarks.costs [--networks ..] [--boards ..] [--json]

Each network is planned for each board as `freeml compile` does, with the cycle table of the compiler that builds its
firmware, and run on the board's emulator. A ratio is planned over emulated, of a whole inference (boot, and what a
board's report prints, aside): cycles and charge of the plan, energy and time that `freeml analyze` says, and the least
of any step or boot amid an inference, which is below 1 only where one took more than was planned for it. Where a
network does not fit, `freeml analyze` and `freeml compile` must both say so. Exit code 1 where a ratio is not within 1
and 1.5, or the two commands disagree.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.command import command
from benchmarks.power_loss.models import source
from freeml.analysis import Analysis, analyze
from freeml.board.board import Board, board_names, load_board
from freeml.c_files import c_files
from freeml.codegen.names import identifier
from freeml.energy.capacitor import StepCost, budget_of
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain
from freeml.frontend.load import LoadedModel, load_model
from freeml.ir.graph import Graph
from freeml.needs import bounds
from freeml.output.folder import Sources, write_folder
from freeml.pipeline import for_toolchain, measure_memory, optimise, planned_graph, quantize_with
from freeml.plan.steps import FixedStep, TilePlan
from freeml.sim.board_device import board_device
from freeml.sim.device import Taken
from freeml.sim.profile import counted, measure_boots, measure_steps, random_codes

NETWORKS = ("digits", "tiny_cnn", "mnist8", "har", "kws", "resnet8")
BOARDS = tuple(name for name in board_names() if load_board(name).memory_map)
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
MOST_RATIO = 1.5


@dataclass(frozen=True)
class Network:
    """A network as both commands read it; quantized once, as that does not depend on the board."""

    name: str
    loaded: LoadedModel
    float_graph: Graph
    graph: Graph


@dataclass(frozen=True, slots=True)
class Row:
    """One network on one board by one compiler: cycles and charge of an inference, and what was said over emulated.

    analyzed_energy, analyzed_time  of `freeml analyze`, which knows no ranges of activations
    """

    network: str
    board: str
    toolchain: str
    cycles: int
    charge_nc: float
    cycles_ratio: float
    charge_ratio: float
    analyzed_energy: float
    analyzed_time: float
    least_step_ratio: float
    worst_step: str

    @property
    def holds(self) -> bool:
        """Whether nothing is dearer than planned, nor planned far too dear."""
        whole = (self.cycles_ratio, self.charge_ratio, self.analyzed_energy, self.analyzed_time)
        return self.least_step_ratio >= 1 and all(1 <= ratio <= MOST_RATIO for ratio in whole)

    def __str__(self) -> str:
        ratios = (self.cycles_ratio, self.charge_ratio, self.analyzed_energy, self.analyzed_time, self.least_step_ratio)
        shown = " ".join(f"{ratio:7.2f}" for ratio in ratios)
        said = self.worst_step if self.holds else f"{self.worst_step}  OUTSIDE 1 .. {MOST_RATIO}"
        pair = f"{self.network:9} {self.board:16} {self.toolchain:4}"
        return f"{pair} {self.cycles:13,} {self.charge_nc / 1000:10,.1f} {shown} {said}"


@dataclass(frozen=True, slots=True)
class Refused:
    """A pair that does not fit, in the words of either command; None where one of them says that it fits."""

    network: str
    board: str
    toolchain: str
    analyze: str | None
    compile: str | None

    @property
    def holds(self) -> bool:
        """Whether both refuse."""
        return self.analyze is not None and self.compile is not None

    def __str__(self) -> str:
        pair = f"{self.network:9} {self.board:16} {self.toolchain:4}"
        if self.holds:
            return f"{pair} does not fit, by analyze and by compile: {self.compile}"
        return f"{pair} DISAGREE: analyze: {self.analyze or 'fits'}; compile: {self.compile or 'fits'}"


def network(name: str, work: Path) -> Network:
    """Read and quantize one network; files that are made go to a folder."""
    model, data = source(name, work)
    loaded = load_model(str(model))
    float_graph = optimise(loaded, identifier(loaded.name))
    return Network(name, loaded, float_graph, quantize_with(float_graph, data).graph)


def rows(names: Sequence[str], boards: Sequence[str], toolchains: Sequence[Toolchain]) -> Iterator[Row | Refused]:
    """A row of each pair. Raises ToolMissing where a compiler is not there."""
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            one = network(name, Path(work))
            for board in boards:
                for toolchain in toolchains:
                    yield row(one, board, toolchain)


def row(one: Network, board_name: str, toolchain: Toolchain) -> Row | Refused:
    """Analyze, plan, build, run step by step, and compare. Raises ToolMissing."""
    board = for_toolchain(load_board(board_name), toolchain)
    analysis = analyze(one.loaded, load_board(board_name), None, toolchain)
    refused: str | None = None
    with tempfile.TemporaryDirectory() as work:
        try:
            output, tiles = compiled(one, board, toolchain, Path(work) / "out")
        except DoesNotFit as error:
            refused = error.what
        if refused is not None or analysis.refusal is not None:
            said = analysis.refusal.what if analysis.refusal else None
            return Refused(one.name, board_name, toolchain, said, refused)
        return compared(one.name, board, toolchain, output, tiles, analysis)


def compiled(one: Network, board: Board, toolchain: Toolchain, out: Path) -> tuple[Sources, TilePlan]:
    """The folder and the tiles that `freeml compile` makes of a network. Raises DoesNotFit, ToolMissing."""
    planned = planned_graph(one.graph, board, None)
    tiles = planned.feasible
    program, files = c_files(planned.graph, planned.memory, tiles, board, header=(), windows=planned.windows)
    if not all(region.fits for region in bounds(planned, board).values()):  # only what the linker makes of it can tell
        needed, _ = measure_memory(program, files, board, toolchain)
        board.check_fit(**{region: needed[region] for region in ("flash_bytes", "nvm_bytes", "sram_bytes")})
    write_folder(out, files)
    return Sources(out, planned.graph, board), tiles


def compared(name: str, board: Board, toolchain: Toolchain, made: Sources, tiles: TilePlan, analysis: Analysis) -> Row:
    """Run a folder's firmware for one inference behind another, and compare each step."""
    device, _ = board_device(made, tiles, toolchain)
    codes = random_codes(made.graph)
    steps = [counted(step) for step in measure_steps(device, codes)]
    planned = planned_steps(tiles)
    cycles = sum(step.cycles for step in steps)
    charge_pc = sum(step.charge_pc or 0.0 for step in steps)
    ratios = [(_ratio(cost, step), loc) for (loc, cost), step in zip(planned, steps, strict=True)]
    ratios += [(_ratio(boot_cost(board, tiles), boot), "boot") for boot in measure_boots(device, codes)]
    budget, said = budget_of(board), analysis.inference
    assert budget is not None
    assert said is not None
    assert board.clock_hz is not None
    return Row(
        network=name,
        board=board.name,
        toolchain=toolchain,
        cycles=cycles,
        charge_nc=charge_pc / 1000,
        cycles_ratio=sum(cost.cycles for _, cost in planned) / cycles,
        charge_ratio=sum(cost.charge_pc for _, cost in planned) / charge_pc,
        analyzed_energy=said.energy_uj / budget.energy_uj(charge_pc),
        analyzed_time=said.active_us / (cycles * 1e6 / board.clock_hz.value),
        least_step_ratio=min(ratios)[0],
        worst_step=min(ratios)[1],
    )


def _ratio(cost: StepCost, taken: Taken) -> float:
    return min(cost.cycles / taken.cycles, cost.charge_pc / (taken.charge_pc or 1.0))


def boot_cost(board: Board, tiles: TilePlan) -> StepCost:
    """What is planned for a boot, but for what the hardware takes before the first instruction."""
    assert board.energy is not None
    assert tiles.restore is not None
    start_pc = board.energy.boot_nc.value * 1000 * board.energy.calibration.value
    return tiles.restore - StepCost(0.0, start_pc, board.energy.boot_us.value)


def planned_steps(tiles: TilePlan) -> list[tuple[str, StepCost]]:
    """Name and planned cost of every step of an inference in order, without boot."""
    restore = tiles.restore
    assert restore is not None
    found: list[tuple[str, StepCost]] = []
    for step in tiles.whole:
        assert step.cost is not None
        name = step.key.split()[0] if isinstance(step, FixedStep) else step.loc
        found += [(name, step.cost - restore)] * step.n_steps
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--toolchains", nargs="+", default=TOOLCHAINS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: list[Row | Refused] = []
    if not args.json:
        print(command(__file__), end="\n\n")
        head = ("network", "board", "by", "cycles", "uC", "cycles", "charge", "energy", "time", "least of a step")
        print("{:9} {:16} {:4} {:>13} {:>10} {:>7} {:>7} {:>7} {:>7} {:>7}".format(*head))
    for one in rows(args.networks, args.boards, args.toolchains):
        found.append(one)
        if not args.json:
            print(one, flush=True)
    if args.json:
        print(json.dumps([{"holds": one.holds, **asdict(one)} for one in found]))
    else:
        wrong = sum(not one.holds for one in found)
        print(f"{len(found)} rows, {wrong} of them not within 1 and {MOST_RATIO}, or with commands that disagree")
    sys.exit(0 if all(one.holds for one in found) else 1)


if __name__ == "__main__":
    main()
