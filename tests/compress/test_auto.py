"""The project's own method: bounds of size, memory, energy and accuracy are met, or refused with the best found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml import needs
from freeml.board.board import load_board
from freeml.compress import auto, coding
from freeml.compress.cost import cost_of
from freeml.compress.driver import compress
from freeml.compress.linked import surplus
from freeml.compress.types import Bounds, Compressed, Progress
from freeml.data.accuracy import answers
from freeml.errors import BadData, DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8, DenseI8
from freeml.ir.text import digest
from freeml.quantize.search import quantize

from ..train.tasks import learned, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)
DATA = (TRAIN, HELD)
BOARD = load_board("msp430fr5994")
SIZE = Bounds(target_bytes=400, time_s=6)  # so little time that stages have few epochs


class Killed(Exception):
    """In the middle of a stage."""


@pytest.fixture(scope="module")
def dense() -> Graph:
    return learned(TRAIN, HELD, channels=16)


@pytest.fixture(scope="module")
def small(dense: Graph, tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    return compress(dense, DATA, board=BOARD, bounds=SIZE, workspace=tmp_path_factory.mktemp("run"))


def test_a_size_is_met_and_the_network_is_nearly_as_right(small: Compressed) -> None:
    assert small.cost.stored_bytes <= 400
    assert small.ratio > 8
    assert small.accuracy.small_int8 > small.accuracy.dense_float - 0.06
    assert small.frontier
    found = answers(small.quantized, HELD.inputs).classes
    assert float(np.mean(found == HELD.labels)) == small.accuracy.small_int8
    assert digest(quantize(small.graph, None).graph) == digest(small.quantized)


def test_a_network_that_grew_beyond_its_size_while_it_was_trained_is_made_smaller_again(
    dense: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_MARGIN", 1.4)  # as if codes took so much more once they are trained
    stages: list[str] = []
    bounds = replace(SIZE, target_bytes=500, max_drop_points=None, time_s=None)
    found = compress(
        dense, DATA, board=BOARD, bounds=bounds, effort=0.05, on_progress=lambda news: stages.append(news.stage)
    )
    assert found.cost.stored_bytes <= 500
    assert any("repair 1" in stage for stage in stages)


def test_where_bytes_alone_bind_weights_get_fewer_bits_before_channels_go(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(coding, "_EIGHT_LEVELS_BYTES", 500)
    wide = learned(TRAIN, HELD, channels=96)
    stages: list[str] = []
    bounds = Bounds(target_bytes=2900)
    how = {"board": BOARD, "bounds": bounds, "effort": 0.05, "workspace": tmp_path}
    found = compress(wide, DATA, on_progress=lambda news: stages.append(news.stage), **how)
    assert any("bits a weight" in stage for stage in stages)
    assert not any("round" in stage for stage in stages)
    assert found.cost.stored_bytes <= 2900
    assert [layer.shape_after[0] for layer in found.layers] == [96, 3]
    codes = found.quantized.consts[next(op for op in found.quantized.ops if isinstance(op, DenseI8)).inputs[1]].array
    share = np.unique(codes, return_counts=True)[1] / codes.size
    assert coding.FEWEST_BITS - 0.1 < -(share * np.log2(share)).sum() < 3
    assert found.accuracy.small_int8 > found.accuracy.dense_float - 0.06
    again = compress(wide, DATA, **how)
    assert digest(again.quantized) == digest(found.quantized)
    timed = compress(wide, DATA, board=BOARD, bounds=replace(bounds, ms=1e6), effort=0.05)
    assert [layer.shape_after[0] for layer in timed.layers] != [96, 3]


@pytest.mark.parametrize(("most_error", "most_values"), [(0.0, 128), (9.0, 16)])
def test_small_layers_stay_int8_where_few_values_cost_them_much(
    monkeypatch: pytest.MonkeyPatch, most_error: float, most_values: int
) -> None:
    monkeypatch.setattr(coding, "_EIGHT_LEVELS_BYTES", 500)
    monkeypatch.setattr(coding, "_SMALL_SHARE", 0.2)
    monkeypatch.setattr(auto, "_MOST_ERROR", most_error)
    wide = learned(TRAIN, HELD, channels=96)
    found = compress(wide, DATA, board=BOARD, bounds=Bounds(target_bytes=2900), effort=0.02).quantized
    first, last = (found.consts[op.inputs[1]].array for op in found.ops if isinstance(op, ConvI8 | DenseI8))
    assert most_values / 2 < len(np.unique(first)) <= 2 * most_values
    assert len(np.unique(last)) <= 16


def test_memory_within_reach_of_short_pointers_is_that_of_the_linked_firmware(dense: Graph) -> None:
    graph = quantize(dense, HELD.inputs).graph
    bound, linked = cost_of(graph, BOARD), cost_of(graph, BOARD, "auto")
    assert 0 < linked.near_bytes < bound.near_bytes
    off = surplus(graph, BOARD, bound, "auto")
    assert off["near_bytes"] == bound.near_bytes - linked.near_bytes
    less = cost_of(graph, BOARD, off=off)
    figures = ("flash_bytes", "sram_bytes", "near_bytes")
    assert [getattr(less, name) for name in figures] == [getattr(linked, name) for name in figures]
    assert cost_of(graph, load_board("qemu_m4")).near_bytes == 0


def test_weights_have_as_few_values_as_their_format_says(small: Compressed) -> None:
    for const in small.quantized.consts.values():
        if const.array.dtype == np.int8:
            assert len(np.unique(const.array)) <= 4


def test_a_killed_run_goes_on_to_the_same_bytes(dense: Graph, small: Compressed, tmp_path: Path) -> None:
    bounds = replace(SIZE, time_s=None, target_bytes=500)
    kept = compress(dense, DATA, board=BOARD, bounds=replace(bounds, time_s=2), workspace=tmp_path / "whole")
    seen = 0

    def kill(news: Progress) -> None:
        nonlocal seen
        seen += "values a weight" in news.stage
        if seen == 4:
            raise Killed

    again = tmp_path / "again"
    again.mkdir()
    (again / "schedule").write_bytes((tmp_path / "whole" / "schedule").read_bytes())
    with pytest.raises(Killed):
        compress(dense, DATA, board=BOARD, bounds=replace(bounds, time_s=2), workspace=again, on_progress=kill)
    resumed = compress(dense, DATA, board=BOARD, bounds=replace(bounds, time_s=2), workspace=again)
    assert digest(resumed.graph) == digest(kept.graph)
    assert digest(resumed.quantized) == digest(kept.quantized)
    assert resumed.accuracy == kept.accuracy


def test_another_seed_trains_another_network_and_is_refused_by_the_workspace(dense: Graph, tmp_path: Path) -> None:
    quick = replace(SIZE, time_s=1)
    one, other = (compress(dense, DATA, board=BOARD, bounds=quick, seed=seed) for seed in (0, 1))
    assert digest(one.graph) != digest(other.graph)
    assert set(one.seeds.values()) == {0}
    compress(dense, DATA, board=BOARD, bounds=quick, seed=0, workspace=tmp_path)
    with pytest.raises(BadData, match="seed 0, this one has 1"):
        compress(dense, DATA, board=BOARD, bounds=quick, seed=1, workspace=tmp_path)


@pytest.mark.parametrize("field", ["sram_bytes", "energy_uj", "ms", "nvm_bytes", "flash_bytes"])
def test_whatever_binds_is_met(dense: Graph, field: str) -> None:
    graph = quantize(dense, HELD.inputs).graph
    before = cost_of(graph, BOARD, "auto")
    least = {"flash_bytes": 0.97, "sram_bytes": 0.95}.get(field, 0.7)
    bounds = Bounds(**{field: type(getattr(before, field))(least * getattr(before, field))}, time_s=3)
    found = compress(dense, DATA, board=BOARD, bounds=bounds)
    assert getattr(found.cost, field) <= getattr(bounds, field) < getattr(before, field)
    assert found.accuracy.small_int8 > 0.9


def test_bounds_of_flash_and_sram_are_kept_by_what_is_linked_and_not_refused_by_what_is_estimated(dense: Graph) -> None:
    board = load_board("qemu_m4")
    graph = quantize(dense, HELD.inputs).graph
    cost = cost_of(graph, board)
    real = cost_of(graph, board, "auto")
    assert real.flash_bytes < 0.95 * cost.flash_bytes, "where both are the same this shows nothing"
    found = compress(dense, DATA, board=board, bounds=Bounds(flash_bytes=int(0.98 * real.flash_bytes), time_s=3))
    assert found.cost == cost_of(found.quantized, board, "auto")
    assert found.cost.flash_bytes <= 0.98 * real.flash_bytes


def test_the_compiler_that_was_asked_for_is_the_one_that_is_linked(
    dense: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[str] = set()

    def measured(*args: object) -> None:
        asked.add(str(args[-1]))

    monkeypatch.setattr(needs, "measure_firmware", measured)
    before = cost_of(quantize(dense, HELD.inputs).graph, BOARD)
    bounds = Bounds(sram_bytes=before.sram_bytes, time_s=1)
    compress(dense, DATA, board=BOARD, bounds=bounds, toolchain="gcc")
    assert asked == {"gcc"}


def test_a_bound_that_nothing_keeps_is_refused_before_training(dense: Graph) -> None:
    heard: list[Progress] = []
    with pytest.raises(DoesNotFit, match=r"SRAM: a bound of 100 bytes cannot be reached: .* take [\d,]+ bytes"):
        compress(dense, DATA, board=BOARD, bounds=Bounds(sram_bytes=100), on_progress=heard.append)
    assert not any("epoch" in news.stage for news in heard)


def test_a_drop_alone_gives_the_smallest_network_that_was_found_within_it(dense: Graph) -> None:
    found = compress(dense, DATA, board=BOARD, bounds=Bounds(max_drop_points=3, time_s=6))
    assert found.accuracy.drop_points <= 3
    assert found.ratio > 8


def test_the_dense_network_alone_teaches_where_there_are_no_labels(dense: Graph) -> None:
    unlabelled = tuple(replace(data, labels=None, class_names=()) for data in DATA)
    found = compress(dense, (unlabelled[0], unlabelled[1]), board=BOARD, bounds=SIZE)
    assert found.kind == "agreement"
    assert found.accuracy.dense_float == 1.0
    assert found.accuracy.small_int8 > 0.9


def test_the_users_loss_and_metric_are_what_counts(dense: Graph) -> None:
    calls = {"loss": 0, "metric": 0}

    def loss(scores, expected):  # type: ignore[no-untyped-def]
        calls["loss"] += 1
        return -(scores.log_softmax(dim=1)[range(len(expected)), expected]).mean()

    def metric(scores: np.ndarray, expected: np.ndarray | None) -> float:
        calls["metric"] += 1
        return float(np.mean(scores.argmax(axis=1) == expected)) / 2

    found = compress(dense, DATA, board=BOARD, bounds=SIZE, loss=loss, metric=metric)
    assert found.kind == "metric"
    assert 0.4 < found.accuracy.small_int8 <= 0.5
    assert min(calls.values()) > 2
