"""DMA transfers: addresses, modes, cycles, power failures; SLAU367P sections 11.2.1, 11.2.2, 11.2.7, claim by claim."""

from __future__ import annotations

import pytest

from freeml.sim.msp430.chip import Msp430
from freeml.sim.msp430.types import Counters, Limits, StopReason
from tests.msp430.dma import (
    BLOCK,
    BOTH_UP,
    BURST,
    DST_BYTE,
    DST_DOWN,
    DST_UP,
    EN,
    IFG,
    REPEATED,
    SINGLE,
    SRC_BYTE,
    SRC_DOWN,
    SRC_UP,
    TARGET,
    at,
    machine,
    request,
    run_to,
    set_up,
    words,
)
from tests.msp430.machine import DATA, MEASURED_FR5994, ONE_WAIT_16_MHZ, read_word, write_words


def cost_of_request(lines: list[str], chip: Msp430) -> Counters:
    """What lies between the last of the lines, which asks for the transfer, and the end of the NOP after it."""
    before = run_to(chip, 1 + len(lines))
    return run_to(chip, 1) - before


def test_a_block_takes_2_cycles_a_transfer_with_the_cpu_stopped_and_2_around_it() -> None:
    lines = [*set_up(BLOCK | BOTH_UP, 40), request()]
    chip = machine([*lines, "nop"])
    n = cost_of_request(lines, chip)
    assert words(chip, 41) == [*range(1, 41), 0]
    assert (n.cycles, n.instructions) == (1 + 2 * 40 + 1 + 1, 1)
    assert (n.sram_reads, n.sram_writes, n.accesses) == (40, 40, 81)
    assert n.idle_cycles == 2


def test_a_single_transfer_takes_4_cycles_and_needs_a_trigger_of_its_own() -> None:
    lines = [*set_up(SINGLE | BOTH_UP, 3), request()]
    chip = machine([*lines, "nop", request(), "nop", request(), "nop", request(), "nop"])
    assert cost_of_request(lines, chip).cycles == 4 + 1
    assert (words(chip, 3), read_word(chip, at(0, 10))) == ([1, 0, 0], 2)
    run_to(chip, 4)
    assert words(chip, 4) == [1, 2, 3, 0]
    assert read_word(chip, at(0)) == SINGLE | BOTH_UP | IFG  # DMAEN and DMAREQ are reset
    assert read_word(chip, at(0, 10)) == 3  # reloaded
    chip.run()
    assert words(chip, 4) == [1, 2, 3, 0]


def test_the_address_registers_stay_and_the_temporary_ones_move() -> None:
    chip = machine([*set_up(BLOCK | BOTH_UP, 5), request()])
    chip.run()
    assert (read_word(chip, at(0, 2)), read_word(chip, at(0, 6))) == (DATA, TARGET)


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (BOTH_UP, [0x1122, 0x3344, 0x5566, 0]),
        (SRC_UP | DST_DOWN, [0x5566, 0x3344, 0x1122, 0]),
        (SRC_DOWN | DST_UP, [0x5566, 0x3344, 0x1122, 0]),
        (DST_UP, [0x1122, 0x1122, 0x1122, 0]),
        (SRC_UP, [0x5566, 0, 0, 0]),
        (0x100 | 0x400, [0x1122, 0, 0, 0]),  # the second code of "unchanged"
        (BOTH_UP | SRC_BYTE | DST_BYTE, [0x1122, 0x0044, 0, 0]),
        (BOTH_UP | SRC_BYTE, [0x22, 0x11, 0x44, 0]),  # the upper byte of the destination is cleared
        (BOTH_UP | DST_BYTE, [0x4422, 0x0066, 0, 0]),  # only the lower byte of the source goes
    ],
)
def test_addresses_step_by_the_size_of_their_own_end(control: int, expected: list[int]) -> None:
    source = DATA + 4 if control & SRC_UP == SRC_DOWN else DATA
    target = TARGET + 4 if control & DST_UP == DST_DOWN else TARGET
    chip = machine([*set_up(BLOCK | control, 3, source=source, target=target), request()])
    write_words(chip, DATA, [0x1122, 0x3344, 0x5566])
    chip.run()
    assert words(chip, 4) == expected


