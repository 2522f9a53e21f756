"""Padding goes into the window behind it, where that pads with what it would."""

from __future__ import annotations

import pytest
from short_text import CONV, POOL, check, unchanged

from freeml.passes.fuse_pad import FusePad


def test_zero_padding_is_fused_into_a_convolution() -> None:
    check(
        f"""x f32[2,3,2]
        %p = Pad(%x) before=(2,1,0) after=(1,0,0) value=0.0 : f32[5,4,2]
        %c = Conv(%p, @w, @b) {CONV} clamp=None : f32[3,2,3]
        -> c""",
        FusePad(),
        """x f32[2,3,2]
        %c = Conv(%x, @w, @b) window=((3,3),(1,1),(1,1),(2,1,1,0)) groups=1 clamp=None : f32[3,2,3]
        -> c""",
    )


def test_zero_padding_is_fused_into_an_average_that_then_counts_it() -> None:
    check(
        f"""x f32[2,3,2]
        %p = Pad(%x) before=(1,1,0) after=(1,0,0) value=0.0 : f32[4,4,2]
        %a = AvgPool(%p) {POOL} include_pad=False : f32[2,2,2]
        -> a""",
        FusePad(),
        """x f32[2,3,2]
        %a = AvgPool(%x) window=((2,2),(2,2),(1,1),(1,1,1,0)) include_pad=True : f32[2,2,2]
        -> a""",
    )


@pytest.mark.parametrize(
    "pad",
    [
        "before=(1,1,0) after=(1,0,0) value=1.0",
        "before=(1,0,1) after=(1,1,0) value=0.0",
    ],
)
def test_padding_with_ones_or_of_channels_stays(pad: str) -> None:
    shape = {"before=(1,1,0) after=(1,0,0) value=1.0": "4,4,2", "before=(1,0,1) after=(1,1,0) value=0.0": "4,4,2"}[pad]
    source = "2,3,2" if "1.0" in pad else "2,3,1"
    unchanged(
        f"""x f32[{source}]
        %p = Pad(%x) {pad} : f32[{shape}]
        %c = Conv(%p, @w, @b) {CONV} clamp=None : f32[2,2,3]
        -> c""",
        FusePad(),
    )


def test_padding_in_a_scale_of_its_own_stays() -> None:
    unchanged(
        f"""x f32[2,3,2] q(0.5, 0)
        %p = Pad(%x) before=(2,1,0) after=(1,0,0) value=0.0 : f32[5,4,2] q(0.25, 0)
        %c = Conv(%p, @w, @b) {CONV} clamp=None : f32[3,2,3]
        -> c""",
        FusePad(),
    )


def test_padding_for_maximum_pooling_stays() -> None:
    unchanged(
        f"""x f32[2,2,2]
        %p = Pad(%x) before=(1,1,0) after=(1,1,0) value=0.0 : f32[4,4,2]
        %m = MaxPool(%p) {POOL} : f32[2,2,2]
        -> m""",
        FusePad(),
    )


@pytest.mark.parametrize("pad", ["before=(3,0,0) after=(1,0,0)", "before=(1,0,0) after=(3,0,0)"])
def test_padding_that_fills_whole_windows_of_an_average_stays(pad: str) -> None:
    unchanged(
        f"""x f32[2,2,2]
        %p = Pad(%x) {pad} value=0.0 : f32[6,2,2]
        %a = AvgPool(%p) {POOL} include_pad=False : f32[3,1,2]
        -> a""",
        FusePad(),
    )
