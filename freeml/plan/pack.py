"""Give every block of memory a base address so that the arena is small: offset packing of blocks with fixed times.

A block is a rigid set of rectangles (bytes x steps). Two blocks that have rectangles at the same step exclude open
intervals of the difference of their bases; these are computed once, after which placing a block merges intervals.

Greedy first fit in several orders, then, while the arena is above the lower bound, an exact search for few blocks or,
for many, a search over orders in which the block that did not fit moves forward ("squeaky wheel optimization", Joslin
and Clements, 1999). All limits count work, not time: the same input gives the same bytes on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

EXACT_BLOCKS = 10  # up to here the search looks at every placement in which no block can move down
EXACT_STATES = 20_000
SEARCH_INTERVALS = 400_000  # excluded intervals looked at in the search over orders
RESTART_TRIES = 60

_Conflicts = list[list[tuple[int, tuple[tuple[int, int], ...]]]]


@dataclass(frozen=True, slots=True)
class Rect:
    """Bytes [offset, offset + size) of a block from step `first` to step `last`, both included."""

    offset_bytes: int
    size_bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Block:
    """Rectangles that move together; the lowest offset is 0."""

    rects: tuple[Rect, ...]
    align_bytes: int

    @property
    def height_bytes(self) -> int:
        """From the base to the highest byte used at any step."""
        return max(r.offset_bytes + r.size_bytes for r in self.rects)

    @property
    def steps(self) -> tuple[int, int]:
        """First and last step."""
        return min(r.first for r in self.rects), max(r.last for r in self.rects)


@dataclass(frozen=True, slots=True)
class Packed:
    """Base of each block, the end of the highest, and how many excluded intervals the search looked at."""

    base_bytes: tuple[int, ...]
    arena_bytes: int
    looked_at: int


def pack(blocks: Sequence[Block], *, bound_bytes: int, search: bool = True) -> Packed:
    """A packing of the blocks, as low as the search gets; `bound_bytes` is a known lower bound at which it stops."""
    packer = _Packer(blocks)
    for order in _orders(blocks):
        packer.first_fit(order)
        if packer.arena_bytes <= bound_bytes:
            break
    if search and packer.arena_bytes > bound_bytes:
        if len(blocks) <= EXACT_BLOCKS:
            packer.search_exactly(bound_bytes)
        else:
            packer.search_orders(bound_bytes)
    return Packed(tuple(packer.best), packer.arena_bytes, packer.looked_at)


def _orders(blocks: Sequence[Block]) -> Iterator[list[int]]:
    """Orders worth trying first."""
    crowd = _crowd_bytes(blocks)
    heights = [block.height_bytes for block in blocks]
    areas = [sum(r.size_bytes * (r.last - r.first + 1) for r in block.rects) for block in blocks]
    steps = [block.steps for block in blocks]
    keys: tuple[Callable[[int], tuple[int, ...]], ...] = (
        lambda i: (-heights[i], steps[i][0]),  # what TFLM does
        lambda i: (-crowd[i], -heights[i]),  # fullest steps first
        lambda i: (-areas[i],),
        lambda i: (steps[i][0], -heights[i]),
        lambda i: (-steps[i][1], -heights[i]),
        lambda i: (steps[i][0] - steps[i][1], -heights[i]),
    )
    for key in keys:
        yield sorted(range(len(blocks)), key=lambda i: (key(i), i))


def _crowd_bytes(blocks: Sequence[Block]) -> list[int]:
    """For each block the sum of all sizes at the fullest step of its life."""
    if not blocks:
        return []
    start = min(block.steps[0] for block in blocks)
    live = [0] * (max(block.steps[1] for block in blocks) - start + 1)
    for block in blocks:
        for rect in block.rects:
            for step in range(rect.first, rect.last + 1):
                live[step - start] += rect.size_bytes
    return [max(live[block.steps[0] - start : block.steps[1] - start + 1]) for block in blocks]


class _Packer:
    def __init__(self, blocks: Sequence[Block]) -> None:
        self._heights = [block.height_bytes for block in blocks]
        self._aligns = [block.align_bytes for block in blocks]
        self._conflicts = _find_conflicts(blocks)
        self.best: list[int] = [0] * len(blocks)
        self.arena_bytes = sum(self._heights) + sum(self._aligns) + 1  # above anything that first fit gives
        self._order = list(range(len(blocks)))
        self.looked_at = 0

    def first_fit(self, order: Sequence[int]) -> int | None:
        """Place blocks in order, each as low as it goes, and keep the result if it is better than the best.

        Returns the position in the order of the first block that makes it no better; None for a success.
        """
        base = [-1] * len(order)
        for position, block in enumerate(order):
            x = self._lowest(block, base)
            if x + self._heights[block] >= self.arena_bytes:
                return position
            base[block] = x
        self.arena_bytes = max((x + h for x, h in zip(base, self._heights, strict=True)), default=0)
        self.best, self._order = base, list(order)
        return None

    def search_orders(self, bound_bytes: int) -> None:
        """Aim one byte lower: the block that does not fit goes forward; now and then begin anew from the best."""
        rng = random.Random(0)
        n = len(self._order)
        order, tries, limit = list(self._order), 0, self.looked_at + SEARCH_INTERVALS
        while self.looked_at < limit and self.arena_bytes > bound_bytes:
            failed = self.first_fit(order)
            tries += 1
            if failed is None:
                tries = 0
            elif failed == 0 or tries > RESTART_TRIES:
                order, tries = list(self._order), 0
                i, j = rng.randrange(n), rng.randrange(n)
                order[i], order[j] = order[j], order[i]
            else:
                order.insert(rng.randrange(failed), order.pop(failed))

    def search_exactly(self, bound_bytes: int) -> None:
        """Depth first over all placements in which every block lies at 0 or on top of a block placed before.

        In a lowest packing no block can move down, so each lies at 0 or where an interval excluded by another ends, and
        sorting blocks by what they lie on gives an order of this kind. First fit alone would miss interlocked blocks.
        """
        base = [-1] * len(self._heights)
        seen: set[tuple[int, ...]] = set()

        def extend(n_left: int, top: int) -> bool:
            """Whether the search is over: bound reached or limit hit."""
            if n_left == 0:
                self.arena_bytes, self.best = top, list(base)
                return top <= bound_bytes
            state = tuple(base)
            if state in seen:
                return False
            seen.add(state)
            if len(seen) > EXACT_STATES:
                return True
            for block, height in enumerate(self._heights):
                if base[block] >= 0:
                    continue
                for x in self._candidates(block, base):
                    if x + height >= self.arena_bytes:
                        break
                    base[block] = x
                    if extend(n_left - 1, max(top, x + height)):
                        return True
                    base[block] = -1
            return False

        extend(len(base), 0)

    def _excluded(self, block: int, base: Sequence[int]) -> list[tuple[int, int]]:
        spans = []
        for other, intervals in self._conflicts[block]:
            at = base[other]
            if at >= 0:
                spans += [(at + low, at + high) for low, high in intervals]
        spans.sort()
        self.looked_at += len(spans) + 1
        return spans

    def _lowest(self, block: int, base: Sequence[int]) -> int:
        x, align = 0, self._aligns[block]
        for low, high in self._excluded(block, base):
            if low >= x:
                break
            if high > x:
                x = -(-high // align) * align
        return x

    def _candidates(self, block: int, base: Sequence[int]) -> list[int]:
        spans, align = self._excluded(block, base), self._aligns[block]
        ends = {0, *(-(-high // align) * align for _, high in spans if high > 0)}
        return sorted(x for x in ends if not any(low < x < high for low, high in spans))


def _find_conflicts(blocks: Sequence[Block]) -> _Conflicts:
    """For each block its neighbours in time, with the open intervals that base - base(neighbour) must not lie in."""
    rects = sorted(
        ((rect, index) for index, block in enumerate(blocks) for rect in block.rects),
        key=lambda item: (item[0].first, item[1]),
    )
    found: list[dict[int, list[tuple[int, int]]]] = [{} for _ in blocks]
    active: list[tuple[Rect, int]] = []
    for rect, index in rects:
        active = [(r, i) for r, i in active if r.last >= rect.first]
        for other, other_index in active:
            if other_index != index:
                low = other.offset_bytes - rect.offset_bytes - rect.size_bytes
                high = other.offset_bytes + other.size_bytes - rect.offset_bytes
                found[index].setdefault(other_index, []).append((low, high))
                found[other_index].setdefault(index, []).append((-high, -low))
        active.append((rect, index))
    return [[(other, _united(intervals)) for other, intervals in row.items()] for row in found]


def _united(intervals: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    united: list[tuple[int, int]] = []
    for low, high in sorted(intervals):
        if united and low < united[-1][1] - 1:
            united[-1] = (united[-1][0], max(united[-1][1], high))
        else:
            united.append((low, high))
    return tuple(united)
