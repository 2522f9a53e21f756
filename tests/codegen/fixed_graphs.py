"""Integer graphs whose every number comes from integer formulas: the same bytes on every machine."""

from __future__ import annotations

import numpy as np
from plan_graphs import Builder

from freeml.ir import int_ops as q
from freeml.ir.graph import Graph
from freeml.ir.ops import Window


class Fixed(Builder):
    """The planner tests' builder with formulas in place of random numbers."""

    def numbers(self, *shape: int, low: int = -127, high: int = 127) -> np.ndarray:
        k = np.arange(int(np.prod(shape)), dtype=np.int64) + 17 * len(self.consts)
        return ((k * k * 31 + k * 7 + 5) % (high - low + 1) + low).reshape(shape)

    def random(self, *shape: int) -> str:
        return self.const(self.numbers(*shape).astype(np.int8))

    def _requant(self, n: int) -> tuple[str, str, str]:
        bias = self.const(self.numbers(n, low=-900, high=900).astype(np.int32))
        mult = self.const(self.numbers(n, low=32768, high=65535).astype(np.uint16))
        return bias, mult, self.const(self.numbers(n, low=22, high=24).astype(np.uint8))

    def lut(self, x: str) -> str:
        table = ((np.arange(256) * 37 + 11) % 256 - 128).astype(np.int8)
        return self.add_op(q.LutI8, (x, self.const(table)), self.shape(x))

    def softmax(self, x: str) -> str:
        table = (60_000 // (1 + np.arange(256) // 3)).astype(np.uint16)
        return self.add_op(q.SoftmaxI8, (x, self.const(table)), self.shape(x))


def tiny_dense() -> Graph:
    b = Fixed()
    return named(b.graph(b.dense(b.dense(b.input(6), 4), 3)), "tiny_dense")


def tiny_cnn() -> Graph:
    b = Fixed()
    x = b.pool2(b.conv(b.input(6, 6, 1), 3))
    return named(b.graph(b.dense(b.flatten(x), 4)), "tiny_cnn")


def tiny_residual() -> Graph:
    b = Fixed()
    x = b.conv(b.input(4, 4, 2), 2)
    x = b.add(b.lut(x), b.conv(x, 2, groups=2))
    x = b.concat(2, b.pad(x, (1, 0, 0), (0, 1, 0)), b.pad(b.pool2(x), (1, 1, 0), (2, 2, 0)))
    mean = b.global_average(x)
    return named(b.graph(b.softmax(b.dense(b.flatten(mean), 3))), "tiny_residual")


def tiny_packings() -> Graph:
    """Every order of weights that a variant may want: odd numbers of rows and products, groups, one channel each."""
    b = Fixed()
    x = b.conv(b.input(4, 4, 3), 5)  # 27 products: no multiple of a word
    x = b.conv(x, 5, groups=5, stride=2)
    x = b.conv(x, 6, k=1)
    x = b.conv(x, 4, groups=2)
    return named(b.graph(b.dense(b.flatten(x), 3)), "tiny_packings")


def every_kernel() -> Graph:
    """Each kernel of runtime_c, with two inputs and four outputs."""
    b = Fixed()
    x, side = b.input(6, 6, 2), b.input(6, 6, 4)
    x = b.conv(x, 4)  # conv
    x = b.mul(b.add(x, side), b.random(1, 1, 4))  # add, mul by a constant
    x = b.conv(x, 4, groups=4)  # depthwise
    x = b.conv(x, 6, groups=2, stride=2)  # grouped
    x = b.conv(x, 4, k=1)  # pointwise
    x = b.pad(x, (1, 0, 0), (0, 1, 0))
    x = b.transpose(x, 1, 0, 2)
    x = b.maxpool(x, Window(kernel=(2, 2), stride=(1, 1), pad=(0, 1, 1, 0)))
    x = b.concat(2, b.lut(x), x)
    mean = b.flatten(b.global_average(x))
    logits = b.dense(mean, 5)
    pool = Window(kernel=(2, 2), stride=(2, 2), pad=(0, 1, 1, 0))
    pooled = [b.conv_pool(side, 3, pool), b.conv_pool(side, 5, pool, k=1), b.conv_pool(side, 8, pool, groups=4)]
    return named(b.graph(b.softmax(logits), b.argmax(logits), x, b.concat(2, *pooled)), "every_kernel")


def named(graph: Graph, name: str) -> Graph:
    from dataclasses import replace

    return replace(graph, name=name)
