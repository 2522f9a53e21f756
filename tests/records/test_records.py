"""What a device publishes is what the interpreter says, on every engine: class, confidence, depth, and the number.

The samples have ties for the largest score, which decide nothing about the outputs and everything about the class.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from freeml import CompileOptions, compile_model
from freeml.data import Dataset
from freeml.firmware.build import Toolchain
from freeml.ir.interpret import encode_inputs, interpret
from freeml.output.folder import Output, read_output
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.on_board import OnBoard
from freeml.sim.power_loss.host import lose_power_on_host
from tests.effort import PATIENCE_S
from tests.msp430_firmware.conftest import HAS_GCC
from tests.msp430_firmware.networks import calibration

N_INPUTS, N_SAMPLES = 6, 40
TWINS = (1, 3)
BOARDS = [
    ("qemu_m4", "zig"),
    ("msp430fr5994", "zig"),
    pytest.param("msp430fr5994", "gcc", marks=pytest.mark.skipif(not HAS_GCC, reason="no msp430-elf-gcc")),
    ("msp430fr5969", "zig"),
    ("nucleo_l476rg", "zig"),
]
every_board = pytest.mark.parametrize(("board", "toolchain"), BOARDS)
Tied = Callable[[str], Output]

# What is wrong, in fml_runtime.c: the text and what replaces it.
MISTAKES = {
    "numbers anew at each boot": ("ram->sequence = newest.sequence;", "ram->sequence = 0;"),
    "the last maximum instead of the first": ("if (score > best) {", "if (score >= best) {"),
    "the class after": ("record->class_index = i;", "record->class_index = (uint16_t)(i + 1u);"),
    "a confidence too high": ("(uint8_t)(best - second)", "(uint8_t)(best - second + 1)"),
    "a runner-up that is overlooked": ("} else if (score > second) {", "} else if (score > second && i > 99u) {"),
    "no depth": ("record.depth = (uint8_t)row->products;", "record.depth = (uint8_t)(0u * row->products);"),
    "a number twice": ("ram->sequence = record.sequence;", "ram->sequence = record.sequence & ~1u;"),
    "a number left out": ("return next == 0 ? 1 : next;", "return next == 0 ? 1 : next + (next & 1u);"),
}


def tied_network(path: Path) -> Path:
    """Four scores of six inputs, two of them equal whatever the input, and the largest of most."""
    rng = np.random.default_rng(3)
    weight = rng.normal(size=(N_INPUTS, 4)).astype(np.float32)
    weight[:, TWINS[1]] = weight[:, TWINS[0]]
    bias = np.array([0, 1, 0, 1], dtype=np.float32)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, N_INPUTS])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    constants = [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], "tied", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def tied(tmp_path_factory: pytest.TempPathFactory) -> Tied:
    """The network compiled for a board."""
    work = tmp_path_factory.mktemp("tied")
    model, data = tied_network(work / "tied.onnx"), str(calibration(work / "tied.npz", N_INPUTS))
    done: dict[str, Output] = {}

    def compiled(board: str) -> Output:
        if board not in done:
            compile_model(model, work / board, data=data, options=CompileOptions(name="tied", board=board, samples=1))
            done[board] = read_output(work / board)
        return done[board]

    return compiled


def with_mistake(output: Output, folder: Path, mistake: str) -> Output:
    copy = read_output(shutil.copytree(output.folder, folder / "copy"))
    path, (old, new) = copy.folder / "runtime" / "fml_runtime.c", MISTAKES[mistake]
    assert path.read_text().count(old) == 1, f"{old} has changed: this test would test nothing"
    path.write_text(path.read_text().replace(old, new))
    return copy


def test_the_samples_have_ties_for_the_largest_score_and_others(tied: Tied) -> None:
    graph = tied("host").graph
    values = interpret(graph, encode_inputs(graph, random_dataset(graph, N_SAMPLES).real_inputs()))
    scores = values[graph.outputs[0].value]
    is_tied = scores[:, TWINS[0]] == scores.max(axis=1)
    assert (scores[:, TWINS[0]] == scores[:, TWINS[1]]).all()
    assert {True, False} == set(is_tied.tolist())


def test_the_build_for_this_machine_publishes_what_the_interpreter_says(tied: Tied) -> None:
    output = tied("host")
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES))
    assert (checked.mismatches, checked.first_mismatch) == (0, "")
    assert lose_power_on_host(output, "all", random_dataset(output.graph, 2)).divergences == 0


# Those that show in one power cycle; and those that one inference of a cycle can show.
WITHOUT_LOSS = [mistake for mistake in MISTAKES if mistake != "numbers anew at each boot"]
IN_EACH_CYCLE = [mistake for mistake in MISTAKES if mistake != "a number twice"]


@pytest.mark.parametrize("mistake", WITHOUT_LOSS)
def test_a_wrong_record_of_the_build_for_this_machine_is_a_mismatch(mistake: str, tied: Tied, tmp_path: Path) -> None:
    output = with_mistake(tied("host"), tmp_path, mistake)
    checked = verify_output(output, random_dataset(output.graph, N_SAMPLES))
    assert checked.mismatches
    assert "published" in checked.first_mismatch


@every_board
def test_a_firmware_reports_what_the_interpreter_says(board: str, toolchain: Toolchain, tied: Tied) -> None:
    output = tied(board)
    on_board = OnBoard.start(output, toolchain)
    dataset = random_dataset(output.graph, N_SAMPLES)
    checked = verify_output(output, dataset, model=on_board.model)
    assert (checked.mismatches, checked.first_mismatch) == (0, "")
    assert on_board.lose_power(dataset, "random:1", limit_s=PATIENCE_S).divergences == 0


@pytest.mark.parametrize("mistake", WITHOUT_LOSS)
def test_a_wrong_report_of_a_firmware_is_a_mismatch(mistake: str, tied: Tied, tmp_path: Path) -> None:
    output = with_mistake(tied("msp430fr5994"), tmp_path, mistake)
    dataset = random_dataset(output.graph, N_SAMPLES)
    checked = verify_output(output, dataset, model=OnBoard.start(output, "zig").model)
    assert checked.mismatches
    assert "published" in checked.first_mismatch


@pytest.mark.parametrize(
    ("mode", "mistake"),
    [
        *(("random:1", mistake) for mistake in WITHOUT_LOSS),
        *(("every", mistake) for mistake in MISTAKES),
        *(("all", mistake) for mistake in IN_EACH_CYCLE),
    ],
)
def test_a_wrong_report_of_a_firmware_is_found_by_losses(mode: str, mistake: str, tied: Tied, tmp_path: Path) -> None:
    output = with_mistake(tied("qemu_m4" if mode == "all" else "msp430fr5994"), tmp_path, mistake)
    report = OnBoard.start(output, "zig").lose_power(tie_first(output), mode, limit_s=PATIENCE_S)
    assert (report.divergences, report.closed) == (1, False)
    assert "report" in report.reason


def tie_first(output: Output) -> Dataset:
    """Samples of which the first has a tie for the largest score: "every" and "all" see one."""
    graph, dataset = output.graph, random_dataset(output.graph, N_SAMPLES)
    scores = interpret(graph, encode_inputs(graph, dataset.real_inputs()))[graph.outputs[0].value]
    first = int(np.argmax(scores[:, TWINS[0]] == scores.max(axis=1)))
    return random_dataset(graph, N_SAMPLES) if first == 0 else replace(dataset, inputs=(dataset.inputs[0][first:],))
