"""One interface of devices: every engine makes the same steps, bears losses between them, and says what it knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from freeml import CompileOptions, compile_model
from freeml.errors import ToolFailed
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output, read_output
from freeml.plan.step_table import Kind
from freeml.sim.answers import answers_of
from freeml.sim.board_device import board_device, start_emulator
from freeml.sim.check import random_dataset
from freeml.sim.device import Answer, Device, steps_to_report
from freeml.sim.engines import ENGINES
from freeml.sim.host import host_device
from freeml.sim.power_loss.control_block import ControlBlock
from freeml.sim.power_loss.cuts import lose_power_on_board
from freeml.sim.profile import measure_steps

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"
BOARDS = ("qemu_m4", "msp430fr5994")
Copied = Callable[[str], Output]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Copied:
    """compiled(board): digits in several tiles."""
    work = tmp_path_factory.mktemp("devices")

    def compiled_once(board: str) -> Output:
        if not (work / board).exists():
            options = CompileOptions(board=board, samples=1, capacitor_uf=20)
            compile_model(DIGITS, work / board, data="digits", options=options)
        return read_output(work / board)

    return compiled_once


def answers(output: Output, n: int) -> list[tuple[bytes, Answer]]:
    return answers_of(output.graph, encode_inputs(output.graph, random_dataset(output.graph, n).real_inputs()))


def started(engine: str, output: Output) -> Device:
    return ENGINES[engine]().start(output, "zig").model.device


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_makes_each_step_of_the_plan_once_in_order(engine: str, board: str, compiled: Copied) -> None:
    output = compiled(board)
    plan = [layer for row, layer in enumerate(output.manifest.tiles.layers) for layer in [row] * layer.n_tiles]
    device = started(engine, output)
    (codes, answer), (other, other_answer) = answers(output, 2)
    device.power_on()
    for number, (sensed, wanted) in enumerate([(codes, answer), (other, other_answer)]):
        device.sense(sensed)
        steps = list(steps_to_report(device))
        kinds = [Kind.CAPTURE, *[Kind.TILES] * len(plan), Kind.PUBLISH, Kind.REPORT]
        assert [step.kind for step in steps] == kinds
        assert [step.index for step in steps] == list(range(len(kinds)))
        assert [step.layer for step in steps] == [None, *plan, None, None]
        assert {step.depth for step in steps} == {1}
        assert (device.outputs(), device.result()) == (wanted.outputs, wanted.result(number + 1))


@pytest.mark.parametrize("board", BOARDS)
def test_after_each_step_the_nvm_of_board_and_host_say_the_same_of_it(board: str, compiled: Copied) -> None:
    """Identity and commit record of the same model, whoever runs it."""
    output = compiled(board)
    codes = answers(output, 1)[0][0]
    devices = [started(engine, output) for engine in ("host", "board")]
    seen = []
    for device in devices:
        device.sense(codes)
        device.power_on()
        seen.append([device.nvm[:12] + device.nvm[16:18] for _ in steps_to_report(device)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_inferences_behind_one_another_are_those_that_steps_make(engine: str, board: str, compiled: Copied) -> None:
    output = compiled(board)
    device = started(engine, output)
    device.power_on()
    (codes, answer), (other, other_answer), (third, third_answer) = answers(output, 3)
    first = device.infer(codes)
    assert (first.outputs, first.result) == (answer.outputs, answer.result(1))
    device.sense(other)
    assert [step.kind for step in steps_to_report(device)][0::99] == [Kind.CAPTURE]
    assert (device.outputs(), device.result()) == (other_answer.outputs, other_answer.result(2))
    last = device.infer(third)
    assert (last.outputs, last.result) == (third_answer.outputs, third_answer.result(3))


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_loss_behind_each_commit_changes_no_answer(engine: str, board: str, compiled: Copied) -> None:
    output = compiled(board)
    opened = ENGINES[engine]().start(output, "zig")
    report = super(type(opened), opened).lose_power(random_dataset(output.graph, 3), "commit", limit_s=60)
    n_steps = output.manifest.tiles.commits
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert report.cuts == 3 * n_steps
    assert report.images > n_steps


@pytest.mark.parametrize("engine", ENGINES)
def test_a_firmware_that_counts_results_in_ram_is_caught_by_losses_at_commits(engine: str, tmp_path: Path) -> None:
    compile_model(DIGITS, tmp_path / "out", data="digits", options=CompileOptions(board="qemu_m4", samples=1))
    output = read_output(tmp_path / "out")
    source = output.folder / "runtime" / "fml_runtime.c"
    text = source.read_text()
    assert text.count("ram->sequence = newest.sequence;") == 1
    source.write_text(text.replace("ram->sequence = newest.sequence;", "ram->sequence = 0;"))
    opened = ENGINES[engine]().start(output, "zig")
    report = super(type(opened), opened).lose_power(random_dataset(output.graph, 3), "commit", limit_s=60)
    assert report.divergences == 1
    assert report.reason.startswith("sample 1: the report is Result(sequence=1,")


def test_a_device_that_does_not_count_is_not_profiled(compiled: Copied) -> None:
    from freeml.sim.profile import measure_boots

    output = compiled("qemu_m4")
    device = host_device(output)
    codes = answers(output, 1)[0][0]
    assert all(step.taken is None for step in measure_steps(device, codes))
    with pytest.raises(ToolFailed, match="does not count"):
        measure_boots(device, codes)


def test_the_clock_runs_on_with_the_cycles_of_the_steps(compiled: Copied) -> None:
    output = compiled("qemu_m4")
    device, built = board_device(output, output.manifest.tiles, "zig")
    device.sense(answers(output, 1)[0][0])
    device.power_on()
    device.clock(1e6)
    cycles = 0
    for step in steps_to_report(device):
        assert step.taken is not None
        cycles += step.taken.cycles
        assert step.at_us == pytest.approx(1e6 + cycles / (built.memory.clock_hz / 1e6))


ASKED = """static volatile uint32_t asked FML_SECTION(".nvm");

