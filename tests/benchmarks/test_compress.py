"""What `benchmarks.compress` computes of what it measured: intervals, folds by speaker, layers one at a time."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.compress.__main__ import RESULTS, main
from benchmarks.compress.folds import folds
from benchmarks.compress.layers import slices
from benchmarks.compress.networks import NETWORKS
from benchmarks.compress.rate import interval, of_folds
from freeml.frontend.load import load_model
from freeml.ir.ops import Conv, Dense
from freeml.passes.pipeline import run_passes


def test_the_interval_of_a_drop_is_about_pairs_and_holds_it() -> None:
    rng = np.random.default_rng(1)
    dense = rng.random(1000) < 0.9
    low, high = interval(dense, dense)
    assert low == high == 0, "the same answers leave no doubt"
    small = dense & (rng.random(1000) < 0.98)
    low, high = interval(dense, small)
    drop = 100 * float(dense.mean() - small.mean())
    assert 0 < low < drop < high
    assert high - low == pytest.approx(2 * 1.96 * 100 * np.sqrt(drop / 100 * (1 - drop / 100) / 1000), rel=0.1)


def test_the_interval_of_folds_is_students() -> None:
    mean, low, high = of_folds([1.0, 2.0, 3.0, 4.0, 5.0])
    assert mean == 3
    assert high - mean == pytest.approx(2.776 * np.sqrt(2.5) / np.sqrt(5), rel=1e-3)
    assert mean - low == pytest.approx(high - mean)


def test_folds_test_each_clip_once_and_never_a_speaker_that_trained(data_dir: Path) -> None:
    with np.load(data_dir / "kws" / "kws_mfcc_visible.npz") as archive:
        speaker, codes = archive["speaker"], archive["mfcc_int8"]
    of_clip = {codes[k].tobytes(): str(speaker[k]) for k in range(len(codes))}
    tested = 0
    for parts in folds(5):
        who = [{of_clip[one.tobytes()] for one in np.asarray(part.inputs[0])[..., 0]} for part in parts]
        assert all(len(part) for part in parts)
        assert not who[2] & (who[0] | who[1])
        assert not who[0] & who[1]
        tested += len(parts[2])
    assert tested == len(codes)


def test_slices_of_a_layer_have_all_of_its_outputs() -> None:
    graph = run_passes(load_model(str(NETWORKS["digits"].path)).graph)
    layers = [op for op in graph.ops if isinstance(op, Conv | Dense)]
    assert len(layers) == 3
    for op in layers:
        outputs = [one.types["y"].shape for one in slices(graph, op)]
        assert sum(shape[-1] for shape in outputs) == graph.types[op.output].shape[-1]
        assert {shape[:-1] for shape in outputs} == {graph.types[op.output].shape[:-1]}


def test_the_quick_run_of_digits_is_smaller_faster_and_nearly_as_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """About 12 seconds of processor time."""
    before = {path: path.read_bytes() for path in RESULTS.glob("compress_*")}
    monkeypatch.setattr("sys.argv", ["compress", "digits", "--quick", "--work", str(tmp_path)])
    main()
    said = capsys.readouterr().out
    figures = {
        "stored": r"stored ([\d,]+) bytes",
        "lost": r"(-?[\d.]+) points lost",
        "flash": r"SRAM [\d,]+, flash ([\d,]+) bytes",
        "dense flash": r"dense, arena [\d,]+, SRAM [\d,]+, flash ([\d,]+)",
        "times fewer cycles": r"one at a time: ([\d.]+)x",
    }
    found = {name: re.search(pattern, said) for name, pattern in figures.items()}
    number = {name: float(match[1].replace(",", "")) for name, match in found.items() if match}
    assert number.keys() == figures.keys(), said
    assert "runs emulated; its outputs are the interpreter's, byte for byte" in said
    assert number["stored"] <= 1400
    assert number["lost"] < 3
    assert number["flash"] < number["dense flash"]
    assert number["times fewer cycles"] > 1
    assert before == {path: path.read_bytes() for path in RESULTS.glob("compress_*")}
