"""A second opinion on the cost of a tile: goes through its units one by one, as kernels do, and prices what it meets.

Written from the kernels and the board file; of freeml.plan it shares the way counts are named, and no formula. Here a
tile's true position counts: the planner's worst case over all positions must never be below it.
"""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from math import prod

from freeml.board.board import Board
from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir.graph import Graph
from freeml.plan.steps import LayerTiles, Tile, TilePlan


def usable_pc(board: Board, capacitor_uf: float, time_us: float) -> float:
    """Charge for one boot, from first principles: C dU, less the margin, less leakage."""
    c = board.capacitor
    assert c is not None
    coulombs = capacitor_uf * 1e-6 * (c.v_on_mv.value - c.v_off_mv.value) * 1e-3 * (1 - c.margin.value)
    leaked = c.leakage_na_per_uf.value * 1e-9 * capacitor_uf * time_us * 1e-6
    return (coulombs - leaked) * 1e12


def tile_cost(graph: Graph, board: Board, plan: TilePlan, layer: LayerTiles, tile: Tile) -> tuple[float, float]:
    """(charge in pC, time in us) of one tile in a boot of its own."""
    cycles, energy = board.cycles, board.energy
    assert cycles is not None
    assert energy is not None
    assert board.clock_hz is not None
    prices = board.kernel_cycles.prices
    spent = sum(prices.get(name, 0.0) * count for name, count in tile_counts(graph, board, layer, tile).items())
    written = 4 if layer.parts > 1 else tile.n * layer.unit_bytes
    rows = tile.n if layer.unit_bytes != layer.unit_stride_bytes else 1
    transfers = rows + (3 if board.nvm.kind == "spi_fram" else 1)  # at the least: rows, the commit, one input
    spent += cycles.boot.value + cycles.tile.value + (written + plan.commit_bytes) * cycles.nvm_write_byte.value
    spent += transfers * cycles.nvm_command.value
    charge = (written + plan.commit_bytes) * energy.nvm_write_byte_pc.value + transfers * energy.nvm_command_pc.value
    charge = (charge + spent * energy.cycle_pc.value + energy.boot_nc.value * 1e3) * energy.calibration.value
    return charge, energy.boot_us.value + spent / board.clock_hz.value * 1e6


