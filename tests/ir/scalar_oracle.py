"""The integer ops as plain Python loops, written from the docstrings of freeml/ir/int_ops.py and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from freeml.ir import int_ops as q
from freeml.ir.ops import Op, Window


def requant(acc: int, m: int, s: int) -> int:
    return (acc * m + 2 ** (s - 1)) >> s


def clamp(v: int, lo: int, hi: int) -> int:
    return lo if v < lo else min(v, hi)


def run(op: Op, args: Sequence[np.ndarray], out_shape: tuple[int, ...]) -> np.ndarray:
    """One sample: values and constants without a batch axis."""
    arrays = [a.astype(object) if a.dtype != object else a for a in args]
    y = np.zeros(out_shape, dtype=object)
    for at in itertools.product(*(range(n) for n in out_shape)):
        y[at] = _element(op, arrays, at, out_shape)
    return y.astype(np.int8)


def _element(op: Op, a: list[np.ndarray], at: tuple[int, ...], out: tuple[int, ...]) -> int:
    match op:
        case q.ConvI8():
            return _conv(op, a, at)
        case q.ConvPoolI8():
            positions = _inside(op.pool, op.window.out_size(*a[0].shape[:2]), at)
            return max(_conv(op, a, (r, c, at[2])) for r, c in positions)
        case q.DenseI8():
            acc = a[2][at[0]] + sum(a[0][k] * a[1][at[0], k] for k in range(a[0].size))
            return clamp(requant(acc, a[3][at[0]], a[4][at[0]]) + op.y_zp, op.lo, op.hi)
        case q.MaxPoolI8():
            return clamp(max(a[0][r, c, at[2]] for r, c in _inside(op.window, a[0].shape, at)), op.lo, op.hi)
        case q.AvgPoolI8():
            return _average(op, a, at)
        case q.AddI8():
            left, right = (_broadcast(x, at, out) for x in a)
            return clamp((left * op.mult_a + right * op.mult_b + op.offset) >> op.shift, op.lo, op.hi)
        case q.MulI8():
            left, right = (_broadcast(x, at, out) for x in a)
            acc = requant((left - op.a_zp) * (right - op.b_zp), op.mult, op.shift)
            return clamp(acc + op.y_zp, op.lo, op.hi)
        case q.LutI8():
            return a[1][a[0][at] + 128]
        case q.SoftmaxI8():
            row = a[0][at[:-1]]
            e = [a[1][max(row) - x] for x in row]
            return min((256 * e[at[-1]] + sum(e) // 2) // sum(e), 255) - 128
        case q.PadI8():
            source = tuple(i - b for i, b in zip(at, op.before, strict=True))
            return a[0][source] if all(0 <= i < n for i, n in zip(source, a[0].shape, strict=True)) else op.value
    raise AssertionError(op)


def _taps(w: Window, at: tuple[int, ...]) -> list[tuple[int, int, int, int]]:
    """(kernel row, kernel column, input row, input column) of every tap, in the padding or not."""
    return [
        (i, j, at[0] * w.stride[0] + i * w.dilation[0] - w.pad[0], at[1] * w.stride[1] + j * w.dilation[1] - w.pad[1])
        for i in range(w.kernel[0])
        for j in range(w.kernel[1])
    ]


def _inside(w: Window, shape: tuple[int, ...], at: tuple[int, ...]) -> list[tuple[int, int]]:
    return [(r, c) for _, _, r, c in _taps(w, at) if 0 <= r < shape[0] and 0 <= c < shape[1]]


def _conv(op: q.ConvI8 | q.ConvPoolI8, a: list[np.ndarray], at: tuple[int, ...]) -> int:
    x, weight, bias, mult, shift = a
    o, per_group = at[2], weight.shape[3]
    first = o // (weight.shape[0] // op.groups) * per_group
    acc = bias[o]
    for i, j, r, c in _taps(op.window, at):
        for k in range(per_group):
            inside = 0 <= r < x.shape[0] and 0 <= c < x.shape[1]
            acc += weight[o, i, j, k] * (x[r, c, first + k] if inside else op.x_zp)
    return clamp(requant(acc, mult[o], shift[o]) + op.y_zp, op.lo, op.hi)


def _average(op: q.AvgPoolI8, a: list[np.ndarray], at: tuple[int, ...]) -> int:
    x, mult, shift = a
    inside = _inside(op.window, x.shape, at)
    acc = sum(x[r, c, at[2]] - op.x_zp for r, c in inside)
    divisor = len(inside)
    if op.include_pad:
        top, left, bottom, right = op.window.pad
        divisor = sum(
            -top <= r < x.shape[0] + bottom and -left <= c < x.shape[1] + right for _, _, r, c in _taps(op.window, at)
        )
    entry = 0 if mult.size == 1 else divisor - 1
    return clamp(requant(acc, mult[entry], shift[entry]) + op.y_zp, op.lo, op.hi)


def _broadcast(x: np.ndarray, at: tuple[int, ...], out: tuple[int, ...]) -> int:
    shape = (1,) * (len(out) - x.ndim) + x.shape
    return x.reshape(shape)[tuple(0 if n == 1 else i for i, n in zip(at, shape, strict=True))]
