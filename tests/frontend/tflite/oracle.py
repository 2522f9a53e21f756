"""LiteRT, the oracle of the TFLite tests, and freeml's interpretation of the same files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from freeml.ir.graph import Graph
from freeml.ir.interpret_float import run_op

DATA = Path(os.environ.get("FREEML_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")


def data_file(name: str) -> Path:
    """A file of the data folder; skips where it is absent, fails in CI."""
    path = DATA / name
    if not path.exists():
        message = f"{name} is not in the data folder (set FREEML_DATA)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


def litert(model: Path | bytes, *inputs: np.ndarray) -> np.ndarray:
    """Real outputs of the first output, sample by sample; inputs are real values (B, *shape)."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    # Without the XNNPACK delegate, whose int8 kernels round differently from the reference ones.
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    if isinstance(model, bytes):
        interpreter = Interpreter(model_content=model, experimental_op_resolver_type=plain)
    else:
        interpreter = Interpreter(str(model), experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    out = interpreter.get_output_details()[0]
    results = []
    for sample in zip(*inputs, strict=True):
        for detail, real in zip(interpreter.get_input_details(), sample, strict=True):
            interpreter.set_tensor(detail["index"], _encoded(real, detail))
        interpreter.invoke()
        y = interpreter.get_tensor(out["index"])
        if out["dtype"] in (np.int8, np.uint8):
            scale, zero = out["quantization"]
            y = (y.astype(np.float64) - zero) * scale
        results.append(y)
    return np.stack(results)


def _encoded(real: np.ndarray, detail: dict) -> np.ndarray:
    real = real.reshape(detail["shape"])
    if detail["dtype"] == np.float32:
        return real.astype(np.float32)
    scale, zero = detail["quantization"]
    limits = np.iinfo(detail["dtype"])
    codes = np.round(real.astype(np.float64) / scale) + zero
    return np.clip(codes, limits.min, limits.max).astype(detail["dtype"])


def fake_quantized(graph: Graph, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The float graph with every annotated value rounded to its codes: int8 inference in real arithmetic."""

    def rounded(name: str, y: np.ndarray) -> np.ndarray:
        quant = graph.types[name].quant
        return y if quant is None else quant.dequantize(quant.quantize(y)).astype(np.float64)

    values: dict[str, np.ndarray] = {}
    for port, x in zip(graph.inputs, inputs, strict=True):
        memory = port.to_memory(x.astype(np.float64), graph.types[port.value].shape)
        values[port.value] = rounded(port.value, memory)
    for op in graph.ops:
        args = [values[n] if n in values else graph.consts[n].array for n in op.inputs]
        values[op.output] = rounded(op.output, run_op(op, args, graph.types[op.output]))
    port = graph.outputs[0]
    return port.from_memory(values[port.value])


def random_inputs(graph: Graph, n: int, seed: int = 0) -> list[np.ndarray]:
    """Samples over the codes of quantized inputs, standard normal elsewhere."""
    rng = np.random.default_rng(seed)
    samples = []
    for port in graph.inputs:
        quant = graph.types[port.value].quant
        if quant is None:
            samples.append(rng.normal(size=(n, *port.shape)).astype(np.float32))
        else:
            samples.append(quant.dequantize(rng.integers(-128, 128, (n, *port.shape)).astype(np.int8)))
    return samples
