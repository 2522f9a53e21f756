"""Compare a compiled folder's C with the interpreter, byte for byte, and with the float network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from freeml.data import Dataset, fit_inputs
from freeml.data.accuracy import Said, agreement, score
from freeml.data.findings import joined, model_findings, range_findings
from freeml.ir.decision import depths, published_values
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array
from freeml.output.folder import Output
from freeml.plan.protocol import ARENA
from freeml.plan.step_table import Kind
from freeml.sim.answers import answers_from, codes_of
from freeml.sim.device import Device, steps_to_report
from freeml.sim.host import HostDevice, host_device
from freeml.sim.sampled import SampledDevice

_MOST_NUMBER = 2**32 - 1  # of a result; 1 comes after it


@dataclass(frozen=True, slots=True)
class Verification:
    """What `freeml verify` reports.

    mismatches   samples whose output bytes differ between C and interpreter
    first_mismatch  sample and layer of the first difference, in words; empty where there is none
    accuracy     of the class that the C publishes on the labels; None without labels
    depths       samples that ended at each depth
    mae, r2      of the C on the targets of a regression; None without
    max_error, mean_error   C against the float network, over all outputs, in real values
    agreement    share of samples on which C and float network predict the same class
    warnings     what is odd about samples and labels, in words
    """

    samples: int
    mismatches: int
    first_mismatch: str
    accuracy: float | None
    float_accuracy: float | None
    agreement: float | None
    max_error: float
    mean_error: float
    mae: float | None = None
    float_mae: float | None = None
    r2: float | None = None
    float_r2: float | None = None
    warnings: tuple[str, ...] = ()
    depths: tuple[int, ...] = ()


def verify_output(
    output: Output,
    dataset: Dataset,
    on_progress: Callable[[int], None] = lambda _: None,
    *,
    model: SampledDevice | None = None,
) -> Verification:
    """Run every sample through the C, the interpreter and the float network.

    model: what runs the C; by default the build for this machine. Raises as devices do.
    """
    model = model or SampledDevice(host_device(output), output.graph)
    dataset = fit_inputs(dataset, [port.shape for port in output.graph.inputs])
    samples = dataset.real_inputs()
    mismatches, first = 0, ""
    coded, exact = Said(output.graph), Said(output.float_graph)
    worst = total = 0.0
    ends: Counter[int] = Counter()
    n_values = 0
    for start, stop in chunks(output.graph, len(dataset)):
        part = [array[start:stop] for array in samples]
        inputs = encode_inputs(output.graph, part)
        got, expected = model.run(inputs), interpret(output.graph, inputs, published_values(output.graph))
        misreported = _misreported(model, output.graph, expected)
        ends.update(record.depth for record in model.published)
        stopped = np.array([record.depth < len(depths(output.graph)) for record in model.published])
        differing = _differing(got, expected) & ~stopped  # what was computed is not of this sample
        wrong = differing | (misreported != "")
        mismatches += int(wrong.sum())
        if wrong.any() and not first:
            sample = int(np.argmax(wrong))
            where = f"sample {start + sample}, {dataset.place(start + sample)}"
            said = _first_wrong(model.device, output, inputs, sample) if differing[sample] else misreported[sample]
            first = f"{where}: {said}"
        real = coded.add(
            {**expected, **_computed(got, expected, stopped)}, _published(model) if stopped.any() else None
        )
        float_inputs = encode_inputs(output.float_graph, part)
        reference = exact.add(interpret(output.float_graph, float_inputs, exact.wanted))
        for a, b in zip(real, reference, strict=True):
            error = np.abs(a.astype(np.float64) - b.astype(np.float64))
            worst, total, n_values = max(worst, float(error.max())), total + float(error.sum()), n_values + error.size
        on_progress(stop - start)
    of_c, notes = score(output.graph, coded.answers, dataset)
    of_float, more = score(output.float_graph, exact.answers, dataset)
    found = [*model_findings(output.float_graph), *range_findings(dataset, output.graph)]
    return Verification(
        samples=len(dataset),
        mismatches=mismatches,
        first_mismatch=first,
        accuracy=of_c.accuracy,
        float_accuracy=of_float.accuracy,
        agreement=agreement(coded.answers.classes, exact.answers.classes),
        max_error=worst,
        mean_error=total / n_values,
        mae=of_c.mae,
        float_mae=of_float.mae,
        r2=of_c.r2,
        float_r2=of_float.r2,
        warnings=tuple(joined(found, more or notes)),
        depths=tuple(ends[k] for k in range(1, len(depths(output.graph)) + 1)),
    )


def _computed(got: Mapping[str, Array], expected: Mapping[str, Array], stopped: Array) -> dict[str, Array]:
    """Outputs of the C; where a decision stopped before they were computed, those that it would have computed."""
    rows = {name: stopped.reshape(-1, *(1,) * (array.ndim - 1)) for name, array in got.items()}
    return {name: np.where(rows[name], expected[name], array) for name, array in got.items()}


def _published(model: SampledDevice) -> Array:
    return np.array([record.class_index for record in model.published], dtype=np.int64)


def random_dataset(graph: Graph, n_samples: int, seed: int = 0) -> Dataset:
    """Samples that cover the whole range of every input: for a check without data."""
    rng = np.random.default_rng(seed)
    arrays = []
    for port in graph.inputs:
        quant = graph.types[port.value].quant
        assert quant is not None
        arrays.append(quant.dequantize(rng.integers(-128, 128, (n_samples, *port.shape), dtype=np.int8)))
    return Dataset(tuple(arrays), None, (), "random", "test", tuple(None for _ in arrays))


def _misreported(model: SampledDevice, graph: Graph, expected: Mapping[str, Array]) -> Array:
    """For each sample what is wrong with the result that was published of it, in words; empty where it is right."""
    said = np.full(len(model.published), "", dtype=object)
    number = model.number
    for k, (record, answer) in enumerate(zip(model.published, answers_from(graph, expected), strict=True)):
        due = answer.at(record.depth)
        got = (record.class_index, record.confidence, record.depth)
        wanted = (due.class_index, due.confidence, due.depth)
        if got != wanted:
            said[k] = f"class, confidence and depth published are {got}, the interpreter's {wanted}"
        elif record.sequence != number % _MOST_NUMBER + 1:
            said[k] = f"the result published after number {number} has number {record.sequence}"
        number = record.sequence
    return said


def _differing(got: dict[str, Array], expected: dict[str, Array]) -> Array:
    wrong = [(got[name] != expected[name]).reshape(len(got[name]), -1).any(axis=1) for name in got]
    return np.asarray(np.any(wrong, axis=0))


def _first_wrong(device: Device, output: Output, inputs: dict[str, Array], sample: int) -> str:
    """Where the difference begins: in the C, or in what a board's compiler made of it."""
    if isinstance(device, HostDevice):
        return first_wrong_layer(device, output, inputs, sample)
    host = host_device(output)
    one = {name: array[sample : sample + 1] for name, array in inputs.items()}
    if _differing(SampledDevice(host, output.graph).run(one), interpret(output.graph, one)).any():
        return f"{first_wrong_layer(host, output, inputs, sample)}, as on this machine"
    return "the build for this machine is right: it is the board's code or its compiler"


