"""The integer interpreter against scalar loops written from the documentation of the ops."""

from __future__ import annotations

import numpy as np
import pytest
import scalar_oracle
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.ir import int_ops as q
from freeml.ir.interpret_int import requantize, run_int_op
from freeml.ir.ops import Op, Window
from freeml.ir.types import DType, Quant, TensorType

MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
CODE = st.integers(-128, 127)
BASE = {"output": "y", "loc": "n"}


def check(op: Op, args: list[np.ndarray], out_shape: tuple[int, ...]) -> None:
    """`args` hold one sample; the batch has it twice, once negated as far as int8 goes."""
    n_values = 2 if isinstance(op, q.AddI8 | q.MulI8) else 1
    batches = [np.stack([x, ~x]) if k < n_values else x for k, x in enumerate(args)]
    found = run_int_op(op, batches, TensorType(out_shape, DType.I8, Quant(1.0, 0)))
    assert found.dtype == np.int8
    for sample in range(2):
        one = [x[sample] if k < n_values else x for k, x in enumerate(batches)]
        np.testing.assert_array_equal(found[sample], scalar_oracle.run(op, one, out_shape))


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, int]:
    lo, hi = sorted((draw(CODE), draw(CODE)))
    return draw(st.sampled_from([{"lo": -128, "hi": 127}, {"lo": lo, "hi": hi}]))


