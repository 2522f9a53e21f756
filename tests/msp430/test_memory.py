"""Memory map, FRAM cache and wait states, power failures, garbage at power-up."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Limits, Msp430, StopReason, charge_pc
from freeml.sim.msp430.types import Counters
from tests.msp430.assembler import program
from tests.msp430.machine import DATA, HALT, MEASURED_FR5994, ONE_WAIT_16_MHZ, START, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
FRAM = 0x8000


def difference(lines: list[str], setup: list[str] | None = None) -> Counters:
    """Events of the lines after a set-up; R6 points into FRAM."""
    before = [STOP_WATCHDOG, *(ONE_WAIT_16_MHZ if setup is None else setup), f"mov #={FRAM}, r6"]
    code = program(before)
    chip = boot([*before, *lines, HALT])
    chip.run(Limits(breakpoint=START + len(code)))
    first = chip.counters()
    chip.run(Limits(instructions=len(lines)))
    last = chip.counters()
    return Counters(*(getattr(last, name) - getattr(first, name) for name in Counters.__slots__))


def test_straight_line_code_fills_a_line_for_every_four_words_and_waits_once_for_each() -> None:
    n = difference(["nop"] * 400)
    assert (n.instructions, n.fram_line_fills, n.wait_cycles, n.cycles) == (400, 100, 100, 500)
    assert n.fram_hits == 300


def test_without_wait_states_a_miss_costs_no_cycle() -> None:
    n = difference(["nop"] * 400, setup=[])
    assert (n.fram_line_fills, n.wait_cycles, n.cycles) == (100, 0, 400)


def test_data_reads_share_the_cache_and_two_lines_of_a_set_stay() -> None:
    reads = difference(["mov @r6, r8", "mov 16(r6), r8"] * 50)
    code_lines = 100 * 3 / 2 / 4
    assert reads.fram_data_reads == 100
    assert reads.fram_line_fills > code_lines + 40  # code and data compete for the even set
    one = difference(["mov @r6, r8"] * 100)
    assert one.fram_line_fills < 25 + 20


def test_a_write_waits_and_drops_the_line_from_the_cache() -> None:
    n = difference(["mov r8, 0(r6)"])
    assert (n.fram_writes, n.fram_bytes_written) == (1, 2)
    assert n.wait_cycles == n.fram_line_fills + 1
    read_twice = difference(["mov @r6, r8", "mov @r6, r8"])
    written_between = difference(["mov @r6, r8", "mov r8, 0(r6)", "mov @r6, r8"])
    assert written_between.fram_line_fills >= read_twice.fram_line_fills + 1


def test_an_fr5994_that_forgets_its_wait_states_crawls_and_writes_nothing() -> None:
    setup = [STOP_WATCHDOG, *ONE_WAIT_16_MHZ[1:]]
    chip = boot([*setup, f"mov #0x1234, &{FRAM}", *["nop"] * 4, HALT])
    chip.run()
    assert read_word(chip, FRAM) == 0xFFFF
    assert read_word(chip, 0x146) & 8
    assert chip.counters().wait_cycles >= 15
    repaired = [*setup, ONE_WAIT_16_MHZ[0], "mov #0, &0x146", f"mov #0x1234, &{FRAM}", HALT]
    chip = boot(repaired)
    chip.run()
    assert read_word(chip, FRAM) == 0x1234


def test_an_fr5969_that_forgets_its_wait_states_resets() -> None:
    chip = boot([STOP_WATCHDOG, *ONE_WAIT_16_MHZ[1:], HALT], part="fr5969", at=0x4400)
    stop = chip.run()
    assert (stop.reason, "access time" in stop.text) == (StopReason.RESET, True)


MAPPED = {
    "fr5994": [0x1C00, 0x3BFE, 0x4000, 0xFF7E, 0x10000, 0x43FFE, 0x1800],
    "fr5969": [0x1C00, 0x23FE, 0x4400, 0x13FFE],
}
UNMAPPED = {"fr5994": [0x1B00, 0x3C00, 0x44000, 0xFFFFE, 0x0002, 0x0A80], "fr5969": [0x2400, 0x3C00, 0x14000, 0x0010]}


@pytest.mark.parametrize("part", ["fr5994", "fr5969"])
def test_every_access_outside_the_memory_map_is_a_fault_with_pc_and_address(part: str) -> None:
    at = 0x4400
    for access in ("movx &{0}, r8", "movx r8, &{0}"):
        for address in MAPPED[part]:
            assert boot([access.format(address)], part=part, at=at).run(Limits(instructions=1)).reason == 2
        for address in UNMAPPED[part]:
            stop = boot([access.format(address)], part=part, at=at).run(Limits(instructions=1))
            assert (stop.reason, stop.pc) == (StopReason.FAULT, at)
            assert f"0x{address:05X}" in stop.text
    stop = boot(["mova #0x1A00, pc"], part=part, at=at).run()
    assert (stop.reason, stop.text) == (StopReason.FAULT, "instruction fetch from address 0x01A00")
    assert boot(["mov r5, &0x1A00"], part=part, at=at).run().text.startswith("write to read-only")


def test_a_stopped_device_stays_stopped_until_reset() -> None:
    chip = boot(["mov &0x3D00, r5"])
    first = chip.run()
    assert chip.run() == first
    chip.reset(2)
    assert chip.run(Limits(instructions=1)).reason == StopReason.FAULT


def test_power_up_keeps_fram_and_fills_sram_and_registers_with_garbage_from_the_seed() -> None:
    chip = Msp430("fr5994")
    write_words(chip, FRAM, [0xCAFE])
    images = []
    for seed in (1, 2, 1):
        chip.reset(seed)
        images.append((chip.read_memory(0x1C00, 0x2000), [chip.register(k) for k in range(4, 16)]))
    assert read_word(chip, FRAM) == 0xCAFE
    assert images[0] == images[2] != images[1]
    assert len(set(images[0][0])) == 256


def test_information_memory_and_main_memory_are_as_large_as_the_part_has_them() -> None:
    for part, main, end in (("fr5994", 0x04000, 0x44000), ("fr5969", 0x04400, 0x14000)):
        chip = Msp430(part)  # type: ignore[arg-type]
        for first, last in ((0x1800, 0x19FE), (main, end - 2)):
            write_words(chip, first, [0x1111])
            write_words(chip, last, [0x2222])
            assert (read_word(chip, first), read_word(chip, last)) == (0x1111, 0x2222)
        with pytest.raises(IndexError, match="no memory"):
            chip.read_memory(end, 2)


def test_power_fails_before_the_nth_fram_write_takes_effect() -> None:
    lines = [STOP_WATCHDOG, f"mov #1, &{FRAM}", f"mov #2, &{DATA}", f"movx.a #=0x54321, &{FRAM + 4}", HALT]
    for n, words in {1: [0xFFFF] * 4, 2: [1, 0xFFFF, 0xFFFF, 0xFFFF], 3: [1, 0xFFFF, 0x4321, 0xFFFF]}.items():
        chip = boot(lines)
        stop = chip.run(Limits(nvm_writes=n))
        assert stop.reason == StopReason.NVM_WRITE
        assert [read_word(chip, FRAM + 2 * k) for k in range(4)] == words
        assert chip.counters().fram_writes == n - 1
    assert boot(lines).run(Limits(nvm_writes=4)).reason == StopReason.CPU_OFF


def test_limits_stop_where_they_say() -> None:
    chip = boot([STOP_WATCHDOG, *["nop"] * 100, HALT])
    assert chip.run(Limits(cycles=50)).reason == StopReason.CYCLES
    assert chip.counters().cycles == 50
    assert chip.run(Limits(instructions=7)).reason == StopReason.INSTRUCTIONS
    assert chip.counters().cycles == 57
    assert chip.run(Limits(breakpoint=chip.register(0) + 10)).reason == StopReason.BREAKPOINT
    assert chip.counters().cycles == 62
    assert chip.run().reason == StopReason.CPU_OFF


def test_charge_is_the_sum_over_events_and_scales_with_the_calibration() -> None:
    n = Counters(
        cycles=110, wait_cycles=10, accesses=80, sram_reads=20, sram_writes=10, fram_writes=5, fram_line_fills=10
    )
    q = MEASURED_FR5994
    expected = 20 * q.idle_cycle_pc + 10 * q.wait_cycle_pc + 45 * q.fram_code_word_pc + 10 * q.line_fill_pc
    expected += 20 * q.sram_read_pc + 10 * q.sram_write_pc + 5 * q.fram_write_pc
    assert charge_pc(n, q) == pytest.approx(expected)
    assert charge_pc(n + n, q) == pytest.approx(2 * expected)
