"""Dense layers without anything between them are one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from freeml.compress.merge import merge_dense
from freeml.frontend.builder import GraphBuilder
from freeml.frontend.views import Weight
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.ops import Dense
from freeml.passes.pipeline import run_passes


def chain(*widths: int, relu_behind: int = -1) -> Graph:
    """Dense layers fc0, fc1, ... of these widths."""
    rng = np.random.default_rng(3)
    builder = GraphBuilder("chain")
    x = builder.input("x", (1, widths[0]), channels_first=True, dtype="float32")
    for k, (n_in, n_out) in enumerate(pairwise(widths)):
        weight = Weight(rng.normal(size=(n_out, n_in)) / np.sqrt(n_in))
        x = builder.dense(x, weight, rng.normal(size=n_out), loc=f"net:/fc{k}")
        if k == relu_behind:
            x = builder.unary(x, "clamp", (0.0, float("inf")), loc="net:/relu")
    builder.output(x, "y", dtype="float32")
    return run_passes(builder.finish())


def says(graph: Graph) -> np.ndarray:
    """Of four fixed samples."""
    x = np.random.default_rng(5).normal(size=(4, graph.types[graph.inputs[0].value].n_elems)).astype(np.float32)
    name = graph.outputs[0].value
    return np.asarray(interpret(graph, {graph.inputs[0].value: x}, [name])[name])


def widths(graph: Graph) -> list[int]:
    return [graph.consts[op.inputs[1]].shape[0] for op in graph.ops_of(Dense)]


def test_a_chain_becomes_one_layer_that_says_the_same() -> None:
    graph = chain(40, 30, 20, 5)
    merged = merge_dense(graph)
    assert widths(merged) == [5]
    np.testing.assert_allclose(says(merged), says(graph), rtol=1e-5, atol=1e-5)


def test_a_bottleneck_a_function_and_a_layer_that_is_kept_stay() -> None:
    assert widths(merge_dense(chain(40, 4, 30))) == [4, 30], "one layer would hold 1,200 weights in place of 280"
    assert widths(merge_dense(chain(40, 30, 20, relu_behind=0))) == [30, 20]
    assert widths(merge_dense(chain(40, 30, 20, 5), keep=["net:/fc0"])) == [30, 5]
