"""Convolutions that kernels of stored formats are profiled on: densities, windows, groups and scales that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod

import numpy as np

from benchmarks.cycles.coded_design import CodedLayers
from benchmarks.cycles.design import Design
from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import ConvI8
from freeml.ir.ops import Window
from freeml.ir.types import Array, Const

Weights = Callable[["ConvLayers", int, int], Array]


def _window(k: int, stride: int = 1, pad: int = 0, dilation: int = 1) -> Window:
    return Window(kernel=(k, k), stride=(stride, stride), pad=(pad,) * 4, dilation=(dilation, dilation))


# (input, outputs, window, groups)
_SHAPES: tuple[tuple[tuple[int, int, int], int, Window, int], ...] = (
    ((8, 8, 16), 16, _window(3, pad=1), 1),
    ((16, 12, 3), 7, _window(3, stride=2), 1),
    ((16, 16, 1), 12, _window(5, pad=2), 1),
    ((1, 64, 4), 12, Window(kernel=(1, 5), stride=(1, 1), pad=(0, 2, 0, 2)), 1),
    ((64, 1, 6), 10, Window(kernel=(7, 1), stride=(2, 1), pad=(0, 0, 0, 0)), 1),
    ((8, 8, 8), 8, _window(3, pad=2, dilation=2), 1),
    ((8, 8, 12), 12, _window(3, pad=1), 3),
    ((8, 8, 16), 24, _window(1), 1),
    ((4, 4, 32), 33, _window(3, pad=1), 1),
)
_DEPTHWISE: tuple[tuple[tuple[int, int, int], int, Window, int], ...] = (
    ((8, 8, 16), 16, _window(3, pad=1), 16),
    ((8, 8, 5), 10, _window(3, pad=1), 5),
    ((16, 4, 12), 12, _window(5, pad=2), 12),
    ((1, 64, 8), 8, Window(kernel=(1, 9), stride=(1, 1), pad=(0, 4, 0, 4)), 8),
)
# (input, outputs, window, outputs of a call)
_SLICED: tuple[tuple[tuple[int, int, int], int, Window, int], ...] = (
    ((8, 8, 16), 6, _window(3, pad=1), 1),
    ((16, 12, 3), 7, _window(3, stride=2), 2),
    ((16, 16, 1), 12, _window(5, pad=2), 8),
    ((1, 64, 4), 12, Window(kernel=(1, 5), stride=(1, 1), pad=(0, 2, 0, 2)), 4),
    ((64, 1, 6), 10, Window(kernel=(7, 1), stride=(2, 1), pad=(0, 0, 0, 0)), 3),
    ((8, 8, 8), 8, _window(3, pad=2, dilation=2), 4),
    ((8, 8, 16), 24, _window(1), 16),
    ((4, 4, 32), 33, _window(3, pad=1), 8),
    ((5, 5, 48), 5, _window(3), 2),
)
_PARTS: tuple[tuple[tuple[int, int, int], int, Window, int, int], ...] = (
    ((4, 4, 16), 1, _window(3, pad=1), 1, 20),
    ((4, 4, 16), 1, _window(3, pad=1), 1, 70),
    ((8, 8, 1), 1, _window(5), 1, 7),
    ((4, 4, 8), 2, _window(3), 2, 15),
    ((4, 4, 32), 2, _window(1), 1, 13),
)


class ConvLayers(CodedLayers):
    """Layers of convolutions whose constants are stored in a form."""

    def coded_conv(
        self,
        encoding: str | None,
        weights: Weights | None,
        shape: tuple[int, int, int],
        n_out: int,
        window: Window,
        groups: int,
        part: int = 0,
        *,
        odd: bool = False,
        narrow: bool = False,
    ) -> None:
        """A convolution with weights stored so, None: as they are; narrow: biases in 16 bits."""
        self.conv(shape, n_out, window, groups, odd=odd, part=part)
        op = self.ops[-1]
        assert isinstance(op, ConvI8)
        if encoding is not None and weights is not None:
            own = self.consts[op.inputs[1]].shape
            made = weights(self, n_out, prod(own[1:])).reshape(own)
            assert ENCODINGS[encoding].refusal(made) is None, encoding
            self.consts[op.inputs[1]] = Const(made, encoding=encoding)
        if narrow:
            self.consts[op.inputs[2]] = replace(self.consts[op.inputs[2]], encoding="int16")

    def convs(self, encoding: str | None, all_weights: tuple[Weights | None, ...], *, depthwise: bool = False) -> None:
        """Convolutions of all shapes with such weights in turn."""
        narrow = encoding is None
        for index, shape in enumerate(_DEPTHWISE if depthwise else _SHAPES):
            self.coded_conv(encoding, all_weights[index % len(all_weights)], *shape, narrow=narrow or index % 3 == 1)
        first = (_DEPTHWISE if depthwise else _SHAPES)[0]
        self.coded_conv(encoding, all_weights[0], *first, odd=True, narrow=narrow)
        for index, part in enumerate(() if depthwise else _PARTS):
            self.coded_conv(encoding, all_weights[index % len(all_weights)], *part, narrow=narrow or index % 2 == 1)

    def slices(self, encoding: str, *all_weights: Weights) -> None:
        """Convolutions with such weights in turn, of which each call computes some channels, in tiles of pixels."""
        for index, (shape, n_out, window, rows) in enumerate(_SLICED):
            self.coded_conv(
                encoding,
                all_weights[index % len(all_weights)],
                shape,
                n_out,
                window,
                1,
                odd=index == 1,
                narrow=index % 3 == 2,
            )
            value = self.ops[-1].output
            self.sliced[value] = rows
            self.tile_units[value] = max(1, self.tile_units[value] // rows)


def _sparse(density: float) -> Weights:
    return lambda layers, n_out, n_in: layers.sparse(n_in, n_out, density)


def _gaps(layers: ConvLayers) -> None:
    layers.convs("gaps", tuple(map(_sparse, (0.1, 0.4, 0.02, 0.2, 0.05))))


def _plain(layers: ConvLayers) -> None:
    layers.convs(None, (None,))
    layers.convs(None, (None,), depthwise=True)


def _few_values(n: int) -> Weights:
    """Of so many values."""
    return lambda layers, n_out, n_in: layers.rng.choice(np.arange(n, dtype=np.int8) * 7 - 50, (n_out, n_in))


def _one_value(layers: ConvLayers, n_out: int, n_in: int) -> Array:
    return (layers.rng.integers(-1, 2, (n_out, n_in)) * 9).astype(np.int8)


def _peaked(layers: ConvLayers, n_out: int, n_in: int) -> Array:
    """Values the rarer the larger."""
    return np.clip(np.round(layers.rng.normal(scale=4, size=(n_out, n_in))), -15, 15).astype(np.int8)


def _codebooks(layers: ConvLayers) -> None:
    for bits in (4, 3, 2):
        layers.convs(f"codes{bits}", (_few_values(1 << bits),))


def _depthwise_codebooks(layers: ConvLayers) -> None:
    for bits in (4, 3, 2):
        layers.convs(f"codes{bits}", (_few_values(1 << bits),), depthwise=True)


def _ternary(layers: ConvLayers) -> None:
    layers.convs("ternary", (_one_value,))


def _ans(layers: ConvLayers) -> None:
    layers.convs("ans", (_peaked,))


def _sliced_codebooks(layers: ConvLayers) -> None:
    for bits in (4, 3, 2):
        layers.slices(f"codes{bits}", _few_values(1 << bits))


def _sliced_ternary(layers: ConvLayers) -> None:
    layers.slices("ternary", _one_value)


def _sliced_ans(layers: ConvLayers) -> None:
    layers.slices("ans", _peaked, _few_values(9), _one_value, _peaked, _few_values(24))


Families = tuple[tuple[Callable[[ConvLayers], None], ...], ...]
_CODED: Families = ((_gaps,), (_plain,))
_IN_SLICES: Families = ((_sliced_codebooks,), (_sliced_ternary,), (_sliced_ans,))
_DECODED: Families = ((_codebooks,), (_depthwise_codebooks, _ternary), (_ans,))


def coded_conv_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """Of kernels that read stored weights as they multiply, or widen scales."""
    yield from _designs("convs", _CODED, most_tile_bytes, few=few, repeats=repeats)


def decoded_conv_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """Of kernels that decode rows of weights first."""
    yield from _designs("decoded", _DECODED, most_tile_bytes, few=few, repeats=repeats)


def decoded_slice_designs(most_tile_bytes: int, *, few: bool, repeats: int = 3) -> Iterator[Design]:
    """Of kernels that decode some rows of weights for all pixels of a tile."""
    yield from _designs("slices", _IN_SLICES, most_tile_bytes, few=few, repeats=repeats)


def _designs(name: str, firmwares: Families, most_tile_bytes: int, *, few: bool, repeats: int) -> Iterator[Design]:
    """All layers, `repeats` times with other constants and tiles."""
    for again in range(repeats):
        for index, families in enumerate(firmwares):
            rng = np.random.default_rng([2028, again, index])
            layers = ConvLayers(f"{name}{again}_{index}", rng, most_tile_bytes, few=few)
            for family in families:
                family(layers)
            yield layers.design()
