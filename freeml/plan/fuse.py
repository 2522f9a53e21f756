"""Graph@QUANTIZED -> the same function with convolutions and max pools joined where the board gains by it.

A convolution before a pool writes its output to NVM, and the pool reads it again; joined (ConvPoolI8), that value never
exists: fewer bytes written, a smaller arena, fewer commits. Every output of the convolution must be computed once, so
windows may not overlap, and nobody else may read it. The price is a smallest tile of a whole window, and a row of
scratch memory. So each pair is planned both ways on the board with its capacitor: it is joined where an inference takes
less charge and every step still fits; without an energy model, where fewer bytes are written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields

from freeml.ir.decision import lasting
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8, MaxPoolI8
from freeml.kernels.variants import VARIANTS
from freeml.plan.counts import scratch_bytes

_MOST_SCRATCH_BYTES = 65_535


def fuse(graph: Graph, price: Callable[[Graph], float | None]) -> Graph:
    """The graph with every pair joined that pays, first pairs first; the graph itself where none does.

    price  what a graph takes, as a plan of it says (planner.py); None where it does not fit
    Where the given graph makes progress, what is returned does, for this order of ops.
    """
    pairs = list(fusible(graph))
    best = price(graph) if pairs else None
    for conv, pool in pairs:
        joined = fused(graph, conv, pool)
        after = price(joined)
        if after is not None and (best is None or after < best):
            graph, best = joined, after
    return graph


def fusible(graph: Graph) -> Iterator[tuple[ConvI8, MaxPoolI8]]:
    """Pairs that one kernel of every variant can compute."""
    for pool in graph.ops_of(MaxPoolI8):
        conv = graph.producers.get(pool.inputs[0])
        if not isinstance(conv, ConvI8) or graph.uses[conv.output] != 1 or conv.output in lasting(graph):
            continue
        if any(graph.consts[name].encoding is not None for name in conv.inputs[1:]):
            continue  # decoding serves all pixels of a tile, and those of a pooled one are few
        window = pool.window
        apart = all(stride >= k for stride, k in zip(window.stride, window.kernel, strict=True))
        if not apart or window.dilation != (1, 1):
            continue
        joined = fused(graph, conv, pool)
        op = joined.producers[pool.output]
        if max(scratch_bytes(op, joined, variant) for variant in VARIANTS) <= _MOST_SCRATCH_BYTES:
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
