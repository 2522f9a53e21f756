"""How a kernel call becomes C: the kernel, the fields of its descriptor, its tables, the expression that calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from freeml.errors import UnsupportedOp
from freeml.ir.graph import Graph
from freeml.ir.ops import Op, Window
from freeml.ir.types import Array

MAX_U16 = 65535
Fields = tuple[tuple[str, str], ...]

# What tables hold, by the name of a table: the last word of its C array's name, and so of its symbol in an ELF. On an
# MSP430, weights and indices are slices, whose symbols have a number behind that. Other tables are none of these.
SECTIONS: Mapping[str, str] = {
    "weight": "weights",
    "operand": "weights",
    "index": "indices",
    "codebook": "codebooks",
    "restart": "restart",
    "bias": "biases",
    "mult": "scales",
    "shift": "scales",
    "scale": "scales",
}

REQUANT_FIELDS: Fields = ((".bias", "@bias"), (".mult", "@mult"), (".shift", "@shift"))


@dataclass(frozen=True, slots=True)
class Table:
    """A constant as a kernel reads it.

    aligned  by words: it begins at a multiple of 4
    far      through fml_weights_t, which reaches all memory: on an MSP430 it may lie beyond pointers. The descriptor
             has one such table at most, in its first field
    """

    array: Array
    aligned: bool = False
    far: bool = False


@dataclass(frozen=True)
class Layer:
    """How one kernel call becomes C.

    In `call`, {x0}, {x1} .. stand for input pointers, {d} for the address of the descriptor, {tile_scratch} for the
    memory that one tile takes, and the name of a table for that table; `y`, `scratch`, `first` and `n` are the
    parameters of the generated function, see fml_runtime.h.

    kernel         file and function of runtime_c/kernels
    struct         type of the descriptor; empty where the kernel takes none
    fields         fields of the descriptor; a value "@w" means the table "w"
    tables         constants, in the order they are emitted
    call           C expression that computes units [first, first + n)
    scratch_bytes  that the call takes of `scratch`, whatever the tile
    part           kernel family ("conv" or "dense") that can compute one output in parts; empty where none can
    part_in        file of runtime_c/kernels with these functions, where it is not one of their own
    header         of runtime_c/include that declares all that, beside fml_kernels.h
    is_shared      whether all calls of its op have one descriptor
    """

    kernel: str
    struct: str = ""
    fields: Fields = ()
    tables: Mapping[str, Table] = field(default_factory=dict)
    call: str = ""
    scratch_bytes: int = 0
    part: str = ""
    part_in: str = ""
    header: str = ""
    is_shared: bool = False


def check_sizes(op: Op, **sizes: int) -> None:
    """Raise UnsupportedOp where one of these leaves 16 bits."""
    for name, n in sizes.items():
        if n > MAX_U16:
            raise UnsupportedOp(
                f"{name} is {n}, kernels count to {MAX_U16}",
                where=op.loc,
                hint="use a smaller layer: this one is beyond what a microcontroller can hold",
            )


def requant_tables(graph: Graph, bias: str, mult: str, shift: str) -> dict[str, Table]:
    """What turns accumulators into outputs, one entry for each output channel."""
    named = {"bias": bias, "mult": mult, "shift": shift}
    return {name: Table(graph.consts[const].array) for name, const in named.items()}


def window_fields(window: Window) -> Fields:
    """Of a sliding window, the padding behind it left out."""
    return (
        (".k_h", str(window.kernel[0])),
        (".k_w", str(window.kernel[1])),
        (".stride_h", str(window.stride[0])),
        (".stride_w", str(window.stride[1])),
        (".dil_h", str(window.dilation[0])),
        (".dil_w", str(window.dilation[1])),
        (".pad_t", str(window.pad[0])),
        (".pad_l", str(window.pad[1])),
    )


def image_fields(x: Sequence[int], y: Sequence[int]) -> Fields:
    """Of an input and an output of rows, columns and channels."""
    return (
        (".in_h", str(x[0])),
        (".in_w", str(x[1])),
        (".in_c", str(x[2])),
        (".out_h", str(y[0])),
        (".out_w", str(y[1])),
        (".out_c", str(y[2])),
    )


def c_array(values: Sequence[int]) -> str:
    """An initialiser."""
    return "{" + ", ".join(f"{value}" for value in values) + "}"


def merged_axes(dims: Sequence[int], strides: Sequence[Sequence[int]]) -> tuple[list[int], list[list[int]]]:
    """Fewer axes with the same addresses: ones dropped, neighbours joined where every operand runs on through them."""
    lengths: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for axis, length in enumerate(dims):
        if length == 1:
            continue
        inner = [operand[axis] for operand in strides]
        joins = lengths and all(last[-1] == step * length for last, step in zip(steps, inner, strict=True))
        if joins and lengths[-1] * length <= MAX_U16:
            lengths[-1] *= length
            for last, step in zip(steps, inner, strict=True):
                last[-1] = step
        else:
            lengths.append(length)
            for last, step in zip(steps, inner, strict=True):
                last.append(step)
    return lengths or [1], [last or [0] for last in steps]
