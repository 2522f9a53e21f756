"""Firmware of an MSP430 with so many tiles that the number of a step has bits in both bytes of the commit word."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from freeml.firmware.build import Toolchain
from freeml.output.folder import Output
from freeml.sim.on_board import OnBoard
from freeml.sim.power_loss.closure import BoardClosure, close
from freeml.sim.power_loss.first_images import commit_images
from tests.effort import PATIENCE_S
from tests.msp430_firmware.conftest import HAS_GCC, Compiled
from tests.msp430_firmware.machine import answers


def chain(n_layers: int) -> tuple[int, ...]:
    """Layers of four by four products: each is a tile."""
    return (4,) * (n_layers + 1)


def second_inference(output: Output, toolchain: Toolchain) -> BoardClosure:
    """Closure of an inference that follows another: a loss in it may cost neither its answer nor its number."""
    engine = OnBoard.start(output, toolchain).emulator
    (codes, expected), *_ = answers(output, 1)
    tiles = output.manifest.tiles
    control, own = commit_images(engine, codes, tiles)
    engine.nvm = own[-1]
    atomic_bytes = output.board.nvm.atomic_bytes
    return close(engine, codes, expected, control, atomic_bytes=atomic_bytes, limit_s=PATIENCE_S)


GCC = pytest.mark.skipif(not HAS_GCC, reason="no msp430-elf-gcc")


@pytest.mark.parametrize(("n_tiles", "toolchain"), [(129, "zig"), pytest.param(257, "gcc", marks=GCC)])
def test_every_reachable_image_of_many_tiles_gives_the_same_answer(
    n_tiles: int, toolchain: Toolchain, compiled: Compiled
) -> None:
    output = compiled(chain(n_tiles))
    assert output.manifest.tiles.n_tiles == n_tiles
    report = second_inference(output, toolchain)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.steps == n_tiles + 3


@pytest.mark.parametrize(
    ("n_tiles", "mutant"), [(129, "msp430-commits-byte-by-byte"), (257, "msp430-commits-high-byte-first")]
)
def test_a_commit_of_two_stores_is_caught(n_tiles: int, mutant: str, copied: Compiled) -> None:
    """Its check leads to a cold start amid the inference: the number of the result is wrong."""
    output = copied(chain(n_tiles))
    table()[mutant].apply_to(output.folder / "firmware" / Path(table()[mutant].file).name)
    report = second_inference(output, "zig")
    assert (report.closed, report.divergences) == (False, 1)
    assert "sequence=1" in report.reason
