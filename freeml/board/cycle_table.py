"""Cycles of the kernels of a variant: runtime_c/kernels/<variant>/cycles.toml, made by `python -m benchmarks.cycles`.

A call of a kernel takes at most the sum of what it does (freeml/kernels counts it) times the table's prices, the
least that lie above every call that was profiled on the emulator. There is a table for each compiler and, where a core
waits for its memory, for each number of wait states. A table is of certain sources and of a certain version of its
compiler: anything else is priced by the worst of the variant's tables, a good deal more, and says so.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
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
# Headers of runtime_c/include that kernels are made of; the rest belongs to the runtime.
_HEADERS = ("conv_pool", "dot", "far", "kernels", "lanes", "largest", "requant", "walk", "window")


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
    """The file of a variant. sources: digest of the kernels that were profiled, as `sources_digest` gives it."""

    sources: str
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
def sources_digest(variant: str) -> str:
    """Of the kernels of a variant as they are here, comments aside: all that its cycles depend on but the compiler."""
    root = resource("runtime_c")
    files = {path.name: path for path in (root / "kernels" / "portable").iterdir() if path.suffix in (".c", ".h")}
    files |= {path.name: path for path in (root / "kernels" / variant).iterdir() if path.suffix in (".c", ".h")}
    files |= {f"include/fml_{name}.h": root / "include" / f"fml_{name}.h" for name in _HEADERS}
    digest = hashlib.sha256()
    for name in sorted(files):
        code = re.sub(r"/\*.*?\*/", " ", files[name].read_text(encoding="utf-8"), flags=re.DOTALL)
        digest.update(f"{name}\0{' '.join(code.split())}\0".encode())
    return digest.hexdigest()[:16]


@cache
def cycle_tables(variant: str) -> VariantCycles:
    """The file that ships with a variant."""
    path = resource("runtime_c") / "kernels" / variant / "cycles.toml"
    return VariantCycles.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))


def kernel_cycles(variant: str, waits: int, version: str | None) -> KernelCycles:
    """Prices for the kernels of a variant as a compiler of this version makes them; None: no compiler is known."""
    shipped = cycle_tables(variant)
    same = [table for table in shipped.tables if table.wait_states == waits]
    own = next((table for table in same if table.version == version), None)
    if own is not None and shipped.sources == sources_digest(variant):
        return KernelCycles(own.prices, own.code_bytes, f"{variant} kernels by {own.version}")
    if shipped.sources != sources_digest(variant):
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
    shipped = cycle_tables(variant)
    same = [table for table in shipped.tables if table.wait_states == waits] or shipped.tables
    return KernelCycles(*worst(same), f"{variant} kernels by any of the compilers with a table")


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
