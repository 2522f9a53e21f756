from __future__ import annotations

import contextlib
import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from freeml.data import load
from freeml.data.idx import read_idx
from freeml.errors import BadData

FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
arrays = st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8"]).flatmap(
    lambda code: hnp.arrays(np.dtype(code), hnp.array_shapes(max_dims=4, max_side=5))
)


def idx_bytes(array: np.ndarray) -> bytes:
    """`array` as an IDX file."""
    code = CODES[array.dtype.str[1:]]
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 training and 6 test images of 4x5, plain and gzip."""
    images = np.arange(30 * 20, dtype=np.uint32).astype(np.uint8).reshape(30, 4, 5)
    labels = (np.arange(30) % 10).astype(np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images[:24]))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels[:24])))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images[24:])))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(labels[24:]))
    return tmp_path


@FUZZ
@given(array=arrays, packed=st.booleans())
def test_any_array_survives_the_round_trip(tmp_path, array, packed):
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(idx_bytes(array)) if packed else idx_bytes(array))
    read = read_idx(path)
    assert read.dtype == array.dtype
    assert read.tobytes() == array.tobytes()
    assert read.shape == array.shape


@FUZZ
@given(st.data())
def test_a_damaged_file_gives_an_array_or_one_bad_data_error(tmp_path, data):
    content = bytearray(idx_bytes(np.arange(24, dtype=np.uint8).reshape(4, 2, 3)))
    packed = data.draw(st.booleans())
    if packed:
        content = bytearray(gzip.compress(content))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(BadData):
        read_idx(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_huge_declared_size_is_refused_before_memory_is_taken(tmp_path, packed):
    head = struct.pack(">BBBBIII", 0, 0, 8, 3, 0xFFFFFFFF, 0xFFFF, 0xFFFF) + bytes(100)
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(head) if packed else head)
    with pytest.raises(BadData, match="can hold"):
        read_idx(path)


def test_surplus_and_missing_bytes_are_refused(tmp_path):
    content = idx_bytes(np.zeros((2, 3), dtype=np.uint8))
    path = tmp_path / "a"
    path.write_bytes(content + b"x")
    with pytest.raises(BadData, match="has more"):
        read_idx(path)
    path.write_bytes(content[:-1])
    with pytest.raises(BadData, match="has 5 bytes"):
        read_idx(path)


def test_the_last_twelfth_of_train_calibrates(folder):
    assert load(str(folder), "train").labels.tolist() == [i % 10 for i in range(22)]
    assert load(str(folder), "calibration").labels.tolist() == [2, 3]
    assert load(str(folder), "test").labels.tolist() == [4, 5, 6, 7, 8, 9]
    assert len(load(str(folder), "all")) == 30


def test_images_have_a_channel_axis_and_values_as_stored(folder):
    x = load(str(folder), "train").inputs[0]
    assert x.shape == (22, 1, 4, 5)
    assert x.dtype == np.float32
    assert x[0].ravel().tolist() == list(range(20))


def test_limit_is_take_for_folders(folder):
    assert (load(str(folder), "train", limit=5).inputs[0] == load(str(folder), "train").take(5).inputs[0]).all()


def test_a_folder_with_test_files_only_has_only_that_split(folder):
    for path in folder.glob("train*"):
        path.unlink()
    assert len(load(str(folder), "test")) == 6
    with pytest.raises(BadData) as caught:
        load(str(folder), "calibration")
    assert caught.value.hint == "there are: test, all"


def test_a_folder_without_idx_files_is_told_the_names(tmp_path):
    with pytest.raises(BadData, match="no IDX files") as caught:
        load(str(tmp_path))
    assert "t10k-" in caught.value.hint


def test_labels_for_other_samples_are_refused(folder):
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.zeros(5, dtype=np.uint8)))
    with pytest.raises(BadData, match="6 samples but 5 labels"):
        load(str(folder), "test")
