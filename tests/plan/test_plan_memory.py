from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from arena_machine import ArenaMachine, random_inputs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_graphs import Builder, int8_graphs, tiny_cnn

from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret
from freeml.ir.ops import Reshape, Window
from freeml.plan.lifetime import lifetimes
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.pack import Block, Rect, pack
from freeml.plan.verify_memory import InvalidMemoryError, verify_memory

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def check(graph: Graph, *, in_place: bool = True, alignment: int = 1) -> MemoryPlan:
    """Plan, verify, and run in the planned arena: the outputs must be those of the interpreter."""
    plan = verify_memory(graph, plan_memory(graph, in_place=in_place, alignment=alignment))
    inputs = random_inputs(graph)
    expected, found = interpret(graph, inputs), ArenaMachine(graph, plan).run(inputs)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    return plan


@QUICK
@given(int8_graphs(), st.booleans(), st.sampled_from((1, 1, 4)))
def test_two_live_tensors_never_share_bytes(graph: Graph, in_place: bool, alignment: int) -> None:
    plan = check(graph, in_place=in_place, alignment=alignment)
    assert all(at % alignment == 0 for at in plan.offset_bytes.values())
    assert plan.live_bound_bytes <= plan.arena_bytes


@QUICK
@given(int8_graphs())
def test_the_same_graph_gets_the_same_plan(graph: Graph) -> None:
    assert plan_memory(graph) == plan_memory(graph)


@settings(QUICK, max_examples=60)
@given(int8_graphs())
def test_without_in_place_no_op_overwrites_what_it_reads(graph: Graph) -> None:
    plan = plan_memory(graph, in_place=False)
    assert all(isinstance(graph.producers[value], Reshape) for value in plan.shared)
    verify_memory(graph, plan)


def test_the_tiny_cnn_needs_its_first_two_tensors() -> None:
    assert check(tiny_cnn()).arena_bytes == 256 + 2048
    assert check(tiny_cnn(), in_place=False).arena_bytes == 2048 + 512


def test_a_chain_of_elementwise_ops_needs_one_tensor() -> None:
    b = Builder()
    x = b.input(4, 4, 4)
    graph = b.graph(b.softmax(b.mul(b.lut(b.add(x, b.random(1, 1, 4))), b.random(4, 4, 4))))
    assert check(graph).arena_bytes == 64
    assert check(graph, in_place=False).arena_bytes == 128


def test_a_reshape_costs_nothing() -> None:
    b = Builder()
    x = b.conv(b.input(4, 4, 1), 2)
    graph = b.graph(b.dense(b.reshape(b.flatten(x), 32), 4))
    assert check(graph, in_place=False).arena_bytes == 48


def test_an_operand_read_later_is_not_overwritten() -> None:
    b = Builder()
    x = b.conv(b.input(2, 2, 2), 4)
    y = b.lut(x)
    assert check(b.graph(b.mul(b.add(y, x), x))).arena_bytes == 32


def test_an_input_is_overwritten_after_its_last_use_but_not_if_it_is_also_an_output() -> None:
    b = Builder()
    x = b.input(4, 4, 2)
    y = b.lut(x)
    assert check(b.graph(y)).arena_bytes == 32
    assert check(b.graph(y, x)).arena_bytes == 64


def test_both_operands_may_be_one_value_or_reshapes_of_one() -> None:
    b = Builder()
    x = b.lut(b.input(2, 3, 2))
    assert check(b.graph(b.mul(x, x))).arena_bytes == 12
    b = Builder()
    x = b.lut(b.input(2, 3, 2))
    y = b.reshape(x, 2, 3, 2)
    assert check(b.graph(b.add(x, y))).arena_bytes == 12


def test_a_broadcast_operand_is_not_overwritten() -> None:
    b = Builder()
    gate = b.global_average(b.input(4, 4, 2))
    x = b.conv(b.input(4, 4, 1), 2)
    plan = check(b.graph(b.mul(gate, x)))
    assert plan.shared[plan_output(b)] == x


