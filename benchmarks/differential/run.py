"""One net after the other. Net number k of a seed is made from (seed, k) alone: any one can be made again."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.differential import host_c, judge
from benchmarks.differential.judge import Verdict
from freeml.errors import BadModel, FreemlError, UnsupportedOp
from freeml.ir.graph import Stage
from freeml.pipeline import optimise

KINDS = ("onnx", "torch", "qdq", "scales")
N_SAMPLES = 4
# Oracles refuse some nets that nobody would write: the next one of the same seed takes its place.
_TRIES = 25
_C_TILE_BYTES = (64, 256, 4096)


@dataclass(frozen=True)
class Net:
    """One net's verdict: `k` and the seed make it again; through_c says that its C was run, too."""

    k: int
    outcome: str
    detail: str
    worst: float
    through_c: bool = False


@dataclass
class Summary:
    """Counts over nets; `refused` by reason, `wrong` by number of the net."""

    kind: str
    seed: int
    nets: int = 0
    right: int = 0
    through_c: int = 0
    worst: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    wrong: dict[int, str] = field(default_factory=dict)

    def add(self, net: Net) -> None:
        """Count one more."""
        self.nets += 1
        self.through_c += net.through_c
        if net.outcome == "right":
            self.right += 1
            self.worst = max(self.worst, net.worst)
        elif net.outcome == "refused":
            self.refused[reason(net.detail)] += 1
        else:
            self.wrong[net.k] = net.detail

    @property
    def refused_share(self) -> float:
        return sum(self.refused.values()) / max(self.nets, 1)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "refused": dict(self.refused.most_common()), "refused_share": self.refused_share}


def reason(what: str) -> str:
    """A refusal without its shapes and numbers, so that equal reasons are counted as one."""
    return re.sub(r"\(?-?\d[\d., x()\[\]-]*", "N ", what).strip()


def run(kind: str, seed: int, numbers: range, *, c_every: int = 10) -> Iterator[Net]:
    """Verdicts of nets by number. c_every: every so many also run as C (0: none), float ones quantized by min-max."""
    for k in numbers:
        rng = np.random.default_rng((seed, KINDS.index(kind), k))
        verdict = _made(_JUDGES[kind], rng)
        ran = False
        if verdict.outcome == "right" and verdict.graph is not None and c_every and k % c_every == 0:
            verdict, ran = _through_c(verdict, k // c_every)
        yield Net(k, verdict.outcome, verdict.detail, verdict.worst, ran)


def _made(judged: Callable[[np.random.Generator], Verdict | None], rng: np.random.Generator) -> Verdict:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for _ in range(_TRIES):
            try:
                verdict = judged(rng)
            except FreemlError:
                raise
            except Exception as error:  # a traceback is what no user may see: it counts as wrong
                return Verdict("wrong", f"{type(error).__name__}: {error}")
            if verdict is not None:
                return verdict
    raise AssertionError(f"none of {_TRIES} nets could be made")


def _through_c(verdict: Verdict, turn: int) -> tuple[Verdict, bool]:
    graph, samples = verdict.graph, verdict.samples
    assert graph is not None
    try:
        if graph.stage is Stage.FLOAT:
            graph = judge.in_integers(graph, samples)
        if not host_c.computes(graph):
            return verdict, False
        samples = tuple(judge.as_freeml(graph, samples))
        differs = host_c.differs(graph, samples, tile_bytes=_C_TILE_BYTES[turn % len(_C_TILE_BYTES)])
    except (UnsupportedOp, BadModel):
        return verdict, False  # int8 has no integers for it, the float network is right all the same
    return (Verdict("wrong", differs, verdict.worst) if differs else verdict), True


# ---- one of each kind ------------------------------------------------------------------------------------------------


def _onnx(rng: np.random.Generator) -> Verdict | None:
    from benchmarks.differential.onnx_nets import inputs_of, random_model

    proto = random_model(rng)
    samples = [rng.standard_normal((N_SAMPLES, *shape)).astype(np.float32) for shape in inputs_of(proto)]
    try:
        judge.run_onnx(proto, samples)
    except Exception:  # onnxruntime's own classes
        return None
    return judge.judge_onnx(proto, samples)


def _torch(rng: np.random.Generator) -> Verdict | None:
    import torch

    from benchmarks.differential.torch_nets import random_module
    from freeml.frontend.load import load_model

    module, example = random_module(rng)
    samples = rng.standard_normal((N_SAMPLES, *example.shape)).astype(np.float32)
    with torch.no_grad():
        theirs = np.stack([module(torch.from_numpy(row)).numpy() for row in samples])
    try:
        graph = optimise(load_model(module, (example,)), "net")
    except UnsupportedOp as error:
        return judge.refused(error)
    except FreemlError as error:
        return Verdict("wrong", f"a sound module is called bad: {error.what}")
    return judge.judge_float(graph, [samples], [theirs])


def _qdq(rng: np.random.Generator) -> Verdict | None:
    from benchmarks.differential.onnx_nets import inputs_of
    from benchmarks.differential.qdq_nets import quantized, random_net

    net = random_net(rng)
    (shape,) = inputs_of(net)
    calibration = rng.standard_normal((8, *shape)).astype(np.float32)
    # A little beyond what the quantizer saw, so that some values saturate.
    samples = 1.2 * rng.standard_normal((N_SAMPLES, *shape)).astype(np.float32)
    try:
        proto = quantized(net, rng, calibration)
        judge.run_onnx(proto, [samples])
    except Exception:  # of onnxruntime, from many classes
        return None
    return judge.judge_qdq(proto, [samples])


def _scales(rng: np.random.Generator) -> Verdict | None:
    from benchmarks.differential.onnx_nets import inputs_of
    from benchmarks.differential.qdq_nets import random_net
    from benchmarks.differential.scaled_nets import random_scales

    net = random_net(rng)
    (shape,) = inputs_of(net)
    samples = 1.2 * rng.standard_normal((N_SAMPLES, *shape)).astype(np.float32)
    try:
        proto = random_scales(net, rng, rng.standard_normal((8, *shape)).astype(np.float32))
        judge.run_onnx(proto, [samples])
    except Exception:  # of onnxruntime, from many classes
        return None
    return judge.judge_qdq(proto, [samples], uneven=True)


_JUDGES = {"onnx": _onnx, "torch": _torch, "qdq": _qdq, "scales": _scales}

__all__ = ["KINDS", "Net", "Summary", "reason", "run"]
