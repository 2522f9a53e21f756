"""The firmware on its emulated board: the interpreter's bytes, every instruction counted, faults told."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import unicorn

from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.data import load
from freeml.errors import BadBoard, ToolFailed
from freeml.firmware.build import find_cross_compiler, memory_map
from freeml.firmware.elf import read_firmware
from freeml.firmware.link import link
from freeml.ir.interpret import interpret
from freeml.output.folder import Output, read_output
from freeml.plan.protocol import RECORD_CHECKED, RESULT_SLOT_BYTES, RESULTS
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.window import valid_word
from tests.cortexm.conftest import CORES, TOOLCHAINS, Compiled, firmware_of, on_board
from tests.effort import PATIENCE_S

N_SAMPLES = 20


def engine_of(output: Output, toolchain: str = "zig", seed: int = 0) -> CortexMEngine:
    built = firmware_of(output, toolchain)
    return CortexMEngine(built.firmware.path, built.memory, seed=seed)


def codes_of(engine: CortexMEngine, seed: int) -> bytes:
    n_bytes = engine.firmware.symbols["fml_window_inputs"][1]
    return np.random.default_rng(seed).bytes(n_bytes)


# --- the same answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", CORES)
@pytest.mark.parametrize("name", ["digits", "tiny_cnn"])
def test_the_firmware_gives_the_interpreters_bytes(name: str, board: str, toolchain: str, compiled: Compiled) -> None:
    output = compiled(name, board)
    board_with_it = on_board(output, toolchain)
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES), model=board_with_it.model)
    assert (checked.samples, checked.mismatches, checked.first_mismatch) == (N_SAMPLES, 0, "")
    assert board_with_it.core == CORES[board]
    taken = board_with_it.taken()
    assert taken.nvm_bytes_written >= output.manifest.tiles.written_bytes
    assert taken.instructions_max >= taken.instructions > output.manifest.macs


@pytest.mark.needs_data
@pytest.mark.parametrize(("name", "data", "board"), [("mnist8", "mnist", "qemu_m4"), ("har", "har", "qemu_m0")])
def test_real_networks_on_real_data_give_the_interpreters_bytes(
    name: str, data: str, board: str, compiled: Compiled, data_dir: Path
) -> None:
    output = compiled(name, board)
    model = on_board(output).model
    checked = verify_output(output, load(data, "test", limit=N_SAMPLES), model=model)
    assert (checked.samples, checked.mismatches, checked.first_mismatch) == (N_SAMPLES, 0, "")


def test_tiles_of_a_small_capacitor_give_the_same_bytes(compiled: Compiled) -> None:
    output = compiled("digits", "qemu_m4", 5)
    assert output.manifest.tiles.n_tiles > 20
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES), model=on_board(output).model)
    assert checked.mismatches == 0


def test_a_wrong_firmware_is_caught_and_the_host_build_asked(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4")
    main = output.folder / "firmware" / "main.c"
    main.write_text(main.read_text().replace("fml_board_shown =", "outputs[0][3]++;\n        fml_board_shown ="))
    checked = verify_output(output, random_dataset(output.graph, 5), model=on_board(output).model)
    assert checked.mismatches == 5
    where, _, why = checked.first_mismatch.partition(": ")
    assert where.startswith("sample 0")
    assert why == "the build for this machine is right: it is the board's code or its compiler"


def test_a_wrong_kernel_is_found_by_its_layer(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4")
    requant = output.folder / "runtime" / "fml_requant.h"
    text = requant.read_text()
    assert "high + zp" in text
    requant.write_text(text.replace("high + zp", "high + zp + 1"))
    checked = verify_output(output, random_dataset(output.graph, 5), model=on_board(output).model)
    assert checked.mismatches
    assert "first wrong in" in checked.first_mismatch
    assert checked.first_mismatch.endswith("as on this machine")


# --- boots -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", CORES)
def test_answers_depend_on_neither_garbage_in_ram_nor_in_nvm(board: str, compiled: Compiled) -> None:
    answers = set()
    for seed in range(4):
        engine = engine_of(compiled("digits", board), seed=seed)
        for _ in range(3):
            engine.power_on()
            answers.add(engine.infer(codes_of(engine, 7)).outputs)
    assert len(answers) == 1


def test_nvm_outlives_the_power_and_ram_does_not(compiled: Compiled) -> None:
    engine = engine_of(compiled("digits", "qemu_m4"))
    engine.power_on()
    engine.infer(codes_of(engine, 1))
    kept, before = engine.nvm, engine.snapshot().ram
    engine.power_on()
    assert engine.nvm == kept
    assert engine.snapshot().ram != before


def test_a_boot_with_good_nvm_is_no_cold_start(compiled: Compiled) -> None:
    output = compiled("digits", "qemu_m4")
    engine = engine_of(output)
    engine.power_on()
    cold = engine.infer(codes_of(engine, 1))
    for _ in range(2):  # until the report is committed, and the capture is next
        assert engine.run_to(engine.symbols["fml_nvm_commit"][0])
    engine.power_on()
    warm = engine.infer(codes_of(engine, 1))
    running = engine.infer(codes_of(engine, 1))
    assert cold.taken.instructions > warm.taken.instructions > running.taken.instructions
    commit_bytes = {1: 2, 2: 12}[output.manifest.tiles.commit_slots]  # of the report before `running`
    assert warm.taken.nvm_bytes_written == running.taken.nvm_bytes_written - commit_bytes
    assert cold.taken.nvm_bytes_written > warm.taken.nvm_bytes_written
    places = [RESULTS + slot * RESULT_SLOT_BYTES + RECORD_CHECKED for slot in range(2)]
    sequences = [int.from_bytes(engine.nvm[at : at + 4], "little") for at in places]
    assert sorted(sequences) == [2, 3]  # of the two newest results


def test_the_same_run_takes_the_same_instructions(compiled: Compiled) -> None:
    runs = []
    for _ in range(2):
        engine = engine_of(compiled("tiny_cnn", "qemu_m33"))
        engine.power_on()
        runs.append([engine.infer(codes_of(engine, seed)) for seed in range(3)])
    assert runs[0] == runs[1]


def test_a_run_in_small_steps_ends_like_one_in_one_go(compiled: Compiled) -> None:
    """Stopping and going on loses nothing, not even inside an IT block: cuts rest on it."""
    engine = engine_of(compiled("digits", "qemu_m4"))
    engine.sense(codes_of(engine, 1))
    engine.power_on()
    start = engine.snapshot()
    assert engine.run()
    whole = (engine.nvm, engine.outputs())
    engine.restore(start)
    rng = np.random.default_rng(0)
    steps = 1
    while not engine.run(int(rng.integers(1, 20))):
        steps += 1
    assert (engine.nvm, engine.outputs()) == whole
    assert steps > 5_000


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("board", CORES)
def test_start_up_fills_data_and_clears_bss(board: str, toolchain: str, copied: Compiled) -> None:
    """freeml has neither, a firmware that grows from its output may: RAM is garbage until start-up was there."""
    output = copied("digits", board)
    main = output.folder / "firmware" / "main.c"
    variables = """void fml_board_fault(void);
