"""A second opinion on the cost of a tile: walks over its output bytes one by one, and prices what it meets.

Written from fml_kernels.h and the board file alone; shares no code with freeml.plan.energy_work. Here a tile's true
position counts: the planner's worst case over all positions must never be below it.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from freeml.board import Board
from freeml.ir import int_ops as q
from freeml.ir import ops as f
from freeml.ir.graph import Graph
from freeml.plan.tiles import LayerTiles, Tile, TilePlan


def usable_pc(board: Board, capacitance_uf: float, time_us: float) -> float:
    """Charge for one boot, from first principles: C dU, less the margin, less leakage."""
    c = board.capacitor
    assert c is not None
    coulombs = capacitance_uf * 1e-6 * (c.v_on_mv.value - c.v_off_mv.value) * 1e-3 * (1 - c.margin.value)
    leaked = c.leakage_na_per_uf.value * 1e-9 * capacitance_uf * time_us * 1e-6
    return (coulombs - leaked) * 1e12


def tile_cost(graph: Graph, board: Board, plan: TilePlan, layer: LayerTiles, tile: Tile) -> tuple[float, float]:
    """(charge in pC, time in us) of one tile in a boot of its own."""
    cycles, energy = board.cycles, board.energy
    assert cycles is not None
    assert energy is not None
    assert board.clock_hz is not None
    op = next(op for op in graph.ops if op.output == layer.value)
    spent, value_bytes, const_bytes = _compute(graph, board, op, layer, tile)
    written = 4 if layer.parts > 1 else tile.n * layer.unit_bytes
    rows = tile.n if layer.unit_bytes != layer.unit_stride_bytes else 1
    spent += cycles.boot.value + cycles.tile.value + (written + plan.commit_bytes) * cycles.nvm_write_byte.value
    charge = (written + plan.commit_bytes) * energy.nvm_write_byte_pc.value
    charge += const_bytes * energy.const_read_byte_pc.value
    if board.nvm.kind == "spi_fram":
        transfers = rows + 2  # at the least: rows, the commit, one input
        charge += transfers * energy.nvm_command_pc.value
        spent += transfers * cycles.nvm_command.value
    else:
        spent += (value_bytes + const_bytes) * cycles.nvm_read_byte.value
        charge += value_bytes * energy.nvm_read_byte_pc.value
    charge = (charge + spent * energy.cycle_pc.value + energy.boot_nc.value * 1e3) * energy.calibration.value
    return charge, energy.boot_us.value + spent / board.clock_hz.value * 1e6


def _compute(graph: Graph, board: Board, op: f.Op, layer: LayerTiles, tile: Tile) -> tuple[float, int, int]:
    """Cycles of the kernel, bytes of values and of constants read where NVM is memory-mapped."""
    c = board.cycles
    assert c is not None
    units = range(tile.first, tile.first + tile.n)
    out = graph.types[op.output]
    x = graph.type_of(op.inputs[layer.operand])
    if layer.parts > 1:
        price = c.mac.value if isinstance(op, q.DenseI8) else c.depthwise_mac.value
        window = c.window.value + c.located.value if isinstance(op, q.ConvI8) else 0.0
        last = c.output.value if tile.is_last_part else 0.0
        return tile.mac_n * price + window + last, tile.mac_n, tile.mac_n
    if isinstance(op, q.ConvI8 | q.ConvPoolI8):
        weight = graph.consts[op.inputs[1]].shape
        products, channels = prod(weight[1:]), out.shape[2]
        outputs = prod(op.pool.kernel) if isinstance(op, q.ConvPoolI8) else 1  # of the convolution, for each unit
        depthwise = op.groups > 1 and op.groups == x.shape[2]
        pointwise = op.window.kernel == (1, 1) == op.window.stride and not any(op.window.pad) and op.groups == 1
        per_group = channels // (1 if depthwise else op.groups)
        windows = len({unit // per_group for unit in units}) * outputs
        gathered = 0 if depthwise or pointwise else windows * products
        macs = len(units) * products * outputs
        spent = macs * c.depthwise_mac.value if depthwise else 0.0
        if not depthwise:
            shared = _in_quads(units, per_group) * outputs * products
            spent += shared * c.shared_mac.value + (macs - shared) * c.mac.value
        spent += len(units) * outputs * c.output.value + windows * c.window.value + gathered * c.gathered_byte.value
        spent += c.located.value
        if isinstance(op, q.ConvPoolI8):
            spent += windows * c.pool_tap.value + len(units) * outputs * c.pool_byte.value
        return spent, gathered or macs, macs
    if isinstance(op, q.DenseI8):
        macs = len(units) * x.n_elems
        shared = _in_quads(units, out.n_elems) * x.n_elems
        return shared * c.shared_mac.value + (macs - shared) * c.mac.value + len(units) * c.output.value, macs, macs
    if isinstance(op, q.MaxPoolI8 | q.AvgPoolI8):
        windows, taps = len({unit // x.shape[2] for unit in units}), prod(op.window.kernel)
        average = isinstance(op, q.AvgPoolI8)
        tap = c.averaged_byte.value if average else c.pool_byte.value
        spent = windows * (c.window.value + taps * c.pool_tap.value) + len(units) * taps * tap
        spent += c.located.value + (len(units) * c.output.value if average else 0)
        return spent, len(units) * taps, 0
    elems = tile.n * layer.unit_bytes
    simple = {
        q.AddI8: c.added,
        q.MulI8: c.multiplied,
        q.LutI8: c.looked_up,
        q.SoftmaxI8: c.softmaxed,
        q.PadI8: c.padded,
        f.Transpose: c.transposed,
    }
    if type(op) in simple:
        located = 0 if isinstance(op, q.LutI8 | q.SoftmaxI8) else c.located.value
        return elems * simple[type(op)].value + located, 0, 0
    if isinstance(op, f.ArgMax):
        return tile.n * x.shape[-1] * c.compared.value, tile.n * x.shape[-1], 0
    assert isinstance(op, f.Concat)
    return tile.n * c.copied_row.value + elems * c.copied_byte.value, elems, 0


def _in_quads(units: range, width: int) -> int:
    """How many units belong to four of a run of `width`, from a multiple of 4 on, that are all of this tile."""
    quads = Counter((unit // width, unit % width // 4) for unit in units)
    return sum(n for n in quads.values() if n == 4)
