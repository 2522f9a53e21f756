"""Cycles of every kernel call of a design on an emulated board, and of the step around it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.cycles.design import INPUT_BYTES, Design
from freeml.board.board import Board
from freeml.c_files import c_files
from freeml.firmware.build import Toolchain
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import Ints
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.output.folder import Sources, write_folder
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import Work, part_work, work
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.price import ONE_WORD, TWO_SLOTS
from freeml.plan.steps import Cut, LayerTiles, TilePlan
from freeml.plan.tiles import recut_tiles
from freeml.plan.verify_tiles import verify_tiles
from freeml.plan.windows import whole_windows
from freeml.sim.board_device import start_emulator
from freeml.sim.device import Taken
from freeml.sim.instruction import Emulator

_STEP_END = "fml_nvm_commit"
N_SAMPLES = 2
_OTHER_UNITS = 64  # of layers that only make inputs for others


@dataclass(frozen=True, slots=True)
class Reading:
    """The worst tile of a layer: cycles of the kernel call, of the rest of its step with one commit, and its charge.

    charge_share  the most that a step of the layer draws for each cycle, in pC; 0 where unknown
    """

    layer: int
    kernel: float
    step: float
    charge_share: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A reading with what the kernel was asked and what the planner counts of the step around it."""

    label: str
    counts: Mapping[str, float]
    around: Mapping[str, float]
    reading: Reading


def start(design: Design, board: Board, toolchain: Toolchain) -> tuple[Emulator, TilePlan, str]:
    """A design's firmware on its emulated board, its tiles, and the compiler."""
    graph = design.graph
    memory = plan_memory(graph, in_place=False)
    tiles = tile_plan(design, memory, board)
    _, files = c_files(graph, memory, tiles, board, header=(), windows=whole_windows(graph))
    with tempfile.TemporaryDirectory(prefix="freeml-cycles-") as work_folder:
        folder = Path(work_folder) / "out"
        write_folder(folder, files)
        emulator, built = start_emulator(Sources(folder, graph, board), toolchain)
    return emulator, tiles, built.compiler.version


def readings(design: Design, board: Board, emulator: Emulator, tiles: TilePlan) -> list[Reading]:
    """Of a design's layers in order."""
    calls = kernel_calls(design.graph, plan_memory(design.graph, in_place=False))
    kernels = [_symbol(design, call, layer, board) for call, layer in zip(calls, tiles.layers, strict=True)]
    worst: dict[int, list[tuple[Taken, Taken]]] = {}
    for seed in range(N_SAMPLES):
        codes = np.random.default_rng(seed).bytes(INPUT_BYTES)
        for index, kernel, whole in _steps(emulator, codes, tiles, kernels):
            worst.setdefault(index, []).append((kernel, whole))
    return [
        Reading(
            layer=index,
            kernel=float(max(kernel.cycles for kernel, _ in steps)),
            step=float(max(whole.cycles - kernel.cycles for kernel, whole in steps)),
            charge_share=max((whole.charge_pc or 0.0) / whole.cycles for _, whole in steps),
        )
        for index, steps in sorted(worst.items())
    ]


def samples(design: Design, board: Board, found: Sequence[Reading]) -> list[Sample]:
    """The readings of a design with its counts."""
    graph = design.graph
    memory = plan_memory(graph, in_place=False)
    tiles = tile_plan(design, memory, board)
    made: list[Sample] = []
    for reading, call, layer in zip(found, kernel_calls(graph, memory), tiles.layers, strict=True):
        size: Ints = np.array([layer.part_macs if layer.parts > 1 else layer.tile_units])
        done = part_work(graph, call, size) if layer.parts > 1 else work(graph, call, size, board.kernels)
        made.append(
            Sample(
                label=f"{design.name} {call.op.loc} {layer.value} {graph.types[layer.value].shape} n={size[0]}",
                counts={name: float(count[0]) for name, count in done.counts.items()},
                around=around(done, board),
                reading=reading,
            )
        )
    return made


def around(done: Work, board: Board) -> dict[str, float]:
    """What a step does beside its kernel, by the entries of a board's [cycles] that price it."""
    staged = board.nvm.is_staged
    commit = TWO_SLOTS if board.nvm.tears else ONE_WORD
    compared = float(done.compared[0])
    return {
        "tile": 1.0,
        "nvm_write_byte": float(done.write_bytes[0]) + commit.write_bytes,
        "nvm_command": float(done.write_transfers[0]) + commit.transfers + (float(done.stage_transfers[0]) * staged),
        "nvm_read_byte": (float(done.stage_bytes[0]) + commit.read_bytes) * staged,
        "compared": compared,
    }


def tile_plan(design: Design, memory: MemoryPlan, board: Board) -> TilePlan:
    """The design's own tiles, in place of those that a capacitor asks for."""
    cuts = []
    for call in kernel_calls(design.graph, memory):
        units = design.tile_units.get(call.op.output, min(call.n_units, _OTHER_UNITS))
        cuts.append(Cut(min(units, call.n_units), design.part_macs.get(call.op.output, 0)))
    unpriced = board.model_copy(update={"energy": None, "capacitor": None})
    plan = recut_tiles(design.graph, memory, unpriced, cuts, commit_slots=2 if board.nvm.tears else 1)
    return verify_tiles(design.graph, memory, plan)


def _symbol(design: Design, call: KernelCall, layer: LayerTiles, board: Board) -> str:
    """The function that computes a tile of a layer."""
    made = kernel_of(design.graph, call.op).layer(design.graph, call.op, call.operand, VARIANTS[board.kernels])
    return f"fml_{made.part}_part_i8" if layer.parts > 1 else made.kernel


def _steps(emulator: Emulator, codes: bytes, tiles: TilePlan, kernels: list[str]) -> Iterator[tuple[int, Taken, Taken]]:
    """(layer, what its kernel takes, the step with one commit) of every tile of one inference."""
    address = {
        name: emulator.symbols[name][0] for name in {*kernels, _STEP_END, "fml_nvm_write_rows", "fml_hal_nvm_write"}
    }
    emulator.sense(codes)
    emulator.power_on()
    emulator.run()  # the first boot, on garbage, to its report
    assert emulator.run_to(address[_STEP_END])  # reported
    assert emulator.run_to(address[_STEP_END])  # captured
    before = emulator.taken
    for index, layer in enumerate(tiles.layers):
        behind = "fml_hal_nvm_write" if layer.parts > 1 else "fml_nvm_write_rows"
        for tile in layer.tiles():
            assert emulator.run_to(address[kernels[index]]), (index, tile)
            entered = emulator.taken
            assert emulator.run_to(address[behind]), (index, tile)
            left = emulator.taken
            assert emulator.run_to(address[_STEP_END]), (index, tile)
            after = emulator.taken
            yield index, left - entered, after - before
            before = after
    emulator.run()
