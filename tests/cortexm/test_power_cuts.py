"""Power taken from the emulated board: any instruction may be the last, the answers stay the same."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.mutants.mutant import table
from freeml.output.folder import Output
from freeml.sim.answers import answers_of
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.device import Answer
from freeml.sim.power_loss.cuts import lose_power_on_board
from tests.cortexm.conftest import CORES, Compiled, firmware_of
from tests.effort import PATIENCE_S
from tests.emulated_cuts import all_steps, committed_steps, images_passed, tile_steps

SMALL_UF = 6


def rig(output: Output, n_samples: int = 4) -> tuple[CortexMEngine, list[tuple[bytes, Answer]]]:
    """An engine, and samples with the interpreter's answers."""
    built = firmware_of(output)
    engine, graph = CortexMEngine(built.firmware.path, built.memory), output.graph
    rng = np.random.default_rng(3)
    inputs = {
        port.value: rng.integers(-128, 128, (n_samples, *graph.types[port.value].shape), dtype=np.int8)
        for port in graph.inputs
    }
    return engine, answers_of(graph, inputs)


def test_a_loss_after_every_second_instruction_of_two_inferences_changes_no_answer(compiled: Compiled) -> None:
    """Cold start, capture, every layer, publication, report of the digits network on an M4, and all of these again."""
    output = compiled("digits", "qemu_m4")
    engine, samples = rig(output)
    left: set[bytes] = set()
    report = lose_power_on_board(engine, samples, "every", limit_s=PATIENCE_S, most_cuts=100_000, on_loss=left.add)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert 0 < report.repeats < report.behind
    passed = images_passed(engine, samples[0][0])
    assert left <= passed
    assert len(left) > 0.8 * len(passed)
    assert committed_steps(output, left) == all_steps(output)


@pytest.mark.parametrize("board", ["qemu_m0", "qemu_m33"])
def test_losses_after_instructions_spread_over_an_inference_change_no_answer(board: str, compiled: Compiled) -> None:
    output = compiled("digits", board, SMALL_UF * 2)
    engine, samples = rig(output)
    left: list[bytes] = []
    report = lose_power_on_board(engine, samples, "every", limit_s=PATIENCE_S, most_cuts=4_000, on_loss=left.append)
    assert (report.divergences, report.reason) == (0, "")
    assert set(left) <= images_passed(engine, samples[0][0])
    assert committed_steps(output, left) == all_steps(output)


@pytest.mark.parametrize("mode", ["linear", "random:1"])
@pytest.mark.parametrize("board", CORES)
def test_losses_again_and_again_change_no_answer(board: str, mode: str, compiled: Compiled) -> None:
    output = compiled("tiny_cnn", board)
    engine, samples = rig(output, n_samples=2)
    left: list[bytes] = []
    report = lose_power_on_board(engine, samples, mode, on_loss=left.append)
    assert (report.closed, report.divergences, report.reason) == (True, 0, "")
    assert committed_steps(output, left) & tile_steps(output)


@pytest.mark.parametrize("mode", ["linear", "random:1", "every"])
def test_a_runtime_that_commits_before_its_data_is_caught(mode: str, copied: Compiled) -> None:
    """The checker is no rubber stamp: a seeded bug of runtime_c."""
    output = copied("digits", "qemu_m4", SMALL_UF)
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    engine, samples = rig(output)
    report = lose_power_on_board(engine, samples, mode, limit_s=PATIENCE_S)
    assert (report.divergences, report.closed) == (1, False)
    assert "the outputs are wrong" in report.reason
    assert all(int(n) > 0 for n in report.schedule.split(","))


def test_a_reported_schedule_is_enough_to_see_the_error_again(copied: Compiled) -> None:
    output = copied("digits", "qemu_m4", SMALL_UF)
    table()["commit-before-data"].apply_to(output.folder / "runtime" / "fml_runtime.c")
    engine, samples = rig(output)
    codes, expected = samples[0]
    (cut,) = (int(n) for n in lose_power_on_board(engine, samples, "every", limit_s=PATIENCE_S).schedule.split(","))
    engine.sense(codes)
    engine.power_on()
    assert not engine.run(cut)
    engine.power_on()
    assert engine.infer(codes).outputs != expected.outputs


def test_cuts_that_are_run_and_cuts_that_are_taken_as_known_agree(compiled: Compiled) -> None:
    """`every` runs equal states once, from snapshots. The plain way, each from power-on to report, finds no other."""
    output = compiled("digits", "qemu_m4", SMALL_UF)
    engine, samples = rig(output)
    codes, expected = samples[0]
    cold = engine.nvm
    images = set()
    engine.sense(codes)
    for cut in range(1, 100_000, 997):
        engine.nvm = cold
        engine.power_on()
        assert not engine.run(cut)
        images.add(engine.nvm)
        engine.power_on()
        assert engine.run(10**9)
        assert engine.outputs() == expected.outputs
    assert committed_steps(output, images) & tile_steps(output)


def test_the_time_limit_ends_it_undecided(compiled: Compiled) -> None:
    engine, samples = rig(compiled("digits", "qemu_m4"))
    for mode in ("every", "random:1"):
        report = lose_power_on_board(engine, samples, mode, limit_s=0)
        assert (report.closed, report.divergences) == (False, 0)
        assert "time limit" in report.reason


def test_no_mode_but_those_named(compiled: Compiled) -> None:
    engine, samples = rig(compiled("digits", "qemu_m4"))
    assert lose_power_on_board(engine, samples, "none").closed
    with pytest.raises(ValueError, match="none, linear, random, every"):
        lose_power_on_board(engine, samples, "log")


def test_cuts_are_spread_over_the_whole_inference() -> None:
    from freeml.sim.power_loss.cuts import spread

    assert sorted(spread(10_007, None)) == list(range(1, 10_008))
    assert sorted(spread(1, None)) == [1]
    few = sorted(spread(100_000, 1_000))
    gaps = np.diff([0, *few, 100_000])
    assert gaps.max() < 3 * math.ceil(100_000 / 1_000)
