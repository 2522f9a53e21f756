"""Run a graph in numpy: the oracle for everything the compiler emits.

Values are batches in memory order; `predict` takes and gives samples as the model's author sees them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from freeml.errors import BadData
from freeml.ir.graph import Graph, Stage
from freeml.ir.interpret_float import run_op
from freeml.ir.interpret_int import run_int_op
from freeml.ir.types import Array, DType, Port

# One chunk of samples should not need more than this many elements in its largest window view.
_CHUNK_ELEMS = 24_000_000


def interpret(graph: Graph, inputs: Mapping[str, Array], wanted: Collection[str] | None = None) -> dict[str, Array]:
    """Evaluate a graph on a batch.

    inputs  arrays (B, *shape) in memory order for every input value: floats, or int8 codes for a quantized graph
    wanted  names of the values to return; the outputs of the graph where None
    Returns arrays (B, *shape) by value name.
    """
    keep = set(graph.output_values if wanted is None else wanted)
    run = run_op if graph.stage is Stage.FLOAT else run_int_op
    left = dict(graph.uses)
    values: dict[str, Array] = dict(inputs)
    result = {name: values[name] for name in keep if name in values}
    for op in graph.ops:
        args = [values[name] if name in values else graph.consts[name].array for name in op.inputs]
        y = run(op, args, graph.types[op.output])
        if graph.stage is Stage.QUANTIZED:
            dtype = graph.types[op.output].dtype
            assert y.dtype == dtype.numpy, f"%{op.output}: elements of {y.dtype}, its type has {dtype.value}"
        values[op.output] = y
        if op.output in keep:
            result[op.output] = y
        for name in set(op.inputs) & values.keys():
            left[name] -= op.inputs.count(name)
            if left[name] == 0:
                del values[name]
    return result


def predict(graph: Graph, samples: Sequence[Array]) -> tuple[Array, ...]:
    """Outputs for samples as the author gives them: one array (B, *port.shape) per input, real values.

    A quantized graph quantizes its inputs and dequantizes its outputs. Raises BadData where shapes do not fit.
    """
    parts: list[tuple[Array, ...]] = []
    for start, stop in chunks(graph, len(samples[0]) if samples else 0):
        inputs = encode_inputs(graph, [array[start:stop] for array in samples])
        parts.append(decode_outputs(graph, interpret(graph, inputs)))
    if not parts:
        raise BadData("no samples to run the model on")
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))


def encode_inputs(graph: Graph, samples: Sequence[Array]) -> dict[str, Array]:
    """Author's samples -> input values in memory order, quantized where the graph is."""
    if len(samples) != len(graph.inputs):
        raise BadData(f"the model has {len(graph.inputs)} inputs, the data {len(samples)}")
    exact = any(port.dtype not in ("float32", "float16") for port in (*graph.inputs, *graph.outputs))
    encoded: dict[str, Array] = {}
    for port, array in zip(graph.inputs, samples, strict=True):
        type_ = graph.types[port.value]
        memory = port.to_memory(fit_samples(port, array), type_.shape)
        if graph.stage is Stage.FLOAT:
            encoded[port.value] = memory.astype(np.float64 if exact else np.float32)
        else:
            assert type_.quant is not None
            encoded[port.value] = type_.quant.quantize(memory.astype(np.float64))
    return encoded


def decode_outputs(graph: Graph, values: Mapping[str, Array]) -> tuple[Array, ...]:
    """Output values in memory order -> arrays as the author sees them, real values or indices."""
    decoded = []
    for port in graph.outputs:
        type_ = graph.types[port.value]
        y = values[port.value]
        if type_.quant is not None and type_.dtype is DType.I8:
            y = type_.quant.dequantize(y)
        decoded.append(port.from_memory(y).astype(port.dtype))
    return tuple(decoded)


def fit_samples(port: Port, array: Array) -> Array:
    """(B, ...) with the port's element count -> (B, *port.shape). Raises BadData with both shapes."""
    if array.shape[1:] == port.shape:
        return array
    squeezed = tuple(n for n in array.shape[1:] if n != 1)
    if squeezed == tuple(n for n in port.shape if n != 1) or (array.ndim == 2 and array[0].size == np.prod(port.shape)):
        return array.reshape(array.shape[0], *port.shape)
    raise BadData(
        f"samples of shape {array.shape[1:]} do not fit the model's input of shape {port.shape}",
        where=f"input {port.name!r}",
        hint="give one sample per row of the first axis, each in the shape the model was trained with",
    )


def chunks(graph: Graph, n_samples: int) -> Iterator[tuple[int, int]]:
    """Slices of a batch small enough for the largest window view of the graph."""
    largest = 1
    for op in graph.ops:
        window = getattr(op, "window", None)
        taps = window.kernel[0] * window.kernel[1] if window is not None else 1
        out = graph.types[op.output]
        channels = graph.type_of(op.inputs[0]).shape[-1:] or (1,)
        largest = max(largest, out.n_elems, taps * channels[0] * int(np.prod(out.shape[:2] or (1,))) if window else 0)
    step = max(1, min(1024, _CHUNK_ELEMS // largest))
    for start in range(0, n_samples, step):
        yield start, min(start + step, n_samples)
