"""Graph@QUANTIZED -> MemoryPlan: one arena for all values, each at a fixed offset.

Values that may share bytes are grouped (storage.py), the groups are packed (pack.py). All legal sharing is taken first;
if the packing then stays above the lower bound, single shares are changed or dropped while that helps.
Constants are not part of the arena, nor is the scratch memory of kernels (cost.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from freeml.ir.graph import Graph
from freeml.ir.ops import Reshape
from freeml.plan.pack import Block, Packed, Rect, pack
from freeml.plan.storage import Groups, Share, Storages, find_storages, group

SHARING_INTERVALS = 100_000  # excluded intervals looked at in all trials of other sharing; limits the time

_Choices = tuple[tuple[Share, ...], ...]


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Where every value lies.

    arena_bytes       size of the arena
    live_bound_bytes  bytes live at the fullest step under the best sharing: no plan for this order of ops needs fewer
    alignment_bytes   what the arena's address must be a multiple of
    in_place          whether ops may overwrite their operands
    offset_bytes      of every value
    shared            value -> the operand whose bytes it takes over: reshapes, and ops that run in place
    placed            value -> (concatenation, byte offset in it) that it is produced into: needs no copy
    """

    arena_bytes: int
    live_bound_bytes: int
    alignment_bytes: int
    in_place: bool
    offset_bytes: Mapping[str, int]
    shared: Mapping[str, str]
    placed: Mapping[str, tuple[str, int]]


def plan_memory(graph: Graph, *, in_place: bool = True, alignment: int = 1) -> MemoryPlan:
    """Offsets for all values of a graph, in the order of its ops.

    in_place   let ops overwrite operands that die; False where an op may be run again after a power loss
    alignment  of every value, in bytes; elements wider than it are aligned to their own size
    """
    storages = find_storages(graph, in_place=in_place, alignment=alignment)
    bound = storages.live_bound_bytes()
    choices = _improve_sharing(storages, bound)
    groups, shares = group(storages, choices)
    packing, bases = _pack_groups(storages, groups, bound, search=True)

    offsets = {}
    for index, storage in enumerate(storages.items):
        offsets.update(dict.fromkeys(storage.values, bases[index]))
    shared = {op.output: op.inputs[0] for op in graph.ops if isinstance(op, Reshape) and op.inputs[0] in graph.types}
    shared.update({share.guest_value: share.host_value for share in shares if share.is_takeover})
    placed = {s.guest_value: (s.host_value, s.offset_bytes) for s in shares if not s.is_takeover}
    return MemoryPlan(
        arena_bytes=packing.arena_bytes,
        live_bound_bytes=bound,
        alignment_bytes=max((storage.align_bytes for storage in storages.items), default=alignment),
        in_place=in_place,
        offset_bytes=MappingProxyType(offsets),
        shared=MappingProxyType(shared),
        placed=MappingProxyType(placed),
    )


def _pack_groups(storages: Storages, groups: Groups, bound: int, *, search: bool) -> tuple[Packed, list[int]]:
    """A packing of the groups and the offset of every storage."""
    blocks, lowest = [], []
    for members in groups.members.values():
        low = min(groups.offset_bytes[index] for index in members)
        rects = tuple(_rect(storages, groups, index, low) for index in members)
        blocks.append(Block(rects, max(storages.items[index].align_bytes for index in members)))
        lowest.append(low)
    packing = pack(blocks, bound_bytes=bound, search=search)
    offsets = [0] * len(storages.items)
    for members, low, base in zip(groups.members.values(), lowest, packing.base_bytes, strict=True):
        for index in members:
            offsets[index] = base + groups.offset_bytes[index] - low
    return packing, offsets


def _rect(storages: Storages, groups: Groups, index: int, low: int) -> Rect:
    storage = storages.items[index]
    return Rect(groups.offset_bytes[index] - low, storage.size_bytes, storage.first, storage.last)


def _improve_sharing(storages: Storages, bound: int) -> _Choices:
    """Choices in the order of preference. Sharing saves bytes but ties offsets; rarely, less of it packs lower."""
    best = storages.choices
    lowest = _try_sharing(storages, best, bound)
    looked_at, improved = 0, True
    while improved:
        improved = False
        for candidate in _variations(best):
            if lowest.arena_bytes <= bound or looked_at > SHARING_INTERVALS:
                return best
            packing = _try_sharing(storages, candidate, bound)
            looked_at += packing.looked_at
            if packing.arena_bytes < lowest.arena_bytes:
                best, lowest, improved = candidate, packing, True
                break
    return best


def _try_sharing(storages: Storages, choices: _Choices, bound: int) -> Packed:
    return _pack_groups(storages, group(storages, choices)[0], bound, search=False)[0]


def _variations(choices: _Choices) -> Iterator[_Choices]:
    """One choice with another preference, or not shared at all."""
    for index, alternatives in enumerate(choices):
        changed: Sequence[tuple[Share, ...]] = [(*alternatives[1:], alternatives[0])] if len(alternatives) > 1 else []
        for other in (*changed, ()):
            if other != alternatives:
                yield (*choices[:index], other, *choices[index + 1 :])
