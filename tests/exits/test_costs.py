"""What a decision takes on emulated boards is no more than planned; a profile goes with networks that have exits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from freeml.cli import main
from freeml.exits.deploy import ExitOptions
from freeml.firmware.build import Toolchain
from freeml.output.folder import read_output
from freeml.pipeline import CompileOptions, compile_model
from freeml.plan.step_table import Kind
from freeml.sim.engines import ENGINES
from tests.exits.test_compile import TRAIN
from tests.train.tasks import stripes


@pytest.mark.parametrize(
    ("board", "toolchain"), [("msp430fr5994", "gcc"), ("msp430fr5994", "zig"), ("nucleo_l073rz", "gcc")]
)
def test_no_decision_takes_more_than_planned(model: Path, tmp_path: Path, board: str, toolchain: Toolchain) -> None:
    exits = ExitOptions("auto", "shared", "confident-or-energy", epochs=2)
    compile_model(
        model, tmp_path / "out", data=TRAIN, options=CompileOptions(board=board, exits=exits, toolchain=toolchain)
    )
    output = read_output(tmp_path / "out")
    device = ENGINES["board"]().start(output, toolchain).model.device
    tiles = output.manifest.tiles
    planned = tiles.fixed_of(Kind.DECIDE).cost
    assert planned is not None
    assert tiles.restore is not None
    quant = output.graph.types[output.graph.inputs[0].value].quant
    assert quant is not None
    device.power_on()
    most = 0
    for image in stripes(8, 3).real_inputs()[0]:
        device.sense(quant.quantize(image).tobytes())
        for step in iter(device.step, None):
            if step.kind is Kind.DECIDE and step.taken is not None:
                most = max(most, step.taken.cycles)
            if step.kind is Kind.REPORT:
                break
    assert 0 < most <= (planned - tiles.restore).cycles


def test_a_profile_of_a_network_with_exits_proves_its_progress_and_plans_it_again(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Decisions, and the report behind an early end, which the measured inference leaves out, have the plan's price."""
    made = CompileOptions(board="qemu_m4", exits=ExitOptions("auto", "shared", "global:0.9", epochs=2))
    compile_model(model, tmp_path / "out", data=TRAIN, options=made)
    assert main(["profile", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    tiles = read_output(tmp_path / "out").manifest.tiles
    judged = {step["loc"]: step for step in found["steps"]}
    for step in tiles.fixed:
        assert step.cost is not None
        assert 0 < judged[step.key]["cycles"] <= step.cost.cycles
    left_out = {step.key for step in tiles.fixed} - found["fixed"].keys()
    assert left_out == {tiles.fixed_of(Kind.DECIDE).key, "report 0"}
    again = replace(made, profile=tmp_path / "out" / "profile.json")
    compile_model(model, tmp_path / "again", data=TRAIN, options=again)
    assert read_output(tmp_path / "again").manifest.tiles.n_tiles > 0
