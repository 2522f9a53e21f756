"""Tiles: they fit the capacitor and the memory, cover every byte once, and wrong plans of them are caught."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.board.board import Board, load_board
from freeml.errors import DoesNotFit, FreemlError
from freeml.ir.graph import Graph
from freeml.ir.ops import Window
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import work
from freeml.plan.inference import inference_cost
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.protocol import MAX_WORD_STEPS
from freeml.plan.schedule import schedule
from freeml.plan.sram import sram_for_tiles
from freeml.plan.steps import LayerTiles, TilePlan
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles
from tests.plan.plan_graphs import Builder, int8_graphs, tiny_cnn
from tests.tiles.proofs import proved, smallest_uf
from tests.tiles.scalar_cost import tile_cost, tile_counts, usable_pc

QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MSP430, CORTEXM, HOST = load_board("msp430fr5994"), load_board("nucleo_l476rg"), load_board("host")
SRAM = 4_096  # one unit of the largest operator that graphs are drawn of takes 2,104, staged


def with_leakage(board: Board, na_per_uf: float) -> Board:
    assert board.capacitor is not None
    amount = board.capacitor.leakage_na_per_uf.model_copy(update={"value": na_per_uf})
    return board.model_copy(update={"capacitor": board.capacitor.model_copy(update={"leakage_na_per_uf": amount})})


# The last one loses a third of its charge in 10 ms; with more, some networks have no capacitor that does.
BOARDS = st.sampled_from((MSP430, CORTEXM, with_leakage(MSP430, 3e4)))


def planned(graph: Graph) -> tuple[Graph, MemoryPlan]:
    ordered = schedule(graph, in_place=False)
    return ordered, plan_memory(ordered, in_place=False)


def accepted(graph: Graph, memory: MemoryPlan, board: Board, capacitor: float | None, sram: int = SRAM) -> TilePlan:
    """A verified plan that makes progress; raises DoesNotFit where there is none."""
    plan = plan_tiles(graph, memory, board, capacitor, sram_tile_bytes=sram)
    return verify_tiles(graph, memory, proved(graph, memory, plan, board, capacitor, sram))


def attempt(make: Callable[[], TilePlan]) -> TilePlan | DoesNotFit:
    try:
        return make()
    except DoesNotFit as error:
        return error


# --- energy ----------------------------------------------------------------------------------------------------------


@QUICK
@given(int8_graphs(), BOARDS, st.sampled_from((0.1, 0.8, 1.0, 1.03, 1.1, 1.3, 2.0, 5.0, 100.0)))
def test_no_accepted_tile_is_dearer_than_the_usable_energy(graph: Graph, board: Board, factor: float) -> None:
    graph, memory = planned(graph)
    smallest = smallest_uf(graph, memory, board, SRAM)
    assert smallest is not None
    capacitor = factor * smallest
    plan = attempt(lambda: accepted(graph, memory, board, capacitor))
    if isinstance(plan, DoesNotFit):
        assert factor < 1
        assert plan.region == "energy"
        assert plan.needed > plan.available
        return
    for layer in plan.layers:
        assert layer.cost is not None
        for tile in layer.tiles():
            charge, time = tile_cost(graph, board, plan, layer, tile)
            assert charge <= usable_pc(board, capacitor, time)
            assert charge <= layer.cost.charge_pc * (1 + 1e-9)
            assert time <= layer.cost.time_us * (1 + 1e-9)


@QUICK
@given(int8_graphs(), st.sampled_from((MSP430, CORTEXM, load_board("qemu_m0"))), st.integers(1, 300))
def test_no_tile_does_more_of_anything_than_was_counted(graph: Graph, board: Board, units: int) -> None:
    graph, memory = planned(graph)
    plan = plan_tiles(graph, memory, HOST, sram_tile_bytes=SRAM)
    for call, layer in zip(kernel_calls(graph, memory), plan.layers, strict=True):
        n = min(units, layer.n_units)
        cut = replace(layer, tile_units=n, parts=1, part_macs=layer.macs, n_tiles=-(-layer.n_units // n))
        counted = work(graph, call, np.array([n]), board.kernels).counts
        for tile in cut.tiles():
            for name, count in tile_counts(graph, board, cut, tile).items():
                assert name not in counted or count <= counted[name][0], (name, tile)


@QUICK
@given(int8_graphs(max_ops=6), BOARDS)
def test_the_smallest_capacitor_does_and_nine_tenths_of_it_does_not(graph: Graph, board: Board) -> None:
    graph, memory = planned(graph)
    smallest = smallest_uf(graph, memory, board, SRAM)
    assert smallest is not None
    plan = accepted(graph, memory, board, smallest)
    if plan.layers:
        assert inference_cost(plan) is not None
    with pytest.raises(DoesNotFit):
        accepted(graph, memory, board, 0.9 * smallest)


@QUICK
@given(int8_graphs(max_ops=6), BOARDS)
def test_a_larger_capacitor_gives_larger_and_fewer_tiles(graph: Graph, board: Board) -> None:
    graph, memory = planned(graph)
    smallest = smallest_uf(graph, memory, board, SRAM)
    assert smallest is not None
    plans = [accepted(graph, memory, board, smallest * factor) for factor in (1, 1.3, 2, 5, 50)]
    for small, large in pairwise(plans):
        for before, after in zip(small.layers, large.layers, strict=True):
            assert after.n_tiles <= before.n_tiles
            assert after.tile_units >= before.tile_units
            assert after.parts <= before.parts


def test_the_tiny_cnn_on_1_10_and_100_uf() -> None:
    graph, memory = planned(tiny_cnn())
    with pytest.raises(DoesNotFit) as refused:
        accepted(graph, memory, MSP430, 1)
    assert "uF gives" in refused.value.what
    small, large = (accepted(graph, memory, MSP430, uf) for uf in (4, 100))
    assert 10 * large.n_tiles < small.n_tiles < 1000
    assert large.written_ratio < small.written_ratio
    few, many = inference_cost(large), inference_cost(small)
    assert few is not None
    assert many is not None
    assert few.boots < many.boots
    # Most of a small capacitor goes into booting.
    assert many.boots_energy_uj > 1.2 * few.boots_energy_uj
    assert few.charge_pc < many.charge_pc


def test_the_remedy_of_a_refusal_works() -> None:
    graph, memory = planned(tiny_cnn())
    with pytest.raises(DoesNotFit) as refused:
        accepted(graph, memory, MSP430, 1)
    smallest = smallest_uf(graph, memory, MSP430, SRAM)
    assert smallest is not None
    assert f"{smallest:g}uF" in refused.value.hint
    accepted(graph, memory, MSP430, smallest)


def test_a_plan_for_a_larger_capacitor_is_refused_with_the_tile_that_would_fit() -> None:
    graph, memory = planned(tiny_cnn())
    large = accepted(graph, memory, MSP430, 100)
    with pytest.raises(DoesNotFit) as refused:
        proved(graph, memory, large, MSP430, 10, SRAM)
    small = accepted(graph, memory, MSP430, 10)
    dearest, layer = max(zip(large.layers, small.layers, strict=True), key=lambda pair: _charge_pc(pair[0]))
    assert f"of {dearest.tile_units:,} of {layer.n_units:,} units needs" in refused.value.what
    assert f"tile of {layer.tile_units} of {layer.n_units:,} units would fit" in refused.value.hint


def _charge_pc(layer: LayerTiles) -> float:
    assert layer.cost is not None
    return layer.cost.charge_pc


def test_a_capacitor_too_small_for_one_output_gets_parts_of_its_dot_product() -> None:
    b = Builder()
    wide = b.add(b.input(1, 1, 13), b.random(1, 153, 1))  # of a small input, which is captured in one step
    graph, memory = planned(b.graph(b.dense(b.flatten(wide), 3)))
    layers = [accepted(graph, memory, MSP430, uf, sram=4_096).layers[-1] for uf in (3.2, 4, 100)]
    assert [layer.tile_units for layer in layers] == [1, 1, 3]
    assert layers[0].parts > layers[1].parts > 1 == layers[2].parts
    first = layers[0]
    assert first.part_macs * (first.parts - 1) < first.macs == 1_989 < first.part_macs * first.parts
    assert first.n_tiles == 3 * first.parts
    tiles = list(first.tiles())
    assert sum(tile.mac_n for tile in tiles) == 3 * 1_989
    assert [tile.is_last_part for tile in tiles[: first.parts]] == [False] * (first.parts - 1) + [True]


def test_a_depthwise_convolution_is_never_cut_inside_an_output() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.conv(b.input(1, 9, 4), 4, k=3, groups=4)))
    smallest = smallest_uf(graph, memory, MSP430, SRAM)
    assert smallest is not None
    assert all(layer.parts == 1 for layer in accepted(graph, memory, MSP430, smallest).layers)


def test_capture_and_publish_must_fit_too() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.dense(b.flatten(b.pool2(b.input(60, 60, 1))), 2)))
    with pytest.raises(DoesNotFit, match="capturing the input needs") as refused:
        accepted(graph, memory, MSP430, 3)
    assert refused.value.where == "input in0"


def test_the_first_boot_with_garbage_in_nvm_must_fit_too() -> None:
    graph, memory = planned(tiny_cnn())
    plan = plan_tiles(graph, memory, MSP430, sram_tile_bytes=SRAM)
    assert plan.cold_start.cost is not None
    dear = replace(plan.cold_start.cost, charge_pc=1e9)
    with pytest.raises(DoesNotFit, match="a cold start needs"):
        proved(graph, memory, replace(plan, cold_start=replace(plan.cold_start, cost=dear)), MSP430, None, SRAM)


def test_leakage_that_no_capacitor_outlasts_is_said() -> None:
    board = with_leakage(MSP430, 1e9)
    graph, memory = planned(tiny_cnn())
    with pytest.raises(DoesNotFit) as refused:
        accepted(graph, memory, board, 100)
    assert "no capacitor would do" in refused.value.hint


def test_a_board_without_energy_model_makes_progress_and_has_no_capacitor() -> None:
    graph, memory = planned(tiny_cnn())
    plan = accepted(graph, memory, HOST, None)
    assert plan.budget is None
    assert inference_cost(plan) is None
    assert all(layer.cost is None for layer in plan.layers)
    with pytest.raises(FreemlError, match="no energy model"):
        accepted(graph, memory, HOST, 47)


# --- memory ----------------------------------------------------------------------------------------------------------


@QUICK
@given(int8_graphs(), st.sampled_from((MSP430, CORTEXM, HOST)), st.sampled_from((64, 100, 512, 4096)))
def test_tiles_fit_the_sram_they_are_given(graph: Graph, board: Board, sram: int) -> None:
    graph, memory = planned(graph)
    plan = attempt(lambda: plan_tiles(graph, memory, board, sram_tile_bytes=sram))
    if isinstance(plan, DoesNotFit):
        assert plan.region == "sram"
        assert plan.needed > sram == plan.available
        return
    verify_tiles(graph, memory, plan)
    assert plan.sram_bytes <= sram
    assert plan.stage_bytes == 0 or board.nvm.kind == "spi_fram"


def test_the_largest_tile_that_fits_is_taken_and_the_split_is_even() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.lut(b.input(10, 10, 1))))
    sizes = [plan_tiles(graph, memory, HOST, sram_tile_bytes=n).layers[0].tile_units for n in (100, 99, 40, 8)]
    assert sizes == [100, 50, 34, 8]


def test_a_tile_pays_for_every_window_that_it_can_touch() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.conv(b.input(3, 4, 6), 6, groups=2)))
    (call,) = kernel_calls(graph, memory)
    sizes = np.arange(1, call.n_units + 1)
    touched = [
        max(len({unit // 3 for unit in range(first, min(first + n, call.n_units))}) for first in range(0, 72, n))
        for n in sizes.tolist()
    ]
    counted = work(graph, call, sizes).counts["conv.window"]
    assert (counted >= touched).all()
    assert (counted - touched <= 1).all()  # the last of the tiles may be the one that would touch one more
    assert [counted[n - 1] for n in (1, 2, 3, 6, 72)] == [1, 2, 1, 2, 24]


def test_more_tiles_than_a_word_counts_take_two_slots() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.lut(b.input(200, 200, 1))))
    word = plan_tiles(graph, memory, HOST, sram_tile_bytes=2)
    assert word.n_tiles == 20_000
    assert (word.commit_slots, word.commit_bytes) == (1, 2)
    slots = verify_tiles(graph, memory, plan_tiles(graph, memory, HOST, sram_tile_bytes=1))
    assert slots.n_tiles == 40_000
    assert slots.commits == 40_003 > MAX_WORD_STEPS
    assert (slots.commit_slots, slots.commit_bytes) == (2, 8)


def test_nvm_that_tears_takes_two_slots() -> None:
    graph, memory = planned(tiny_cnn())
    assert accepted(graph, memory, CORTEXM, None).commit_slots == 2


@pytest.mark.parametrize("board", [MSP430, CORTEXM, HOST], ids=lambda board: board.name)
def test_commits_add_little_to_what_is_written(board: Board) -> None:
    graph, memory = planned(tiny_cnn())
    plan = accepted(graph, memory, board, None)
    assert 1 < plan.written_ratio <= 1.1
    values = sum(graph.types[port.value].size_bytes for port in graph.inputs)
    values += sum(graph.types[op.output].size_bytes for op in graph.ops if type(op).__name__ != "Reshape")
    assert plan.activation_bytes == values
    assert plan.written_bytes == values + plan.commits * plan.commit_bytes + 12


def test_sram_that_the_stack_fills_is_an_error() -> None:
    assert sram_for_tiles(HOST, stack_bytes=10**9, scratch_bytes=0) == 4_096
    assert sram_for_tiles(MSP430, stack_bytes=512, scratch_bytes=681) == 6_996
    with pytest.raises(DoesNotFit, match="leave none for tiles"):
        sram_for_tiles(MSP430, stack_bytes=512, scratch_bytes=8_000)


def test_an_op_whose_one_unit_is_too_large_for_sram_is_named() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.softmax(b.input(1, 1, 300))))
    with pytest.raises(DoesNotFit, match="300 bytes of sram") as refused:
        plan_tiles(graph, memory, MSP430, sram_tile_bytes=200)
    assert refused.value.where == "/SoftmaxI8"


# --- the verifier ----------------------------------------------------------------------------------------------------


@QUICK
@given(int8_graphs(), st.sampled_from((4, 16, 200)))
def test_every_plan_is_proved_and_its_tiles_are_numbered_on(graph: Graph, sram: int) -> None:
    graph, memory = planned(graph)
    plan = attempt(lambda: verify_tiles(graph, memory, plan_tiles(graph, memory, HOST, sram_tile_bytes=sram)))
    if isinstance(plan, DoesNotFit):
        return
    step = 1
    for layer in plan.layers:
        assert layer.first_tile == step
        assert len(list(layer.tiles())) == layer.n_tiles
        step += layer.n_tiles
    assert step == plan.n_tiles + 1


def concat_graph() -> Graph:
    b = Builder()
    x = b.input(4, 4, 2)
    a, c = b.conv(x, 3), b.lut(x)
    return b.graph(b.add(b.concat(2, a, c), b.concat(2, c, a)))


def changed(plan: TilePlan, index: int, **fields: object) -> TilePlan:
    layers = list(plan.layers)
    layers[index] = replace(layers[index], **fields)
    return replace(plan, layers=tuple(layers))


def renumbered(plan: TilePlan) -> TilePlan:
    layers: list[LayerTiles] = []
    step = 1
    for layer in plan.layers:
        layers.append(replace(layer, first_tile=step))
        step += layer.n_tiles
    return replace(plan, layers=tuple(layers))


def _swap(plan: TilePlan) -> TilePlan:
    first, second, *rest = plan.layers
    return renumbered(replace(plan, layers=(second, first, *rest)))


SEEDED: dict[str, tuple[Callable[[TilePlan], TilePlan], str]] = {
    "a tile is left out": (
        lambda plan: renumbered(changed(plan, 0, n_tiles=plan.layers[0].n_tiles - 1)),
        "written by no tile",
    ),
    "a tile more than there is": (
        lambda plan: renumbered(changed(plan, 0, n_tiles=plan.layers[0].n_tiles + 1)),
        "no units",
    ),
    "tiles of other units than the numbers say": (
        lambda plan: changed(plan, 0, tile_units=plan.layers[0].tile_units - 1),
        "written by no tile",
    ),
    "the output lies elsewhere": (
        lambda plan: changed(plan, 0, offset_bytes=plan.layers[0].offset_bytes + 1),
        "offset",
    ),
    "rows of a copy are not apart": (
        lambda plan: changed(plan, 2, unit_stride_bytes=plan.layers[2].unit_bytes),
        "stride",
    ),
    "an operand is copied twice": (
        lambda plan: renumbered(replace(plan, layers=(*plan.layers[:3], plan.layers[2], *plan.layers[3:]))),
        "copied twice",
    ),
    "an operand is not copied": (
        lambda plan: renumbered(replace(plan, layers=(*plan.layers[:2], *plan.layers[3:]))),
        "neither copied nor in its place",
    ),
    "layers in another order": (_swap, "written by no tile"),
    "a layer too many": (
        lambda plan: renumbered(replace(plan, layers=(*plan.layers, plan.layers[0]))),
        "no op in this order",
    ),
    "step numbers with a gap": (
        lambda plan: changed(plan, 1, first_tile=plan.layers[1].first_tile + 1),
        "begin at step",
    ),
    "an op that is computed twice": (
        lambda plan: renumbered(replace(plan, layers=(plan.layers[0], *plan.layers))),
        "written twice",
    ),
    "half a pixel": (lambda plan: changed(plan, 2, unit_bytes=1), "units"),
    "a buffer too small": (lambda plan: replace(plan, tile_buffer_bytes=1), "do not fit the buffer"),
    "an input captured in part": (
        lambda plan: replace(plan, fixed=(replace(plan.fixed[0], written_bytes=31), *plan.fixed[1:])),
        "capture: 31 bytes of 32",
    ),
    "no capture": (lambda plan: replace(plan, fixed=plan.fixed[1:]), "step 0 is not the first of 1 CAPTURE"),
    "no report": (lambda plan: replace(plan, fixed=plan.fixed[:-1]), "of 1 REPORT"),
    "a report before the tiles": (
        lambda plan: replace(plan, fixed=(*plan.fixed[:2], replace(plan.fixed[2], behind=0))),
        "table of steps",
    ),
    "a step behind the end": (
        lambda plan: replace(plan, fixed=(*plan.fixed[:2], replace(plan.fixed[2], behind=99))),
        "of 1 REPORT",
    ),
    "a commit record that cannot count so far": (lambda plan: replace(plan, commit_bytes=1), "a commit of 1 bytes"),
    "products that are not there": (lambda plan: changed(plan, 0, macs=19), "products"),
}


@pytest.mark.parametrize("name", SEEDED)
def test_a_wrong_tile_plan_is_caught(name: str) -> None:
    graph, memory = planned(concat_graph())
    plan = verify_tiles(graph, memory, plan_tiles(graph, memory, HOST, sram_tile_bytes=10))
    spoil, says = SEEDED[name]
    with pytest.raises(InvalidTilesError, match=says):
        verify_tiles(graph, memory, spoil(plan))


PARTS: dict[str, tuple[dict[str, int], str]] = {
    "a product summed twice": ({"part_macs": 106}, "does not follow"),
    "products left out": ({"part_macs": 99}, "are summed"),
    "one part missing at the end": ({"n_tiles": 59}, "some of its parts missing"),
    "parts of several outputs": ({"tile_units": 2}, "parts of a tile of several units"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_wrong_split_of_a_dot_product_is_caught(name: str) -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.dense(b.input(2_000), 3)))
    whole = plan_tiles(graph, memory, HOST, sram_tile_bytes=100)
    cut = changed(whole, 0, tile_units=1, parts=20, part_macs=100, n_tiles=60)
    good = replace(cut, tile_buffer_bytes=4, partial_bytes=8)
    verify_tiles(graph, memory, good)
    fields, says = PARTS[name]
    with pytest.raises(InvalidTilesError, match=says):
        verify_tiles(graph, memory, changed(good, 0, **fields))
    with pytest.raises(InvalidTilesError, match="two slots of partial sums"):
        verify_tiles(graph, memory, replace(good, partial_bytes=4))


def test_parts_of_a_depthwise_convolution_are_caught() -> None:
    b = Builder()
    graph, memory = planned(b.graph(b.conv(b.input(3, 3, 4), 4, groups=4)))
    plan = plan_tiles(graph, memory, HOST, sram_tile_bytes=100)
    bad = changed(plan, 0, tile_units=1, parts=3, part_macs=3, n_tiles=108)
    with pytest.raises(InvalidTilesError, match="no kernel"):
        verify_tiles(graph, memory, replace(bad, partial_bytes=8))


def test_tiles_over_what_they_read_are_caught() -> None:
    b = Builder()
    x = b.input(8, 8, 1)
    graph = b.graph(b.maxpool(b.conv(x, 2), Window(kernel=(2, 2), stride=(2, 2))))
    in_place = plan_memory(graph)
    with pytest.raises(InvalidTilesError, match="cannot be repeated"):
        verify_tiles(graph, in_place, plan_tiles(graph, in_place, HOST, sram_tile_bytes=100))
    memory = plan_memory(graph, in_place=False)
    for value in ("v1", "in0"):
        moved = replace(memory, offset_bytes={**memory.offset_bytes, value: memory.offset_bytes["v0"]})
        with pytest.raises(InvalidTilesError, match="which they read"):
            verify_tiles(graph, moved, plan_tiles(graph, moved, HOST, sram_tile_bytes=100))


def test_a_value_overwritten_before_it_is_read_is_caught() -> None:
    b = Builder()
    x = b.input(4, 4, 2)
    kept = b.lut(x)
    other = b.lut(b.lut(x))
    graph = b.graph(b.add(kept, other))
    memory = plan_memory(graph, in_place=False)
    moved = replace(memory, offset_bytes={**memory.offset_bytes, other: memory.offset_bytes[kept]})
    with pytest.raises(InvalidTilesError, match="overwritten or not yet written"):
        verify_tiles(graph, moved, plan_tiles(graph, moved, HOST, sram_tile_bytes=100))
