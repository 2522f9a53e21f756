"""Random dense layers whose weights are stored in each form, with the oracle's answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.ir.encoding import ENCODINGS
from freeml.ir.int_ops import DenseI8
from freeml.kernels.coded_formats import CODED

from .choices import Choices, codes_of, pick, rng_of
from .library import Case
from .parts import NAMES, answer, bounds, requant, zero_point

_NARROW = {"bias": ("int16", 1), "mult": ("single", 2), "shift": ("single", 4)}


def weights_for(c: Choices, encoding: str, n_out: int, n_in: int) -> npt.NDArray[np.int8]:
    """Codes that a form can store, of any density, rows of nothing among them."""
    rng = rng_of(c)
    density = pick(c, (0.0, 0.01, 0.1, 0.5, 1.0))
    values = np.setdiff1d(np.arange(-128, 128), [0])
    if (n := MOST_VALUES.get(encoding)) is not None:
        values = rng.choice(values, c.between(1, n), replace=False)
    if encoding == "ternary":
        values = np.array([-1, 1]) * c.between(1, 127)
    chosen = rng.choice(values, size=(n_out, n_in))
    return np.where(rng.random((n_out, n_in)) < density, chosen, 0).astype(np.int8)


# Values other than zero that a form can tell apart.
MOST_VALUES = {"gap_codes": 16, "codes4": 15, "codes3": 7, "codes2": 3, "ans": 60}


def coded(c: Choices, encoding: str) -> Case:
    """A layer stored in one form; biases and scales in few bytes where they can be."""
    n_in, n_out = pick(c, (c.between(1, 40), c.between(1, 700))), c.between(1, 23)
    weight = weights_for(c, encoding, n_out, n_in)
    assert ENCODINGS[encoding].refusal(weight) is None
    bits = pick(c, (0, 8, 14, 24, 30))
    bias = rng_of(c).integers(-(2**bits), 2**bits, size=n_out, dtype=np.int32, endpoint=True)
    consts: dict[str, Any] = {"bias": bias, **requant(c, n_out, max(bits, 12 + n_in.bit_length() // 2))}
    if c.between(0, 1):
        consts["mult"], consts["shift"] = np.full_like(consts["mult"], 40_000), np.full_like(consts["shift"], 24)
    x, store = codes_of(c, n_in), {"y_zp": zero_point(c), **bounds(c)}
    op = DenseI8(**NAMES, **store)
    expected = answer(op, [x[None], weight, *consts.values()], (n_out,))
    stored, narrow = ENCODINGS[encoding].encode(weight), 0
    for name, (form, flag) in _NARROW.items():
        if ENCODINGS[form].refusal(consts[name]) is None:
            (consts[name],) = ENCODINGS[form].encode(consts[name]).sections.values()
            narrow |= flag
    fields = {"n_in": n_in, "n_out": n_out, "narrow": narrow, **stored.numbers, **store}
    sections = {"w" if name == "weight" else name: array for name, array in stored.sections.items()}
    kernel = f"fml_coded_{CODED[encoding].name}_i8"
    return Case(
        kernel, "fml_coded_t", fields, {**sections, **consts}, (x,), n_out, 1, expected, op=op, out_shape=(n_out,)
    )


CODED_KERNELS = {f"fml_coded_{kernel.name}_i8": encoding for encoding, kernel in CODED.items()}


def coded_generators() -> dict[str, Callable[[Choices], Case]]:
    """By kernel."""
    return {kernel: partial(coded, encoding=encoding) for kernel, encoding in CODED_KERNELS.items()}
