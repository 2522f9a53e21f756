"""Every option of every TFLite operator that freeml lowers is read, refused, or changes nothing: against LiteRT.

The operators are the front end's own and the options those of the schema, so that a new operator fails without its
entries here, and so does an option that a later schema adds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tflite

from freeml.errors import FreemlError, UnsupportedOp
from freeml.frontend.tflite import ops
from freeml.frontend.tflite.file import _OPTIONS
from freeml.frontend.tflite.nodes import HARMLESS
from freeml.frontend.tflite.ops import LOWERINGS
from freeml.ir.interpret import predict
from tests.frontend.tflite.oracle import litert, random_inputs
from tests.frontend.tflite.test_ops import SAME, VALID, X, conv, ints, normal, read, single
from tests.frontend.tflite.writer import Op, T, const, write_model

_OWN = {"Init", "GetRootAs"}
Call = tuple[str, tuple[int, ...], list[np.ndarray], str, dict[str, Any]]

POOL = {"Padding": VALID, "StrideH": 1, "StrideW": 1, "FilterHeight": 3, "FilterWidth": 2}
CALLS: dict[str, Call] = {
    "CONV_2D": ("CONV_2D", X, [normal(3, 3, 3, 4), normal(3)], "Conv2DOptions", conv(VALID)),
    "DEPTHWISE_CONV_2D": (
        "DEPTHWISE_CONV_2D", X, [normal(1, 3, 3, 4), normal(4)], "DepthwiseConv2DOptions",
        {**conv(VALID), "DepthMultiplier": 1},
    ),
    "FULLY_CONNECTED": ("FULLY_CONNECTED", (1, 5, 6), [normal(3, 6), normal(3)], "FullyConnectedOptions", {}),
    "BATCH_MATMUL": ("BATCH_MATMUL", (1, 6, 6), [normal(6, 6)], "BatchMatMulOptions", {}),
    "MAX_POOL_2D": ("MAX_POOL_2D", X, [], "Pool2DOptions", POOL),
    "AVERAGE_POOL_2D": ("AVERAGE_POOL_2D", X, [], "Pool2DOptions", POOL),
    "MEAN": ("MEAN", X, [ints(1, 2)], "ReducerOptions", {}),
    "REDUCE_MAX": ("REDUCE_MAX", X, [ints(1, 2)], "ReducerOptions", {}),
    "ADD": ("ADD", X, [normal(4)], "AddOptions", {}),
    "SUB": ("SUB", X, [normal(4)], "SubOptions", {}),
    "MUL": ("MUL", X, [normal(4)], "MulOptions", {}),
    "DIV": ("DIV", X, [np.float32([1, 2, -4, 8])], "DivOptions", {}),
    "RESHAPE": ("RESHAPE", X, [], "ReshapeOptions", {"NewShape": (1, 168)}),
    "SQUEEZE": ("SQUEEZE", (1, 1, 5, 1), [], "SqueezeOptions", {"SqueezeDims": (1,)}),
    "LEAKY_RELU": ("LEAKY_RELU", X, [], "LeakyReluOptions", {"Alpha": 0.2}),
    "GELU": ("GELU", X, [], "GeluOptions", {}),
    "SOFTMAX": ("SOFTMAX", (1, 9), [], "SoftmaxOptions", {"Beta": 1.0}),
}  # fmt: skip
_ACTIVATIONS = {"FusedActivationFunction": 3}
_STRIDES = {"Padding": SAME, "StrideH": 2, "StrideW": 2}
_DILATED = {"DilationHFactor": 2, "DilationWFactor": 2}
OTHERS: dict[str, dict[str, Any]] = {
    "CONV_2D": {**_STRIDES, **_DILATED, **_ACTIVATIONS},
    "DEPTHWISE_CONV_2D": {**_STRIDES, **_DILATED, **_ACTIVATIONS, "DepthMultiplier": 2},
    "FULLY_CONNECTED": {**_ACTIVATIONS, "WeightsFormat": 1, "KeepNumDims": True},
    "BATCH_MATMUL": {"AdjX": True, "AdjY": True},
    "MAX_POOL_2D": {**_STRIDES, **_ACTIVATIONS, "FilterHeight": 2, "FilterWidth": 3},
    "AVERAGE_POOL_2D": {**_STRIDES, **_ACTIVATIONS, "FilterHeight": 2, "FilterWidth": 3},
    "MEAN": {"KeepDims": True},
    "REDUCE_MAX": {"KeepDims": True},
    **dict.fromkeys(("ADD", "SUB", "MUL", "DIV"), _ACTIVATIONS),
    "RESHAPE": {"NewShape": (1, 7, 24)},
    "SQUEEZE": {"SqueezeDims": (3,)},
    "LEAKY_RELU": {"Alpha": 0.5},
    "GELU": {"Approximate": True},
    "SOFTMAX": {"Beta": 2.0},
    "CONCATENATION": {"Axis": 2, **_ACTIVATIONS},
}
# Of shape arithmetic, which is computed here: test_shape_arithmetic_refuses_what_it_does_not_read.
FOLDED = {
    "STRIDED_SLICE": {"BeginMask", "EndMask", "EllipsisMask", "NewAxisMask", "ShrinkAxisMask", "Offset"},
    "PACK": {"Axis"},
    "GATHER": {"Axis", "BatchDims"},
    "REDUCE_PROD": {"KeepDims"},
}


def fields(table: str) -> set[str]:
    """Fields of an option table in the installed schema."""
    names = {name for name in vars(getattr(tflite, table)) if not name.startswith("_")}
    return {n for n in names if not n.endswith(("Length", "AsNumpy", "IsNone")) and not n.startswith(tuple(_OWN))} - {
        n for n in names if n.endswith("BufferHasIdentifier")
    }


def concatenation(**options: Any) -> bytes:
    x = [T("x0", X), T("x1", X)]
    axis = options.get("Axis", 1)
    out = tuple(2 * n if k == axis else n for k, n in enumerate(X))
    op = Op("CONCATENATION", ["x0", "x1"], "y", "ConcatenationOptions", {"Axis": 1, **options})
    return write_model([*x, T("y", out)], [op], ["x0", "x1"], ["y"])


def content(kind: str, **changed: Any) -> bytes:
    """The operator alone; its result is of no declared size, as LiteRT sizes it."""
    if kind == "CONCATENATION":
        return concatenation(**changed)
    name, shape, consts, table, options = CALLS[kind]
    options = {**options, **changed}
    return single(name, shape, (), consts, table, options)


def test_freeml_knows_every_option_of_every_operator_with_options() -> None:
    for kind, (table, known) in _OPTIONS.items():
        assert kind in LOWERINGS
        assert fields(table) <= {name.rstrip("*") for name in known}, kind


def test_operators_without_an_entry_have_no_options() -> None:
    for kind in LOWERINGS.keys() - _OPTIONS.keys():
        table = "".join(part.capitalize() for part in kind.split("_")) + "Options"
        assert not hasattr(tflite, table) or fields(table) == set(), kind


def test_the_table_has_every_option() -> None:
    for kind, (_, known) in _OPTIONS.items():
        names = {name.rstrip("*") for name in known} - HARMLESS.keys()
        assert names == OTHERS.get(kind, {}).keys() | FOLDED.get(kind, set()), kind


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, others in OTHERS.items() for n in others])
def test_an_option_is_read_or_refused(kind: str, name: str, tmp_path: Path) -> None:
    changed = content(kind, **{name: OTHERS[kind][name]})
    try:
        graph = read(tmp_path, changed)
    except FreemlError:
        return
    inputs = [2 * x for x in random_inputs(graph, 2)]
    if (kind, name) == ("CONCATENATION", "FusedActivationFunction"):
        with pytest.raises(RuntimeError, match="activation"):
            litert(changed, *inputs)
        return  # no converter writes what LiteRT itself does not run
    theirs, before = litert(changed, *inputs), litert(content(kind), *inputs)
    (ours,) = predict(graph, inputs)
    np.testing.assert_allclose(ours, theirs.reshape(ours.shape), atol=2e-5, rtol=2e-5)
    assert theirs.shape != before.shape or not np.allclose(theirs, before, atol=1e-4), "the other value shows nothing"


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "BATCH_MATMUL", "ADD", "SUB"])
def test_a_harmless_option_changes_nothing(kind: str, tmp_path: Path) -> None:
    name = "PotScaleInt16" if kind in ("ADD", "SUB") else "AsymmetricQuantizeInputs"
    graphs = [read(tmp_path, content(kind, **{name: flag})) for flag in (False, True)]
    inputs = random_inputs(graphs[0], 2)
    np.testing.assert_array_equal(predict(graphs[0], inputs)[0], predict(graphs[1], inputs)[0])


@pytest.mark.parametrize("option", [{"Offset": True}, {"EllipsisMask": 1}, {"NewAxisMask": 1}])
def test_shape_arithmetic_refuses_what_it_does_not_read(option: dict[str, Any], tmp_path: Path) -> None:
    tensors = [
        T("x", (1, 6)), T("shape", (2,), "INT32"), T("part", (1,), "INT32"), T("y", (1, 6)),
        *(const(name, ints(value)) for name, value in (("begin", 0), ("end", 2), ("step", 1))),
    ]  # fmt: skip
    ops = [
        Op("SHAPE", ["x"], "shape"),
        Op("STRIDED_SLICE", ["shape", "begin", "end", "step"], "part", "StridedSliceOptions", option),
        Op("RESHAPE", ["x", "part"], "y"),
    ]
    with pytest.raises(FreemlError):
        read(tmp_path, write_model(tensors, ops, ["x"], ["y"]))


def test_an_option_that_nothing_reads_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOWERINGS, "LEAKY_RELU", ops._unary("abs"))
    with pytest.raises(UnsupportedOp, match="the option Alpha"):
        read(tmp_path, content("LEAKY_RELU", Alpha=0.5))
