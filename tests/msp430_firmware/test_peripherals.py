"""What an MSP430 firmware says and hears: results on the UART, samples embedded or sent, energy of the supply."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from freeml.codegen.samples import samples_header
from tests.msp430_firmware.conftest import TOOLCHAINS, Compiled
from tests.msp430_firmware.machine import rig, samples

LINE = re.compile(rb"freeml seq=(\d+) class=(\d+) confidence=(\d+) depth=(\d+)\n")


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_each_result_is_a_line_on_the_uart(toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    engine, _ = rig(output, tmp_path, toolchain)
    engine.power_on()
    told = samples(output, 12)
    for codes, _ in told:
        engine.infer(codes)
    engine.run()
    lines = LINE.findall(engine.uart_output())
    assert len(lines) == len(told)
    for k, ((_, expected), line) in enumerate(zip(told, lines, strict=True)):
        scores = np.frombuffer(expected, dtype=np.int8).astype(int)
        best, second = np.sort(scores)[::-1][:2]
        assert tuple(int(field) for field in line) == (k + 1, int(scores.argmax()), int(best - second), 1)


def test_a_firmware_can_be_built_without_the_uart(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    told = samples(output, 2)
    sizes = []
    for value in ("0", "1"):
        engine, built = rig(output, tmp_path, "zig", [f"FML_REPORT_UART={value}"])
        engine.power_on()
        for codes, expected in told:
            assert engine.infer(codes).outputs == expected
        engine.run(1000)
        assert bool(engine.uart_output()) == (value == "1")
        sizes.append(built.firmware.size.text_bytes)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_embedded_samples_are_replayed_in_order_also_after_power_losses(
    toolchain: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied("digits")
    told = samples(output, 3)
    codes = np.stack([np.frombuffer(codes, dtype=np.int8) for codes, _ in told])
    (output.folder / "firmware" / "samples.h").write_text(samples_header([codes]))
    engine, _ = rig(output, tmp_path, toolchain)
    engine.power_on()
    seen: list[bytes] = []
    while len(seen) < 7:
        if engine.run(100_000):
            seen.append(engine.outputs())
        else:
            engine.power_on()
    assert seen == [told[k % 3][1] for k in range(7)]


def test_samples_come_over_the_uart_when_asked_for(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    told = samples(output, 3)
    engine, _ = rig(output, tmp_path, "zig", ["FML_SENSOR=FML_SENSOR_UART"])
    engine.power_on()
    for codes, expected in told:
        assert not engine.run(50_000)
        asked = engine.uart_output()
        request = re.search(rb"freeml sample input=0 first=(\d+) n=(\d+)\n$", asked)
        assert request is not None, asked
        first, n = int(request[1]), int(request[2])
        engine.chip.uart_input(codes[first : first + n])
        assert engine.run()
        assert engine.outputs() == expected


def test_a_sample_cut_off_by_a_power_loss_is_asked_for_again(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    codes, expected = samples(output, 1)[0]
    engine, _ = rig(output, tmp_path, "zig", ["FML_SENSOR=FML_SENSOR_UART"])
    engine.power_on()
    assert not engine.run(50_000)
    engine.chip.uart_input(codes[:40])
    assert not engine.run(50_000)
    engine.power_on()
    assert not engine.run(50_000)
    assert engine.uart_output().endswith(b"freeml sample input=0 first=0 n=64\n")
    engine.chip.uart_input(codes)
    assert engine.run()
    assert engine.outputs() == expected


def test_a_byte_that_nobody_asked_for_is_no_part_of_the_next_sample(compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    engine, _ = rig(output, tmp_path, "zig", ["FML_SENSOR=FML_SENSOR_UART"])
    engine.power_on()
    for codes, expected in samples(output, 2):
        assert not engine.run(50_000)
        engine.chip.uart_input(codes)
        engine.chip.uart_input(b"\x55")  # arrives while the device computes
        assert engine.run()
        assert engine.outputs() == expected


PROBE = """
#include "fml_hal_msp430.h"
volatile uint32_t fml_probe_uj FML_SECTION(".noinit");
volatile int8_t fml_window_inputs[2] FML_SECTION(".window");
int8_t fml_window_outputs[2] FML_SECTION(".window");
int main(void) {
    for (;;) {
        fml_probe_uj = fml_hal_energy_uj();
        fml_board_report(FML_PUBLISHED);
    }
}
"""


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("capacitor_nf", [4_700, 100_000, 15_000_000, 470_000_000])
def test_the_energy_of_the_capacitor_is_read_from_the_supply(
    capacitor_nf: int, toolchain: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied("digits")
    (output.folder / "firmware" / "main.c").write_text(PROBE)
    defines = [f"FML_CAPACITANCE_NF={capacitor_nf}ul", "FML_V_OFF_MV=1900ul"]
    engine, _ = rig(output, tmp_path, toolchain, defines)
    for supply_mv in (1500, 1900, 1950, 2500, 3000, 3600):
        engine.chip.set_supply_mv(supply_mv)
        engine.power_on()
        assert engine.run()
        found_uj = int.from_bytes(engine.chip.read_memory(engine.symbols["fml_probe_uj"][0], 4), "little")
        exact_uj = max(0.0, capacitor_nf / 2e9 * (supply_mv**2 - 1900**2))
        # One code of the converter is 1 mV at the supply.
        step_uj = capacitor_nf / 2e9 * 2 * supply_mv
        assert found_uj == pytest.approx(exact_uj, rel=0.01, abs=1.5 * step_uj + 1)


def test_the_board_header_has_the_capacitor_that_was_compiled_for(compiled: Compiled) -> None:
    header = (compiled("digits", "msp430fr5994", 220).folder / "firmware" / "fml_board.h").read_text()
    assert "FML_CAPACITANCE_NF 220000ul" in header
    assert "FML_V_OFF_MV 1900ul" in header
    assert "FML_CLOCK_HZ 16000000ul" in header
