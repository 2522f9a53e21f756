"""Make runtime_c/kernels/<variant>/cycles*.toml: python -m benchmarks.cycles [VARIANT ..] [--group FILE]

Builds the layers of a group's design (design.py, coded_design.py) with zig and with GCC, runs them on the emulated
boards below, and fits for each kernel the least prices that lie above every call (fit.py). Needs both compilers. Run it
when a kernel, or the version of a compiler, has changed; how far prices lie above what was profiled is printed. --show
writes nothing; --names writes anew what is counted, and measures nothing.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

import numpy as np

import freeml
from benchmarks.cycles.coded_conv_design import coded_conv_designs, decoded_conv_designs, decoded_slice_designs
from benchmarks.cycles.coded_design import coded_designs
from benchmarks.cycles.design import Design, designs
from benchmarks.cycles.exit_design import exit_designs
from benchmarks.cycles.fit import envelope, priced
from benchmarks.cycles.measure import Sample, readings, samples, start
from freeml.board.board import Board, load_board
from freeml.board.cycle_table import (
    CODED,
    CODED_CONV,
    DECODED_CONV,
    DECODED_SLICE,
    EXIT,
    GROUPS,
    PLAIN,
    Group,
    cycle_tables,
    sources_digest,
    wait_states,
)
from freeml.codegen.emit import kernel_file
from freeml.firmware.build import Toolchain, find_cross_compiler, object_flags
from freeml.firmware.size import measure
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import part_work, work
from freeml.plan.memory import plan_memory

VARIANTS: Mapping[str, tuple[str, ...]] = {
    "msp430": ("msp430fr5994", "msp430fr5994 at 8 MHz"),
    "armv6m": ("qemu_m0",),
    "armv7em": ("qemu_m4", "qemu_m33"),
    "portable": ("cortex-m3",),
}
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
DESIGNS: Mapping[Group, Callable[..., Iterator[Design]]] = {
    PLAIN: designs,
    CODED: coded_designs,
    CODED_CONV: coded_conv_designs,
    DECODED_CONV: decoded_conv_designs,
    DECODED_SLICE: decoded_slice_designs,
    EXIT: exit_designs,
}
REPEATS = 3
_POOL = "pool"
_OWN_SHARE = 0.01  # of a call, at the least, that a kernel takes itself around one whose prices lie above what it takes
_LITTLE_SRAM_BYTES, _TILE_BYTES = 16_384, 1500
KERNELS = Path(freeml.__file__).resolve().parents[1] / "runtime_c" / "kernels"


@dataclass(frozen=True)
class Table:
    """Prices of one compiler and number of wait states, and how far they lie above the samples, relatively."""

    compiler: str
    version: str
    wait_states: int
    code_bytes: Mapping[str, int]
    prices: Mapping[str, float]
    mean_excess: float
    most_excess: float


def board_of(name: str) -> Board:
    """A board that ships, with another clock, or an emulated one of a core that none of them has."""
    name, _, mhz = name.removesuffix(" MHz").partition(" at ")
    if mhz:
        board = load_board(name)
        assert board.clock_hz is not None
        return board.model_copy(update={"clock_hz": board.clock_hz.model_copy(update={"value": int(mhz) * 1_000_000})})
    if not name.startswith("cortex"):
        return load_board(name)
    board = load_board("qemu_m4")
    assert board.cpu is not None
    return board.model_copy(update={"cpu": board.cpu.model_copy(update={"core": name})})


def profiled(
    board: Board, toolchain: Toolchain, repeats: int = REPEATS, group: Group = PLAIN
) -> tuple[list[Sample], str]:
    """Samples of every design of a group on a board, and the compiler."""
    assert board.memory.sram_bytes is not None
    found: list[Sample] = []
    version = ""
    few = board.memory.sram_bytes.value <= _LITTLE_SRAM_BYTES
    for design in DESIGNS[group](_TILE_BYTES, few=few, repeats=repeats):
        engine, tiles, version = start(design, board, toolchain)
        found += samples(design, board, readings(design, board, engine, tiles))
    return [sample for sample in found if any(group.has(f"fml_{name}") for name in sample.counts)], version


def fitted(found: Sequence[Sample], group: Group = PLAIN, known: Mapping[str, float] | None = None) -> dict[str, float]:
    """Prices of every kernel of a group; those of the pool behind a convolution cover what the convolution's leave
    over.

    known: of kernels of other groups that these call
    """
    by_kernel: dict[str, list[Sample]] = defaultdict(list)
    for sample in found:
        kernels = {name.split(".")[0] for name in sample.counts if group.has(f"fml_{name}")}
        by_kernel[_POOL if _POOL in kernels else min(kernels)].append(sample)
    prices: dict[str, float] = dict(known or {})
    for kernel in sorted(by_kernel, key=lambda name: (name == _POOL, name)):
        own = by_kernel[kernel]
        least = _OWN_SHARE if known else 0.0
        left = [max(least * s.reading.kernel, s.reading.kernel - priced(s.counts, prices)) for s in own]
        counts = [{n: c for n, c in s.counts.items() if n.startswith(f"{kernel}.")} for s in own]
        prices |= envelope(counts, left)
    return {name: price for name, price in prices.items() if group.has(f"fml_{name}")}


def tables(variant: str, group: Group = PLAIN) -> Iterator[Table]:
    """Of each compiler and number of wait states."""
    for toolchain in TOOLCHAINS:
        by_waits: dict[int, list[Sample]] = defaultdict(list)
        version = ""
        for name in VARIANTS[variant]:
            board = board_of(name)
            assert board.cpu is not None
            assert board.clock_hz is not None
            found, version = profiled(board, toolchain, group=group)
            by_waits[wait_states(board.cpu.core, board.clock_hz.value)] += found
        for waits, found in sorted(by_waits.items()):
            known = {} if group is PLAIN else _plain_prices(variant, toolchain, waits)
            prices = fitted(found, group, known)
            excess = [priced(s.counts, {**known, **prices}) / s.reading.kernel - 1 for s in found]
            yield Table(
                compiler=toolchain,
                version=version,
                wait_states=waits,
                code_bytes=code_of(variant, toolchain, group),
                prices=prices,
                mean_excess=sum(excess) / len(excess),
                most_excess=max(excess),
            )


def _plain_prices(variant: str, toolchain: Toolchain, waits: int) -> Mapping[str, float]:
    """Of kernels that those of other groups call, as they stand in the variant's file."""
    tables = cycle_tables(variant, PLAIN).tables
    return next(t.prices for t in tables if (t.compiler, t.wait_states) == (toolchain, waits))


