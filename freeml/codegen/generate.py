"""Planned integer graph -> Program: every number and string that the templates print."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from freeml.board.memory import MemoryMap
from freeml.codegen.far import SLICE_BYTES, FarLayout
from freeml.codegen.names import Names
from freeml.codegen.program import (
    Descriptor,
    EmittedTable,
    LayerEntry,
    PolicyEntry,
    PortTable,
    Program,
    Result,
    RowEntry,
    Slice,
)
from freeml.ir.decision import decide, depths, is_of_sums, threshold_code
from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Op
from freeml.ir.text import digest
from freeml.ir.types import Array, Const, DType, Port
from freeml.kernels.layer import SECTIONS, Layer
from freeml.kernels.reads import Read
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS, Variant
from freeml.plan.memory import MemoryPlan
from freeml.plan.protocol import ARENA
from freeml.plan.step_table import Kind, StepRow
from freeml.plan.steps import FixedStep, LayerTiles, Policy, Step, TilePlan

_ROW_ELEMS = 24
_C_TYPES = {DType.I8: "int8_t", DType.I16: "int16_t", DType.U16: "uint16_t", DType.I32: "int32_t", DType.U8: "uint8_t"}


def generate(
    graph: Graph,
    plan: MemoryPlan,
    tiles: TilePlan,
    *,
    header: Sequence[str],
    kernels: str = "portable",
    memory: MemoryMap | None = None,
    judged: bool = True,
) -> Program:
    """The program of a model; graph.name must be a C identifier.

    header   lines of the comment on top of every file
    kernels  the folder of runtime_c/kernels that comes first
    memory   of the board that the firmware is for; on an MSP430 weights get addresses
    judged   whether to raise DoesNotFit where an MSP430 board cannot hold weights and constants
    """
    far = FarLayout(memory) if memory and memory.family.has_far_memory else None
    emitter = _Emitter(graph, plan, VARIANTS[kernels], far, tiles.is_staged)
    for row, step in zip(tiles.steps.rows, tiles.in_order, strict=True):
        emitter.add_row(row, step)
    if far and judged:
        near = sum(table.n_bytes for table in emitter.tables if not table.address)
        far.check(near_bytes=near + ARENA + plan.arena_bytes)
    names = Names()
    tile_bytes = -(-tiles.sram_bytes // 4) * 4
    return Program(
        name=graph.name,
        macro=graph.name.upper(),
        header=tuple(header),
        tables=tuple(emitter.tables),
        descriptors=tuple(emitter.descriptors),
        rows=tuple(emitter.rows),
        layers=tuple(emitter.layers),
        inputs=tuple(_port_table(graph, plan, port, "input", names) for port in graph.inputs),
        outputs=tuple(_port_table(graph, plan, port, "output", names) for port in graph.outputs),
        n_steps=tiles.steps.n_steps,
        arena_bytes=plan.arena_bytes,
        nvm_bytes=ARENA + plan.arena_bytes,
        tile_bytes=tile_bytes,
        scratch_bytes=emitter.scratch_bytes,
        sram_bytes=tile_bytes + emitter.scratch_bytes,
        weights_bytes=sum(table.n_bytes for table in emitter.tables),
        commit_slots=tiles.commit_slots,
        result=_result(graph, plan),
        digest=_digest(graph, plan, tiles),
        kernels=tuple(sorted(emitter.kernels)),
        headers=tuple(sorted(emitter.headers)),
        reads=emitter.reads_of_rows(),
        reads_row=min(emitter.reads, default=0),
        stage_bytes=tiles.stage_bytes,
        policy=_policy(tiles),
    )


def _policy(tiles: TilePlan) -> PolicyEntry | None:
    """What decides, where anything is decided: with a row of its table for each decision."""
    n_decisions, made = sum(row.kind is Kind.DECIDE for row in tiles.steps.rows), tiles.policy
    assert n_decisions == (0 if made is None else len(made.rows)), f"{n_decisions} decisions of the policy {made}"
    if made is None:
        return None
    return policy_entry(made)


def policy_entry(made: Policy) -> PolicyEntry:
    """A policy as it is printed."""
    rows = tuple(", ".join(f"{number}u" for number in row) for row in made.rows)
    head = ", ".join(f"{number}u" for number in made.head)
    stops = made.stops or f"fml_{made.name}_stops"
    return PolicyEntry(made.name, rows, made.levels_uj, made.state_bytes, head, stops, made.judge)


_RESULT_KINDS = {"scores": "FML_RESULT_SCORES", "threshold": "FML_RESULT_THRESHOLD", "index": "FML_RESULT_INDEX"}


def _result(graph: Graph, plan: MemoryPlan) -> Result:
    """How the class is published, and from what."""
    made = decide(graph)
    if made is None or is_of_sums(graph, made):  # the last decision publishes
        return Result("FML_RESULT_NONE", 0, 0, 0, 0)
    code = threshold_code(graph, made) if made.kind == "threshold" else 0
    n_bytes = graph.types[made.value].size_bytes
    return Result(_RESULT_KINDS[made.kind], made.output, plan.offset_bytes[made.value], n_bytes, code)


def _digest(graph: Graph, plan: MemoryPlan, tiles: TilePlan) -> tuple[str, str]:
    """Two 32-bit words that stand for what gives bytes in NVM a meaning: function, offsets, tiles, commit record.

    Temperatures of exits are part of a policy's table.
    """
    cold = replace(graph, exits=tuple(replace(made, softness=None) for made in graph.exits))
    text = [digest(cold), repr(sorted(plan.offset_bytes.items())), repr(tiles.commit_slots)]
    text += [repr((t.value, t.operand, t.tile_units, t.parts, t.part_macs)) for t in tiles.layers]
    whole = hashlib.sha256("\n".join(text).encode()).hexdigest()
    return f"0x{whole[:8]}u", f"0x{whole[8:16]}u"


@dataclass
class _Emitter:
    graph: Graph
    plan: MemoryPlan
    variant: Variant
    far: FarLayout | None
    is_staged: bool
    names: Names = field(default_factory=Names)
    tables: list[EmittedTable] = field(default_factory=list)
    descriptors: list[Descriptor] = field(default_factory=list)
    rows: list[RowEntry] = field(default_factory=list)
    layers: list[LayerEntry] = field(default_factory=list)
    reads: dict[int, tuple[tuple[str, ...], ...]] = field(default_factory=dict)  # by row
    kernels: set[str] = field(default_factory=set)
    headers: set[str] = field(default_factory=set)
    scratch_bytes: int = 0
    _by_content: dict[tuple[str, str, bool, bool], EmittedTable] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)  # descriptors by what their op computes

    def add_row(self, row: StepRow, step: Step) -> None:
        """A row of the table of steps and, where it has tiles, their layer."""
        if isinstance(step, FixedStep):
            self.rows.append(RowEntry(row.kind.name.lower(), self._fields(row)))
            return
        op = self.graph.producers[step.value]
        self._add_layer(op, step)
        self.rows.append(RowEntry(comment_text(f"{op.output}: {op.loc}"), self._fields(row, step)))

    def reads_of_rows(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """What rows read, from the first that reads to the last one; one between them may be of no layer."""
        nothing = (self._read_fields((), 0),) * 2
        rows = range(min(self.reads), max(self.reads) + 1) if self.reads else range(0)
        return tuple(self.reads.get(row, nothing) for row in rows)

    def _add_layer(self, op: Op, tiles: LayerTiles) -> None:
        kernel = kernel_of(self.graph, op)
        layer = kernel.layer(self.graph, op, tiles.operand, self.variant)
        base = self.names.layer(op.output)
        filled = {key: self._table(f"{base}_{key}", key, layer, op) for key in layer.tables}
        filled |= self._operands(op, tiles)
        filled["d"] = self._shared.get(op.output) or self._describe(layer, base, filled)
        self._shared |= {op.output: filled["d"]} if layer.is_shared else {}
        filled["tile_scratch"] = f"(y + {tiles.sram_bytes - tiles.scratch_bytes}u)"
        partial = finish = ""
        if tiles.parts > 1:
            partial = f"fml_{layer.part}_part_i8({filled['d']}, {filled['x0']}, element, k0, n)"
            finish = f"fml_{layer.part}_finish_i8({filled['d']}, element, acc)"
            called = layer.part_in or f"fml_{layer.part}_part_i8"
            self.kernels |= {called, *self.variant.called_by(called)}
        if self.is_staged:
            is_whole = tiles.parts == 1
            read = kernel.reads(self.graph, op, tiles.operand) if is_whole else (kernel.part_read(self.graph, op),)
            self.reads[len(self.rows)] = (self._read_fields(read, 0), self._read_fields(read, 1))
        filled["first_row"] = str(len(self.rows) - tiles.operand)
        call = layer.call.format(**filled) if tiles.parts == 1 else ""
        self.layers.append(LayerEntry(len(self.rows), call, partial, finish))
        if tiles.parts == 1:
            self.kernels |= {layer.kernel, *self.variant.called_by(layer.kernel)}
            self.scratch_bytes = max(self.scratch_bytes, layer.scratch_bytes)

    def _fields(self, row: StepRow, tiles: LayerTiles | None = None) -> tuple[tuple[str, str], ...]:
        """fml_layer_t, with tiles or of a single step; what is 0 in C is left out of one.

        Of a decision and a publication, `products` is the depth; of a report it says that all outputs are there.
        """
        values = {"first_step": row.first, "n_units": 1, "tile_units": 1}
        values |= self._scores(row) if row.kind is Kind.DECIDE else {}
        values |= {"products": row.depth} if row.kind in (Kind.DECIDE, Kind.PUBLISH) else {}
        values |= {"products": 1} if row.kind is Kind.REPORT and row.depth else {}
        values |= {"part_products": row.stop} if row.stop else {}
        values |= {"parts": 1}
        if tiles is not None:
            values = {
                "first_step": row.first,
                "out_offset_bytes": tiles.offset_bytes,
                "n_units": tiles.n_units,
                "tile_units": tiles.tile_units,
                "unit_bytes": tiles.unit_bytes,
                "unit_stride_bytes": tiles.unit_stride_bytes,
                "products": tiles.macs if tiles.parts > 1 else 0,
                "part_products": tiles.part_macs if tiles.parts > 1 else 0,
                "parts": tiles.parts,
            }
        numbers = tuple((f".{name}", f"{value}u") for name, value in values.items())
        return (*numbers, (".kind", f"FML_{row.kind.name}"))

    def _scores(self, row: StepRow) -> dict[str, int]:
        """Where a decision finds its scores: all of them, and one."""
        made = depths(self.graph)[row.depth - 1]
        assert made is not None
        type_ = self.graph.types[made.value]
        offset = self.plan.offset_bytes[made.value]
        return {"out_offset_bytes": offset, "unit_bytes": type_.size_bytes, "unit_stride_bytes": type_.dtype.size_bytes}

    def _operands(self, op: Op, tiles: LayerTiles) -> dict[str, str]:
        """Where each operand lies: in the arena, or in SRAM, where its bytes were copied to."""
        values = [k for k, name in enumerate(op.inputs) if name in self.graph.types]
        if not self.is_staged:
            return {f"x{k}": self._pointer(op.inputs[k]) for k in values}
        copied = [tiles.operand] if isinstance(op, Concat) else values
        return {f"x{k}": "x" if tiles.parts > 1 else f"x[{i}]" for i, k in enumerate(copied)}

    def _read_fields(self, operands: Sequence[Read], k: int) -> tuple[str, ...]:
        """fml_read_t of operand k, or of none."""
        if k >= len(operands):
            return ("0u", "0u", "1u", "0u", "0u", "0u")
        read = operands[k]
        numbers = (read.n_bytes, read.group_units, read.step_bytes, read.lead_bytes, read.extent_bytes)
        return tuple(f"{number}u" for number in (self.plan.offset_bytes[read.value], *numbers))

    def _pointer(self, value: str) -> str:
        """Where a value lies in the arena, which begins at a multiple of 4 (of 2 on an MSP430, as its int32_t do)."""
        offset = self.plan.offset_bytes[value]
        assert offset % self.graph.types[value].dtype.size_bytes == 0, f"%{value} at {offset}"
        return f"arena + {offset}" if offset else "arena"

    def _describe(self, layer: Layer, base: str, filled: dict[str, str]) -> str:
        """Emit the descriptor of a layer; returns its address, or nothing where the kernel takes none."""
        if not layer.struct:
            return ""
        name = f"{self.graph.name}_{base}"
        resolved = tuple((f, filled[v[1:]] if v.startswith("@") else v) for f, v in layer.fields)
        far = {table.name for table in self.tables if table.address}
        streams = tuple((f, v) for f, v in resolved if v in far)
        self.descriptors.append(Descriptor(layer.struct, name, resolved, streams))
        self.headers |= {layer.header} - {""}
        return f"&{name}"

    def _table(self, name: str, key: str, layer: Layer, op: Op) -> str:
        """Emit a table unless one like it is there; returns the C expression that names it."""
        table = layer.tables[key]
        const = Const(table.array)
        is_far = self.far is not None and table.far
        content = (const.digest, SECTIONS.get(key.rstrip("0123456789"), ""), is_far, table.aligned)
        if content not in self._by_content:
            full = f"{self.graph.name}_{self.names.unique(name, stem='layer')}"
            address = self.far.place(const.size_bytes) if self.far and is_far else 0
            emitted = EmittedTable(
                c_type=_C_TYPES[const.dtype],
                name=full,
                n_elems=const.array.size,
                n_bytes=const.size_bytes,
                comment=comment_text(f"{list(const.array.shape)} of {op.loc}"),
                rows=() if is_far else _rows(const.array),
                aligned=table.aligned,
                address=address,
                region=self.far.region_of(address) if self.far and is_far else "",
                slices=_slices(const.array) if is_far else (),
            )
            self.tables.append(emitted)
            self._by_content[content] = emitted
        known = self._by_content[content]
        return known.name


def _slices(array: Array) -> tuple[Slice, ...]:
    """Slices of whole rows of text, each an even number of bytes but for the last."""
    flat = array.ravel()
    step = SLICE_BYTES // _ROW_ELEMS * _ROW_ELEMS
    parts = [flat[start : start + step] for start in range(0, flat.size, step)]
    return tuple(Slice(k, part.size, _rows(part)) for k, part in enumerate(parts))


def _rows(array: Array) -> tuple[str, ...]:
    flat = array.ravel()
    # The smallest int32 is no C literal: 2147483648 is not an int, so its negation is not either.
    texts = ["(-2147483647 - 1)" if value == -(2**31) else str(value) for value in flat.tolist()]
    return tuple(", ".join(texts[start : start + _ROW_ELEMS]) for start in range(0, len(texts), _ROW_ELEMS))


def _port_table(graph: Graph, plan: MemoryPlan, port: Port, direction: str, names: Names) -> PortTable:
    type_ = graph.types[port.value]
    name = names.unique(f"{graph.name}_{direction}_{port.name}", stem=graph.name)
    stored = [port.shape[axis] for axis in port.order] if port.shape else list(type_.shape)
    layout = (
        "" if list(port.order) == list(range(len(port.order))) else f", stored as {stored} (axes {list(port.order)})"
    )
    return PortTable(
        macro=name.upper(),
        comment=comment_text(f"{direction} {port.name}: {list(port.shape)}{layout}"),
        offset_bytes=plan.offset_bytes[port.value],
        n_bytes=type_.size_bytes,
        n_elems=type_.n_elems,
        element=_C_TYPES[type_.dtype],
        scale=f"{np.float32(type_.quant.scale)!s}f" if type_.quant else "",
        zero_point=type_.quant.zero_point if type_.quant else 0,
    )


def comment_text(text: str) -> str:
    """Text that cannot end a C comment, continue a line, or hold what is not ASCII."""
    printable = "".join(c if " " <= c <= "~" else "?" for c in text).replace("\\", "/")
    # Look-ahead: the signs of a pair may overlap with those of the next, as in "*/*" or "???".
    return re.sub(r"\*(?=/)|/(?=\*)|\?(?=\?)", r"\g<0> ", printable)[:160]