def plan_output(b: Builder) -> str:
    return b.ops[-1].output


def test_pooling_runs_in_place_only_without_padding_at_the_top_and_left() -> None:
    for pad, arena in (((0, 0, 1, 1), 25), ((1, 0, 0, 0), 25 + 20), ((0, 1, 0, 1), 25 + 24)):
        b = Builder()
        y = b.maxpool(b.input(5, 5, 1), Window(kernel=(2, 2), pad=pad))
        plan = check(b.graph(y))
        assert plan.arena_bytes == arena
        assert (y in plan.shared) == (pad[:2] == (0, 0))


def test_parts_of_a_concatenation_are_produced_where_they_belong() -> None:
    b = Builder()
    x = b.input(1, 6, 2)
    parts = [b.conv(x, 3), b.conv(x, 3), b.conv(x, 3)]
    graph = b.graph(b.concat(1, *parts))
    plan = check(graph, in_place=False)
    assert plan.placed == {part: (plan_output(b), 18 * i) for i, part in enumerate(parts)}
    assert plan.arena_bytes == 12 + 54


def test_a_concatenation_of_channels_copies() -> None:
    b = Builder()
    x = b.input(3, 3, 2)
    plan = check(b.graph(b.concat(2, b.conv(x, 3), b.conv(x, 3))))
    assert not plan.placed


def test_nested_concatenations_share_all_their_bytes() -> None:
    b = Builder()
    x = b.conv(b.input(1, 1, 4), 4, 1)
    for _ in range(4):
        x = b.concat(2, x, b.conv(x, 4, 1))
    plan = check(b.graph(x), in_place=False)
    assert plan.arena_bytes == 20
    assert plan.live_bound_bytes == 20


def test_a_part_read_later_keeps_its_concatenation_from_being_overwritten() -> None:
    b = Builder()
    x = b.input(1, 4, 2)
    part = b.conv(x, 2)
    y = b.lut(b.concat(1, part, b.conv(x, 2)))
    plan = check(b.graph(b.concat(1, b.conv(y, 2), part)))
    assert part in plan.placed
    assert y not in plan.shared


def test_a_part_is_copied_from_within_the_result_that_it_was_placed_in() -> None:
    b = Builder()
    x = b.conv(b.input(1, 2, 1), 2)
    y = b.concat(1, x, b.conv(x, 2))
    graph = b.graph(b.concat(1, y, x))  # x lies in y, y in the result, which has x once more at its end
    assert check(graph, in_place=False).placed[y] == (plan_output(b), 0)


def test_what_is_joined_twice_is_copied() -> None:
    b = Builder()
    x = b.lut(b.input(1, 4, 2))
    plan = check(b.graph(b.concat(1, x, x)))
    assert not plan.placed


def test_indices_are_aligned_to_four_bytes() -> None:
    b = Builder()
    x = b.lut(b.input(1, 3, 5))
    plan = check(b.graph(b.argmax(x), x))
    assert plan.alignment_bytes == 4


def test_a_graph_without_ops_keeps_its_inputs_apart() -> None:
    b = Builder()
    x, y = b.input(1, 1, 3), b.input(1, 1, 5)
    plan = check(b.graph(x))
    assert plan.arena_bytes == 8
    assert plan.offset_bytes[x] != plan.offset_bytes[y]


def test_lifetimes_last_from_the_writer_to_the_last_reader() -> None:
    b = Builder()
    x = b.input(2, 2, 1)
    y = b.lut(x)
    z = b.lut(y)
    life = lifetimes(b.graph(b.add(y, z), z))
    assert (life.first[x], life.last[x]) == (-1, 0)
    assert (life.first[y], life.last[y]) == (0, 2)
    assert (life.first[z], life.last[z]) == (1, life.n_steps)


