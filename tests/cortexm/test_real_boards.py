"""Firmware of boards that one can buy, on models of their registers: drivers, FRAM, UART, ADC, sensors, power cuts."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.mutants.mutant import table
from freeml.board.board import load_board
from freeml.codegen.samples import samples_header
from freeml.errors import ToolFailed
from freeml.ir.interpret import interpret
from freeml.output.folder import Output
from freeml.sim.answers import answers_of
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.power_loss.cuts import lose_power_on_board
from tests.cortexm.conftest import TOOLCHAINS, Compiled, firmware_of, on_board
from tests.effort import PATIENCE_S
from tests.emulated_cuts import all_steps, committed_steps, images_passed, tile_steps

BOARDS = ("nucleo_l476rg", "nucleo_l432kc", "nucleo_l073rz", "nucleo_u575zi_q", "nrf52840_dk")
L476 = "nucleo_l476rg"
N_SAMPLES = 5


def started(output: Output, board: str = L476) -> CortexMEngine:
    """The board, switched on."""
    engine = CortexMEngine(firmware_of(output).firmware.path, load_board(board))
    engine.power_on()
    return engine


def samples_of(output: Output, n: int = N_SAMPLES) -> tuple[dict[str, np.ndarray], list[bytes], list[bytes]]:
    """Codes by value, codes by sample, the interpreter's answers by sample."""
    graph, rng = output.graph, np.random.default_rng(3)
    inputs = {p.value: rng.integers(-128, 128, (n, *graph.types[p.value].shape), dtype=np.int8) for p in graph.inputs}
    expected = interpret(graph, inputs)
    codes = [b"".join(inputs[p.value][k].tobytes() for p in graph.inputs) for k in range(n)]
    return inputs, codes, [b"".join(expected[p.value][k].tobytes() for p in graph.outputs) for k in range(n)]


def replaced(output: Output, file: str, old: str, new: str) -> Output:
    path = output.folder / "firmware" / file
    assert old in path.read_text(), f"{file} has changed: this test would test nothing"
    path.write_text(path.read_text().replace(old, new))
    return output


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", BOARDS)
def test_a_boards_firmware_gives_the_interpreters_bytes(board: str, toolchain: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES), model=on_board(output, toolchain).model)
    assert (checked.samples, checked.mismatches, checked.first_mismatch) == (N_SAMPLES, 0, "")


def test_a_network_with_several_inputs_and_layers_does_so_too(compiled: Compiled) -> None:
    output = compiled("tiny_cnn", L476)
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES), model=on_board(output).model)
    assert (checked.samples, checked.mismatches) == (N_SAMPLES, 0)


