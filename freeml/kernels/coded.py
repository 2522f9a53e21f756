"""Kernels of dense layers whose weights are stored in another form: what all of them have.

Decoding goes from row to row. A tile begins at the restart point at or before its first row, so that up to
`rows` - 1 rows are decoded without an output; where a tile's size is a multiple of `rows`, none is. Counts are those of
the rows as they are: a format's work follows the weights.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from freeml.ir.encoding import Stored
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.types import Array, Const
from freeml.kernels.dense_kind import FullyConnected
from freeml.kernels.kernel import KernelCall
from freeml.kernels.layer import Fields, Layer, Table, check_sizes
from freeml.kernels.reads import Ints
from freeml.kernels.variants import Variant
from freeml.kernels.work import REQUANT_BYTES, LoopCounts, bits, named, odd_shifts

HEADER = "fml_coded.h"
_NARROW = {2: ("bias", "bias", 1), 3: ("mult", "scale", 2), 4: ("shift", "scale", 4)}  # input: table, section, flag


class CodedKernel(FullyConnected):
    """fml_coded_<name>_i8 and its part."""

    name: str

    @abstractmethod
    def per_row(self, const: Const) -> Mapping[str, Array]:
        """What decoding each row takes, by name of a count: (rows,) each."""

    def per_part(self, const: Const, macs: Ints) -> Mapping[str, Ints]:
        """Of so many products of one row. As it stands here: all of the row is decoded, and rows before it."""
        step, one = self.step(const.stored), np.ones_like(macs)
        return {"mac": macs, **{name: most(each, one, step) for name, each in self.per_row(const).items()}}

    def step(self, stored: Stored) -> int:
        """Rows from one restart point to the next; 1 where every row is one."""
        return stored.numbers.get("rows", 1)

    def counts(self, graph: Graph, op: DenseI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        const, one = graph.consts[op.inputs[1]], np.ones_like(n)
        step = self.step(const.stored)
        found = {name: most(each, n, step) for name, each in self.per_row(const).items()}
        rows = most(np.ones(const.shape[0], np.int64), n, step)
        shifts = {"odd": odd_shifts(graph, op.inputs[4], n, one)}
        return named(f"coded_{self.name}", {"call": one, "output": n, "row": rows, **found, **shifts})

    def part_counts(self, graph: Graph, op: DenseI8, macs: Ints) -> LoopCounts:
        const, one = graph.consts[op.inputs[1]], np.ones_like(macs)
        rows = most(np.ones(const.shape[0], np.int64), one, self.step(const.stored))
        shifts = {"shift": one * bits(graph.consts[op.inputs[4]].array)}
        return named(f"coded_{self.name}_part", {"call": one, "row": rows, **self.per_part(const, macs), **shifts})

    def read_bytes(self, graph: Graph, op: DenseI8, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        """Each stored byte once; of values, one for each weight that is not zero."""
        const = graph.consts[op.inputs[1]]
        used = np.count_nonzero(const.array.reshape(const.shape[0], -1), axis=1)
        step = self.step(const.stored)
        share = const.size_bytes * most(np.ones(const.shape[0], np.int64), n, step)
        return most(used, n, step), -(-share // const.shape[0]) + n * REQUANT_BYTES

    def layer(self, graph: Graph, op: DenseI8, operand: int, variant: Variant) -> Layer:
        weight = graph.consts[op.inputs[1]]
        check_sizes(op, inputs=self.products(graph, op), outputs=weight.shape[0])
        stored = weight.stored
        tables = {
            section: Table(array, far=section in ("weight", "index")) for section, array in stored.sections.items()
        }
        scales, narrow = requant(graph, op)
        known = {".restart": "restart", ".codebook": "codebook"}
        fields: Fields = (
            (".w", "@weight"),
            (".index", "@index" if "index" in tables else "@weight"),
            (".bias", "@bias"),
            (".mult", "@mult"),
            (".shift", "@shift"),
            *((field, f"@{section}") for field, section in known.items() if section in tables),
            (".n_in", str(self.products(graph, op))),
            (".n_out", str(weight.shape[0])),
            *((f".{name}", str(number)) for name, number in stored.numbers.items()),
            (".narrow", f"{narrow}u"),
            (".y_zp", str(op.y_zp)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        kernel = f"fml_coded_{self.name}_i8"
        call = f"{kernel}({{d}}, {{x0}}, y, first, n)"
        part = f"coded_{self.name}"
        return Layer(
            kernel, "fml_coded_t", fields, {**tables, **scales}, call, part=part, part_in=kernel, header=HEADER
        )


def requant(graph: Graph, op: DenseI8 | ConvI8) -> tuple[dict[str, Table], int]:
    """Tables of bias, mult and shift as they are stored, and flags that say how."""
    tables, flags = {}, 0
    for position, (name, section, flag) in _NARROW.items():
        const = graph.consts[op.inputs[position]]
        tables[name] = Table(const.array if const.encoding is None else const.stored.sections[section])
        flags |= flag if const.encoding else 0
    return tables, flags


def most(per_row: Array, n: Ints, step: int) -> Ints:
    """The most that tiles of n rows add up to, decoded from the restart point before them on."""
    rows = np.ascontiguousarray(per_row, dtype=np.int64)
    table = np.frombuffer(_most_table(rows.tobytes(), step), dtype=np.int64)
    found: Ints = table[np.minimum(n, len(rows))]
    return found


@lru_cache(maxsize=256)
def _most_table(per_row: bytes, step: int) -> bytes:
    """For every size of a tile from 0 on."""
    rows = np.frombuffer(per_row, dtype=np.int64)
    up_to = np.concatenate([[0], np.cumsum(rows)])
    table = np.zeros(len(rows) + 1, np.int64)
    for size in range(1, len(rows) + 1):
        first = np.arange(0, len(rows), size)
        table[size] = (up_to[np.minimum(first + size, len(rows))] - up_to[first // step * step]).max()
    return table.tobytes()
