"""The cycle model: instructions as the manuals have them, and loops that were counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.firmware.build import build_firmware
from freeml.output.folder import Output, read_output
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.cortexm.cycles import REFILL_CYCLES, instruction_cycles
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.on_board import OnBoard
from tests.cortexm.conftest import TOOLCHAINS

ROOT = Path(__file__).resolve().parents[2]
ALL = ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33")

# code, cycles on M0+, M3, M4 by the tables of the reference manuals, refills left out; None: the core does not have it
INSTRUCTIONS = {
    "adds r0, #1": ("0130", 1, 1, 1),
    "ldr r0, [r1]": ("0868", 2, 2, 2),
    "strb r0, [r1, r2]": ("8854", 2, 2, 2),
    "muls r0, r1": ("4843", 1, 1, 1),
    "push {r4-r7, lr}": ("f0b5", 6, 6, 6),
    "pop {r4-r7}": ("f0bc", 5, 5, 5),
    "pop {r4, pc}": ("10bd", 4, 3, 3),
    "ldm r0!, {r1-r3}": ("0ec8", 4, 4, 4),
    "bne": ("fed1", 1, 1, 1),
    "bx lr": ("7047", 1, 1, 1),
    "bl": ("fff7feff", 2, 1, 1),
    "dsb": ("bff34f8f", 3, 1, 1),
    "ldrd r0, r1, [r2]": ("d2e90001", None, 3, 3),
    "umull r0, r1, r2, r3": ("a2fb0301", None, 5, 1),
    "mla r0, r1, r2, r3": ("01fb0230", None, 2, 1),
    "udiv r0, r1, r2": ("b1fbf2f0", None, 7, 7),
    "smlad r0, r1, r2, r3": ("21fb0230", None, None, 1),
    "it eq": ("08bf", None, 1, 1),
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_an_instruction_takes_what_the_manual_says(name: str) -> None:
    code, *cycles = INSTRUCTIONS[name]
    for core, expected in zip(("cortex-m0plus", "cortex-m3", "cortex-m4"), cycles, strict=True):
        if expected is not None:
            assert instruction_cycles(core)(bytes.fromhex(code)) == expected, core
    if cycles[2] is not None:
        for core in ("cortex-m7", "cortex-m33"):  # the table of the M4
            assert instruction_cycles(core)(bytes.fromhex(code)) == cycles[2], core


def test_bytes_that_are_no_instruction_take_a_cycle() -> None:
    assert instruction_cycles("cortex-m4")(bytes.fromhex("ffffffff")) == 1


# --- loops -----------------------------------------------------------------------------------------------------------

BOARD = (ROOT / "boards" / "qemu_m4.toml").read_text()
# By hand, a round of each core: ldr, str, muls, ldr in a row, call and return, push and pop of two, the loop's branch.
#   M0+:  2 + 2 + 1 + 2 = 7, bl 3, bx 2, push 3, pop 3, subs 1, bne 2                         = 21
#   others: 2 + 2 + 1 + 2 = 7, bl 1 + 2, bx 1 + 2, push 3, pop 3, subs 1, bne 1 + 2           = 23
ROUND = {core: 21 if core == "cortex-m0plus" else 23 for core in ALL}
LOOP = """
volatile uint32_t loops __attribute__((section(".noinit")));
static volatile uint32_t cell;

__attribute__((noinline)) static void loop(uint32_t n) {
    register uint32_t left __asm__("r4") = n;
    register volatile uint32_t *at __asm__("r5") = &cell;
    __asm__ volatile(
        "   b 2f\\n"
        ".balign 4\\n"
        "1: bx lr\\n"
        ".balign 4\\n"
        "2: ldr r0, [r5]\\n"
        "   str r0, [r5]\\n"
        "   muls r0, r0\\n"
        "   ldr r0, [r5]\\n"
        "   bl 1b\\n"
        "   push {r0, r1}\\n"
        "   pop {r0, r1}\\n"
        "   subs r4, #1\\n"
        "   bne 2b\\n"
        : "+r"(left) : "r"(at) : "r0", "r1", "lr", "cc", "memory");
}

int main(void)"""


def board_of(core: str, folder: Path) -> str:
    path = folder / f"{core.replace('-', '_')}.toml"
    text = BOARD.replace('name = "qemu_m4"', f'name = "{path.stem}"').replace('"cortex-m4"', f'"{core}"')
    path.write_text(text)
    return str(path)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Output]:
    """digits, compiled for a board of each core."""
    work = tmp_path_factory.mktemp("cores")
    model = ROOT / "examples" / "digits" / "digits.onnx"
    found = {}
    for core in ALL:
        options = CompileOptions(board=board_of(core, work), samples=1)
        compile_model(model, work / core, data="digits", options=options)
        found[core] = read_output(work / core)
    return found


@pytest.mark.parametrize("core", ALL)
def test_a_loop_takes_what_was_counted_by_hand(core: str, outputs: dict[str, Output], tmp_path: Path) -> None:
    output = outputs[core]
    main = output.folder / "firmware" / "main.c"
    kept = main.read_text()
    assert "fml_infer(&ram);" in kept
    text = kept.replace("int main(void)", LOOP).replace("fml_infer(&ram);", "fml_infer(&ram);\n        loop(loops);")
    main.write_text(text)
    try:
        built = build_firmware(output, tmp_path / "a.elf")
    finally:
        main.write_text(kept)
    engine = CortexMEngine(built.firmware.path, built.memory)
    engine.power_on()
    engine.run_to(built.firmware.symbols["main"][0])  # RAM comes up as garbage: 4e9 rounds, perhaps
    engine._uc.mem_write(built.firmware.symbols["loops"][0], (1).to_bytes(4, "little"))
    taken = []
    for rounds in (1, 10, 10, 1010, 1010):
        engine._uc.mem_write(built.firmware.symbols["loops"][0], rounds.to_bytes(4, "little"))
        taken.append(engine.infer(bytes(64)).taken)
    # Every other time, fml_nvm_record takes an instruction more on an M0+, as the newer record is in the other slot:
    # compared are inferences that find it in the same one.
    for few, many in ((taken[1], taken[3]), (taken[2], taken[4])):
        assert many.instructions - few.instructions == 1000 * 10
        assert many.cycles - few.cycles == 1000 * ROUND[core]


def test_a_taken_branch_refills_the_pipeline() -> None:
    assert {core: 1 if core == "cortex-m0plus" else 2 for core in ALL} == REFILL_CYCLES


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m7"])
def test_a_board_of_ones_own_with_another_core_gives_the_interpreters_bytes(
    core: str, outputs: dict[str, Output], toolchain: str
) -> None:
    output = outputs[core]
    on_board = OnBoard.start(output, toolchain)
    assert on_board.core == core
    checked = verify_output(output, random_dataset(output.graph, 20), model=on_board.model)
    assert (checked.samples, checked.mismatches, checked.first_mismatch) == (20, 0, "")
