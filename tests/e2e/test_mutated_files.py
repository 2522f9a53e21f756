"""Two thousand damaged models through the whole command: exit code 0 or 1, no traceback, nothing left behind.

The C compiler is not called: sizes are measured on code that codegen wrote, which the damage does not reach otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from freeml.firmware.size import Size
from tests.cli.models import tiny_model, write_samples
from tests.cli.runner import Ran, freeml
from tests.effort import cpu_s
from tests.frontend.mutate import field_mutations, mutations
from tests.frontend.tflite.writer import Op, T, const, write_model

N_MUTANTS = 1_000
LIMIT_S = 60.0


@pytest.fixture(autouse=True)
def _no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeml.pipeline.measure_files", lambda _name, _files: Size(1, 1, 0, 1, "none"))


def int8_tflite() -> bytes:
    """FULLY_CONNECTED, RESHAPE, SOFTMAX on int8 codes: needs no samples."""
    rng = np.random.default_rng(1)
    tensors = [
        T("x", (1, 8), "INT8", scales=[0.05], zeros=[3]),
        const("w", rng.integers(-127, 128, (4, 8), dtype=np.int8), scales=[0.01]),
        const("b", rng.integers(-900, 900, 4, dtype=np.int32), scales=[0.0005]),
        T("h", (1, 4), "INT8", scales=[0.1], zeros=[-5]),
        const("shape", np.array([1, 4], dtype=np.int32)),
        T("r", (1, 4), "INT8", scales=[0.1], zeros=[-5]),
        T("y", (1, 4), "INT8", scales=[1 / 256], zeros=[-128]),
    ]
    ops = [
        Op("FULLY_CONNECTED", ["x", "w", "b"], "h", "FullyConnectedOptions", {"FusedActivationFunction": 1}),
        Op("RESHAPE", ["h", "shape"], "r", "ReshapeOptions", {"NewShape": [1, 4]}),
        Op("SOFTMAX", ["r"], "y", "SoftmaxOptions", {"Beta": 1.0}),
    ]
    return write_model(tensors, ops, ["x"], ["y"])


def float_tflite() -> bytes:
    """CONV_2D, MAX_POOL_2D, FULLY_CONNECTED in float on the samples of the tiny model, channels last."""
    rng = np.random.default_rng(2)
    tensors = [
        T("x", (1, 6, 6, 1)),
        const("w", rng.normal(size=(2, 3, 3, 1)).astype(np.float32)),
        const("b", rng.normal(size=2).astype(np.float32)),
        T("c", (1, 4, 4, 2)),
        T("p", (1, 2, 2, 2)),
        const("v", rng.normal(size=(3, 8)).astype(np.float32)),
        T("y", (1, 3)),
    ]
    stride = {"StrideW": 1, "StrideH": 1, "Padding": 1, "FusedActivationFunction": 1}
    pool = {"StrideW": 2, "StrideH": 2, "FilterWidth": 2, "FilterHeight": 2, "Padding": 1}
    ops = [
        Op("CONV_2D", ["x", "w", "b"], "c", "Conv2DOptions", stride),
        Op("MAX_POOL_2D", ["c"], "p", "Pool2DOptions", pool),
        Op("FULLY_CONNECTED", ["p", "v", None], "y", "FullyConnectedOptions", {}),
    ]
    return write_model(tensors, ops, ["x"], ["y"])


def check(mutants: Iterator[bytes], suffix: str, folder: Path, *options: object) -> None:
    """Compile each mutant into the same output path."""
    path, parent = folder / f"mutant.{suffix}", folder / "parent"
    parent.mkdir(exist_ok=True)
    started_s, codes = cpu_s(), {0: 0, 1: 0}
    for number, mutant in enumerate(mutants):
        path.write_bytes(mutant)
        ran = freeml("compile", path, "-o", parent / "out", "--json", *options)
        problem = _problem(ran, parent)
        if problem:
            kept = folder / f"failed-{number}.{suffix}"
            kept.write_bytes(mutant)
            pytest.fail(f"mutant {number}, kept in {kept}: {problem}\n{ran}")
        codes[ran.code] += 1
        assert cpu_s() - started_s < LIMIT_S, f"{number} mutants after {LIMIT_S} s"
    assert min(codes.values()) > sum(codes.values()) // 20, f"these mutations test one way only: {codes}"


def _problem(ran: Ran, parent: Path) -> str:
    left = [path.name for path in parent.iterdir()]
    if ran.code not in (0, 1):
        return f"exit code {ran.code}"
    if "Traceback" in ran.out + ran.err or "internal error" in ran.out + ran.err:
        return "a bug"
    if ran.err:
        return "something was printed to standard error"
    ran.json  # noqa: B018 - raises where standard output is not one JSON object
    if ran.code == 1 and left:
        return f"left behind: {left}"
    for path in parent.iterdir():
        _remove(path)
    return "" if ran.code == 1 or left == ["out"] else f"written: {left}"


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def test_a_thousand_damaged_onnx_files(tmp_path: Path) -> None:
    proto, samples = tiny_model(), write_samples(tmp_path / "samples.npz")
    fields = (changed.SerializeToString() for changed in field_mutations(proto, 11, N_MUTANTS // 2))
    check(fields, "onnx", tmp_path, "--data", samples)
    check(mutations(proto.SerializeToString(), 12, N_MUTANTS // 2), "onnx", tmp_path, "--data", samples)


def test_a_thousand_damaged_tflite_files(tmp_path: Path) -> None:
    samples = tmp_path / "samples.npz"
    rng = np.random.default_rng(3)
    np.savez(samples, x=rng.normal(size=(40, 6, 6, 1)).astype(np.float32))
    check(mutations(int8_tflite(), 13, N_MUTANTS // 2), "tflite", tmp_path)
    check(mutations(float_tflite(), 14, N_MUTANTS // 2), "tflite", tmp_path, "--data", samples)


@pytest.mark.needs_data
def test_a_thousand_damaged_copies_of_a_published_tflite_file(tmp_path: Path, data_dir: Path) -> None:
    published = (data_dir / "models" / "hello_world_int8.tflite").read_bytes()
    check(mutations(published, 15, N_MUTANTS), "tflite", tmp_path)
