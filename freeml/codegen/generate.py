"""Planned integer graph -> Program: every number and string that the templates print."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from freeml.codegen.layers import Layer, layer_of
from freeml.codegen.names import Names
from freeml.codegen.program import Descriptor, PortTable, Program, Step, Table
from freeml.ir.graph import Graph
from freeml.ir.ops import Concat, Op
from freeml.ir.types import Array, Const, DType, Port
from freeml.plan.memory import MemoryPlan

_ROW_ELEMS = 24
# Kernels that call another one: both files are linked.
_CALLED_BY = {"fml_conv_i8": ("fml_dense_i8",), "fml_pointwise_i8": ("fml_dense_i8",)}
_C_TYPES = {DType.I8: "int8_t", DType.I16: "int16_t", DType.U16: "uint16_t", DType.I32: "int32_t", DType.U8: "uint8_t"}


def generate(graph: Graph, plan: MemoryPlan, *, header: Sequence[str]) -> Program:
    """The program of a model; graph.name must be a C identifier. header: lines of the comment on top of every file."""
    emitter = _Emitter(graph, plan)
    for op in graph.ops:
        emitter.add(op)
    names = Names()
    return Program(
        name=graph.name,
        macro=graph.name.upper(),
        header=tuple(header),
        tables=tuple(emitter.tables),
        descriptors=tuple(emitter.descriptors),
        steps=tuple(emitter.steps),
        inputs=tuple(_port_table(graph, plan, port, "input", names) for port in graph.inputs),
        outputs=tuple(_port_table(graph, plan, port, "output", names) for port in graph.outputs),
        arena_bytes=plan.arena_bytes,
        scratch_bytes=emitter.scratch_bytes,
        weights_bytes=sum(table.n_bytes for table in emitter.tables),
        kernels=tuple(sorted(emitter.kernels)),
    )


@dataclass
class _Emitter:
    graph: Graph
    plan: MemoryPlan
    names: Names = field(default_factory=Names)
    tables: list[Table] = field(default_factory=list)
    descriptors: list[Descriptor] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    kernels: set[str] = field(default_factory=set)
    scratch_bytes: int = 0
    _by_content: dict[str, str] = field(default_factory=dict)

    def add(self, op: Op) -> None:
        layer = layer_of(self.graph, op, self._placed(op))
        if layer is None:
            return
        base = self.names.unique(op.output, stem="layer")
        filled = {key: self._table(f"{base}_{key}", array, op) for key, array in layer.tables.items()}
        filled["y"] = self._pointer(op.output)
        filled |= {f"x{k}": self._pointer(name) for k, name in enumerate(op.inputs) if name in self.graph.types}
        filled |= self._describe(layer, base, filled)
        calls = tuple(call.format(**filled) for call in layer.calls)
        self.steps.append(Step(len(self.steps), comment_text(f"{op.output}: {op.loc}"), calls))
        self.kernels |= {layer.kernel, *_CALLED_BY.get(layer.kernel, ())}
        self.scratch_bytes = max(self.scratch_bytes, layer.scratch_bytes)

    def _placed(self, op: Op) -> frozenset[int]:
        if not isinstance(op, Concat):
            return frozenset()
        placed = self.plan.placed
        return frozenset(k for k, name in enumerate(op.inputs) if name in placed and placed[name][0] == op.output)

    def _pointer(self, value: str) -> str:
        offset = self.plan.offset_bytes[value]
        return f"arena + {offset}" if offset else "arena"

    def _describe(self, layer: Layer, base: str, filled: dict[str, str]) -> dict[str, str]:
        """Emit the descriptors of a layer; returns what {d} or {d0}, {d1} .. stand for."""
        several = layer.descriptors or ((layer.fields,) if layer.struct else ())
        pointers = {}
        for k, fields in enumerate(several):
            key = f"d{k}" if layer.descriptors else "d"
            # A lone descriptor bears the name of its layer; every other symbol gets one of its own.
            own = self.names.unique(f"{base}_{k}", stem="layer") if len(several) > 1 else base
            name = f"{self.graph.name}_{own}"
            resolved = tuple((f, filled[v[1:]] if v.startswith("@") else v) for f, v in fields)
            self.descriptors.append(Descriptor(layer.struct, name, resolved))
            pointers[key] = f"&{name}"
        return pointers

    def _table(self, name: str, array: Array, op: Op) -> str:
        const = Const(array)
        if const.digest not in self._by_content:
            full = f"{self.graph.name}_{self.names.unique(name, stem='layer')}"
            comment = comment_text(f"{list(array.shape)} of {op.loc}")
            table = Table(_C_TYPES[const.dtype], full, array.size, const.size_bytes, comment, _rows(array))
            self.tables.append(table)
            self._by_content[const.digest] = full
        return self._by_content[const.digest]


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
