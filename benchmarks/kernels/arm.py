"""Cortex-M: a convolution and the tiny CNN as firmware on emulated boards, instruction by instruction.

An inference is a whole one: capture of the sample, tiles, commits, publication. The convolution is 16x16x16 -> 16, 3x3,
padding 1, as CMSIS-NN was measured with; its capacitor is so large that no tile is smaller than SRAM allows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.tiny_cnn.model import network
from freeml import CompileOptions, compile_model
from freeml.data import Dataset, load
from freeml.errors import ToolMissing
from freeml.firmware.build import Toolchain, build_firmware
from freeml.output.folder import Output, read_output
from freeml.sim.check import verify_output
from freeml.sim.on_board import OnBoard

TINY_CNN = "benchmarks.tiny_cnn.model:samples"
LARGE_CAPACITOR_UF = 100_000.0
CONV_MACS = 16 * 16 * 16 * 16 * 9
N_SAMPLES = 3
BOTH: tuple[Toolchain, ...] = ("zig", "gcc")


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One firmware: instructions of an inference (mean), code without weights, the compiler."""

    instructions: int
    code_bytes: int
    compiler: str


def conv16(board: str, toolchains: Sequence[Toolchain] = BOTH) -> dict[str, ArmFigures]:
    """The convolution alone, by toolchain."""
    with tempfile.TemporaryDirectory() as work:
        model = Path(work, "conv16.onnx")
        onnx.save(_conv16(), model)
        options = CompileOptions(board=board, capacitor_uf=LARGE_CAPACITOR_UF)
        data = Dataset((_images(64),), None, (), "conv16", "test")
        compile_model(model, Path(work, "out"), data=data, options=options)
        return _measured(read_output(Path(work, "out")), data.take(N_SAMPLES), toolchains)


def tiny_cnn(board: str, toolchains: Sequence[Toolchain] = BOTH) -> dict[str, ArmFigures]:
    """The network of benchmarks.tiny_cnn on the board as it is, by toolchain."""
    with tempfile.TemporaryDirectory() as work:
        model = Path(work, "tiny_cnn.onnx")
        onnx.save(network(), model)
        compile_model(model, Path(work, "out"), data=TINY_CNN, options=CompileOptions(board=board, samples=1))
        return _measured(read_output(Path(work, "out")), load(TINY_CNN, "test", limit=N_SAMPLES), toolchains)


def best(found: dict[str, ArmFigures]) -> ArmFigures:
    """The toolchain with the fewest instructions."""
    return min(found.values(), key=lambda one: one.instructions)


def _measured(output: Output, data: Dataset, toolchains: Sequence[Toolchain]) -> dict[str, ArmFigures]:
    found: dict[str, ArmFigures] = {}
    for toolchain in toolchains:
        try:
            found[toolchain] = measure(output, data, toolchain)
        except ToolMissing:
            continue
    if not found:
        raise ToolMissing("no compiler for Cortex-M found", hint="pip install ziglang")
    return found


def measure(output: Output, data: Dataset, toolchain: Toolchain) -> ArmFigures:
    """Build the firmware, run the samples, and compare every answer with the interpreter's."""
    with tempfile.TemporaryDirectory() as work:
        size = build_firmware(output, Path(work, "firmware.elf"), toolchain).firmware.size
    on_board = OnBoard.start(output, toolchain)
    report = verify_output(output, data, model=on_board.model)
    assert report.mismatches == 0, report.first_mismatch
    taken = on_board.taken()
    assert taken is not None, "an emulated board counts"
    weights_bytes = output.manifest.memory.weights_bytes
    return ArmFigures(taken.instructions, size.text_bytes - weights_bytes, taken.compiler)


def _images(n: int) -> np.ndarray:
    return np.random.default_rng(7).uniform(-1, 1, size=(n, 16, 16, 16)).astype(np.float32)


def _conv16() -> onnx.ModelProto:
    rng = np.random.default_rng(2026)
    bound = 1 / np.sqrt(16 * 9)
    weight = rng.uniform(-bound, bound, (16, 16, 3, 3)).astype(np.float32)
    bias = rng.uniform(-bound, bound, 16).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight", "bias"], ["y"], name="conv", pads=[1, 1, 1, 1])],
        "conv16",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 16, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 16, 16])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


FIGURES: dict[str, Callable[[], dict[str, ArmFigures]]] = {
    "conv16_m4": lambda: conv16("qemu_m4"),
    "conv16_m0": lambda: conv16("qemu_m0"),
    "tiny_cnn_m4": lambda: tiny_cnn("qemu_m4"),
}
