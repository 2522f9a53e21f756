"""Power taken from an MSP430: any instruction may be the last, the answers stay the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from freeml.sim.power_loss.cuts import lose_power_on_board
from tests.effort import PATIENCE_S
from tests.emulated_cuts import all_steps, committed_steps, images_passed, tile_steps
from tests.msp430_firmware.conftest import TOOLCHAINS, Compiled
from tests.msp430_firmware.machine import answers, rig


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_losses_spread_over_all_instructions_change_no_answer(
    toolchain: str, compiled: Compiled, tmp_path: Path
) -> None:
    """Every 20th or so; `freeml verify --engine board --power-loss every` tries them all in ten seconds."""
    output = compiled("digits")
    engine, _ = rig(output, tmp_path, toolchain)
    samples = answers(output, 1)
    left: list[bytes] = []
    report = lose_power_on_board(engine, samples, "every", most_cuts=8_000, on_loss=left.append)
    assert (report.divergences, report.reason) == (0, "")
    assert 0 < report.repeats < report.behind
    assert set(left) <= images_passed(engine, samples[0][0])
    assert committed_steps(output, left) == all_steps(output)


@pytest.mark.parametrize("mode", ["linear", "random:1", "random:2"])
def test_losses_again_and_again_change_no_answer(mode: str, compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("tiny_cnn")
    engine, _ = rig(output, tmp_path)
    left: list[bytes] = []
    report = lose_power_on_board(engine, answers(output, 2), mode, on_loss=left.append)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert committed_steps(output, left) & tile_steps(output)


@pytest.mark.parametrize("mode", ["random:1", "every"])
def test_a_runtime_that_commits_before_its_data_is_caught(mode: str, copied: Compiled, tmp_path: Path) -> None:
    output = copied("digits")
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    engine, _ = rig(output, tmp_path)
    report = lose_power_on_board(engine, answers(output, 4), mode, limit_s=PATIENCE_S)
    assert report.divergences == 1
    assert "the outputs are wrong" in report.reason


def test_a_firmware_that_never_answers_is_a_divergence(copied: Compiled, tmp_path: Path) -> None:
    """After a loss amid an inference, this one waits for ever."""
    output = copied("digits")
    runtime = output.folder / "runtime" / "fml_runtime.c"
    text = runtime.read_text()
    assert "locate(ram);\n    return status;" in text
    runtime.write_text(
        text.replace(
            "locate(ram);\n    return status;", "locate(ram);\n    while (ram->step > 3) {\n    }\n    return status;"
        )
    )
    engine, _ = rig(output, tmp_path)
    report = lose_power_on_board(engine, answers(output, 1), "linear")
    assert report.divergences == 1
    assert "no result after" in report.reason
