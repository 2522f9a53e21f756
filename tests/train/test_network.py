"""The torch module of a float graph computes what the float interpreter does, op by op and network by network."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from float_graphs import Network as Case
from float_graphs import networks
from hypothesis import given, settings
from hypothesis import strategies as st

from freeml.errors import BadModel
from freeml.ir import ops as f
from freeml.ir import unary
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.interpret_float import run_op as run_in_numpy
from freeml.ir.ops import Op, Window
from freeml.ir.text import digest
from freeml.ir.types import Const, Port, TensorType
from freeml.train import functions
from freeml.train.float_ops import run_op
from freeml.train.network import Network, weights_of

BASE = {"output": "y", "loc": "n", "inputs": ("x",)}
PARAMS = {"lo": -0.5, "hi": 0.75, "alpha": 0.3, "gamma": 1.1, "beta": 2.0, "threshold": 3.0, "bits": 2.0, "signed": 1.0}
POSITIVE = ("sqrt", "rsqrt")


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def same(op: Op, args: list[np.ndarray], out: tuple[int, ...]) -> None:
    """In float32, as networks are trained."""
    args = [array.astype(np.float32) for array in args]
    expected = run_in_numpy(op, args, TensorType(out))
    found = run_op(op, [torch.from_numpy(array) for array in args], TensorType(out))
    assert found.shape == expected.shape
    close(found.numpy(), expected)


@pytest.mark.parametrize("fn", sorted(unary.FUNCTIONS))
def test_every_elementwise_function_is_the_same_and_has_a_gradient(fn: str) -> None:
    params = tuple(PARAMS[name] for name in unary.FUNCTIONS[fn].params)
    x = np.linspace(-4.1, 6.3, 131, dtype=np.float32)
    x = np.abs(x) + 0.1 if fn in POSITIVE else x
    same(f.Unary(**BASE, fn=fn, params=params), [x[None]], (x.size,))
    at = torch.from_numpy(x).requires_grad_()
    functions.apply(fn, params, at).sum().backward()
    assert at.grad is not None
    assert torch.isfinite(at.grad).all()
    assert at.grad.abs().max() > 0


def test_the_two_tables_have_the_same_functions() -> None:
    assert functions.FUNCTIONS.keys() == unary.FUNCTIONS.keys()


@settings(max_examples=40)
@given(st.data(), st.integers(0, 999))
def test_every_window_is_the_same(data: st.DataObject, seed: int) -> None:
    """Padding on any side, strides that leave a rest, dilation, groups; windows past the end as `ceil` gives them."""
    rng = np.random.default_rng(seed)
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    pad = data.draw(st.tuples(*(st.integers(0, 2),) * 4))
    window = Window(kernel=data.draw(pairs), stride=data.draw(pairs), dilation=data.draw(pairs), pad=pad)
    h, w, groups = data.draw(st.integers(7, 9)), data.draw(st.integers(7, 9)), data.draw(st.integers(1, 3))
    per_group, multiplier = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))
    x = rng.normal(size=(2, h, w, groups * per_group))
    out, n_out = window.out_size(h, w), groups * multiplier
    weight, bias = rng.normal(size=(n_out, *window.kernel, per_group)), rng.normal(size=n_out)
    clamp = data.draw(st.sampled_from((None, (0.0, math.inf), (-0.5, 0.5))))
    same(f.Conv(**BASE, window=window, groups=groups, clamp=clamp), [x, weight, bias], (*out, n_out))
    inside = replace(window, pad=tuple(min(n, (window.kernel[k % 2] - 1)) for k, n in enumerate(pad)))
    out = (inside.out_size(h, w)[0], inside.out_size(h, w)[1], x.shape[3])
    same(f.MaxPool(**BASE, window=inside), [x], out)
    for include_pad in (False, True):
        same(f.AvgPool(**BASE, window=inside, include_pad=include_pad), [x], out)


@pytest.mark.parametrize("last", [False, True])
def test_of_equal_largest_scores_the_same_index_is_taken(last: bool) -> None:
    same(f.ArgMax(**BASE, last=last), [np.array([[1.0, 3, 3, 0], [2, 2, 2, 2]])], (1,))


@settings(max_examples=60)
@given(networks())
def test_a_random_network_gives_what_the_interpreter_gives(case: Case) -> None:
    network = Network(case.graph, dtype=torch.float64)
    values = sorted(case.graph.types)
    expected = interpret(case.graph, encode_inputs(case.graph, case.samples), values)
    with torch.no_grad():
        found = network(network.encode(case.samples), values)
    for name in values:
        np.testing.assert_allclose(found[name].numpy(), expected[name], rtol=1e-9, atol=1e-9)


def dense(code_scales: tuple[float, ...] | None = None) -> Graph:
    ports = (Port("x", "x", (3,), (0,)),), (Port("y", "y", (2,), (0,)),)
    op = f.Dense(output="y", inputs=("x", "w", "b"), loc="net:/fc")
    weight = Const(np.array([[1.0, -2, 3], [0, 1, 0.5]]), code_scales)
    types = {"x": TensorType((3,)), "y": TensorType((2,))}
    return Graph("net", *ports, (op,), types, {"w": weight, "b": Const(np.zeros(2))})


def test_an_untrained_module_gives_its_graph_back_with_weights_of_single_precision() -> None:
    graph = dense()
    back = Network(graph).to_graph()
    assert digest(back) == digest(graph)
    assert back.consts["w"].array.dtype == np.float64


def test_a_trained_weight_is_a_constant_of_the_graph_and_the_others_are_not_touched() -> None:
    graph = dense()
    network = Network(graph, ["w"])
    with torch.no_grad():
        network.params()["w"].mul_(2)
    back = network.to_graph()
    assert np.array_equal(back.consts["w"].array, 2 * graph.consts["w"].array)
    assert back.consts["b"] is graph.consts["b"]
    assert weights_of(graph) == ("w", "b")


def test_a_network_that_came_quantized_is_refused_with_what_to_bring() -> None:
    with pytest.raises(BadModel, match="came quantized") as caught:
        Network(dense((1.0, 0.5)))
    assert "float network" in caught.value.hint
    assert caught.value.where == "net:/fc"
