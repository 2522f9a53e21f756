"""Values between ops may be int32: an op says which, and text, verifier, interpreter and plans go by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.board.board import Board, load_board
from freeml.ir.decision import decide
from freeml.ir.graph import Graph
from freeml.ir.interpret import interpret, predict
from freeml.ir.ops import Concat, Transpose
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.text import digest, parse, to_text
from freeml.ir.types import DType, TensorType
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.planner import lay_out
from freeml.plan.protocol import ARENA
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_memory import InvalidMemoryError, verify_memory
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles
from tests.plan import int32_ops
from tests.plan.arena_machine import ArenaMachine
from tests.plan.int32_ops import Accumulate, Heads, Sum, chain, int32_graphs
from tests.plan.plan_graphs import QUANT

SOME = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
HOST, FRAM, SPI_FRAM = load_board("host"), load_board("msp430fr5994"), load_board("nucleo_l476rg")


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    with int32_ops.known():
        yield


def sums(graph: Graph) -> list[str]:
    return [name for name, type_ in graph.types.items() if type_.dtype is DType.I32]


def codes_for(graph: Graph) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {p.value: rng.integers(-128, 128, (1, *graph.types[p.value].shape), dtype=np.int8) for p in graph.inputs}


# --- graph -----------------------------------------------------------------------------------------------------------


@SOME
@given(int32_graphs())
def test_an_int32_value_survives_text_and_bytes(graph: Graph) -> None:
    assert sums(graph)
    assert digest(parse(to_text(graph), graph.consts)) == digest(graph)
    assert from_bytes(to_bytes(graph), where="test").types == graph.types
    assert f"%{sums(graph)[0]} = Sum" in to_text(graph)
    assert " : i32[" in to_text(graph)


def test_sums_that_go_on_are_those_of_all_exits() -> None:
    graph = chain(4, 3)
    values = interpret(graph, codes_for(graph), list(graph.types))
    total = np.zeros(3, dtype=np.int64)
    for op in graph.ops:
        if isinstance(op, Sum | Accumulate):
            weight = graph.consts[op.inputs[-1]].array.astype(np.int64)
            total = total + weight @ values[op.inputs[0]][0].reshape(-1).astype(np.int64)
            assert values[op.output].dtype == np.int32
            np.testing.assert_array_equal(values[op.output][0], total)
    assert np.abs(total).max() > 127  # what no code holds


def test_an_output_of_numbers_is_given_as_it_is_and_decides_nothing() -> None:
    b = Heads()
    x = b.input(3, 3, 1)
    one, two = b.graph(b.sum(x, 1)), b.graph(b.sum(x, 2))
    samples = [np.full((1, 3, 3, 1), 4.7, np.float32)]
    codes = QUANT.quantize(samples[0].astype(np.float64))
    for graph in (one, two):
        (found,) = predict(graph, samples)
        expected = interpret(graph, {"in0": codes})[graph.outputs[0].value]
        np.testing.assert_array_equal(found, expected.astype(np.float32))
        assert decide(graph) is None


def wrong_types() -> dict[str, tuple[Graph, str]]:
    """Graphs that break a rule of element types, and what is said of them."""
    with int32_ops.known():
        b = Heads()
        x = b.input(4, 1, 1)
        good = b.graph(b.accumulate(x, b.sum(x, 4)))

        def typed(value: str, type_: TensorType) -> Graph:
            return replace(good, types={**good.types, value: type_})

        def reading(op: type, *names: str) -> Graph:
            changed = next(o for o in good.ops if isinstance(o, op))
            ops = [replace(changed, inputs=names) if o is changed else o for o in good.ops]
            return replace(good, ops=tuple(ops))

        weight = good.ops[1].inputs[2]
        moved = Transpose(output="t", inputs=("v0",), loc="/t", order=(0,))
        joined = Concat(output="t", inputs=("v0", "flat"), loc="/t", axis=0)
        flat = {**good.types, "flat": TensorType((4,), DType.I8, QUANT), "t": TensorType((8,), DType.I32)}
        ahead = int32_ops.Narrow(output="flat", inputs=("v0",), loc="/n")
        return {
            "a sum where codes are read": (reading(Accumulate, "v0", "v0", weight), "an input that is not i8"),
            "codes where a sum is read": (reading(Accumulate, "in0", "in0", weight), "an input that is not i32"),
            "a sum that is called codes": (
                typed("v0", TensorType((4,), DType.I8, QUANT)),
                "of type i8, not i32",
            ),
            "a sum with a scale of codes": (typed("v0", TensorType((4,), DType.I32, QUANT)), "a scale of int8 codes"),
            "an op that moves codes alone": (
                replace(good, ops=(*good.ops, moved), types={**good.types, "t": TensorType((4,), DType.I32)}),
                "an input that is not i8",
            ),
            "sums joined with codes": (
                replace(good, ops=(good.ops[0], ahead, joined, good.ops[1]), types=flat),
                "an input that is not i32",
            ),
        }


@pytest.mark.parametrize("case", wrong_types())
def test_an_element_type_that_an_op_does_not_have_is_found(case: str) -> None:
    graph, message = wrong_types()[case]
    with pytest.raises(InvalidGraphError, match=message):
        verify_graph(graph)


def test_the_interpreter_says_where_an_op_gives_another_type_than_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = chain(2, 3)
    compute = int32_ops.compute
    monkeypatch.setattr(int32_ops, "compute", lambda *args: compute(*args).astype(np.int64))
    with pytest.raises(AssertionError, match=r"%v0: elements of int64, its type has i32"):
        interpret(graph, codes_for(graph))


# --- memory ----------------------------------------------------------------------------------------------------------


def base_alignments(board_alignment: int) -> range:
    """Addresses at which the arena may begin where int32 lie at multiples of so many bytes: 4, or 2 on an MSP430."""
    return range(ARENA, ARENA + 64, board_alignment)


@SOME
@given(int32_graphs(), st.booleans(), st.sampled_from((1, 2, 8)))
def test_int32_values_lie_where_every_processor_can_read_them(graph: Graph, in_place: bool, alignment: int) -> None:
    plan = verify_memory(graph, plan_memory(graph, in_place=in_place, alignment=alignment))
    assert plan.alignment_bytes % 4 == 0
    for name in sums(graph):
        for needed in (4, 2):  # an MSP430's words
            assert {(base + plan.offset_bytes[name]) % needed for base in base_alignments(needed)} == {0}


@SOME
@given(int32_graphs(), st.booleans())
def test_a_planned_arena_computes_what_the_interpreter_does(graph: Graph, in_place: bool) -> None:
    plan = verify_memory(graph, plan_memory(graph, in_place=in_place))
    inputs = codes_for(graph)
    found, expected = ArenaMachine(graph, plan).run(inputs), interpret(graph, inputs)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_an_accumulator_takes_two_places_in_turn_however_many_exits_there_are() -> None:
    k, sizes = 16, []
    for n_exits in (2, 3, 9):
        graph, plan = lay_out(chain(n_exits, k))
        accs = sums(graph)
        assert len(accs) == n_exits
        for before, after in pairwise(accs):  # one may be computed again from the other
            assert abs(plan.offset_bytes[before] - plan.offset_bytes[after]) >= 4 * k
        sizes.append(plan.arena_bytes)
    assert max(sizes) <= 2 * (4 * k + 9)  # two sums, and codes of nine bytes before and behind a layer


def moved(plan: MemoryPlan, value: str, n_bytes: int) -> MemoryPlan:
    at = plan.offset_bytes[value] + n_bytes
    return replace(plan, offset_bytes={**plan.offset_bytes, value: at}, arena_bytes=plan.arena_bytes + n_bytes)


def test_a_sum_at_an_odd_offset_is_caught() -> None:
    b = Heads()
    graph = b.graph(b.sum(b.input(3, 1, 1), 2))
    plan = plan_memory(graph, in_place=False)
    assert plan.offset_bytes["v0"] % 4 == 0
    for n_bytes in (1, 2, 3):
        with pytest.raises(InvalidMemoryError, match="not aligned"):
            verify_memory(graph, moved(plan, "v0", n_bytes))
    with pytest.raises(InvalidMemoryError, match="not aligned"):
        verify_memory(graph, replace(plan, alignment_bytes=2))


# --- tiles -----------------------------------------------------------------------------------------------------------


@SOME
@given(int32_graphs(), st.sampled_from((HOST, FRAM, SPI_FRAM)), st.sampled_from((64, 256, 4096)))
def test_tiles_of_int32_values_cover_every_byte_and_stage_what_they_read(graph: Graph, board: Board, sram: int) -> None:
    graph, memory = lay_out(graph)
    need = max(graph.types[name].size_bytes for name in graph.types)
    capacitor_uf = 1e4 if board.capacitor else None
    plan = plan_tiles(graph, memory, board, capacitor_uf, sram_tile_bytes=sram + 2 * need)
    verify_tiles(graph, memory, plan)
    for layer in plan.layers:
        size = graph.types[layer.value].dtype.size_bytes
        assert layer.unit_bytes % size == 0
        assert layer.offset_bytes % size == 0


def test_a_tile_that_ends_amid_a_number_is_caught() -> None:
    graph, memory = lay_out(chain(3, 4))
    plan = plan_tiles(graph, memory, HOST, sram_tile_bytes=64)
    first = plan.layers[0]
    assert (first.n_units, first.unit_bytes) == (4, 4)
    halves = replace(first, n_units=16, unit_bytes=1, unit_stride_bytes=1, tile_units=6, n_tiles=3)
    with pytest.raises(InvalidTilesError, match="units"):
        verify_tiles(graph, memory, replace(plan, layers=(halves, *plan.layers[1:])))
