"""The kernels as Python sees them: descriptors parsed from the header, calls through ctypes, guarded buffers."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.codegen.emit import kernel_file
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.ops import Op
from freeml.kernels.coded_convs import coded_conv_kernel
from freeml.kernels.packing import packed
from freeml.kernels.variants import VARIANTS as KNOWN
from freeml.kernels.variants import Variant

RUNTIME = Path(__file__).resolve().parents[2] / "runtime_c"
INCLUDE = RUNTIME / "include"
SOURCES = sorted((RUNTIME / "kernels" / "portable").glob("*.c"))
PARTS = [path for path in SOURCES if path.stem.endswith("_part_i8")]
VARIANTS = ("portable", "armv6m", "armv7em")  # what runs on this machine
DOT_PRODUCTS = ("fml_conv_i8", "fml_pointwise_i8", "fml_dense_i8")
POOLED_DOT_PRODUCTS = ("fml_conv_pool_i8", "fml_pointwise_pool_i8")
PACKED = (*DOT_PRODUCTS, *POOLED_DOT_PRODUCTS, "fml_exit_head_i32")

Bytes = npt.NDArray[np.uint8]

_SCALARS = {
    "int8_t": ctypes.c_int8,
    "uint8_t": ctypes.c_uint8,
    "int16_t": ctypes.c_int16,
    "uint16_t": ctypes.c_uint16,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
}
_GUARD = 17  # odd: nothing may rely on the alignment of int8 data
_POISON = 0xA5


def parse_descriptors(pointer: Any = ctypes.c_void_p) -> dict[str, type[ctypes.Structure]]:
    """Structures of the header, so that this file cannot disagree with it; pointers are of the type given."""
    header = "".join(
        (INCLUDE / name).read_text() for name in ("fml_kernels.h", "fml_coded.h", "fml_coded_conv.h", "fml_exit_head.h")
    )
    scalars = {**_SCALARS, "fml_weights_t": pointer}
    text = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    numbers = dict(re.findall(r"#define (\w+) (\d+)", text))
    found: dict[str, type[ctypes.Structure]] = {}
    for body, name in re.findall(r"typedef struct \{(.*?)\} (\w+);", text, flags=re.DOTALL):
        fields: list[tuple[str, Any]] = []
        for declaration in filter(None, (part.strip() for part in body.split(";"))):
            match = re.fullmatch(r"(?:const )?(\w+) (.*)", declaration, flags=re.DOTALL)
            assert match, declaration
            for declarator in match[2].split(","):
                part = re.fullmatch(r"\s*(\*?)(\w+)(?:\[(\w+)\])?\s*", declarator)
                assert part, declarator
                kind: Any = pointer if part[1] else {**scalars, **found}[match[1]]
                if part[3]:
                    kind = kind * int(numbers.get(part[3], part[3]) or 0)
                fields.append((part[2], kind))
        inner = [field for field, kind in fields if kind in found.values()]  # its fields are those of the whole
        found[name] = type(name, (ctypes.Structure,), {"_anonymous_": inner, "_fields_": fields})
    return found


DESCRIPTORS = parse_descriptors()


@dataclass(frozen=True)
class Case:
    """One layer with its input and the bytes it must write.

    descriptor    name of the structure, None where the only constant is passed itself
    fields        its numbers; arrays in `consts` fill its pointers
    n_units       units of the whole layer
    unit_bytes    from one unit to the next in the output; expected is the whole area
    in_place      operands that y may coincide with
    op, out_shape  what the layer is to the compiler; of all that cases.py makes
    graph          with constants as they are stored, of a convolution that stores some in another form
    slice          channels of a call for some of a convolution: the first, and how many
    """

    kernel: str
    descriptor: str | None
    fields: dict[str, Any]
    consts: dict[str, npt.NDArray[Any]]
    inputs: tuple[npt.NDArray[np.int8], ...]
    n_units: int
    unit_bytes: int
    expected: Bytes
    scratch_bytes: int | None = None
    in_place: tuple[int, ...] = ()
    alive: list[Any] = field(default_factory=list, repr=False, compare=False)
    op: Op | None = None
    out_shape: tuple[int, ...] = ()
    graph: Graph | None = field(default=None, repr=False, compare=False)
    slice: tuple[int, ...] = ()

    @property
    def n_products(self) -> int:
        """Of one unit of a dot product."""
        return int(self.fields["n_in"]) if "n_in" in self.fields else self.consts["w"].size // len(self.consts["w"])

    def argument(self) -> Any:
        """What the kernel takes first: a pointer to the descriptor, or the constant."""
        if self.descriptor is None:
            (only,) = self.consts.values()
            return ctypes.c_void_p(only.ctypes.data)
        layer = DESCRIPTORS[self.descriptor](**self.fields)
        for name, array in self.consts.items():
            setattr(layer, name, array.ctypes.data)
        self.alive.append(layer)
        return ctypes.byref(layer)

    def y_offset(self, first: int) -> int:
        """Where unit `first` goes, in bytes from the start of the output."""
        return first * self.unit_bytes


def sources_of(variant: str) -> list[Path]:
    """All kernels as a firmware with this variant has them."""
    return [kernel_file(path.stem, variant) for path in SOURCES]


def includes_of(variant: str) -> list[Path]:
    """Folders of headers; those of the variant come first."""
    return [RUNTIME / "kernels" / variant, INCLUDE]


def own_kernels(variant: str) -> list[str]:
    """The kernels whose code depends on the variant, by their own file, one they call, or a header."""
    folder = RUNTIME / "kernels" / variant
    headers = {path.name for path in folder.glob("*.h")}
    found = []
    for path in SOURCES:
        files = [kernel_file(name, variant) for name in (path.stem, *KNOWN[variant].called_by(path.stem))]
        own = any(file.parent == folder or any(f'"{h}"' in file.read_text() for h in headers) for file in files)
        if own and path not in PARTS:
            found.append(path.stem)
    return found


def for_variant(case: Case, variant: str) -> Case:
    """The same layer with weights and scratch as the variant wants them."""
    if case.graph is not None:
        return _coded_conv_for(case, case.graph, KNOWN[variant])
    if case.kernel not in PACKED:
        return case
    weight, groups, fields = case.consts["w"], case.fields.get("groups", 1), case.fields
    scratch = case.scratch_bytes
    if case.kernel in ("fml_conv_i8", "fml_conv_pool_i8"):
        before = fields.get("conv_scratch_bytes", scratch) or 0
        own = KNOWN[variant].conv_scratch(weight.shape[1] * weight.shape[2], weight.shape[3])
        scratch = (scratch or 0) - before + own
        fields = {**fields, "conv_scratch_bytes": own} if case.kernel == "fml_conv_pool_i8" else fields
    consts = {**case.consts, "w": packed(KNOWN[variant].rows, weight, groups)}
    return replace(case, consts=consts, fields=fields, scratch_bytes=scratch, alive=[])


def in_blocks(case: Case, variant: str) -> Case | None:
    """A decoded convolution where SRAM holds half of its rows at a time; None where these cannot be divided."""
    assert case.graph is not None
    n_products, n_rows = case.fields["n_in"], case.fields["n_out"]
    if case.fields["groups"] > 1 or n_rows < 2:
        return None
    narrow = replace(KNOWN[variant], most_block_bytes=n_rows // 2 * n_products)
    made = _coded_conv_for(case, case.graph, narrow)
    assert made.fields["block_rows"] <= n_rows // 2
    return made


def _coded_conv_for(case: Case, graph: Graph, variant: Variant) -> Case:
    """What the compiler says of a convolution with constants in other forms."""
    assert isinstance(case.op, ConvI8)
    kernel = coded_conv_kernel(graph, case.op)
    assert kernel is not None
    own = {name.rpartition(".")[2]: int(n) for name, n in kernel.own_fields(graph, case.op, variant)}
    tables, numbers = kernel.stored(graph, case.op, variant)
    stored = {"w" if name == "weight" else name: np.ascontiguousarray(table.array) for name, table in tables.items()}
    return replace(
        case,
        fields={**case.fields, **numbers, **own},
        consts={**case.consts, **stored},
        scratch_bytes=kernel.scratch_bytes(graph, case.op, variant),
        alive=[],
    )


def part_stem(kernel: str) -> str:
    """What the names of a kernel's part and finish begin with."""
    own = kernel == "fml_dense_i8" or kernel.startswith(("fml_coded", "fml_decoded"))
    return kernel.removesuffix("_i8") if own else "fml_conv"


