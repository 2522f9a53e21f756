"""Gap encoding: what is decoded is what was encoded, whatever the width of the gaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml.compress.gaps import decode, encode


@given(st.integers(1, 16), st.integers(0, 4), st.integers(1, 400), st.floats(0, 1), st.integers(0, 999))
def test_a_sparse_matrix_survives_the_round_trip(bits: int, rows: int, n: int, density: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = (rng.integers(-128, 128, (rows, n)) * (rng.random((rows, n)) < density)).astype(np.int8)
    encoded = encode(matrix, bits)
    assert np.array_equal(decode(encoded, n), matrix)
    assert encoded.gaps.min(initial=0) >= 0
    assert encoded.gaps.max(initial=0) < 2**bits
    assert encoded.values.dtype == np.int8
    escapes = np.count_nonzero(encoded.values == 0)
    assert len(encoded.values) == np.count_nonzero(matrix) + escapes
    assert escapes <= matrix.size // 2**bits


def test_every_gap_counts_zeros_the_first_one_too() -> None:
    """The published code counts the first from 1, an ancestor of it from 0; both count later ones as differences."""
    encoded = encode(np.array([[5, 0, 0, 6, 7, 0]]), 8)
    assert encoded.gaps.tolist() == [0, 2, 0]
    assert encoded.values.tolist() == [5, 6, 7]
    assert encoded.counts.tolist() == [3]


@pytest.mark.parametrize(
    ("zeros", "gaps", "values"), [(3, [3], [9]), (4, [3, 0], [0, 9]), (7, [3, 3], [0, 9]), (8, [3, 3, 0], [0, 0, 9])]
)
def test_a_gap_beyond_its_bits_is_an_escape_with_a_zero(zeros: int, gaps: list[int], values: list[int]) -> None:
    encoded = encode(np.array([[0] * zeros + [9]]), 2)
    assert (encoded.gaps.tolist(), encoded.values.tolist()) == (gaps, values)


def test_a_row_longer_than_16_bits_count_is_no_limit() -> None:
    """The published code caps a layer at 65,535 weights."""
    matrix = np.zeros((1, 200_000), dtype=np.int8)
    matrix[0, [0, 150_000]] = 3, 4
    assert np.array_equal(decode(encode(matrix, 16), 200_000), matrix)
