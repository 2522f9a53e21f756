"""The manifest of a model that was compiled: what each stage found out, in the words of freeml.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from freeml.board.board import Board
from freeml.exits.deploy import bytes_of
from freeml.exits.options import Exits as MadeExits
from freeml.exits.tune import ends_macs
from freeml.ir.decision import decide, threshold_code
from freeml.ir.graph import Graph
from freeml.ir.types import Port
from freeml.output.manifest import (
    Accuracy,
    ExitEntry,
    Exits,
    KernelPrices,
    LayerEntry,
    Manifest,
    Memory,
    Model,
    Options,
    PortEntry,
    Quantization,
    Result,
    SegmentEntry,
    costs_sha256,
)
from freeml.plan.counts import Counts
from freeml.plan.memory import MemoryPlan
from freeml.plan.planner import Planned
from freeml.plan.segments import ends_uj, segments
from freeml.quantize.search import Quantized
from freeml.version import __version__


def manifest_of(
    planned: Planned,
    board: Board,
    counts: Counts,
    *,
    model: Model,
    options: Options,
    memory: Mapping[str, int],
    compiler: str,
    accuracy: Mapping[str, Any],
    quantized: Quantized,
    warnings: Sequence[str],
    exits: Exits | None = None,
) -> Manifest:
    """Of a plan without refusal, and what was measured of it.

    memory        bytes by region, as Memory names them
    accuracy      of both networks, as data/accuracy.rating says it
    """
    graph, arena = planned.graph, planned.memory
    return Manifest(
        freeml=__version__,
        name=graph.name,
        model=model,
        options=options,
        board=Board.model_validate(board.model_dump()),  # as its file says it: prices have entries of their own
        compiler=compiler,
        kernel_cycles=KernelPrices.of(board),
        costs_sha256=costs_sha256(board.costs),
        memory=Memory(**memory),
        macs=counts.macs,
        params=counts.params,
        accuracy=Accuracy.model_validate(accuracy),
        quantization=quantization_of(quantized),
        result=_result(graph),
        warnings=tuple(warnings),
        arena=_plain(arena),
        tiles=planned.feasible,
        windows=planned.windows,
        inputs=tuple(_port(graph, port) for port in graph.inputs),
        outputs=tuple(_port(graph, port) for port in graph.outputs),
        layers=tuple(_layer(graph, arena, counts, op.output) for op in graph.ops),
        exits=exits,
    )


def quantization_of(quantized: Quantized) -> Quantization:
    """How the quantization was chosen."""
    return Quantization(
        method=quantized.method,
        errors=quantized.errors,
        refused=quantized.refused,
        samples=quantized.n_samples,
        rule=quantized.rule or None,
    )


def exits_of(planned: Planned, made: MadeExits, policy: str) -> Exits:
    """Of a planned network and its heads."""
    graph, tiles = planned.graph, planned.feasible
    sizes, macs = bytes_of(made), ends_macs(graph)
    energy = ends_uj(tiles) or (None,) * len(macs)
    end = decide(graph)
    places = [*((one.value, of.loc) for one, of in zip(graph.exits, made.heads.exits, strict=True))]
    places.append((end.value, graph.producers[end.value].loc) if end else ("", ""))
    return Exits(
        how=made.how,
        head=made.heads.kind,
        policy=policy,
        exit_bytes=sizes.exit_bytes,
        separate_exit_bytes=sizes.separate_exit_bytes,
        separate_same_pooling_bytes=sizes.separate_same_pooling_bytes,
        at=tuple(
            ExitEntry(depth=k, value=value, loc=loc, macs=n, energy_uj=uj)
            for k, ((value, loc), n, uj) in enumerate(zip(places, macs, energy, strict=True), start=1)
        ),
        segments=tuple(
            SegmentEntry(depth=s.depth, charge_pc=s.charge_pc, energy_uj=s.energy_uj, time_us=s.time_us)
            for s in segments(tiles)
        ),
    )


def _plain(arena: MemoryPlan) -> MemoryPlan:
    """With dictionaries where the planner's views of some cannot be written."""
    return replace(arena, offset_bytes=dict(arena.offset_bytes), shared=dict(arena.shared), placed=dict(arena.placed))


def _result(graph: Graph) -> Result | None:
    made = decide(graph)
    if made is None:
        return None
    code = threshold_code(graph, made) if made.kind == "threshold" else None
    return Result(kind=made.kind, value=made.value, output=made.output, threshold_code=code)


def _port(graph: Graph, port: Port) -> PortEntry:
    type_ = graph.types[port.value]
    return PortEntry(
        name=port.name,
        shape=tuple(port.shape),
        memory_order=tuple(port.order),
        memory_shape=tuple(type_.shape),
        dtype=type_.dtype.value,
        scale=type_.quant.scale if type_.quant else None,
        zero_point=type_.quant.zero_point if type_.quant else None,
    )


def _layer(graph: Graph, arena: MemoryPlan, counts: Counts, value: str) -> LayerEntry:
    op, type_, own = graph.producers[value], graph.types[value], counts.by_op[value]
    return LayerEntry(
        value=value,
        op=type(op).__name__,
        loc=op.loc,
        shape=tuple(type_.shape),
        macs=own.macs,
        weights_bytes=own.weight_bytes,
        output_bytes=type_.size_bytes,
        offset_bytes=arena.offset_bytes[value],
        scratch_bytes=own.scratch_bytes,
    )
