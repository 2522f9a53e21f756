"""Networks on emulated boards, every answer compared: python -m benchmarks.boards [--networks ..] [--boards ..]

Each network is compiled for each board, built with each compiler at hand, and run on the board's emulator: 100 samples
of its data, random ones where it has none; 10 of KWS on an MSP430. Mismatches are against the integer interpreter, byte
for byte. Instructions, cycles and charge are means over the inferences. Needs FREEML_DATA but for digits and tiny_cnn.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.command import command
from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.board.core import MSP430
from freeml.data import load
from freeml.errors import DoesNotFit, ToolMissing
from freeml.firmware.build import Toolchain, find_cross_compiler
from freeml.output.folder import read_output
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.on_board import OnBoard

NETWORKS = ("digits", "tiny_cnn", "mnist8", "har", "kws")
BOARDS = ("msp430fr5994", "qemu_m0", "qemu_m4", "qemu_m33")
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
SAMPLES, SAMPLES_OF_KWS_ON_MSP430 = 100, 10


def rows(networks: Sequence[str], boards: Sequence[str], samples: int = SAMPLES) -> Iterator[dict[str, Any]]:
    """One row for each network, board and compiler at hand."""
    with tempfile.TemporaryDirectory() as work:
        for network in networks:
            model, data = source(network, Path(work))
            for board in boards:
                for toolchain in TOOLCHAINS:
                    yield row(network, model, data, board, toolchain, samples, Path(work) / "out")


def row(
    network: str, model: Path, data: str | None, board: str, toolchain: Toolchain, samples: int, out: Path
) -> dict[str, Any]:
    """Compile, build, run and compare."""
    told: dict[str, Any] = {"network": network, "board": board, "toolchain": toolchain}
    options = CompileOptions(name=network, board=board, samples=1, toolchain=toolchain)
    try:
        compile_model(model, out, data=data, options=options)
        output = read_output(out)
        memory = output.board.memory_map
        assert memory is not None
        find_cross_compiler(toolchain, memory)
    except (DoesNotFit, ToolMissing) as error:
        return {**told, "error": error.what}
    if memory.family is MSP430 and network == "kws":
        samples = min(samples, SAMPLES_OF_KWS_ON_MSP430)
    on_board = OnBoard.start(output, toolchain)
    dataset = load(data, "all", limit=samples) if data else random_dataset(output.graph, samples, 0)
    checked = verify_output(output, dataset, model=on_board.model)
    taken = on_board.taken()
    kept = ("compiler", "instructions", "cycles", "nvm_bytes_written", "charge_nc")
    return {
        **told,
        "samples": checked.samples,
        "mismatches": checked.mismatches,
        **{key: getattr(taken, key) for key in kept},
        "flash_bytes": output.manifest.memory.flash_bytes,
        "n_tiles": output.manifest.tiles.n_tiles,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.json:
        print(json.dumps(list(rows(args.networks, args.boards, args.samples))))
        return
    print(command(__file__), end="\n\n")
    names = ("network", "board", "compiler", "samples", "mismatches", "instructions", "cycles", "uC", "flash", "tiles")
    print("{:9} {:13} {:8} {:>7} {:>10} {:>13} {:>13} {:>9} {:>8} {:>6}".format(*names))
    for found in rows(args.networks, args.boards, args.samples):
        head = f"{found['network']:9} {found['board']:13} {found['toolchain']:8}"
        if "error" in found:
            print(f"{head} {found['error']}", flush=True)
            continue
        charge = f"{found['charge_nc'] / 1000:9,.1f}" if found["charge_nc"] is not None else f"{'':9}"
        counts = f"{found['samples']:7} {found['mismatches']:10} {found['instructions']:13,} {found['cycles']:13,}"
        print(f"{head} {counts} {charge} {found['flash_bytes']:8,} {found['n_tiles']:6}", flush=True)


if __name__ == "__main__":
    main()
