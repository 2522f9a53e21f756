"""COMP_E: SLAU367P chapter 35, claim by claim, with the supply as the voltage that matters."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Limits, StopReason
from tests.msp430.assembler import program
from tests.msp430.machine import HALT, boot, read_word, write_words

STOP_WATCHDOG = "mov #0x5A80, &0x15C"
HANDLER = 0x9000
CECTL0, CECTL1, CECTL2, CEINT, CEIV = 0x8C0, 0x8C2, 0x8C4, 0x8CC, 0x8CE
PLUS_EN, MINUS_EN = 0x80, 0x8000
OUT, INVERTED, EDGE, SHORT, EXCHANGE, ON, SECOND, BY_BIT = 1, 2, 8, 0x10, 0x20, 0x400, 0x800, 0x1000
TO_MINUS, FROM_VCC, FROM_SHARED, UNDIVIDED = 0x20, 0x40, 0x80, 0xC0
V1_2, V2_0, V2_5 = 0x2000, 0x4000, 0x6000


def taps(when_low: int, when_high: int | None = None) -> int:
    """CEREF0 and CEREF1 for parts of 32."""
    return when_low - 1 | ((when_low if when_high is None else when_high) - 1) << 8


def comparator(control0: int, control1: int, control2: int, *rest: str) -> Msp430:
    lines = [f"mov #={control2}, &{CECTL2:#x}", f"mov #={control0}, &{CECTL0:#x}"]
    return boot([STOP_WATCHDOG, *lines, f"mov #={ON | control1}, &{CECTL1:#x}", *rest, HALT])


def output(chip: Msp430) -> int:
    return read_word(chip, CECTL1) & OUT


@pytest.mark.parametrize(
    ("source", "tap", "threshold_mv"),
    [
        (FROM_SHARED | V1_2, 32, 1200),
        (FROM_SHARED | V2_0, 16, 1000),
        (FROM_SHARED | V2_5, 24, 1875),
        (UNDIVIDED | V2_0, 1, 2000),
        (FROM_VCC, 16, 1500),
        (FROM_VCC, 1, 94),
    ],
)
def test_ceout_is_high_when_the_plus_terminal_is_above_the_reference(source: int, tap: int, threshold_mv: int) -> None:
    chip = comparator(PLUS_EN | 3, 0, source | taps(tap) | TO_MINUS)
    chip.set_supply_mv(3000)
    chip.set_analog_mv(3, threshold_mv - 1)
    chip.run()
    assert output(chip) == 0
    chip.set_analog_mv(3, threshold_mv + 1)
    assert output(chip) == 1
    chip.set_analog_mv(3, threshold_mv - 1)
    assert output(chip) == 0


def test_the_reference_can_be_applied_to_the_plus_terminal_and_the_output_inverted() -> None:
    for control1, expected in [(0, 1), (INVERTED, 0), (EXCHANGE, 1)]:
        chip = comparator(MINUS_EN | 0xC00, control1, FROM_SHARED | V2_0 | taps(16))
        chip.set_analog_mv(12, 900)
        chip.run()
        assert output(chip) == expected


def test_two_inputs_are_compared_without_a_reference() -> None:
    chip = comparator(PLUS_EN | 1 | MINUS_EN | 0x200, 0, 0)
    chip.set_analog_mv(1, 701)
    chip.set_analog_mv(2, 700)
    chip.run()
    assert output(chip) == 1


def test_switched_off_the_output_is_its_polarity() -> None:
    chip = boot([STOP_WATCHDOG, f"mov #2, &{CECTL1:#x}", HALT])
    chip.run()
    assert output(chip) == 1


def test_ceout_cannot_be_written() -> None:
    chip = comparator(PLUS_EN | 3, OUT, FROM_SHARED | V2_0 | taps(16) | TO_MINUS)
    chip.set_analog_mv(3, 10)
    chip.run()
    assert output(chip) == 0


def test_vref1_counts_while_the_output_is_high_and_vref0_while_it_is_low() -> None:
    """A supply monitor with hysteresis: half the supply against 2 V x 25/32 upwards and x 20/32 downwards."""
    chip = comparator(PLUS_EN | 5, 0, FROM_SHARED | V2_0 | taps(25, 20) | TO_MINUS)
    chip.connect_supply(5, 500)
    chip.set_supply_mv(2400)
    chip.run()
    seen = []
    for supply_mv in (2400, 3100, 3140, 2600, 2520, 2480, 3100, 3140):
        chip.set_supply_mv(supply_mv)
        seen.append(output(chip))
    assert seen == [0, 0, 1, 1, 1, 0, 0, 1]


def test_cemrvl_chooses_the_reference_when_cemrvs_says_so() -> None:
    for choice, expected in [(BY_BIT, 0), (BY_BIT | SECOND, 1)]:
        chip = comparator(PLUS_EN | 3, choice, FROM_SHARED | V2_0 | taps(25, 20) | TO_MINUS)
        chip.set_analog_mv(3, 1400)
        chip.run()
        assert output(chip) == expected


def test_each_edge_sets_its_flag_and_ceies_exchanges_them() -> None:
    for edge, flags in [(0, [1, 2]), (EDGE, [2, 1])]:
        chip = comparator(PLUS_EN | 3, edge, FROM_SHARED | V2_0 | taps(16) | TO_MINUS, f"mov #0, &{CEINT:#x}")
        chip.set_analog_mv(3, 0)
        chip.run()
        assert read_word(chip, CEINT) == 0
        seen = []
        for mv in (1500, 0):
            chip.write_memory(CEINT, b"\0")
            chip.set_analog_mv(3, mv)
            seen.append(read_word(chip, CEINT))
        assert seen == flags


def test_cerdyifg_is_set_when_the_module_is_switched_on() -> None:
    chip = comparator(PLUS_EN | 3, 0, FROM_SHARED | V2_0 | taps(16) | TO_MINUS)
    chip.set_analog_mv(3, 0)
    chip.run()
    assert read_word(chip, CEINT) == 0x10


def test_ceiv_tells_enabled_flags_by_priority_and_resets_them() -> None:
    reads = [f"mov &{CEIV:#x}, r{r}" for r in (5, 6, 7, 8)]
    for enabled, expected in [(0x1300, [2, 4, 10, 0]), (0x1000, [10, 0, 0, 0]), (0x0200, [4, 0, 0, 0])]:
        chip = boot([STOP_WATCHDOG, f"mov #={enabled | 0x13}, &{CEINT:#x}", *reads, HALT])
        chip.run()
        assert [chip.register(r) for r in (5, 6, 7, 8)] == expected


def test_a_falling_supply_wakes_the_cpu_through_the_comparator_vector() -> None:
    chip = comparator(
        PLUS_EN | 5,
        0,
        FROM_SHARED | V1_2 | taps(32) | TO_MINUS,
        f"mov #=0x0200, &{CEINT:#x}",
        "bis #0xD8, sr",
        "mov #1, r10",
    )
    chip.write_memory(HANDLER, program([f"mov &{CEIV:#x}, r9", "bic #0xD0, 0(sp)", "reti"], HANDLER))
    write_words(chip, 0xFFF8, [HANDLER])
    chip.connect_supply(5, 500)
    chip.set_supply_mv(3000)
    chip.set_register(10, 0)
    assert chip.run().reason == StopReason.CPU_OFF
    chip.set_supply_mv(2402)
    assert chip.run().reason == StopReason.CPU_OFF
    assert chip.register(10) == 0
    chip.set_supply_mv(2399)
    chip.run()
    assert (chip.register(9), chip.register(10), chip.counters().interrupts) == (4, 1, 1)


def test_an_input_that_follows_the_supply_is_the_adc_s_too() -> None:
    start = ["mov #0x200, &0x802", "mov #5, &0x820", "mov #0x13, &0x800", *["nop"] * 60]
    chip = boot([STOP_WATCHDOG, *start, HALT])
    chip.connect_supply(5, 250)
    chip.set_supply_mv(3200)
    chip.run()
    assert read_word(chip, 0x860) == 1024
    for divider in (0, 1001):
        with pytest.raises(ValueError, match="divider"):
            chip.connect_supply(5, divider)
    with pytest.raises(ValueError, match="channel 32"):
        chip.connect_supply(32, 500)


def test_flags_are_part_of_a_saved_state() -> None:
    chip = comparator(PLUS_EN | 3, 0, FROM_SHARED | V2_0 | taps(16) | TO_MINUS, "nop", "nop")
    chip.set_analog_mv(3, 0)
    chip.run(Limits(instructions=5))
    state = chip.save()
    chip.set_analog_mv(3, 1500)
    assert (output(chip), read_word(chip, CEINT)) == (1, 0x11)
    chip.load(state)
    assert (output(chip), read_word(chip, CEINT)) == (0, 0x10)
    chip.set_supply_mv(2000)
    assert output(chip) == 0


@pytest.mark.parametrize(
    ("control0", "control1", "control2", "text"),
    [
        (PLUS_EN | 4, 0, FROM_SHARED | V2_0 | TO_MINUS, "input without a voltage, channel 0x00004"),
        (PLUS_EN | 7, 0, FROM_SHARED | V2_0 | TO_MINUS, "input without a voltage, channel 0x00007"),
        (PLUS_EN | 3, 0, 0 | TO_MINUS, "reference that is off"),
        (PLUS_EN | 3, 0, FROM_SHARED | TO_MINUS, "reference that is off"),
        (PLUS_EN | 3, 0, FROM_SHARED | V2_0, "connected to nothing"),
        (PLUS_EN | 3, SHORT, FROM_SHARED | V2_0 | TO_MINUS, "shorted"),
        (PLUS_EN | 3, 0x300, FROM_SHARED | V2_0 | TO_MINUS, "reserved power mode"),
        (PLUS_EN | 3, 0, FROM_SHARED | V2_0 | TO_MINUS | taps(8, 24), "oscillates"),
    ],
)
def test_what_has_no_defined_output_is_a_fault(control0: int, control1: int, control2: int, text: str) -> None:
    chip = comparator(control0, control1, control2)
    chip.set_analog_mv(3, 1000)
    stop = chip.run()
    assert stop.reason == StopReason.FAULT
    assert text in stop.text


def test_the_shared_reference_has_one_voltage() -> None:
    lines = ["mov #0x11, &0x1B0"]  # REFCTL0: on, 2.0 V
    for level, reason in [(V2_0, StopReason.CPU_OFF), (V1_2, StopReason.FAULT)]:
        control2 = FROM_SHARED | level | taps(16) | TO_MINUS
        chip = comparator(PLUS_EN | 3, 0, control2, *lines)
        chip.set_analog_mv(3, 1)
        assert chip.run().reason == reason


def test_a_fault_that_the_host_s_voltage_causes_is_told_by_the_next_run() -> None:
    chip = comparator(PLUS_EN | 3, 0, FROM_SHARED | V2_0 | TO_MINUS | taps(8, 24))
    chip.set_analog_mv(3, 0)
    assert chip.run().reason == StopReason.CPU_OFF
    chip.set_analog_mv(3, 1000)
    stop = chip.run()
    assert (stop.reason, "oscillates" in stop.text) == (StopReason.FAULT, True)
