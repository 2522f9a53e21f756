from __future__ import annotations

import io
import tarfile
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

from freeml.data import catalogue, load
from freeml.data.cifar import load_cifar10_jpeg
from freeml.data.har import CALIBRATION_USERS, TEST_USERS, filtered, load_har
from freeml.errors import BadData

needs_data = pytest.mark.needs_data


def hashes(data) -> set[int]:
    return {hash(row.tobytes()) for row in data.inputs[0]}


def test_every_catalogued_set_can_be_asked_for_by_name(empty_data_dir):
    for entry in catalogue():
        if entry.files:
            with pytest.raises(BadData, match=f"data set '{entry.name}' needs {entry.files[0].path[:4]}") as caught:
                load(entry.name, "train")
            assert f"freeml data get {entry.name}" in caught.value.hint
            assert not entry.present
        else:
            assert entry.present


def test_a_missing_file_is_named(empty_data_dir):
    (empty_data_dir / "mnist").mkdir(parents=True)
    with pytest.raises(BadData, match=r"mnist/t10k-images-idx3-ubyte\.gz"):
        load("mnist", "test")


def test_a_misspelt_name_is_answered_with_the_near_one():
    with pytest.raises(BadData) as caught:
        load("fashon-mnist")
    assert "did you mean fashion-mnist?" in caught.value.hint


def test_a_missing_archive_is_a_missing_file():
    with pytest.raises(BadData, match="no such file"):
        load("absent.npz")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(BadData, match="samples asked for"):
        load("digits", limit=limit)


def test_digits_have_sixty_twenty_twenty_percent_of_every_class():
    counts = [np.bincount(load("digits", s).labels) for s in ("train", "calibration", "test")]
    total = np.sum(counts, axis=0)
    assert total.sum() == 1797
    for count, share in zip(counts, (0.6, 0.2, 0.2), strict=True):
        assert np.abs(count - share * total).max() < 2


def test_digits_parts_never_overlap_and_keep_their_values():
    parts = [load("digits", s) for s in ("train", "calibration", "test")]
    assert parts[0].inputs[0].shape[1:] == (1, 8, 8)
    assert (parts[0].inputs[0].min(), parts[0].inputs[0].max()) == (0.0, 16.0)
    assert all(not hashes(a) & hashes(b) for a, b in combinations(parts, 2))


@needs_data
def test_mnist_is_the_whole_of_mnist_in_order(data_dir):
    assert len(load("mnist", "train")) == 55_000
    test = load("mnist", "test")
    assert test.inputs[0].shape == (10_000, 1, 28, 28)
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert load("mnist", "calibration", limit=5000).labels[-1] == 8  # the last training label


@needs_data
@pytest.mark.parametrize("name", ["mnist", "har", "kws", "cifar10-lossless"])
def test_limit_takes_the_same_samples_as_take(data_dir, name):
    few, whole = load(name, "calibration", limit=40), load(name, "calibration")
    assert (few.inputs[0] == whole.take(40).inputs[0]).all()
    assert few.labels.tolist() == whole.take(40).labels.tolist()


@needs_data
def test_kws_codes_are_the_input_of_the_mlperf_network(data_dir):
    data = load("kws", "test")
    assert data.inputs[0].shape == (274, 49, 10, 1)
    assert data.inputs[0].dtype == np.int8
    scale, zero_point = data.quant[0]
    assert abs(scale - 0.58470) < 1e-5
    assert zero_point == 83
    sounds = np.load(data_dir / "kws" / "kws_wav120.npz")
    codes = np.clip(np.rint(sounds["mfcc_f32"] / scale) + zero_point, -128, 127)
    known = hashes(load("kws", "all"))
    found = sum(hash(c.astype(np.int8)[..., None].tobytes()) in known for c in codes)
    assert found >= 100  # of 120; the others differ by one code where a value lies on a rounding border


@needs_data
def test_kws_parts_have_different_speakers_and_sounds(data_dir):
    parts = [load("kws", s) for s in ("train", "calibration", "test")]
    assert [len(p) for p in parts] == [3055, 498, 274]
    sound = [hashes(p) for p in parts]
    assert not sound[1] & sound[2]


@needs_data
def test_har_windows_are_as_many_as_uci_har_has(data_dir):
    windows = load("har", "all")
    assert windows.inputs[0].shape[1:] == (9, 128)
    assert abs(len(windows) - 8917) < 0.02 * 8917  # UCI HAR's windows of the same 26 people
    assert windows.inputs[0].dtype == np.float32
    assert set(windows.labels.tolist()) == set(range(6))


@needs_data
def test_har_total_acceleration_of_a_person_at_rest_is_one_g(data_dir):
    test = load("har", "test")
    rest = test.inputs[0][test.labels >= 3]
    assert abs(np.median(np.linalg.norm(rest[:, 6:].mean(axis=2), axis=1)) - 1.0) < 0.05
    assert np.abs(rest[:, :3].mean(axis=2)).mean() < 0.02  # gravity is gone from the body acceleration


def test_har_people_test_or_calibrate_or_train():
    assert not set(TEST_USERS) & set(CALIBRATION_USERS)


def test_har_filters_keep_slow_motion_and_remove_gravity_and_spikes():
    t = np.arange(2000) / 50
    sway = 0.2 * np.sin(2 * np.pi * 2 * t)
    acc = np.stack([sway, np.ones(2000), np.zeros(2000)], axis=1)
    acc[1000, 2] = 5.0
    out = filtered(acc, np.zeros((2000, 3)))
    inside = slice(200, 1800)
    assert np.abs(out[inside, 0] - sway[inside]).max() < 0.01
    assert np.abs(out[inside, 1]).max() < 1e-3
    assert np.abs(out[inside, 7] - 1.0).max() < 1e-3
    assert np.abs(out[inside, 8]).max() < 1e-6


