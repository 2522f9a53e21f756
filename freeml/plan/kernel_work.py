"""What a call of a kernel does, counted: what runtime_c/kernels/<variant>/cycles.toml prices.

Counts follow the loops of the kernels: calls, pixels, gathered bytes, products, outputs. Each is the most that any tile
of n units can have that starts at a multiple of n: every tap inside the input but where padding costs more, and as many
window positions as a tile can touch. A name is KERNEL.COUNT; kernels of one name in several variants share counts, and
a variant's table leaves out what costs nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import (
    AddI8,
    AvgPoolI8,
    ConvI8,
    ConvPoolI8,
    DenseI8,
    LutI8,
    MaxPoolI8,
    MulI8,
    PadI8,
    SoftmaxI8,
)
from freeml.ir.ops import ArgMax, Concat, Op, Transpose
from freeml.plan.cost import conv_kernel, is_depthwise, pool_run
from freeml.plan.reads import Ints, touched

Counts = dict[str, Ints]

_QUAD = 4  # outputs that a kernel may compute together
_LIST_WORDS, _LIST_TAPS = 64, 5  # of fml_depthwise_i8 on an MSP430
_ROUTINE_SHIFTS = (18, 32)  # that the MSP430's routines requantize; others take the way of plain C
_ROUTINE_ADD_SHIFT = 18
_NEAR_UNITS = 65_535  # a position beyond needs a 32-bit division


def kernel_counts(
    graph: Graph, op: Op, unit_bytes: int, n_units: int, n: Ints, kernels: str, *, even: bool = False
) -> Counts:
    """Counts of tiles of n of n_units units each, of unit_bytes, by a variant of the kernels.

    even: the first operand lies at an even address, so that a 16-bit core may copy it word by word
    """
    one = np.ones_like(n)
    match op:
        case ConvI8():
            far = {f"{conv_kernel_of(op, graph, kernels)}.far": _far(n_units, n)}
            return _conv(graph, op, _visit(graph, op, n, n_units), kernels, even) | far
        case ConvPoolI8():
            return _conv_pool(graph, op, n, n_units, kernels, even)
        case DenseI8():
            products = prod(graph.type_of(op.inputs[1]).shape[1:])
            alone = _alone_in_run(n, n_units)
            counts = {"call": one, "input": products * one, **_dots(kernels, n, products, alone)}
            counts |= _pairs(kernels, touched(n, 2, -(-n_units // 2)), products)
            return _named("dense", counts | {"odd": _odd(graph, op, n, one)})
        case MaxPoolI8() | AvgPoolI8():
            return _pool(graph, op, n, n_units)
        case AddI8() | MulI8():
            return _elementwise(graph, op, n, n_units)
        case LutI8():
            return {"lut.call": one, "lut.element": n}
        case SoftmaxI8():
            return {"softmax.call": one, "softmax.row": n, "softmax.element": n * unit_bytes}
        case ArgMax():
            elems = n * graph.types[op.inputs[0]].shape[-1]
            return {"argmax.call": one, "argmax.row": n, "argmax.element": elems}
        case Concat():
            return {"copy.call": one, "copy.row": n, "copy.byte": n * unit_bytes}
        case PadI8() | Transpose():
            name = "pad" if isinstance(op, PadI8) else "transpose"
            inner = graph.types[op.output].shape[-1]
            rows = touched(n, inner, n_units // inner)
            axes = len(graph.types[op.output].shape)
            counts = {"call": one, "row": rows, "carry": rows * axes, "element": n, "far": _far(n_units, n)}
            return _named(name, counts)
    raise AssertionError(f"no kernel for {type(op).__name__}")


def part_counts(graph: Graph, op: Op, macs: Ints) -> Counts:
    """Counts of parts of one output's dot product, `macs` products each; the last part's requantization included."""
    one = np.ones_like(macs)
    bits = one * _bits(graph, op)
    if isinstance(op, DenseI8):
        return {"dense_part.call": one, "dense_part.mac": macs, "dense_part.bit": bits}
    channels = graph.type_of(op.inputs[1]).shape[-1]
    taps = np.minimum(-(-macs // channels) + (channels > 1), prod(graph.type_of(op.inputs[1]).shape[1:3]))
    far = _far(graph.types[op.output].n_elems, macs)
    counts = {"call": one, "tap": taps, "mac": macs, "bit": bits, "far": far}
    return _named("conv_part", counts)


def conv_kernel_of(op: ConvI8 | ConvPoolI8, graph: Graph, kernels: str = "portable") -> str:
    """Short name of the kernel of a convolution: conv, pointwise or depthwise."""
    return conv_kernel(op, graph, kernels).removeprefix("fml_").removesuffix("_i8")


@dataclass(frozen=True, slots=True)
class _Visit:
    """What calls of a convolution's kernel go through.

    calls    of the kernel
    rows     of its output that are begun
    pixels   begun
    partial  of these, not all of whose channels are wanted
    windows  the same as pixels, for each group anew
    pairs    of rows of weights that are gone through, in kernels that take two rows, and one or two pixels, at a time
    padded   pixels whose window leaves the input
    outputs  of the convolution
    alone    of these, computed without three neighbours
    """

    calls: Ints
    rows: Ints
    pixels: Ints
    partial: Ints
    windows: Ints
    pairs: Ints
    padded: Ints
    outputs: Ints
    alone: Ints


def _visit(graph: Graph, op: ConvI8, n: Ints, n_units: int) -> _Visit:
    """Of tiles of n of n_units units."""
    height, width, channels = graph.types[op.output].shape
    pixels = touched(n, channels, height * width)
    group = channels if is_depthwise(op, graph) else channels // op.groups
    windows = touched(n, group, n_units // group)
    partial = np.where(n % channels == 0, 0, np.minimum(pixels, 2))
    return _Visit(
        calls=np.ones_like(n),
        rows=touched(n, channels * width, height),
        pixels=pixels,
        partial=partial,
        windows=windows,
        pairs=_row_pairs(n, channels, op.groups),
        padded=_padded(op, graph.types[op.inputs[0]].shape, (height, width), pixels),
        outputs=n,
        alone=_alone(n, group, windows),
    )


def _row_pairs(n: Ints, channels: int, groups: int, taps: int = 1, odd: Ints | int = 0) -> Ints:
    """Pairs of rows for n outputs, `taps` times: once for two whole pixels, and for each pixel that is cut.

    odd: how many whole pixels at most have no neighbour. Where both ends of a tile are cut, what remains of them is a
    pixel more or not.
    """
    per_pass = groups * -(-channels // groups // 2)
    inside, rest = n // channels, n % channels

    def pairs(whole: Ints, cut: Ints) -> Ints:
        found: Ints = -(-(whole * taps + odd) // 2) * per_pass + taps * np.where(cut > 0, -(-cut // 2) + groups + 1, 0)
        return found

    # Ends are multiples of the greatest common divisor, and less than a pixel.
    both = (inside > 0) & (rest + 2 * np.gcd(n, channels) <= channels)
    more = np.where(both, pairs(inside - 1, rest + channels), 0)
    uneven: Ints = np.maximum(pairs(inside, rest), more)
    found: Ints = np.where(rest == 0, pairs(inside, 0 * n), uneven)
    return found


def _padded(op: ConvI8 | ConvPoolI8, shape: tuple[int, ...], out: tuple[int, int], pixels: Ints) -> Ints:
    """The most of so many consecutive pixels whose window leaves the input."""
    (top, bottom), (left, right) = _borders(op, shape, out)
    height, width = out
    inner = max(0, height - top - bottom) * width  # between the rows at the top and those at the bottom
    full = np.where(pixels > inner + 1, top + bottom, max(top, bottom))
    beyond = np.maximum(pixels - full * width, 0)
    sides = (left + right) * (-(-beyond // width) + (beyond % width != 1))
    whole = (top + bottom) * width + (left + right) * max(0, height - top - bottom)
    most: Ints = np.minimum(np.minimum(pixels, full * width + sides), min(whole, height * width))
    return most


def _borders(op: ConvI8 | ConvPoolI8, shape: tuple[int, ...], out: tuple[int, int]) -> list[tuple[int, int]]:
    """Output rows at the top and bottom, then columns at the left and right, whose windows leave the input."""
    found = []
    for axis, n_out in enumerate(out):
        at = np.arange(n_out) * op.window.stride[axis] - op.window.pad[axis]
        before = int((at < 0).sum())
        behind = int((at + op.window.extent()[axis] > shape[axis]).sum())
        found.append((min(before, n_out), min(behind, n_out)))
    return found


def _conv(graph: Graph, op: ConvI8, visit: _Visit, kernels: str, even: bool) -> Counts:
    """Counts of the kernel of a convolution, without the position where it begins."""
    if is_depthwise(op, graph):
        return _named("depthwise", _depthwise(graph, op, visit, kernels))
    kernel = conv_kernel_of(op, graph, kernels)
    weight = graph.type_of(op.inputs[1]).shape
    channels, products = weight[-1], prod(weight[1:])
    counts = {
        "call": visit.calls,
        "pixel": visit.pixels,
        "partial": visit.partial if op.groups == 1 else visit.windows,
        "input": visit.windows * products,
        "odd": _odd(graph, op, visit.outputs, visit.pixels),
        **_dots(kernels, visit.outputs, products, visit.alone),
    }
    counts |= _pairs(kernels, visit.pairs, products)
    if kernel == "conv":
        counts |= _gathers(graph, op, visit, kernels, channels, products, even)
    return _named(kernel, counts)


def _gathers(graph: Graph, op: ConvI8, visit: _Visit, kernels: str, channels: int, products: int, even: bool) -> Counts:
    """Of the columns of a convolution: windows, runs of bytes, bytes, and columns filled with the padding first."""
    in_c = graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    runs = k_h if op.window.dilation[1] * in_c == channels else k_h * k_w
    unit = {"msp430": 2, "armv7em": 4}.get(kernels, 1)
    run_bytes = products // runs
    words = channels % unit == 0 and (unit != 2 or (even and in_c % 2 == 0 and run_bytes % 2 == 0))
    padded = visit.padded * op.groups
    return {
        "row": visit.rows,
        "window": visit.windows,
        "run": visit.windows * runs,
        "wide_byte" if words and unit > 1 else "byte": visit.windows * products,
        "padded": padded,
        "filled": padded * products,
    }


def _depthwise(graph: Graph, op: ConvI8, visit: _Visit, kernels: str) -> Counts:
    channels, in_c = graph.types[op.output].shape[2], graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    taps, n = k_h * k_w, visit.outputs
    counts = {"call": visit.calls, "row": visit.rows, "pixel": visit.pixels, "output": n}
    if kernels == "msp430":
        return counts | _listed(graph, op, visit) | {"odd": _odd(graph, op, n, visit.pixels)}
    whole = visit.pixels - visit.partial
    alone = n if channels != in_c else np.minimum(n, whole * (channels % _QUAD) + visit.partial * (_QUAD - 1))
    quads = -(-n // _QUAD) if channels == in_c else 0 * n
    padded = np.minimum(visit.padded * channels, n)
    return counts | {
        "quad": quads,
        "quad_row": quads * k_h,
        "quad_tap": quads * taps,
        "alone": alone,
        "alone_row": alone * k_h,
        "alone_tap": alone * taps,
        "padded": visit.padded,
        "padded_quad": -(-padded // _QUAD),
        "padded_tap": -(-padded // _QUAD) * taps,
        "padded_alone_tap": np.minimum(alone, padded) * taps,
    }


def _listed(graph: Graph, op: ConvI8, visit: _Visit) -> Counts:
    """On an MSP430: lists of taps, built anew where the padding changes, and what they cannot hold."""
    (height, width, channels), in_c = graph.types[op.output].shape, graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    rows, taps = (1, k_h) if k_w == 1 else (k_h, k_w)
    hops = rows * -(-taps // _LIST_TAPS)
    (top, bottom), (left, right) = _borders(op, graph.types[op.inputs[0]].shape, (height, width))
    words = 2 * hops + 2
    padded_words = words + 3 * (rows + 1 if left + right else 2) if left + right + top + bottom else words
    lists = visit.rows * (left + right + 1) if left + right else np.minimum(visit.rows, 1 + top + bottom)
    builds = np.minimum(visit.pixels, visit.calls * 0 + np.maximum(lists, visit.calls))
    n = visit.outputs
    padded = np.minimum(n, visit.padded * channels)
    slow = n if words >= _LIST_WORDS else padded if padded_words >= _LIST_WORDS else 0 * n
    multiplier = channels // in_c
    runs = visit.pixels if multiplier == 1 else np.minimum(n, n // multiplier + 2 * visit.pixels)
    if words >= _LIST_WORDS:
        builds = visit.pixels
    elif padded_words >= _LIST_WORDS:
        builds = np.minimum(visit.pixels, builds + visit.padded)
    return {
        "list": builds,
        "list_word": builds * min(padded_words, _LIST_WORDS),
        "start": runs,
        "hop": n * hops,
        "mac": n * k_h * k_w,
        "padded_run": padded * (rows + 1),
        "slow": slow,
        "slow_mac": slow * k_h * k_w,
    }


def _dots(kernels: str, n: Ints, products: int, alone: Ints) -> Counts:
    """Of n dot products of so many products, of which some are computed without three neighbours."""
    if kernels == "armv7em":
        return {"output": n}
    if kernels == "msp430":
        return {"output": n, "mac": n * products, "loop": n * -(-products // 8)}
    return {"output": n, "alone": alone, "mac": n * products, "alone_mac": alone * products}


def _pairs(kernels: str, pairs: Ints, products: int) -> Counts:
    """Of pairs of rows that armv7em computes in one go, in words of four products."""
    if kernels != "armv7em":
        return {}
    return {"pair": pairs, "pair_word": pairs * -(-products // 4), "pair_tail": pairs * (products % 4 != 0)}


def _alone_in_run(n: Ints, n_units: int) -> Ints:
    """The same of outputs that are one run: of the tiles that may begin amid a group, and of the last one."""

    def cut(first: Ints, units: Ints) -> Ints:
        head = np.minimum(-first % _QUAD, units)
        alone: Ints = head + (units - head) % _QUAD
        return alone

    last = (n_units - 1) // n * n
    most: Ints = np.maximum(cut(0 * n, n), cut(last, n_units - last))
    for first in range(1, _QUAD):
        possible = (first % np.gcd(n, _QUAD) == 0) & (n_units > 2 * n)
        most = np.maximum(most, np.where(possible, cut(first + 0 * n, n), 0))
    return most


def _alone(n: Ints, width: int, windows: Ints) -> Ints:
    """The most of n outputs, from a multiple of n on, that are not in a whole group of _QUAD.

    Outputs lie in runs of `width`, of which n touch `windows`; groups begin anew in each.
    """
    whole = n % width == 0
    aligned_cuts = (n % _QUAD == 0) & ((width % _QUAD == 0) | (windows == 1))
    cuts = np.where(whole | aligned_cuts, 0, 2 * (_QUAD - 1))  # the two ends of a tile amid a group
    return np.minimum(n, windows * (width % _QUAD) + cuts)


def _conv_pool(graph: Graph, op: ConvPoolI8, n: Ints, n_units: int, kernels: str, even: bool) -> Counts:
    """A pool over calls of a convolution's kernel: one for each row of a run of whole pixels, or for each tap."""
    height, width, channels = graph.types[op.output].shape
    pool_h, pool_w = op.pool.kernel
    taps = pool_h * pool_w
    pixels = touched(n, channels, height * width)
    rows = touched(n, width * channels, height)
    cut = np.where(n % channels == 0, 0, np.minimum(pixels, 2))  # pixels not all of whose channels are wanted
    whole = pixels - cut
    runs = np.minimum(whole, whole // pool_run(op, graph) + rows)
    calls = runs * pool_h + cut * taps
    group = channels if is_depthwise(op, graph) else channels // op.groups
    windows = touched(n, group, n_units // group)
    odd_run = (pool_run(op, graph) * pool_w) % 2 or pool_w % 2
    conv, inner = op.conv(), _with_conv(graph, op)
    visit = _Visit(
        calls=calls,
        rows=calls,
        pixels=pixels * taps,
        partial=cut * taps,
        windows=windows * taps,
        pairs=_row_pairs(n, channels, op.groups, taps, runs * pool_h if odd_run else 0 * n),
        padded=_pool_padded(op, graph, pixels, rows),
        outputs=n * taps,
        alone=_alone(n, group, windows) * taps,
    )
    counts = _conv(inner, conv, visit, kernels, even)
    kernel = conv_kernel_of(op, graph, kernels)
    counts |= {f"{kernel}.far": calls * (inner.types[conv.output].n_elems > _NEAR_UNITS)}
    return counts | _named(
        "pool",
        {"call": np.ones_like(n), "run": runs, "pixel": pixels, "column": pixels * taps, "byte": n * taps, "output": n},
    )


def _with_conv(graph: Graph, op: ConvPoolI8) -> Graph:
    """The graph with the convolution's own output in place of the pool's: shapes as the kernel sees them."""
    conv = op.conv()
    out = graph.types[op.output]
    out_h, out_w = op.window.out_size(*graph.types[op.inputs[0]].shape[:2])
    type_ = type(out)((out_h, out_w, out.shape[2]), out.dtype, out.quant)
    kept = {name: graph.types[name] for name in op.inputs if name in graph.types}
    consts = {name: graph.consts[name] for name in op.inputs if name in graph.consts}
    return Graph(graph.name, (), (), (conv,), {**kept, conv.output: type_}, consts, graph.stage)


def _pool_padded(op: ConvPoolI8, graph: Graph, pixels: Ints, rows: Ints) -> Ints:
    """Of the convolution's pixels below so many pooled ones, those whose window leaves the input, at most."""
    shape = graph.types[op.inputs[0]].shape
    out = op.window.out_size(*shape[:2])
    (top, bottom), (left, right) = _borders(op, shape, out)
    pool_h, pool_w = op.pool.kernel
    high = np.minimum(pool_h, max(top, bottom)) * pool_w * pixels
    height = graph.types[op.output].shape[0]
    if height > 1:  # only pooled rows at the ends have them
        ends = -(-top // op.pool.stride[0]) + -(-bottom // op.pool.stride[0])
        width = graph.types[op.output].shape[1]
        high = np.minimum(high, ends * width * min(pool_h, top + bottom) * pool_w)
    sides = (left + right) * pool_h * rows
    most: Ints = np.minimum(high + sides, pixels * pool_h * pool_w)
    return most


def _pool(graph: Graph, op: MaxPoolI8 | AvgPoolI8, n: Ints, n_units: int) -> Counts:
    name = "maxpool" if isinstance(op, MaxPoolI8) else "avgpool"
    height, width, channels = graph.types[op.output].shape
    k_h, k_w = op.window.kernel
    pixels = touched(n, channels, height * width)
    partial = np.where(n % channels == 0, 0, np.minimum(pixels, 2))
    alone = np.minimum(n, (pixels - partial) * (channels % _QUAD) + partial * (_QUAD - 1))
    quads = -(-n // _QUAD)
    counts = {
        "call": np.ones_like(n),
        "row": touched(n, width * channels, height),
        "pixel": pixels,
        "tap": pixels * k_h * k_w,
        "byte": n * k_h * k_w,
        "output": n,
        "quad": quads,
        "quad_row": quads * k_h,
        "quad_tap": quads * k_h * k_w,
        "alone": alone,
        "alone_row": alone * k_h,
        "alone_tap": alone * k_h * k_w,
        "far": _far(n_units, n),
    }
    if isinstance(op, AvgPoolI8):
        counts["bit"] = n * _bits(graph, op)
    elif op.lo > -128 or op.hi < 127:
        counts["clamped"] = n
    return _named(name, counts)


def _elementwise(graph: Graph, op: AddI8 | MulI8, n: Ints, n_units: int) -> Counts:
    """Runs of elements that both operands cross with one stride: what fml_walk.h makes of the shapes."""
    shapes = [graph.type_of(name).shape for name in op.inputs]
    inner, steps = walk_run(graph.types[op.output].shape, shapes)
    name = "add" if isinstance(op, AddI8) else "mul"
    counts = {"call": np.ones_like(n), "run": touched(n, inner, n_units // inner), "far": _far(n_units, n)}
    if isinstance(op, MulI8):
        counts |= {"element": n, "bit": n * max(0, op.shift - 17 if op.shift > 16 else op.shift)}
    else:
        slow = "slow_" if op.shift < _ROUTINE_ADD_SHIFT else ""
        counts |= {f"{slow}element": n, f"{slow}bit": n * op.shift, "apart": n * (steps != (1, 1))}
    return _named(name, counts)


def walk_run(out: tuple[int, ...], shapes: list[tuple[int, ...]]) -> tuple[int, tuple[int, ...]]:
    """Elements of one run, and the step of each operand within it."""
    dims = (1,) * (4 - len(out)) + tuple(out)
    strides = []
    for shape in shapes:
        full = (1,) * (4 - len(shape)) + tuple(shape)
        strides.append([0 if full[k] == 1 and dims[k] > 1 else prod(full[k + 1 :]) for k in range(4)])
    inner = dims[3]
    for k in (2, 1, 0):
        if dims[k] == 1:
            continue
        if any(one[k] != one[3] * inner for one in strides):
            break
        inner *= dims[k]
    return inner, tuple(one[3] for one in strides)


def _odd(graph: Graph, op: ConvI8 | DenseI8, n: Ints, pixels: Ints) -> Ints:
    """Outputs whose shift the MSP430's routines leave to C: at most those of each pixel, in every pixel."""
    shift = graph.consts[op.inputs[4]].array
    low, high = _ROUTINE_SHIFTS
    return np.minimum(n, pixels * int(((shift < low) | (shift > high)).sum()))


def _bits(graph: Graph, op: Op) -> int:
    """Places that the plain C of fml_requant.h shifts by, at most: a loop where a core has no barrel shifter."""
    shift = graph.consts[op.inputs[4 if isinstance(op, ConvI8 | ConvPoolI8 | DenseI8) else 2]].array.astype(int)
    return int(np.where(shift > 16, shift - 17, shift - 1).max(initial=0))


def _far(n_units: int, n: Ints) -> Ints:
    """Whether a tile begins beyond what 16 bits count."""
    return np.full_like(n, int(n_units > _NEAR_UNITS))


def _named(kernel: str, counts: Mapping[str, Ints]) -> Counts:
    return {f"{kernel}.{name}": count for name, count in counts.items()}
