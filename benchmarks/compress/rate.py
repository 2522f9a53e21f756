"""What a small network is worth beside the dense one: accuracy of its C, bytes of its firmware, memory, cycles."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.compress.layers import dense_cycles
from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.compress.job import n_parameters
from freeml.compression import answers_of_c
from freeml.data import Dataset
from freeml.data.accuracy import answers
from freeml.errors import DoesNotFit, FreemlError
from freeml.firmware.build import build_firmware
from freeml.firmware.stored import Account, account
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output, read_output
from freeml.sim.answers import answers_of
from freeml.sim.board_device import board_device
from freeml.sim.check import random_dataset
from freeml.sim.profile import counted, measure_steps

BOARDS = ("msp430fr5994", "qemu_m4")
_DRAWS = 4000

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Firmware:
    """On one board. refusal: why there is none. cycles: of one emulated inference, the report's line left out.

    is_exact: whether its outputs were the interpreter's, byte for byte
    """

    board: str
    refusal: str = ""
    account: Account | None = None
    flash_bytes: int = 0
    sram_bytes: int = 0
    arena_bytes: int = 0
    cycles: int = 0
    is_exact: bool = False


def firmware(model: Path, name: str, board: str, data: str | None, *, runs: bool = True) -> Firmware:
    """Compile a model for a board, build it, and run one inference."""
    with tempfile.TemporaryDirectory(prefix="freeml-compress-") as work:
        folder = Path(work) / "out"
        try:
            options = CompileOptions(board=board, name=name, samples=1)
            manifest = compile_model(model, folder, data=data, options=options).manifest
        except DoesNotFit as error:
            return Firmware(board, refusal=error.what)
        output = read_output(folder)
        counts = account(build_firmware(output, Path(work) / "firmware.elf").firmware.path, output.graph.name)
        cycles, is_exact = _ran(output) if runs else (0, False)
        memory = manifest.memory
        return Firmware(board, "", counts, memory.flash_bytes, memory.sram_bytes, memory.arena_bytes, cycles, is_exact)


def _ran(output: Output) -> tuple[int, bool]:
    """Cycles of one inference on the emulated board, of a sample over all codes, and whether its bytes are right."""
    device, _ = board_device(output, output.manifest.tiles, "auto")
    inputs = encode_inputs(output.graph, random_dataset(output.graph, 1).real_inputs())
    ((codes, answer),) = answers_of(output.graph, inputs)
    cycles = sum(counted(step).cycles for step in measure_steps(device, codes))
    return cycles, device.outputs() == answer.outputs


def right_of_c(model: Path, name: str, dataset: Dataset) -> Right:
    """Which samples the C of a small network gets right, as it publishes."""
    with tempfile.TemporaryDirectory(prefix="freeml-compress-") as work:
        compile_model(model, Path(work) / "out", options=CompileOptions(name=name))
        given = answers_of_c(read_output(Path(work) / "out"), dataset.real_inputs())
    assert given.classes is not None
    assert dataset.labels is not None
    return np.asarray(given.classes == dataset.labels)


def right_of_float(graph: Graph, dataset: Dataset) -> Right:
    """Which samples the dense float network gets right."""
    given = answers(graph, dataset.real_inputs())
    assert given.classes is not None
    assert dataset.labels is not None
    return np.asarray(given.classes == dataset.labels)


def interval(dense: npt.NDArray[Any], small: npt.NDArray[Any]) -> tuple[float, float]:
    """95 % of the drop in points when the same samples are drawn again (paired bootstrap, seed 0).

    dense, small: of each sample whether it is right, or a share of several answers
    """
    rng = np.random.default_rng(0)
    lost = dense.astype(np.float64) - small.astype(np.float64)
    drawn = lost[rng.integers(0, len(lost), (_DRAWS, len(lost)))].mean(axis=1)
    low, high = np.percentile(100 * drawn, [2.5, 97.5])
    return float(low), float(high)


def of_folds(drops: Sequence[float]) -> tuple[float, float, float]:
    """Mean of drops in points and its 95 % interval, by Student's t."""
    from scipy.stats import t

    values = np.array(drops)
    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def report(small: Path, name: str, dense: Path, graph: Graph, data: str, boards: Sequence[str] = BOARDS) -> list[str]:
    """Lines about bytes, memory and cycles on each board, before and after."""
    lines = []
    dense_bytes = 4 * n_parameters(graph)
    for board in boards:
        found = firmware(small, name, board, None)
        if found.account is None:
            lines.append(f"{board}: the small network does not fit: {found.refusal}")
            continue
        stored = found.account.stored
        kinds = ["weights", "scales", "biases", "indices", "codebooks", "restart"]
        told = ", ".join(f"{kind} {getattr(stored, kind):,}" for kind in kinds)
        lines += [
            f"{board}: stored {stored.total:,} bytes ({told}), {dense_bytes / stored.total:.1f}x of {dense_bytes:,}",
            f"{board}: beside them tables {found.account.table_bytes:,}, decoders {found.account.decoder_bytes:,}",
            f"{board}: arena {found.arena_bytes:,}, SRAM {found.sram_bytes:,}, flash {found.flash_bytes:,} bytes",
        ]
        same = "are the interpreter's, byte for byte" if found.is_exact else "DIFFER from the interpreter's"
        lines.append(f"{board}: built, fits, runs emulated; its outputs {same}")
        before = firmware(dense, name, board, data, runs=False)
        if before.account is None:
            lines.append(f"{board}: dense, it does not fit: {before.refusal}")
        else:
            arena, sram, flash = before.arena_bytes, before.sram_bytes, before.flash_bytes
            lines.append(f"{board}: dense, arena {arena:,}, SRAM {sram:,}, flash {flash:,} bytes")
        try:
            cycles = dense_cycles(graph, load_board(board))
        except FreemlError as error:
            lines.append(f"{board}: {found.cycles:,} cycles an inference; dense layers were not emulated: {error.what}")
            continue
        lines.append(
            f"{board}: {found.cycles:,} cycles an inference, {cycles:,} of the dense layers one at a time: "
            f"{cycles / found.cycles:.1f}x"
        )
    return lines
