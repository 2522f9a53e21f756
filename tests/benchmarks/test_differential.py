"""Random nets give the answers of onnxruntime and torch: 300 of each kind, the same ones in every run.

`python -m benchmarks.differential --kind KIND --nets 3000` runs more of them; benchmarks/results/differential.txt has
what it said. What freeml refuses counts apart, and is rare: padding and windows that no layer of a network has.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("torch")

from benchmarks.differential import judge, run, torch_nets
from benchmarks.differential.onnx_nets import random_model
from benchmarks.differential.qdq_nets import quantized, random_net
from freeml.ir.graph import Graph
from freeml.ir.int_ops import PadI8
from freeml.ir.ops import Op
from freeml.ir.types import Array
from freeml.quantize import lower as lowering

N = 300
SEED = 8
# Of each kind; the run of 3,000 says by which reasons.
REFUSED = {"onnx": 0.06, "torch": 0.01, "qdq": 0.02, "scales": 0.02}


@pytest.mark.parametrize(
    ("kind", "part"), [(k, p) for k in ("onnx", "torch", "qdq") for p in range(3)] + [("scales", 0)]
)
def test_a_hundred_random_nets_are_right(kind: str, part: int) -> None:
    summary = run.Summary(kind, SEED)
    n = N // 3
    for net in run.run(kind, SEED, range(part * n, (part + 1) * n)):
        summary.add(net)
    assert summary.wrong == {}
    assert summary.nets == n
    assert summary.refused_share <= 2 * REFUSED[kind], summary.refused
    assert summary.through_c >= n // 10 - 4


def test_a_net_is_made_again_by_its_number_alone() -> None:
    def of(k: int) -> list[bytes]:
        onnx_net = random_model(np.random.default_rng((1, 0, k)))
        rng = np.random.default_rng((1, 2, k))
        float_net = random_net(rng)
        shape = [dim.dim_value for dim in float_net.graph.input[0].type.tensor_type.shape.dim]
        qdq = quantized(float_net, rng, rng.standard_normal((8, *shape)).astype(np.float32))
        module, example = torch_nets.random_module(np.random.default_rng((1, 1, k)))
        torch_answer = module(example).detach().numpy().tobytes()
        return [onnx_net.SerializeToString(), qdq.SerializeToString(), torch_answer]

    assert of(3) == of(3)
    assert of(3) != of(4)


def test_a_pad_coded_in_the_scale_before_it_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run sees what it is for: the mistake that it was written after, put back in."""
    right = lowering._Lowering._pad

    def clamped(self: lowering._Lowering, op: Op) -> None:
        right(self, op)  # type: ignore[arg-type]
        wanted, kept = self.scales[op.output], self.scales[op.inputs[0]]
        made = self.ops[-1]
        assert isinstance(made, PadI8)
        value = float(np.clip(op.value, *kept.range()))  # type: ignore[attr-defined]
        object.__setattr__(made, "value", int(wanted.quantize(np.array(value))))

    monkeypatch.setattr(lowering._Lowering, "_pad", clamped)
    wrong = [net for net in run.run("qdq", SEED, range(100), c_every=0) if net.outcome == "wrong"]
    assert wrong
    assert all("Pad" in net.detail or "end to end" in net.detail for net in wrong)


# Of seed 1: a mean lies half way between two codes, and the scales behind it multiply that step by eleven.
AMPLIFIED = 1328


def test_a_step_that_later_scales_multiply_is_no_mistake() -> None:
    (net,) = run.run("qdq", 1, range(AMPLIFIED, AMPLIFIED + 1), c_every=0)
    assert net.outcome == "right", net.detail
    assert net.worst > judge.END_STEPS


# A sample half way between two codes of its input; uint8 weights that fit no int8 and are rounded anew; a tensor read
# in two scales, which has a third one; one that is read without its scale, too, which saturates all the same.
@pytest.mark.parametrize(
    ("kind", "seed", "k"), [("qdq", 1, 1389), ("qdq", 1, 1587), ("scales", 2, 2062), ("qdq", 1, 2177)]
)
def test_what_freeml_rounds_by_design_is_no_mistake(kind: str, seed: int, k: int) -> None:
    (net,) = run.run(kind, seed, range(k, k + 1), c_every=0)
    assert net.outcome == "right", net.detail


@pytest.mark.parametrize("steps", [1, 2])
def test_a_single_output_that_is_steps_off_is_a_mistake_also_there(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    right = judge.predict

    def off(graph: Graph, samples: Sequence[Array]) -> list[Array]:
        (found,) = right(graph, samples)
        quant = graph.types[graph.outputs[0].value].quant
        assert quant is not None
        found.reshape(-1)[0] += steps * quant.scale
        return [found]

    monkeypatch.setattr(judge, "predict", off)
    (net,) = run.run("qdq", 1, range(AMPLIFIED, AMPLIFIED + 1), c_every=0)
    assert net.outcome == "wrong"
    assert f"{steps}.0 steps end to end from its own layers" in net.detail


def test_a_wrong_float_answer_is_called_wrong() -> None:
    rng = np.random.default_rng((SEED, 0, 1))
    proto = random_model(rng)
    from benchmarks.differential.onnx_nets import inputs_of

    samples = [rng.standard_normal((2, *shape)).astype(np.float32) for shape in inputs_of(proto)]
    theirs = judge.run_onnx(proto, samples)
    graph = judge.read_onnx(proto)
    assert judge.judge_float(graph, samples, theirs).outcome == "right"
    off = [y + np.float32(1e-3 * max(1.0, float(np.abs(y).max()))) for y in theirs]
    assert judge.judge_float(graph, samples, off).outcome == "wrong"
