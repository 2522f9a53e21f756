"""What the kernels of convolutions do, alone or before a pool."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8
from freeml.kernels.conv_kind import is_depthwise, short_name
from freeml.kernels.reads import Ints, touched
from freeml.kernels.variants import Variant
from freeml.kernels.work import QUAD, LoopCounts, dots, named, odd_shifts, row_pairs

_LIST_WORDS, _LIST_TAPS = 64, 5  # of fml_depthwise_i8 on an MSP430


@dataclass(frozen=True, slots=True)
class Visit:
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


def conv_visit(graph: Graph, op: ConvI8, n_units: int, n: Ints) -> Visit:
    """One call for tiles of n units each, of n_units."""
    height, width, channels = graph.types[op.output].shape
    pixels = touched(n, channels, height * width)
    group = group_channels(op, graph)
    windows = touched(n, group, n_units // group)
    return Visit(
        calls=np.ones_like(n),
        rows=touched(n, channels * width, height),
        pixels=pixels,
        partial=np.where(n % channels == 0, 0, np.minimum(pixels, 2)),
        windows=windows,
        pairs=pairs_of_rows(n, channels, op.groups),
        padded=padded_pixels(op, graph.types[op.inputs[0]].shape, (height, width), pixels),
        outputs=n,
        alone=alone_in_windows(n, group, windows),
    )


def pairs_of_rows(n: Ints, channels: int, groups: int, taps: int = 1, odd: Ints | int = 0) -> Ints:
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


def padded_pixels(op: ConvI8 | ConvPoolI8, shape: tuple[int, ...], out: tuple[int, int], pixels: Ints) -> Ints:
    """The most of so many consecutive pixels whose window leaves the input."""
    (top, bottom), (left, right) = borders(op, shape, out)
    height, width = out
    inner = max(0, height - top - bottom) * width  # between the rows at the top and those at the bottom
    full = np.where(pixels > inner + 1, top + bottom, max(top, bottom))
    beyond = np.maximum(pixels - full * width, 0)
    sides = (left + right) * (-(-beyond // width) + (beyond % width != 1))
    whole = (top + bottom) * width + (left + right) * max(0, height - top - bottom)
    most: Ints = np.minimum(np.minimum(pixels, full * width + sides), min(whole, height * width))
    return most


def borders(op: ConvI8 | ConvPoolI8, shape: tuple[int, ...], out: tuple[int, int]) -> list[tuple[int, int]]:
    """Output rows at the top and bottom, then columns at the left and right, whose windows leave the input."""
    found = []
    for axis, n_out in enumerate(out):
        at = np.arange(n_out) * op.window.stride[axis] - op.window.pad[axis]
        before = int((at < 0).sum())
        behind = int((at + op.window.extent()[axis] > shape[axis]).sum())
        found.append((min(before, n_out), min(behind, n_out)))
    return found


def conv_counts(graph: Graph, op: ConvI8, kernel: str, visit: Visit, variant: Variant, *, is_even: bool) -> LoopCounts:
    """Counts of the kernel of a convolution, without the position where it begins.

    is_even: the input lies at an even address, so that a 16-bit core may copy it word by word.
    """
    if kernel == "fml_depthwise_i8":
        return named("depthwise", _depthwise(graph, op, visit, variant))
    weight = graph.type_of(op.inputs[1]).shape
    channels, products = weight[-1], prod(weight[1:])
    counts = {
        "call": visit.calls,
        "pixel": visit.pixels,
        "partial": visit.partial if op.groups == 1 else visit.windows,
        "input": visit.windows * products,
        "odd": odd_shifts(graph, op.inputs[4], visit.outputs, visit.pixels),
        **dots(variant, visit.outputs, products, visit.alone),
    }
    counts |= row_pairs(variant, visit.pairs, products)
    if kernel == "fml_conv_i8":
        unit = variant.gather_bytes
        counts |= _gathers(graph, op, visit, channels, products, unit if unit != 2 or is_even else 1)
    return named(short_name(kernel), counts)


def _gathers(graph: Graph, op: ConvI8, visit: Visit, channels: int, products: int, unit: int) -> LoopCounts:
    """Of the columns of a convolution: windows, runs of bytes, bytes, and columns filled with the padding first.

    unit: bytes that are copied at once, where all runs are whole ones.
    """
    in_c = graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    runs = k_h if op.window.dilation[1] * in_c == channels else k_h * k_w
    run_bytes = products // runs
    is_wide = unit > 1 and channels % unit == 0 and (unit != 2 or (in_c % 2 == 0 and run_bytes % 2 == 0))
    padded = visit.padded * op.groups
    return {
        "row": visit.rows,
        "window": visit.windows,
        "run": visit.windows * runs,
        "wide_byte" if is_wide else "byte": visit.windows * products,
        "padded": padded,
        "filled": padded * products,
    }


def _depthwise(graph: Graph, op: ConvI8, visit: Visit, variant: Variant) -> LoopCounts:
    channels, in_c = graph.types[op.output].shape[2], graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    taps, n = k_h * k_w, visit.outputs
    counts = {"call": visit.calls, "row": visit.rows, "pixel": visit.pixels, "output": n}
    if variant.depthwise_loop == "lists":
        return counts | _listed(graph, op, visit) | {"odd": odd_shifts(graph, op.inputs[4], n, visit.pixels)}
    whole = visit.pixels - visit.partial
    alone = n if channels != in_c else np.minimum(n, whole * (channels % QUAD) + visit.partial * (QUAD - 1))
    quads = -(-n // QUAD) if channels == in_c else 0 * n
    padded = np.minimum(visit.padded * channels, n)
    return counts | {
        "quad": quads,
        "quad_row": quads * k_h,
        "quad_tap": quads * taps,
        "alone": alone,
        "alone_row": alone * k_h,
        "alone_tap": alone * taps,
        "padded": visit.padded,
        "padded_quad": -(-padded // QUAD),
        "padded_tap": -(-padded // QUAD) * taps,
        "padded_alone_tap": np.minimum(alone, padded) * taps,
    }


def _listed(graph: Graph, op: ConvI8, visit: Visit) -> LoopCounts:
    """Lists of taps, built anew where the padding changes, and what they cannot hold."""
    (height, width, channels), in_c = graph.types[op.output].shape, graph.types[op.inputs[0]].shape[2]
    k_h, k_w = op.window.kernel
    rows, taps = (1, k_h) if k_w == 1 else (k_h, k_w)
    hops = rows * -(-taps // _LIST_TAPS)
    (top, bottom), (left, right) = borders(op, graph.types[op.inputs[0]].shape, (height, width))
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


def group_channels(op: ConvI8 | ConvPoolI8, graph: Graph) -> int:
    """Output channels that are computed with one window: of a group, or all of a depthwise convolution."""
    channels = graph.types[op.output].shape[2]
    return channels if is_depthwise(op, graph) else channels // op.groups


def alone_in_windows(n: Ints, width: int, windows: Ints) -> Ints:
    """The most of n outputs, from a multiple of n on, that are not in a whole group of QUAD.

    Outputs lie in runs of `width`, of which n touch `windows`; groups begin anew in each.
    """
    whole = n % width == 0
    aligned_cuts = (n % QUAD == 0) & ((width % QUAD == 0) | (windows == 1))
    cuts = np.where(whole | aligned_cuts, 0, 2 * (QUAD - 1))  # the two ends of a tile amid a group
    return np.minimum(n, windows * (width % QUAD) + cuts)