@st.composite
def rectangles(draw: st.DrawFn) -> list[Rect]:
    rects = []
    for _ in range(draw(st.integers(1, 5))):
        first = draw(st.integers(0, 4))
        rects.append(Rect(0, draw(st.integers(1, 4)), first, first + draw(st.integers(0, 3))))
    return rects


@settings(QUICK, max_examples=150)
@given(rectangles())
def test_a_few_blocks_are_packed_as_low_as_brute_force_packs_them(rects: list[Rect]) -> None:
    packing = pack([Block((rect,), 1) for rect in rects], bound_bytes=0)
    assert _fits(rects, packing.base_bytes)
    assert packing.arena_bytes == max(x + r.size_bytes for x, r in zip(packing.base_bytes, rects, strict=True))
    assert not _exists_below(rects, packing.arena_bytes)


def _fits(rects: list[Rect], bases: tuple[int, ...]) -> bool:
    return not any(
        a.first <= b.last and b.first <= a.last and x < y + b.size_bytes and y < x + a.size_bytes
        for i, (a, x) in enumerate(zip(rects, bases, strict=True))
        for b, y in list(zip(rects, bases, strict=True))[:i]
    )


def _exists_below(rects: list[Rect], arena_bytes: int) -> bool:
    """Whether any assignment of addresses fits into one byte less."""
    ranges = [range(arena_bytes - rect.size_bytes) for rect in rects]

    def extend(bases: tuple[int, ...]) -> bool:
        if len(bases) == len(rects):
            return True
        placed = rects[: len(bases) + 1]
        return any(_fits(placed, (*bases, x)) and extend((*bases, x)) for x in ranges[len(bases)])

    return extend(())


def test_blocks_of_changing_size_fit_into_each_other() -> None:
    # Two steps of a stair each, that fit into each other.
    rising = Block((Rect(0, 2, 0, 0), Rect(0, 6, 1, 1)), 1)
    falling = Block((Rect(0, 6, 0, 0), Rect(4, 2, 1, 1)), 1)
    assert pack([rising, falling], bound_bytes=8).arena_bytes == 8


def _residual() -> Graph:
    b = Builder()
    x = b.conv(b.input(4, 4, 2), 3)
    y = b.lut(b.conv(x, 3))
    return b.graph(b.pool2(b.add(x, y)))


def test_the_verifier_finds_a_shifted_offset() -> None:
    b = Builder()
    x = b.input(4, 4, 2)
    y = b.conv(x, 3)
    graph = b.graph(b.conv(y, 1), x, y)  # all live at the end: no byte to spare
    for in_place, shift in product((True, False), (-1, 1)):
        plan = plan_memory(graph, in_place=in_place)
        for value, at in plan.offset_bytes.items():
            with pytest.raises(InvalidMemoryError):
                verify_memory(graph, replace(plan, offset_bytes={**plan.offset_bytes, value: at + shift}))


@settings(QUICK, max_examples=200)
@given(int8_graphs(), st.booleans(), st.data())
def test_what_the_verifier_accepts_runs_correctly(graph: Graph, in_place: bool, data: st.DataObject) -> None:
    plan = plan_memory(graph, in_place=in_place)
    value = data.draw(st.sampled_from(sorted(plan.offset_bytes)))
    moved = {**plan.offset_bytes, value: data.draw(st.sampled_from(sorted({0, *plan.offset_bytes.values()})))}
    operands = [name for name in graph.producers[value].inputs if name in moved] if value in graph.producers else []
    shared = {name: root for name, root in plan.shared.items() if name != value or data.draw(st.booleans())}
    if operands and data.draw(st.booleans()):
        shared[value] = operands[0]
        moved[value] = moved[operands[0]]
    mutant = replace(
        plan,
        offset_bytes=moved,
        shared=shared,
        placed=data.draw(st.sampled_from((plan.placed, {}))),
        arena_bytes=max(moved[name] + graph.types[name].size_bytes for name in moved),
        live_bound_bytes=0,
    )
    try:
        verify_memory(graph, mutant)
    except InvalidMemoryError:
        return
    inputs = random_inputs(graph)
    expected, found = interpret(graph, inputs), ArenaMachine(graph, mutant).run(inputs)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_the_verifier_finds_a_value_that_is_read_later_than_planned() -> None:
    b = Builder()
    x = b.input(4, 4, 2)
    y = b.conv(x, 2)
    z = b.conv(b.conv(y, 2), 2)
    plan = plan_memory(b.graph(z))
    b.add(z, y)
    longer = b.graph(plan_output(b))
    stretched = replace(plan, offset_bytes={**plan.offset_bytes, plan_output(b): plan.offset_bytes[z]})
    with pytest.raises(InvalidMemoryError, match="overwritten before it is read"):
        verify_memory(longer, replace(stretched, shared={plan_output(b): z}))