@pytest.mark.parametrize("board", BOARDS)
def test_each_result_is_a_line_on_the_uart(board: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    engine = started(output, board)
    _, codes, answers = samples_of(output)
    assert engine.devices is not None
    for number, (code, answer) in enumerate(zip(codes, answers, strict=True), start=1):
        engine.infer(code)
        scores = np.frombuffer(answer, dtype=np.int8)
        line = re.fullmatch(
            r"freeml seq=(\d+) class=(\d+) confidence=(\d+) depth=1\n", engine.devices.uart_output().decode()
        )
        assert line
        first, second = np.sort(scores.astype(int))[::-1][:2]
        assert [int(group) for group in line.groups()] == [number, int(scores.argmax()), first - second]


# --- what an inference takes -----------------------------------------------------------------------------------------


def test_charge_is_cycles_bytes_and_commands_at_the_boards_prices(compiled: Compiled) -> None:
    engine = started(compiled("digits", L476))
    energy = load_board(L476).energy
    assert energy is not None
    engine.infer(bytes(64))
    taken = engine.infer(bytes(64)).taken
    assert taken.charge_pc is not None
    moved = (
        taken.nvm_bytes_read * energy.nvm_read_byte_pc.value + taken.nvm_bytes_written * energy.nvm_write_byte_pc.value
    )
    commands_pc = taken.charge_pc - taken.cycles * energy.cycle_pc.value - moved
    commands = commands_pc / energy.nvm_command_pc.value
    assert commands == round(commands)
    assert 10 < commands < 400
    assert "nothing was compared with silicon" in engine.basis


def test_a_byte_on_the_spi_takes_the_time_of_its_bits(copied: Compiled, tmp_path: Path) -> None:
    """Half the clock: twice the bits' time; nothing else changes."""
    engine = started(copied("digits", L476))
    engine.infer(bytes(64))
    fast = engine.infer(bytes(64)).taken
    (tmp_path / "copy").rename(tmp_path / "fast")
    slow_output = replaced(
        copied("digits", L476), "fml_port_stm32l4.c", "(1u << 2 | 1u << 8", "(1u << 3 | 1u << 2 | 1u << 8"
    )
    engine = started(slow_output)
    engine.infer(bytes(64))
    slow = engine.infer(bytes(64)).taken
    n_bytes = fast.nvm_bytes_read + fast.nvm_bytes_written
    assert (slow.nvm_bytes_read, slow.nvm_bytes_written) == (fast.nvm_bytes_read, fast.nvm_bytes_written)
    assert 16 * n_bytes * 0.7 < slow.cycles - fast.cycles < 16 * n_bytes * 2.5


@pytest.mark.parametrize("board", ["qemu_m4", L476])
def test_logged_writes_are_what_happened_to_nvm(board: str, compiled: Compiled) -> None:
    engine = started(compiled("digits", board), board)
    image = bytearray(engine.nvm)
    published, writes = engine.logged_writes()
    assert published
    for write in writes:
        image[write.offset_bytes : write.offset_bytes + len(write.data)] = write.data
    assert bytes(image) == engine.nvm
    assert sum(len(write.data) for write in writes) == engine.taken.nvm_bytes_written
    if board == L476:
        assert {len(write.data) for write in writes} == {1}
    else:
        assert max(len(write.data) for write in writes) == 4


@pytest.mark.parametrize("board", ["qemu_m0", "qemu_m4", L476])
def test_a_run_in_pieces_takes_what_the_whole_takes(board: str, compiled: Compiled) -> None:
    engine = started(compiled("digits", board), board)
    engine.infer(bytes(64))
    start = engine.snapshot()
    whole = engine.infer(bytes(64)).taken
    engine.restore(start)
    sample = engine.symbols["fml_hal_sample"][0]
    assert engine.run_to(sample)
    part = engine.taken
    assert 0 < part.instructions < whole.instructions
    assert not engine.run_to(sample)
    assert engine.taken == whole
    engine.restore(start)
    steps = 0
    while not engine.run(1_000):
        steps += 1
    assert steps > 50
    taken = engine.taken
    assert (taken.nvm_bytes_read, taken.nvm_bytes_written) == (whole.nvm_bytes_read, whole.nvm_bytes_written)
    assert (taken.instructions, taken.cycles) == (whole.instructions, whole.cycles)


# --- sensors and supply ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", [L476, "qemu_m0"])
def test_the_replay_sensor_shows_one_sample_after_the_other(board: str, copied: Compiled) -> None:
    output = copied("digits", board)
    inputs, _, answers = samples_of(output, 3)
    (output.folder / "firmware" / "samples.h").write_text(samples_header(list(inputs.values())))
    replaced(output, "fml_sensor_cortexm.c", "#define FML_SENSOR FML_SENSOR_WINDOW", "#define FML_SENSOR 1")
    engine = started(output, board)
    for number in range(5):
        if number == 2:
            assert not engine.run(20_000)  # amid an inference: the sample after a loss is the one that it was
            engine.power_on()
        assert engine.run()
        assert engine.outputs() == answers[number % 3]


def test_the_uart_sensor_asks_for_a_sample(copied: Compiled) -> None:
    output = copied("digits", L476)
    _, codes, answers = samples_of(output, 2)
    replaced(output, "fml_sensor_cortexm.c", "#define FML_SENSOR FML_SENSOR_WINDOW", "#define FML_SENSOR 2")
    engine = started(output)
    assert engine.devices is not None
    for code, answer in zip(codes, answers, strict=True):
        engine.devices.uart_input(b"?" + code)  # what came before the question is dropped
        assert engine.run()
        assert engine.outputs() == answer
        assert engine.devices.uart_output().startswith(b"freeml want input=0 first=0 bytes=64\nfreeml seq=")


def test_a_uart_that_nobody_answers_gives_no_sample_and_the_board_asks_again(copied: Compiled) -> None:
    output = replaced(
        copied("digits", L476), "fml_sensor_cortexm.c", "#define FML_SENSOR FML_SENSOR_WINDOW", "#define FML_SENSOR 2"
    )
    replaced(output, "fml_stm32.c", "FML_BOARD_CLOCK_HZ / 8u", "1000u")
    engine = started(output)
    assert engine.devices is not None
    assert not engine.run(100_000)
    assert engine.devices.uart_output().count(b"freeml want input=0") > 3


@pytest.mark.parametrize("board", BOARDS)
def test_the_adc_says_what_the_capacitor_has_left(board: str, copied: Compiled) -> None:
    output = copied("digits", board)
    report = """const uint32_t left_uj = fml_hal_energy_uj();
        for (uint16_t k = 0; k < 4; k++) {
            outputs[0][k] = (int8_t)(uint8_t)(left_uj >> 8 * k);
        }
        fml_board_shown ="""
    engine = started(replaced(output, "main.c", "fml_board_shown =", report), board)
    capacitor = load_board(board).capacitor
    assert engine.devices is not None
    assert capacitor is not None
    v_off = capacitor.v_off_mv.value / 1000
    for millivolts in (2000, 2300, 2800, 3300, 4500):
        engine.devices.set_capacitor_mv(millivolts)
        left_uj = int.from_bytes(engine.infer(bytes(64)).outputs[:4], "little")
        real_uj = max(0.0, capacitor.capacitor_uf.value / 2 * ((millivolts / 1000) ** 2 - v_off**2))
        step_uj = capacitor.capacitor_uf.value * millivolts / 1000 * 0.005  # 5 mV
        assert left_uj == pytest.approx(real_uj, abs=step_uj)


# --- what goes wrong -------------------------------------------------------------------------------------------------

BROKEN = {
    "a register that nobody knows": (
        ("main.c", "    fml_board_start();", "    *(volatile uint32_t *)0x40010000u = 1;\n    fml_board_start();"),
        "no register that freeml has a model of: 0x40010000",
    ),
    "a peripheral without a clock": (
        ("fml_port_stm32l4.c", "fml_stm32_set(FML_SPI_ENABLE, FML_SPI_ENABLE_BIT, FML_SPI_ENABLE_BIT);", ""),
        "its peripheral has no clock: 0x40003804",
    ),
    "the wrong function of a pin": (
        (
            "fml_port_stm32l4.c",
            "fml_stm32_function(FML_SPI_PORT, pin, 5u);",
            "fml_stm32_function(FML_SPI_PORT, pin, 6u);",
        ),
        "before the pins of the SPI are set up: 0x48000424",
    ),
    "the wrong mode of the SPI": (
        ("fml_port_stm32l4.c", "#define MASTER_MODE_0 (", "#define MASTER_MODE_0 (1u | "),
        "before the pins of the SPI are set up: 0x40003800",
    ),
    "a word where a byte is meant": (
        ("fml_stm32_spi1.c", "FML_BYTE_REGISTER(SPI_DR) = byte;", "FML_REGISTER(SPI_DR) = byte;"),
        "an access of a width that the register does not take: 0x4000380c",
    ),
    "a byte that is not waited for": (
        ("fml_stm32_spi1.c", "(FML_REGISTER(SPI_SR) & RXNE) == 0;", "left == 0;"),
        "used while a byte is on its way: 0x4000380c",
    ),
    "a chip that is not selected": (
        (
            "fml_hal_fram.c",
            "    fml_port_select(1);\n    fml_port_put(&opcode, 1);\n    fml_port_select(0);",
            "    fml_port_put(&opcode, 1);",
        ),
        "a byte is sent while no chip is selected",
    ),
    "an address beyond the chip": (
        (
            "main.c",
            "    fml_board_start();",
            "    fml_board_start();\n    fml_hal_nvm_write((void *)0x6007ffffu, sram.bytes, 2);",
        ),
        "it reported status -100",
    ),
    "NVM read through a pointer": (
        ("main.c", "    fml_board_start();", "    fml_board_start();\n    (void)*(volatile uint8_t *)nvm.bytes;"),
        "UC_ERR_READ_UNMAPPED",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_driver_that_does_what_the_part_does_not_is_caught(name: str, copied: Compiled) -> None:
    change, says = BROKEN[name]
    engine = started(replaced(copied("digits", L476), *change))
    with pytest.raises(ToolFailed, match=says):
        engine.infer(bytes(64))


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_without_its_fram_says_so(board: str, compiled: Compiled) -> None:
    engine = started(compiled("digits", board), board)
    assert engine.devices is not None
    engine.devices.watch.devices.fram.absent = 1  # nobody drives MISO
    with pytest.raises(ToolFailed, match="it reported status -100"):
        engine.infer(bytes(64))


@pytest.mark.parametrize("board", BOARDS)
def test_a_byte_that_never_arrives_is_a_fault_and_no_hang(board: str, compiled: Compiled) -> None:
    engine = started(compiled("digits", board), board)
    devices = engine._watch.devices
    devices.spi_divider_kind, devices.byte_cycles = 0, 2**31
    with pytest.raises(ToolFailed, match="it reported status -100"):
        engine.infer(bytes(64))


def test_a_write_without_write_enable_leaves_the_chip_as_it_was(copied: Compiled) -> None:
    output = replaced(copied("digits", L476), "fml_hal_fram.c", "    command(WRITE_ENABLE); /*", "    /*")
    engine = started(output)
    before = engine.nvm
    engine.run(200_000)
    assert engine.nvm == before
    assert engine.taken.nvm_bytes_written == 0


# --- power -----------------------------------------------------------------------------------------------------------


def test_losses_after_instructions_spread_over_an_inference_change_no_answer(compiled: Compiled) -> None:
    output = compiled("digits", L476)
    engine = started(output)
    samples = answers_of(output.graph, samples_of(output, 2)[0])
    left: list[bytes] = []
    report = lose_power_on_board(engine, samples, "every", limit_s=PATIENCE_S, most_cuts=4_000, on_loss=left.append)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert 0 < report.repeats < report.behind
    assert set(left) <= images_passed(engine, samples[0][0])
    assert committed_steps(output, left) == all_steps(output)


@pytest.mark.parametrize("mode", ["linear", "random:1"])
@pytest.mark.parametrize("board", ["nucleo_l073rz", "nucleo_u575zi_q", "nrf52840_dk"])
def test_losses_again_and_again_change_no_answer(board: str, mode: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    engine = started(output, board)
    left: list[bytes] = []
    samples = answers_of(output.graph, samples_of(output, 2)[0])
    report = lose_power_on_board(engine, samples, mode, on_loss=left.append)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert committed_steps(output, left) & tile_steps(output)


def test_a_loss_leaves_the_bytes_that_were_written_before_it(compiled: Compiled) -> None:
    output = compiled("digits", L476)
    engine = started(output)
    start = engine.snapshot()
    _, writes = engine.logged_writes()
    images = [bytearray(start.nvm)]
    for write in writes:
        images.append(bytearray(images[-1]))
        images[-1][write.offset_bytes : write.offset_bytes + 1] = write.data
    known = {bytes(image) for image in images}
    engine.restore(start)
    seen = set()
    while not engine.run(37):
        seen.add(engine.nvm)
    assert seen <= known
    assert committed_steps(output, seen) == all_steps(output)


def test_a_runtime_that_commits_before_its_data_is_caught(copied: Compiled) -> None:
    output = copied("digits", L476)
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    engine = started(output)
    inputs, _, _ = samples_of(output, 2)
    report = lose_power_on_board(engine, answers_of(output.graph, inputs), "every", limit_s=PATIENCE_S)
    assert (report.divergences, report.closed) == (1, False)
