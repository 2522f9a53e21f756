"""Choose how to quantise by the measured error of the network's output.

Candidates: every range rule; for the best one also bias correction and cross-layer equalisation. Half of the
calibration samples give the ranges, the other half judges, and no test sample takes part. The error is the mean
squared difference to the float network over its variance, taken before a final Softmax or ArgMax, where it has not
been squashed yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData, BadModel
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Array, Quant
from freeml.quantize.bias_correction import correct_biases
from freeml.quantize.equalize import equalize, pairs
from freeml.quantize.lower import lower
from freeml.quantize.observe import Observed, has_finite, observe
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales, missing, score_values

# More calibration samples than this change the ranges less than the rules differ.
MAX_SAMPLES = 512


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to quantise: a range rule, and whether channels are equalised first and biases corrected after."""

    rule: str
    equalised: bool = False
    corrected: bool = False

    def __str__(self) -> str:
        return self.rule + " + equalisation" * self.equalised + " + bias correction" * self.corrected


@dataclass(frozen=True, slots=True)
class Quantised:
    """The chosen integer graph, how it was made, and every candidate's error (none if the model came quantised).

    reference: the float graph whose values the integer graph's stand for, one by one (equalisation rescales channels).
    """

    graph: Graph
    reference: Graph
    method: str
    errors: dict[str, float]


def quantize(
    graph: Graph,
    samples: Sequence[Array] | None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Quantised:
    """Graph@FLOAT (passes done) -> the best Graph@QUANTIZED. samples: calibration samples as the author gives them.

    Raises BadData where the model needs samples and has none, BadModel where activations are not finite.
    """
    if not missing(graph):
        on_progress("keep the model's own scales")
        own = lower(graph, assign_scales(graph, {}, RULES["min-max"]))
        return Quantised(own, graph, "the model's own scales", {})
    if samples is None or len(samples[0]) == 0:
        raise BadData(
            "this model is not quantised, so samples are needed to find the range of its activations",
            hint="give some with --data, for example --data samples.npz",
        )
    step = max(1, -(-len(samples[0]) // (2 * MAX_SAMPLES)))
    even = [array[::step] for array in samples]
    several = len(even[0]) >= 8
    watch = _Bench(graph, [array[0::2] if several else array for array in even])
    errors = _judge(watch, [array[1::2] if several else array for array in even], on_progress)
    best = min(errors, key=lambda recipe: errors[recipe])
    on_progress(f"quantise with {best}")
    lowered, reference = _Bench(graph, even).build(best)
    return Quantised(lowered, reference, str(best), {str(recipe): error for recipe, error in errors.items()})


class _Bench:
    """Builds integer graphs by recipe from one set of samples; observes each float graph once."""

    def __init__(self, graph: Graph, samples: Sequence[Array]) -> None:
        self.graph = graph
        self.samples = samples
        self._known: dict[bool, tuple[Graph, dict[str, Observed]]] = {}

    def _observed(self, equalised: bool) -> tuple[Graph, dict[str, Observed]]:
        if equalised not in self._known:
            graph = equalize(self.graph, _channel_peaks(self.graph, self.samples)) if equalised else self.graph
            self._known[equalised] = graph, _observe(graph, self.samples)
        return self._known[equalised]

    def build(self, recipe: Recipe) -> tuple[Graph, Graph]:
        """The integer graph and its float reference."""
        graph, observed = self._observed(recipe.equalised)
        scales: dict[str, Quant] = assign_scales(graph, observed, RULES[recipe.rule])
        source = correct_biases(graph, scales, self.samples) if recipe.corrected else graph
        return lower(source, scales), graph


def _judge(bench: _Bench, hold: Sequence[Array], on_progress: Callable[[str], None]) -> dict[Recipe, float]:
    """Error of every recipe on samples it has not seen: all rules, then refinements of the best of them."""
    judged = score_values(bench.graph)
    reference = _values(bench.graph, hold, judged)
    errors: dict[Recipe, float] = {}

    def try_out(recipe: Recipe) -> None:
        on_progress(f"try {recipe}")
        got = _values(bench.build(recipe)[0], hold, judged)
        errors[recipe] = sum(relative_error(got[value], reference[value]) for value in judged) / len(judged)

    for rule in RULES:
        try_out(Recipe(rule))
    best = min(errors, key=lambda recipe: errors[recipe])
    refinements = [Recipe(best.rule, corrected=True)]
    if pairs(bench.graph):
        refinements += [Recipe(best.rule, equalised=True), Recipe(best.rule, equalised=True, corrected=True)]
    for recipe in refinements:
        try_out(recipe)
    return errors


def relative_error(got: Array, reference: Array) -> float:
    """Mean squared difference over the variance of the reference; in double, where the square of any float32 fits."""
    got, reference = got.astype(np.float64), reference.astype(np.float64)
    power = float(np.mean((reference - reference.mean()) ** 2)) or 1.0
    return float(np.mean((got - reference) ** 2)) / power


def _observe(graph: Graph, samples: Sequence[Array]) -> dict[str, Observed]:
    observed = observe(graph, samples)
    if (name := has_finite(observed)) is not None:
        op = graph.producers.get(name)
        raise BadModel(
            "the float network gives infinite or undefined values on the calibration samples",
            where=op.loc if op else f"input {name!r}",
            hint="check the samples' scaling and the model itself",
        )
    return observed


def _values(graph: Graph, samples: Sequence[Array], wanted: list[str]) -> dict[str, Array]:
    parts: dict[str, list[Array]] = {name: [] for name in wanted}
    for start, stop in chunks(graph, len(samples[0])):
        values = interpret(graph, encode_inputs(graph, [array[start:stop] for array in samples]), wanted)
        for name in wanted:
            quant = graph.types[name].quant
            array = values[name]
            parts[name].append(quant.dequantize(array) if quant and array.dtype == np.int8 else array)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def _channel_peaks(graph: Graph, samples: Sequence[Array]) -> dict[str, npt.NDArray[np.float64]]:
    names = [op.output for op in graph.ops if isinstance(op, Conv | Dense)]
    peaks: dict[str, npt.NDArray[np.float64]] = {name: np.zeros(graph.types[name].shape[-1]) for name in names}
    for start, stop in chunks(graph, len(samples[0])):
        values = interpret(graph, encode_inputs(graph, [array[start:stop] for array in samples]), names)
        for name in names:
            peaks[name] = np.maximum(peaks[name], np.abs(values[name]).reshape(-1, peaks[name].size).max(axis=0))
    return peaks
