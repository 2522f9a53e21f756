"""Every attribute of every operator that the ONNX front end lowers is read, refused, or changes nothing.

The operators are the front end's own and the attributes those of onnx's schemas in every operator set that is read, so
that a new operator, or an attribute that a later operator set adds, fails without its entry here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, defs, helper

from freeml.errors import FreemlError, UnsupportedOp
from freeml.frontend.onnx.file import MIN_OPSET
from freeml.frontend.onnx.lower import LOWER
from freeml.frontend.onnx.nodes import HARMLESS
from freeml.ir.interpret import predict
from tests.frontend.onnx.nets import model, one, random, read

onnxruntime = pytest.importorskip("onnxruntime")

Array = np.ndarray


@dataclass(frozen=True)
class Case:
    """A node whose input is x, and another value of each of its attributes."""

    shape: tuple[int, ...]
    others: dict[str, Any]
    constants: Sequence[Array] = ()
    attrs: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    inputs: int = 1  # how often x is read before the constants

    def proto(self, op: str, **changed: object) -> onnx.ModelProto:
        names = [f"c{i}" for i in range(len(self.constants))]
        attrs = {**self.attrs, **changed}
        nodes = [helper.make_node(op, ["x"] * self.inputs + names, ["y"], name="node", **attrs)]
        if op == "Shape":  # a constant: add it to x
            nodes[0].output[0] = "shape"
            nodes.append(helper.make_node("Cast", ["shape"], ["real"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Add", ["x", "real"], ["y"]))
        return model(nodes, {"x": self.shape}, ["y"], dict(zip(names, self.constants, strict=True)), opset=self.opset)


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


IMAGE = (1, 4, 6, 5)
_WINDOW = {"auto_pad": "SAME_UPPER", "dilations": [2, 1], "pads": [1, 1, 0, 1], "strides": [2, 1]}
_POOL = {"kernel_shape": [3, 2], "strides": [1, 1], "pads": [0, 0, 0, 0]}
_NORM = [random(4), random(4, seed=1), random(4, seed=2), np.abs(random(4, seed=3)) + np.float32(1)]
_POINT = [np.float32(0.05), np.int8(3)]

CASES: dict[str, list[Case]] = {
    "LeakyRelu": [Case(IMAGE, {"alpha": 0.5})],
    "HardSigmoid": [Case(IMAGE, {"alpha": 0.4, "beta": 0.3})],
    "Elu": [Case(IMAGE, {"alpha": 0.3})],
    "Selu": [Case(IMAGE, {"alpha": 0.3, "gamma": 2.0})],
    "Clip": [Case(IMAGE, {"min": 0.1, "max": 0.3}, attrs={"min": -0.5, "max": 0.5}, opset=7)],
    "Gelu": [Case(IMAGE, {"approximate": "tanh"})],
    "Swish": [Case(IMAGE, {"alpha": 0.5}, opset=24)],
    "Gemm": [
        Case((4, 4), {"alpha": 2.0, "beta": 3.0, "transA": 1, "transB": 1}, [random(4, 4), random(4)]),
    ],
    "Softmax": [Case(IMAGE, {"axis": 1})],
    "Concat": [Case(IMAGE, {"axis": 2}, attrs={"axis": 1}, inputs=2)],
    "Flatten": [Case(IMAGE, {"axis": 2})],
    "Transpose": [Case(IMAGE, {"perm": [0, 3, 1, 2]})],
    "Squeeze": [Case((1, 1, 3, 1), {"axes": [3]}, attrs={"axes": [1]}, opset=11)],
    "Unsqueeze": [Case((1, 3), {"axes": [2]}, attrs={"axes": [1]}, opset=11)],
    "Reshape": [Case(IMAGE, {"allowzero": 1}, [ints(0, 0, -1)])],
    **{
        op: [
            Case(IMAGE, {"axes": [3], "keepdims": 0}, attrs={"axes": [2]}, opset=11),
            Case(IMAGE, {"noop_with_empty_axes": 1}, attrs={"keepdims": 1}),
        ]
        for op in ("ReduceMean", "ReduceMax", "ReduceSum")
    },
    "ArgMax": [
        Case((1, 3, 4), {"axis": 2, "keepdims": 0}, attrs={"axis": 1}),
        Case((1, 3, 4), {"select_last_index": 1}, [], {"axis": 1}),
    ],
    "MaxPool": [Case(IMAGE, {**_WINDOW, "kernel_shape": [2, 2]}, attrs=_POOL),
                Case(IMAGE, {"ceil_mode": 1}, attrs={**_POOL, "strides": [2, 2]})],
    "AveragePool": [Case(IMAGE, {**_WINDOW, "kernel_shape": [2, 2]}, attrs=_POOL),
                    Case(IMAGE, {"ceil_mode": 1}, attrs={**_POOL, "strides": [2, 2]}),
                    Case(IMAGE, {"count_include_pad": 1}, attrs={**_POOL, "pads": [1, 0, 1, 1]})],
    "Conv": [Case(IMAGE, {**_WINDOW, "kernel_shape": [2, 2]}, [random(4, 4, 3, 2)], {"pads": [0, 0, 0, 0]}),
             Case(IMAGE, {"group": 4}, [random(4, 1, 3, 2)], {"group": 2})],
    "BatchNormalization": [
        Case(IMAGE, {"epsilon": 0.5, "training_mode": 1}, _NORM),
        Case(IMAGE, {"spatial": 0}, _NORM, opset=7),
        Case(IMAGE, {"is_test": 0}, _NORM, {"is_test": 1}, opset=6),
    ],
    "InstanceNormalization": [Case(IMAGE, {"epsilon": 0.5}, _NORM[:2])],
    "LayerNormalization": [
        Case((1, 5, 5), {"epsilon": 0.5, "stash_type": 16}, [random(5)]),
        Case((1, 5, 5), {"axis": 1}, [random(1, 5)]),
    ],
    "Dropout": [Case(IMAGE, {"is_test": 0}, attrs={"is_test": 1}, opset=6)],
    "Pad": [Case((1, 2, 6), {"mode": "reflect", "pads": [0, 1, 0, 0, 0, 1], "value": 2.0},
                 attrs={"pads": [0, 0, 1, 0, 0, 2], "value": 0.5}, opset=7)],
    "Cast": [Case(IMAGE, {"to": TensorProto.INT32}, attrs={"to": TensorProto.FLOAT})],
    "Shape": [Case((1, 2, 3, 4), {"start": 3}), Case((1, 2, 3, 4), {"end": 1})],
    "Slice": [Case(IMAGE, {"axes": [1], "starts": [1], "ends": [2]},
                   attrs={"axes": [2], "starts": [0], "ends": [3]}, opset=7)],
    "Split": [Case(IMAGE, {"axis": 1, "split": [3]}, attrs={"axis": 2, "split": [6]}, opset=7),
              Case(IMAGE, {"num_outputs": 1}, opset=20)],
    "Gather": [Case(IMAGE, {"axis": 1}, [ints(0, 1)])],
    "QuantizeLinear": [Case(IMAGE, {"block_size": 2, "precision": TensorProto.FLOAT16}, _POINT, opset=23)],
    "DequantizeLinear": [Case(IMAGE, {"block_size": 2, "output_dtype": TensorProto.FLOAT16}, opset=23)],
    **{op: [Case((2, 3, 4), {"axis": 0}, [random(3)], {"axis": 1, "broadcast": 1}, opset=6)]
       for op in ("Add", "Sub", "Mul", "Div")},
    "Pow": [Case((2, 3, 4), {"axis": 0}, [np.array([2], np.float32)], {"axis": 1, "broadcast": 1}, opset=6)],
}  # fmt: skip
# Its attributes are the constant itself: one of them is given, and read.
ITS_VALUE = "Constant"


def attributes() -> list[tuple[str, str]]:
    """Those of all operators with a rule, in every operator set that freeml reads."""
    found: dict[tuple[str, str], None] = {}
    for op in sorted(LOWER):
        for schema in defs.get_all_schemas_with_history():
            if schema.name == op and schema.domain == "" and op != ITS_VALUE and _is_read(schema):
                found |= dict.fromkeys((op, name) for name in sorted(schema.attributes))
    return list(found)


def _is_read(schema: defs.OpSchema) -> bool:
    """Whether a model of an operator set that freeml reads can mean this version."""
    oldest = defs.get_schema(schema.name, max(MIN_OPSET, schema.since_version), "")
    return bool(oldest.since_version == schema.since_version)


ATTRIBUTES = attributes()


def others() -> list[tuple[str, str, Case]]:
    return [(op, name, case) for op, cases in CASES.items() for case in cases for name in case.others]


def answer(proto: onnx.ModelProto, x: Array) -> Array:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return np.asarray(onnxruntime.InferenceSession(proto.SerializeToString(), options).run(None, {"x": x})[0])


def test_the_table_has_every_attribute_of_every_operator() -> None:
    listed = {(op, name) for op, name, _ in others()}
    assert listed.isdisjoint(HARMLESS)
    assert set(ATTRIBUTES) == listed | {pair for pair in HARMLESS if pair in ATTRIBUTES}


def test_nothing_is_called_harmless_that_does_not_exist() -> None:
    assert HARMLESS.keys() <= set(ATTRIBUTES)


def refusal(proto: onnx.ModelProto) -> str:
    """Why freeml refuses a model; empty where it reads it."""
    try:
        read(proto)
    except FreemlError as error:
        return error.what
    return ""


@pytest.mark.parametrize(("op", "name", "case"), others(), ids=lambda value: value if isinstance(value, str) else "")
def test_an_attribute_is_read_or_refused(op: str, name: str, case: Case) -> None:
    changed = case.proto(op, **{name: case.others[name]})
    x = 2 * np.random.default_rng(3).standard_normal(case.shape).astype(np.float32)
    x = (x > 0).astype(np.float32) if op == "ArgMax" else x  # several maxima
    if why := refusal(changed):
        assert op in why
        return
    graph = read(changed)
    (ours,) = predict(graph, [x.reshape(1, *graph.inputs[0].shape)])
    theirs = answer(changed, x)
    assert ours.size == theirs.size
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=2e-5, atol=2e-5)
    if op == "Conv" and name == "group":
        return  # a weight fits one number of groups only
    before = answer(case.proto(op), x)
    assert theirs.shape != before.shape or not np.allclose(theirs, before, atol=1e-4), "the other value shows nothing"


HARMLESS_CASES: dict[tuple[str, str], tuple[Case, object]] = {
    ("BatchNormalization", "momentum"): (Case(IMAGE, {}, _NORM), 0.5),
    ("Dropout", "ratio"): (Case(IMAGE, {}, opset=7), 0.9),
    ("Dropout", "seed"): (Case(IMAGE, {}), 4),
    ("MaxPool", "storage_order"): (Case(IMAGE, {}, attrs=_POOL), 1),
    ("Gemm", "broadcast"): (Case((4, 4), {}, [random(4, 4), random(4, 4)], opset=6), 1),
}


@pytest.mark.parametrize(("op", "name"), HARMLESS_CASES, ids=lambda value: value)
def test_a_harmless_attribute_changes_nothing(op: str, name: str) -> None:
    case, value = HARMLESS_CASES[op, name]
    x = np.random.default_rng(3).standard_normal((1, *case.shape[1:]) if case.shape[0] == 1 else case.shape)
    graphs = [read(case.proto(op)), read(case.proto(op, **{name: value}))]
    (a,), (b,) = (predict(g, [x.astype(np.float32).reshape(1, *g.inputs[0].shape)]) for g in graphs)
    np.testing.assert_array_equal(a, b)


def test_an_attribute_that_no_rule_reads_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a later operator set adds."""
    monkeypatch.setitem(LOWER, "LeakyRelu", LOWER["Relu"])
    with pytest.raises(UnsupportedOp, match="attribute alpha"):
        read(one("LeakyRelu", (1, 3), alpha=0.3))
    read(
        one(
            "LeakyRelu",
            (1, 3),
            alpha=helper.get_attribute_value(defs.get_schema("LeakyRelu").attributes["alpha"].default_value),
        )
    )


def test_an_operand_that_no_rule_reads_is_refused_by_its_position(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOWER, "Clip", LOWER["Relu"])
    with pytest.raises(UnsupportedOp, match="its input 1"):
        read(one("Clip", (1, 3), [np.float32(-1)], opset=17))