def blank(n_bytes: int) -> Bytes:
    """An output nothing was written to yet."""
    return np.full(n_bytes, _POISON, np.uint8)


class Kernels:
    """A loaded library of kernels."""

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))

    def run(self, case: Case, tiles: Sequence[tuple[int, int]], *, in_place: int | None = None) -> Bytes:
        """Compute the (first, n) tiles in the order given and return the output area.

        Fails if anything but it and the scratch changes. in_place: the operand to write over.
        """
        memory = [_Guarded(operand.view(np.uint8).reshape(-1)) for operand in case.inputs]
        y = memory[in_place] if in_place is not None else _Guarded(blank(case.expected.size))
        scratch = None if case.scratch_bytes is None else _Guarded(np.full(case.scratch_bytes, 0x5A, np.uint8))
        function = getattr(self._library, case.kernel)
        function.restype = None
        constants = {name: array.copy() for name, array in case.consts.items()}
        for first, n in tiles:
            arguments = [case.argument(), *(m.pointer() for m in memory), y.pointer(case.y_offset(first))]
            if scratch is not None:
                arguments.append(scratch.pointer())
            arguments += map(ctypes.c_uint16, case.slice)
            function(*arguments, ctypes.c_uint32(first), ctypes.c_uint32(n))
        for guarded in (*memory, y, *([scratch] if scratch else [])):
            guarded.check_guards()
        for operand, guarded in zip(case.inputs, memory, strict=True):
            if guarded is not y:
                assert np.array_equal(guarded.content, operand.view(np.uint8).reshape(-1)), "an input was written"
        for name, array in case.consts.items():
            assert np.array_equal(array, constants[name]), f"the constant {name} was written"
        written: Bytes = y.content[: case.expected.size].copy()  # in place, the input may be longer
        return written

    def run_parts(self, case: Case, n_products: int, part_products: int) -> Bytes:
        """The layer by sums of part_products products each, as the runtime adds them."""
        stem = part_stem(case.kernel)
        part, finish = self._library[f"{stem}_part_i8"], self._library[f"{stem}_finish_i8"]
        part.restype, finish.restype = ctypes.c_int32, ctypes.c_int8
        layer, x = case.argument(), _Guarded(case.inputs[0].view(np.uint8).reshape(-1))
        out = np.empty(case.n_units, np.int8)
        for element in range(case.n_units):
            acc = 0
            for k0 in range(0, n_products, part_products):
                numbers = (element, k0, min(part_products, n_products - k0))
                acc += part(layer, x.pointer(), *(ctypes.c_uint32(v) for v in numbers))
            out[element] = finish(layer, ctypes.c_uint32(element), ctypes.c_int32(acc))
        return out.view(np.uint8)


class _Guarded:
    """Bytes with poison on both sides."""

    def __init__(self, content: Bytes) -> None:
        self._all: Bytes = np.full(content.size + 2 * _GUARD + 8, _POISON, np.uint8)
        # y of argmax is int32: keep the content aligned to 4, plus 1 where that is allowed by its size
        self._start = _GUARD + (-(self._all.ctypes.data + _GUARD) % 4 if content.size % 4 == 0 else 0)
        self.content: Bytes = self._all[self._start : self._start + content.size]
        self.content[:] = content

    def pointer(self, offset: int = 0) -> ctypes.c_void_p:
        return ctypes.c_void_p(self._all.ctypes.data + self._start + offset)

    def check_guards(self) -> None:
        before, after = self._all[: self._start], self._all[self._start + self.content.size :]
        assert (before == _POISON).all(), "written before the start"
        assert (after == _POISON).all(), "written past the end"
