"""Cycles of the kernels of a variant: runtime_c/kernels/<variant>/cycles*.toml, made by `python -m benchmarks.cycles`.

A call of a kernel takes at most the sum of what it does (freeml/kernels counts it) times the table's prices, the
least that lie above every call that was profiled on the emulator. There is a table for each compiler and, where a core
waits for its memory, for each number of wait states. A table is of certain sources and of a certain version of its
compiler: anything else is priced by the worst of the variant's tables, a good deal more, and says so.

Kernels of stored formats have files of their own, a group each, so that a new format leaves other prices as they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from pydantic import Field

from freeml.board.figures import Strict
from freeml.board.toml import tomllib
from freeml.resources import resource

MISMATCH_FACTOR = 1.3
"""On the worst table of a variant, where none is of the firmware's compiler and of the kernels as they are."""
REMEDY = "freeml profile OUT measures the firmware, --profile plans with that"
# Headers of runtime_c/include that all kernels are made of; the rest belongs to the runtime, or to a group.
_HEADERS = ("conv_pool", "dot", "far", "kernels", "lanes", "largest", "requant", "walk", "window")


@dataclass(frozen=True, slots=True)
class Group:
    """Kernels whose prices are a file.

    prefix   what the names of their files begin with; "" for all that belong to no other group
    headers  of runtime_c/include that they are made of beside those of all
    """

    prefix: str
    headers: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """In the folder of a variant."""
        return f"cycles_{self.prefix.removeprefix('fml_')}.toml" if self.prefix else "cycles.toml"

    def has(self, name: str) -> bool:
        """Whether a file of kernels is one of the group, by its name; a variant's own header that a group names is."""
        own = name.removeprefix("fml_").removesuffix(".h")
        if any(own in group.headers for group in GROUPS):
            return own in self.headers
        longest = max((len(g.prefix) for g in GROUPS if name.startswith(g.prefix)), default=0)
        return name.startswith(self.prefix) and len(self.prefix) == longest


PLAIN = Group("")
CODED = Group(
    "fml_coded",
    ("coded", "coded_gap_place", "coded_gaps", "coded_rows", "coded_walk", "gaps", "read_ans", "stream"),
)
CODED_CONV = Group(
    "fml_coded_conv",
    (
        *("coded_rows", "stream", "gaps", "read_gaps", "coded_widen"),
        *("coded_conv", "coded_conv_inner", "coded_conv_part", "coded_conv_pixels"),
    ),
)
_DECODED = (
    *("coded_rows", "stream", "read_codebook", "read_ternary", "read_ans", "coded_widen"),
    *("coded_conv", "coded_conv_inner", "coded_conv_part"),
    *("decoded_conv", "decoded_conv_rows", "decoded_conv_block", "decoded_conv_ans"),
)
DECODED_CONV = Group("fml_decoded_conv", (*_DECODED, "decoded_conv_units"))
DECODED_SLICE = Group("fml_decoded_slice", (*_DECODED, "decoded_slice", "decoded_slice_rows"))
EXIT = Group("fml_exit", ("exit_head", "exit_requant"))
GROUPS = (PLAIN, CODED, CODED_CONV, DECODED_CONV, DECODED_SLICE, EXIT)


class CompilerCycles(Strict):
    """Of one compiler: by kernel, by what freeml/kernels counts, in cycles; what costs nothing is left out.

    version      what the compiler says of itself
    wait_states  of the memory that code and constants lie in
    code_bytes   of each kernel's file, compiled alone
    """

    compiler: Literal["zig", "gcc"]
    version: str
    wait_states: int = Field(ge=0)
    code_bytes: Mapping[str, int]
    kernels: Mapping[str, Mapping[str, float]]

    @property
    def prices(self) -> dict[str, float]:
        """By KERNEL.COUNT."""
        return {f"{kernel}.{name}": price for kernel, prices in self.kernels.items() for name, price in prices.items()}


class VariantCycles(Strict):
    """The file of a variant.

    sources  digest of the kernels that were profiled, as `sources_digest` gives it
    counted  every KERNEL.COUNT of what was profiled: what a table leaves out of these costs nothing, any other was not
             measured. None where nobody wrote it: then whatever is counted of a kernel that has prices
    """

    sources: str
    counted: tuple[str, ...] | None = Field(default=None, strict=False)
    tables: tuple[CompilerCycles, ...] = Field(strict=False, min_length=1)


@dataclass(frozen=True, slots=True)
class KernelCycles:
    """Prices of kernel calls, by KERNEL.COUNT; what is not named costs nothing.

    code_bytes  of each kernel
    basis       which table, in words for reports
    warning     why the firmware's own is not used, or None
    """

    prices: Mapping[str, float]
    code_bytes: Mapping[str, int]
    basis: str
    warning: str | None = None

    def with_prices(self, prices: Mapping[str, float], basis: str) -> KernelCycles:
        """Some of them replaced."""
        return replace(self, prices={**self.prices, **prices}, basis=f"{self.basis}; {basis}")


