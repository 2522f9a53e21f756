"""Entries of [cycles] of every board, as its emulator measures them: python -m benchmarks.cycles.boards [BOARD ..]

What a board's firmware does beside its kernels: boot, dispatch and commit of a step, bytes and transfers to and from
NVM. For each entry: the file's figure, and that of each compiler: the least prices above every step, of which several
sets may do equally well. What the file's figures have to be is below: the dearest step with the dearest boot before it,
as the planner prices steps, and that boot are shares of what they say of it, at most 1, or the command ends with 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.cycles.design import INPUT_BYTES, Design, Layers, designs
from benchmarks.cycles.fit import HEADROOM, envelope, priced
from benchmarks.cycles.measure import around, readings, samples, start
from freeml.board.board import Board, board_names, load_board
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import MaxPoolI8
from freeml.ir.ops import Reshape, Window
from freeml.ir.types import DType, Port, Quant, TensorType
from freeml.ir.verify import verify_graph
from freeml.pipeline import for_toolchain
from freeml.plan.energy_work import Work, capture_work, fixed_work, report_work
from freeml.plan.protocol import RECORD_BYTES
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.sim.board_device import BoardDevice
from freeml.sim.device import Taken
from freeml.sim.instruction import Emulator
from freeml.sim.profile import counted, measure_boots, measure_steps, random_codes

TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
_LITTLE_SRAM_BYTES, _MOST_SCORES = 4096, 64
_SAMPLE = "sample_call", "sample_byte"
_BUFFERS_BYTES = 16, 64
_ROWS = (
    130  # of a table in which a boot looks for its step, in eight halvings: 14 rows of capture and layers do with four
)
_AROUND = ("tile", "nvm_read_byte", "nvm_write_byte", "nvm_command")


@dataclass(frozen=True, slots=True)
class Found:
    """Entries of [cycles] that lie above every step; the most charge that a step draws for each cycle, in pC; the
    dearest step and boot as shares of what the board's file says of it."""

    prices: Mapping[str, float]
    charge_share_pc: float
    dearest: Mapping[str, float]


def entries(board: Board, toolchain: Toolchain) -> Found:
    """What a board does with the firmware of a compiler."""
    assert board.memory.sram_bytes is not None
    assert board.energy is not None
    few = board.memory.sram_bytes.value <= _LITTLE_SRAM_BYTES
    counts: list[Mapping[str, float]] = []
    cycles: list[float] = []
    whole: list[float] = []
    shares: list[float] = []
    boots: list[Taken] = []
    sampled = sampling(board, toolchain, 256 if few else 1024)
    kernels, said = dict(for_toolchain(board, toolchain).kernel_cycles.prices), in_file(board)
    prices = kernels | {name.replace("_", "."): price for name, price in sampled.items()}
    known = kernels | said
    steps: list[tuple[float, float]] = []  # what each takes, and what the file says of it
    for design in map(scored, designs(256 if few else 1500, few=few, repeats=1)):
        try:
            emulator, tiles, _ = start(design, board, toolchain)
        except DoesNotFit:
            continue  # two of three have too many weights for an FR5969
        for sample in samples(design, board, readings(design, board, emulator, tiles)):
            counts.append(sample.around)
            cycles.append(sample.reading.step)
            whole.append(sample.reading.step)
            shares.append(sample.reading.charge_share)
            steps.append((sample.reading.step, priced(sample.around, said)))
        for work, taken in _fixed(design, emulator, tiles):
            counts.append(around(work, board))
            copied = priced({name: float(count[0]) for name, count in work.counts.items()}, prices)
            cycles.append(max(0.0, taken.cycles - copied))
            whole.append(taken.cycles)
            shares.append((taken.charge_pc or 0.0) / taken.cycles)
            planned = priced({name: float(count[0]) for name, count in work.counts.items()}, known)
            steps.append((taken.cycles, priced(around(work, board), said) + planned))
        boots += measure_boots(BoardDevice(emulator, tiles), np.random.default_rng(0).bytes(INPUT_BYTES))
    deep = many_rows()
    emulator, tiles, _ = start(deep, board, toolchain)
    boots += measure_boots(BoardDevice(emulator, tiles), random_codes(deep.graph), most=2 * _ROWS)
    found = envelope(counts, cycles, whole)
    # A boot is priced by its cycles alone: their charge covers transfers, too.
    most = max(max(taken.cycles, (taken.charge_pc or 0.0) / board.energy.cycle_pc.value) for taken in boots)
    found["boot"] = HEADROOM * most
    booted = [(most + taken) / (said["boot"] + planned) for taken, planned in steps]
    dearest = {"dearest step": max(booted), "dearest boot": most / said["boot"]}
    return Found(found | sampled, max(shares), dearest)


def in_file(board: Board) -> dict[str, float]:
    """The prices that a board's file has, by the names of [cycles] and by those of what is counted."""
    assert board.cycles is not None
    known = {name: getattr(board.cycles, name) for name in ("boot", *_AROUND, "compared", *_SAMPLE)}
    found = {name: float(entry.value) for name, entry in known.items() if entry is not None}
    return found | {name.replace("_", "."): found[name] for name in _SAMPLE if name in found}


