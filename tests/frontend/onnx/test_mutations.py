"""Thousands of damaged files: one clear error or a graph, within seconds; never anything else."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from types import FrameType

import onnx
import pytest
from onnx import helper

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.onnx.file import parse
from freeml.frontend.onnx.read import from_model_proto
from tests.frontend.mutate import field_mutations, mutations
from tests.frontend.onnx.nets import model, random, residual_cnn, shape_arithmetic

LIMIT_S = 5
LIMIT_BYTES = 1 << 30


def wide() -> onnx.ModelProto:
    """Operators whose attributes are sizes."""
    nodes = [
        helper.make_node("Pad", ["x", "pads"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["b"], dilations=[2], strides=[2], group=2, kernel_shape=[3]),
        helper.make_node("AveragePool", ["b"], ["c"], kernel_shape=[3], pads=[1, 1], ceil_mode=1, count_include_pad=1),
        helper.make_node("BatchNormalization", ["c", "n", "n", "n", "v"], ["d"]),
        helper.make_node("ConstantOfShape", ["size"], ["zeros"]),
        helper.make_node("Add", ["d", "zeros"], ["e"]),
        helper.make_node("Concat", ["e", "d"], ["f"], axis=1),
        helper.make_node("Unsqueeze", ["f", "axes"], ["g"]),
        helper.make_node("MaxPool", ["g"], ["h"], kernel_shape=[1, 2], auto_pad="SAME_UPPER"),
        helper.make_node("ReduceMean", ["h"], ["i"], axes=[3], keepdims=0),
        helper.make_node("Clip", ["i", "lo", "hi"], ["j"]),
        helper.make_node("ArgMax", ["j"], ["y"], axis=2),
    ]
    constants = {
        "pads": onnx.numpy_helper.to_array(helper.make_tensor("p", onnx.TensorProto.INT64, [6], [0, 0, 2, 0, 0, 2])),
        "w": random(4, 2, 3),
        "n": random(4),
        "v": random(4) ** 2 + 1,
        "size": onnx.numpy_helper.to_array(helper.make_tensor("s", onnx.TensorProto.INT64, [2], [4, 1])),
        "axes": onnx.numpy_helper.to_array(helper.make_tensor("a", onnx.TensorProto.INT64, [1], [2])),
        "lo": random()[()],
        "hi": random(seed=2)[()],
    }
    return model(nodes, {"x": ("N", 4, 20)}, ["y"], constants)


MODELS = {"residual": residual_cnn(), "shapes": shape_arithmetic(), "wide": wide()}


def damaged() -> Iterator[bytes]:
    for seed, proto in enumerate(MODELS.values()):
        yield from mutations(proto.SerializeToString(), seed, 400)
        yield from (changed.SerializeToString() for changed in field_mutations(proto, seed, 900))


class TooSlow(BaseException):
    """Raised by the alarm; not an Exception, so that no handler on the way takes it."""


def _alarm(signum: int, frame: FrameType | None) -> None:
    raise TooSlow


def outcome(data: bytes) -> type[BaseException] | None:
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT_S)
    try:
        from_model_proto(parse(data, "m.onnx"), name="m", where="m.onnx")
        return None
    except BaseException as error:
        clear = isinstance(error, BadModel | UnsupportedOp) and error.where.startswith("m.onnx")
        return type(error) if clear else TooSlow if isinstance(error, TooSlow) else AssertionError
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs the timers of POSIX")
def test_a_damaged_file_gives_one_clear_error_or_a_graph() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    previous = signal.signal(signal.SIGVTALRM, _alarm)
    try:
        outcomes = [outcome(data) for data in damaged()]
    finally:
        signal.signal(signal.SIGVTALRM, previous)
    assert len(outcomes) >= 1000
    assert set(outcomes) <= {None, BadModel, UnsupportedOp}
    assert min(outcomes.count(kind) for kind in (None, BadModel, UnsupportedOp)) > 50  # the mutations reach all of them
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < LIMIT_BYTES


def test_mutations_are_the_same_for_the_same_seed() -> None:
    data = MODELS["shapes"].SerializeToString()
    assert list(mutations(data, 3, 50)) == list(mutations(data, 3, 50))
    assert list(mutations(data, 3, 50)) != list(mutations(data, 4, 50))
    changed = [m.SerializeToString(deterministic=True) for m in field_mutations(MODELS["shapes"], 3, 50)]
    again = [m.SerializeToString(deterministic=True) for m in field_mutations(MODELS["shapes"], 3, 50)]
    assert changed == again
    assert len(set(changed)) > 40


def test_the_sound_models_are_read() -> None:
    assert {outcome(proto.SerializeToString()) for proto in MODELS.values()} == {None}
