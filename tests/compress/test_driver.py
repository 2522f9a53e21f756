"""`compress`: what it refuses, and that the published method gives a network that compiles to what was judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.nn.functional as F  # noqa: N812

from freeml.board.board import load_board
from freeml.compress.driver import compress
from freeml.compress.types import Bounds, Compressed
from freeml.compression import compress_model
from freeml.data.accuracy import answers
from freeml.errors import BadData, BadModel, DoesNotFit
from freeml.ir.graph import Graph
from freeml.ir.text import digest
from freeml.ir.types import Const
from freeml.quantize.search import quantize
from freeml.train.augment import Shifted

from ..train.tasks import learned, stripes

TRAIN, HELD = stripes(300, 1), stripes(100, 2)
BOARD = load_board("msp430fr5994")


@pytest.fixture(scope="module")
def dense() -> Graph:
    return learned(TRAIN, HELD, channels=8)


@pytest.fixture(scope="module")
def published(dense: Graph) -> Compressed:
    return compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200), method="freeml")


def test_the_graph_that_comes_out_compiles_to_the_integers_that_were_judged(published: Compressed) -> None:
    assert digest(quantize(published.graph, None).graph) == digest(published.quantized)
    found = answers(published.quantized, HELD.inputs).classes
    assert float(np.mean(found == HELD.labels)) == published.accuracy.small_int8


def test_what_a_layer_was_and_is_stands_beside_each_other(dense: Graph, published: Compressed) -> None:
    conv, fc = published.layers
    assert (conv.shape_before, conv.shape_after, conv.bytes_before) == ((8, 3, 3, 1), (8, 3, 3, 1), 4 * 80)
    assert fc.bytes_before == 4 * (3 * 128 + 3)
    assert fc.nonzero < 3 * 128
    assert published.dense_bytes == 4 * (80 + 387)
    assert published.ratio == published.dense_bytes / published.cost.stored_bytes
    assert published.cost.energy_uj is not None


@pytest.mark.parametrize("labels", [np.zeros(300, dtype=np.int64), np.arange(300) % 5])
def test_labels_that_cannot_be_learned_are_refused(dense: Graph, labels: np.ndarray) -> None:
    wrong = replace(TRAIN, labels=labels, class_names=())
    with pytest.raises(BadData, match=r"have the label 0|is no class of this network"):
        compress(dense, (wrong, HELD), board=BOARD, bounds=Bounds(target_bytes=1200))


def test_weights_that_are_no_numbers_are_refused(dense: Graph) -> None:
    name = next(name for name, const in dense.consts.items() if const.array.ndim == 2)
    broken = dense.consts[name].array.copy()
    broken[0, 3] = np.nan
    graph = dense.with_ops(dense.ops, consts={name: Const(broken)})
    with pytest.raises(BadModel, match=f"{name} has 1 numbers that are NaN"):
        compress(graph, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200))


def test_a_quantized_network_is_refused_with_what_to_bring(published: Compressed) -> None:
    for graph in (published.quantized, published.graph):
        with pytest.raises(BadModel, match="quantized") as refusal:
            compress(graph, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200))
        assert "bring the float network" in refusal.value.hint


def test_weights_that_were_only_stored_in_codes_are_real_numbers_to_begin_with(dense: Graph) -> None:
    name = next(name for name, const in dense.consts.items() if const.array.ndim == 2)
    array = dense.consts[name].array
    scales = np.abs(array).max(axis=1) / 127
    codes = np.rint(array / scales[:, None])
    stored = Const((codes * scales[:, None]).astype(array.dtype), tuple(float(s) for s in scales))
    graph = dense.with_ops(dense.ops, consts={name: stored})
    found = compress(graph, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=300, time_s=2))
    assert found.accuracy.small_int8 > 0.8


def test_a_layer_to_keep_that_is_not_there_is_named_with_those_that_are(dense: Graph) -> None:
    with pytest.raises(BadData, match="no layer is called 'fc9'") as refusal:
        compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200, keep=("fc9",)))
    assert "net:/fc" in refusal.value.hint


def test_a_target_that_no_density_reaches_is_refused(dense: Graph) -> None:
    with pytest.raises(DoesNotFit, match="cannot be reached"):
        compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=40), method="freeml")


def test_nothing_to_reach_and_bounds_below_nothing_are_refused(dense: Graph) -> None:
    with pytest.raises(BadData, match="nothing to reach"):
        compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(time_s=60))
    with pytest.raises(BadData, match="energy_uj is -1"):
        Bounds(energy_uj=-1)


def test_bounds_and_a_target_beside_them_are_refused() -> None:
    with pytest.raises(BadData, match="both bounds and target_kb are given"):
        compress_model("nowhere.onnx", (TRAIN, HELD), bounds=Bounds(sram_bytes=9000), target_kb=1)


@pytest.mark.parametrize("given", ["0.9", None, float("nan"), np.zeros(2), [0.5], 1j])
def test_a_metric_that_gives_no_number_is_refused(dense: Graph, given: object) -> None:
    def metric(scores: object, labels: object) -> float:
        return given  # type: ignore[return-value]

    with pytest.raises(BadData, match="the metric gave") as refusal:
        compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200), metric=metric)
    assert "a number for every network" in refusal.value.hint


def test_a_workspace_of_another_run_is_refused_with_the_option_that_differs(dense: Graph, tmp_path: Path) -> None:
    compress(dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1200), method="freeml", workspace=tmp_path)
    with pytest.raises(BadData, match=r"target_bytes 1200.* 1300"):
        compress(
            dense, (TRAIN, HELD), board=BOARD, bounds=Bounds(target_bytes=1300), method="freeml", workspace=tmp_path
        )


def test_a_run_that_goes_on_measures_as_it_was_begun(dense: Graph, tmp_path: Path) -> None:
    def right(scores: np.ndarray, labels: np.ndarray) -> float:
        return float(np.mean(scores.argmax(axis=1) == labels))

    def run(**more: Any) -> Compressed:
        how = {"metric": right, "loss": lambda scores, y: F.cross_entropy(scores, y, label_smoothing=0.2), **more}
        bounds = Bounds(target_bytes=1200)
        return compress(dense, (TRAIN, HELD), board=BOARD, bounds=bounds, effort=0.02, workspace=tmp_path, **how)

    run()
    run()
    others = {
        "metric": lambda scores, labels: float(np.mean(scores.argmin(axis=1) == labels)),
        "loss": lambda scores, y: F.cross_entropy(scores, y, label_smoothing=0.1),
        "augment": Shifted(1),
        "precision": "bfloat16",
        "toolchain": "gcc",
    }
    for name, other in others.items():
        with pytest.raises(BadData, match=f"the run that was begun had {name}"):
            run(**{name: other})
