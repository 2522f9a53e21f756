"""What the kernels of convolutions with stored weights do: rows of weights that tiles go through, whole and cut."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeml.kernels.reads import Ints


@dataclass(frozen=True, slots=True)
class Cuts:
    """What tiles of n units (n,) have of pixels of so many channels, at most.

    whole   pixels all of whose channels are wanted
    cut     pixels that are not
    rest    channels of these together; less than a pixel more where both ends of a tile are cut and `more`
    more    whether both ends may be cut with a whole pixel fewer between them
    """

    whole: Ints
    cut: Ints
    rest: Ints
    more: Ints


def cuts(n: Ints, channels: int, pixels: Ints) -> Cuts:
    """pixels: that are touched. Ends are multiples of the greatest common divisor of n and channels."""
    rest = n % channels
    more = (n >= channels) & (rest > 0) & (rest + 2 * np.gcd(n, channels) <= channels)
    return Cuts(n // channels, np.where(rest == 0, 0, np.minimum(pixels, 2)), rest, more.astype(np.int64))


def most_of_run(per_row: Ints, n_rows: Ints) -> Ints:
    """The most that any n_rows (n,) consecutive rows have together; behind the last one comes the first, in the next
    pixel."""
    total = np.concatenate([[0], np.cumsum(np.tile(per_row, 2))])
    most = {0: 0}
    for n in map(int, np.unique(n_rows)):
        most[n] = int((total[n : n + len(per_row)] - total[: len(per_row)]).max()) if n else 0
    return np.array([most[int(n)] for n in n_rows.ravel()], dtype=np.int64).reshape(n_rows.shape)


def most_of_units(per_row: Ints, n: Ints) -> Ints:
    """The most that n (n,) consecutive outputs have of what each row has."""
    found: Ints = n // len(per_row) * int(per_row.sum()) + most_of_run(per_row, n % len(per_row))
    return found
