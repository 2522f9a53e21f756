"""What an affine op does goes into the layer before or behind it, where that changes nothing."""

from __future__ import annotations

import pytest
from short_text import CONV, CONV_PAD, POINT, check, graph, unchanged

from freeml.ir.text import to_text
from freeml.passes.fold_affine import FoldAffine


def test_batch_norm_folds_into_the_convolution_before_it() -> None:
    check(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV_PAD} clamp=None : f32[4,4,3]
        %n = Conv(%c, @dw, @db) {POINT}3 clamp=None : f32[4,4,3]
        -> n""",
        FoldAffine(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w.folded, @b.folded) {CONV_PAD} clamp=None : f32[4,4,3]
        -> c:n""",
    )


def test_batch_norm_folds_into_the_convolution_after_it_where_there_is_no_padding() -> None:
    check(
        f"""x f32[4,4,2]
        %n = Conv(%x, @dw2, @db2) {POINT}2 clamp=None : f32[4,4,2]
        %c = Conv(%n, @w, @b) {CONV} clamp=None : f32[2,2,3]
        -> c""",
        FoldAffine(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w.folded, @b.folded) {CONV} clamp=None : f32[2,2,3]
        -> c""",
    )


def test_an_offset_is_not_folded_into_a_padded_convolution_after_it() -> None:
    """The padding is zero after the offset, not before it."""
    unchanged(
        f"""x f32[4,4,2]
        %n = Conv(%x, @dw2, @db2) {POINT}2 clamp=None : f32[4,4,2]
        %c = Conv(%n, @w, @b) {CONV_PAD} clamp=None : f32[4,4,3]
        -> c""",
        FoldAffine(),
    )


def test_a_scale_alone_is_folded_into_a_padded_convolution_after_it() -> None:
    check(
        f"""x f32[4,4,2]
        %n = Conv(%x, @dw2, @dw2zero) {POINT}2 clamp=None : f32[4,4,2]
        %c = Conv(%n, @w, @b) {CONV_PAD} clamp=None : f32[4,4,3]
        -> c""",
        FoldAffine(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w.folded, @b.folded) {CONV_PAD} clamp=None : f32[4,4,3]
        -> c""",
    )


@pytest.mark.parametrize("kind", ["add", "sub", "mul"])
def test_a_constant_per_channel_folds_through_a_reshape(kind: str) -> None:
    check(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]
        %r = Reshape(%c) : f32[1,4,3]
        %n = Binary(%r, @k) kind='{kind}' clamp=None : f32[1,4,3]
        -> n""",
        FoldAffine(),
        f"""x f32[4,4,2]
        %c = Conv(%x, @w.folded, @b.folded) {CONV} clamp=None : f32[2,2,3]
        %r = Reshape(%c) : f32[1,4,3]
        -> r:n""",
    )


def test_a_constant_folds_into_a_dense_layer() -> None:
    check(
        """x f32[12]
        %d = Dense(%x, @fw, @fb) clamp=None : f32[4]
        %n = Binary(%d, @fk) kind='mul' clamp=None : f32[4]
        -> n""",
        FoldAffine(),
        """x f32[12]
        %d = Dense(%x, @fw.folded, @fb.folded) clamp=None : f32[4]
        -> d:n""",
    )


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            f"""x f32[4,4,2]
            %c = Conv(%x, @w, @b) {CONV} clamp=(0.0,6.0) : f32[2,2,3]
            %n = Binary(%c, @k) kind='mul' clamp=None : f32[2,2,3]
            -> n""",
            id="an activation lies between",
        ),
        pytest.param(
            f"""x f32[4,4,2]
            %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]
            %n = Binary(%c, @k) kind='mul' clamp=None : f32[2,2,3]
            -> c n""",
            id="someone else reads the convolution",
        ),
        pytest.param(
            f"""x f32[4,4,2]
            %c = Conv(%x, @qw, @b) {CONV} clamp=None : f32[2,2,3]
            %n = Binary(%c, @k) kind='mul' clamp=None : f32[2,2,3]
            -> n""",
            id="the model fixed the codes of the weights",
        ),
    ],
)
def test_an_affine_op_stays_where(text: str) -> None:
    unchanged(text, FoldAffine())


@pytest.mark.parametrize(
    "quant",
    [" q(0.25, 3)", ""],
    ids=["a scale before the folded op rounds and saturates", "only the last scale is fixed"],
)
def test_nothing_folds_over_a_value_whose_scale_the_model_fixed(quant: str) -> None:
    source = graph(
        f"""x f32[4,4,2]
        %c = Conv(%x, @w, @b) {CONV} clamp=None : f32[2,2,3]{quant}
        %r = Reshape(%c) : f32[1,4,3]
        %n = Binary(%r, @k) kind='mul' clamp=None : f32[1,4,3] q(0.5, 1)
        -> n"""
    )
    result = FoldAffine()(source)
    if quant:
        assert to_text(result) == to_text(source)
    else:
        scales = {name: type_.quant and type_.quant.scale for name, type_ in result.types.items()}
        assert scales == {"x": None, "c": 0.5, "r": 0.5}


def test_a_scale_between_an_affine_op_and_the_layer_after_it_stays() -> None:
    unchanged(
        f"""x f32[4,4,2]
        %n = Conv(%x, @dw2, @dw2zero) {POINT}2 clamp=None : f32[4,4,2] q(0.25, 3)
        %c = Conv(%n, @w, @b) {CONV} clamp=None : f32[2,2,3]
        -> c""",
        FoldAffine(),
    )