def first_wrong_layer(device: Device, output: Output, inputs: dict[str, Array], sample: int) -> str:
    """The node of the first layer whose bytes differ, for one sample."""
    graph = output.graph
    one = {name: array[sample : sample + 1] for name, array in inputs.items()}
    expected = interpret(graph, one, list(graph.types))
    # Layers in the order of their tiles; a Concat that copies several operands is done after its last one.
    layers, offset_bytes = output.manifest.tiles.layers, output.manifest.arena.offset_bytes
    done = {layer.first_tile + layer.n_tiles - 1: layer for layer in layers}
    last = {layer.value: layer.first_tile for layer in layers}
    device.power_on()
    (codes,) = codes_of(graph, one)
    device.sense(codes)
    for step in steps_to_report(device):
        layer = done.get(step.index)
        if step.kind is not Kind.TILES or layer is None or last[layer.value] != layer.first_tile:
            continue
        type_ = graph.types[layer.value]
        start = ARENA + offset_bytes[layer.value]
        raw = np.frombuffer(device.nvm[start : start + type_.size_bytes], dtype=type_.dtype.numpy)
        if (raw != expected[layer.value].ravel()).any():
            op = graph.producers[layer.value]
            return f"first wrong in {op.loc} ({type(op).__name__}, {op.output})"
    return "every layer alone agrees: the difference is in how they are joined"
