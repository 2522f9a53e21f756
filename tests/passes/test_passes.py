"""Text in, text out: what each pass makes of a small graph. The function of the graph never changes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from float_graphs import Network, networks
from hypothesis import HealthCheck, given, settings

from freeml.ir.graph import Graph
from freeml.ir.interpret import predict
from freeml.ir.text import parse, to_text
from freeml.ir.types import Const
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.passes.fold_affine import FoldAffine
from freeml.passes.fuse_clamp import FuseClamp
from freeml.passes.fuse_pad import FusePad
from freeml.passes.pipeline import FLOAT_PASSES, Pass, run_passes
from freeml.passes.remove_identity import RemoveIdentity
from freeml.passes.simplify_layout import SimplifyLayout
from freeml.passes.skip_softmax import SkipSoftmax

RNG = np.random.default_rng(0)
CONSTS = {
    "w": Const(RNG.normal(size=(3, 3, 3, 2))),  # convolution, (4, 4, 2) -> (2, 2, 3)
    "b": Const(RNG.normal(size=3)),
    "pw": Const(RNG.normal(size=(3, 1, 1, 2))),  # pointwise, 2 -> 3 channels
    "dw": Const(RNG.normal(size=(3, 1, 1, 1))),  # depthwise 1x1 over 3 channels: a BatchNormalization
    "db": Const(RNG.normal(size=3)),
    "dw2": Const(RNG.normal(size=(2, 1, 1, 1))),
    "db2": Const(RNG.normal(size=2)),
    "dw2zero": Const(np.zeros(2)),
    "k": Const(RNG.normal(size=(1, 1, 3))),
    "fw": Const(RNG.normal(size=(4, 12))),
    "fb": Const(RNG.normal(size=4)),
    "fk": Const(RNG.normal(size=4)),
    "qw": Const(np.round(RNG.normal(size=(3, 3, 3, 2)) * 20) * 0.5, (0.5,)),
}
CONV = "window=((3,3),(1,1),(1,1),(0,0,0,0)) groups=1"
CONV_PAD = "window=((3,3),(1,1),(1,1),(1,1,1,1)) groups=1"
POINT = "window=((1,1),(1,1),(1,1),(0,0,0,0)) groups="
POOL = "window=((2,2),(2,2),(1,1),(0,0,0,0))"


def graph(text: str, consts: Mapping[str, Const] = CONSTS) -> Graph:
    """Short text -> graph. `x f32[2]` declares an input; `-> y` or `-> y:name` an output port of the value's shape."""
    lines, ports, body = ["graph m : float"], [], []
    types = dict(re.findall(r"(?m)^\s*%(\S+) = .* : ([fi]32\[[\d,]*\])", text))
    for line in map(str.strip, text.strip().splitlines()):
        if line.startswith("->"):
            for value, _, name in (item.partition(":") for item in line[2:].split()):
                ports.append(_port("output", value, name or value, types[value]))
        elif line.startswith("%"):
            body.append(line if " ; " in line else f"{line} ; 'n'")
        else:
            name, type_ = line.split(" ", 1)
            types[name] = type_.split()[0]
            lines += [_port("input", name, name, types[name]), f"value %{name} {type_}"]
    text = "\n".join([*lines, *body, *ports])
    used = set(re.findall(r"@([\w.]+)", text))
    return verify_graph(parse(text, {name: const for name, const in consts.items() if name in used}))


def _port(direction: str, value: str, name: str, type_: str) -> str:
    shape = tuple(int(n) for n in re.findall(r"\d+", type_[3:]))
    return f"{direction} %{value} {name!r} {shape} order {tuple(range(len(shape)))} float64"


def outline(g: Graph) -> str:
    """The text without constants: what they hold is checked by running the graph."""
    return "\n".join(line for line in to_text(g).splitlines() if not line.startswith(("const", "graph")))


def same_function(before: Graph, after: Graph) -> None:
    rng = np.random.default_rng(1)
    samples = [rng.normal(size=(4, *port.shape)) for port in before.inputs]
    for a, b in zip(predict(before, samples), predict(after, samples), strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)


def check(before: str, step: Pass, after: str) -> Graph:
    """`step` turns `before` into `after`; a second time changes nothing; `before` itself stays as it is."""
    source = graph(before)
    text = to_text(source)
    result = verify_graph(step(source))
    assert outline(result) == outline(graph(after, result.consts))
    same_function(source, result)
    assert to_text(source) == text
    assert to_text(step(result)) == to_text(result)
    return result


def unchanged(text: str, step: Pass) -> None:
    source = graph(text)
    assert to_text(step(source)) == to_text(source)


# ---- FoldAffine ------------------------------------------------------------------------------------------------------


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


# ---- FuseClamp -------------------------------------------------------------------------------------------------------


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


# ---- FusePad ---------------------------------------------------------------------------------------------------------


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


# ---- SkipSoftmax -----------------------------------------------------------------------------------------------------


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


# ---- RemoveIdentity --------------------------------------------------------------------------------------------------


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


# ---- SimplifyLayout --------------------------------------------------------------------------------------------------


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


# ---- all of them -----------------------------------------------------------------------------------------------------


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