def test_the_verifier_finds_an_op_that_cannot_run_in_place() -> None:
    b = Builder()
    x = b.input(3, 3, 2)
    y = b.conv(x, 2)
    plan = plan_memory(b.graph(y))
    bad = replace(plan, offset_bytes={x: 0, y: 0}, shared={y: x}, live_bound_bytes=0)
    with pytest.raises(InvalidMemoryError, match="cannot write over"):
        verify_memory(b.graph(y), bad)


def test_the_verifier_finds_pooling_in_place_with_padding() -> None:
    b = Builder()
    x = b.input(3, 3, 2)
    y = b.maxpool(x, Window(kernel=(3, 3), pad=(1, 1, 1, 1)))
    bad = replace(plan_memory(b.graph(y)), offset_bytes={x: 0, y: 0}, shared={y: x}, live_bound_bytes=0)
    with pytest.raises(InvalidMemoryError, match="cannot write over"):
        verify_memory(b.graph(y), bad)


def test_the_verifier_finds_a_broadcast_operand_that_is_overwritten() -> None:
    b = Builder()
    x, gate = b.input(2, 2, 2), b.input(1, 1, 2)
    y = b.mul(x, gate)
    bad = replace(
        plan_memory(b.graph(y)),
        offset_bytes={x: 8, gate: 0, y: 0},
        shared={y: gate},
        arena_bytes=16,
        live_bound_bytes=0,
    )
    with pytest.raises(InvalidMemoryError, match="cannot write over"):
        verify_memory(b.graph(y), bad)


def test_the_verifier_finds_in_place_ops_in_a_plan_that_forbids_them() -> None:
    graph = _residual()
    with pytest.raises(InvalidMemoryError, match="forbids"):
        verify_memory(graph, replace(plan_memory(graph), in_place=False))


def test_the_verifier_finds_a_part_that_is_not_where_it_is_said_to_be() -> None:
    b = Builder()
    x = b.input(1, 4, 2)
    p, r = b.conv(x, 2), b.conv(x, 2)
    graph = b.graph(b.concat(1, p, r))
    plan = plan_memory(graph)
    swapped = {**plan.offset_bytes, p: plan.offset_bytes[r], r: plan.offset_bytes[p]}
    with pytest.raises(InvalidMemoryError):
        verify_memory(graph, replace(plan, offset_bytes=swapped))
    with pytest.raises(InvalidMemoryError, match="it copies parts over"):
        verify_memory(graph, replace(plan, placed={}))


def test_the_verifier_finds_unaligned_indices_and_values_outside_the_arena() -> None:
    b = Builder()
    x = b.input(1, 1, 5)
    y = b.argmax(x)
    plan = plan_memory(b.graph(y))
    with pytest.raises(InvalidMemoryError, match="not aligned"):
        verify_memory(b.graph(y), replace(plan, offset_bytes={x: 0, y: 5}, arena_bytes=9))
    with pytest.raises(InvalidMemoryError, match="not in the arena"):
        verify_memory(b.graph(y), replace(plan, offset_bytes={x: 0, y: plan.arena_bytes}))
