from __future__ import annotations

import contextlib
import io
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.data import load
from freeml.data.kws import load_kws
from freeml.data.npz import NpzArchive
from freeml.errors import BadData

X = np.arange(60, dtype=np.float32).reshape(60, 1)
Y = np.arange(60) % 3


def npy(header: str, payload: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    return b"\x93NUMPY" + version + struct.pack("<H", len(header)) + header.encode() + payload


def zipped(tmp_path: Path, **members: bytes) -> str:
    path = tmp_path / "made.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, content in members.items():
            archive.writestr(f"{key}.npy", content)
    return str(path)


def test_a_split_column_is_kept(to_npz):
    path = to_npz(x=X, y=Y, split=np.repeat([0, 1, 2], 20))
    assert load(path, "train").inputs[0][:, 0].tolist() == list(range(20))
    assert load(path, "val").inputs[0][:, 0].tolist() == list(range(20, 40))
    assert load(path, "test").labels.tolist() == Y[40:].tolist()


def test_split_names_mean_the_same_as_split_numbers(to_npz):
    names = np.repeat(["train", "val", "test"], 20)
    assert (load(to_npz(x=X, split=names), "val").inputs[0] == X[20:40]).all()
    assert (load(to_npz(x=X, split=names.astype("S")), "val").inputs[0] == X[20:40]).all()


def test_one_table_per_part_is_read(to_npz):
    path = to_npz(x_train=X[:30], y_train=Y[:30], x_val=X[30:40], y_val=Y[30:40], x_test=X[40:], y_test=Y[40:])
    assert len(load(path, "train")) == 30
    assert load(path, "calibration").labels.tolist() == Y[30:40].tolist()
    assert (load(path, "all").inputs[0] == X).all()


@pytest.mark.parametrize("form", ["table", "split without calibration", "parts without calibration"])
def test_calibration_and_test_samples_never_overlap(to_npz, form):
    path = {
        "table": lambda: to_npz(x=X, y=Y),
        "split without calibration": lambda: to_npz(x=X, y=Y, split=np.repeat([0, 2], [40, 20])),
        "parts without calibration": lambda: to_npz(x_train=X[:40], y_train=Y[:40], x_test=X[40:], y_test=Y[40:]),
    }[form]()
    seen = [set(load(path, part).inputs[0][:, 0].tolist()) for part in ("train", "calibration", "test")]
    assert all(seen)
    assert sum(len(s) for s in seen) == len(set.union(*seen)) == len(load(path, "all")) == 60


def test_limit_is_take(to_npz):
    path = to_npz(x=X, y=Y)
    assert (load(path, "train", limit=7).inputs[0] == load(path, "train").take(7).inputs[0]).all()
    assert load(path, "train", limit=7).labels.tolist() == load(path, "train").take(7).labels.tolist()


def test_several_inputs_classes_and_codes_are_read(to_npz):
    codes = np.arange(60, dtype=np.int8).reshape(60, 1)
    path = to_npz(x0=codes, x1=codes, y=Y, classes=["a", "b", "c"], scale=[0.5, 2.0], zero_point=[0, 1])
    data = load(path, "all")
    assert len(data.inputs) == 2
    assert data.class_names == ("a", "b", "c")
    assert data.quant == ((0.5, 0), (2.0, 1))
    assert (data.real_inputs()[1] == 2.0 * (data.inputs[1] - 1.0)).all()


NAN = np.where(X == 30, np.nan, X)
BAD_KEYS = {
    "no samples under the key x; found: images": {"images": X},
    "both x and x0": {"x": X, "x0": X},
    "numbered x0, x2": {"x0": X, "x2": X},
    "60 samples but 59 labels": {"x": X, "y": Y[:59]},
    "have 60, 59 samples": {"x0": X, "x1": X[:59]},
    "NaN or infinity": {"x": NAN},
    r"split has shape \(3,\)": {"x": X, "split": np.zeros(3, int)},
    "split must hold 0": {"x": X, "split": np.full(60, 3)},
    "split holds 'dev'": {"x": X, "split": np.full(60, "dev")},
    "belong together": {"x": X, "scale": 1.0},
    "1 scales and 1 zero points for 2 inputs": {"x0": X, "x1": X, "scale": 1.0, "zero_point": 0},
    "not a list of names": {"x": X, "classes": np.arange(3)},
    "holds no values": {"x": np.zeros((0, 3))},
    "object": {"x": np.array([{}, 1], dtype=object)},
    "complex": {"x": X.astype(complex)},
    "single number": {"x": np.float32(3)},
}


@pytest.mark.parametrize("message", BAD_KEYS)
def test_bad_tables_are_refused_in_words(to_npz, message):
    path = to_npz(**BAD_KEYS[message])
    with pytest.raises(BadData, match=message) as caught:
        load(path, "all")
    assert path in caught.value.where or path in str(caught.value)


def test_parts_that_contradict_each_other_are_refused(to_npz):
    with pytest.raises(BadData, match="different shapes"):
        load(to_npz(x_train=X, x_val=X, x_test=np.zeros((3, 2))), "all")
    with pytest.raises(BadData, match="some parts have labels"):
        load(to_npz(x_train=X, y_train=Y, x_val=X, x_test=X), "all")
    with pytest.raises(BadData) as caught:
        load(to_npz(x_test=X), "train")
    assert caught.value.hint.startswith("there are: test, all; ")
    assert "key split" in caught.value.hint


def test_a_huge_declared_shape_is_refused_before_memory_is_taken(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    with pytest.raises(BadData, match="needs 8000000000000 bytes, there are 16"):
        load(zipped(tmp_path, x=npy(header, bytes(16))), "all")


@pytest.mark.parametrize("shape", ["(1000000000000, 0)", "(-1,)", "(2, -2)"])
def test_shapes_without_values_are_refused(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}"
    with pytest.raises(BadData):
        load(zipped(tmp_path, x=npy(header, bytes(8))), "all")


def test_an_archive_above_four_gib_uncompressed_is_refused_by_its_directory(tmp_path):
    path = Path(zipped(tmp_path, x=npy("{}")))
    content = path.read_bytes()
    at = content.rindex(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
    path.write_bytes(content[:at] + struct.pack("<I", 0xFFFFFFF0) + content[at + 4 :])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("y.npy", b"12345678901234567890")
    with pytest.raises(BadData, match="bytes uncompressed"):
        load(str(path), "all")


def test_a_named_set_without_its_arrays_is_told_which(to_npz):
    with pytest.raises(BadData, match="no array 'mfcc_int8'; found: x"):
        load_kws(Path(to_npz(x=X)), "test", None)


def test_pickles_are_never_opened(tmp_path):
    header = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    with pytest.raises(BadData, match="no object arrays"):
        load(zipped(tmp_path, x=npy(header, b"cposix\nsystem\n(S'false'\ntR.")), "all")


def test_a_key_that_is_there_twice_is_refused(tmp_path):
    path = tmp_path / "twice.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", b"2")
    with pytest.raises(BadData, match="twice"):
        load(str(path), "all")


def test_text_that_is_no_zip_is_refused(tmp_path):
    path = tmp_path / "made.npz"
    path.write_text("x,y\n1,2\n")
    with pytest.raises(BadData, match=r"not a readable \.npz"):
        load(str(path))


def test_fortran_order_and_big_endian_values_are_read_as_they_are(to_npz):
    x = np.asfortranarray(np.arange(12.0).reshape(4, 3)).astype(">f8")
    assert (NpzArchive(Path(to_npz(x=x)))["x"] == np.arange(12.0).reshape(4, 3)).all()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_archive_gives_data_or_one_bad_data_error(tmp_path, data):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.arange(12, dtype=np.int16).reshape(6, 2), y=np.arange(6))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.npz"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    with contextlib.suppress(BadData):
        load(str(path), "all")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(header=st.text(alphabet="{}()[]',:0123456789-<>fi8 descrshapfotnTuFle_\n\\", max_size=80))
def test_any_array_header_gives_one_bad_data_error(tmp_path, header):
    with pytest.raises(BadData):
        load(zipped(tmp_path, x=npy(header, bytes(8))), "all")
