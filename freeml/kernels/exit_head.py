"""Kernels of exits: sums of features by int32 numbers, and sums of these. A unit is one class."""

from __future__ import annotations

import numpy as np

from freeml.ir.graph import Graph
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.kernels.kernel import Kernel, KernelCall
from freeml.kernels.layer import REQUANT_FIELDS, Fields, Layer, Table, check_sizes, requant_tables
from freeml.kernels.packing import packed
from freeml.kernels.reads import Ints, Read, element_by_element, whole
from freeml.kernels.variants import Variant
from freeml.kernels.work import REQUANT_BYTES, LoopCounts, bits, named

_HEADER = "fml_exit_head.h"
_SUM = "(const int32_t *)(const void *)({x1})"


class ExitHeadKernel(Kernel[ExitHead]):
    """fml_exit_head_i32. inputs: x, perhaps the sums before, weight, bias, mult, shift."""

    def products(self, graph: Graph, op: ExitHead) -> int:
        return graph.types[op.inputs[0]].n_elems

    def param_names(self, graph: Graph, op: ExitHead) -> tuple[str, ...]:
        return op.inputs[-4:-2]

    def reads(self, graph: Graph, op: ExitHead, operand: int) -> tuple[Read, ...]:
        return whole(graph, op, op.inputs[0]), *(element_by_element(graph, op, name) for name in op.inputs[1:-4])

    def counts(self, graph: Graph, op: ExitHead, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        shifts = n * bits(graph.consts[op.inputs[-1]].array)
        counts = {"call": np.ones_like(n), "output": n, "mac": n * self.products(graph, op), "bit": shifts}
        return named("exit_head", counts | (_carry(op, n) if len(op.inputs) > 5 else {}))

    def read_bytes(self, graph: Graph, op: ExitHead, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        products = n * self.products(graph, op)
        return products + 4 * n * (len(op.inputs) > 5), products + n * REQUANT_BYTES

    def layer(self, graph: Graph, op: ExitHead, operand: int, variant: Variant) -> Layer:
        weight = graph.consts[op.inputs[-4]].array
        n_out, n_in = weight.shape
        check_sizes(op, features=n_in, classes=n_out)
        fields = (
            (".w", "@weight"),
            *REQUANT_FIELDS,
            (".n_in", str(n_in)),
            (".n_out", str(n_out)),
            *_carry_fields(op),
        )
        tables = {
            "weight": Table(packed(variant.rows, weight), aligned=variant.reads_words, far=True),
            **requant_tables(graph, *op.inputs[-3:]),
        }
        before = _SUM if len(op.inputs) > 5 else "NULL"
        call = f"fml_exit_head_i32({{d}}, {{x0}}, {before}, (int32_t *)(void *)y, first, n)"
        return Layer("fml_exit_head_i32", "fml_exit_head_t", fields, tables, call, header=_HEADER)


class ExitMixKernel(Kernel[ExitMix]):
    """fml_exit_mix_i32."""

    def reads(self, graph: Graph, op: ExitMix, operand: int) -> tuple[Read, ...]:
        return tuple(element_by_element(graph, op, name) for name in op.inputs)

    def counts(self, graph: Graph, op: ExitMix, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return named("exit_mix", {"call": np.ones_like(n), "output": n, **_carry(op, n)})

    def read_bytes(self, graph: Graph, op: ExitMix, call: KernelCall, n: Ints) -> tuple[Ints, Ints]:
        return 8 * n, 0 * n

    def layer(self, graph: Graph, op: ExitMix, operand: int, variant: Variant) -> Layer:
        check_sizes(op, classes=graph.types[op.output].n_elems)
        sums = _SUM.replace("x1", "x0") + ", " + _SUM
        call = f"fml_exit_mix_i32({{d}}, {sums}, (int32_t *)(void *)y, first, n)"
        return Layer("fml_exit_mix_i32", "fml_exit_mix_t", _carry_fields(op), {}, call, header=_HEADER)


def _carry_fields(op: ExitHead | ExitMix) -> Fields:
    return (".carry_mult", f"{op.carry_mult}u"), (".carry_shift", f"{op.carry_shift}u")


def _carry(op: ExitHead | ExitMix, n: Ints) -> LoopCounts:
    """Of sums that are carried over: all, and what is requantised of them."""
    if op.carry_shift == 0:
        return {"carried": n}
    return {"carried": n, "scaled": n, "carry_bit": n * bits(np.array([op.carry_shift]))}
