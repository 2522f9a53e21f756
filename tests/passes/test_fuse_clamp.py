"""Bounds go into the layer that they bound."""

from __future__ import annotations

import pytest
from short_text import CONV, POOL, check, graph, same_function, unchanged

from freeml.ir.verify import verify_graph
from freeml.passes.fuse_clamp import FuseClamp


def test_relu_is_fused_into_the_layer_before_it() -> None:
    check(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]
        %u = Unary(%c) fn='clamp' params=(0.0,1e999) : f32[2,2,3]
        -> u""",
        FuseClamp(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=(0.0,1e999) : f32[2,2,3]
        -> c:u""",
    )


def test_a_clamp_moves_before_max_pooling_and_then_into_the_layer() -> None:
    check(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]
        %p = MaxPool(%c) {POOL} : f32[1,1,3]
        %u = Unary(%p) fn='clamp' params=(0.0,6.0) : f32[1,1,3]
        -> u""",
        FuseClamp(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=(0.0,6.0) : f32[2,2,3]
        %u = MaxPool(%c) {POOL} : f32[1,1,3]
        -> u""",
    )


def test_two_clamps_become_their_intersection() -> None:
    check(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=(-1.0,4.0) : f32[4]
        %u = Unary(%d) fn='clamp' params=(0.0,6.0) : f32[4]
        -> u""",
        FuseClamp(),
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=(0.0,4.0) : f32[4]
        -> d:u""",
    )


@pytest.mark.parametrize(("first", "second"), [((2.0, 3.0), (0.0, 1.0)), ((0.0, 1.0), (2.0, 3.0))])
def test_clamps_that_do_not_meet_give_the_bound_the_second_one_gives(first: tuple, second: tuple) -> None:
    source = graph(
        f"""x f32[12]
        %d = Dense(%x, @fw, @fb) clamp={first} : f32[4]
        %u = Unary(%d) fn='clamp' params={second} : f32[4]
        -> u""".replace("clamp=(2.0, 3.0)", "clamp=(2.0,3.0)")
        .replace("clamp=(0.0, 1.0)", "clamp=(0.0,1.0)")
        .replace("params=(2.0, 3.0)", "params=(2.0,3.0)")
        .replace("params=(0.0, 1.0)", "params=(0.0,1.0)")
    )
    same_function(source, verify_graph(FuseClamp()(source)))


def test_a_clamp_stays_where_someone_else_reads_the_unclamped_value() -> None:
    unchanged(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
        %u = Unary(%d) fn='clamp' params=(0.0,6.0) : f32[4]
        %s = Binary(%d, %u) kind='add' clamp=None : f32[4]
        -> s""",
        FuseClamp(),
    )


def test_the_clamped_values_scale_replaces_a_finer_one_of_the_layer_which_still_saturates() -> None:
    source = graph(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4] q(0.03125, -64)
        %u = Unary(%d) fn='clamp' params=(0.0,9.0) : f32[4] q(0.0625, -128)
        -> u"""
    )
    (layer,) = FuseClamp()(source).ops
    assert FuseClamp()(source).types["d"].quant == source.types["u"].quant
    assert layer.clamp == (0.0, 191 / 32)  # type: ignore[attr-defined]


def test_a_clamp_behind_coarser_steps_of_the_layer_stays() -> None:
    """They are what the model computes with; a table from them gives its codes."""
    unchanged(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4] q(0.5, 0)
        %u = Unary(%d) fn='clamp' params=(0.0,6.0) : f32[4] q(0.25, -128)
        -> u""",
        FuseClamp(),
    )


@pytest.mark.parametrize(("bound", "fused"), [(3.0, True), (3.2, False), (99.0, True)])
def test_a_clamp_without_a_scale_moves_into_a_layer_of_the_model_only_where_its_bounds_are_codes(
    bound: float, fused: bool
) -> None:
    """What saturates would else lie half a step of the layer off, which is many of a finer scale behind."""
    source = graph(
        f"""x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4] q(0.5, 0)
        %u = Unary(%d) fn='clamp' params=(0.0,{bound}) : f32[4]
        %s = Softmax(%u) : f32[4] q(0.00390625, -128)
        -> s"""
    )
    assert (len(FuseClamp()(source).ops) == 2) == fused
    same_function(source, FuseClamp()(source))