static volatile uint32_t filled[2] = {7u, 0x12345678u}, cleared[3];
extern volatile uint32_t fml_bss_start[], fml_bss_end[];

int main(void)"""
    check = """    if (filled[0] != 7u || filled[1] != 0x12345678u || (cleared[0] | cleared[1] | cleared[2]) != 0) {
        fml_board_fault();
    }
    for (volatile uint32_t *at = fml_bss_start; at < fml_bss_end; at++) {
        if (*at != 0) {
            fml_board_fault();
        }
    }
    fml_board_start();"""
    text = main.read_text().replace("int main(void)", variables)
    assert text.count("    fml_board_start();") == 1
    main.write_text(text.replace("    fml_board_start();", check))
    engine = engine_of(output, toolchain)
    assert (engine.firmware.size.data_bytes, engine.firmware.size.flash_bytes % 4) == (8, 0)
    for _ in range(2):
        engine.power_on()
        engine.infer(codes_of(engine, 0))


# --- counting --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("board", ["qemu_m0", "qemu_m4"])
def test_instructions_and_stores_are_those_that_python_hooks_see(board: str, compiled: Compiled) -> None:
    engine = engine_of(compiled("digits", board))
    engine.power_on()
    seen = {"instructions": 0, "bytes": 0}

    report, n_bytes = engine.symbols["fml_board_report"]
    report &= ~1

    def on_code(_uc: object, address: int, _size: int, _user: object) -> None:
        seen["instructions"] += not report <= address < report + n_bytes  # what a report takes is not counted

    def on_store(_uc: object, _kind: int, _address: int, size: int, _value: int, _user: object) -> None:
        seen["bytes"] += size

    memory = engine.memory
    engine._uc.hook_add(unicorn.UC_HOOK_CODE, on_code)
    engine._uc.hook_add(
        unicorn.UC_HOOK_MEM_WRITE, on_store, begin=memory.nvm_base, end=memory.nvm_base + memory.nvm_bytes - 1
    )
    done = engine.infer(codes_of(engine, 1))
    assert done.taken.nvm_bytes_written == seen["bytes"]
    if board == "qemu_m0":
        assert done.taken.instructions == seen["instructions"]
    else:  # a code hook is not called for what an IT block skips, though it takes its cycle
        assert seen["instructions"] <= done.taken.instructions < 1.04 * seen["instructions"]


# --- faults ----------------------------------------------------------------------------------------------------------

FAULTS = {
    "a store outside all memories": ("*(volatile uint32_t *)0x50000000u = 1;", "UC_ERR_WRITE_UNMAPPED"),
    "a store to flash": ("*(volatile uint32_t *)0x100u = 1;", "UC_ERR_WRITE_PROT"),
    "an undefined instruction": ('__asm__ volatile("udf #0");', "failed at"),
    "a return from main": ("volatile int ends = 1; if (ends) { return 0; }", "it reported status -100"),
    "a status that is no result": ("fml_board_report(-2);", "it reported status -2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told(name: str, copied: Compiled) -> None:
    statement, says = FAULTS[name]
    output = copied("digits", "qemu_m4")
    main = output.folder / "firmware" / "main.c"
    main.write_text(main.read_text().replace("    for (;;) {", f"    {statement}\n    for (;;) {{", 1))
    engine = engine_of(output)
    engine.power_on()
    with pytest.raises(ToolFailed, match=says):
        engine.infer(codes_of(engine, 0))


@pytest.mark.parametrize(("board", "faults"), [("qemu_m0", True), ("qemu_m4", False)])
def test_an_unaligned_access_faults_where_the_core_has_none(board: str, faults: bool, copied: Compiled) -> None:
    output = copied("digits", board)
    main = output.folder / "firmware" / "main.c"
    read = "    (void)*(volatile uint32_t *)(void *)(sram.bytes + 1);\n    for (;;) {"
    main.write_text(main.read_text().replace("    for (;;) {", read, 1))
    engine = engine_of(output)
    engine.power_on()
    if not faults:
        engine.infer(codes_of(engine, 0))
        return
    with pytest.raises(ToolFailed, match="unaligned access to 0x2000"):
        engine.infer(codes_of(engine, 0))


def test_a_firmware_that_never_answers_is_ended(copied: Compiled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freeml.sim.cortexm.engine.MOST_INSTRUCTIONS", 1_000_000)
    output = copied("digits", "qemu_m4")
    report = output.folder / "firmware" / "fml_board_window.c"
    report.write_text(report.read_text().replace("    fml_board_report(FML_PUBLISHED);\n", ""))
    engine = engine_of(output)
    engine.power_on()
    with pytest.raises(ToolFailed, match=r"no result after (1,00|999,9)"):
        engine.infer(codes_of(engine, 0))


def test_a_file_without_the_window_is_refused(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4")
    for path in (output.folder / "firmware").glob("*.[ch]"):
        path.write_text(path.read_text().replace("fml_window_inputs", "window_inputs"))
    with pytest.raises(ToolFailed, match="there is no 'fml_window_inputs'"):
        engine_of(output)


def test_codes_of_the_wrong_size_are_refused(compiled: Compiled) -> None:
    engine = engine_of(compiled("digits", "qemu_m4"))
    with pytest.raises(ValueError, match="64 bytes, not 3"):
        engine.sense(b"abc")


def test_a_board_without_an_emulator_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadBoard, match="no emulator for this board"):
        CortexMEngine(tmp_path / "a.elf", load_board("host"))


# --- a second opinion ------------------------------------------------------------------------------------------------

needs_qemu = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="apt-get install qemu-system-arm")
PSRAM = ("-object", "memory-backend-file,id=nvm,size=16M,mem-path=nvm.bin,share=on")


def filled_before_the_reset(output: Output) -> Output:
    """The folder with a firmware that leaves its sample window as the loader filled it."""
    main = output.folder / "firmware" / "main.c"
    assert main.read_text().count("    fml_window_empty();\n") == 1
    main.write_text(main.read_text().replace("    fml_window_empty();\n", ""))
    return output


def on_qemu(
    machine: str, elf: Path, symbols: Mapping[str, tuple[int, int]], folder: Path, *more: str
) -> subprocess.CompletedProcess[bytes]:
    """The file on QEMU, the sample window filled by its loader: one inference, then exit; SYS_WRITE0 goes to stderr."""
    (folder / "valid.bin").write_bytes(valid_word(0))
    window, valid = (symbols[f"fml_window_{name}"][0] for name in ("inputs", "valid"))
    command = [
        *("qemu-system-arm", "-M", machine, "-kernel", str(elf), *more),
        *("-device", f"loader,file=codes.bin,addr={window:#x},force-raw=on"),
        *("-device", f"loader,file=valid.bin,addr={valid:#x},force-raw=on"),
        *("-display", "none", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native"),
    ]
    return subprocess.run(command, cwd=folder, timeout=PATIENCE_S, check=False, capture_output=True)


@needs_qemu
@pytest.mark.parametrize(("board", "machine"), [("qemu_m0", "mps2-an385"), ("qemu_m4", "mps2-an386")])
def test_qemu_leaves_the_same_nvm(board: str, machine: str, copied: Compiled, tmp_path: Path) -> None:
    """NVM being a file."""
    engine = engine_of(filled_before_the_reset(copied("digits", board)))
    codes = codes_of(engine, 5)
    engine.nvm = bytes(engine.memory.nvm_bytes)
    engine.power_on()
    engine.infer(codes)
    (tmp_path / "codes.bin").write_bytes(codes)
    (tmp_path / "nvm.bin").write_bytes(bytes(16 << 20))
    done = on_qemu(f"{machine},memory-backend=nvm", engine.firmware.path, engine.symbols, tmp_path, *PSRAM)
    assert done.returncode == 1  # FML_PUBLISHED
    assert (tmp_path / "nvm.bin").read_bytes()[: len(engine.nvm)] == engine.nvm


MICROBIT = (
    ('name = "qemu_m0"', 'name = "microbit"'),
    ("nvm_base = { value = 0x2100_0000", "nvm_base = { value = 0x2000_2000"),
    ("nvm_bytes = { value = 262_144", "nvm_bytes = { value = 8_192"),
    ("sram_bytes = { value = 32_768", "sram_bytes = { value = 8_192"),
)
SHOW = """void show(void);
void show(void) {
    static const char hex[] = "0123456789abcdef";
    static char text[2 * sizeof fml_window_outputs + 1];
    for (uint32_t i = 0; i < sizeof fml_window_outputs; i++) {
        const uint8_t code = ((const uint8_t *)&fml_window_outputs)[i];
        text[2 * i] = hex[code >> 4];
        text[2 * i + 1] = hex[code & 15];
    }
    register uint32_t operation __asm__("r0") = 4; /* SYS_WRITE0 */
    register const char *argument __asm__("r1") = text;
    __asm__ volatile("bkpt 0xab" : "+r"(operation) : "r"(argument) : "memory");
}

