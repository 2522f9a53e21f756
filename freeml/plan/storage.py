"""Values -> storages, and which storages may overlap: the aliasing rules of the planner.

A storage is a set of values with the same bytes: a value and its reshapes. Two storages that live at the same step may
share bytes in two cases only:

takeover   an op writes its output over an operand that it reads for the last time (in place);
placement  a value is produced where a concatenation along the outermost axis of memory would copy it to.

Both fix the offset of one storage against another, so storages form rigid groups; packing moves groups as wholes.
Why an op may run in place is said by its kernel (freeml/kernels), and derived again by verify_memory.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Op, Reshape
from freeml.kernels.table import KERNELS, kernel_of
from freeml.plan.lifetime import BEFORE, lifetimes


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes that hold one value and its reshapes from step `first` to step `last`, both included."""

    values: tuple[str, ...]
    size_bytes: int
    align_bytes: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Share:
    """Storage `guest` lies `offset_bytes` after the start of storage `host`.

    Takeover: the guest is the output, the host the operand; offset 0. Placement: guest = part, host = result.
    """

    host: int
    guest: int
    offset_bytes: int
    host_value: str
    guest_value: str
    is_takeover: bool


@dataclass(frozen=True, slots=True)
class Storages:
    """All storages of a graph, and the alternatives for sharing: at most one of each tuple can be chosen."""

    items: tuple[Storage, ...]
    of: dict[str, int]
    choices: tuple[tuple[Share, ...], ...]

    def live_bound_bytes(self) -> int:
        """Bytes that are live at the fullest step under the best sharing imaginable: no plan can need fewer."""
        steps = max((s.last for s in self.items), default=BEFORE) - BEFORE + 2
        change = [0] * (steps + 1)

        def add(first: int, last: int, n_bytes: int) -> None:
            if first <= last:
                change[first - BEFORE] += n_bytes
                change[last - BEFORE + 1] -= n_bytes

        for storage in self.items:
            add(storage.first, storage.last, storage.size_bytes)
        # The output of a takeover costs nothing at the op's step. A part costs nothing while what it was joined into is
        # live, or what that was joined into: `reach` is the last step of any of these.
        reach = [storage.last for storage in self.items]
        saved: dict[int, tuple[int, int]] = {}
        for alternatives in reversed(self.choices):
            share = alternatives[0]
            host, guest = self.items[share.host], self.items[share.guest]
            if share.is_takeover:
                add(guest.first, guest.first, -guest.size_bytes)
            else:
                first, last = saved.get(share.guest, (host.first, reach[share.host]))
                saved[share.guest] = min(first, host.first), max(last, reach[share.host])
                reach[share.guest] = max(reach[share.guest], reach[share.host])
        for index, (first, last) in saved.items():
            add(first, min(last, self.items[index].last), -self.items[index].size_bytes)
        highest = live = 0
        for delta in change:
            live += delta
            highest = max(highest, live)
        return highest


def alias_roots(graph: Graph) -> dict[str, str]:
    """The value whose bytes each value has: itself, or what it is a reshape of. The same for every order of ops."""
    root = {port.value: port.value for port in graph.inputs}
    for op in graph.ops:
        aliased = isinstance(op, Reshape) and op.inputs[0] in root
        root[op.output] = root[op.inputs[0]] if aliased else op.output
    return root


def in_place_operands(graph: Graph, op: Op) -> tuple[str, ...]:
    """Operands whose bytes the kernel of `op` may overwrite with its output, if nobody reads them afterwards."""
    names = kernel_of(graph, op).in_place_operands(graph, op) if type(op) in KERNELS else ()
    return tuple(dict.fromkeys(name for name in names if name in graph.types))


def concat_parts(graph: Graph, op: Concat) -> tuple[tuple[str, int], ...]:
    """(input, byte offset in the output) of a concatenation that puts whole inputs behind each other; else nothing."""
    if prod(graph.types[op.output].shape[: op.axis]) != 1:
        return ()
    parts, offset = [], 0
    for name in op.inputs:
        parts.append((name, offset))
        offset += graph.type_of(name).size_bytes
    return tuple(parts)