def sampling(board: Board, toolchain: Toolchain, n_bytes: int) -> dict[str, float]:
    """What a byte more of a sample adds to its capture, and what each buffer of it does, beyond what the board's file
    says of writing them to NVM."""
    assert board.cycles is not None
    prices = {name: getattr(board.cycles, name).value for name in _AROUND}
    per_byte = []
    for buffer_bytes in _BUFFERS_BYTES:
        short, long = (capture_of(n, buffer_bytes, board, toolchain) for n in (n_bytes, 2 * n_bytes))
        taken = HEADROOM * (long[1].cycles - short[1].cycles)
        planned = priced(around(long[0], board), prices) - priced(around(short[0], board), prices)
        per_byte.append((taken - planned) / n_bytes)
    few, many = _BUFFERS_BYTES
    call = max(0.0, (per_byte[0] - per_byte[1]) / (1 / few - 1 / many))
    return {"sample_call": call, "sample_byte": per_byte[1] - call / many}


def capture_of(n_bytes: int, buffer_bytes: int, board: Board, toolchain: Toolchain) -> tuple[Work, Taken]:
    """What capturing a sample of so many bytes is, by the planner's count, and what it takes."""
    design = _wide(n_bytes, buffer_bytes)
    emulator, tiles, _ = start(design, board, toolchain)
    return next(_fixed(design, emulator, tiles))


def _wide(n_bytes: int, buffer_bytes: int) -> Design:
    """A sample of so many bytes, of which little is kept: the result does not depend on it."""
    window = Window(kernel=(n_bytes // INPUT_BYTES, 1), stride=(n_bytes // INPUT_BYTES, 1))
    quant = Quant(0.1, 3)
    types = {"x": TensorType((n_bytes, 1, 1), DType.I8, quant), "y": TensorType((INPUT_BYTES, 1, 1), DType.I8, quant)}
    pool = MaxPoolI8(output="y", inputs=("x",), loc="pool", window=window, lo=-128, hi=127)
    ports = (Port("x", "x", types["x"].shape, (0, 1, 2)),), (Port("y", "y", types["y"].shape, (0, 1, 2)),)
    graph = verify_graph(Graph("wide", *ports, (pool,), types, {}, Stage.QUANTIZED))
    return Design("wide", graph, {"y": buffer_bytes}, {})


def many_rows() -> Design:
    """As many layers as a deep network has, the last ones in parts: a boot halves the rows until it has its own, and
    finds the part by a division."""
    layers = Layers("deep", np.random.default_rng(0), INPUT_BYTES, few=True)
    for _ in range(_ROWS):
        layers.maxpool((INPUT_BYTES, 1, 1), Window(kernel=(1, 1)), clamp=False)
    layers.tile_units = dict.fromkeys(layers.tile_units, INPUT_BYTES)
    for _ in range(2):
        layers.dense(INPUT_BYTES, 2, part=INPUT_BYTES // 2)
    return layers.design()


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


def _fixed(design: Design, emulator: Emulator, tiles: TilePlan) -> Iterator[tuple[Work, Taken]]:
    """Capture, publication and report."""
    types, graph = design.graph.types, design.graph
    found = measure_steps(BoardDevice(emulator, tiles), random_codes(graph))
    taken = {step.kind: counted(step) for step in found}
    outputs = [types[port.value].size_bytes for port in graph.outputs]
    yield capture_work([types[port.value].size_bytes for port in graph.inputs], tiles.sram_bytes), taken[Kind.CAPTURE]
    yield fixed_work(write_bytes=RECORD_BYTES, compared=sum(outputs)), taken[Kind.PUBLISH]
    yield report_work(outputs), taken[Kind.REPORT]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", metavar="BOARD")
    boards = parser.parse_args().boards or [name for name in board_names() if load_board(name).memory_map]
    too_dear = False
    print(f"{'board':16} {'entry':15} {'file':>9}" + "".join(f" {toolchain:>9}" for toolchain in TOOLCHAINS))
    for name in boards:
        board = load_board(name)
        assert board.cycles is not None
        found = [entries(board, toolchain) for toolchain in TOOLCHAINS]
        for entry in (
            "boot",
            "tile",
            "nvm_read_byte",
            "nvm_write_byte",
            "nvm_command",
            "compared",
            "sample_call",
            "sample_byte",
        ):
            figures = "".join(f" {one.prices.get(entry, 0.0):9,.1f}" for one in found)
            known = getattr(board.cycles, entry)
            print(f"{name:16} {entry:15} {known.value if known else 0:9,.1f}{figures}", flush=True)
        print(f"{name:16} {'pC a cycle':15} {'':9}" + "".join(f" {one.charge_share_pc:9,.1f}" for one in found))
        for what in found[0].dearest:
            print(f"{name:16} {what:15} {'':9}" + "".join(f" {one.dearest[what]:9.3f}" for one in found), flush=True)
            too_dear |= any(one.dearest[what] > 1 for one in found)
    sys.exit(too_dear)


if __name__ == "__main__":
    main()