def test_addresses_have_20_bits_and_a_word_write_clears_the_upper_4() -> None:
    chip = machine([*set_up(BLOCK | BOTH_UP, 4, source=0x2FFFC), request(), "mov #0x1234, &0x512"])
    write_words(chip, 0x2FFFC, [10, 20, 30, 40])
    chip.run(Limits(instructions=9))
    assert read_word(chip, 0x514) == 2
    chip.run()
    assert words(chip, 4) == [10, 20, 30, 40]
    assert words(chip, 2, 0x512) == [0x1234, 0]


def test_a_size_of_0_transfers_nothing() -> None:
    chip = machine([*set_up(BLOCK | BOTH_UP, 0), request(), "nop"])
    assert chip.run().reason == StopReason.CPU_OFF
    assert (words(chip, 1), read_word(chip, at(0)) & (IFG | EN)) == ([0], EN)


def test_registers_of_addresses_and_sizes_hold_garbage_after_a_reset_and_channels_are_off() -> None:
    chip = machine(["nop"])
    first = chip.read_memory(at(0), 0x60)
    chip.reset(7)
    second = chip.read_memory(at(0), 0x60)
    assert first != second
    assert all(second[16 * c : 16 * c + 2] == b"\0\0" and second[16 * c + 5] == 0 for c in range(6))


def test_a_burst_leaves_the_cpu_2_cycles_after_every_4_transfers() -> None:
    nops = ["nop"] * 300
    lines = [*set_up(BURST | BOTH_UP, 60), request()]
    chip = machine([*lines, *nops])
    before = run_to(chip, 1 + len(lines))
    while read_word(chip, at(0)) & EN:
        run_to(chip, 1)
    n = chip.counters() - before
    assert words(chip, 61) == [*range(1, 61), 0]
    # 60 transfers with 14 gaps of 2 NOPs; the last NOP comes after the block and its cycle
    assert (n.cycles, n.instructions) == (1 + 2 * 60 + 2 * 14 + 1 + 1, 2 * 14 + 1)


def test_a_long_instruction_in_a_burst_is_made_up_for_by_the_next_bursts() -> None:
    lines = [*set_up(BURST | REPEATED | SRC_UP | DST_UP, 16), request()]
    chip = machine([*lines, *["mov &0x1C80, &0x1C90"] * 600])
    before = run_to(chip, 1 + len(lines))
    n = run_to(chip, 200) - before
    assert n.sram_reads - 200 == pytest.approx(200 * 5 * 4 / 2, rel=0.01)  # 5 cycles each, 2 to every 4 transfers
    assert 200 * 5 / n.cycles == pytest.approx(0.2, rel=0.01)


def test_a_repeated_burst_block_goes_on_without_triggers_until_dmaen_is_cleared() -> None:
    lines = [*set_up(BURST | REPEATED | BOTH_UP, 6), request(), *["nop"] * 50]
    chip = machine([*lines, "bic #0x10, &0x510", *["nop"] * 20])
    run_to(chip, 1 + len(lines))
    moved = chip.counters().sram_reads
    assert moved > 60
    assert read_word(chip, at(0)) & (EN | IFG) == EN | IFG
    run_to(chip, 2)
    stopped = chip.counters().sram_reads
    chip.run()
    assert chip.counters().sram_reads == stopped
    assert read_word(chip, at(0, 10)) == 6
    assert words(chip, 7) == [1, 2, 3, 4, 5, 6, 0]


def test_clearing_dmaen_stops_a_burst_and_reloads_the_size() -> None:
    chip = machine([*set_up(BURST | BOTH_UP, 40), request(), "bic #0x10, &0x510", "nop"])
    chip.run()
    assert 4 <= sum(word > 0 for word in words(chip, 40)) < 40
    assert (read_word(chip, at(0)) & (EN | IFG), read_word(chip, at(0, 10))) == (0, 40)


