"""The folder `RawData` of the HAPT publication: one text file per recording and sensor, and `labels.txt`.

`acc_expEE_userUU.txt` and `gyro_expEE_userUU.txt` have three columns, g and rad/s at 50 Hz. Every line of `labels.txt`
is experiment, user, activity, first sample, last sample, counted from 1.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from freeml.errors import BadData

NAME = re.compile(r"acc_exp(\d\d)_user(\d\d)\.txt")
MAX_TEXT_BYTES = 64 << 20

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def read_raw_folder(folder: Path) -> tuple[Floats, Floats, Ints, Ints, Ints]:
    """acc (T, 3) g, gyro (T, 3) rad/s, label (T,), user (T,), experiment (T,); -1 where no activity is named.

    Raises BadData for absent, damaged or contradictory files.
    """
    found = [(path, match) for path in sorted(folder.glob("acc_exp*.txt")) if (match := NAME.fullmatch(path.name))]
    if not found:
        raise BadData("no acc_exp01_user01.txt and so on in this folder", where=str(folder))
    stretches = _table(folder / "labels.txt", 5).astype(np.int64)
    accs, gyros, labels, users, experiments = [], [], [], [], []
    for path, match in found:
        experiment, user = int(match[1]), int(match[2])
        acc = _table(path, 3)
        gyro = _table(path.with_name(path.name.replace("acc_", "gyro_")), 3)
        if len(acc) != len(gyro):
            raise BadData(f"{len(acc)} lines of acceleration, {len(gyro)} of angular velocity", where=str(path))
        accs.append(acc)
        gyros.append(gyro)
        labels.append(_labels(stretches[stretches[:, 0] == experiment], user, len(acc), str(folder / "labels.txt")))
        users.append(np.full(len(acc), user, dtype=np.int64))
        experiments.append(np.full(len(acc), experiment, dtype=np.int64))
    return (
        np.concatenate(accs),
        np.concatenate(gyros),
        np.concatenate(labels),
        np.concatenate(users),
        np.concatenate(experiments),
    )


def _labels(stretches: Ints, user: int, n_samples: int, where: str) -> Ints:
    label = np.full(n_samples, -1, dtype=np.int64)
    for experiment, of_user, activity, first, last in stretches.tolist():
        if of_user != user or not 1 <= first <= last <= n_samples:
            raise BadData(f"samples {first} to {last} of user {of_user}: experiment {experiment} has "
                          f"{n_samples} samples of user {user}", where=where)  # fmt: skip
        label[first - 1 : last] = activity
    return label


def _table(path: Path, n_columns: int) -> Floats:
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise BadData(f"larger than {MAX_TEXT_BYTES} bytes", where=str(path))
        table = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise BadData(f"not a table of numbers: {error}", where=str(path)) from error
    if table.ndim != 2 or table.shape[1] != n_columns or not np.isfinite(table).all():
        raise BadData(f"not a table of {n_columns} finite numbers a line", where=str(path))
    return table