@st.composite
def requant_tables(draw: st.DrawFn, n: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Multipliers whose results cover int8 and beyond, with some extremes."""
    mult = [
        draw(st.sampled_from((0, 1, 32768, 65535))) if draw(st.booleans()) else draw(st.integers(0, 65535))
        for _ in range(n)
    ]
    near = max(1, min(46, (max(reach, 1) * 16384).bit_length() - 7))
    shift = [draw(st.integers(max(1, near - 3), min(46, near + 3))) for _ in range(n)]
    return np.array(mult, np.uint16), np.array(shift, np.uint8)


@st.composite
def images(draw: st.DrawFn, max_size: int = 5) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, max_size), st.integers(1, max_size), st.integers(1, 4)))
    return _codes(draw, shape)


def _codes(draw: st.DrawFn, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    codes = rng.integers(-128, 128, shape)
    return np.where(rng.random(shape) < 0.2, rng.choice([-128, 127], shape), codes).astype(np.int8)


@st.composite
def windows(draw: st.DrawFn, height: int, width: int, *, pool: bool) -> tuple[Window, tuple[int, int]]:
    """A window and an output size of at least one; pooling windows each hold a tap inside, and may overhang."""
    parts = []
    for n in (height, width):
        k, s = draw(st.integers(1, min(3, n))), draw(st.integers(1, 3))
        d = 1 if pool else draw(st.integers(1, 2 if (k - 1) * 2 < n else 1))
        limit = k - 1 if pool else 3
        before, after = draw(st.integers(0, limit)), draw(st.integers(0, limit))
        size = (n + before + after - (k - 1) * d - 1) // s + 1
        overhang = pool and draw(st.booleans()) and size * s < n + before
        parts.append((k, s, d, before, after, size + int(overhang)))
    (kh, sh, dh, top, bottom, oh), (kw, sw, dw, left, right, ow) = parts
    window = Window(kernel=(kh, kw), stride=(sh, sw), dilation=(dh, dw), pad=(top, left, bottom, right))
    return window, (oh, ow)


@MANY
@given(st.data())
def test_convolution_is_the_documented_sum_for_any_window_and_grouping(data: st.DataObject) -> None:
    x = data.draw(images())
    window, (oh, ow) = data.draw(windows(*x.shape[:2], pool=False))
    groups = data.draw(st.sampled_from([g for g in range(1, x.shape[2] + 1) if x.shape[2] % g == 0]))
    n_out = groups * data.draw(st.integers(1, 2))
    weight = _codes(data.draw, (n_out, *window.kernel, x.shape[2] // groups))
    bias = np.array([data.draw(st.integers(-20_000, 20_000)) for _ in range(n_out)], np.int32)
    mult, shift = data.draw(requant_tables(n_out, 2_000 * weight[0].size))
    zeros = {"x_zp": data.draw(CODE), "y_zp": data.draw(CODE)}
    op = q.ConvI8(
        **BASE, inputs=("x", "w", "b", "m", "s"), window=window, groups=groups, **zeros, **data.draw(bounds())
    )
    check(op, [x, weight, bias, mult, shift], (oh, ow, n_out))


@MANY
@given(st.data())
def test_a_pooled_convolution_is_the_largest_of_its_window(data: st.DataObject) -> None:
    x = data.draw(images())
    window, hw = data.draw(windows(*x.shape[:2], pool=False))
    kernel = tuple(data.draw(st.integers(1, min(3, n))) for n in hw)
    stride = tuple(k + data.draw(st.integers(0, 1)) for k in kernel)
    pool = Window(kernel=kernel, stride=stride, pad=tuple(data.draw(st.integers(0, k - 1)) for k in (*kernel, *kernel)))
    groups = data.draw(st.sampled_from((1, x.shape[2])))
    weight = _codes(data.draw, (groups, *window.kernel, x.shape[2] // groups))
    bias = np.array([data.draw(st.integers(-20_000, 20_000)) for _ in range(groups)], np.int32)
    mult, shift = data.draw(requant_tables(groups, 2_000 * weight[0].size))
    zeros = {"x_zp": data.draw(CODE), "y_zp": data.draw(CODE)}
    fields = {"window": window, "pool": pool, "groups": groups, **zeros, **data.draw(bounds())}
    op = q.ConvPoolI8(**BASE, inputs=("x", "w", "b", "m", "s"), **fields)
    check(op, [x, weight, bias, mult, shift], (*pool.out_size(*hw), groups))


@MANY
@given(st.data())
def test_dense_is_the_documented_sum(data: st.DataObject) -> None:
    n_in, n_out = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 4))
    x, weight = _codes(data.draw, (n_in,)), _codes(data.draw, (n_out, n_in))
    bias = np.array([data.draw(st.integers(-(2**30), 2**30)) for _ in range(n_out)], np.int32)
    mult, shift = data.draw(requant_tables(n_out, data.draw(st.sampled_from((2**30, 2_000 * n_in)))))
    op = q.DenseI8(**BASE, inputs=("x", "w", "b", "m", "s"), y_zp=data.draw(CODE), **data.draw(bounds()))
    check(op, [x, weight, bias, mult, shift], (n_out,))


@MANY
@given(st.data())
def test_max_pooling_leaves_out_the_taps_in_the_padding(data: st.DataObject) -> None:
    x = data.draw(images())
    window, hw = data.draw(windows(*x.shape[:2], pool=True))
    check(q.MaxPoolI8(**BASE, inputs=("x",), window=window, **data.draw(bounds())), [x], (*hw, x.shape[2]))


@MANY
@given(st.data())
def test_average_pooling_divides_by_the_taps_that_count(data: st.DataObject) -> None:
    x = data.draw(images())
    window, hw = data.draw(windows(*x.shape[:2], pool=True))
    n = data.draw(st.sampled_from((1, window.kernel[0] * window.kernel[1])))
    mult, shift = data.draw(requant_tables(n, 255))
    op = q.AvgPoolI8(
        **BASE,
        inputs=("x", "m", "s"),
        window=window,
        include_pad=data.draw(st.booleans()),
        x_zp=data.draw(CODE),
        y_zp=data.draw(CODE),
        **data.draw(bounds()),
    )
    check(op, [x, mult, shift], (*hw, x.shape[2]))


@st.composite
def operands(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    out = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    shapes = [tuple(draw(st.sampled_from((1, n))) for n in out) for _ in range(2)]
    return _codes(draw, shapes[0]), _codes(draw, shapes[1]), tuple(np.broadcast_shapes(*shapes))


@MANY
@given(operands(), st.data())
def test_add_rounds_down_after_its_offset_and_broadcasts(pair: tuple, data: st.DataObject) -> None:
    a, b, shape = pair
    mults = {
        "mult_a": data.draw(st.integers(1 - 2**20, 2**20 - 1)),
        "mult_b": data.draw(st.integers(1 - 2**20, 2**20 - 1)),
    }
    offset, shift = data.draw(st.integers(-(2**29), 2**29)), data.draw(st.integers(0, 22))
    op = q.AddI8(**BASE, inputs=("a", "b"), offset=offset, shift=shift, **mults, **data.draw(bounds()))
    check(op, [a, b], shape)


@MANY
@given(operands(), st.data())
def test_mul_takes_both_zero_points_off_first_and_broadcasts(pair: tuple, data: st.DataObject) -> None:
    a, b, shape = pair
    zeros = {name: data.draw(CODE) for name in ("a_zp", "b_zp", "y_zp")}
    mult, shift = data.draw(requant_tables(1, 4_000))
    op = q.MulI8(**BASE, inputs=("a", "b"), mult=int(mult[0]), shift=int(shift[0]), **zeros, **data.draw(bounds()))
    check(op, [a, b], shape)


@MANY
@given(images(), st.integers(0, 99))
def test_a_table_maps_every_code(x: np.ndarray, seed: int) -> None:
    table = np.random.default_rng(seed).integers(-128, 128, 256).astype(np.int8)
    check(q.LutI8(**BASE, inputs=("x", "t")), [x, table], x.shape)


@MANY
@given(images(), st.floats(0.001, 0.5))
def test_softmax_is_the_documented_division(x: np.ndarray, scale: float) -> None:
    table = np.rint(np.exp(-np.arange(256) * scale) * 65535).astype(np.uint16)
    check(q.SoftmaxI8(**BASE, inputs=("x", "t")), [x, table], x.shape)


@MANY
@given(images(), st.data())
def test_pad_surrounds_with_its_code(x: np.ndarray, data: st.DataObject) -> None:
    before, after = (data.draw(st.tuples(*(st.integers(0, 2),) * 3)) for _ in range(2))
    shape = tuple(b + n + a for b, n, a in zip(before, x.shape, after, strict=True))
    check(q.PadI8(**BASE, inputs=("x",), before=before, after=after, value=data.draw(CODE)), [x], shape)


@pytest.mark.parametrize(
    ("acc", "rounded"), [(1, 1), (-1, 0), (3, 2), (-3, -1), (2, 1), (-2, -1), (0, 0), (5, 3), (-5, -2), (-4, -2)]
)
def test_requantization_rounds_halves_up(acc: int, rounded: int) -> None:
    assert int(requantize(np.array(acc), 1, 1)) == rounded
    assert int(requantize(np.array(acc), 16384, 15)) == rounded


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 65535), st.integers(1, 46))
def test_requantization_is_exact_for_every_32_bit_accumulator(acc: int, mult: int, shift: int) -> None:
    exact = scalar_oracle.requant(acc, mult, shift)
    assert int(requantize(np.array(acc), mult, shift)) == exact
    assert abs(exact - acc * mult / 2**shift) <= 0.5 + 1e-6 * abs(exact)


@pytest.mark.parametrize(("bias", "code"), [(2**30, 127), (-(2**30), -128), (100, 100), (127 + 28, 127)])
def test_results_outside_int8_saturate(bias: int, code: int) -> None:
    op = q.DenseI8(**BASE, inputs=("x", "w", "b", "m", "s"), y_zp=0, lo=-128, hi=127)
    consts = [
        np.zeros((1, 1), np.int8),
        np.array([bias], np.int32),
        np.array([16384], np.uint16),
        np.array([14], np.uint8),
    ]
    y = run_int_op(op, [np.zeros((1, 1), np.int8), *consts], TensorType((1,), DType.I8, Quant(1.0, 0)))
    assert y.item() == code


def test_sums_beyond_24_bits_stay_exact() -> None:
    """float32 would lose the last bit here."""
    n = 3000
    op = q.DenseI8(**BASE, inputs=("x", "w", "b", "m", "s"), y_zp=0, lo=-128, hi=127)
    x, weight = np.full((1, n), -127, np.int8), np.full((1, n), 127, np.int8)
    weight[0, 0] = 126
    exact = sum(int(a) * int(b) for a, b in zip(x[0], weight[0], strict=True))
    consts = [np.array([5 - exact], np.int32), np.array([16384], np.uint16), np.array([14], np.uint8)]
    y = run_int_op(op, [x, weight, *consts], TensorType((1,), DType.I8, Quant(1.0, 0)))
    assert y.item() == 5
