"""The emulator against measurements of FR5994 boards: it runs the benchmark programs, 16 MHz, one wait state.

Timings: 100 copies in a loop of 100, as measured. Energies: the charge that 750 more copies cost, as the measured
values are net of the loop. Data: shared/data/msp430_energy, see PROVENANCE.md there.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from freeml.sim.msp430.chip import Limits, StopReason, charge_pc
from freeml.sim.msp430.types import Counters
from tests.msp430.assembler import program
from tests.msp430.machine import DATA, HALT, MEASURED_FR5994, ONE_WAIT_16_MHZ, START, boot, read_word, write_words

pytestmark = pytest.mark.needs_data

SETUP = ["mov #0x5A80, &0x15C", *ONE_WAIT_16_MHZ]
FUNCTION = 0xC000
TABLE = 0xD000
VCC_V = 3.3


def rows(data_dir: Path, name: str) -> list[dict[str, str]]:
    with (data_dir / "msp430_energy" / name).open() as file:
        return list(csv.DictReader(file))


def count(body: list[str] | bytes, *, function: list[str] | None = None, table: list[int] | None = None) -> Counters:
    """Events of a body, the set-up of the clock apart. R5 = 0, R6, R7 point into SRAM, R9 to the table."""
    setup = program(SETUP)
    at = START + len(setup)
    code = body if isinstance(body, bytes) else program([*body, HALT], at)
    chip = boot(setup + code)
    for register, value in {5: 0, 6: 0x1C00, 7: DATA, 9: TABLE, 10: 100, 1: 0x3C00}.items():
        chip.set_register(register, value)
    chip.write_memory(FUNCTION, program(function or ["nop"], FUNCTION))
    write_words(chip, TABLE, table or [0])
    for address in range(0x1C00, 0x3C00, 2):
        write_words(chip, address, [0])
    assert chip.run(Limits(breakpoint=at)).reason == StopReason.BREAKPOINT
    before = chip.counters()
    stop = chip.run(Limits(cycles=20_000_000))
    assert stop.reason == StopReason.CPU_OFF, stop
    after = chip.counters()
    return Counters(*(getattr(after, name) - getattr(before, name) for name in Counters.__slots__))


def looped(copies: list[str], **more: object) -> Counters:
    """100 times round the copies."""
    start = START + len(program(SETUP))
    body = program([*copies, "sub #1, r10"], start)
    body += program([f"jne {-len(body) - 2}", HALT])
    return count(body, **more)  # type: ignore[arg-type]


BODIES: dict[str, list[str]] = {
    "cmp Rn Rm": ["cmp r5, r8"] * 100,
    "jmp/jcc (7 kinds)": ["jmp 0"] * 100,
    "cmp #N Rm": ["cmp #0x1234, r8"] * 100,
    "cmp Rn x(Rm)": ["cmp r5, 2(r7)"] * 99,
    "cmp x(Rn) Rm": ["cmp 2(r7), r8"] * 99,
    "cmp #N x(Rm)": ["cmp #0x1234, 2(r7)"] * 99,
    "cmp #N &EDE": [f"cmp #0x1234, &{DATA}"] * 100,
    "mov @Rn+ x(Rm)": ["mov #0x1C00, r6", *["mov @r6+, 2(r7)"] * 33] * 3,
    "push Rn + pop Rn": ["push r5", "mov @sp+, r5"] * 100,
    "call #N + 50 nop + ret": [f"call #={FUNCTION}"] * 100,
    "call #N + push + dint + 50 nop + reti": [f"call #={FUNCTION}"] * 100,
}
N_EVENTS = {"mov @Rn+ x(Rm)": 99}  # the rest: copies, or half of them where two instructions make one event
FUNCTIONS = {
    "call #N + 50 nop + ret": [*["nop"] * 50, "ret"],
    "call #N + push + dint + 50 nop + reti": ["push sr", "dint", *["nop"] * 50, "reti"],
}


def cycles_per_event(name: str) -> float:
    start = START + len(program(SETUP))
    if name == "br #N":
        return looped([f"mov #={start + 4 * (k + 1)}, pc" for k in range(100)]).cycles / 10_000
    if name.startswith("br x(Rn)"):
        table = [start + 4 * (k + 1) for k in range(100)]
        return looped([f"mov {2 * k}(r9), pc" for k in range(100)], table=table).cycles / 10_000
    body = BODIES[name]
    n_events = N_EVENTS.get(name, len(body) // (2 if name.startswith("push") else 1))
    return looped(body, function=FUNCTIONS.get(name)).cycles / (100 * n_events)


def test_silicon_thirteen_measured_timings_within_3_percent(data_dir: Path) -> None:
    measured = [row for row in rows(data_dir, "silicon_timing_check.csv") if row["wait_states"] == "1"]
    assert len(measured) == 13
    errors = {
        row["benchmark"]: cycles_per_event(row["benchmark"]) / float(row["cycles_per_instr_at_16MHz"]) - 1
        for row in measured
    }
    print({name: f"{error:+.1%}" for name, error in errors.items()})
    assert {name: error for name, error in errors.items() if abs(error) > 0.03} == {}


def test_silicon_forgotten_wait_states_cost_what_was_measured(data_dir: Path) -> None:
    """An FR5994 at 16 MHz without NWAITS: 15 waits per line; differences, as the loop overhead is not known."""
    measured = {
        row["benchmark"]: float(row["cycles_per_instr_at_16MHz"])
        for row in rows(data_dir, "silicon_timing_check.csv")
        if row["wait_states"] == "15"
    }

    def cycles(line: str) -> float:
        chip = boot([line for line in SETUP if "0x140" not in line] + [line] * 1000 + [HALT])
        chip.run()
        return chip.counters().cycles / 1000

    fast = cycles("rlam.w #1, r8")
    assert cycles("rlam.w #2, r8") - fast == pytest.approx(measured["rlam #2 Rn"] - measured["rlam #1 Rn"], abs=0.02)
    steps = measured["rlam #3 Rn"] - measured["rlam #2 Rn"]
    assert cycles("rlam.w #3, r8") - cycles("rlam.w #2, r8") == pytest.approx(steps, abs=0.02)
    word = measured["mov #N Rm"] - measured["mov Rn Rm"]
    assert cycles("mov #0x1234, r8") - cycles("mov r5, r8") == pytest.approx(word, rel=0.03)


OPERANDS = {
    "register": ("r5", "r8"),
    "indexed": ("2(r7)", "4(r7)"),
    "immediate": ("#0x1234", ""),
    "symbolic": (f"ede:{DATA + 6}", f"ede:{DATA + 8}"),
    "absolute": (f"&{DATA + 6}", f"&{DATA + 8}"),
    "indirect": ("@r7", ""),
    "autoincrement": ("@r6+", ""),
    "MPY": ("", "&0x4C0"),
    "OP2": ("", "&0x4C8"),
    "RESLO": ("&0x4CA", ""),
    "RESHI": ("&0x4CC", ""),
}
EMULATED = {
    "inv": "xor #-1, {0}",
    "clr": "mov #0, {0}",
    "incd": "add #2, {0}",
    "inc": "add #1, {0}",
    "adc": "addc #0, {0}",
    "rla": "add {0}, {0}",
    "rlc": "addc {0}, {0}",
}
JUMPS = {"jz": "jeq", "jnz": "jne"}
# Programs of two instructions, the multiplier's registers, one mislabelled: kept out of the fit (see the design note).
NOT_IN_FIT = (
    "mov_register_MPY",
    "mov_register_OP2",
    "mov_RESLO_register",
    "mov_RESHI_register",
    "push_register",
    "ret",
    "br_immediate",
    "br_indexed",
    "mov_immediate_symbolic",
)


def instruction(key: str) -> str:
    """The instruction that a key names."""
    if key in ("nop", "dint"):
        return key
    if key == "clrc":
        return "bic #1, sr"
    name, *modes = key.split("_")
    if name.startswith("j"):
        return f"{JUMPS.get(name, name)} 0"
    if len(modes) == 2:
        return f"{name} {OPERANDS[modes[0]][0]}, {OPERANDS[modes[1]][1]}"
    target = OPERANDS[modes[0]][1]
    return EMULATED[name].format(target) if name in EMULATED else f"{name} {target}"


def net_charge_pc(lines: list[str], n: int = 750) -> float:
    """Charge of one round of the lines in a long straight program."""
    more, less = count(lines * (2 * n)), count(lines * n)
    return (charge_pc(more, MEASURED_FR5994) - charge_pc(less, MEASURED_FR5994)) / n


def test_silicon_113_measured_energies_mean_error_4_worst_15_percent(data_dir: Path) -> None:
    measured = {row["key"]: float(row["nJ_3v3"]) for row in rows(data_dir, "instr_energy_16mhz_1ws.csv")}
    keys = [key for key in measured if not key.startswith("call_") and key not in NOT_IN_FIT]
    assert len(keys) == 113
    errors = {key: net_charge_pc([instruction(key)]) * VCC_V / 1000 / measured[key] - 1 for key in keys}
    mean = sum(abs(error) for error in errors.values()) / len(errors)
    worst = max(errors, key=lambda key: abs(errors[key]))
    print(f"mean {mean:.2%}, worst {worst} {errors[worst]:+.1%}")
    assert mean <= 0.04
    assert abs(errors[worst]) <= 0.15


def test_silicon_four_programs_outside_the_fit_within_4_percent(data_dir: Path) -> None:
    nj = {row["key"]: float(row["nJ_3v3"]) for row in rows(data_dir, "instr_energy_16mhz_1ws.csv")}
    start = START + len(program(SETUP))
    n = 100

    def calls(name: str) -> float:
        """Net of what is not the calls, as above."""
        more, less = (count(BODIES[name] * times, function=FUNCTIONS[name]) for times in (2, 1))
        return (charge_pc(more, MEASURED_FR5994) - charge_pc(less, MEASURED_FR5994)) / n

    branches = count([f"mov #={start + 4 * (k + 1)}, pc" for k in range(n)])
    with_reti = nj["call_immediate"] + nj["push_register"] + nj["dint"] + 50 * nj["nop"]  # RETI is charged to its PUSH
    programs = {
        "push + pop": (net_charge_pc(["push r5", "mov @sp+, r5"]), nj["push_register"]),
        "br #N": (charge_pc(branches, MEASURED_FR5994) / n, nj["br_immediate"]),
        "ret": (calls("call #N + 50 nop + ret"), nj["call_immediate"] + 50 * nj["nop"] + nj["ret"]),
        "reti": (calls("call #N + push + dint + 50 nop + reti"), with_reti),
    }
    errors = {name: pc * VCC_V / 1000 / measured - 1 for name, (pc, measured) in programs.items()}
    print({name: f"{error:+.1%}" for name, error in errors.items()})
    assert {name: error for name, error in errors.items() if abs(error) > 0.04} == {}


def test_silicon_coefficients_are_those_of_the_fit(data_dir: Path) -> None:
    pc = [float(row["pC"]) for row in rows(data_dir, "charge_model_fit.csv")]
    q = MEASURED_FR5994
    straight_line = q.fram_code_word_pc + (q.line_fill_pc + q.wait_cycle_pc) / 4
    fitted = [q.idle_cycle_pc, straight_line, q.sram_read_pc, q.sram_write_pc, q.wait_cycle_pc, q.multiplication_pc]
    assert [round(value) for value in fitted] == pc[:6]


def test_the_set_up_of_these_tests_reaches_16_mhz_with_one_wait_state() -> None:
    chip = boot([*SETUP, HALT])
    chip.run()
    assert read_word(chip, 0x140) & 0xFF == 0x10
    assert chip.read_memory(0x146, 1) == b"\0"
