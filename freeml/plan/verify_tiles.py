"""The verifier of tile plans: replays every tile against the memory plan, byte by byte.

It shares with the planner where the tiles of a layer begin (LayerTiles.tiles), and nothing else of its code. What a
range of units reads, for rule 4, it derives itself (verify_reads.py); what kernels touch is found by taking memory away
from them (tests/kernels/test_spans.py).

A tile may be run any number of times, by itself or after a part of itself, if it reads nothing that it writes; and the
inference is right if each tile reads only values that are complete. Three rules say so:

1. Tiles of an op write exactly the bytes of its output, each once, in its place in the arena; parts of an output sum up
   each product once, in order.
2. What an op writes is disjoint from everything that it reads, and from every value that is read later.
3. Every value is complete when it is first read, and untouched until it is last read.

4. Where inputs are copied to SRAM first, what each tile reads fits beside what it writes.

Rules 2 and 3 are checked on an arena in which each byte has the label of the value and the byte that it holds.
A violation is a bug of freeml, so it raises `InvalidTilesError` (an AssertionError), not an error for users.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from freeml.ir.decision import decide, is_of_sums
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, ConvPoolI8, DenseI8, ExitHead, SoftmaxI8
from freeml.ir.ops import Concat, Op, Reshape
from freeml.ir.types import TensorType
from freeml.plan.memory import MemoryPlan
from freeml.plan.steps import LayerTiles, TilePlan
from freeml.plan.verify_reads import copied_bytes

_Labels = npt.NDArray[np.int64]


class InvalidTilesError(AssertionError):
    """The tile plan breaks a rule: a bug in the planner, or a plan of another graph or memory plan."""


def verify_tiles(graph: Graph, memory_plan: MemoryPlan, plan: TilePlan) -> TilePlan:
    """Check a tile plan against graph and memory plan and return it. Raises InvalidTilesError naming op and rule."""
    _rule(not memory_plan.in_place, "memory plan", "ops may overwrite their operands, so tiles cannot be repeated")
    arena = _Arena(graph, memory_plan)
    for port in graph.inputs:
        arena.define(port.value)
    remaining = list(plan.layers)
    table = [("CAPTURE", 1, 1)]
    step = depth = 1
    for op in graph.ops:
        where = f"%{op.output} ({type(op).__name__}, {op.loc})"
        if isinstance(op, Reshape) and op.inputs[0] in graph.types:
            arena.rename(op.output, op.inputs[0], where)
            continue
        own: list[LayerTiles] = []
        while remaining and remaining[0].value == op.output:
            own.append(remaining.pop(0))
            _rule(own[-1].first_tile == step, where, f"its tiles begin at step {own[-1].first_tile}, not {step}")
            step += own[-1].n_tiles
            table.append(("TILES", own[-1].n_tiles, depth))
        reads = [name for name in dict.fromkeys(op.inputs) if name in graph.types]
        for name in reads:
            arena.check(name, where)
        for layer in own:
            _check_shape(graph, memory_plan, op, layer, where)
            _check_stage(graph, op, layer, plan.is_staged, where)
        _check_writes(graph, memory_plan, op, own, reads, where)
        arena.produce(op, where)
        if any(made.value == op.output for made in graph.exits):
            arena.check(op.output, f"the class of exit {depth}")
            table.append(("DECIDE", 1, depth))
            step, depth = step + 1, depth + 1
    _rule(not remaining, "plan", f"tiles of %{remaining[0].value if remaining else ''} belong to no op in this order")
    end = "DECIDE" if is_of_sums(graph, decide(graph)) else "PUBLISH"
    table += [(end, 1, depth), ("REPORT", 1, depth), *[("REPORT", 1, 0)] * (depth > 1)]
    _check_table(plan, table)
    for port in graph.outputs:
        arena.check(port.value, f"output {port.name!r}")
    if (decision := decide(graph)) is not None:
        arena.check(decision.value, "the published class")
    _check_totals(graph, plan)
    return plan


class _Arena:
    """Which byte of which value each byte of the arena holds."""

    def __init__(self, graph: Graph, plan: MemoryPlan) -> None:
        self._graph, self._plan = graph, plan
        self._bytes: _Labels = np.full(plan.arena_bytes, -1, dtype=np.int64)
        self._labels: dict[str, _Labels] = {}
        self._next = 0

    def _span(self, value: str) -> slice:
        at = self._plan.offset_bytes[value]
        return slice(at, at + self._graph.types[value].size_bytes)

    def define(self, value: str) -> None:
        """Complete: each byte gets a label of its own."""
        size = self._graph.types[value].size_bytes
        self._labels[value] = np.arange(self._next, self._next + size, dtype=np.int64)
        self._next += size
        self._bytes[self._span(value)] = self._labels[value]

    def rename(self, value: str, operand: str, where: str) -> None:
        self.check(operand, where)
        self._labels[value] = self._labels[operand]

    def check(self, value: str, where: str) -> None:
        _rule(value in self._labels, where, f"it reads %{value} before that is computed")
        wrong = int((self._bytes[self._span(value)] != self._labels[value]).sum())
        _rule(wrong == 0, where, f"{wrong} bytes of %{value} are overwritten or not yet written when it is read")

    def produce(self, op: Op, where: str) -> None:
        """A concatenation has the labels of its parts, row by row; anything else new ones."""
        if not isinstance(op, Concat):
            self.define(op.output)
            return
        rows = prod(self._graph.types[op.output].shape[: op.axis])
        joined = np.concatenate([self._labels[name].reshape(rows, -1) for name in op.inputs], axis=1).reshape(-1)
        _rule(joined.size == self._graph.types[op.output].size_bytes, where, "its parts do not make up its output")
        self._labels[op.output] = joined
        self._bytes[self._span(op.output)] = joined


def _rule(holds: bool, where: str, message: str) -> None:
    if not holds:
        raise InvalidTilesError(f"{where}: {message}")


def _check_shape(graph: Graph, memory_plan: MemoryPlan, op: Op, layer: LayerTiles, where: str) -> None:
    """Units are those of the kernel, lie where the kernel writes, and are cut in a way it can compute."""
    out, at = graph.types[op.output], memory_plan.offset_bytes[op.output]
    unit, stride, operand = out.dtype.size_bytes, out.dtype.size_bytes, 0
    if isinstance(op, SoftmaxI8):
        unit = stride = out.shape[-1]
    if isinstance(op, Concat):
        _rule(0 <= layer.operand < len(op.inputs), where, f"it has no operand {layer.operand} to copy")
        rows = _row_bytes(graph, op)
        operand, unit = layer.operand, rows[layer.operand]
        stride = prod(out.shape[op.axis :]) * out.dtype.size_bytes
        at += sum(rows[: layer.operand])
    if isinstance(op, ConvI8 | ConvPoolI8) and layer.unit_stride_bytes > unit:
        operand, stride = layer.operand, out.shape[-1]
        unit, at = _slice_of(out, at, layer, graph.slices.get(op.output), where)
    _rule(layer.operand == operand, where, f"it has no operand {layer.operand} to copy")
    found = (layer.unit_bytes, layer.unit_stride_bytes, layer.offset_bytes)
    _rule(found == (unit, stride, at), where, f"units (bytes, stride, offset) {found}, not {(unit, stride, at)}")
    products = prod(graph.type_of(op.inputs[1]).shape[1:]) if isinstance(op, ConvI8 | ConvPoolI8 | DenseI8) else 0
    if isinstance(op, ExitHead):
        products = graph.types[op.inputs[0]].n_elems
        _rule(layer.parts == 1, where, "parts, for which a head has no kernel")
    if isinstance(op, ConvPoolI8):
        products *= prod(op.pool.kernel)
        _rule(layer.parts == 1, where, "parts, for which a pooled convolution has no kernel")
    _rule(layer.macs == products, where, f"a unit of {layer.macs} products, not {products}")
    _rule(layer.tile_units >= 1 and layer.parts >= 1, where, "tiles without work")
    _rule(layer.parts == 1 or layer.tile_units == 1, where, "parts of a tile of several units")
    depthwise = isinstance(op, ConvI8) and 1 < op.groups == graph.types[op.inputs[0]].shape[2]
    _rule(layer.parts == 1 or not depthwise, where, "parts, for which a depthwise convolution has no kernel")
    fits = layer.part_macs >= 1 and layer.parts <= 65_535
    _rule(layer.parts == 1 or fits, where, f"{layer.parts} parts of {layer.part_macs} products")


def _slice_of(out: TensorType, at: int, layer: LayerTiles, step: int | None, where: str) -> tuple[int, int]:
    """Channels of a call for some of them, and where its units begin: each is a run of channels within its pixel, of
    slices the run that the number of the call says."""
    if step is not None:
        return min(step, out.shape[-1] - layer.operand * step), at + layer.operand * step
    low = layer.offset_bytes - at
    inside = low >= 0 and layer.unit_bytes >= 1 and low + layer.unit_bytes <= out.shape[-1]
    _rule(inside, where, f"channels {low} to {low + layer.unit_bytes} of {out.shape[-1]}")
    return layer.unit_bytes, layer.offset_bytes


def _check_stage(graph: Graph, op: Op, layer: LayerTiles, is_staged: bool, where: str) -> None:
    """The copies of what a tile reads, each rounded up to 4 bytes, fit the room that the layer has for them."""
    if not is_staged:
        _rule(layer.stage_bytes == 0, where, f"{layer.stage_bytes} bytes for inputs that nobody copies")
        return
    for tile in layer.tiles():
        needed = sum(-(-n_bytes // 4) * 4 for n_bytes in copied_bytes(graph, op, layer, tile))
        room = f"{layer.stage_bytes} bytes for inputs of a tile that takes {needed}"
        _rule(needed <= layer.stage_bytes, where, room)


def _check_writes(
    graph: Graph, memory_plan: MemoryPlan, op: Op, layers: list[LayerTiles], reads: list[str], where: str
) -> None:
    """The tiles of one op write its output, all of it, and nothing that they read."""
    writes = _writes(layers, memory_plan.arena_bytes, where)
    placed = _placed(graph, memory_plan, op, layers, where)
    _check_cover(graph, memory_plan, op, writes, placed, where)
    for name in reads:
        at = memory_plan.offset_bytes[name]
        hit = int(writes[at : at + graph.types[name].size_bytes].sum())
        _rule(hit == 0, where, f"its tiles write {hit} bytes of %{name}, which they read")


def _writes(layers: list[LayerTiles], arena_bytes: int, where: str) -> npt.NDArray[np.int64]:
    """How often each byte of the arena is written by the tiles of one op; partial sums lie outside the arena."""
    counts = np.zeros(arena_bytes, dtype=np.int64)
    for layer in layers:
        for first, n in _unit_ranges(layer, where):
            units = layer.offset_bytes + np.arange(first, first + n, dtype=np.int64) * layer.unit_stride_bytes
            touched = (units[:, None] + np.arange(layer.unit_bytes)).reshape(-1)
            inside = touched.size == 0 or (touched.min() >= 0 and touched.max() < arena_bytes)
            _rule(bool(inside), where, "a tile writes outside the arena")
            counts[touched] += 1
    return counts


def _unit_ranges(layer: LayerTiles, where: str) -> Iterator[tuple[int, int]]:
    """Units that tiles complete, in order; of a dot product in parts, once all its products are summed."""
    if layer.parts == 1:
        for tile in layer.tiles():
            _rule(tile.n >= 1, where, f"tile {layer.first_tile + tile.first // layer.tile_units} has no units")
            yield tile.first, tile.n
        return
    _rule(layer.n_tiles % layer.parts == 0, where, "an output with some of its parts missing")
    summed, unit = 0, 0
    for tile in layer.tiles():
        in_order = (tile.first, tile.n, tile.mac_first) == (unit, 1, summed) and tile.mac_n >= 1
        _rule(in_order, where, f"part {tile.part} of unit {tile.first} does not follow the part before it")
        summed += tile.mac_n
        if tile.is_last_part:
            _rule(summed == layer.macs, where, f"{summed} of {layer.macs} products are summed")
            yield unit, 1
            summed, unit = 0, unit + 1


def _row_bytes(graph: Graph, op: Concat) -> list[int]:
    """Of each operand, the bytes that lie together in the output."""
    types = [graph.types[name] for name in op.inputs]
    return [prod(type_.shape[op.axis :]) * type_.dtype.size_bytes for type_ in types]


def _placed(graph: Graph, memory_plan: MemoryPlan, op: Op, layers: list[LayerTiles], where: str) -> list[int]:
    """Operands of a Concat that its tiles do not copy: these must lie where the copy would put them."""
    if not isinstance(op, Concat):
        return []
    copied = [layer.operand for layer in layers]
    _rule(len(set(copied)) == len(copied), where, "an operand is copied twice")
    placed = [k for k in range(len(op.inputs)) if k not in copied]
    rows = _row_bytes(graph, op)
    outermost = prod(graph.types[op.output].shape[: op.axis]) == 1
    for k in placed:
        there = memory_plan.offset_bytes[op.output] + sum(rows[:k])
        lies = outermost and memory_plan.offset_bytes[op.inputs[k]] == there
        _rule(lies, where, f"%{op.inputs[k]} is neither copied nor in its place")
    return placed


def _check_cover(
    graph: Graph,
    memory_plan: MemoryPlan,
    op: Op,
    writes: npt.NDArray[np.int64],
    placed: list[int],
    where: str,
) -> None:
    """Every byte of the output once, and nothing else; parts in their place not at all."""
    wanted = np.zeros_like(writes)
    at = memory_plan.offset_bytes[op.output]
    wanted[at : at + graph.types[op.output].size_bytes] = 1
    for k in placed:
        low = memory_plan.offset_bytes[op.inputs[k]]
        wanted[low : low + graph.types[op.inputs[k]].size_bytes] = 0
    missing, extra = int((writes < wanted).sum()), int((writes > wanted).sum())
    _rule(missing == 0, where, f"{missing} bytes of its output are written by no tile")
    _rule(extra == 0, where, f"{extra} bytes are written twice, or are not its own")


def _check_table(plan: TilePlan, wanted: list[tuple[str, int, int]]) -> None:
    """What the runtime is told that its steps do: kind, number and depth of each row, and where a decision leads that
    stops: to the last report, of the last decision to the one right behind it.
    """
    step, rows = 0, plan.steps.rows
    found = [(row.kind.name, row.first, row.n, row.depth) for row in rows]
    for name, n, depth in wanted:
        _rule(found[:1] == [(name, step, n, depth)], "table of steps", f"step {step} is not the first of {n} {name}")
        found.pop(0)
        step += n
    _rule(not found, "table of steps", f"rows behind the report: {found}")
    for row, behind in pairwise(rows):
        stop = 0 if row.kind.name != "DECIDE" else row.first + 1 if behind.kind.name == "REPORT" else step - 1
        _rule(row.stop == stop, "table of steps", f"step {row.first} stops at {row.stop}, not {stop}")


def _check_totals(graph: Graph, plan: TilePlan) -> None:
    """What the runtime is told about all tiles together."""
    for layer in plan.layers:
        where = f"%{layer.value} ({layer.loc})"
        _rule(layer.tile_units * layer.unit_bytes <= plan.tile_buffer_bytes, where, "its tiles do not fit the buffer")
        _rule(layer.stage_bytes <= plan.stage_bytes, where, "its inputs do not fit the staging buffer")
        _rule(layer.parts == 1 or plan.partial_bytes >= 8, where, "no room for two slots of partial sums")
        _rule(layer.parts == 1 or plan.tile_buffer_bytes >= 4, where, "a partial sum does not fit the buffer")
    inputs = sum(graph.types[port.value].size_bytes for port in graph.inputs)
    captured = plan.fixed[0].written_bytes
    _rule(captured == inputs, "capture", f"{captured} bytes of {inputs}")
    _rule(plan.commit_slots in (1, 2), "plan", f"{plan.commit_slots} commit slots")
    longest = 2**15 if plan.commit_slots == 1 else 2**29
    n_steps = plan.steps.n_steps
    _rule(n_steps <= longest, "plan", f"{n_steps} steps are more than a commit record can number")
    _rule(plan.commit_bytes == (2 if plan.commit_slots == 1 else 8), "plan", f"a commit of {plan.commit_bytes} bytes")
