"""MSP430 firmware gives the interpreter's bytes: both memory models, far and near weights, both parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml.sim.device import Taken
from freeml.sim.instruction import Emulator
from tests.msp430_firmware.conftest import MIDDLE, TOOLCHAINS, WIDE, Compiled
from tests.msp430_firmware.machine import rig, samples

NETWORKS = {
    "convolutions": ("digits", "msp430fr5994"),
    "depthwise and pointwise ones": ("separable", "msp430fr5994"),
    "more than 64 KB of weights": (WIDE, "msp430fr5994"),
    "weights in both memories of a small part": (MIDDLE, "msp430fr5969"),
    "a clock without wait states": ("digits", "msp430fr5969"),
}


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_answers_are_the_interpreters(name: str, toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    output = compiled(*NETWORKS[name])
    engine, _ = rig(output, tmp_path, toolchain)
    engine.power_on()
    for codes, expected in samples(output, 20):
        assert engine.infer(codes).outputs == expected


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_an_inference_takes_the_same_whatever_ram_held_before(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    output = compiled("digits")
    codes, expected = samples(output, 1)[0]
    taken = set()
    engine, _ = rig(output, tmp_path, toolchain)
    cold = engine.nvm
    for fill in range(8):
        engine.nvm = cold
        engine.power_on(fill)
        found = engine.infer(codes)
        assert found.outputs == expected
        taken.add(found.taken)
    assert len(taken) == 1


def test_what_an_inference_takes_is_counted(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    engine, _ = rig(output, tmp_path)
    engine.power_on()
    cold, warm = (engine.infer(codes).taken for codes, _ in samples(output, 2))
    tiles = output.manifest.tiles
    assert warm.nvm_bytes_written == tiles.written_bytes
    assert cold.nvm_bytes_written > warm.nvm_bytes_written
    assert warm.nvm_bytes_read > 2 * output.manifest.memory.arena_bytes
    assert warm.instructions < warm.cycles < 6 * warm.instructions
    assert warm.charge_pc is not None
    assert 60 < warm.charge_pc / warm.cycles < 130  # measured programs lie between 87 and 126 pC for a cycle
    assert "datasheet" in engine.basis
    assert "measured" in engine.basis


def test_the_board_is_an_engine(compiled: Compiled, tmp_path: Path) -> None:
    engine: Emulator = rig(compiled("digits"), tmp_path)[0]
    assert (engine.core, engine.taken) == ("msp430x", Taken(charge_pc=0.0))
    codes, expected = samples(compiled("digits"), 1)[0]
    engine.sense(codes)
    engine.power_on()
    step = engine.symbols["fml_step"][0]
    assert engine.run_to(step)
    at_first_step = engine.snapshot()
    before = engine.taken
    assert not engine.run(1000)
    assert (engine.taken - before).instructions == 1000
    assert engine.run()
    assert engine.outputs() == expected
    done, image = engine.taken, engine.nvm
    engine.restore(at_first_step)
    assert engine.taken == before
    published, writes = engine.logged_writes()
    assert published
    assert (engine.taken, engine.nvm) == (done, image)
    assert sum(len(write.data) for write in writes) == (done - before).nvm_bytes_written
    replayed = bytearray(at_first_step_nvm(engine, at_first_step))
    for write in writes:
        replayed[write.offset_bytes : write.offset_bytes + len(write.data)] = write.data
    assert bytes(replayed) == image


def at_first_step_nvm(engine: Emulator, snapshot: object) -> bytes:
    now = engine.snapshot()
    engine.restore(snapshot)
    image = engine.nvm
    engine.restore(now)
    return image


def test_run_to_an_address_that_never_comes_ends_at_the_report(compiled: Compiled, tmp_path: Path) -> None:
    engine, _ = rig(compiled("digits"), tmp_path)
    engine.power_on()
    assert not engine.run_to(0xFF70)
    assert engine.run()  # and on to the next


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("network", ["digits", "separable"])
def test_the_stack_stays_in_what_the_linker_keeps_free(
    network: str, toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    """RAM begins as garbage: what was written lies above the first byte that changed. The UART line is included."""
    output = compiled(network)
    engine, built = rig(output, tmp_path, toolchain)
    limit = engine.symbols["fml_stack_limit"][0]
    top = built.memory.ram_base + built.memory.ram_bytes
    engine.power_on()
    before = engine.chip.read_memory(limit, top - limit)
    for codes, _ in samples(output, 2):
        engine.infer(codes)
    assert engine.run_to(engine.symbols["fml_step"][0])
    after = engine.chip.read_memory(limit, top - limit)
    used = next(top - limit - k for k in range(top - limit) if before[k] != after[k])
    assert 200 < used <= built.memory.stack_bytes
