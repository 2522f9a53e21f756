"""mnist-8 of the ONNX model zoo: its three reference vectors, and the names in its errors."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from freeml.errors import UnsupportedOp
from freeml.frontend.onnx.read import read_onnx
from freeml.ir.interpret import predict
from freeml.ir.types import Array
from tests.frontend.onnx.nets import data_file

pytestmark = pytest.mark.needs_data


def tensor(name: str) -> Array:
    return numpy_helper.to_array(onnx.TensorProto.FromString(data_file("models", "mnist8", name).read_bytes()))


@pytest.mark.parametrize("i", range(3))
def test_reference_vector_is_met_to_a_ten_thousandth(i: int) -> None:
    graph = read_onnx(data_file("models", "mnist8", "model.onnx"))
    want = tensor(f"set{i}_output_0.pb")
    (got,) = predict(graph, [tensor(f"set{i}_input_0.pb")])
    # The logits reach thousands, where float32 resolves 0.0005.
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-4 * float(np.abs(want).max()))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-3)


def test_every_op_remembers_its_node() -> None:
    graph = read_onnx(data_file("models", "mnist8", "model.onnx"))
    nodes = {op.loc for op in graph.ops}
    assert {"model.onnx:Convolution28", "model.onnx:Pooling160", "model.onnx:Times212"} <= nodes
    assert all(loc.startswith("model.onnx:") for loc in nodes)


@pytest.mark.parametrize("name", ["nodpa_har.onnx", "nodpa_kws.onnx"])
def test_a_network_gated_by_its_own_argmax_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedOp, match="ArgMax") as caught:
        read_onnx(data_file("models", name))
    assert caught.value.where == f"{name}:/conv1/decision_head/Gather"
    assert caught.value.hint
