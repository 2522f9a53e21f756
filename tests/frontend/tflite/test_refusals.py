"""What is refused, and what the user is told."""

from __future__ import annotations

import numpy as np
import pytest

from freeml.errors import BadModel, FreemlError, UnsupportedOp
from freeml.frontend.tflite.read import read_tflite
from tests.frontend.tflite.writer import Op, T, const, write_model

X = (1, 4, 4, 2)
CONV = {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


def refusal(tmp_path, content: bytes) -> FreemlError:
    path = tmp_path / "bad.tflite"
    path.write_bytes(content)
    with pytest.raises((BadModel, UnsupportedOp)) as caught:
        read_tflite(path)
    return caught.value


def one_op(kind, *, x=None, consts=(), y=None, table="", options=None) -> bytes:
    x, y = x or T("x", X), y or T("y", X)
    return write_model(
        [x, *consts, y], [Op(kind, [x.name, *(c.name for c in consts)], "y", table, options or {})], ["x"], ["y"]
    )


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("WHILE", "control flow"),
        ("IF", "control flow"),
        ("VAR_HANDLE", "keeps state"),
        ("READ_VARIABLE", "keeps state"),
        ("ASSIGN_VARIABLE", "keeps state"),
        ("CALL_ONCE", "keeps state"),
        ("SVDF", "keeps state"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "recurrent"),
        ("TRANSPOSE_CONV", "transposed"),
        ("CUSTOM", "custom operator MyOp"),
        ("RESIZE_BILINEAR", "RESIZE_BILINEAR: this operator is not supported"),
    ],
)
def test_an_operator_outside_the_list_is_named_with_its_reason(kind, message, tmp_path):
    error = refusal(tmp_path, one_op(kind))
    assert isinstance(error, UnsupportedOp)
    assert message in error.what
    assert error.where == "bad.tflite:y"
    assert error.hint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (one_op("RELU", x=T("x", X, signature=(-1, -1, 4, 2))), "no fixed shape"),
        (one_op("RELU", x=T("x", X, "INT32")), "of type INT32"),
        (one_op("RELU", x=T("x", X, "INT16", scales=[0.1], zeros=[0])), "INT16"),
        (one_op("QUANTIZE", y=T("y", X, "INT16", scales=[0.1], zeros=[0])), "int16x8"),
        (one_op("RELU", y=T("y", X, variable=True)), "keeps state"),
        (one_op("SOFTMAX", table="SoftmaxOptions", options={"Beta": 2.0}), "beta"),
        (one_op("PRELU", consts=[const("a", np.float32([0.1, 0.2]))]), "slope for each channel"),
        (one_op("STRIDED_SLICE", consts=[const("a", np.int32([0]))], table="StridedSliceOptions"), "computes a shape"),
    ],
)
def test_unsupported_uses_are_refused_with_the_reason(content, message, tmp_path):
    error = refusal(tmp_path, content)
    assert isinstance(error, UnsupportedOp)
    assert message in error.what


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (one_op("QUANTIZE", y=T("y", X, "INT8", scales=[0.0], zeros=[0])), "finite positive"),
        (one_op("QUANTIZE", y=T("y", X, "INT8", scales=[float("nan")], zeros=[0])), "finite positive"),
        (one_op("QUANTIZE", y=T("y", X, "INT8", scales=[float("inf")], zeros=[0])), "finite positive"),
        (one_op("QUANTIZE", y=T("y", X, "INT8", scales=[0.1], zeros=[300])), "zero points"),
        (one_op("QUANTIZE", y=T("y", X, "INT8")), "exactly one scale"),
        (one_op("ADD", consts=[const("c", np.float32([np.nan, 1]))], table="AddOptions"), "NaN"),
        (one_op("DIV", consts=[const("c", np.float32([0, 1]))], table="DivOptions"), "division by zero"),
        (one_op("ADD", consts=[const("c", np.float32([1, 2, 3]))], table="AddOptions"), "shapes"),
        (one_op("RELU", y=T("y", (1, 4, 4, 3))), "the file says"),
        (one_op("RESHAPE", consts=[const("c", np.int32([5, -1]))], table="ReshapeOptions"), "cannot take the shape"),
        (
            one_op(
                "CONV_2D", consts=[const("w", np.ones((3, 1, 1, 5), np.float32))], table="Conv2DOptions", options=CONV
            ),
            "channels",
        ),
        (
            one_op("CONV_2D", consts=[const("w", np.ones((3, 1, 1, 2), np.float32))], table="Conv2DOptions"),
            "stride (0, 0)",
        ),
        (
            one_op(
                "CONV_2D",
                consts=[const("w", np.ones((3, 1, 1, 2), np.int8), scales=[0.1, 0.2], zeros=[0, 0], axis=3)],
                table="Conv2DOptions",
                options=CONV,
            ),
            "axis 3",
        ),
        (one_op("PAD", consts=[const("p", np.int32([[0, 0], [-1, 0], [0, 0], [0, 0]]))]), "padding"),
        (one_op("TRANSPOSE", consts=[const("p", np.int32([0, 0, 1, 2]))]), "axes"),
        (write_model([T("x", X), T("z", X), T("y", X)], [Op("RELU", ["z"], "y")], ["x"], ["y"]), "nothing before"),
        (write_model([T("x", X), T("y", X)], [Op("RELU", ["y"], "y")], ["x"], ["y"]), "nothing before"),
        (write_model([T("x", X), T("y", X)], [Op("RELU", ["x"], "x")], ["x"], ["y"]), "already defined"),
        (write_model([T("x", X), T("y", X)], [], ["x"], ["y"]), "no operator computes"),
        (write_model([T("x", X), T("y", X)], [Op("RELU", ["x"], "y")], [], []), "no input or no output"),
    ],
)
def test_files_that_contradict_themselves_are_bad_models(content, message, tmp_path):
    error = refusal(tmp_path, content)
    assert isinstance(error, BadModel)
    assert message in error.what


def test_a_huge_input_is_refused_before_it_is_allocated(tmp_path):
    error = refusal(tmp_path, one_op("RELU", x=T("x", (1, 1 << 14, 1 << 11)), y=T("y", (1, 1 << 14, 1 << 11))))
    assert "elements" in error.what


def test_other_files_are_not_models(tmp_path):
    assert "TFL3" in refusal(tmp_path, b"").what
    assert "TFL3" in refusal(tmp_path, b"\x08\x00\x00\x00ONNX").what
    assert "damaged" in refusal(tmp_path, b"\xff\xff\xff\xffTFL3").what


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadModel, match="cannot be read"):
        read_tflite(tmp_path / "absent.tflite")
