from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml.data import splits
from freeml.errors import BadData


@given(labels=st.lists(st.integers(0, 9), min_size=5, max_size=200).map(np.array))
def test_dealt_parts_are_disjoint_complete_and_none_is_empty(labels):
    parts = splits.dealt(len(labels), labels).parts
    together = np.concatenate(list(parts.values()))
    assert sorted(together.tolist()) == list(range(len(labels)))
    assert all(len(parts[name]) for name in splits.PARTS)


@given(labels=st.lists(st.integers(0, 3), min_size=40, max_size=300).map(np.array))
def test_every_class_is_dealt_sixty_twenty_twenty(labels):
    parts = splits.dealt(len(labels), labels).parts
    for label in np.unique(labels):
        in_class = {name: int((labels[rows] == label).sum()) for name, rows in parts.items()}
        total = sum(in_class.values())
        assert abs(in_class["train"] - 0.6 * total) <= 1.5
        assert abs(in_class["calibration"] - 0.2 * total) <= 1
        assert abs(in_class["test"] - 0.2 * total) <= 1


@given(n=st.integers(1, 200))
def test_samples_without_labels_all_calibrate_and_it_is_said(n):
    deal = splits.dealt(n, None)
    assert deal.parts["calibration"].tolist() == deal.parts["test"].tolist() == list(range(n))
    assert "without labels" in deal.rule
    assert splits.rows_of(deal.parts, "all", "x").tolist() == list(range(n))


@given(n=st.integers(1, 4))
def test_one_labelled_sample_is_enough_to_calibrate(n):
    deal = splits.dealt(n, np.arange(n))
    assert deal.parts["calibration"].tolist() == list(range(n))
    assert "fewer than five" in deal.rule


@given(labels=st.none() | st.lists(st.integers(0, 9), min_size=1, max_size=60).map(np.array), n=st.integers(1, 60))
def test_a_training_part_always_gives_calibration_samples(labels, n):
    n = n if labels is None else len(labels)
    parts = splits.held_back(np.arange(n), labels).parts
    assert len(parts["train"]) > 0
    assert len(parts["calibration"]) > 0
    assert sorted(set(np.concatenate(list(parts.values())).tolist())) == list(range(n))


def test_targets_are_dealt_in_the_order_of_the_file():
    parts = splits.dealt(10, None, has_targets=True).parts
    assert {name: rows.tolist() for name, rows in parts.items()} == {
        "train": [0, 1, 2, 5, 6, 7],
        "calibration": [3, 8],
        "test": [4, 9],
    }


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
