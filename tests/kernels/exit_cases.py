"""Random heads of exits with the oracle's answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.types import DType

from .choices import Choices, codes_of, pick, rng_of
from .library import Case
from .parts import NAMES, answer

_MOST = 2**30  # of what is requantised
Ints = npt.NDArray[Any]


def _shift(c: Choices, most: int, mult: int) -> int:
    """One that keeps numbers of so many within 30 bits: the least there is, or any larger one."""
    least = max(1, (most * mult).bit_length() - 29)
    assert (most * mult >> least) < _MOST
    return min(46, least + pick(c, (0, 0, 1, c.between(0, 12), c.between(0, 45))))


def _carry(c: Choices) -> dict[str, int]:
    """What is carried over of sums below 2^29: all of it, or a share."""
    if c.between(0, 2) == 0:
        return {"carry_mult": 1, "carry_shift": 0}
    mult = pick(c, (1, 32_768, 65_535, c.between(0, 65_535)))
    return {"carry_mult": mult, "carry_shift": _shift(c, 2**29, mult)}


def _sums(c: Choices, k: int) -> Ints:
    bits = pick(c, (0, 8, 15, 16, 17, 29))
    return rng_of(c).integers(-(2**bits), 2**bits, size=k, dtype=np.int32, endpoint=True)


def exit_head(c: Choices) -> Case:
    n, k = pick(c, (c.between(1, 40), c.between(1, 300))), c.between(1, 23)
    weight, bits = codes_of(c, k, n, low=-127), pick(c, (0, 8, 16, 30))
    bias = rng_of(c).integers(-(2**bits), 2**bits, size=k, dtype=np.int32, endpoint=True)
    mult = rng_of(c).choice(np.array([0, 1, 255, 32_768, 50_000, 65_535], np.uint16), size=k)
    most = np.abs(weight.astype(np.int64)).sum(axis=1) * 128 + np.abs(bias.astype(np.int64))
    shift = np.array([_shift(c, int(a), int(m)) for a, m in zip(most, mult, strict=True)], np.uint8)
    x, before, carry = codes_of(c, n), _sums(c, k), _carry(c)
    consts = {"w": weight, "bias": bias, "mult": mult, "shift": shift}
    op = ExitHead(**NAMES, **carry)
    expected = answer(op, [x[None], before[None], *consts.values()], (k,), DType.I32)
    fields = {"n_in": n, "n_out": k, **carry}
    inputs: Any = (x, before)
    return Case("fml_exit_head_i32", "fml_exit_head_t", fields, consts, inputs, k, 4, expected, op=op, out_shape=(k,))


def exit_mix(c: Choices) -> Case:
    k = c.between(1, 40)
    a, b, carry = _sums(c, k), _sums(c, k), _carry(c)
    op = ExitMix(**NAMES, **carry)
    expected = answer(op, [a[None], b[None]], (k,), DType.I32)
    inputs: Any = (a, b)
    return Case("fml_exit_mix_i32", "fml_exit_mix_t", carry, {}, inputs, k, 4, expected, op=op, out_shape=(k,))


EXIT_GENERATORS = {"fml_exit_head_i32": exit_head, "fml_exit_mix_i32": exit_mix}