def wait_states(core: str, clock_hz: int) -> int:
    """Of the memory that code runs from.

    An MSP430's FRAM keeps up with 8 MHz; flash of the other cores is taken as fast enough, as their emulator has it.
    """
    return int(core == "msp430x" and clock_hz > 8_000_000)


@cache
def sources_digest(variant: str, group: Group = PLAIN) -> str:
    """Of the kernels of a variant as they are here, comments aside: all that its cycles depend on but the compiler."""
    root = resource("runtime_c")
    folders = (root / "kernels" / "portable", root / "kernels" / variant)
    found = [path for folder in folders for path in folder.iterdir() if path.suffix in (".c", ".h")]
    files = {path.name: path for path in found if group.has(path.name) or _is_shared(path.name, group)}
    headers = (*_HEADERS, *group.headers)
    files |= {f"include/fml_{name}.h": root / "include" / f"fml_{name}.h" for name in headers}
    digest = hashlib.sha256()
    for name in sorted(files):
        code = re.sub(r"/\*.*?\*/", " ", files[name].read_text(encoding="utf-8"), flags=re.DOTALL)
        digest.update(f"{name}\0{' '.join(code.split())}\0".encode())
    return digest.hexdigest()[:16]


def _is_shared(name: str, group: Group) -> bool:
    """Whether a group's kernels may include a variant's header that belongs to none."""
    return name.endswith(".h") and PLAIN.has(name) and group is not PLAIN


@cache
def cycle_tables(variant: str, group: Group = PLAIN) -> VariantCycles:
    """The file that ships with a variant."""
    path = resource("runtime_c") / "kernels" / variant / group.file
    return VariantCycles.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


@cache
def is_measured(variant: str, name: str) -> bool:
    """Whether a KERNEL.COUNT that no table has a price of was counted when they were made: then it costs nothing."""
    kernel = name.split(".", maxsplit=1)[0]
    files = [cycle_tables(variant, group) for group in GROUPS]
    named = any(name in made.counted for made in files if made.counted is not None)
    return named or any(kernel in table.kernels for made in files if made.counted is None for table in made.tables)


def kernel_cycles(variant: str, waits: int, version: str | None) -> KernelCycles:
    """Prices for the kernels of a variant as a compiler of this version makes them; None: no compiler is known."""
    return _all_groups(lambda group: _group_cycles(variant, waits, version, group))


def _all_groups(found: Callable[[Group], KernelCycles]) -> KernelCycles:
    """Prices of all groups; basis and warning are those of the kernels that every network has."""
    made = [found(group) for group in GROUPS]
    prices = {name: price for one in made for name, price in one.prices.items()}
    code_bytes = {name: n_bytes for one in made for name, n_bytes in one.code_bytes.items()}
    return replace(made[0], prices=prices, code_bytes=code_bytes)


def _group_cycles(variant: str, waits: int, version: str | None, group: Group) -> KernelCycles:
    shipped = cycle_tables(variant, group)
    same = [table for table in shipped.tables if table.wait_states == waits]
    own = next((table for table in same if table.version == version), None)
    if own is not None and shipped.sources == sources_digest(variant, group):
        return KernelCycles(own.prices, own.code_bytes, f"{variant} kernels by {own.version}")
    if shipped.sources != sources_digest(variant, group):
        why = f"the {variant} kernels are not those that their cycle table is of"
    elif version is None:
        why = f"no compiler for these boards was found, so its cycles of the {variant} kernels are unknown"
    else:
        why = f"no cycle table of the {variant} kernels is of {version}"
    prices, code_bytes = worst(same or shipped.tables)
    return KernelCycles(
        {name: price * MISMATCH_FACTOR for name, price in prices.items()},
        {name: int(n_bytes * MISMATCH_FACTOR) for name, n_bytes in code_bytes.items()},
        f"{variant} kernels, {MISMATCH_FACTOR:g} times the worst of all compilers",
        f"{why}: steps are priced at {MISMATCH_FACTOR:g} times the worst known; {REMEDY}",
    )


def any_compiler(variant: str, waits: int) -> KernelCycles:
    """Prices that hold for every compiler that a table of the variant is of."""

    def found(group: Group) -> KernelCycles:
        shipped = cycle_tables(variant, group)
        same = [table for table in shipped.tables if table.wait_states == waits] or shipped.tables
        return KernelCycles(*worst(same), f"{variant} kernels by any of the compilers with a table")

    return _all_groups(found)


def worst(tables: Sequence[CompilerCycles]) -> tuple[dict[str, float], dict[str, int]]:
    """The dearest price of each count, and the most code of each kernel."""
    prices: dict[str, float] = {}
    code_bytes: dict[str, int] = {}
    for table in tables:
        for name, price in table.prices.items():
            prices[name] = max(prices.get(name, 0.0), price)
        for name, n_bytes in table.code_bytes.items():
            code_bytes[name] = max(code_bytes.get(name, 0), n_bytes)
    return prices, code_bytes
