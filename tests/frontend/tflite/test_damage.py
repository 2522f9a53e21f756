"""Damaged files: BadModel or UnsupportedOp, quickly, and never anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from freeml.errors import BadModel, UnsupportedOp
from freeml.frontend.tflite.read import read_tflite
from tests.effort import cpu_s
from tests.frontend.tflite.oracle import data_file

N_MUTANTS = 1_000
LIMIT_S = 30.0


def mutants(content: bytes, n: int, rng: np.random.Generator) -> Iterator[bytes]:
    """Bytes flipped near the head, in the tables behind the constants or anywhere; words overwritten; files cut."""
    for kind in rng.integers(0, 5, n):
        data = bytearray(content)
        if kind == 0:
            yield bytes(data[: rng.integers(0, len(data))])
            continue
        start, stop = {1: (8, 200), 2: (len(data) * 3 // 4, len(data))}.get(int(kind), (0, len(data)))
        for _ in range(int(rng.integers(1, 9))):
            where = int(rng.integers(start, min(stop, len(data)) - 4))
            if kind == 4:
                value = int(rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x10000, 0x00FFFFFF]))
                data[where : where + 4] = value.to_bytes(4, "little")
            else:
                data[where] ^= 1 << int(rng.integers(0, 8))
        yield bytes(data)


def failure(path: Path) -> BaseException | None:
    try:
        read_tflite(path)
    except BaseException as error:
        return error
    return None


@pytest.mark.needs_data
def test_a_thousand_damaged_files_are_refused_cleanly_or_read(tmp_path):
    rng = np.random.default_rng(20)
    names = [
        "hello_world_int8",
        "tinymaix_mnist_valid_q",
        "tinymaix_mnist_valid_f",
        "kws_ref_model",
        "micro_speech_quantized",
    ]
    path = tmp_path / "mutant.tflite"
    started_s, refused = cpu_s(), 0
    for name in names:
        content = data_file(f"models/{name}.tflite").read_bytes()
        for number, mutant in enumerate(mutants(content, N_MUTANTS // len(names), rng)):
            path.write_bytes(mutant)
            error = failure(path)
            assert error is None or isinstance(error, BadModel | UnsupportedOp), f"mutant {number} of {name}: {error!r}"
            assert len(str(error).splitlines()) <= 3
            refused += error is not None
    assert cpu_s() - started_s < LIMIT_S
    assert refused > N_MUTANTS // 3
