"""Text in, text out: what each pass makes of a small graph. The function of the graph never changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from float_graphs import Network, networks
from hypothesis import HealthCheck, given, settings
from short_text import graph

from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.verify import InvalidGraphError
from freeml.passes.pipeline import FLOAT_PASSES, run_passes
from freeml.passes.remove_identity import RemoveIdentity
from freeml.passes.skip_softmax import SkipSoftmax


def test_an_index_is_taken_of_scores_not_of_their_softmax() -> None:
    source = graph(
        """
        x f32[4]
        %s = Softmax(%x) : f32[4]
        %i = ArgMax(%s) last=False : i32[1]
        -> i
        """
    )
    after = SkipSoftmax()(source)
    assert [type(op).__name__ for op in after.ops] == ["ArgMax"]
    assert after.ops[0].inputs == ("x",)


def test_a_softmax_that_others_read_or_whose_scale_is_fixed_stays() -> None:
    read = graph(
        """
        x f32[4]
        %s = Softmax(%x) : f32[4]
        %i = ArgMax(%s) last=False : i32[1]
        -> i s
        """
    )
    assert [type(op).__name__ for op in SkipSoftmax()(read).ops] == ["Softmax", "ArgMax"]
    fixed = graph(
        """
        x f32[4]
        %s = Softmax(%x) : f32[4] q(0.00390625, -128)
        %i = ArgMax(%s) last=False : i32[1]
        -> i
        """
    )
    assert SkipSoftmax()(fixed).ops[1].inputs == ("s",)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_all_passes_together_keep_the_function_of_any_network(network: Network) -> None:
    after = run_passes(network.graph)
    found = predict(after, network.samples)
    for y, expected in zip(found, network.expected, strict=True):
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-8, atol=1e-8)
    assert len({port.value for port in (*after.inputs, *after.outputs)}) == len(after.inputs) + len(after.outputs)


def test_a_pass_that_breaks_a_rule_is_named_with_those_before_it() -> None:
    class Broken:
        def __call__(self, g: Graph) -> Graph:
            return g.with_ops(reversed(g.ops))

    text = """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
        %t = Unary(%d) fn='tanh' params=() : f32[4]
        -> t"""
    with pytest.raises(InvalidGraphError, match=r"after Broken \(which followed RemoveIdentity\)"):
        run_passes(graph(text), (RemoveIdentity(), Broken()))


def test_the_text_after_each_pass_can_be_kept(tmp_path: Path) -> None:
    run_passes(graph("x f32[2]\n%y = Softmax(%x) : f32[2]\n-> y"), dump_dir=tmp_path)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [f"{k:02}-{type(step).__name__}.txt" for k, step in enumerate(FLOAT_PASSES, start=1)]
    assert (tmp_path / kept[0]).read_text().startswith("graph m : float")
