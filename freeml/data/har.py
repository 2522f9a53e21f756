"""Human activity: the raw recordings of HAPT -> windows as in UCI HAR, (N, 9, 128).

Per recording, at 50 Hz (Anguita et al. 2013, Reyes-Ortiz et al. 2016): median filter of 3 samples, Butterworth low-pass
of order 3 at 20 Hz; gravity is the acceleration after a Butterworth low-pass of order 3 at 0.3 Hz and body acceleration
is the rest. Windows of 128 samples, 2.56 s, start every 64 samples from the start of each stretch of one activity and
stay inside it. The papers do not say whether the filters ran forwards only; here they run both ways (zero phase).

Channels: body acceleration x y z in g, angular velocity x y z in rad/s, total acceleration x y z in g. Transitions and
unlabelled time are left out. Splits are by person: the official test users test, four others calibrate.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.data import splits
from freeml.data.dataset import Dataset
from freeml.data.hapt_raw import read_raw_folder
from freeml.data.npz import NpzArchive
from freeml.errors import BadData

CLASSES = ("walking", "walking_upstairs", "walking_downstairs", "sitting", "standing", "laying")
TEST_USERS = (2, 4, 9, 10, 12, 13, 18, 20, 24)
CALIBRATION_USERS = (5, 14, 22, 27)
FS_HZ = 50.0
WINDOW, STEP = 128, 64
LOW_PASS_HZ, GRAVITY_HZ = 20.0, 0.3
SHORTEST = 256  # samples; the filters need a run-in, and no real recording is shorter than a minute

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Recordings:
    """All recordings one after the other, T samples at 50 Hz.

    acc (T, 3) and gyro (T, 3) times their scale are g and rad/s; label (T,) 1..6 are activities, others are left out;
    person and session (T,) say which recording a sample belongs to.
    """

    acc: npt.NDArray[Any]
    gyro: npt.NDArray[Any]
    label: npt.NDArray[np.int64]
    person: npt.NDArray[np.int64]
    session: npt.NDArray[np.int64]
    acc_scale_g: float = 1.0
    gyro_scale_rad_s: float = 1.0


def load_har(path: Path, split: str, limit: int | None) -> Dataset:
    """Samples (N, 9, 128) float32, labels 0..5, from the `.npz` or from the folder RawData of the publication.

    Only the recordings that hold a chosen window are filtered. Raises BadData.
    """
    split = splits.canonical(split, "har")
    recordings = _from_folder(path) if path.is_dir() else _from_archive(path)
    bounds = _runs(recordings.person * 1000 + recordings.session)
    starts = _window_starts(recordings.label, bounds)
    rows = splits.limited(splits.rows_of(_by_person(recordings.person[starts]), split, "har"), limit)
    chosen = starts[rows]
    windows = np.empty((len(chosen), 9, WINDOW), dtype=np.float32)
    for first, end in bounds:
        mine = np.flatnonzero((chosen >= first) & (chosen < end))
        if len(mine):
            signals = filtered(
                recordings.acc[first:end] * recordings.acc_scale_g,
                recordings.gyro[first:end] * recordings.gyro_scale_rad_s,
            )
            at = (chosen[mine] - first)[:, None] + np.arange(WINDOW)
            windows[mine] = signals[at].transpose(0, 2, 1)
    rule = "by person, four of whom calibrate"
    return Dataset((windows,), recordings.label[chosen] - 1, CLASSES, "har", split, rows=rows, rule=rule)


def filtered(acc_g: Floats, gyro_rad_s: Floats) -> Floats:
    """One recording, (T, 3) and (T, 3) at 50 Hz -> (T, 9): body acceleration, angular velocity, total acceleration."""
    from scipy.ndimage import median_filter
    from scipy.signal import butter, sosfiltfilt

    noise = butter(3, LOW_PASS_HZ, fs=FS_HZ, output="sos")
    gravity = butter(3, GRAVITY_HZ, fs=FS_HZ, output="sos")
    total = sosfiltfilt(noise, median_filter(acc_g, size=(3, 1), mode="nearest"), axis=0)
    turn = sosfiltfilt(noise, median_filter(gyro_rad_s, size=(3, 1), mode="nearest"), axis=0)
    body = total - sosfiltfilt(gravity, total, axis=0)
    return np.concatenate([body, turn, total], axis=1)


def _by_person(person: npt.NDArray[np.int64]) -> dict[str, splits.Rows]:
    test, calibration = np.isin(person, TEST_USERS), np.isin(person, CALIBRATION_USERS)
    return {
        splits.TRAIN: np.flatnonzero(~test & ~calibration),
        splits.CALIBRATION: np.flatnonzero(calibration),
        splits.TEST: np.flatnonzero(test),
    }


def _window_starts(label: npt.NDArray[np.int64], bounds: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """First samples of all windows, ascending; each window lies in one activity of one recording."""
    starts = [
        np.arange(first + a, first + b - WINDOW + 1, STEP)
        for first, end in bounds
        for a, b in _runs(label[first:end])
        if 1 <= label[first + a] <= len(CLASSES)
    ]
    return np.concatenate(starts) if starts else np.empty(0, dtype=np.intp)


def _runs(values: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """(first, end) of each stretch of equal values, (n, 2)."""
    edges = np.flatnonzero(np.diff(values)) + 1
    return np.stack([np.append(0, edges), np.append(edges, len(values))], axis=1)


def _from_archive(path: Path) -> Recordings:
    archive = NpzArchive(path)
    where = str(path)
    whole = {key: archive.require(key) for key in ("acc", "gyro", "label", "user", "session")}
    scale = {key: archive.require(key) for key in ("acc_scale_g", "gyro_scale_rad_s")}
    if any(a.dtype.kind not in "iuf" for a in (*whole.values(), *scale.values())):
        raise BadData("recordings hold something else than numbers", where=where)
    n_samples = len(whole["label"]) if whole["label"].ndim == 1 else -1
    for key, array in whole.items():
        wanted = (n_samples, 3) if key in ("acc", "gyro") else (n_samples,)
        if array.shape != wanted:
            raise BadData(f"{key} has shape {array.shape}, not {wanted}", where=where)
    label, person, session = (whole[key].astype(np.int64) for key in ("label", "user", "session"))
    if any(a.size != 1 or not np.isfinite(a).all() for a in scale.values()):
        raise BadData("acc_scale_g and gyro_scale_rad_s must be one number each", where=where)
    acc_scale, gyro_scale = (float(scale[key].reshape(-1)[0]) for key in ("acc_scale_g", "gyro_scale_rad_s"))
    return _sound(Recordings(whole["acc"], whole["gyro"], label, person, session, acc_scale, gyro_scale), where)


def _from_folder(path: Path) -> Recordings:
    acc, gyro, label, person, experiment = read_raw_folder(path)
    return _sound(Recordings(acc, gyro, label, person, experiment), str(path))


def _sound(recordings: Recordings, where: str) -> Recordings:
    if not len(recordings.label):
        raise BadData("there are no samples", where=where)
    if not (np.isfinite(recordings.acc).all() and np.isfinite(recordings.gyro).all()):
        raise BadData("NaN or infinity in the recordings", where=where)
    runs = _runs(recordings.person * 1000 + recordings.session)
    shortest = int((runs[:, 1] - runs[:, 0]).min())
    if shortest < SHORTEST:
        raise BadData(f"a recording of {shortest} samples; at least {SHORTEST} are needed to filter it", where=where)
    return recordings
