"""fml_policy.c against the numpy that says what confidence is, and against what each policy claims."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

from freeml.exits.calibrate import softness
from freeml.exits.policy import NEVER, ExitRow, Policy, PolicyKind
from freeml.firmware.host import build_host_library
from freeml.ir.confidence import Softness, confidence
from tests.kernels.library import INCLUDE, RUNTIME

SRC, HAL = RUNTIME / "src", RUNTIME / "hal" / "host"


class Now(ctypes.Structure):
    _fields_ = [
        ("scores", ctypes.c_void_p),
        ("n_classes", ctypes.c_uint16),
        ("exit", ctypes.c_uint8),
        ("energy_uj", ctypes.c_uint32),
        ("elapsed_ms", ctypes.c_uint32),
    ]


class Answer(ctypes.Structure):
    _fields_ = [
        ("class_index", ctypes.c_uint16),
        ("share", ctypes.c_uint16),
        ("entropy", ctypes.c_uint16),
        ("confidence", ctypes.c_uint8),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    out = tmp_path_factory.mktemp("policy") / "policy.so"
    return ctypes.CDLL(str(build_host_library([SRC / "fml_policy.c", HAL / "fml_hal_host.c"], [INCLUDE, HAL], out)))


def decide(
    library: ctypes.CDLL, policy: Policy, scores: np.ndarray, exit_: int, energy_uj: int = 0, elapsed_ms: int = 0
) -> tuple[int, Answer]:
    """Whether the policy stops at an exit, and what it says the answer is."""
    raw = policy.to_bytes()
    table = (ctypes.c_uint32 * (len(raw) // 4)).from_buffer_copy(raw)
    row = np.ascontiguousarray(scores, dtype=np.int32)
    now = Now(row.ctypes.data, len(row), exit_, energy_uj, elapsed_ms)
    answer = Answer()
    function = getattr(library, f"fml_policy_{policy.kind.name.lower()}")
    function.restype = ctypes.c_uint8
    return int(function(table, ctypes.byref(now), ctypes.byref(answer))), answer


def table(kind: PolicyKind, *, depth: int = 1, deadline_ms: int = 100, threshold: int = 20_000) -> Policy:
    rows = (
        ExitRow(softness(1e-3, 1.0), threshold, 500, 20),
        ExitRow(softness(1e-3, 2.0), NEVER, 300, 10),
    )
    return Policy(kind, rows, 4, depth, deadline_ms)


def test_the_device_computes_confidence_as_it_is_defined(library: ctypes.CDLL) -> None:
    rng = np.random.default_rng(0)
    for trial in range(300):
        k = int(rng.integers(1, 257)) if trial % 3 else int(rng.integers(1, 13))
        size = 2.0 ** rng.uniform(0, 30)
        scores = np.clip(np.rint(rng.normal(scale=size / 3, size=(1, k))), -(2**30), 2**30).astype(np.int32)
        if trial % 5 == 0:
            scores[0, rng.integers(0, k)] = scores.max()  # two may be the largest
        soft = Softness(int(rng.integers(0, 65_536)), int(rng.integers(1, 47)))
        rows = (ExitRow(soft),)
        _, answer = decide(library, Policy(PolicyKind.CONFIDENCE, rows, k), scores[0], 0)
        wanted = confidence(scores, soft)
        found = (answer.class_index, answer.share, answer.entropy, answer.confidence)
        assert found == (wanted.classes[0], wanted.shares[0], wanted.entropies[0], wanted.published[0])


SURE, UNSURE = np.array([9_000, 0, 0, 0]), np.array([300, 200, 100, 0])


def test_a_fixed_depth_stops_there_and_nowhere_else(library: ctypes.CDLL) -> None:
    assert decide(library, table(PolicyKind.FIXED, depth=1), UNSURE, 0)[0] == 1
    assert decide(library, table(PolicyKind.FIXED, depth=2), SURE, 0)[0] == 0
    assert decide(library, table(PolicyKind.FIXED, depth=2), SURE, 1)[0] == 1
    assert decide(library, table(PolicyKind.FIXED, depth=3), SURE, 1)[0] == 0


def test_confidence_stops_from_its_threshold_on(library: ctypes.CDLL) -> None:
    policy = table(PolicyKind.CONFIDENCE)
    assert decide(library, policy, SURE, 0)[0] == 1
    assert decide(library, policy, UNSURE, 0)[0] == 0
    assert decide(library, policy, SURE, 1)[0] == 0  # never
    _, answer = decide(library, policy, UNSURE, 0)
    at, above = (table(PolicyKind.CONFIDENCE, threshold=answer.share + more) for more in (0, 1))
    assert decide(library, at, UNSURE, 0)[0] == 1
    assert decide(library, above, UNSURE, 0)[0] == 0


def test_entropy_stops_below_its_threshold(library: ctypes.CDLL) -> None:
    _, answer = decide(library, table(PolicyKind.ENTROPY), UNSURE, 0)
    assert 0 < answer.entropy < 2 * 256
    assert decide(library, table(PolicyKind.ENTROPY, threshold=answer.entropy + 1), UNSURE, 0)[0] == 1
    assert decide(library, table(PolicyKind.ENTROPY, threshold=answer.entropy), UNSURE, 0)[0] == 0


@pytest.mark.parametrize("scores", [SURE, UNSURE])
def test_energy_stops_where_the_next_segment_costs_more_than_is_left(library: ctypes.CDLL, scores: np.ndarray) -> None:
    policy = table(PolicyKind.ENERGY)
    assert decide(library, policy, scores, 0, energy_uj=499)[0] == 1
    assert decide(library, policy, scores, 0, energy_uj=500)[0] == 0
    assert decide(library, policy, scores, 1, energy_uj=300)[0] == 0


def test_confident_enough_or_the_next_segment_does_not_fit(library: ctypes.CDLL) -> None:
    policy = table(PolicyKind.CONFIDENCE_OR_ENERGY)
    stops = [decide(library, policy, s, 0, energy_uj=e)[0] for s in (SURE, UNSURE) for e in (499, 500)]
    assert stops == [1, 1, 1, 0]


def test_a_deadline_stops_where_the_next_segment_would_end_after_it(library: ctypes.CDLL) -> None:
    policy = table(PolicyKind.DEADLINE)
    times = (0, 80, 81, 100, 101, 2**32 - 1)
    assert [decide(library, policy, SURE, 0, elapsed_ms=t)[0] for t in times] == [0, 0, 1, 1, 1, 1]
    both = table(PolicyKind.CONFIDENCE_OR_DEADLINE)
    assert [decide(library, both, s, 0, elapsed_ms=80)[0] for s in (SURE, UNSURE)] == [1, 0]


def test_every_kind_of_table_has_its_function_in_c() -> None:
    header = Path(INCLUDE, "fml_policy.h").read_text()
    assert all(f"fml_policy_fn fml_policy_{kind.name.lower()};" in header for kind in PolicyKind)
