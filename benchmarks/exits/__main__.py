"""Accuracy by depth of every kind of head, in integers, and what they cost: python -m benchmarks.exits NAME [--write]

Heads are those in benchmarks/exits/models (`benchmarks.exits.heads` trains them). The network and the features are
quantized as `freeml compile` does it; heads are the integers of `freeml/exits/integer.py`, which the C is held to.
Temperatures and thresholds come from calibration samples, changed as networks.py says; test samples are read once, at
the end, for every figure below. Energy of a policy is counted in multiplications here: `benchmarks.exits.devices`
measures what a board draws.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.compress.rate import interval
from benchmarks.exits.heads import FEWER, Prepared, stored, variants
from benchmarks.exits.networks import NETWORKS, Network
from freeml.data import Dataset, load
from freeml.exits.bytes import separate_bytes
from freeml.exits.calibrate import Quality, best_temperature, bins, quality_of, reliability_svg, shares, softness
from freeml.exits.heads import Heads
from freeml.exits.integer import IntHeads, quantize_heads
from freeml.exits.placement import depth_of
from freeml.exits.search import Outcome, Samples, cheapest, everywhere, heuristic, outcome, searched
from freeml.ir.confidence import ONE, Confidence, confidence, share_bound
from freeml.ir.decision import classes, decide
from freeml.ir.graph import Graph
from freeml.ir.interpret import chunks, encode_inputs, interpret
from freeml.ir.types import Array, Port
from freeml.quantize.search import quantize

RESULTS = Path(__file__).resolve().parents[1] / "results"
MARGIN = 0.005  # of accuracy below the whole network, that a policy may cost


@dataclass(frozen=True, slots=True)
class Codes:
    """Of a split: int8 features by name, the network's own classes, labels."""

    features: dict[str, Array]
    final: Array
    labels: Array


def integers(ready: Prepared, network: Network) -> Graph:
    """The network with all features as outputs, quantized."""
    graph = ready.all.graph
    ports = tuple(Port(name, name, graph.types[name].shape, (0,)) for name in ready.all.features)
    with_features = graph.with_ops(graph.ops, outputs=(*graph.outputs, *ports))
    samples = load(network.data, "calibration").take(512).real_inputs()
    return quantize(with_features, samples, ends=[port.value for port in graph.outputs]).graph


def run(graph: Graph, features: tuple[str, ...], data: Dataset) -> Codes:
    """The integer network on a split."""
    assert data.labels is not None
    made = decide(graph)
    assert made is not None
    found: dict[str, list[Array]] = {name: [] for name in features}
    final = []
    for start, stop in chunks(graph, len(data)):
        rows = data.select(np.arange(start, stop)).real_inputs()
        values = interpret(graph, encode_inputs(graph, rows), {*features, made.value})
        final.append(classes(graph, made, values))
        for name in features:
            found[name].append(values[name])
    return Codes({name: np.concatenate(parts) for name, parts in found.items()}, np.concatenate(final), data.labels)


@dataclass(frozen=True, slots=True)
class Judged:
    """Heads of one kind on the test split: scores of each exit, their confidence, the temperatures of calibration."""

    heads: Heads
    whole: IntHeads
    temperatures: tuple[float, ...]
    calibration: tuple[Confidence, ...]
    test: tuple[Confidence, ...]
    scores: tuple[Array, ...]


def judge(heads: Heads, graph: Graph, calibration: Codes, test: Codes) -> Judged:
    quants = {}
    for exit_ in heads.exits:
        for part in exit_.slices:
            quant = graph.types[part.features].quant
            assert quant is not None
            quants[part.features] = quant
    whole = quantize_heads(heads, quants)
    known, new = whole.run(calibration.features), whole.run(test.features)
    hot = tuple(best_temperature(acc * whole.scale, calibration.labels) for acc in known)
    soft = [softness(whole.scale, t) for t in hot]
    return Judged(
        heads,
        whole,
        hot,
        tuple(confidence(acc, s) for acc, s in zip(known, soft, strict=True)),
        tuple(confidence(acc, s) for acc, s in zip(new, soft, strict=True)),
        tuple(new),
    )


def accuracy_table(network: Network, judged: dict[str, Judged], test: Codes, graph: Graph) -> Iterator[str]:
    """Accuracy by depth and bytes in three columns."""
    final = 100 * float(np.mean(test.final == test.labels))
    depths = len(network.points)
    yield f"Accuracy in integers on {len(test.labels):,} test samples, by depth; the whole network {final:.2f} %."
    heads = " ".join(f"exit {k + 1:>2}" for k in range(depths))
    yield f"{'heads':16} {heads}    mean  parameters   bytes"
    for name, one in judged.items():
        right = [100 * float(np.mean(c.classes == test.labels)) for c in one.test]
        shown = " ".join(f"{r:7.2f}" for r in right)
        norms = norm_bytes(graph, one.heads) if name == "separate" else 0
        absent = unread(one.heads)
        size = f"{one.heads.n_params - absent:10,} {one.heads.stored_bytes + norms - absent:7,}"
        yield f"{name:16} {shown} {np.mean(right):7.2f}  {size}"
    equal = FEWER if network.tied else "separate_same"
    for other in dict.fromkeys(("separate_same", equal)):
        means = [right_by_sample(judged[name], test) for name in ("shared", other)]
        more = 100 * float(means[0].mean() - means[1].mean())
        low, high = interval(*means)
        yield f"Mean of shared less that of {other}: {more:.2f} points, 95 % interval {low:.2f} to {high:.2f}"
    published = separate_bytes(graph, judged["shared"].heads)
    shared, same = judged["shared"].heads.stored_bytes, judged["separate_same"].heads.stored_bytes
    yield ""
    yield "Bytes of shared exits beside separate ones:"
    yield f"  FreeML's definition (max pool 2, one classifier each)  {published:9,}  {published / shared:6.2f}x"
    yield f"  separate, with the same pooling                        {same:9,}  {same / shared:6.2f}x"
    less = shared - (judged[equal].heads.stored_bytes - unread(judged[equal].heads))
    yield f"  equal bytes: {equal}, whose row has {less} bytes less, is the comparison"


