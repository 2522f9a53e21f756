"""Power losses on emulated boards: python -m benchmarks.power_loss.boards [NETWORK ..] [--boards ..] [--json]

"all": every reachable NVM image of one inference is booted, which stands for any number of losses at any instruction.
First boots find, among others, what firmware of a second network with the same sizes left at each of its commits.
"every": one loss after each single instruction of one inference, each followed by power that stays; digits alone.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import command
from benchmarks.power_loss.models import source, twin
from freeml import CompileOptions, compile_model
from freeml.errors import ToolMissing
from freeml.firmware.build import Toolchain
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output, read_output
from freeml.sim.answers import answers_of
from freeml.sim.check import random_dataset
from freeml.sim.on_board import ClosedBoard, OnBoard, closure_of, images_of
from freeml.sim.power_loss.cuts import CutReport

BOARDS = ("msp430fr5994", "msp430fr5969", "qemu_m4", "qemu_m0", "nucleo_l476rg")
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")


def compiled_for(board: str, network: str, model: Path, data: str | None, out: Path) -> Output:
    """One network for one board."""
    compile_model(model, out, data=data, options=CompileOptions(name=network, board=board, samples=1))
    return read_output(out)


def closed(output: Output, other: Output, toolchain: Toolchain, limit_s: float) -> ClosedBoard:
    """Closure, with what another network left among the first images."""

    def first_sample(compiled: Output) -> Any:
        samples = random_dataset(compiled.graph, 1, 0).real_inputs()
        return answers_of(compiled.graph, encode_inputs(compiled.graph, samples))[0]

    strangers = images_of(OnBoard.start(other, toolchain).emulator, other, first_sample(other)[0])
    engine = OnBoard.start(output, toolchain).emulator
    return closure_of(output, engine, *first_sample(output), limit_s=limit_s, strangers=strangers)


def rows(networks: Sequence[str], boards: Sequence[str], limit_s: float) -> Iterator[dict[str, Any]]:
    """One row for each network, board, compiler at hand and mode."""
    with tempfile.TemporaryDirectory() as work:
        for network in networks:
            for board in boards:
                output, other = (
                    compiled_for(board, network, *made(network, Path(work)), Path(work) / f"{network}-{board}-{k}")
                    for k, made in enumerate((source, twin))
                )
                for toolchain in TOOLCHAINS:
                    for mode in ("all", "every") if network == "digits" else ("all",):
                        told = {"network": network, "board": board, "toolchain": toolchain, "mode": mode}
                        try:
                            emulated = OnBoard.start(output, toolchain)
                        except ToolMissing:
                            continue
                        found: ClosedBoard | CutReport
                        if mode == "all":
                            found = closed(output, other, toolchain, limit_s)
                        else:
                            dataset = random_dataset(output.graph, 1, 0)
                            found = emulated.lose_power(dataset, mode, limit_s=limit_s)
                        kept = ("closed", "images", "divergences", "reason", "seconds")
                        cuts = getattr(found, "cuts", found.images)
                        yield {**told, "cuts": cuts, **{key: getattr(found, key) for key in kept}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=["digits", "tiny_cnn", "har"])
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--limit-s", type=float, default=600.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.json:
        print(json.dumps(list(rows(args.networks, args.boards, args.limit_s))))
        return
    print(command(__file__), end="\n\n")
    names = ("network", "board", "compiler", "mode", "closed", "cuts", "NVM images", "divergences", "seconds")
    print("{:9} {:13} {:8} {:6} {:6} {:>9} {:>10} {:>11} {:>7}".format(*names))
    for r in rows(args.networks, args.boards, args.limit_s):
        head = f"{r['network']:9} {r['board']:13} {r['toolchain']:8} {r['mode']:6} {r['closed']!s:6}"
        print(
            f"{head} {r['cuts']:9,} {r['images']:10,} {r['divergences']:11} {r['seconds']:7.1f} {r['reason']}",
            flush=True,
        )


if __name__ == "__main__":
    main()