def tile_counts(graph: Graph, board: Board, layer: LayerTiles, tile: Tile) -> Counter[str]:
    """What a kernel does for one tile, by the name of its price; of what is counted in one way only, nothing."""
    op = next(op for op in graph.ops if op.output == layer.value)
    if layer.parts > 1:
        kernel = "dense_part" if isinstance(op, q.DenseI8) else "conv_part"
        return Counter({f"{kernel}.call": 1, f"{kernel}.mac": tile.mac_n})
    out = graph.types[op.output]
    units = range(tile.first, tile.first + tile.n)
    counts: Counter[str] = Counter()
    match op:
        case q.ConvI8():
            _convolve(counts, graph, board, op, units, out.shape)
        case q.ConvPoolI8():
            _pool_over_conv(counts, graph, board, op, units, out.shape)
        case q.DenseI8():
            products = prod(graph.consts[op.inputs[1]].shape[1:])
            counts["dense.call"] = 1
            counts["dense.input"] = products
            _dots(counts, "dense", board.kernels, units, products)
        case q.MaxPoolI8() | q.AvgPoolI8():
            name, taps = ("maxpool" if isinstance(op, q.MaxPoolI8) else "avgpool"), prod(op.window.kernel)
            pixels = _runs(units, out.shape[2])
            counts[f"{name}.call"] = 1
            counts[f"{name}.row"] = len(_runs(units, out.shape[1] * out.shape[2]))
            counts[f"{name}.pixel"] = len(pixels)
            counts[f"{name}.tap"] = len(pixels) * taps
            counts[f"{name}.output"] = tile.n
            counts[f"{name}.byte"] = tile.n * taps
            for run in pixels:
                counts[f"{name}.quad_tap"] += len(run) // 4 * taps
                counts[f"{name}.alone_tap"] += len(run) % 4 * taps
        case q.AddI8() | q.MulI8():
            name = "add" if isinstance(op, q.AddI8) else "mul"
            slow = isinstance(op, q.AddI8) and op.shift < 18
            counts[f"{name}.call"] = 1
            counts[f"{name}.{'slow_' if slow else ''}element"] = tile.n
        case q.LutI8():
            counts.update({"lut.call": 1, "lut.element": tile.n})
        case q.SoftmaxI8():
            counts.update({"softmax.call": 1, "softmax.row": tile.n, "softmax.element": tile.n * layer.unit_bytes})
        case f.ArgMax():
            elems = tile.n * graph.types[op.inputs[0]].shape[-1]
            counts.update({"argmax.call": 1, "argmax.row": tile.n, "argmax.element": elems})
        case f.Concat():
            counts.update({"copy.call": 1, "copy.row": tile.n, "copy.byte": tile.n * layer.unit_bytes})
        case q.ExitHead() | q.ExitMix():
            name = "exit_head" if isinstance(op, q.ExitHead) else "exit_mix"
            carries = len([value for value in op.inputs if value in graph.types]) > 1
            counts.update({f"{name}.call": 1, f"{name}.output": tile.n, f"{name}.carried": carries * tile.n})
            counts[f"{name}.mac"] = layer.macs * tile.n
            counts[f"{name}.scaled"] = carries * (op.carry_shift > 0) * tile.n
        case q.PadI8() | f.Transpose():
            name = "pad" if isinstance(op, q.PadI8) else "transpose"
            rows = len(_runs(units, out.shape[-1]))
            counts.update({f"{name}.call": 1, f"{name}.element": tile.n, f"{name}.row": rows})
    return counts


