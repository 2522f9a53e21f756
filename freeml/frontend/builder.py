"""Builds Graph@FLOAT from the ops of any frontend. Logical shapes are the model's own, batch axis included.

Frontends call one method per operator with channels-first (N, C, H, W) semantics, as ONNX and torch have them; a
channels-last frontend wraps its calls in `transpose`, which costs nothing (layout.py). A batch other than 1 is legal
where the op treats it as one more axis; convolution and pooling then fold it into the channels.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from freeml.errors import UnsupportedOp
from freeml.frontend.layout import Index, is_identity, is_nest, memory_order, move_for
from freeml.frontend.views import (
    Floats,
    View,
    Weight,
    arranged,
    as_image,
    bias_of,
    check_size,
    from_image,
    in_order,
    port_of,
    reduced_to_image,
    shape_of,
    strip,
    strip_batch,
    without_batch,
)
from freeml.frontend.windows import out_size
from freeml.ir.graph import Graph
from freeml.ir.ops import (
    ArgMax,
    AvgPool,
    Binary,
    Concat,
    Conv,
    Dense,
    MaxPool,
    Op,
    Pad,
    Reshape,
    Softmax,
    Transpose,
    Unary,
    Window,
)
from freeml.ir.types import Const, DType, Port, Quant, TensorType


class GraphBuilder:
    """Collects ops; `finish` returns the graph. Every method takes `loc`, the model's own name of the node."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._ops: list[Op] = []
        self._types: dict[str, TensorType] = {}
        self._consts: dict[str, Const] = {}
        self._inputs: list[Port] = []
        self._outputs: list[Port] = []
        self._views: dict[tuple[str, bytes, tuple[int, ...]], str] = {}
        self._taken: dict[str, int] = {}

    # ---- ports ------------------------------------------------------------------------------------------------------

    def input(self, name: str, shape: Sequence[int], *, channels_first: bool = False, dtype: str = "float32") -> View:
        """A graph input of a logical shape; `channels_first` stores (N, C, ...) with the channels last."""
        check_size(shape, name)
        order = tuple(range(len(shape)))
        if channels_first and len(shape) >= 3:
            order = (0, *range(2, len(shape)), 1)
        stored = tuple(shape[axis] for axis in order)
        value = self._fresh(name.replace(":", "_"))  # "input:0" is no loc: all of it is the name
        self._types[value] = TensorType(without_batch(stored))
        self._inputs.append(port_of(name, value, tuple(shape), order, dtype))
        return View(value, np.arange(math.prod(shape)).reshape(stored).transpose(np.argsort(order)))

    def output(self, view: View, name: str, *, dtype: str = "float32") -> None:
        """Make a tensor an output of the graph, in the model's own shape."""
        order = memory_order(view.index)
        if order is None:
            view = View(self.stored(view, view.index, f"output {name}"), in_order(view.shape))
            order = tuple(range(len(view.shape)))
        if view.value in {port.value for port in (*self._inputs, *self._outputs)}:
            copy = self._emit(Unary, view.value, f"output {name}", self._types[view.value], fn="identity")
            view = View(copy, view.index)
        self._outputs.append(port_of(name, view.value, view.shape, order, dtype))

    def finish(self) -> Graph:
        """The graph built so far, without ops nobody reads."""
        graph = Graph(self.name, tuple(self._inputs), tuple(self._outputs), tuple(self._ops), self._types, self._consts)
        live = {port.value for port in self._outputs}
        kept: list[Op] = []
        for op in reversed(self._ops):
            if op.output in live:
                kept.append(op)
                live.update(op.inputs)
        return graph.with_ops(reversed(kept))

    def annotate(self, view: View, quant: Quant, loc: str) -> View:
        """Fix scale and zero point of a tensor, as a quantized model does: the value itself, or an identity of it."""
        known = self._types[view.value].quant
        if known == quant:
            return view
        produced = self._ops and self._ops[-1].output == view.value
        if known is None and (produced or view.value in {port.value for port in self._inputs}):
            type_ = self._types[view.value]
            self._types[view.value] = TensorType(type_.shape, type_.dtype, quant)
            return view
        type_ = TensorType(self._types[view.value].shape, DType.F32, quant)
        return View(self._emit(Unary, view.value, loc, type_, fn="identity"), view.index)

    # ---- layout-only ops: no code, only another index ---------------------------------------------------------------

    def reshape(self, x: View, shape: Sequence[int]) -> View:
        """Logical reshape; `shape` has no -1 left."""
        return View(x.value, x.index.reshape(tuple(shape)))

    def transpose(self, x: View, order: Sequence[int]) -> View:
        """Logical transpose. Where reshapes and transposes mix too far for one index to follow, x is moved first."""
        index = x.index.transpose(tuple(order))
        if is_nest(index):
            return View(x.value, index)
        made_by = next((op.loc for op in reversed(self._ops) if op.output == x.value), x.value)
        return View(self.stored(x, x.index, made_by), in_order(x.shape).transpose(tuple(order)))

    def stored(self, x: View, order: Index, loc: str) -> str:
        """The IR value that holds the elements in the order of `order` (a re-indexing of x.index), of that shape."""
        key = (x.value, order.tobytes(), order.shape)
        if key not in self._views:
            if is_nest(order) or not is_nest(x.index):
                self._views[key] = self._moved(x.value, order, loc)
            else:
                # No single transpose does it: bring x into its logical order, which is one, and go on from there.
                place = np.empty(x.index.size, dtype=np.int64)
                place[x.index.ravel()] = np.arange(x.index.size)
                self._views[key] = self._moved(self.stored(x, x.index, loc), place[order], loc)
        return self._views[key]

    def _moved(self, value: str, order: Index, loc: str) -> str:
        if not is_identity(order):
            try:
                move = move_for(order)
            except ValueError as error:
                raise UnsupportedOp("this mix of reshapes and transposes cannot be followed", where=loc) from error
            shaped = self._reshaped(value, move.shape, loc)
            out = TensorType(tuple(move.shape[axis] for axis in move.order), quant=self._types[value].quant)
            value = self._emit(Transpose, shaped, loc, out, order=move.order)
        return self._reshaped(value, order.shape, loc)

    def _reshaped(self, value: str, shape: tuple[int, ...], loc: str) -> str:
        type_ = self._types[value]
        if type_.shape == shape:
            return value
        return self._emit(Reshape, value, loc, TensorType(shape, type_.dtype, type_.quant))

    # ---- ops with weights -------------------------------------------------------------------------------------------

    def conv(
        self,
        x: View,
        weight: Weight,
        bias: Floats | Weight | None,
        *,
        window: Window,
        groups: int = 1,
        loc: str,
    ) -> View:
        """x (N, C, L) or (N, C, H, W); weight (O, C/groups, [kh,] kw); window in 2-D terms (1-D: height 1)."""
        kernel = weight.array if weight.array.ndim == 4 else weight.array[:, :, None, :]
        n_out, per_group = kernel.shape[:2]
        image = as_image(x)
        n, c, h, w = image.shape
        if per_group * groups != c or n_out % groups:
            raise UnsupportedOp(
                f"{c} channels do not fit a weight of shape {weight.array.shape} in {groups} groups", where=loc
            )
        value = self.stored(x, image.transpose(2, 3, 0, 1).reshape(h, w, n * c), loc)
        kernel = np.tile(kernel.transpose(0, 2, 3, 1), (n, 1, 1, 1))
        oh, ow = out_size(window, h, w, loc)
        out = TensorType((oh, ow, n * n_out))
        y = self._emit(
            Conv,
            value,
            loc,
            out,
            self._const(arranged(weight, kernel, n), f"{loc}.weight"),
            self._const(bias_of(bias, n_out, n), f"{loc}.bias"),
            window=window,
            groups=groups * n,
        )
        return View(y, from_image(in_order((oh, ow, n, n_out)).transpose(2, 3, 0, 1), x))

    def dense(self, x: View, weight: Weight, bias: Floats | Weight | None, *, loc: str) -> View:
        """x (..., K) times weight (N, K) -> (..., N). Several rows are a 1x1 convolution over them."""
        n_out, k = weight.array.shape
        if x.shape[-1:] != (k,):
            raise UnsupportedOp(
                f"input of shape {x.shape} does not fit a weight of shape {weight.array.shape}", where=loc
            )
        rows = math.prod(x.shape[:-1])
        if rows > 1:
            column = self.reshape(self.transpose(self.reshape(x, (rows, k)), (1, 0)), (1, k, 1, rows))
            y = self.conv(
                column,
                arranged(weight, weight.array[:, :, None, None]),
                bias,
                window=Window(kernel=(1, 1)),
                loc=loc,
            )
            return View(y.value, y.index.reshape(n_out, rows).T.reshape(*x.shape[:-1], n_out))
        memory = np.empty(k, dtype=np.int64)
        memory[x.index.ravel()] = np.arange(k)  # weight columns follow the stored order: no transpose on the device
        value = self._reshaped(x.value, (k,), loc)
        w = self._const(arranged(weight, weight.array[:, memory]), f"{loc}.weight")
        b = self._const(bias_of(bias, n_out, 1), f"{loc}.bias")
        y_value = self._emit(Dense, value, loc, TensorType((n_out,)), w, b)
        return View(y_value, in_order((*x.shape[:-1], n_out)))

    def affine(self, x: View, scale: Floats, offset: Floats, *, loc: str) -> View:
        """Per-channel scale * x + offset over axis 1 (BatchNormalization): a depthwise 1x1 convolution."""
        c = x.shape[1]
        value, order = self._axis_last(x, 1, loc)
        image = self._reshaped(value, (1, x.index.size // c, c), loc)
        pixels = View(image, in_order((1, 1, x.index.size // c, c)).transpose(0, 3, 1, 2))
        weight = Weight(np.broadcast_to(scale, (c,)).reshape(c, 1, 1, 1).astype(np.float64))
        y = self.conv(pixels, weight, np.broadcast_to(offset, (c,)), window=Window(kernel=(1, 1)), groups=c, loc=loc)
        return View(y.value, in_order(tuple(x.shape[k] for k in order)).transpose(np.argsort(order)))

    # ---- pooling and reductions -------------------------------------------------------------------------------------

    def pool(
        self,
        x: View,
        kind: str,
        *,
        window: Window,
        out_hw: tuple[int, int] | None = None,
        include_pad: bool = False,
        loc: str,
    ) -> View:
        """kind "max" or "avg" over (N, C, L) or (N, C, H, W); out_hw where the model rounds up (ceil_mode)."""
        image = as_image(x)
        n, c, h, w = image.shape
        value = self.stored(x, image.transpose(2, 3, 0, 1).reshape(h, w, n * c), loc)
        oh, ow = out_hw or out_size(window, h, w, loc)
        type_ = TensorType((oh, ow, n * c))
        if kind == "max":
            y = self._emit(MaxPool, value, loc, type_, window=window)
        else:
            y = self._emit(AvgPool, value, loc, type_, window=window, include_pad=include_pad)
        return View(y, from_image(in_order((oh, ow, n, c)).transpose(2, 3, 0, 1), x))

    def reduce(self, x: View, kind: str, axes: Sequence[int], *, keepdims: bool, loc: str) -> View:
        """Mean ("avg") or maximum ("max") over any axes: one window over all of them."""
        axes = sorted(axis % len(x.shape) for axis in axes)
        kept = [axis for axis in range(len(x.shape)) if axis not in axes]
        rows, columns = reduced_to_image(x.shape, axes)
        moved = self.reshape(self.transpose(x, (*axes, *kept)), (1, rows, columns, x.index.size // (rows * columns)))
        y = self.pool(self.transpose(moved, (0, 3, 1, 2)), kind, window=Window(kernel=(rows, columns)), loc=loc)
        shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
        if not keepdims:
            shape = [n for axis, n in enumerate(x.shape) if axis not in axes]
        return self.reshape(y, shape)

    # ---- elementwise ------------------------------------------------------------------------------------------------

    def unary(self, x: View, fn: str, params: Sequence[float] = (), *, loc: str) -> View:
        """An elementwise function of ir.unary."""
        type_ = TensorType(self._types[x.value].shape)
        return View(self._emit(Unary, x.value, loc, type_, fn=fn, params=tuple(float(p) for p in params)), x.index)

    def binary(self, kind: str, a: View | Weight, b: View | Weight, *, loc: str) -> View:
        """add, sub or mul of two tensors, or of a tensor and a constant, with numpy broadcasting."""
        if isinstance(a, Weight):
            assert isinstance(b, View)
            if kind == "sub":
                b, kind = self.unary(b, "neg", loc=loc), "add"
            a, b = b, a
        shape = tuple(np.broadcast_shapes(a.shape, shape_of(b)))
        check_size(shape, loc)
        order = self._common_order(a, b, shape)
        out_stored = tuple(shape[axis] for axis in order)
        batch = int(len(shape) > 1 and out_stored[0] == 1)
        left = self._operand(a, order, batch, loc)
        right = self._operand(b, order, batch, loc)
        stored = out_stored[batch:]
        grows = self._type_of(left).shape != stored and self._type_of(right).shape == stored
        if grows and right in self._types and kind != "sub":
            left, right = right, left  # the operand that is broadcast goes second; a constant always does
        y = self._emit(Binary, left, loc, TensorType(stored), right, kind=kind)
        return View(y, in_order(out_stored).transpose(np.argsort(order)))

    def _common_order(self, a: View, b: View | Weight, shape: tuple[int, ...]) -> tuple[int, ...]:
        for view in (a, b):
            if isinstance(view, View) and view.shape == shape and (order := memory_order(view.index)) is not None:
                return order
        return tuple(range(len(shape)))

    def _operand(self, x: View | Weight, order: tuple[int, ...], batch: int, loc: str) -> str:
        """The IR value or constant with the axes of `order`, missing leading axes added, a batch axis of 1 removed."""
        lead = (1,) * (len(order) - len(shape_of(x)))
        if isinstance(x, Weight):
            array = x.array.reshape(lead + x.array.shape).transpose(order)
            return self._const(Weight(strip(array, batch), x.code_scales), f"{loc}.operand")
        index = x.index.reshape(lead + x.shape).transpose(order)
        return self.stored(x, strip(index, batch), loc)

    # ---- the rest ---------------------------------------------------------------------------------------------------

    def softmax(self, x: View, axis: int, *, loc: str) -> View:
        """Softmax over one logical axis."""
        value, order = self._axis_last(x, axis, loc)
        y = self._emit(Softmax, value, loc, TensorType(self._types[value].shape))
        return View(y, in_order(tuple(x.shape[k] for k in order)).transpose(np.argsort(order)))

    def argmax(self, x: View, axis: int, *, keepdims: bool, last: bool = False, loc: str) -> View:
        """Index of the maximum over one logical axis, of I32; only an output of the graph may be one."""
        value, order = self._axis_last(x, axis, loc)
        y = self._emit(ArgMax, value, loc, TensorType((*self._types[value].shape[:-1], 1), DType.I32), last=last)
        index = in_order(tuple(1 if k == axis % len(x.shape) else x.shape[k] for k in order)).transpose(
            np.argsort(order)
        )
        return View(y, index if keepdims else index.squeeze(axis % len(x.shape)))

    def _axis_last(self, x: View, axis: int, loc: str) -> tuple[str, tuple[int, ...]]:
        axis %= len(x.shape)
        base = memory_order(x.index) or tuple(range(len(x.shape)))
        order = (*(k for k in base if k != axis), axis)
        return self.stored(x, strip_batch(x.index.transpose(order)), loc), order

    def concat(self, views: Sequence[View], axis: int, *, loc: str) -> View:
        """Join tensors along one logical axis."""
        if len(views) == 1:
            return views[0]
        axis %= len(views[0].shape)
        order = memory_order(views[0].index) or tuple(range(len(views[0].shape)))
        shape = list(views[0].shape)
        shape[axis] = sum(view.shape[axis] for view in views)
        out_stored = tuple(shape[k] for k in order)
        batch = int(len(order) > 1 and order[0] != axis and out_stored[0] == 1)
        values = [self.stored(view, strip(view.index.transpose(order), batch), loc) for view in views]
        type_ = TensorType(out_stored[batch:])
        y = self._emit(Concat, values[0], loc, type_, *values[1:], axis=order.index(axis) - batch)
        return View(y, in_order(out_stored).transpose(np.argsort(order)))

    def pad(self, x: View, before: Sequence[int], after: Sequence[int], value: float, *, loc: str) -> View:
        """Constant padding of logical axes; nothing negative."""
        order = memory_order(x.index) or tuple(range(len(x.shape)))
        index = x.index.transpose(order)
        lo, hi = tuple(before[k] for k in order), tuple(after[k] for k in order)
        out = tuple(b + n + a for b, n, a in zip(lo, index.shape, hi, strict=True))
        check_size(out, loc)
        batch = int(len(out) > 1 and out[0] == 1)
        stored = self.stored(x, strip(index, batch), loc)
        y = self._emit(
            Pad, stored, loc, TensorType(out[batch:]), before=lo[batch:], after=hi[batch:], value=float(value)
        )
        return View(y, in_order(out).transpose(np.argsort(order)))

    # ---- plumbing ---------------------------------------------------------------------------------------------------

    def _emit(self, cls: type[Op], first: str, loc: str, type_: TensorType, /, *more: str, **attrs: Any) -> str:
        if type_.n_elems == 0:
            raise UnsupportedOp(f"the result has no elements (shape {type_.shape})", where=loc)
        check_size(type_.shape, loc)
        output = self._fresh(loc)
        self._types[output] = type_
        self._ops.append(cls(output=output, inputs=(first, *more), loc=loc, **attrs))
        return output

    def _const(self, made: Weight, stem: str) -> str:
        name = self._fresh(stem)
        # Integer biases of quantized models need more than the 24 bits of float32.
        self._consts[name] = Const(np.ascontiguousarray(made.array, dtype=np.float64), made.code_scales, made.encoding)
        return name

    def _type_of(self, name: str) -> TensorType:
        return self._types[name] if name in self._types else TensorType(self._consts[name].shape)

    def _fresh(self, stem: str) -> str:
        base = re.sub(r"[^A-Za-z0-9_.]+", "_", stem.rsplit(":", 1)[-1])[-60:].strip("_.") or "v"
        n = self._taken.get(base, 0)  # the last number given: a file may name all of its nodes alike
        name = f"{base}.{n}" if n else base
        while name in self._types or name in self._consts:
            n += 1
            name = f"{base}.{n}"
        self._taken[base] = n
        return name
