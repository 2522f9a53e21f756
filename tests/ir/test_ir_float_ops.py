"""The float interpreter against torch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - as everyone writes it
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.ir import ops as f
from freeml.ir import unary
from freeml.ir.interpret_float import run_op
from freeml.ir.ops import Op, Window
from freeml.ir.types import TensorType

MANY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BASE = {"output": "y", "loc": "n"}
SEEDS = st.integers(0, 10_000)


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def check(op: Op, args: list[np.ndarray], expected: torch.Tensor, *, image: bool = True) -> None:
    """expected: (B, C, H, W) where `image`, else in the shape of the op's output."""
    y = expected.permute(0, 2, 3, 1).numpy() if image else expected.numpy()
    found = run_op(op, args, TensorType(y.shape[1:]))
    assert found.shape == y.shape
    np.testing.assert_allclose(found, y, rtol=1e-9, atol=1e-9)


def nchw(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(x).permute(0, 3, 1, 2)


PAD = st.tuples(*(st.integers(0, 3),) * 4)
PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@MANY
@given(SEEDS, PAIR, PAIR, st.tuples(st.integers(1, 2), st.integers(1, 2)), PAD, st.integers(1, 3), st.data())
def test_convolution_equals_torch(
    seed: int, kernel: tuple, stride: tuple, dilation: tuple, pad: tuple, groups: int, data: st.DataObject
) -> None:
    h, w = data.draw(st.integers(5, 8)), data.draw(st.integers(5, 8))
    per_group, n_out = data.draw(st.integers(1, 3)), groups * data.draw(st.integers(1, 2))
    x, bias = normal(seed, 2, h, w, per_group * groups), normal(seed + 2, n_out)
    weight = normal(seed + 1, n_out, *kernel, per_group)
    top, left, bottom, right = pad
    clamp = data.draw(st.sampled_from((None, (0.0, math.inf), (-0.5, 0.75))))
    op = f.Conv(
        **BASE,
        inputs=("x", "w", "b"),
        window=Window(kernel=kernel, stride=stride, dilation=dilation, pad=pad),
        groups=groups,
        clamp=clamp,
    )
    y = F.conv2d(
        F.pad(nchw(x), (left, right, top, bottom)),
        nchw(weight),
        torch.from_numpy(bias),
        stride=stride,
        dilation=dilation,
        groups=groups,
    )
    check(op, [x, weight, bias], y if clamp is None else y.clamp(*clamp))


@MANY
@given(SEEDS, PAIR, PAIR, st.booleans(), st.booleans(), st.data())
def test_pooling_equals_torch_with_symmetric_padding_and_rounding_up(
    seed: int, kernel: tuple, stride: tuple, include_pad: bool, ceil: bool, data: st.DataObject
) -> None:
    x = normal(seed, 2, data.draw(st.integers(4, 8)), data.draw(st.integers(4, 8)), 2)
    ph, pw = (data.draw(st.integers(0, k // 2)) for k in kernel)
    window = Window(kernel=kernel, stride=stride, pad=(ph, pw, ph, pw))
    options = {"stride": stride, "padding": (ph, pw), "ceil_mode": ceil}
    check(f.MaxPool(**BASE, inputs=("x",), window=window), [x], F.max_pool2d(nchw(x), kernel, **options))
    average = f.AvgPool(**BASE, inputs=("x",), window=window, include_pad=include_pad)
    check(average, [x], F.avg_pool2d(nchw(x), kernel, count_include_pad=include_pad, **options))


@MANY
@given(SEEDS, PAIR, PAIR, st.data())
def test_pooling_with_uneven_padding_is_pooling_of_the_padded_input(
    seed: int, kernel: tuple, stride: tuple, data: st.DataObject
) -> None:
    x = normal(seed, 2, 5, 6, 2)
    pad = tuple(data.draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    top, left, bottom, right = pad
    window = Window(kernel=kernel, stride=stride, pad=pad)
    padded = F.pad(nchw(x), (left, right, top, bottom), value=-math.inf)
    check(f.MaxPool(**BASE, inputs=("x",), window=window), [x], F.max_pool2d(padded, kernel, stride))
    zeros = F.avg_pool2d(F.pad(nchw(x), (left, right, top, bottom)), kernel, stride)
    check(f.AvgPool(**BASE, inputs=("x",), window=window, include_pad=True), [x], zeros)
    ones = F.avg_pool2d(F.pad(torch.ones_like(nchw(x)), (left, right, top, bottom)), kernel, stride)
    check(f.AvgPool(**BASE, inputs=("x",), window=window, include_pad=False), [x], zeros / ones)


@MANY
@given(SEEDS, st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from(["add", "sub", "mul"]), st.data())
def test_binary_ops_broadcast_like_torch(seed: int, shape: list[int], kind: str, data: st.DataObject) -> None:
    a, b = (normal(seed + k, 2, *(data.draw(st.sampled_from((1, n))) for n in shape)) for k in range(2))
    op = f.Binary(**BASE, inputs=("a", "b"), kind=kind, clamp=data.draw(st.sampled_from((None, (0.0, 1.0)))))
    y = getattr(torch, kind)(torch.from_numpy(a), torch.from_numpy(b))
    check(op, [a, b], y if op.clamp is None else y.clamp(*op.clamp), image=False)


@MANY
@given(SEEDS, st.integers(1, 20), st.integers(1, 8))
def test_dense_equals_torch(seed: int, n_in: int, n_out: int) -> None:
    x, weight, bias = normal(seed, 3, n_in), normal(seed + 1, n_out, n_in), normal(seed + 2, n_out)
    y = F.linear(*map(torch.from_numpy, (x, weight, bias)))
    check(f.Dense(**BASE, inputs=("x", "w", "b")), [x, weight, bias], y, image=False)


@MANY
@given(SEEDS, st.lists(st.integers(1, 5), min_size=1, max_size=3), st.floats(0, 300))
def test_softmax_equals_torch_even_for_large_logits(seed: int, shape: list[int], spread: float) -> None:
    x = spread * normal(seed, 2, *shape)
    check(f.Softmax(**BASE, inputs=("x",)), [x], torch.softmax(torch.from_numpy(x), -1), image=False)


@MANY
@given(SEEDS, st.lists(st.integers(1, 4), min_size=1, max_size=4), st.data())
def test_concat_pad_and_transpose_equal_torch(seed: int, shape: list[int], data: st.DataObject) -> None:
    axis = data.draw(st.integers(0, len(shape) - 1))
    parts = []
    for k in range(data.draw(st.integers(1, 3))):
        other = [data.draw(st.integers(1, 3)) if a == axis else n for a, n in enumerate(shape)]
        parts.append(normal(seed + k, 2, *other))
    concat = f.Concat(**BASE, inputs=tuple("abc"[: len(parts)]), axis=axis)
    check(concat, parts, torch.cat([torch.from_numpy(p) for p in parts], axis + 1), image=False)
    x = parts[0]
    before, after = (tuple(data.draw(st.integers(0, 2)) for _ in shape) for _ in range(2))
    widths = [n for pair in zip(reversed(before), reversed(after), strict=True) for n in pair]
    pad = f.Pad(**BASE, inputs=("x",), before=before, after=after, value=data.draw(st.sampled_from((0.0, -1.5))))
    check(pad, [x], F.pad(torch.from_numpy(x), widths, value=pad.value), image=False)
    order = tuple(data.draw(st.permutations(range(len(shape)))))
    moved = torch.from_numpy(x).permute(0, *(a + 1 for a in order)).contiguous()
    check(f.Transpose(**BASE, inputs=("x",), order=order), [x], moved, image=False)


@MANY
@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=1, max_size=4))
def test_argmax_takes_the_first_maximum_or_the_last(rows: list[list[int]]) -> None:
    x = np.array(rows, dtype=float)[None]
    for last in (False, True):
        y = run_op(f.ArgMax(**BASE, inputs=("x",), last=last), [x], TensorType((len(rows), 1)))
        for row, index in zip(rows, y[0, :, 0].tolist(), strict=True):
            ties = [k for k, v in enumerate(row) if v == max(row)]
            assert index == (ties[-1] if last else ties[0])


TORCH_UNARY = {
    "identity": (lambda x: x, ()),
    "clamp": (lambda x: x.clamp(-0.5, 6), (-0.5, 6.0)),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.1), (0.1,)),
    "sigmoid": (torch.sigmoid, ()),
    "tanh": (torch.tanh, ()),
    "hard_sigmoid": (F.hardsigmoid, (1 / 6, 0.5)),
    "hard_swish": (F.hardswish, ()),
    "silu": (F.silu, ()),
    "elu": (lambda x: F.elu(x, 0.7), (0.7,)),
    "selu": (F.selu, (1.6732632423543772, 1.0507009873554805)),
    "gelu": (F.gelu, ()),
    "gelu_tanh": (lambda x: F.gelu(x, approximate="tanh"), ()),
    "softplus": (lambda x: torch.log1p(torch.exp(-x.abs())) + x.clamp(min=0), ()),
    "softplus_linear": (lambda x: F.softplus(x, 2.0, 15.0), (2.0, 15.0)),
    "softsign": (F.softsign, ()),
    "exp": (torch.exp, ()),
    "sqrt": (torch.sqrt, ()),
    "rsqrt": (torch.rsqrt, ()),
    "abs": (torch.abs, ()),
    "neg": (torch.neg, ()),
    "erf": (torch.erf, ()),
    "wrap": (lambda x: torch.remainder(x + 128, 256) - 128, (8.0, 1.0)),
}


def test_every_elementwise_function_has_a_torch_twin() -> None:
    assert TORCH_UNARY.keys() == unary.FUNCTIONS.keys()


@pytest.mark.parametrize("fn", sorted(TORCH_UNARY))
def test_elementwise_functions_equal_torch(fn: str) -> None:
    call, params = TORCH_UNARY[fn]
    x = np.concatenate([np.linspace(-9, 9, 301), np.array([-200.0, 200.0, 0.0, 127.5, -128.0])])[None]
    x = {"sqrt": np.abs(x), "rsqrt": np.abs(x) + 0.01, "exp": np.minimum(x, 80)}.get(fn, x)
    op = f.Unary(**BASE, inputs=("x",), fn=fn, params=params)
    check(op, [x], call(torch.from_numpy(x)), image=False)
    single = run_op(op, [x.astype(np.float32)], TensorType(x.shape[1:]))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, call(torch.from_numpy(x)).numpy(), rtol=2e-4, atol=2e-5)