@needs_data
def test_har_from_the_published_text_files_equals_har_from_the_archive(data_dir, tmp_path):
    table = np.load(data_dir / "har_hapt" / "hapt_visible.npz")
    lines = []
    for experiment, session in ((1, 0), (2, 1)):
        mine = (table["user"] == 2) & (table["session"] == session)
        acc, gyro = table["acc"][mine] * table["acc_scale_g"], table["gyro"][mine] * table["gyro_scale_rad_s"]
        np.savetxt(tmp_path / f"acc_exp0{experiment}_user02.txt", acc)
        np.savetxt(tmp_path / f"gyro_exp0{experiment}_user02.txt", gyro)
        label = table["label"][mine].astype(int)
        edges = np.r_[0, np.flatnonzero(np.diff(label)) + 1, len(label)]
        stretches = [(a, b) for a, b in pairwise(edges) if label[a] > 0]
        lines += [f"{experiment} 2 {label[a]} {a + 1} {b}" for a, b in stretches]
    (tmp_path / "labels.txt").write_text("\n".join(lines))
    text = load_har(tmp_path, "test", None)
    users = table["user"][np.isin(table["user"], TEST_USERS)]
    assert users[0] == 2  # the first person of the archive's test split is the one written above
    archive = load("har", "test")
    assert text.labels.tolist() == archive.labels[: len(text)].tolist()
    assert np.abs(text.inputs[0] - archive.inputs[0][: len(text)]).max() < 1e-5


def test_contradictory_text_recordings_are_refused(tmp_path):
    np.savetxt(tmp_path / "acc_exp01_user01.txt", np.zeros((300, 3)))
    np.savetxt(tmp_path / "gyro_exp01_user01.txt", np.zeros((299, 3)))
    (tmp_path / "labels.txt").write_text("1 1 1 1 300\n")
    with pytest.raises(BadData, match="300 lines of acceleration, 299"):
        load_har(tmp_path, "test", None)
    np.savetxt(tmp_path / "gyro_exp01_user01.txt", np.zeros((300, 3)))
    (tmp_path / "labels.txt").write_text("1 1 1 1 301\n")
    with pytest.raises(BadData, match="samples 1 to 301"):
        load_har(tmp_path, "test", None)


@needs_data
def test_cifar_parts_are_balanced_and_only_the_asked_for_images_are_decoded(data_dir, monkeypatch):
    decoded = []
    real_open = Image.open
    monkeypatch.setattr(Image, "open", lambda *a, **k: decoded.append(1) or real_open(*a, **k))
    parts = [load("cifar10-jpeg", s, limit=50) for s in ("calibration", "test")]
    assert len(decoded) == 100
    for part in parts:
        assert part.inputs[0].shape == (50, 3, 32, 32)
        assert np.bincount(part.labels).tolist() == [5] * 10
        assert 0 <= part.inputs[0].min() < part.inputs[0].max() <= 255


@needs_data
def test_lossless_cifar_has_no_test_split(data_dir):
    with pytest.raises(BadData) as caught:
        load("cifar10-lossless", "test")
    assert caught.value.hint == "there are: train, calibration, all"
    assert load("cifar10-lossless", "val").inputs[0].shape[1:] == (3, 32, 32)


def jpeg(side: int = 32, colour: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (colour, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def tar_xz(path, members: dict[str, bytes]):
    with tarfile.open(path, "w:xz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_cifar_calibration_is_the_last_tenth_of_each_class(tmp_path):
    members = {f"train/{c}/{i:04d}.jpg": jpeg(colour=10 * i) for i in range(10) for c in ("cat", "dog")}
    path = tar_xz(tmp_path / "a.tar.xz", members)
    train, calibration = (load_cifar10_jpeg(path, path, s, None) for s in ("train", "calibration"))
    assert (len(train), len(calibration)) == (18, 2)
    assert calibration.labels.tolist() == [3, 5]
    assert np.abs(calibration.inputs[0][:, 0] - 90).max() < 4
    assert train.inputs[0][:, 0].max() < 84


def test_names_that_climb_out_of_the_archive_are_passed_over(tmp_path):
    path = tar_xz(tmp_path / "a.tar.xz", {"../../train/cat/0001.jpg": jpeg(), "/train/cat/0002.jpg": jpeg()})
    with pytest.raises(BadData, match="no images such as"):
        load_cifar10_jpeg(path, path, "test", None)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tar.xz"]


@pytest.mark.parametrize("content", [b"", b"not a jpeg", jpeg()[:200], jpeg(side=64)])
def test_damaged_or_wrongly_sized_images_are_refused(tmp_path, content):
    path = tar_xz(tmp_path / "a.tar.xz", {"test/cat/0001.jpg": content})
    with pytest.raises(BadData, match=r"damaged image|64x64") as caught:
        load_cifar10_jpeg(path, path, "test", None)
    assert "cat/0001" in caught.value.where


def test_damaged_and_endless_archives_are_refused(tmp_path, monkeypatch):
    path = tar_xz(tmp_path / "a.tar.xz", {"test/cat/0001.jpg": jpeg()})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadData, match="damaged archive"):
        load_cifar10_jpeg(path, path, "test", None)
    monkeypatch.setattr("freeml.data.cifar.MAX_ARCHIVE_BYTES", 1 << 20)
    tar_xz(path, {"big": bytes(4 << 20)})
    with pytest.raises(BadData, match="more than 1048576 bytes"):
        load_cifar10_jpeg(path, path, "test", None)
