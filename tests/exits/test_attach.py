"""Heads as ops of the integer network: its scores are those of the integers that describe them, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from freeml.errors import BadModel
from freeml.exits.attach import Attached, attached, exposed
from freeml.exits.heads import Heads, Slice
from freeml.exits.names import Kind
from freeml.ir.decision import decide, segments
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.interpret import encode_inputs, interpret
from freeml.ir.types import Const
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.quantize.search import quantize
from tests.exits.nets import NETS, branched, samples, with_weights


def with_heads(net: str, kind: Kind, *, tied: bool = False, change: Heads | None = None) -> tuple[Graph, Attached]:
    """A network's integers, before and with its exits."""
    of = branched(NETS[net](), normed=kind == "separate")
    heads = change or with_weights(of, kind, tied=tied)
    whole = quantize(exposed(of.graph, heads), samples(of.graph, 32)).graph
    return whole, attached(whole, heads, of.graph)


def check(whole: Graph, made: Attached) -> None:
    inputs = encode_inputs(whole, samples(whole, 25, seed=9))
    names = [part.features for exit_ in made.heads.exits for part in exit_.slices]
    codes = interpret(whole, inputs, names)
    found = interpret(made.graph, inputs, [one.value for one in made.graph.exits])
    for one, wanted in zip(made.graph.exits, made.heads.run(codes), strict=True):
        assert found[one.value].dtype == np.int32
        assert np.array_equal(found[one.value], wanted)


@pytest.mark.parametrize("kind", ["gnet", "shared", "separate"])
@pytest.mark.parametrize("net", NETS)
def test_scores_of_exits_are_those_of_their_integers(net: str, kind: Kind) -> None:
    whole, made = with_heads(net, kind)
    check(whole, made)
    n_exits = len(made.graph.exits)
    assert n_exits > 1
    assert len(list(made.graph.ops_of(ExitHead))) == n_exits
    if kind != "shared":  # accumulators, or nothing, go from exit to exit
        assert not list(made.graph.ops_of(ExitMix))
    answers = [interpret(g, encode_inputs(g, samples(g, 25)), [decide(g).value]) for g in (whole, made.graph)]  # type: ignore[union-attr]
    (first,), (second,) = (values.values() for values in answers)
    assert np.array_equal(first, second), "the network's own answer is what it was"
    assert sorted(set(segments(made.graph))) == list(range(n_exits + 1))


def test_exits_that_share_a_matrix_have_it_once() -> None:
    whole, made = with_heads("residual", "shared", tied=True)
    check(whole, made)
    assert sum(name.startswith("exits.matrix") for name in made.graph.consts) == 1


def test_an_exit_may_read_several_values() -> None:
    of = branched(NETS["image"]())
    heads = with_weights(of, "shared")
    first, second = heads.exits[:2]
    both = replace(second, slices=(*second.slices, Slice(first.slices[0].features, first.slices[0].matrix, 0.7)))
    for mix in ((0.0,), (1.0,), (0.6,)):
        exits = (first, replace(both, mix=mix))
        check(*with_heads("image", "shared", change=replace(heads, exits=exits, biases=heads.biases[:2])))


def test_more_classes_than_confidence_is_computed_of_are_refused() -> None:
    of = branched(NETS["image"]())
    heads = with_weights(of, "gnet")
    many = tuple(Const(np.zeros((257, m.array.shape[1]))) for m in heads.matrices)
    wide = replace(heads, matrices=many, biases=tuple(Const(np.zeros(257)) for _ in heads.biases))
    whole = quantize(exposed(of.graph, wide), samples(of.graph, 8)).graph
    with pytest.raises(BadModel, match="257 classes"):
        attached(whole, wide, of.graph)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"carry_shift": 0, "carry_mult": 3}, "a multiplier without shift"),
        ({"carry_mult": 65_535, "carry_shift": 1}, "a requantised sum may leave 30 bits"),
        ({"carry_shift": 47}, "multiplier"),
    ],
)
def test_a_head_that_might_overflow_is_no_graph(change: dict[str, int], why: str) -> None:
    _, made = with_heads("image", "gnet")
    last = made.graph.ops.index(list(made.graph.ops_of(ExitHead))[-1])
    wrong = tuple(replace(op, **change) if k == last else op for k, op in enumerate(made.graph.ops))  # type: ignore[arg-type]
    with pytest.raises(InvalidGraphError, match=why):
        verify_graph(replace(made.graph, ops=wrong))


def test_a_head_whose_own_sum_is_too_large_is_no_graph() -> None:
    _, made = with_heads("image", "gnet")
    op = next(made.graph.ops_of(ExitHead))
    small = Const(np.full_like(made.graph.consts[op.inputs[-1]].array, 1))
    with pytest.raises(InvalidGraphError, match="30 bits"):
        verify_graph(replace(made.graph, consts={**made.graph.consts, op.inputs[-1]: small}))