def code_of(variant: str, toolchain: Toolchain, group: Group = PLAIN) -> dict[str, int]:
    """Bytes of code and constants of every kernel's file, compiled with the options of a firmware."""
    memory = board_of(VARIANTS[variant][0]).memory_map
    assert memory is not None
    compiler = find_cross_compiler(toolchain, memory)
    includes = [KERNELS / variant, KERNELS.parent / "include"]
    names = sorted(path.stem for path in (KERNELS / "portable").glob("*.c") if group.has(path.name))
    sizes = {
        name: measure(compiler, [kernel_file(name, variant)], includes, object_flags(compiler, memory))
        for name in names
    }
    return {name: size.flash_bytes + size.ram_bytes for name, size in sizes.items()}


def text_of(variant: str, made: Sequence[Table], group: Group = PLAIN) -> str:
    """The file of a variant."""
    lines = [
        f"# Cycles of the {variant} kernels: the most that a call takes is the sum of what it does (KERNEL.COUNT of",
        "# freeml/kernels) times these prices. Made by `python -m benchmarks.cycles`; do not edit.",
        f'sources = "{sources_digest(variant, group)}"',
        *counted_lines(variant, group),
    ]
    for table in made:
        lines += [
            "",
            f"# above what was profiled by {table.mean_excess:.1%} in the mean, {table.most_excess:.0%} at most",
            "[[tables]]",
            f'compiler = "{table.compiler}"',
            f'version = "{table.version}"',
            f"wait_states = {table.wait_states}",
            "",
            "[tables.code_bytes]",
            *(f"{name} = {n_bytes}" for name, n_bytes in table.code_bytes.items()),
        ]
        by_kernel: dict[str, dict[str, float]] = defaultdict(dict)
        for name, price in sorted(table.prices.items()):
            kernel, count = name.split(".")
            by_kernel[kernel][count] = price
        for kernel, prices in by_kernel.items():
            lines += ["", f"[tables.kernels.{kernel}]", *(f"{count} = {price!r}" for count, price in prices.items())]
    return "\n".join(lines) + "\n"


def counted_lines(variant: str, group: Group) -> list[str]:
    """What the planner counts of all designs, a line for each kernel: what is not there has no price."""
    names: set[str] = set()
    for graph in (design.graph for design in DESIGNS[group](_TILE_BYTES, few=False, repeats=1)):
        for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
            names |= work(graph, call, np.array([1]), variant).counts.keys()
            names |= part_work(graph, call, np.array([1])).counts.keys() if call.has_parts else set()
    by_kernel = groupby(sorted(names), key=lambda name: name.split(".")[0])
    rows = (", ".join(f'"{name}"' for name in own) for _, own in by_kernel)
    return ["counted = [", *(f"    {row}," for row in rows), "]"]


def with_names(variant: str, group: Group, text: str) -> str:
    """A file with what is counted now."""
    head, tables = text.split("\n\n", 1)
    kept = head.split("\ncounted = [", 1)[0]
    return "\n".join([kept, *counted_lines(variant, group), "", tables])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--group", help="one file of each: " + ", ".join(group.file for group in GROUPS))
    parser.add_argument("--show", action="store_true", help="print the files, write none")
    parser.add_argument("--names", action="store_true", help="write what is counted, keep prices as they are")
    args = parser.parse_args()
    wanted = [group for group in GROUPS if args.group in (None, group.file)]
    for variant, group in product(args.variants, wanted):
        path = KERNELS / variant / group.file
        if args.names:
            path.write_text(with_names(variant, group, path.read_text(encoding="utf-8")), encoding="utf-8")
            continue
        made = list(tables(variant, group))
        for table in made:
            excess = f"above what was profiled by {table.mean_excess:.1%} in the mean, {table.most_excess:.0%} at most"
            print(f"{variant:9} {table.version}, {table.wait_states} wait states: {excess}", flush=True)
        if args.show:
            print(text_of(variant, made, group))
        else:
            path.write_text(text_of(variant, made, group), encoding="utf-8")


if __name__ == "__main__":
    main()
