"""MSP430: layers as firmware on the emulated FR5994, 16 MHz, one wait state: python -m benchmarks.kernels.msp430

Cycles are of a whole crash-safe inference (capture of the sample, tiles, commits, publication) over the layer's
products, those with padding included. Images become 16 or 64 means (GlobalAveragePool, whose cycles count, too), and
the capacitor is of a size that keeps tiles small: SRAM holds the sample and the answer beside the tile.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.command import command
from benchmarks.kernels.arm import N_SAMPLES
from freeml import CompileOptions, compile_model
from freeml.data import Dataset
from freeml.errors import ToolMissing
from freeml.firmware.build import Toolchain, build_firmware
from freeml.output.folder import Output, read_output
from freeml.sim.check import verify_output
from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits
from freeml.sim.on_board import OnBoard

BOARD = "msp430fr5994"
CAPACITOR_UF = 1000.0
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
_MIPS_INSTRUCTIONS = 20_000_000


@dataclass(frozen=True)
class Layer:
    """One layer as a model: shape of the sample, weights (out, in / groups, ...) and products of an inference."""

    shape: tuple[int, ...]
    weight: tuple[int, ...]
    n_products: int
    pad: int = 0
    groups: int = 1


LAYERS = {
    "conv": Layer((16, 16, 16), (16, 16, 3, 3), 16 * 16 * 16 * 16 * 9, pad=1),
    "pointwise": Layer((64, 8, 5), (64, 64, 1, 1), 8 * 5 * 64 * 64),
    "depthwise": Layer((64, 8, 5), (64, 1, 3, 3), 8 * 5 * 64 * 9, pad=1, groups=64),
    "dense": Layer((256,), (64, 256), 256 * 64),
}


@dataclass(frozen=True)
class Msp430Figures:
    """One firmware: cycles of an inference (mean), code with constants within reach of pointers, the compiler."""

    cycles: int
    cycles_per_product: float
    code_bytes: int
    compiler: str


def measure(name: str) -> dict[str, Msp430Figures]:
    """A layer of LAYERS, by toolchain. Raises ToolMissing where there is none."""
    layer = LAYERS[name]
    with tempfile.TemporaryDirectory() as work:
        model = Path(work, f"{name}.onnx")
        onnx.save(_model(layer), model)
        samples = np.random.default_rng(7).uniform(-1, 1, size=(64, *layer.shape)).astype(np.float32)
        data = Dataset((samples,), None, (), name, "test")
        options = CompileOptions(board=BOARD, capacitor_uf=CAPACITOR_UF)
        compile_model(model, Path(work, "out"), data=data, options=options)
        output = read_output(Path(work, "out"))
        found: dict[str, Msp430Figures] = {}
        for toolchain in TOOLCHAINS:
            try:
                found[toolchain] = _measured(output, data.take(N_SAMPLES), toolchain, layer.n_products)
            except ToolMissing:
                continue
    if not found:
        raise ToolMissing("no compiler for the MSP430 found", hint="pip install ziglang")
    return found


def conv_cycles_per_mac() -> float:
    """16x16x16 -> 16, 3x3, padding 1, with the better of the compilers."""
    return _best("conv")


def dense_cycles_per_mac() -> float:
    """256 -> 64, with the better of the compilers."""
    return _best("dense")


def emulator_mips() -> float:
    """Million instructions per second of processor time, in inferences of the convolution; the best of three."""
    layer = LAYERS["conv"]
    with tempfile.TemporaryDirectory() as work:
        model = Path(work, "conv.onnx")
        onnx.save(_model(layer), model)
        samples = np.random.default_rng(7).uniform(-1, 1, size=(8, *layer.shape)).astype(np.float32)
        data = Dataset((samples,), None, (), "conv", "test")
        options = CompileOptions(board=BOARD, capacitor_uf=CAPACITOR_UF)
        compile_model(model, Path(work, "out"), data=data, options=options)
        elf = build_firmware(read_output(Path(work, "out")), Path(work, "firmware.elf")).firmware.path
        chip = Msp430("fr5994")
        chip.load_elf(elf)
    best = 0.0
    for _ in range(3):
        chip.reset(1)
        begin = time.process_time()
        chip.run(Limits(instructions=_MIPS_INSTRUCTIONS))
        done = chip.counters().instructions
        best = max(best, done / (time.process_time() - begin) / 1e6)
    return round(best, 1)


FIGURES: dict[str, Callable[[], float]] = {
    "conv_msp430_cycles_per_mac": conv_cycles_per_mac,
    "dense_msp430_cycles_per_mac": dense_cycles_per_mac,
    "emulator_mips": emulator_mips,
}


def _best(name: str) -> float:
    return round(min(one.cycles_per_product for one in measure(name).values()), 2)


def _measured(output: Output, data: Dataset, toolchain: Toolchain, n_products: int) -> Msp430Figures:
    """Build, run the samples, compare every answer with the interpreter's."""
    with tempfile.TemporaryDirectory() as work:
        size = build_firmware(output, Path(work, "firmware.elf"), toolchain).firmware.size
    on_board = OnBoard.start(output, toolchain)
    report = verify_output(output, data, model=on_board.model)
    assert report.mismatches == 0, report.first_mismatch
    taken = on_board.taken()
    assert taken is not None, "an emulated board counts"
    return Msp430Figures(taken.cycles, taken.cycles / n_products, size.text_bytes, taken.compiler)


def _model(layer: Layer) -> onnx.ModelProto:
    rng = np.random.default_rng(2026)
    n_out = layer.weight[0]
    bound = 1 / np.sqrt(np.prod(layer.weight[1:]))
    weight = rng.uniform(-bound, bound, layer.weight).astype(np.float32)
    bias = rng.uniform(-bound, bound, n_out).astype(np.float32)
    names = ["x", "weight", "bias"]
    if len(layer.weight) == 2:
        nodes, out_shape = [helper.make_node("Gemm", names, ["y"], transB=1)], [n_out]
    else:
        conv = helper.make_node("Conv", names, ["image"], pads=[layer.pad] * 4, group=layer.groups)
        nodes, out_shape = [conv, helper.make_node("GlobalAveragePool", ["image"], ["y"])], [n_out, 1, 1]
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *layer.shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, *out_shape])],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("layers", nargs="*", default=list(LAYERS), metavar="LAYER", help=", ".join(LAYERS))
    layers = parser.parse_args().layers
    print(command(__file__), end="\n\n")
    for layer in layers:
        for toolchain, one in measure(layer).items():
            text = f"{one.cycles_per_product:6.2f} cycles per product, {one.cycles:,} cycles, {one.code_bytes:,} bytes"
            print(f"{layer:10} {toolchain:4} {text}, {one.compiler}")
    print(f"emulator: {emulator_mips():.1f} million instructions per second")


if __name__ == "__main__":
    main()
