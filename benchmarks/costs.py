"""Planned costs against emulated ones: python -m benchmarks.costs [--networks ..] [--boards ..] [--json]

Each network is planned for each board as `freeml compile` does, with the cycle table of the compiler that builds its
firmware, and run on the board's emulator. A ratio is planned over emulated: of cycles and of charge, for a whole
inference (boot, and what a board's report prints, aside), and the least of any step, which is below 1 only where a step
took more than was planned for it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.errors import DoesNotFit, ToolMissing
from freeml.firmware.build import Toolchain
from freeml.firmware.output import read_output
from freeml.plan.energy import TileCost
from freeml.plan.tiles import TilePlan
from freeml.profile import measure_steps, random_codes
from freeml.sim.board import start_engine

NETWORKS = ("digits", "tiny_cnn", "mnist8", "har", "kws", "resnet8")
BOARDS = (
    "msp430fr5994",
    "msp430fr5969",
    "qemu_m0",
    "qemu_m4",
    "qemu_m33",
    "nucleo_l073rz",
    "nucleo_l432kc",
    "nucleo_l476rg",
    "nucleo_u575zi_q",
    "nrf52840_dk",
)
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")


@dataclass(frozen=True, slots=True)
class Row:
    """One network on one board by one compiler: cycles and charge of an inference, and planned over emulated."""

    network: str
    board: str
    toolchain: str
    cycles: int
    charge_nc: float
    cycles_ratio: float
    charge_ratio: float
    least_step_ratio: float
    worst_step: str


def rows(networks: Sequence[str], boards: Sequence[str], toolchains: Sequence[Toolchain]) -> Iterator[Row | str]:
    """A row each, or in words why there is none."""
    with tempfile.TemporaryDirectory() as work:
        for network in networks:
            model, data = source(network, Path(work))
            for board in boards:
                for toolchain in toolchains:
                    try:
                        yield row(network, model, data, board, toolchain, Path(work) / "out")
                    except (DoesNotFit, ToolMissing) as error:
                        yield f"{network:9} {board:16} {toolchain:4} {error.what}"


def row(network: str, model: Path, data: str | None, board: str, toolchain: Toolchain, out: Path) -> Row:
    """Compile, build, run step by step, and compare. Raises DoesNotFit, ToolMissing."""
    made = compile_model(model, out, data=data, options=CompileOptions(board=board, samples=1, toolchain=toolchain))
    engine, _ = start_engine(read_output(out), toolchain)
    steps, _ = measure_steps(engine, random_codes(made.graph), made.tiles.n_tiles)
    planned = planned_steps(made.tiles)
    cycles = sum(step.taken.cycles for step in steps)
    charge_pc = sum(step.taken.charge_pc or 0.0 for step in steps)
    ratios = [
        (min(cost.cycles / step.taken.cycles, cost.charge_pc / (step.taken.charge_pc or 1.0)), name)
        for (name, cost), step in zip(planned, steps, strict=True)
    ]
    return Row(
        network=network,
        board=board,
        toolchain=toolchain,
        cycles=cycles,
        charge_nc=charge_pc / 1000,
        cycles_ratio=sum(cost.cycles for _, cost in planned) / cycles,
        charge_ratio=sum(cost.charge_pc for _, cost in planned) / charge_pc,
        least_step_ratio=min(ratios)[0],
        worst_step=min(ratios)[1],
    )


def planned_steps(tiles: TilePlan) -> list[tuple[str, TileCost]]:
    """Name and planned cost of every step of an inference in order, without boot."""
    restore = tiles.restore
    assert restore is not None
    assert tiles.capture.cost is not None
    assert tiles.publish.cost is not None
    assert tiles.report.cost is not None
    found = [("capture", tiles.capture.cost - restore)]
    for layer in tiles.layers:
        assert layer.cost is not None
        found += [(layer.loc, layer.cost - restore)] * layer.n_tiles
    return [*found, ("publish", tiles.publish.cost - restore), ("report", tiles.report.cost - restore)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--toolchains", nargs="+", default=TOOLCHAINS)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.json:
        found = rows(args.networks, args.boards, args.toolchains)
        print(json.dumps([one if isinstance(one, str) else asdict(one) for one in found]))
        return
    head = ("network", "board", "by", "cycles", "uC", "cycles", "charge", "least of a step")
    print("{:9} {:16} {:4} {:>13} {:>10} {:>7} {:>7} {:>6}".format(*head))
    for one in rows(args.networks, args.boards, args.toolchains):
        if isinstance(one, str):
            print(one, flush=True)
            continue
        counted = f"{one.network:9} {one.board:16} {one.toolchain:4} {one.cycles:13,} {one.charge_nc / 1000:10,.1f}"
        ratios = f"{one.cycles_ratio:7.2f} {one.charge_ratio:7.2f} {one.least_step_ratio:6.2f}"
        print(f"{counted} {ratios} {one.worst_step}", flush=True)


if __name__ == "__main__":
    main()
