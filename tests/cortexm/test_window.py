"""RAM comes up with garbage: a firmware infers on what a sensor put into its window, and on nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.mutants.mutant import table
from freeml.firmware.elf import read_firmware
from freeml.output.folder import Output
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.device import N_FILLS
from freeml.sim.msp430.engine import Msp430Board
from freeml.sim.window import Window, valid_word
from tests.cortexm.conftest import Compiled, on_board
from tests.msp430_firmware.machine import samples

BOARDS = ("qemu_m0", "qemu_m4", "nucleo_l476rg", "msp430fr5994")


def started(output: Output) -> Msp430Board | CortexMEngine:
    engine = on_board(output).emulator
    engine.nvm = bytes(len(engine.nvm))
    return engine


@pytest.mark.parametrize("board", BOARDS)
def test_the_sample_that_a_sensor_brings_later_is_taken_and_garbage_is_not(board: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    engine = started(output)
    for fill, (codes, expected) in enumerate(samples(output, N_FILLS)):
        engine.power_on(fill)
        assert engine.infer(codes).outputs == expected


@pytest.mark.parametrize("board", BOARDS)
def test_a_window_that_was_captured_is_no_sample_any_more(board: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    engine = started(output)
    (codes, expected), (other, other_expected) = samples(output, 2)
    engine.power_on()
    assert engine.infer(codes).outputs == expected
    assert engine.infer(other).outputs == other_expected


@pytest.mark.parametrize("board", BOARDS)
def test_a_valid_word_that_ram_kept_through_a_loss_is_no_sample(board: str, compiled: Compiled) -> None:
    """SRAM decays in parts: word and check may stand beside codes that do not."""
    output = compiled("digits", board)
    engine = started(output)
    window = Window.of(read_firmware(engine.firmware.path, engine.memory))
    for codes, expected in samples(output, 2):
        engine.power_on()
        write = engine.chip.write_memory if isinstance(engine, Msp430Board) else engine._uc.mem_write
        write(window.valid, valid_word(0))
        assert engine.infer(codes).outputs == expected


@pytest.mark.parametrize("board", ["qemu_m4", "msp430fr5994"])
@pytest.mark.parametrize("mutant", ["window-valid-unread", "window-never-emptied"])
def test_a_firmware_that_takes_garbage_or_a_sample_twice_is_found(mutant: str, board: str, copied: Compiled) -> None:
    output = copied("digits", board)
    source = output.folder / "firmware" / "fml_board_window.c"
    source.write_text(table()[mutant].applied_to(source.read_text()))
    engine = started(output)
    engine.power_on()
    found = [engine.infer(codes).outputs == expected for codes, expected in samples(output, 3)]
    assert not all(found)


def test_the_word_of_a_filled_window_is_hard_to_meet_by_chance() -> None:
    word, check = np.frombuffer(valid_word(0), dtype="<u2")
    assert word ^ check == 0xFFFF
