"""Several models in one firmware whose samples are of other lengths: one window, as long as the longest, serves all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml import CompileOptions, compile_model
from freeml.errors import ToolFailed
from freeml.ir.interpret import interpret
from freeml.output.folder import Output, read_output
from freeml.sim.board_device import start_emulator
from tests.msp430_firmware.networks import calibration, dense_network
from tests.msp430_firmware.test_several_models import NAMES, put_together

PIECES = 9000  # more than the SRAM of an FR5994 holds


def compiled_apart(work: Path, board: str, lengths: tuple[int, ...]) -> list[Output]:
    outputs = []
    for seed, (name, length) in enumerate(zip(NAMES, lengths, strict=False)):
        model = dense_network(work / f"{name}.onnx", length, 6, 5, seed=seed)
        options = CompileOptions(name=name, board=board, samples=1, capacitor_uf=470)
        data = str(calibration(work / f"{length}.npz", length))
        compile_model(model, work / name, data=data, options=options)
        outputs.append(read_output(work / name))
    return outputs


def with_window_of(n_bytes: int, output: Output) -> Output:
    """What the manual says to do: the window is made for the longest sample."""
    header = output.folder / "firmware" / "fml_board.h"
    text = header.read_text()
    assert text.count("#ifndef FML_BOARD_INPUT_BYTES\n") == 1
    defined = f"#define FML_BOARD_INPUT_BYTES {n_bytes}u\n#ifndef FML_BOARD_INPUT_BYTES\n"
    header.write_text(text.replace("#ifndef FML_BOARD_INPUT_BYTES\n", defined))
    return output


@pytest.mark.parametrize(
    ("board", "lengths"),
    [
        ("msp430fr5994", (20, 50, 30)),
        ("msp430fr5994", (PIECES, 30)),
        ("qemu_m4", (20, 50, 30)),
        ("qemu_m4", (50, 20)),
        ("qemu_m4", (20, 30, 50)),
    ],
)
def test_each_model_takes_its_own_codes_of_one_window(board: str, lengths: tuple[int, ...], tmp_path: Path) -> None:
    outputs = compiled_apart(tmp_path, board, lengths)
    together = put_together(outputs)
    if lengths[0] != PIECES:
        with_window_of(max(lengths), together)
    emulator, _ = start_emulator(together, "zig")
    emulator.power_on()
    last = outputs[-1].graph
    for codes in np.random.default_rng(0).integers(-128, 128, (3, max(lengths)), dtype=np.int8):
        found = emulator.infer(codes.tobytes()).outputs
        taken = codes[None, : lengths[-1]]
        wanted = interpret(last, {last.inputs[0].value: taken})[last.outputs[0].value]
        assert np.frombuffer(found, dtype=np.int8).tolist() == wanted.reshape(-1).tolist()


@pytest.mark.parametrize("board", ["msp430fr5994", "qemu_m4"])
def test_a_sample_that_is_longer_than_the_window_is_a_fault_and_no_wait_without_end(board: str, tmp_path: Path) -> None:
    together = put_together(compiled_apart(tmp_path, board, (20, 50)))
    emulator, _ = start_emulator(together, "zig")
    emulator.power_on()
    with pytest.raises(ToolFailed, match="it reported status -100"):
        emulator.infer(bytes(20))
