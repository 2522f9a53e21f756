"""How far an integer network's scores are from the float network's, so that no single sample decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Distance:
    """error: `bounded_error`, the mean over the outputs. agreement: share of samples with the same largest score."""

    error: float
    agreement: float


def distance(got: Mapping[str, Array], reference: Mapping[str, Array], calm: Flags) -> Distance:
    """Values by name, (B, ...) each, against those of the float network. calm: as in `bounded_error`."""
    errors = [bounded_error(got[name], reference[name], calm) for name in reference]
    same = [_agreement(got[name], reference[name]) for name in reference]
    return Distance(sum(errors) / len(errors), sum(same) / len(same))


def bounded_error(got: Array, reference: Array, calm: Flags) -> float:
    """Mean over samples (B, ...) of the squared difference over the variance of the reference, each at most 1.

    calm: samples (B,) that the variance is taken over. In double, where the square of any float32 fits.
    """
    got, reference = (array.reshape(len(array), -1).astype(np.float64) for array in (got, reference))
    usual = reference[calm]
    power = float(np.mean((usual - usual.mean()) ** 2)) or float(np.mean(usual**2)) or 1.0
    each = np.mean((got - reference) ** 2, axis=1) / power
    return float(np.mean(np.minimum(each, 1.0)))


def _agreement(got: Array, reference: Array) -> float:
    """1 where the values are no scores of classes: a single one, or several axes."""
    if sum(n > 1 for n in reference.shape[1:]) != 1:
        return 1.0
    got, reference = got.reshape(len(got), -1), reference.reshape(len(reference), -1)
    return float(np.mean(got.argmax(axis=1) == reference.argmax(axis=1)))


def values(graph: Graph, samples: Sequence[Array], wanted: Sequence[str]) -> dict[str, Array]:
    """Values (B, *shape) by name, real numbers, for samples as the author gives them."""
    parts: dict[str, list[Array]] = {name: [] for name in wanted}
    for start, stop in chunks(graph, len(samples[0])):
        found = interpret(graph, encode_inputs(graph, [array[start:stop] for array in samples]), wanted)
        for name in wanted:
            quant = graph.types[name].quant
            array = found[name]
            parts[name].append(quant.dequantize(array) if quant and array.dtype == np.int8 else array)
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}