int main(void)"""


@needs_qemu
@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize("machine", ["mps2-an386", "microbit"])
def test_qemu_gives_the_interpreters_bytes(machine: str, toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    """On the microbit every unaligned access faults; its 16 KB are RAM and NVM."""
    board = Path(__file__).resolve().parents[2] / "boards" / "qemu_m4.toml"
    if machine == "microbit":
        text = board.with_name("qemu_m0.toml").read_text()
        for old, new in MICROBIT:
            assert old in text
            text = text.replace(old, new)
        board = tmp_path / "microbit.toml"
        board.write_text(text)
    model = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
    compile_model(model, tmp_path / "out", data="digits", options=CompileOptions(board=str(board), samples=1))
    output = read_output(tmp_path / "out")
    main = output.folder / "firmware" / "main.c"
    filled_before_the_reset(output)
    main.write_text(main.read_text().replace("int main(void)", SHOW))
    report = output.folder / "firmware" / "fml_board_window.c"
    text = report.read_text().replace(
        "    fml_board_report(FML_PUBLISHED", "    void show(void);\n    show();\n    fml_board_report(FML_PUBLISHED"
    )
    report.write_text(text)
    engine = engine_of(output, toolchain)
    codes = codes_of(engine, 11)
    (tmp_path / "codes.bin").write_bytes(codes)
    done = on_qemu(machine, engine.firmware.path, engine.symbols, tmp_path)
    port = output.graph.inputs[0]
    shape = output.graph.types[port.value].shape
    expected = interpret(output.graph, {port.value: np.frombuffer(codes, dtype=np.int8).reshape(1, *shape)})
    assert done.stderr.decode().strip() == expected[output.graph.outputs[0].value].tobytes().hex()
    assert done.returncode == 1
    engine.power_on()
    assert engine.infer(codes).outputs.hex() == done.stderr.decode().strip()


@needs_qemu
def test_qemu_faults_where_the_emulator_says_unaligned(copied: Compiled, tmp_path: Path) -> None:
    output = copied("digits", "qemu_m0")
    main = output.folder / "firmware" / "main.c"
    script = output.folder / "firmware" / "link.ld"
    read = "    (void)*(volatile uint32_t *)(void *)(sram.bytes + 1);\n    for (;;) {"
    main.write_text(main.read_text().replace("    for (;;) {", read, 1))
    ram_and_nvm = (("LENGTH = 32768", "LENGTH = 8192"), ("0x21000000, LENGTH = 262144", "0x20002000, LENGTH = 8192"))
    for old, new in ram_and_nvm:
        assert old in script.read_text()
        script.write_text(script.read_text().replace(old, new))
    memory = replace(memory_map(output), nvm_base=0x2000_2000, nvm_bytes=8192, ram_bytes=8192)
    elf = link(find_cross_compiler("auto"), output.folder, "digits", memory, tmp_path / "a.elf")
    (tmp_path / "codes.bin").write_bytes(bytes(64))
    symbols = read_firmware(elf, memory).symbols
    done = on_qemu("microbit", elf, symbols, tmp_path)
    assert done.returncode == (-100) & 0xFF  # FML_BOARD_FAULT
