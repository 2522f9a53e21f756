"""What does nothing goes, and hands on its scale."""

from __future__ import annotations

import pytest
from short_text import check, graph, same_function, unchanged

from freeml.passes.remove_identity import RemoveIdentity


def test_identities_disappear_and_hand_their_scale_to_the_value_before_them() -> None:
    check(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
        %i = Unary(%d) fn='identity' params=() : f32[4] q(0.5, 1)
        %t = Unary(%i) fn='tanh' params=() : f32[4]
        -> t""",
        RemoveIdentity(),
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4] q(0.5, 1)
        %t = Unary(%d) fn='tanh' params=() : f32[4]
        -> t""",
    )


@pytest.mark.parametrize("between", ["", "%j = Unary(%d) fn='identity' params=() : f32[4]\n"])
def test_an_identity_with_a_scale_stays_where_others_read_the_value_with_another(between: str) -> None:
    """`between`: a plain identity that is removed must not hide the other readers."""
    source = "j" if between else "d"
    text = f"""x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
        {between}%i = Unary(%{source}) fn='identity' params=() : f32[4] q(0.5, 1)
        %s = Binary(%d, %i) kind='add' clamp=None : f32[4]
        -> s"""
    result = RemoveIdentity()(graph(text))
    assert [op.output for op in result.ops] == ["d", "i", "s"]
    assert result.types["d"].quant is None


def test_readers_of_a_removed_identity_count_as_readers_of_the_value_before_it() -> None:
    result = RemoveIdentity()(
        graph(
            """x f32[12]
            %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
            %j = Unary(%d) fn='identity' params=() : f32[4]
            %i = Unary(%j) fn='identity' params=() : f32[4] q(0.5, 1)
            %s = Binary(%j, %i) kind='add' clamp=None : f32[4]
            -> s"""
        )
    )
    assert [op.output for op in result.ops] == ["d", "i", "s"]
    assert result.types["d"].quant is None


def test_an_identity_between_two_scales_is_a_rescaling_and_stays() -> None:
    unchanged(
        """x f32[12] q(0.25, 0)
        %i = Unary(%x) fn='identity' params=() : f32[12] q(0.5, 1)
        %t = Unary(%i) fn='tanh' params=() : f32[12]
        -> t""",
        RemoveIdentity(),
    )


def test_an_output_that_is_an_input_keeps_its_copy() -> None:
    unchanged(
        """x f32[12]
        %i = Unary(%x) fn='identity' params=() : f32[12]
        -> i""",
        RemoveIdentity(),
    )


def test_two_outputs_never_become_one_value() -> None:
    source = graph(
        """x f32[12]
        %t = Unary(%x) fn='tanh' params=() : f32[12]
        %i = Unary(%t) fn='identity' params=() : f32[12]
        %j = Unary(%t) fn='identity' params=() : f32[12]
        -> i j"""
    )
    result = RemoveIdentity()(source)
    assert len({port.value for port in result.outputs}) == 2
    same_function(source, result)
