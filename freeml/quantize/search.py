"""Choose how to quantize by the measured error of the network's output.

Candidates: every range rule; for the best one also bias correction and cross-layer equalisation; and where a few
samples are far from the others (outliers.py), each rule with and without them. Half of the calibration samples give the
ranges, the other half judges, and no test sample takes part. The error is the squared difference to the float network
over its variance, taken before a final Softmax or ArgMax, where it has not been squashed yet; a sample counts as wholly
wrong at most, so that no single one decides. A candidate for which there are no integers is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData, BadModel, FreemlError, UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.ops import Conv, Dense
from freeml.ir.types import Array, Quant
from freeml.quantize.bias_correction import correct_biases
from freeml.quantize.equalize import equalize, pairs
from freeml.quantize.judge import Distance, distance, values
from freeml.quantize.lower import lower
from freeml.quantize.observe import Observed, observe, undefined
from freeml.quantize.outliers import Odd, describe, find_odd
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales, missing, score_values

# More calibration samples than this change the ranges less than the rules differ.
MAX_SAMPLES = 512
# Fewer samples than this are not halved: all of them give the ranges, and all of them judge.
_HALVED_FROM = 8
# A mean error says little where a few scores are large: a candidate is out if so much more of the samples change class.
_MOST_DISAGREEMENT = 0.2
_NO_INTEGERS = (BadModel, UnsupportedOp)  # what a candidate that cannot be coded raises


@dataclass(frozen=True, slots=True)
class Recipe:
    """One way to quantize: a range rule, and what else is done.

    trimmed     odd samples give no ranges
    equalised   channels are equalised before
    corrected   biases are corrected after
    """

    rule: str
    trimmed: bool = False
    equalised: bool = False
    corrected: bool = False

    def __str__(self) -> str:
        also = {
            " without odd samples": self.trimmed,
            " + equalisation": self.equalised,
            " + bias correction": self.corrected,
        }
        return self.rule + "".join(words for words, done in also.items() if done)


@dataclass(frozen=True, slots=True)
class Quantized:
    """The chosen integer graph, how it was made, and every candidate's error (none if the model came quantized).

    reference: the float graph whose values the integer graph's stand for, one by one (equalisation rescales channels).
    refused: candidates for which there are no integers, and why.
    n_samples: how many samples gave ranges; rule: how they were chosen. warnings: what is odd, for people.
    """

    graph: Graph
    reference: Graph
    method: str
    errors: dict[str, float]
    refused: dict[str, str] = field(default_factory=dict)
    n_samples: int = 0
    rule: str = ""
    warnings: tuple[str, ...] = ()


def quantize(
    graph: Graph,
    samples: Sequence[Array] | None,
    on_progress: Callable[[str], None] = lambda _: None,
    place: Callable[[int], str] = "sample {}".format,
    ends: Collection[str] | None = None,
    *,
    equalise: bool = True,
) -> Quantized:
    """Graph@FLOAT (passes done) -> the best Graph@QUANTIZED.

    samples: calibration samples as the author gives them; place: where one of them comes from, in words. ends: values
    of the outputs whose error counts; all where None. equalise: whether channels may be rescaled; weights that are made
    for codes of their own may not.
    Raises BadData where the model needs samples and has none, BadModel where activations are not finite, and the error
    of the best candidate where none can be coded.
    """
    if not missing(graph):
        on_progress("keep the model's own scales")
        own = lower(graph, assign_scales(graph, {}, RULES["min-max"], ends))
        return Quantized(own, graph, "the model's own scales", {})
    if samples is None or len(samples[0]) == 0:
        raise BadData(
            "this model is not quantized, so samples are needed to find the range of its activations",
            hint="give some with --data, for example --data samples.npz",
        )
    step = max(1, -(-len(samples[0]) // (2 * MAX_SAMPLES)))
    even = [array[::step] for array in samples]
    everything = _Bench(graph, even, ends)
    odd = find_odd(graph, everything.observed(False)[1])
    rest = np.setdiff1d(np.arange(len(even[0])), odd.broken)
    n_odd = len(odd.broken) + len(odd.far)
    whole = {
        False: _Bench(graph, [a[rest] for a in even], ends) if len(odd.broken) else everything,
        True: _Bench(graph, [a[np.setdiff1d(rest, odd.far)] for a in even], ends) if n_odd else everything,
    }
    whole[False].check_finite(lambda row: place(int(rest[row]) * step))
    judged = _judge(graph, even, odd, on_progress, ends, equalises=equalise and bool(pairs(graph)))
    on_progress(f"quantize with {judged.ranked[0]}")
    chosen, (lowered, reference) = _first_that_can_be_coded(whole, judged)
    left_out = chosen.trimmed or not len(odd.far)
    told = describe(graph, even, odd, lambda row: place(row * step), left_out=left_out) if n_odd else []
    return Quantized(
        lowered,
        reference,
        str(chosen),
        {str(recipe): measured.error for recipe, measured in judged.measured.items()},
        {str(recipe): str(error.what) for recipe, error in judged.refused.items()},
        len(rest) - (len(odd.far) if chosen.trimmed else 0),
        warnings=tuple(told),
    )


class _Bench:
    """Builds integer graphs by recipe from one set of samples; observes each float graph once."""

    def __init__(self, graph: Graph, samples: Sequence[Array], ends: Collection[str] | None) -> None:
        self.graph = graph
        self.samples = samples
        self.ends = ends
        self._known: dict[bool, tuple[Graph, dict[str, Observed]]] = {}

    def observed(self, equalised: bool) -> tuple[Graph, dict[str, Observed]]:
        """The float graph, equalised or not, and what its values are on the samples."""
        if equalised not in self._known:
            graph = equalize(self.graph, _channel_peaks(self.graph, self.samples)) if equalised else self.graph
            with np.errstate(all="ignore"):  # what overflows is found below
                self._known[equalised] = graph, observe(graph, self.samples)
        return self._known[equalised]

    def check_finite(self, place: Callable[[int], str]) -> None:
        """Raise BadModel where the float graph is infinite or undefined on some sample."""
        bad, name = undefined(self.observed(False)[1])
        if name is not None:
            op = self.graph.producers.get(name)
            raise BadModel(
                f"the float network gives infinite or undefined values on {int(bad.sum())} of {len(bad)} calibration "
                f"samples, the first is {place(int(bad.argmax()))}",
                where=op.loc if op else f"input {name!r}",
                hint="check the samples' scaling and the model itself",
            )

    def build(self, recipe: Recipe) -> tuple[Graph, Graph]:
        """The integer graph and its float reference."""
        graph, observed = self.observed(recipe.equalised)
        scales: dict[str, Quant] = assign_scales(graph, observed, RULES[recipe.rule], self.ends)
        source = correct_biases(graph, scales, self.samples) if recipe.corrected else graph
        return lower(source, scales), graph


@dataclass(frozen=True, slots=True)
class _Judged:
    """What was measured; and the errors of candidates that could not be coded."""

    measured: dict[Recipe, Distance]
    refused: dict[Recipe, FreemlError]

    @property
    def ranked(self) -> list[Recipe]:
        """The candidates that could be coded, best first; raises the first one's error where there is none.

        The least error is best, but not that of a candidate that gives many more samples another class.
        """
        if not self.measured:
            raise next(iter(self.refused.values()))
        least = max(one.agreement for one in self.measured.values()) - _MOST_DISAGREEMENT
        return sorted(
            self.measured, key=lambda recipe: (self.measured[recipe].agreement < least, self.measured[recipe].error)
        )


def _first_that_can_be_coded(whole: dict[bool, _Bench], judged: _Judged) -> tuple[Recipe, tuple[Graph, Graph]]:
    """The best candidate that all samples together leave codable. Raises the error of the best where there is none."""
    failed: list[FreemlError] = []
    for recipe in judged.ranked:
        try:
            return recipe, whole[recipe.trimmed].build(recipe)
        except _NO_INTEGERS as error:
            failed.append(error)
    raise failed[0]


def _judge(
    graph: Graph,
    even: Sequence[Array],
    odd: Odd,
    on_progress: Callable[[str], None],
    ends: Collection[str] | None,
    *,
    equalises: bool,
) -> _Judged:
    """Error of every recipe on samples it has not seen: all rules, then refinements of the best of them.

    Odd samples both give ranges and judge: a range that they spoil is spoilt for the others, too.
    """
    rows = np.setdiff1d(np.arange(len(even[0])), odd.broken)
    usual = np.setdiff1d(rows, odd.far)
    several = len(usual) >= _HALVED_FROM
    watched = usual[0::2] if several else usual
    held = np.union1d(usual[1::2] if several else usual, odd.far)
    calm = ~np.isin(held, odd.far)
    benches = {True: _Bench(graph, [array[watched] for array in even], ends)}
    benches[False] = (
        _Bench(graph, [a[np.union1d(watched, odd.far)] for a in even], ends) if len(odd.far) else benches[True]
    )
    hold = [array[held] for array in even]
    scores = score_values(graph, ends)
    reference = values(graph, hold, scores)
    judged = _Judged({}, {})

    def try_out(recipe: Recipe) -> None:
        on_progress(f"try {recipe}")
        try:
            built = benches[recipe.trimmed].build(recipe)[0]
        except _NO_INTEGERS as error:
            judged.refused[recipe] = error
            return
        judged.measured[recipe] = distance(values(built, hold, scores), reference, calm)

    for trimmed in (True, False) if len(odd.far) else (False,):
        for rule in RULES:
            try_out(Recipe(rule, trimmed))
    if not judged.measured and equalises:  # channels may be too unequal for any rule
        for recipe in tuple(judged.refused):
            try_out(replace(recipe, equalised=True))
    best = judged.ranked[0]
    try_out(replace(best, corrected=True))
    if equalises and not best.equalised:
        try_out(replace(best, equalised=True))
        try_out(replace(best, equalised=True, corrected=True))
    return judged


def _channel_peaks(graph: Graph, samples: Sequence[Array]) -> dict[str, npt.NDArray[np.float64]]:
    names = [op.output for op in graph.ops if isinstance(op, Conv | Dense)]
    peaks: dict[str, npt.NDArray[np.float64]] = {name: np.zeros(graph.types[name].shape[-1]) for name in names}
    for start, stop in chunks(graph, len(samples[0])):
        values = interpret(graph, encode_inputs(graph, [array[start:stop] for array in samples]), names)
        for name in names:
            peaks[name] = np.maximum(peaks[name], np.abs(values[name]).reshape(-1, peaks[name].size).max(axis=0))
    return peaks