int main(void)
{"""


@pytest.mark.parametrize(("board", "step_uj"), [("qemu_m4", 1), ("msp430fr5994", 5)])
def test_a_firmware_reads_the_energy_that_its_device_is_given(board: str, step_uj: float, tmp_path: Path) -> None:
    """To what one code of the board's ADC stands for."""
    options = CompileOptions(board=board, samples=1, capacitor_uf=470)
    compile_model(DIGITS, tmp_path / "out", data="digits", options=options)
    output = read_output(tmp_path / "out")
    main = output.folder / "firmware" / "main.c"
    text = main.read_text().replace("int main(void)\n{", ASKED)
    main.write_text(text.replace("fml_window_empty();", "asked = fml_hal_energy_uj();\n    fml_window_empty();"))
    device, _ = board_device(output, output.manifest.tiles, "zig")
    address = device.emulator.symbols["asked"][0]
    device.sense(bytes(64))
    for energy_uj in (0, 40, 700):
        device.meter(energy_uj)
        device.power_on()
        device.step()
        found = int.from_bytes(device.emulator.peek(address, 4), "little")  # type: ignore[attr-defined]
        assert found == pytest.approx(energy_uj, abs=step_uj)


def test_the_meter_of_this_machine_says_what_it_is_told(compiled: Copied) -> None:
    device = host_device(compiled("qemu_m4"))
    for energy_uj in (0, 1234, 1e12):
        device.meter(energy_uj)
        assert device.library.fml_hal_energy_uj() & 0xFFFF_FFFF == min(energy_uj, 0xFFFF_FFFF)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_codes_of_another_size_are_refused(engine: str, board: str, compiled: Copied) -> None:
    with pytest.raises(ValueError, match="64 bytes, not 63"):
        started(engine, compiled(board)).sense(bytes(63))


def test_a_device_without_power_makes_no_step(compiled: Copied) -> None:
    with pytest.raises(ToolFailed, match="no power"):
        host_device(compiled("qemu_m4")).step()


@pytest.mark.parametrize("board", BOARDS)
def test_power_is_lost_in_two_inferences_behind_one_another(board: str, compiled: Copied) -> None:
    """Also where time is short: images of both, by the number of the newest result that they hold."""
    output = compiled(board)
    emulator, _ = start_emulator(output, "zig")
    left: list[bytes] = []
    most = {"most_cuts": 200} if board == "qemu_m4" else {"limit_s": 4.0}
    report = lose_power_on_board(emulator, answers(output, 1), "every", **most, on_loss=left.append)
    assert report.divergences == 0
    tiles = output.manifest.tiles
    emulator.power_on()
    emulator.infer(answers(output, 1)[0][0])
    control = ControlBlock(tiles.steps, tiles.commit_slots, emulator.nvm[:12])
    newest = {
        (found.sequence, control.kind_of(at))
        for image in left
        if (found := control.newest(image)) and (at := control.position(image))
    }
    assert {(0, Kind.TILES), (1, Kind.TILES)} <= newest
