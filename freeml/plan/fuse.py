"""Graph@QUANTIZED -> the same function with convolutions and max pools joined where the board gains by it.

A convolution before a pool writes its output to NVM, and the pool reads it again; joined (ConvPoolI8), that value never
exists: fewer bytes written, a smaller arena, fewer commits. Every output of the convolution must be computed once, so
windows may not overlap, and nobody else may read it. The price is a smallest tile of a whole window, and a row of
scratch memory. So each pair is planned both ways on the board with its capacitor: it is joined where an inference takes
less charge and every step still fits; without an energy model, where fewer bytes are written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from freeml.board.board import Board
from freeml.errors import DoesNotFit
from freeml.ir.decision import lasting
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8, MaxPoolI8
from freeml.ir.ops import Reshape
from freeml.plan.cost import scratch_bytes
from freeml.plan.memory import plan_memory
from freeml.plan.progress import inference_cost
from freeml.plan.tiles import LayerTiles, TilePlan, plan_tiles, sram_of_tiles
from freeml.plan.windows import Windows, whole_windows

_MOST_SCRATCH_BYTES = 65_535


def fuse(graph: Graph, board: Board, capacitor_uf: float | None = None, *, windows: Windows | None = None) -> Graph:
    """The graph with every pair joined that pays, first pairs first; the graph itself where none does.

    capacitor_uf  in place of the board's
    windows       of inputs and outputs: what they leave of SRAM is for tiles; room for all of them where None
    Where the given graph makes progress, what is returned does, for this order of ops.
    """
    windows = windows or whole_windows(graph)
    pairs = list(fusible(graph))
    price = _price(graph, board, capacitor_uf, windows) if pairs else None
    for conv, pool in pairs:
        joined = fused(graph, conv, pool)
        after = _price(joined, board, capacitor_uf, windows)
        if after is not None and (price is None or after < price):
            graph, price = joined, after
    return graph


def fusible(graph: Graph) -> Iterator[tuple[ConvI8, MaxPoolI8]]:
    """Pairs that one kernel can compute."""
    for pool in graph.ops_of(MaxPoolI8):
        conv = graph.producers.get(pool.inputs[0])
        if not isinstance(conv, ConvI8) or graph.uses[conv.output] != 1 or conv.output in lasting(graph):
            continue
        window = pool.window
        apart = all(stride >= k for stride, k in zip(window.stride, window.kernel, strict=True))
        if not apart or window.dilation != (1, 1):
            continue
        joined = fused(graph, conv, pool)
        op = joined.producers[pool.output]
        if scratch_bytes(op, joined) <= _MOST_SCRATCH_BYTES:
            yield conv, pool


def fused(graph: Graph, conv: ConvI8, pool: MaxPoolI8) -> Graph:
    """The graph with one op in place of both, where the pool was."""
    kept = {f.name: getattr(conv, f.name) for f in fields(ConvI8)}
    kept |= {
        "output": pool.output,
        "loc": f"{conv.loc} + {pool.loc.split(':', 1)[-1]}",
        "lo": min(max(conv.lo, pool.lo), pool.hi),
        "hi": min(max(conv.hi, pool.lo), pool.hi),
    }
    joined = ConvPoolI8(**kept, pool=pool.window)
    return graph.with_ops(joined if op is pool else op for op in graph.ops if op is not conv)


def _price(graph: Graph, board: Board, capacitor_uf: float | None, windows: Windows) -> float | None:
    """Charge of all layers in pC, without an energy model the bytes written; None where it does not fit."""
    if all(isinstance(op, Reshape) for op in graph.ops):
        return None
    plan = plan_memory(graph, in_place=False)
    try:
        sram = sram_of_tiles(graph, board, windows)
        tiles = plan_tiles(graph, plan, board, capacitor_uf, sram_tile_bytes=sram)
    except DoesNotFit:
        return None
    if tiles.budget is None:
        return float(tiles.written_bytes)
    if inference_cost(tiles) is None:
        return None
    return sum(_charge_pc(layer, tiles) for layer in tiles.layers)


def _charge_pc(layer: LayerTiles, plan: TilePlan) -> float:
    """Of all tiles of a layer, the last one in proportion to its units."""
    assert layer.cost is not None
    assert plan.restore is not None
    return (layer.cost - plan.restore).charge_pc * layer.parts * layer.n_units / layer.tile_units
