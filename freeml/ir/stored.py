"""What an encoding is: a dense array to the arrays that a kernel reads, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

_MOST_ROWS = 16  # between two restart points
_SHARE = 50  # bytes of a stream for each byte of its restart table, where rows are not too many
_MOST_OFFSET = 65_535


@dataclass(frozen=True, slots=True)
class Stored:
    """An array as it is stored.

    sections  "weight", "index", "codebook", "restart", "bias" or "scale", whichever there are, to what is stored
    numbers   what a kernel must know beside, by name
    """

    sections: Mapping[str, Array]
    numbers: Mapping[str, int]

    @property
    def size_bytes(self) -> int:
        """Of all sections."""
        return sum(int(array.nbytes) for array in self.sections.values())


class Encoding(ABC):
    """One way to store an array (rows, ...): rows are outputs."""

    @abstractmethod
    def refusal(self, array: Array) -> str | None:
        """Why an array cannot be stored so, or None."""

    @abstractmethod
    def encode(self, array: Array) -> Stored:
        """The stored form of an array that is not refused; the same array gives the same bytes."""

    @abstractmethod
    def decode(self, stored: Stored, shape: tuple[int, ...]) -> Array:
        """The array again, as a kernel finds it: row after row, from restart point to restart point."""


def matrix(array: Array) -> Array:
    """(rows, ...) as rows of products."""
    return array.reshape(array.shape[0], -1)


def as_bytes(values: Array) -> Array:
    """Values 0 .. 255 as the int8 that tables of weights are declared with."""
    return np.ascontiguousarray(values, dtype=np.uint8).view(np.int8)


def restart_rows(stream_bytes: int, n_rows: int, entry_bytes: int) -> int:
    """Rows from one restart point to the next: a power of two, such that the table is a small part of the stream."""
    rows = 1
    while rows < _MOST_ROWS and rows < n_rows and entry_bytes * _SHARE * n_rows > rows * stream_bytes:
        rows *= 2
    return rows


def restart_units(stream_bytes: int, n_points: int) -> int:
    """Bits by which offsets of a restart table are shifted, so that 16 bits hold them: streams begin anew at multiples
    of 2^bits bytes there."""
    bits = 0
    while (stream_bytes + (n_points << bits)) >> bits > _MOST_OFFSET:
        bits += 1
    return bits


def joined(groups: list[Array], bits: int) -> tuple[Array, Array]:
    """Streams of bytes one after the other, each from a multiple of 2^bits on; where each begins, in these units."""
    unit = 1 << bits
    padded = [np.pad(group, (0, -group.size % unit)) for group in groups[:-1]] + groups[-1:]
    starts = np.cumsum([0, *(group.size for group in padded[:-1])]) >> bits
    whole = np.concatenate([np.zeros(0, np.uint8), *padded]).astype(np.uint8)
    whole = whole if whole.size else np.zeros(1, np.uint8)  # C has no arrays of nothing
    return whole, starts.astype(np.uint16)


def weights_refused(array: Array) -> str | None:
    """Why an array is no codes of weights that kernels can count, or None."""
    if array.dtype != np.int8 or array.ndim < 2 or array.size == 0:
        return "not the codes of weights"
    return None if matrix(array).shape[1] <= _MOST_OFFSET else "rows too long"


def book_of(values: Array) -> Array:
    """The different values, rising; one at least."""
    return np.unique(values).astype(np.int8) if values.size else np.zeros(1, np.int8)


def codes_of(values: Array, book: Array) -> Array:
    """Where each value is in a codebook."""
    return np.searchsorted(book, values).astype(np.uint8)


def to_bits(numbers: Array, bits: int) -> Array:
    """Numbers of so many bits, 1 to 8, as bytes: the highest bit first."""
    if bits == 8:
        return numbers.astype(np.uint8)
    each = np.unpackbits(numbers.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :]
    return np.packbits(each.ravel())


def from_bits(stream: Array, first_bit: int, bits: int, n: int) -> Array:
    """n numbers from this bit of a stream of bytes on."""
    flat = np.unpackbits(stream.view(np.uint8))[first_bit : first_bit + bits * n].reshape(n, bits)
    numbers: Array = flat.astype(np.int64) @ (1 << np.arange(bits - 1, -1, -1))
    return numbers
