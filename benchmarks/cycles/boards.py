"""Entries of [cycles] of every board, as its emulator measures them: python -m benchmarks.cycles.boards [BOARD ..]

What a board's firmware does beside its kernels: boot, dispatch and commit of a step, bytes and transfers to and from
NVM. For each entry: the file's figure, and that of each compiler. Figures of the file belong above them; tests of
tests/profile show that steps are not dearer than planned.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from benchmarks.cycles.design import INPUT_BYTES, Design, designs
from benchmarks.cycles.fit import HEADROOM, envelope, priced
from benchmarks.cycles.measure import around, readings, samples, start
from freeml.board.board import Board, board_names, load_board
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain
from freeml.ir.ops import Reshape
from freeml.ir.types import Port
from freeml.ir.verify import verify_graph
from freeml.pipeline import for_toolchain
from freeml.plan.energy_work import Work, capture_work, fixed_work, report_work
from freeml.plan.protocol import RECORD_BYTES
from freeml.plan.tiles import TilePlan
from freeml.profile import measure_boots, measure_steps
from freeml.sim.engine import Engine, Taken

TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
_LITTLE_SRAM_BYTES, _MOST_SCORES = 4096, 64


def entries(board: Board, toolchain: Toolchain) -> tuple[dict[str, float], float]:
    """Entries of [cycles] that lie above every step, and the most charge that a step draws for each cycle, in pC."""
    assert board.memory.sram_bytes is not None
    assert board.energy is not None
    few = board.memory.sram_bytes.value <= _LITTLE_SRAM_BYTES
    counts: list[Mapping[str, float]] = []
    cycles: list[float] = []
    whole: list[float] = []
    shares: list[float] = []
    boots: list[Taken] = []
    prices = for_toolchain(board, toolchain).kernel_cycles.prices
    for design in map(scored, designs(256 if few else 1500, few=few, repeats=1)):
        try:
            engine, tiles, _ = start(design, board, toolchain)
        except DoesNotFit:
            continue  # two of three have too many weights for an FR5969
        for sample in samples(design, board, readings(design, board, engine, tiles)):
            counts.append(sample.around)
            cycles.append(sample.reading.step)
            whole.append(sample.reading.step)
            shares.append(sample.reading.charge_share)
        for work, taken in _fixed(design, engine, tiles):
            counts.append(around(work, board, tiles))
            copied = priced({name: float(count[0]) for name, count in work.counts.items()}, prices)
            cycles.append(max(0.0, taken.cycles - copied))
            whole.append(taken.cycles)
            shares.append((taken.charge_pc or 0.0) / taken.cycles)
        boots += measure_boots(engine, np.random.default_rng(0).bytes(INPUT_BYTES))
    found = envelope(counts, cycles, whole)
    # A boot is priced by its cycles alone: their charge covers transfers, too.
    most = max(max(taken.cycles, (taken.charge_pc or 0.0) / board.energy.cycle_pc.value) for taken in boots)
    found["boot"] = HEADROOM * most
    return found, max(shares)


def scored(design: Design) -> Design:
    """The design with an output of several scores, if it has one of one axis: they are compared to publish a result."""
    types = design.graph.types
    vectors = [op.output for op in design.graph.ops if len(types[op.output].shape) == 1 and not isinstance(op, Reshape)]
    few = [name for name in vectors if types[name].n_elems <= _MOST_SCORES]
    if not few:
        return design
    most = max(few, key=lambda name: types[name].n_elems)
    port = Port("y", most, types[most].shape, (0,))
    return replace(design, graph=verify_graph(replace(design.graph, outputs=(port,))))


def _fixed(design: Design, engine: Engine, tiles: TilePlan) -> Iterator[tuple[Work, Taken]]:
    """Capture, publication and report."""
    types, graph = design.graph.types, design.graph
    steps, _ = measure_steps(engine, np.random.default_rng(0).bytes(INPUT_BYTES), tiles.n_tiles)
    outputs = [types[port.value].size_bytes for port in graph.outputs]
    yield capture_work([types[port.value].size_bytes for port in graph.inputs], tiles.sram_bytes), steps[0].taken
    yield fixed_work(write_bytes=RECORD_BYTES, compared=sum(outputs)), steps[-2].taken
    yield report_work(outputs), steps[-1].taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD")
    boards = parser.parse_args().boards or [name for name in board_names() if load_board(name).memory_map]
    print(f"{'board':16} {'entry':15} {'file':>9}" + "".join(f" {toolchain:>9}" for toolchain in TOOLCHAINS))
    for name in boards:
        board = load_board(name)
        assert board.cycles is not None
        found = [entries(board, toolchain) for toolchain in TOOLCHAINS]
        for entry in ("boot", "tile", "nvm_read_byte", "nvm_write_byte", "nvm_command", "compared"):
            figures = "".join(f" {prices.get(entry, 0.0):9,.1f}" for prices, _ in found)
            print(f"{name:16} {entry:15} {getattr(board.cycles, entry).value:9,.1f}{figures}", flush=True)
        print(f"{name:16} {'pC a cycle':15} {'':9}" + "".join(f" {share:9,.1f}" for _, share in found), flush=True)


if __name__ == "__main__":
    main()
