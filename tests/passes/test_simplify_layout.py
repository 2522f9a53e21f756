"""Transposes and reshapes at the edge become a matter of how samples lie in memory."""

from __future__ import annotations

import pytest
from short_text import CONV, check, graph, same_function, unchanged

from freeml.ir.graph import Graph
from freeml.ir.verify import verify_graph
from freeml.passes.simplify_layout import SimplifyLayout


def ports(g: Graph) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    return [(p.name, p.shape, p.order) for p in (*g.inputs, *g.outputs)]


def test_transposes_at_the_edge_become_a_matter_of_storing_samples_and_reading_answers() -> None:
    source = graph(
        f"""x f32[2,4,4]
        %t = Transpose(%x) order=(1,2,0) : f32[4,4,2]
        %c = Conv(%t, @w, @b) {CONV} clamp=None : f32[2,2,3]
        %y = Transpose(%c) order=(2,0,1) : f32[3,2,2]
        %z = Reshape(%y) : f32[12]
        -> z"""
    )
    result = verify_graph(SimplifyLayout()(source))
    assert [type(op).__name__ for op in result.ops] == ["Conv", "Transpose"] or len(result.ops) == 1
    assert ports(result)[0] == ("x", (2, 4, 4), (1, 2, 0))
    same_function(source, result)


def test_a_transpose_that_only_feeds_an_output_is_absorbed() -> None:
    source = graph(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]
        %y = Transpose(%c) order=(2,0,1) : f32[3,2,2]
        -> y"""
    )
    result = verify_graph(SimplifyLayout()(source))
    assert [op.output for op in result.ops] == ["c"]
    assert ports(result)[1] == ("y", (3, 2, 2), (1, 2, 0))
    same_function(source, result)


def test_neighbours_merge_and_what_does_nothing_goes() -> None:
    check(
        """x f32[2,3,4]
        %s = Unary(%x) fn='tanh' params=() : f32[2,3,4]
        %a = Transpose(%s) order=(1,0,2) : f32[3,2,4]
        %b = Transpose(%a) order=(1,2,0) : f32[2,4,3]
        %c = Reshape(%b) : f32[8,3]
        %d = Reshape(%c) : f32[24]
        %e = Reshape(%d) : f32[24]
        %y = Softmax(%e) : f32[24]
        -> y""",
        SimplifyLayout(),
        """x f32[2,3,4]
        %s = Unary(%x) fn='tanh' params=() : f32[2,3,4]
        %b = Transpose(%s) order=(0,2,1) : f32[2,4,3]
        %d = Reshape(%b) : f32[24]
        %y = Softmax(%d) : f32[24]
        -> y""",
    )


@pytest.mark.parametrize(
    "text",
    [
        """x f32[2,3] q(0.5, 0)
        %r = Reshape(%x) : f32[6] q(0.25, 0)
        %u = Unary(%r) fn='abs' params=() : f32[6]
        -> u""",
        """x f32[2,3]
        %u = Unary(%x) fn='abs' params=() : f32[2,3] q(0.5, 0)
        %t = Transpose(%u) order=(1,0) : f32[3,2] q(0.25, 0)
        -> t""",
        """x f32[2,3]
        %u = Unary(%x) fn='abs' params=() : f32[2,3] q(0.5, 0)
        %r = Reshape(%u) : f32[6] q(0.25, 0)
        %s = Reshape(%r) : f32[3,2] q(0.5, 0)
        %v = Unary(%s) fn='abs' params=() : f32[3,2]
        -> v""",
    ],
    ids=["at an input", "at an output", "between two ops"],
)
def test_a_move_between_two_scales_is_a_rescaling_and_stays(text: str) -> None:
    unchanged(text, SimplifyLayout())


def test_an_input_with_a_second_reader_keeps_its_order() -> None:
    unchanged(
        """x f32[2,3]
        %t = Transpose(%x) order=(1,0) : f32[3,2]
        %a = Softmax(%t) : f32[3,2]
        %b = Softmax(%x) : f32[2,3]
        -> a b""",
        SimplifyLayout(),
    )