def placeable_parts(graph: Graph, op: Concat, root: dict[str, str], alignment: int) -> tuple[tuple[str, int], ...]:
    """The parts that may be produced in place: values that are computed, joined once here, and aligned."""
    arrivals = {port.value for port in graph.inputs}
    joined = [root.get(name) for name in op.inputs]
    return tuple(
        (name, offset)
        for name, offset in concat_parts(graph, op)
        if name in root and root[name] not in arrivals and joined.count(root[name]) == 1 and offset % alignment == 0
    )


def find_storages(graph: Graph, *, in_place: bool, alignment: int) -> Storages:
    """Storages of a graph in the order of its ops, and the ways in which they may share bytes."""
    life = lifetimes(graph)
    root = alias_roots(graph)
    classes: dict[str, list[str]] = {}
    for value in (*(port.value for port in graph.inputs), *(op.output for op in graph.ops)):
        members = classes.setdefault(root[value], [])
        if value not in members:
            members.append(value)
    items = tuple(
        Storage(
            tuple(members),
            graph.types[name].size_bytes,
            max(alignment, *(graph.types[member].dtype.size_bytes for member in members)),
            life.first[name],
            max(life.last[member] for member in members),
        )
        for name, members in classes.items()
    )
    of = {value: index for index, storage in enumerate(items) for value in storage.values}

    choices: list[tuple[Share, ...]] = []
    for step, op in enumerate(graph.ops):
        if isinstance(op, Concat):
            parts = placeable_parts(graph, op, root, max(alignment, graph.types[op.output].dtype.size_bytes))
            choices += [
                (Share(of[op.output], of[name], offset, op.output, name, is_takeover=False),) for name, offset in parts
            ]
        elif in_place:
            takeovers = [
                Share(of[name], of[op.output], 0, name, op.output, is_takeover=True)
                for name in in_place_operands(graph, op)
                if items[of[name]].last == step
            ]
            if takeovers:
                choices.append(tuple(takeovers))
    return Storages(items, of, tuple(choices))


class Groups:
    """Rigid groups of storages; `join` refuses a share that would let two live storages corrupt each other."""

    def __init__(self, storages: Storages) -> None:
        self._items = storages.items
        self.offset_bytes = [0] * len(storages.items)  # in the group
        self._group = list(range(len(storages.items)))
        self.members = {index: [index] for index in self._group}
        self._taken: set[tuple[int, int]] = set()
        self._placed_in: dict[int, int] = {}

    def join(self, share: Share) -> bool:
        """Apply a share. Returns False, and changes nothing, where it is not safe."""
        kept, moved = self._group[share.host], self._group[share.guest]
        if kept == moved or (not share.is_takeover and share.guest in self._placed_in):
            return False
        shift = self.offset_bytes[share.host] + share.offset_bytes - self.offset_bytes[share.guest]
        if share.is_takeover:
            self._taken.add((share.host, share.guest))
        else:
            self._placed_in[share.guest] = share.host
        if not all(self._safe(a, b, shift) for a in self.members[kept] for b in self.members[moved]):
            if share.is_takeover:
                self._taken.remove((share.host, share.guest))
            else:
                del self._placed_in[share.guest]
            return False
        for index in self.members.pop(moved):
            self._group[index] = kept
            self.offset_bytes[index] += shift
            self.members[kept].append(index)
        return True

    def _safe(self, a: int, b: int, shift: int) -> bool:
        x, y = self._items[a], self._items[b]
        if x.first > y.last or y.first > x.last:
            return True
        low_a, low_b = self.offset_bytes[a], self.offset_bytes[b] + shift
        if low_a + x.size_bytes <= low_b or low_b + y.size_bytes <= low_a:
            return True
        # A takeover's pair meets at one step only, the op's own. A part and what it was joined into hold the same data.
        return (a, b) in self._taken or (b, a) in self._taken or self._inside(a, b) or self._inside(b, a)

    def _inside(self, part: int, whole: int) -> bool:
        while part in self._placed_in:
            part = self._placed_in[part]
            if part == whole:
                return True
        return False


def group(storages: Storages, choices: Iterable[tuple[Share, ...]]) -> tuple[Groups, tuple[Share, ...]]:
    """Groups after taking, choice by choice, the first alternative that is safe; and the shares taken."""
    groups = Groups(storages)
    taken = []
    for alternatives in choices:
        for share in alternatives:
            if groups.join(share):
                taken.append(share)
                break
    return groups, tuple(taken)
