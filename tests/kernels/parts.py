"""What generators of random layers share: scales, bounds, the oracle's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.ir.interpret_int import run_int_op
from freeml.ir.ops import Op
from freeml.ir.types import DType, TensorType

from .choices import Choices, pick, rng_of

NAMES: dict[str, Any] = {"output": "y", "inputs": (), "loc": "test"}


def requant(c: Choices, n: int, acc_bits: int) -> dict[str, npt.NDArray[Any]]:
    """Multipliers and shifts: such that results use the range of int8, or any legal ones."""
    rng = rng_of(c)
    if c.between(0, 3) == 0:
        return {
            "mult": rng.choice(np.array([0, 1, 2, 32768, 65534, 65535], np.uint16), size=n),
            "shift": rng.integers(1, 46, size=n, dtype=np.uint8, endpoint=True),
        }
    shift = min(max(15 + acc_bits - 8, 1), 46)
    low, high = max(shift - 3, 1), min(shift + 3, 46)
    return {
        "mult": rng.integers(32768, 65535, size=n, dtype=np.uint16, endpoint=True),
        "shift": rng.integers(low, high, size=n, dtype=np.uint8, endpoint=True),
    }


def zero_point(c: Choices) -> int:
    return pick(c, (-128, 0, 127, c.between(-128, 127)))


def bounds(c: Choices) -> dict[str, int]:
    lo = pick(c, (-128, c.between(-128, 127)))
    return {"lo": lo, "hi": pick(c, (127, c.between(lo, 127)))}


def answer(
    op: Op, args: list[npt.NDArray[Any]], shape: tuple[int, ...], dtype: DType = DType.I8
) -> npt.NDArray[np.uint8]:
    """Output bytes of one sample. args: values with a batch of one, constants."""
    out = run_int_op(op, args, TensorType(shape, dtype))
    assert out.shape[1:] == shape, (out.shape, shape)
    return np.ascontiguousarray(out.astype(dtype.numpy)).view(np.uint8).reshape(-1)
