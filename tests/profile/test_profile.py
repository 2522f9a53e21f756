"""MeasuredPrices costs: they add up, nothing measured lies above them, and plans made with them make progress."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.board.cost_table import CostTable, read_cost_table
from freeml.cli import main
from freeml.errors import BadData, BadOutput, DoesNotFit
from freeml.output.folder import Output, read_output
from freeml.plan.calls import kernel_calls
from freeml.plan.measured import MeasuredPrices
from freeml.plan.planner import plan_graph
from freeml.plan.step_table import Kind
from freeml.plan.verify_tiles import verify_tiles
from freeml.sim import profile
from freeml.sim.board_device import board_device
from freeml.sim.device import Device, Step, Taken
from freeml.sim.profile import counted, fit, measure_steps, profile_output, random_codes, resized
from tests.deciding import deciding_graph

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits" / "digits.onnx"
BOARDS = ["msp430fr5994", "qemu_m4"]


@dataclass(frozen=True)
class Profiled:
    output: Output
    table: CostTable
    path: Path


@pytest.fixture(scope="module")
def profiled(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Profiled]:
    work = tmp_path_factory.mktemp("profile")
    made = {}
    for name in BOARDS:
        options = CompileOptions(board=name, samples=1, capacitor_uf=47)
        compile_model(DIGITS, work / name, data="digits", options=options)
        output = read_output(work / name)
        table = profile_output(output, "zig")
        path = work / f"{name}.json"
        path.write_text(json.dumps(table.model_dump(mode="json")))
        made[name] = Profiled(output, table, path)
    return made


def test_a_decision_keeps_the_price_of_its_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample shows one of its ways: one that stops by its scores reads no meter, another does."""
    planned = plan_graph(deciding_graph(), load_board("msp430fr5994"))
    assert planned.feasible is not None
    tiles, cheap = planned.feasible, Taken(cycles=1, charge_pc=1.0)
    steps = [Step(k, row.kind, None, row.depth, cheap, 0.0) for row in tiles.steps.rows for k in row.steps]
    for name, found in {"measure_steps": steps, "measure_boots": [], "measure_cold_start": cheap}.items():
        monkeypatch.setattr(profile, name, lambda *_, found=found: found)
    calls = {(call.op.output, call.operand): call for call in kernel_calls(planned.graph, planned.memory)}
    measured = profile.Found(planned.graph, calls)
    measured.add(cast("Device", None), b"", tiles)
    decisions = {step.key for step in tiles.fixed if step.kind is Kind.DECIDE}
    assert len(decisions) == 1
    assert measured.fixed.keys() == {step.key for step in (*tiles.fixed, tiles.cold_start)} - decisions
    assert measured.layers


@given(st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1e6)), min_size=1, max_size=20))
def test_no_measured_cost_lies_above_the_line(points: list[tuple[int, float]]) -> None:
    sizes, worst = zip(*points, strict=True)
    fixed, unit = fit(sizes, worst)
    assert unit >= 0
    for size, cost in points:
        assert fixed + unit * size >= cost - 1e-6 * max(1.0, cost)


def test_a_single_size_is_priced_in_proportion() -> None:
    assert fit([10], [500.0]) == (0.0, 50.0)
    assert fit([10, 10], [500.0, 700.0]) == (0.0, 70.0)


@pytest.mark.parametrize("board", BOARDS)
def test_steps_add_up_to_the_inference(board: str, profiled: Mapping[str, Profiled]) -> None:
    output = profiled[board].output
    device, _ = board_device(output, output.manifest.tiles, "zig")
    codes = random_codes(output.graph)
    steps = [counted(step) for step in measure_steps(device, codes)]
    device.infer(codes)  # results take two places in turn, which differ by an instruction: steps were of every second
    whole = device.infer(codes).taken
    assert whole is not None
    for count in ("instructions", "cycles", "nvm_bytes_written", "nvm_bytes_read"):
        took = sum(getattr(step, count) for step in steps)
        slack = 8 if count == "cycles" else 0  # the next inference finds other lines in the cache
        assert abs(took - getattr(whole, count)) <= slack


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("divisor", [1, 2, 3, 4, 1000])
def test_smaller_tiles_still_compute_every_unit_once(
    board: str, divisor: int, profiled: Mapping[str, Profiled]
) -> None:
    output = profiled[board].output
    plan = output.manifest.arena
    tiles = resized(output.graph, plan, output.board, output.manifest.tiles, divisor)
    assert tiles is not None
    verify_tiles(output.graph, plan, tiles)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("seed", [1, 2])
def test_no_step_takes_more_than_the_table_says(board: str, seed: int, profiled: Mapping[str, Profiled]) -> None:
    """Other samples than those that were profiled differ little: MSP430's shifts depend on the data."""
    output, table = profiled[board].output, profiled[board].table
    graph, target = output.graph, load_board(board)
    plan, tiles = output.manifest.arena, output.manifest.tiles
    device, _ = board_device(output, tiles, "zig")
    steps = [counted(step) for step in measure_steps(device, random_codes(graph, seed))]
    priced = MeasuredPrices(target, table)
    for call, layer in zip(kernel_calls(graph, plan), tiles.layers, strict=True):
        costs = priced.tiles(graph, call, np.array([layer.tile_units]))
        assert costs is not None
        allowed = costs.at(0).cycles - table.boot.cycles
        worst = max(steps[layer.first_tile + k].cycles for k in range(layer.n_tiles))
        assert worst <= allowed * 1.02