def _runs(units: range, width: int) -> list[list[int]]:
    """Units that follow each other without crossing a multiple of `width`."""
    return [list(run) for _, run in groupby(units, key=lambda unit: unit // width)]


def _convolve(
    counts: Counter[str], graph: Graph, board: Board, op: q.ConvI8, units: range, out: tuple[int, ...]
) -> None:
    """One call of a convolution's kernel, for these units of its output."""
    in_h, in_w, in_c = graph.types[op.inputs[0]].shape
    weight = graph.consts[op.inputs[1]].shape
    _, out_w, out_c = out
    products, depthwise = prod(weight[1:]), op.groups > 1 and op.groups == in_c
    plain = op.window.kernel == (1, 1) == op.window.stride and not any(op.window.pad) and op.groups == 1
    kernel = "depthwise" if depthwise else "pointwise" if plain and board.kernels != "armv7em" else "conv"
    counts[f"{kernel}.call"] += 1
    counts[f"{kernel}.row"] += len(_runs(units, out_w * out_c))
    for run in _runs(units, out_c):
        counts[f"{kernel}.pixel"] += 1
        out_row, out_col = divmod(run[0] // out_c, out_w)
        counts["seen.padded"] = _leaves(op.window, out_row, out_col, in_h, in_w)
        if depthwise:
            _depthwise(counts, board, op, run, len(run) < out_c, out_c == in_c)
            continue
        for _ in _runs(range(run[0], run[-1] + 1), out_c // op.groups):
            counts[f"{kernel}.window"] += kernel == "conv"
            counts[f"{kernel}.input"] += products
            if kernel == "conv":
                padded = counts["seen.padded"]
                counts["conv.padded"] += padded
                counts["conv.filled"] += padded * products
        if op.groups == 1:
            counts[f"{kernel}.partial"] += len(run) < out_c
        _dots(counts, kernel, board.kernels, range(run[0], run[-1] + 1), products, out_c // op.groups, in_pairs=False)
    if board.kernels == "armv7em" and not depthwise and op.groups == 1:
        passes = _passes(units, out_c)
        pairs = sum(len({unit % out_c // 2 for unit in one}) for one in passes)
        counts["conv.pair"] += pairs
        counts["conv.pair_word"] += pairs * -(-products // 4)
    del counts["seen.padded"]


def _passes(units: range, out_c: int) -> list[list[int]]:
    """Units that are computed together: of two whole pixels, or of one."""
    passes: list[list[int]] = []
    left = list(units)
    while left:
        whole = left[0] % out_c == 0 and len(left) >= 2 * out_c
        take = 2 * out_c if whole else min(len(left), out_c - left[0] % out_c)
        passes.append(left[:take])
        left = left[take:]
    return passes


def _leaves(window: f.Window, out_row: int, out_col: int, in_h: int, in_w: int) -> int:
    """1 where a window leaves the input."""
    top, left = out_row * window.stride[0] - window.pad[0], out_col * window.stride[1] - window.pad[1]
    extent = window.extent()
    return int(top < 0 or left < 0 or top + extent[0] > in_h or left + extent[1] > in_w)


def _depthwise(counts: Counter[str], board: Board, op: q.ConvI8, run: list[int], partial: bool, own: bool) -> None:
    taps = prod(op.window.kernel)
    counts["depthwise.output"] += len(run)
    if board.kernels == "msp430":
        counts["depthwise.mac"] += len(run) * taps
        return
    quads = len(run) // 4 if own else 0
    counts["depthwise.quad"] += quads
    counts["depthwise.quad_tap"] += quads * taps
    counts["depthwise.alone"] += len(run) - 4 * quads
    counts["depthwise.alone_tap"] += (len(run) - 4 * quads) * taps
    counts["depthwise.padded"] += counts["seen.padded"]


def _dots(
    counts: Counter[str],
    kernel: str,
    kernels: str,
    units: range,
    products: int,
    width: int = 1 << 30,
    *,
    in_pairs: bool = True,
) -> None:
    """Dot products, in groups of four from a multiple of 4 in their run, or in pairs."""
    counts[f"{kernel}.output"] += len(units)
    if kernels == "msp430":
        counts[f"{kernel}.mac"] += len(units) * products
        counts[f"{kernel}.loop"] += len(units) * -(-products // 8)
        return
    if kernels == "armv7em":
        pairs = len({unit // 2 for unit in units}) if in_pairs else 0
        counts[f"{kernel}.pair"] += pairs
        counts[f"{kernel}.pair_word"] += pairs * -(-products // 4)
        return
    quads = Counter((unit // width, unit % width // 4) for unit in units)
    shared = sum(n for n in quads.values() if n == 4)
    counts[f"{kernel}.alone"] += len(units) - shared
    counts[f"{kernel}.mac"] += len(units) * products
    counts[f"{kernel}.alone_mac"] += (len(units) - shared) * products


def _pool_over_conv(
    counts: Counter[str], graph: Graph, board: Board, op: q.ConvPoolI8, units: range, out: tuple[int, ...]
) -> None:
    """Every output of the convolution that the windows of these units hold; how they are cut into calls is left out."""
    taps, (_, _, out_c) = prod(op.pool.kernel), out
    pixels = _runs(units, out_c)
    counts["pool.call"] = 1
    counts["pool.pixel"] = len(pixels)
    counts["pool.output"] = len(units)
    counts["pool.byte"] = len(units) * taps
    in_c, weight = graph.types[op.inputs[0]].shape[2], graph.consts[op.inputs[1]].shape
    products, depthwise = prod(weight[1:]), op.groups > 1 and op.groups == in_c
    plain = op.window.kernel == (1, 1) == op.window.stride and not any(op.window.pad) and op.groups == 1
    kernel = "depthwise" if depthwise else "pointwise" if plain and board.kernels != "armv7em" else "conv"
    counts[f"{kernel}.pixel"] = len(pixels) * taps
    counts[f"{kernel}.output"] = len(units) * taps
    if board.kernels == "msp430":
        counts[f"{kernel}.mac"] = len(units) * taps * products