def right_by_sample(one: Judged, test: Codes) -> npt.NDArray[np.float64]:
    """(N,) share of exits that are right."""
    return np.asarray(np.stack([c.classes == test.labels for c in one.test]).mean(axis=0), dtype=np.float64)


def unread(heads: Heads) -> int:
    """Weights of features that no score reads: `within` left them out."""
    return sum(int((~matrix.array.any(axis=0)).sum()) * heads.n_classes for matrix in heads.matrices)


def norm_bytes(graph: Graph, heads: Heads) -> int:
    """What normalising channels stores: int8 weight, int32 bias, multiplier and shift of each."""
    return sum(graph.types[exit_.after].shape[-1] * 8 for exit_ in heads.exits)


def calibration_table(one: Judged, test: Codes) -> Iterator[str]:
    """What the confidence of shared exits is worth."""
    yield "Confidence of shared exits, as the device computes it, temperatures from calibration samples:"
    yield "exit      T    ECE %  [95 %]          perfect %  Brier   AUROC  off softmax (bound)"
    for k, (found, t, acc) in enumerate(zip(one.test, one.temperatures, one.scores, strict=True), start=1):
        p = shares(acc * one.whole.scale, t)
        brier = float(((p - np.eye(p.shape[1])[test.labels]) ** 2).sum(axis=1).mean())
        q: Quality = quality_of(found.classes, found.real, test.labels, test.final, brier=brier)
        low, high = q.ece_interval
        error, bound = float(np.abs(found.real - p.max(axis=1)).max()), share_bound(p.shape[1])
        area = "   -" if q.auroc is None else f"{q.auroc:.3f}"
        yield (
            f"{k:4} {t:6.3f} {100 * q.ece:7.2f}  [{100 * low:5.2f}, {100 * high:5.2f}] {100 * q.ece_perfect:10.2f}  "
            f"{q.brier:.3f}   {area}  {error:.5f} ({bound:.5f})"
        )
        assert error <= bound, "the stated bound does not hold"


def policy_table(graph: Graph, one: Judged, calibration: Codes, test: Codes) -> Iterator[str]:
    """Policies chosen on calibration samples, on test samples: accuracy and share of the whole network's work."""
    total = depth_of(graph, graph.outputs[0].value)[0]
    cost = np.array([*(depth_of(graph, exit_.after)[0] for exit_ in one.heads.exits), total]) / total

    def samples(found: tuple[Confidence, ...], of: Codes) -> Samples:
        right = np.column_stack([*(c.classes == of.labels for c in found), of.final == of.labels])
        return Samples(np.column_stack([c.shares for c in found]), right, cost)

    known, new = samples(one.calibration, calibration), samples(one.test, test)
    target = float(np.mean(calibration.final == calibration.labels)) - MARGIN / 2
    accuracies = known.right.mean(axis=0)
    errors = [
        quality_of(c.classes, c.real, calibration.labels, calibration.final, brier=0.0).ece for c in one.calibration
    ]
    rule = heuristic(accuracies, [*errors, min(errors)])
    chosen: dict[str, Outcome | None] = {
        "global": cheapest(everywhere(known), target),
        "searched": cheapest(searched(known), target),
        "heuristic": outcome(known, rule),
    }
    yield f"Policies of shared exits, by calibration samples (at most {100 * MARGIN / 2:.2f} points below there):"
    yield "policy     thresholds (share)         accuracy %  below   work %  ends at each depth %"
    whole = float(np.mean(test.final == test.labels))
    for name, picked in chosen.items():
        if picked is None:
            yield f"{name:10} none is accurate enough"
            continue
        found = outcome(new, picked.thresholds)
        shown = " ".join("never" if t > ONE else f"{t / ONE:.3f}" for t in picked.thresholds)
        ends = " ".join(f"{100 * e:.1f}" for e in found.ends)
        below = 100 * (whole - found.accuracy)
        yield f"{name:10} {shown:26} {100 * found.accuracy:10.2f} {below:6.2f} {100 * found.energy_uj:8.1f}  {ends}"


def report(network: Network) -> tuple[str, str]:
    """The text, and the reliability plot."""
    ready, heads = stored(network)
    graph = integers(ready, network)
    calibration = run(graph, ready.all.features, network.calibration())
    test = run(graph, ready.all.features, load(network.data, "test"))
    judged = {name: judge(heads[name], graph, calibration, test) for name in variants(network)}
    shared = judged["shared"]
    lines = [f"# python -m benchmarks.exits {network.name}", ""]
    lines += [*accuracy_table(network, judged, test, ready.all.graph), ""]
    lines += [*calibration_table(shared, test), ""]
    # Work of features of the other kinds is none of this network's.
    lines += [*policy_table(ready.all.graph, shared, calibration, test), ""]
    named = [
        (f"{network.name}, exit {k}", bins(c.real, c.classes == test.labels))
        for k, c in enumerate(shared.test, start=1)
    ]
    return "\n".join(lines), reliability_svg(named)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument("--write", action="store_true", help="keep the text and the plot in benchmarks/results")
    options = parser.parse_args()
    text, plot = report(NETWORKS[options.name])
    print(text)
    if options.write:
        (RESULTS / f"exits_{options.name}.txt").write_text(text)
        (RESULTS / f"exits_{options.name}.svg").write_text(plot)


if __name__ == "__main__":
    main()
