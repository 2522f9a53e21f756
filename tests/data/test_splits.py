from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml.data import splits
from freeml.errors import BadData

label_lists = st.none() | st.lists(st.integers(0, 4), min_size=1, max_size=200).map(np.array)


@given(labels=label_lists, n=st.integers(1, 200))
def test_dealt_parts_are_disjoint_and_complete(labels, n):
    n_total = n if labels is None else len(labels)
    parts = splits.dealt(n_total, labels)
    together = np.concatenate(list(parts.values()))
    assert sorted(together.tolist()) == list(range(n_total))


@given(labels=st.lists(st.integers(0, 3), min_size=40, max_size=300).map(np.array))
def test_every_class_is_dealt_sixty_twenty_twenty(labels):
    parts = splits.dealt(len(labels), labels)
    for label in np.unique(labels):
        in_class = {name: int((labels[rows] == label).sum()) for name, rows in parts.items()}
        total = sum(in_class.values())
        assert abs(in_class["train"] - 0.6 * total) <= 1.5
        assert abs(in_class["calibration"] - 0.2 * total) <= 1
        assert abs(in_class["test"] - 0.2 * total) <= 1


@given(n_total=st.integers(1, 500), n=st.integers(1, 600))
def test_evenly_spread_rows_are_distinct_and_leave_no_wide_gap(n_total, n):
    rows = splits.evenly_spread(n_total, n)
    assert len(rows) == min(n, n_total)
    assert rows[0] == 0
    assert rows[-1] < n_total
    steps = np.diff(np.append(rows, n_total))
    assert steps.min() >= 1
    assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("alias", ["val", "valid", "validation", "calibration"])
def test_the_tuning_split_has_the_names_of_the_trade(alias):
    assert splits.canonical(alias) == "calibration"


def test_an_unknown_split_is_answered_with_those_there_are():
    with pytest.raises(BadData, match="no split 'holdout'") as caught:
        splits.canonical("holdout")
    assert caught.value.hint == "there are: train, calibration, test, all"


def test_a_part_without_samples_is_not_offered():
    rows = {"train": np.arange(3), "test": np.arange(0)}
    with pytest.raises(BadData) as caught:
        splits.rows_of(rows, "test", "x")
    assert caught.value.hint == "there are: train, all"
