"""The builder follows every reshape and transpose of a model as an index: the logical tensor is what counts."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from float_graphs import LAYOUT, Network, Twin, networks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.errors import UnsupportedOp
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.layout import is_identity, memory_order, move_for, strided_axes
from freeml.frontend.views import MAX_TENSOR_ELEMS, Weight
from freeml.ir.interpret import predict
from freeml.ir.ops import Reshape, Transpose, Window
from freeml.ir.verify import verify_graph

THOROUGH = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(network: Network) -> None:
    found = predict(verify_graph(network.graph), network.samples)
    assert len(found) == len(network.expected)
    for y, expected in zip(found, network.expected, strict=True):
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)


@THOROUGH
@given(networks(batch=1))
def test_any_network_of_batch_1_computes_what_numpy_does_on_the_logical_tensors(network: Network) -> None:
    check(network)


@THOROUGH
@given(networks())
def test_a_larger_batch_is_one_more_axis_of_the_same_function(network: Network) -> None:
    check(network)


@THOROUGH
@given(networks(ops=LAYOUT, max_ops=9))
def test_no_chain_of_reshapes_and_transposes_is_refused(network: Network) -> None:
    check(network)


@st.composite
def axis_nests(draw: st.DrawFn) -> np.ndarray:
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=5)))
    index = np.arange(math.prod(shape)).reshape(shape).transpose(draw(st.permutations(range(len(shape)))))
    return index.reshape(draw(st.sampled_from([index.shape, (-1,), (1, *index.shape), (index.shape[0], -1)])))


@THOROUGH
@given(axis_nests())
def test_the_move_of_a_transposed_and_reshaped_tensor_is_found_from_its_index_alone(index: np.ndarray) -> None:
    move = move_for(index)
    assert np.array_equal(np.arange(index.size).reshape(move.shape).transpose(move.order).ravel(), index.ravel())
    assert math.prod(n for n, _ in strided_axes(index)) == index.size
    assert is_identity(index) == np.array_equal(index.ravel(), np.arange(index.size))


@THOROUGH
@given(st.permutations(range(8)))
def test_a_move_is_right_or_refused(order: list[int]) -> None:
    index = np.array(order)
    try:
        move = move_for(index)
    except ValueError:
        return
    assert np.array_equal(np.arange(8).reshape(move.shape).transpose(move.order).ravel(), index)


@THOROUGH
@given(axis_nests())
def test_memory_order_names_the_axes_from_outermost_to_innermost_in_memory(index: np.ndarray) -> None:
    order = memory_order(index)
    if order is not None:
        assert sorted(order) == list(range(index.ndim))
        assert is_identity(index.transpose(order))


def classifier(twin: Twin) -> Twin:
    x = twin.input((1, 3, 6, 6), channels_first=True)
    y = twin.conv(x, 4, Window(kernel=(3, 3)), 1)
    twin.output(twin.dense(twin.reshape(y, (1, 64)), 5))
    return twin


def test_flatten_after_a_convolution_costs_no_transpose() -> None:
    network = classifier(Twin(0)).network()
    assert not list(network.graph.ops_of(Transpose))
    check(network)


def test_channels_first_input_is_stored_with_the_channels_last() -> None:
    graph = classifier(Twin(0)).network().graph
    assert graph.inputs[0].order == (1, 2, 0)
    assert graph.types[graph.inputs[0].value].shape == (6, 6, 3)


def test_a_tensor_read_twice_in_another_order_is_moved_once() -> None:
    twin = Twin(1)
    moved = twin.transpose(twin.reshape(twin.input((1, 6, 4), channels_first=False), (1, 2, 3, 4)), (0, 2, 1, 3))
    twin.output(twin.softmax(moved, 3))
    twin.output(twin.concat([moved, moved], 2))
    network = twin.network()
    assert len(list(network.graph.ops_of(Transpose))) <= 1
    check(network)


def test_layout_ops_alone_emit_no_ops_when_a_transpose_describes_them() -> None:
    twin = Twin(2)
    x = twin.input((1, 3, 4, 5), channels_first=True)
    twin.output(twin.unary(twin.transpose(x, (0, 2, 3, 1)), "abs"))
    network = twin.network()
    assert not [op for op in network.graph.ops if isinstance(op, Reshape | Transpose)]
    check(network)


@pytest.mark.parametrize("shape", [(1, 4096, 4096), (1, 0, 4), (1 << 40,), (1, 1 << 20, 1 << 20)])
def test_a_tensor_beyond_a_microcontroller_is_refused_before_it_is_allocated(shape: tuple[int, ...]) -> None:
    tracemalloc.start()
    with pytest.raises(UnsupportedOp, match="elements"):
        GraphBuilder("m").input("x", shape)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def _huge_padding(b: GraphBuilder) -> None:
    x = b.input("x", (1, 1, 2, 2))
    far = Window(kernel=(1, 1), pad=(1 << 20, 1 << 20, 1 << 20, 1 << 20))
    b.conv(x, Weight(np.ones((1, 1, 1, 1))), None, window=far, loc="m:conv")


def _huge_pool(b: GraphBuilder) -> None:
    x = b.input("x", (1, 1, 2, 2))
    b.pool(x, "avg", window=Window(kernel=(1, 1)), out_hw=(1 << 20, 1 << 20), loc="m:pool")


def _huge_broadcast(b: GraphBuilder) -> None:
    b.binary("add", b.input("x", (MAX_TENSOR_ELEMS, 1)), b.input("y", (1, MAX_TENSOR_ELEMS)), loc="m:add")


def _huge_pad(b: GraphBuilder) -> None:
    b.pad(b.input("x", (1, 2)), (0, 1 << 40), (0, 0), 0.0, loc="m:pad")


def _huge_concat(b: GraphBuilder) -> None:
    x = b.input("x", (1, MAX_TENSOR_ELEMS // 2))
    b.concat([x, x, x], 1, loc="m:concat")


@pytest.mark.parametrize("build", [_huge_padding, _huge_pool, _huge_broadcast, _huge_pad, _huge_concat])
def test_an_op_whose_result_is_too_large_is_refused_with_its_node(build) -> None:
    with pytest.raises(UnsupportedOp, match="elements") as caught:
        build(GraphBuilder("m"))
    assert caught.value.where.startswith("m:")
