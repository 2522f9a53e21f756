"""What is odd about samples: they hardly differ, a feature never changes, values lie outside what the input can hold.

Sentences for people. Rows are those of the file, counted from 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from freeml.data.dataset import Array, Dataset
from freeml.ir.decision import softmax_of_one
from freeml.ir.graph import Graph
from freeml.ir.types import Quant

FEW = 10  # samples: below this, ranges rest on too little to go unsaid
_CLIPPED = 0.01  # share of the values outside an input's range that is said
_CLEAR = 0.05  # ranges that the farthest of them is outside: ends of what few samples found are no mistake
_FAR = 4.0  # ranges of the input that one value may lie outside without being said
_TOLD = 3


def calibration_findings(dataset: Dataset, graph: Graph) -> list[str]:
    """Of the samples that find ranges: too few, all the same, or features that never change.

    A feature is a value of a row, or a channel of an image or signal. Zeros in many places are no news, as in images.
    """
    n = len(dataset)
    if n < FEW:
        told = f"only {n} sample{'s' * (n > 1)} find{'s' * (n == 1)} the ranges: values beyond theirs will be clipped"
        return [f"{told}; a hundred or more are usual", *_constant(dataset, graph)]
    return _constant(dataset, graph)


def _constant(dataset: Dataset, graph: Graph) -> list[str]:
    found = []
    for port, array in zip(graph.inputs, dataset.real_inputs(), strict=True):
        lo, hi = array.min(axis=0), array.max(axis=0)
        if len(array) > 1 and (lo == hi).all():
            found.append(f"all {len(array)} samples of input '{port.name}' are the same: the ranges rest on one")
            continue
        if len(array) < FEW:
            continue
        axes = [i for i, size in enumerate(port.shape) if size > 1]
        if len(axes) == 1:
            low, high = lo.reshape(-1), hi.reshape(-1)
        elif axes and port.shape[port.order[-1]] > 1:
            rest = tuple(i for i in range(len(port.shape)) if i != port.order[-1])
            low, high = lo.min(axis=rest), hi.max(axis=rest)
        else:
            continue
        still = np.flatnonzero(low == high)
        word = "feature" if len(axes) == 1 else "channel"
        zeros = low[still] == 0
        if zeros.sum() * 10 > len(low):
            still = still[~zeros]
        if len(still):
            each = ", ".join(f"{word} {k} is {low[k]:g}" for k in still[:_TOLD])
            more = f" and {len(still) - _TOLD} more never change" if len(still) > _TOLD else ""
            found.append(f"input '{port.name}': {each} in all {len(array)} samples{more}")
    return found


def range_findings(dataset: Dataset, graph: Graph) -> list[str]:
    """Of samples that an integer graph is given: values that its inputs cannot hold, and the likely cause."""
    found = []
    for port, real in zip(graph.inputs, dataset.real_inputs(), strict=True):
        quant = graph.types[port.value].quant
        if quant is None or not real.size:
            continue
        lo, hi = (float(v) for v in quant.dequantize(np.array([-128, 127])))
        beyond = np.maximum(real - (hi + quant.scale), (lo - quant.scale) - real).reshape(len(real), -1)
        share = float(np.mean(beyond > 0))
        row, at = divmod(int(beyond.argmax()), beyond.shape[1])
        range_ = f"{lo:.4g} to {hi:.4g}"
        if share > _CLIPPED and beyond.max() > _CLEAR * (hi - lo):
            reach = f"{float(real.min()):.4g} to {float(real.max()):.4g}"
            cause = _cause(real, lo, hi)
            found.append(
                f"{100 * share:.1f} % of the values of input '{port.name}' are outside its range, {range_}, and are "
                f"clipped: the samples reach from {reach}{cause}"
            )
        elif beyond.max() > _FAR * (hi - lo):
            value = float(real.reshape(len(real), -1)[row, at])
            index = ", ".join(str(int(i)) for i in np.unravel_index(at, real.shape[1:]))
            found.append(
                f"{dataset.place(row)}: {value:g} at [{index}] of input '{port.name}' is far outside its range, "
                f"{range_}, and is clipped"
            )
        elif _uses_few_codes(real, quant):
            reach = f"{float(real.min()):.4g} to {float(real.max()):.4g}"
            found.append(
                f"the samples of input '{port.name}' reach only from {reach}, of its range {range_}: all of them "
                f"become the same few codes{_cause(real, lo, hi)}"
            )
    return found


def _uses_few_codes(real: Array, quant: Quant) -> bool:
    """Samples that differ, and do not after coding: they fill less than 4 of the 256 codes."""
    return 0 < float(real.max()) - float(real.min()) < 4 * quant.scale


def _cause(real: Array, lo: float, hi: float) -> str:
    """The likely mistake, as what to do about it; empty where none is likely."""
    low, high = float(real.min()), float(real.max())
    whole = bool((real == np.rint(real)).all())
    if whole and low >= 0 and 100 < high <= 255:
        if lo > -0.1 and 0.9 < hi < 1.1:
            return "; divide bytes by 255"
        if -1.1 < lo < -0.9 and 0.9 < hi < 1.1:
            return "; scale bytes to -1..1: x / 127.5 - 1"
        if -130 < lo < -110 and 110 < hi < 130:
            return "; subtract 128 from bytes"
    if whole and -128 <= low < 0 and high <= 127 and high - low > 50:
        return "; are these int8 codes? give scale and zero_point with them, so that they are taken as codes"
    if low >= -0.01 and high <= 1.01 and hi > 100:
        return "; multiply by 255, if the model was trained on bytes"
    if low >= -1.01 and high <= 1.01 and hi > 100:
        return "; undo the scaling to -1..1, if the model was trained on bytes"
    return "; scale them as the model's training did"


def model_findings(graph: Graph) -> list[str]:
    """Of a float graph: outputs that say nothing."""
    return [
        f"{loc}: a softmax over one score is 1 for every input: no class is published" for loc in softmax_of_one(graph)
    ]


def joined(*several: Sequence[str]) -> list[str]:
    """All findings once, in order."""
    return list(dict.fromkeys(text for found in several for text in found))
