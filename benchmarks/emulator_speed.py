"""How fast the emulated boards are: python -m benchmarks.emulator_speed [BOARD ...]

Instructions a second of one core, of whole inferences of the small CNN of the tests, built by zig; the best of several
rounds, as others use the machine, too. All that silicon refuses is refused meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.command import command
from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.output.folder import read_output
from freeml.sim.board_device import start_emulator

BOARDS = ("qemu_m0", "qemu_m4", "qemu_m33", "nucleo_l073rz", "nucleo_l476rg", "msp430fr5994")
_ROUNDS, _ROUND_S = 6, 0.5


def instructions_per_s(board: str, work: Path) -> float:
    """Of one board. Raises ToolMissing without the compiler."""
    model, data = source("tiny_cnn", work)
    compile_model(model, work / board, data=data, options=CompileOptions(board=board, samples=1))
    output = read_output(work / board)
    emulator, _ = start_emulator(output, "zig")
    n_bytes = sum(output.graph.types[port.value].size_bytes for port in output.graph.inputs)
    codes = np.random.default_rng(0).bytes(n_bytes)
    emulator.power_on()
    emulator.infer(codes)
    best = 0.0
    for _ in range(_ROUNDS):
        start, done = time.process_time(), 0
        while time.process_time() - start < _ROUND_S:
            done += emulator.infer(codes).taken.instructions
        best = max(best, done / (time.process_time() - start))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD", default=BOARDS)
    boards = parser.parse_args().boards
    print(command(__file__), end="\n\n")
    print(f"{'board':14} {'M instructions a second':>24}")
    for board in boards:
        with tempfile.TemporaryDirectory() as work:
            print(f"{board:14} {instructions_per_s(board, Path(work)) / 1e6:24.1f}", flush=True)


if __name__ == "__main__":
    main()