def test_each_trigger_of_a_repeated_block_moves_the_block_again() -> None:
    chip = machine([*set_up(BLOCK | REPEATED | BOTH_UP, 3), request(), "mov #77, &0x1C80", request(), "nop"])
    chip.run()
    assert words(chip, 4) == [77, 2, 3, 0]
    assert read_word(chip, at(0)) & EN


def test_a_repeated_single_transfer_starts_again_at_its_addresses() -> None:
    chip = machine([*set_up(REPEATED | BOTH_UP, 2), *[request(), "nop"] * 3])
    write_words(chip, TARGET, [9, 9, 9])
    chip.run(Limits(instructions=1 + 7 + 4))
    write_words(chip, DATA, [55])
    chip.run()
    assert words(chip, 3) == [55, 2, 9]
    assert read_word(chip, at(0, 10)) == 1


def test_fram_waits_add_to_the_transfers() -> None:
    for source, target, waits in [(0x8000, TARGET, 16 // 4), (DATA, 0x8000, 16)]:
        lines = [*ONE_WAIT_16_MHZ, *set_up(BLOCK | BOTH_UP, 16, source=source, target=target), request()]
        chip = machine([*lines, "nop"])
        before = run_to(chip, 1 + len(lines))
        while read_word(chip, at(0)) & EN:
            chip.run(Limits(cycles=chip.counters().cycles + 1))
        n = chip.counters() - before
        assert (n.cycles, n.wait_cycles) == (1 + 2 * 16 + 1 + waits, waits)
        assert n.fram_line_fills == (4 if source == 0x8000 else 0)


def test_a_transfer_costs_the_charge_of_its_bus_accesses() -> None:
    lines = [*set_up(BLOCK | BOTH_UP, 50), request()]
    chip = machine([*lines, "nop"])
    run_to(chip, 1 + len(lines))
    before = chip.charge_pc(MEASURED_FR5994)
    while read_word(chip, at(0)) & EN:
        chip.run(Limits(cycles=chip.counters().cycles + 1))
    q = MEASURED_FR5994
    assert chip.charge_pc(q) - before == pytest.approx(50 * (q.sram_read_pc + q.sram_write_pc) + 2 * q.idle_cycle_pc)


def test_power_fails_at_any_transfer_into_fram_and_the_ones_before_are_there() -> None:
    for nth in range(1, 9):
        chip = machine([*set_up(BLOCK | BOTH_UP, 8, target=0x8000), request(), "nop"])
        write_words(chip, 0x8000, [0] * 9)
        chip.watch(0x8000, 32)
        stop, writes = chip.logged_run(Limits(nvm_writes=nth))
        assert stop.reason == StopReason.NVM_WRITE
        assert words(chip, 9, 0x8000) == [*range(1, nth), *[0] * (10 - nth)]
        assert writes == [(0x8000 + 2 * i, (i + 1).to_bytes(2, "little")) for i in range(nth - 1)]
        assert chip.counters().fram_writes == nth - 1
        chip.reset(3)
        assert read_word(chip, at(0)) == 0


def test_cuts_at_every_cycle_of_a_block_and_resuming_from_a_saved_state_change_nothing() -> None:
    lines = [*set_up(BLOCK | BOTH_UP, 12), *set_up(BURST | BOTH_UP, 12, channel=1, target=0x2100)]
    chip = machine([*lines, request(), request(1), *["nop"] * 20])
    whole = machine([*lines, request(), request(1), *["nop"] * 20])
    whole.run()
    run_to(chip, 1 + len(lines))
    seen = set()
    while chip.run(Limits(cycles=chip.counters().cycles + 1)).reason == StopReason.CYCLES:
        seen.add(read_word(chip, at(0, 10)))
        state = chip.save()
        chip.run()
        chip.load(state)
    assert seen == set(range(1, 13))
    assert chip.counters() == whole.counters()
    assert chip.read_memory(TARGET, 0x200) == whole.read_memory(TARGET, 0x200)
