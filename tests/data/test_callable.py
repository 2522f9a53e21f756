from __future__ import annotations

import sys

import numpy as np
import pytest

from freeml.data import load
from freeml.errors import BadData

MODULE = """
import numpy as np
from freeml.data import Dataset
X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 2

def by_split(split):
    n = {"train": 10, "calibration": 4, "test": 6, "all": 20}[split]
    return X[:n], Y[:n]

def without_argument():
    return X, Y

def with_default(n=20):
    return X[:n], Y[:n]

def table(split):
    return {"x": X.tolist(), "y": Y, "split": np.repeat([0, 1, 2], [10, 4, 6])}

def several():
    return (X, X), None

def finished(split):
    return Dataset((X,), Y, ("a", "b"), "mine", split)

def stubborn(split):
    return Dataset((X,), Y, ("a", "b"), "mine", "train")

def broken(split):
    raise KeyError("no such column")

def leaves():
    raise SystemExit(3)

def ragged():
    return [[1, 2], [3]], [0, 1]

def objects():
    return np.array([{}, 1], dtype=object), [0, 1]

def nothing():
    return None

number = 3
class Inner:
    @staticmethod
    def deliver():
        return X, Y
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "my_samples.py").write_text(MODULE)
    (tmp_path / "my_broken.py").write_text("import numpy\n1 / 0\n")
    monkeypatch.chdir(tmp_path)
    yield
    sys.modules.pop("my_samples", None)


def test_a_function_of_the_split_delivers_that_split():
    assert [len(load("my_samples:by_split", s)) for s in ("train", "val", "test", "all")] == [10, 4, 6, 20]


@pytest.mark.parametrize("function", ["without_argument", "with_default", "Inner.deliver"])
def test_a_function_without_the_split_is_dealt_like_a_table(function):
    parts = [load(f"my_samples:{function}", s).inputs[0][:, 0].tolist() for s in ("train", "calibration", "test")]
    assert [len(p) for p in parts] == [12, 4, 4]
    assert len({v for p in parts for v in p}) == 20


def test_a_dictionary_has_the_keys_of_an_archive():
    assert load("my_samples:table", "val").inputs[0][:, 0].tolist() == [20.0, 22.0, 24.0, 26.0]


def test_several_inputs_and_no_labels_are_possible():
    data = load("my_samples:several", "all", limit=3)
    assert len(data.inputs) == 2
    assert data.labels is None
    assert len(data) == 3


def test_a_dataset_is_taken_as_it_is():
    assert load("my_samples:finished", "val", limit=5).class_names == ("a", "b")


def test_a_dataset_of_another_split_is_refused():
    with pytest.raises(BadData, match="split 'test' asked for, a Dataset of split 'train'"):
        load("my_samples:stubborn", "test")


COMPLAINTS = {
    "broken": "KeyError: 'no such column'",
    "leaves": "SystemExit: 3",
    "ragged": "not an array",
    "objects": "array of objects",
    "nothing": "returned NoneType",
    "number": "is int, not a function",
    "absent": "has no 'absent'",
}


@pytest.mark.parametrize("function", COMPLAINTS)
def test_faults_of_the_users_function_are_reported_with_their_text(function):
    with pytest.raises(BadData, match=COMPLAINTS[function]):
        load(f"my_samples:{function}", "test")


def test_the_line_of_the_users_fault_is_named():
    with pytest.raises(BadData) as caught:
        load("my_samples:broken", "test")
    line = MODULE.splitlines().index('    raise KeyError("no such column")') + 1
    assert caught.value.where.endswith(f"my_samples.py:{line}")


def test_faults_at_import_are_reported_with_their_text():
    with pytest.raises(BadData, match="cannot import my_broken: ZeroDivisionError") as caught:
        load("my_broken:f", "test")
    assert caught.value.where.endswith("my_broken.py:2")
    with pytest.raises(BadData, match="ModuleNotFoundError: No module named 'my_absent'"):
        load("my_absent:f", "test")


def test_the_search_path_is_left_as_it_was():
    before = list(sys.path)
    load("my_samples:by_split", "test")
    assert sys.path == before


def test_tensors_are_arrays():
    torch = pytest.importorskip("torch")
    from freeml.data.callable import _array

    assert isinstance(_array(torch.zeros(2, requires_grad=True), "x", "s"), np.ndarray)