@pytest.mark.parametrize("board", BOARDS)
def test_a_plan_with_measured_costs_gives_the_same_answers(
    board: str, profiled: Mapping[str, Profiled], tmp_path: Path
) -> None:
    options = CompileOptions(board=board, samples=1, capacitor_uf=20, profile=profiled[board].path)
    made = compile_model(DIGITS, tmp_path / "out", data="digits", options=options)
    assert made.tiles.budget is not None
    assert all(made.tiles.budget.covers_one(layer.cost) for layer in made.tiles.layers if layer.cost)
    assert main(["verify", str(tmp_path / "out"), "--engine", "board", "--samples", "3"]) == 0


@pytest.mark.parametrize("board", BOARDS)
def test_a_plan_is_read_back_as_it_was_made(board: str, profiled: Mapping[str, Profiled], tmp_path: Path) -> None:
    """With measured costs tiles are others than without; whoever reads the folder gets the ones that it has."""
    options = CompileOptions(board=board, samples=1, capacitor_uf=20, profile=profiled[board].path)
    made = compile_model(DIGITS, tmp_path / "out", data="digits", options=options)
    found = read_output(tmp_path / "out").manifest
    assert (found.tiles, found.arena) == (made.tiles, made.plan)
    assert found.costs_sha256 == made.manifest.costs_sha256 is not None
    assert found.costs_sha256 != profiled[board].output.manifest.costs_sha256
    alike = resized(made.graph, found.arena, load_board(board), found.tiles, 1)  # another price list, the same tiles
    assert alike is not None
    assert [layer.cut for layer in alike.layers] == [layer.cut for layer in made.tiles.layers]
    assert alike.sram_bytes == made.tiles.sram_bytes
    assert alike.stage_bytes == made.tiles.stage_bytes


def test_a_staged_plan_with_measured_costs_is_profiled_within_its_buffer(tmp_path: Path) -> None:
    """nucleo_l476rg copies what a tile reads: larger tiles than with the board's own figures need larger buffers."""
    options = CompileOptions(board="nucleo_l476rg", samples=1, name="digits")
    compile_model(DIGITS, tmp_path / "first", data="digits", options=options)
    assert main(["profile", str(tmp_path / "first"), "--toolchain", "zig"]) == 0
    measured = replace(options, capacitor_uf=14, profile=tmp_path / "first" / "profile.json")
    compile_model(DIGITS, tmp_path / "out", data="digits", options=measured)
    found = read_output(tmp_path / "out").manifest
    assert found.tiles.sram_bytes == found.memory.tile_bytes
    assert main(["profile", str(tmp_path / "out"), "--toolchain", "zig"]) in (0, 1)


def test_a_plan_of_another_layout_is_refused(profiled: Mapping[str, Profiled], tmp_path: Path) -> None:
    folder = shutil.copytree(profiled["msp430fr5994"].output.folder, tmp_path / "out")
    text = (folder / "freeml.json").read_text()
    value = json.loads(text)["tiles"]["layers"][-1]["value"]
    changes: list[Callable[[dict[str, Any]], object]] = [
        lambda found: found["tiles"]["layers"][-1].update(first_tile=99),
        lambda found: found["tiles"]["layers"][-1].update(value="%nothing"),
        lambda found: found["tiles"]["layers"].pop(),
        lambda found: found["tiles"].update(commit_slots=3),
        lambda found: found["arena"]["offset_bytes"].update({value: 4096}),
        lambda found: found["arena"]["offset_bytes"].pop(value),
    ]
    for change in changes:
        found = json.loads(text)
        change(found)
        (folder / "freeml.json").write_text(json.dumps(found))
        with pytest.raises(BadOutput, match="another version"):
            read_output(folder)


def test_measured_costs_decide_what_is_refused(profiled: Mapping[str, Profiled], tmp_path: Path) -> None:
    """A table that is ten times dearer asks for a larger capacitor."""
    found = json.loads(profiled["msp430fr5994"].path.read_text())
    dear = tmp_path / "dear.json"
    for step in (found["boot"], *found["fixed"].values()):
        step["charge_pc"] *= 200
    dear.write_text(json.dumps(found))
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=10, profile=dear)
    with pytest.raises(DoesNotFit, match="uJ"):
        compile_model(DIGITS, None, data="digits", options=options)
    options = CompileOptions(board="msp430fr5994", samples=1, capacitor_uf=10)
    compile_model(DIGITS, None, data="digits", options=options)


def test_the_command_proves_progress_or_fails(
    profiled: Mapping[str, Profiled], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(profiled["msp430fr5994"].output.folder)
    to = str(tmp_path / "costs.json")
    assert main(["profile", out, "--to", to, "--toolchain", "zig", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fits"]
    assert 0 < max(step["share"] for step in found["steps"]) <= 1
    assert read_cost_table(to).by_signature.keys() == profiled["msp430fr5994"].table.by_signature.keys()
    assert main(["profile", out, "--to", to, "--toolchain", "zig", "--capacitor", "1uF"]) == 1
    assert "not every step fits" in capsys.readouterr().out


def test_costs_of_another_board_are_refused(profiled: Mapping[str, Profiled]) -> None:
    options = CompileOptions(board="msp430fr5994", samples=1, profile=profiled["qemu_m4"].path)
    with pytest.raises(BadData, match="measured on qemu_m4"):
        compile_model(DIGITS, None, data="digits", options=options)


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "not a cost table"), ("[]", "valid dictionary"), ("{}", "Field required"), ('{"boot": 1}', "Field required")],
)
def test_a_damaged_cost_table_is_told(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    path.write_text(content)
    with pytest.raises(BadData, match=says):
        read_cost_table(path)


def test_a_missing_cost_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="no such file"):
        read_cost_table(tmp_path / "none.json")
