"""What an exit's confidence is worth: a temperature for each exit, and figures that say how far it may be believed.

Confidence is the largest share of softmax(scores / T). T has the least negative log-likelihood on calibration samples
(Guo et al., "On Calibration of Modern Neural Networks", ICML 2017). Expected calibration error over bins of equal
mass; its bootstrap interval; and what it would be were the confidence exactly right (labels drawn from it): with few
samples that is far from 0, and an error near it says that nothing is wrong. Calibration is not all: what an exit must
know is when the deeper answer would be better, so the area under the curve of "this exit wrong, the final one right"
stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from freeml.errors import BadModel
from freeml.ir.confidence import OCTAVE, Softness
from freeml.ir.types import Array
from freeml.quantize.fixed_point import multiplier

N_BINS = 15
_RESAMPLES = 200
_LEAST, _MOST = np.log(1 / 64), np.log(64)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quality:
    """Of one exit on samples.

    ece           expected calibration error, 0..1, over 15 bins of equal mass
    ece_interval  95 % of bootstrap resamples
    ece_perfect   mean of resamples whose labels are drawn from the confidence itself
    brier         mean squared distance of shares to the label, 0..2
    auroc         of "wrong here, right at the end" by low confidence; None where that never, or always, happens
    """

    accuracy: float
    confidence: float
    ece: float
    ece_interval: tuple[float, float]
    ece_perfect: float
    brier: float
    auroc: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """A bar of the reliability plot: samples, their mean confidence and accuracy."""

    n: int
    confidence: float
    accuracy: float


def shares(scores: Array, temperature: float = 1.0) -> Floats:
    """softmax(scores / T), (N, K)."""
    z = np.asarray(scores, dtype=np.float64) / temperature
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def likelihood(scores: Array, labels: Array, temperature: float = 1.0) -> float:
    """Mean negative log-likelihood of labels, in nats."""
    z = np.asarray(scores, dtype=np.float64) / temperature
    top = z.max(axis=1)
    total = top + np.log(np.exp(z - top[:, None]).sum(axis=1))
    return float(np.mean(total - z[np.arange(len(z)), labels]))


def best_temperature(scores: Array, labels: Array) -> float:
    """T of the least negative log-likelihood, 1/64 to 64. It is convex in 1 / T, so there is one such."""
    from scipy.optimize import minimize_scalar  # takes a second to import

    found = minimize_scalar(
        lambda log_t: likelihood(scores, labels, float(np.exp(log_t))),
        bounds=(_LEAST, _MOST),
        method="bounded",
        options={"xatol": 1e-4},
    )
    return float(np.exp(found.x))


def softness(scale: float, temperature: float) -> Softness:
    """Of scores in units of `scale`. Raises BadModel where steps are so large that confidence has no meaning."""
    factor = scale / temperature * np.log2(np.e) * OCTAVE
    try:
        return Softness(*multiplier(float(factor)))
    except ValueError as error:
        raise BadModel(f"scores of {scale:g} a step at a temperature of {temperature:g} have no confidence") from error


def bins(confidence: Floats, right: Array, n_bins: int = N_BINS) -> tuple[Bin, ...]:
    """Samples by rising confidence in parts of equal mass; of fewer samples than bins one each."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(n_bins, len(order)))
    return tuple(Bin(len(part), float(confidence[part].mean()), float(right[part].mean())) for part in parts)


def calibration_error(confidence: Floats, right: Array, n_bins: int = N_BINS) -> float:
    """Mean over samples of how far their bin's confidence is from its accuracy."""
    found = bins(confidence, right, n_bins)
    return sum(one.n * abs(one.confidence - one.accuracy) for one in found) / len(confidence)


def auroc(score: Floats, event: npt.NDArray[np.bool_]) -> float | None:
    """Chance that a sample with the event has a larger score than one without; ties are half. None: one kind only."""
    n_yes, n_no = int(event.sum()), int((~event).sum())
    if not n_yes or not n_no:
        return None
    from scipy.stats import rankdata

    ranks = rankdata(score)
    return float((ranks[event].sum() - n_yes * (n_yes + 1) / 2) / (n_yes * n_no))


def quality(scores: Array, labels: Array, final: Array, temperature: float = 1.0, *, seed: int = 0) -> Quality:
    """Of an exit's scores (N, K). final: classes (N,) of the whole network."""
    p = shares(scores, temperature)
    return quality_of(p.argmax(axis=1), p.max(axis=1), labels, final, brier=_brier(p, labels), seed=seed)


def quality_of(
    classes: Array, confidence: Floats, labels: Array, final: Array, *, brier: float, seed: int = 0
) -> Quality:
    """The same of classes and confidences, such as a device published."""
    right = classes == labels
    rng = np.random.default_rng(seed)
    n = len(labels)
    drawn = [rng.integers(0, n, n) for _ in range(_RESAMPLES)]
    spread = [calibration_error(confidence[rows], right[rows]) for rows in drawn]
    perfect = [calibration_error(confidence, rng.random(n) < confidence) for _ in range(_RESAMPLES)]
    low, high = np.quantile(spread, [0.025, 0.975])
    return Quality(
        accuracy=float(right.mean()),
        confidence=float(confidence.mean()),
        ece=calibration_error(confidence, right),
        ece_interval=(float(low), float(high)),
        ece_perfect=float(np.mean(perfect)),
        brier=brier,
        auroc=auroc(-confidence, ~right & (final == labels)),
    )


def _brier(p: Floats, labels: Array) -> float:
    wanted = np.eye(p.shape[1])[labels]
    return float(((p - wanted) ** 2).sum(axis=1).mean())


def reliability_svg(named: Sequence[tuple[str, Sequence[Bin]]]) -> str:
    """A plot of accuracy over confidence, one panel an exit: bars of equal mass, the diagonal where both are equal."""
    side, gap = 220, 40
    width = gap + len(named) * (side + gap)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{side + 2 * gap}">',
        "<style>text{font:11px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (name, bars) in enumerate(named):
        x0, y0 = gap + number * (side + gap), gap + side
        lines.append(f'<text x="{x0}" y="{gap - 10}">{name}</text>')
        lines.append(f'<rect x="{x0}" y="{gap}" width="{side}" height="{side}" fill="none" stroke="#888"/>')
        lines.append(f'<path d="M{x0} {y0}L{x0 + side} {gap}" stroke="#bbb" stroke-dasharray="4 3"/>')
        for bar in bars:
            x, y = x0 + bar.confidence * side, y0 - bar.accuracy * side
            lines.append(f'<path d="M{x:.1f} {y0 - bar.confidence * side:.1f}L{x:.1f} {y:.1f}" stroke="#c33"/>')
            lines.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#247"/>')
        lines.append(f'<text x="{x0 + side / 2:.0f}" y="{y0 + 16}" text-anchor="middle">confidence</text>')
    lines.append(
        f'<text x="14" y="{gap + side / 2:.0f}" transform="rotate(-90 14 {gap + side / 2:.0f})">accuracy</text>'
    )
    return "\n".join([*lines, "</svg>", ""])
