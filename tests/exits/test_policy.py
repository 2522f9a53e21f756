"""Tables of policies, what reads them, and how thresholds are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freeml.errors import BadData
from freeml.exits.policy import NEVER, ExitRow, Policy, PolicyKind, share
from freeml.exits.search import (
    Samples,
    cheapest,
    depths,
    everywhere,
    heuristic,
    outcome,
    searched,
)
from freeml.exits.tune import Choice
from freeml.ir.confidence import ONE, Softness

ROWS = (ExitRow(Softness(40_000, 20), 30_000, 500, 20), ExitRow(Softness(50_000, 20), 20_000, 300, 10))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    rows = tuple(
        ExitRow(
            Softness(draw(st.integers(0, 65_535)), draw(st.integers(1, 46))),
            draw(st.integers(0, NEVER)),
            draw(st.integers(0, 2**32 - 1)),
            draw(st.integers(0, 2**32 - 1)),
        )
        for _ in range(draw(st.integers(1, 6)))
    )
    kind = draw(st.sampled_from(list(PolicyKind)))
    return Policy(
        kind, rows, draw(st.integers(1, 256)), draw(st.integers(1, len(rows) + 1)), draw(st.integers(1, 10**6))
    )


@given(policies())
def test_a_table_is_read_as_it_was_written(policy: Policy) -> None:
    raw = policy.to_bytes()
    assert len(raw) == 16 * (1 + len(policy.rows))
    assert Policy.from_bytes(raw) == policy


@settings(max_examples=30)
@given(policies(), st.data())
def test_any_changed_byte_of_a_table_is_noticed(policy: Policy, data: st.DataObject) -> None:
    raw = bytearray(policy.to_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BadData):
        Policy.from_bytes(bytes(raw))


def test_other_thresholds_are_another_digest_and_the_same_bytes_elsewhere() -> None:
    policy = Policy(PolicyKind.CONFIDENCE, ROWS, 10)
    other = policy.with_thresholds((1, 2))
    assert policy.digest != other.digest
    assert len(policy.to_bytes()) == len(other.to_bytes()) == 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": PolicyKind.FIXED, "depth": 4}, "no depth 4: the network has 3"),
        ({"kind": PolicyKind.DEADLINE}, "deadline of 0 ms"),
        ({"kind": PolicyKind.DEADLINE, "deadline_ms": 2**32}, "deadline of 4294967296 ms"),
        ({"rows": ()}, "0 exits"),
        ({"rows": (replace(ROWS[0], next_uj=2**32),)}, "beyond what a table holds"),
    ],
)
def test_what_no_table_holds_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(BadData, match=message):
        replace(Policy(PolicyKind.CONFIDENCE, ROWS, 10), **change)  # type: ignore[arg-type]


def test_thresholds_are_shares_and_above_one_is_never() -> None:
    assert (share(0), share(0.5), share(1), share(1.01)) == (0, ONE // 2, ONE, NEVER)


def made(n: int, seed: int) -> Samples:
    """Confidence that says how likely each of two exits is right; the network's own answer is right on 95 %."""
    rng = np.random.default_rng(seed)
    sure = rng.beta(2, 1, size=(n, 2))
    sure[:, 1] = np.maximum(sure[:, 1], sure[:, 0])
    right = np.column_stack([rng.random((n, 2)) < sure, rng.random(n) < 0.95])
    return Samples((sure * ONE).astype(np.int64), right, np.array([10.0, 40.0, 100.0]))


def test_a_sample_ends_at_the_first_exit_that_is_sure_enough() -> None:
    shares = np.array([[10, 30], [25, 5], [0, 0], [20, 20]])
    assert depths(shares, (20, 30)).tolist() == [1, 0, 2, 0]
    assert depths(shares, (NEVER, NEVER)).tolist() == [2, 2, 2, 2]


def test_thresholds_of_each_exit_are_worth_no_less_than_one_for_all() -> None:
    samples = made(800, 0)
    one, each = everywhere(samples), searched(samples)
    whole = outcome(samples, (NEVER, NEVER))
    for single in one:
        best = cheapest(each, single.accuracy)
        assert best is not None
        assert best.energy_uj <= single.energy_uj + 1e-9
    saved = cheapest(each, whole.accuracy - 0.01)
    assert saved is not None
    assert saved.energy_uj < 0.8 * whole.energy_uj


@pytest.mark.parametrize("seed", range(3))
def test_at_any_price_of_energy_nothing_beats_what_was_found(seed: int) -> None:
    samples = made(40, seed)
    values = [[*np.unique(samples.shares[:, k]), NEVER] for k in range(2)]
    every = [outcome(samples, (a, b)) for a in values[0] for b in values[1]]
    found = searched(samples)
    for price in np.geomspace(1e-3, 3.0, 48) / samples.cost_uj[-1]:
        best = max(one.accuracy - price * one.energy_uj for one in every)
        assert max(one.accuracy - price * one.energy_uj for one in found) >= best - 1e-9


def test_outcomes_on_a_front_fall_in_both() -> None:
    found = searched(made(500, 2))
    assert all(a.energy_uj > b.energy_uj and a.accuracy > b.accuracy for a, b in pairwise(found))
    assert all(sum(one.ends) == pytest.approx(1) for one in found)


def test_the_heuristic_gives_accurate_and_calibrated_exits_low_thresholds() -> None:
    weak, good = heuristic([0.6, 0.9, 0.95], [0.2, 0.02, 0.015])
    assert weak > good
    assert weak == share((0.1 + (1 - 0.6 / 0.2) - (1 - 0.95 / 0.015)) / ((0.95 / 0.015 - 0.6 / 0.2) + 0.2))
    assert heuristic([0.5, 0.5], [0.0, 0.0]) == (share(0.5),)


@pytest.mark.parametrize("text", ["searched", "fixed:2", "global:0.875", "entropy:0.5", "deadline:1234567"])
def test_a_policy_is_written_as_it_was_asked_for(text: str) -> None:
    assert str(Choice.parse(text)) == text


@pytest.mark.parametrize("kind", PolicyKind)
def test_a_table_is_called_what_would_give_one_of_its_kind(kind: PolicyKind) -> None:
    found = Choice.parse(str(Choice.of(Policy(kind, ROWS, 4, 2, 1_234_567))))
    assert found.kind is kind
    assert found.number == (2 if kind is PolicyKind.FIXED else 1_234_567 if kind.needs_time else None)
