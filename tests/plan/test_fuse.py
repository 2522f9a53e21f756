"""Convolutions and max pools in one op: when, what it computes, and that no capacitor is refused because of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_graphs import Builder, int8_graphs, tiny_cnn

from freeml.board.board import load_board
from freeml.ir import int_ops as q
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.ops import Window
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.text import digest, parse, to_text
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.needs import bounds, plan_within
from freeml.pipeline import planned_graph
from freeml.plan.counts import count_ops
from freeml.plan.fuse import fused, fusible
from freeml.plan.memory import plan_memory
from freeml.plan.planner import plan_graph
from freeml.plan.sram import sram_for_tiles
from freeml.plan.tiles import plan_tiles
from tests.tiles import proofs

HOST, MSP430 = load_board("host"), load_board("msp430fr5994")
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def pairs(graph: Graph) -> list[str]:
    return [pool.output for _, pool in fusible(graph)]


def joined(graph: Graph) -> Graph:
    """All pairs joined, whether that pays or not."""
    for conv, pool in list(fusible(graph)):
        graph = fused(graph, conv, pool)
    return graph


def same_bytes(a: Graph, b: Graph) -> bool:
    rng = np.random.default_rng(0)
    inputs = {p.value: rng.integers(-128, 128, (2, *a.types[p.value].shape), dtype=np.int8) for p in a.inputs}
    left, right = interpret(a, inputs), interpret(b, inputs)
    return all(np.array_equal(left[name], right[name]) for name in left)


def one_pair(pool: Window, *, n_out: int = 3, groups: int = 1, k: int = 3) -> Graph:
    b = Builder()
    return b.graph(b.maxpool(b.conv(b.input(7, 8, 3), n_out, k, groups=groups), pool))


@QUICK
@given(int8_graphs(max_ops=8))
def test_joining_changes_no_byte_of_any_output(graph: Graph) -> None:
    assert same_bytes(verify_graph(joined(graph)), graph)


@QUICK
@given(st.data())
def test_joining_changes_no_byte_for_any_kind_of_convolution_and_any_windows_apart(data: st.DataObject) -> None:
    groups, k = data.draw(st.sampled_from(((1, 1), (1, 3), (3, 3)))), data.draw(st.integers(1, 3))
    kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    stride = tuple(n + data.draw(st.integers(0, 2)) for n in kernel)
    pad = tuple(data.draw(st.integers(0, kernel[axis % 2] - 1)) for axis in range(4))
    graph = one_pair(Window(kernel=kernel, stride=stride, pad=pad), groups=groups[0], k=groups[1] if k > 1 else 1)
    assert len(pairs(graph)) == 1
    assert same_bytes(verify_graph(joined(graph)), graph)


def test_windows_that_overlap_or_skip_rows_stay_apart() -> None:
    assert pairs(one_pair(Window(kernel=(2, 2), stride=(2, 2))))
    assert not pairs(one_pair(Window(kernel=(3, 2), stride=(2, 2))))
    assert not pairs(one_pair(Window(kernel=(2, 2), stride=(2, 1))))
    assert not pairs(one_pair(Window(kernel=(2, 2), stride=(3, 3), dilation=(2, 1))))


def test_a_convolution_that_somebody_else_reads_stays_apart() -> None:
    b = Builder()
    x = b.conv(b.input(4, 4, 2), 2)
    assert not pairs(b.graph(b.pool2(x), b.lut(x)))
    b = Builder()
    x = b.conv(b.input(4, 4, 2), 2)
    assert not pairs(b.graph(b.pool2(x), x))


def test_a_joined_op_names_both_nodes_and_counts_only_outputs_that_are_needed() -> None:
    graph = one_pair(Window(kernel=(2, 3), stride=(2, 3)))
    (op,) = joined(graph).ops
    assert isinstance(op, q.ConvPoolI8)
    assert op.loc == "/ConvI8 + /MaxPoolI8"
    assert (op.lo, op.hi) == (-120, 120)
    assert count_ops(graph).macs == 7 * 8 * 3 * 27
    assert count_ops(joined(graph)).macs == 6 * 6 * 3 * 27


def test_a_joined_graph_survives_text_and_bytes() -> None:
    graph = joined(tiny_cnn())
    assert to_text(parse(to_text(graph), graph.consts)) == to_text(graph)
    assert digest(from_bytes(to_bytes(graph), where="test")) == digest(graph)


def test_the_verifier_refuses_windows_that_overlap() -> None:
    b = Builder()
    x = b.input(6, 6, 2)
    b.conv_pool(x, 2, Window(kernel=(3, 3), stride=(2, 2)))
    with pytest.raises(InvalidGraphError, match="overlap"):
        b.graph("v0")


def test_where_nothing_has_a_price_bytes_written_decide() -> None:
    planned = planned_graph(tiny_cnn(), HOST, None)
    graph, plan, tiles = planned.graph, planned.memory, planned.feasible
    assert [type(op).__name__ for op in graph.ops] == ["ConvPoolI8", "ConvPoolI8", "Reshape", "DenseI8"]
    alone = plan_memory(tiny_cnn(), in_place=False)
    apart = plan_tiles(tiny_cnn(), alone, HOST, sram_tile_bytes=4096)
    assert plan.arena_bytes == 768
    assert alone.arena_bytes == 2560
    assert apart.activation_bytes - tiles.activation_bytes == 16 * 16 * 8 + 8 * 8 * 16


def smallest_uf(graph: Graph) -> float:
    """Of a graph as it is."""
    sram = sram_for_tiles(MSP430, stack_bytes=512, scratch_bytes=count_ops(graph, MSP430.kernels).scratch_bytes)
    found = proofs.smallest_uf(graph, plan_memory(graph, in_place=False), MSP430, sram)
    assert found is not None
    return found


def test_every_capacitor_that_did_before_still_does() -> None:
    """A joined op needs a larger smallest tile: with a smaller capacitor the pair stays apart."""
    b = Builder()  # with a small input, whose capture does not decide
    graph = b.graph(b.pool2(b.conv(b.pool2(b.conv(b.input(10, 10, 1), 8)), 16)))
    alone, together = smallest_uf(graph), smallest_uf(joined(graph))
    assert alone < together
    kinds = {}
    for capacitor_uf in (alone, 1.05 * alone, together / 1.1, 1_000 * together):
        planned = planned_graph(graph, MSP430, capacitor_uf)
        made, tiles = planned.graph, planned.feasible
        kinds[capacitor_uf] = sum(isinstance(op, q.ConvPoolI8) for op in made.ops)
        assert tiles.budget is not None
        assert all(layer.cost is not None and tiles.budget.covers_one(layer.cost) for layer in tiles.layers)
    assert kinds[alone] == 0
    assert kinds[1_000 * together] > 0


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(int8_graphs(max_ops=6), st.sampled_from((1.0, 1.1, 1.5, 3.0, 100.0)))
def test_no_network_is_refused_because_of_joining(graph: Graph, factor: float) -> None:
    if not any(True for _ in fusible(graph)):
        return
    planned_graph(graph, MSP430, smallest_uf(graph) * factor)


def test_the_same_network_is_joined_the_same_way() -> None:
    first, again = (planned_graph(tiny_cnn(), HOST, None).graph for _ in range(2))
    assert len(list(first.ops_of(q.ConvPoolI8))) == 2
    assert digest(first) == digest(again)


def test_a_pair_whose_scratch_leaves_16_bits_in_one_variant_only_is_not_joined() -> None:
    b = Builder()
    pool = Window(kernel=(2, 2), stride=(2, 2))
    wide, narrow = (b.maxpool(b.conv(b.input(2, 2, n), 8), pool) for n in (1820, 1808))
    graph = b.graph(wide, narrow)
    assert [pool.output for _, pool in fusible(graph)] == [narrow]
    joined = fused(graph, *next(fusible(graph)))
    for variant in VARIANTS.values():
        for op in joined.ops:
            kernel_of(joined, op).layer(joined, op, 0, variant)  # no size leaves 16 bits


def test_joined_layers_stage_the_rows_of_all_their_windows() -> None:
    b = Builder()
    x = b.input(9, 7, 4)
    pooled = b.conv_pool(x, 2, Window(kernel=(2, 2), stride=(2, 2)))
    graph = b.graph(pooled)
    (read,) = kernel_of(graph, graph.producers[pooled]).reads(graph, graph.producers[pooled], 0)
    row_units, row_bytes = 3 * 2, 7 * 4
    spans = [read.span(row * row_units, row_units) for row in range(4)]
    # a 3 x 3 convolution with a border of 1 under a 2 x 2 pool reads four rows, less the border
    assert spans == [
        (0, 3 * row_bytes),
        (row_bytes, 5 * row_bytes),
        (3 * row_bytes, 7 * row_bytes),
        (5 * row_bytes, 9 * row_bytes),
    ]


def test_a_pair_that_costs_charge_is_joined_where_memory_has_no_room_for_what_is_between() -> None:
    b = Builder()
    pool = Window(kernel=(5, 5), stride=(5, 5))
    graph = b.graph(b.conv(b.maxpool(b.conv(b.input(32, 32, 3), 36, 3, pad=0), pool), 8, 3))
    apart, found = plan_graph(graph, MSP430, 47), plan_within(graph, MSP430, 47)
    assert len(pairs(apart.graph)) == 1, "at this capacitor it takes less charge apart"
    assert not bounds(apart, MSP430)["near"].fits
    assert not pairs(found.graph)
    assert found.refusal is None
    assert all(region.fits for region in bounds(found, MSP430).values())
    b = Builder()
    roomy = b.graph(b.conv(b.maxpool(b.conv(b.input(16, 16, 3), 4, 3, pad=0), pool), 8, 3))
    assert plan_within(roomy, MSP430, 47).graph.ops == plan_graph(roomy, MSP430, 47).graph.ops
