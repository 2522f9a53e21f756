"""Types and constants of the IR: static shapes, no batch dimension, channels last.

A value's shape *is* its memory order: row-major, images (H, W, C), signals (1, L, C), vectors (N,). Channels come
last on every target because a tile of output rows is then one contiguous run of memory, and a dot product over the
channels of a pixel reads contiguous bytes. Frontends that read channels-first models convert once, at the edge.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from freeml.ir.encoding import ENCODINGS, Stored

Array = npt.NDArray[Any]


class DType(Enum):
    """Element types of values and constants."""

    F32 = "f32"
    F64 = "f64"
    I8 = "i8"
    U8 = "u8"
    I16 = "i16"
    U16 = "u16"
    I32 = "i32"

    @property
    def size_bytes(self) -> int:
        """Bytes of one element in memory."""
        return int(self.value[1:]) // 8

    @property
    def numpy(self) -> np.dtype[np.generic]:
        """The numpy type of the same layout."""
        return np.dtype(f"{self.value[0]}{self.size_bytes}")

    @classmethod
    def of(cls, array: Array) -> DType:
        """The element type of an array; raises ValueError for one that the IR has no name for."""
        return cls(f"{array.dtype.kind}{array.dtype.itemsize * 8}")


@dataclass(frozen=True, slots=True)
class Quant:
    """Affine quantization of an activation: real = scale * (q - zero_point), q in int8."""

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        # numpy's scalars print differently: the text form knows only Python's own.
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "zero_point", int(self.zero_point))
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"a scale must be finite and positive, not {self.scale}")
        if not -128 <= self.zero_point <= 127:
            raise ValueError(f"a zero point of int8 lies in -128..127, not {self.zero_point}")

    def range(self) -> tuple[float, float]:
        """The least and the greatest real number that has a code."""
        return (-128 - self.zero_point) * self.scale, (127 - self.zero_point) * self.scale

    def quantize(self, real: npt.NDArray[np.floating]) -> npt.NDArray[np.int8]:
        """Nearest code, ties away from minus infinity (half up), saturated to int8."""
        codes = np.floor(np.asarray(real, dtype=np.float64) / self.scale + 0.5) + self.zero_point
        return np.asarray(np.clip(codes, -128, 127), dtype=np.int8)

    def dequantize(self, codes: Array) -> npt.NDArray[np.float32]:
        """Real values of int8 codes."""
        return ((codes.astype(np.float64) - self.zero_point) * self.scale).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Elements:
    """Element types of an op's values in the integer stage: int8 codes, or int32, which are numbers as they are.

    values  of each value that it reads, in order; the last one is that of all behind it. Empty for an op that moves
            elements of any type, the same for all that it reads
    output  of its output; None: that of what it reads
    """

    values: tuple[DType, ...] = (DType.I8,)
    output: DType | None = DType.I8


@dataclass(frozen=True, slots=True)
class TensorType:
    """Shape and element type of a value; `quant` is known for every int8 value and for float values a model fixes, an
    int32 value has none."""

    shape: tuple[int, ...]
    dtype: DType = DType.F32
    quant: Quant | None = None

    @property
    def n_elems(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory."""
        return self.n_elems * self.dtype.size_bytes

    def __str__(self) -> str:
        quant = f" q({self.quant.scale!r}, {self.quant.zero_point})" if self.quant else ""
        return f"{self.dtype.value}[{','.join(map(str, self.shape))}]{quant}"


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A constant: a read-only array, the scales of its int8 codes where the model fixed them, and how it is stored.

    code_scales   None, or the scale of each output channel (axis 0; length 1 = one for all): the model came quantized
                  and `array / code_scales` are whole numbers, so that quantizing again gives the model's own codes;
                  of a bias as well, whose codes are wider.
    encoding      None for an array that is stored as it is; else a name of encoding.py: how its codes are stored. The
                  array is dense all the same. In a float graph, what the codes made of it are to be stored as.
    """

    array: Array
    code_scales: tuple[float, ...] | None = None
    encoding: str | None = None

    def __post_init__(self) -> None:
        array = np.ascontiguousarray(self.array)
        if array is self.array and array.flags.writeable:
            array = array.copy()
        array.flags.writeable = False
        object.__setattr__(self, "array", array)
        if self.code_scales is not None:
            object.__setattr__(self, "code_scales", tuple(map(float, self.code_scales)))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.array.shape

    @property
    def dtype(self) -> DType:
        """Element type of the array."""
        return DType.of(self.array)

    @property
    def stored(self) -> Stored:
        """What kernels read of an encoded constant."""
        assert self.encoding is not None
        return _stored(self)

    @property
    def size_bytes(self) -> int:
        """Bytes in memory, as it is stored; of real numbers those of the array, as their codes are not made yet."""
        is_coded = self.encoding is not None and self.array.dtype.kind == "i"
        return self.stored.size_bytes if is_coded else int(self.array.nbytes)

    @property
    def stored_as(self) -> str:
        """Element type, shape and encoding, in words: all that reading it depends on but its values."""
        dense = f"{self.dtype.value}[{'x'.join(map(str, self.shape))}]"
        return dense if self.encoding is None else f"{dense} {self.encoding} of {self.digest}"

    @property
    def digest(self) -> str:
        """First 12 hex digits of the SHA-256 of type, shape, content and encoding: how the text form prints it."""
        encoding = "" if self.encoding is None else f" {self.encoding}"
        head = f"{self.dtype.value}{self.shape}{self.code_scales}{encoding}".encode()
        return hashlib.sha256(head + self.array.tobytes()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Const) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=512)
def _stored(const: Const) -> Stored:
    assert const.encoding is not None
    return ENCODINGS[const.encoding].encode(const.array)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output as the model's author sees it, and how it lies in memory.

    name    the model's own name
    value   the IR value
    shape   the author's shape of one sample (a leading batch dimension of 1 removed), for example (3, 32, 32)
    order   axes of `shape` in memory order; (1, 2, 0) stores (C, H, W) as (H, W, C)
    dtype   the author's element type, a numpy name: what samples are given in, and outputs returned in
    """

    name: str
    value: str
    shape: tuple[int, ...]
    order: tuple[int, ...]
    dtype: str = "float32"

    def to_memory(self, samples: Array, ir_shape: tuple[int, ...]) -> Array:
        """(B, *shape) as the author gives them -> (B, *ir_shape) in memory order."""
        moved = samples.transpose(0, *(axis + 1 for axis in self.order))
        return np.ascontiguousarray(moved).reshape(samples.shape[0], *ir_shape)

    def from_memory(self, values: Array) -> Array:
        """(B, *ir_shape) in memory order -> (B, *shape) as the author sees them."""
        stored = values.reshape(values.shape[0], *(self.shape[axis] for axis in self.order))
        back = np.argsort(np.array(self.order, dtype=np.int64))
        return np.asarray(stored.transpose(0, *(int(axis) + 1 for axis in back)))


@dataclass(frozen=True, slots=True)
class Decision:
    """What a network decides.

    kind       decision.py says what each is
    value      what is read
    output     the output that it speaks for
    threshold  real, of one score
    shift      of int32 scores: the confidence is the lead shifted right by so many bits
    softness   of int32 scores, in place of that: the confidence is the largest share (confidence.py), by this
               multiplier and shift. A temperature, which tables of policies hold: no part of what the model computes
    """

    kind: Literal["scores", "threshold", "index"]
    value: str
    output: int
    threshold: float = 0.0
    shift: int = 0
    softness: tuple[int, int] | None = None
