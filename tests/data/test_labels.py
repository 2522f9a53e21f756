from __future__ import annotations

import numpy as np
import pytest

from freeml.data import Dataset, load
from freeml.data.labels import class_numbers, labels_or_targets
from freeml.errors import BadData

X = np.arange(60, dtype=np.float32).reshape(60, 1)


@pytest.mark.parametrize("y", [np.arange(6) % 2, (np.arange(6) % 2).astype(float), np.arange(6) % 2 == 1])
def test_whole_numbers_and_booleans_are_classes(y):
    labels, targets = labels_or_targets(y, 6, (), "made")
    assert labels.tolist() == [0, 1, 0, 1, 0, 1]
    assert targets is None


@pytest.mark.parametrize("kind", [np.int8, np.float32])
def test_minus_one_and_one_are_two_classes(kind):
    assert class_numbers(np.array([1, -1, 1], dtype=kind), 3, (), "made").tolist() == [1, 0, 1]


@pytest.mark.parametrize("shape", [(4,), (4, 1), (4, 3)])
def test_numbers_with_a_fraction_are_targets(shape):
    y = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    labels, targets = labels_or_targets(y, 4, (), "made")
    assert labels is None
    assert (targets == y.reshape(4, -1)).all()


def test_targets_stay_with_their_samples_in_every_split(to_npz):
    path = to_npz(x=X, y=X[:, 0] + 0.5)
    for split in ("train", "calibration", "test", "all"):
        data = load(path, split, limit=9)
        assert data.labels is None
        assert (data.targets[:, 0] == data.inputs[0][:, 0] + 0.5).all()


def test_targets_whose_split_holds_whole_numbers_only_stay_targets(to_npz):
    y = np.where(np.arange(60) < 40, 0.25, 1.0)
    data = load(to_npz(x=X, y=y, split=np.repeat([0, 1, 2], 20)), "test")
    assert data.labels is None
    assert (data.targets == 1.0).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_label_that_is_no_number_is_named_with_its_row(to_npz, bad):
    y = X[:, 0] / 7
    y[41] = bad
    with pytest.raises(BadData, match="row 41 is NaN or infinite"):
        load(to_npz(x=X, y=y), "train")


def test_a_label_below_zero_or_beyond_the_names_is_named_with_its_row():
    with pytest.raises(BadData, match="label -3 of row 2"):
        class_numbers(np.array([0, 1, -3]), 3, (), "made")
    with pytest.raises(BadData, match="label 2 of row 1"):
        class_numbers(np.array([0, 2, 1]), 3, ("a", "b"), "made")


def test_a_fraction_among_named_classes_is_named_with_its_row():
    with pytest.raises(BadData, match="row 1 is not a whole number"):
        Dataset((X[:3],), np.array([0.0, 0.5, 1.0]), ("a", "b"), "made", "test")


def test_rows_are_those_of_the_file_whatever_split_and_limit(to_npz):
    for path in (to_npz(x=X, y=np.arange(60) % 4), to_npz(x=X), to_npz(x=X, split=np.repeat([0, 2, 1], 20))):
        for split in ("calibration", "test", "all"):
            data = load(path, split, limit=7)
            data = data.select(np.random.default_rng(1).permutation(len(data)))
            assert (data.rows == data.inputs[0][:, 0]).all()


def test_rows_of_files_in_parts_name_the_table(to_npz):
    path = to_npz(x_train=X[:40], y_train=np.zeros(40, int), x_val=X[40:50], y_val=np.zeros(10, int))
    assert load(path, "train").place(3) == "row 3 of x_train"
    assert load(path, "val").place(3) == "row 3 of x_val"
    assert load(path, "all").place(43) == "row 3 of x_val"


def test_rows_of_a_part_that_gives_up_samples_are_those_of_the_part(to_npz):
    data = load(to_npz(x_train=X, y_train=np.zeros(60, int)), "calibration")
    assert [data.place(i) for i in range(len(data))] == [f"row {int(v)} of x_train" for v in data.inputs[0][:, 0]]


def test_an_undefined_value_is_named_with_the_row_of_the_file(to_npz):
    x = X.copy()
    x[33] = np.nan
    for extra in ({}, {"y": np.arange(60) % 2}, {"split": np.full(60, 1)}):
        with pytest.raises(BadData, match=r"the first is row 33\b"):
            load(to_npz(x=x, **extra), "all")
