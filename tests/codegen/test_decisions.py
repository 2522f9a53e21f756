"""Networks with exits in C: decisions are rows of the table, and each answer is the interpreter's at its depth."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from host import HEADER, includes, sources, write

from freeml.board.board import load_board
from freeml.codegen.emit import render, runtime_files
from freeml.codegen.generate import generate
from freeml.exits import heads
from freeml.firmware.host import build_host_library
from freeml.ir.decision import needed_for
from freeml.ir.graph import Graph
from freeml.ir.types import Decision
from freeml.ir.verify import InvalidGraphError, verify_graph
from freeml.plan.planner import lay_out
from freeml.plan.schedule import schedule
from freeml.plan.step_table import Kind
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import verify_tiles
from freeml.sim.answers import answers_of
from freeml.sim.device import Step, steps_to_report
from freeml.sim.host import HostDevice
from freeml.sim.power_loss.explorer import build_rig
from freeml.sim.steps import ModelSteps
from tests.deciding import NEVER, deciding_graph, with_policy, write_policy
from tests.exits.test_attach import with_heads


def device_of(
    graph: Graph, folder: Path, *rows: tuple[int, int], is_staged: bool = False, sram_bytes: int = 24
) -> HostDevice:
    """The model on this machine, whose policy has these rows."""
    board = load_board("host")
    if is_staged:
        board = board.model_copy(update={"nvm": board.nvm.model_copy(update={"kind": "spi_fram"})})
    graph, memory = lay_out(graph)
    tiles = with_policy(
        verify_tiles(graph, memory, plan_tiles(graph, memory, board, sram_tile_bytes=sram_bytes)), *rows
    )
    program = generate(graph, memory, tiles, header=HEADER)
    write({**render(program), **runtime_files(program)}, folder)
    write_policy(folder / "runtime")
    library = build_host_library([folder / f"{graph.name}.c", *sources(folder)], includes(folder), folder / "model.so")
    sizes = {"nvm_bytes": program.nvm_bytes, "sram_bytes": program.sram_bytes}
    return HostDevice(library, graph, ModelSteps.of(tiles), **sizes, is_staged=is_staged)


def inferences(device: HostDevice, graph: Graph, n_samples: int = 12) -> list[list[Step]]:
    """Steps of each, every report the interpreter's of its depth."""
    rng = np.random.default_rng(3)
    shapes = {port.value: graph.types[port.value].shape for port in graph.inputs}
    samples = {name: rng.integers(-128, 128, (n_samples, *shape), dtype=np.int8) for name, shape in shapes.items()}
    found = []
    device.power_on()
    for number, (codes, answer) in enumerate(answers_of(graph, samples), 1):
        device.sense(codes)
        found.append(list(steps_to_report(device)))
        assert answer.wrong(device.outputs(), device.result(), number) == ""
        assert found[-1][-2].depth == device.result().depth
    return found


@pytest.mark.parametrize("is_staged", [False, True], ids=["mapped", "staged"])
def test_a_network_that_is_sure_stops_and_says_what_the_interpreter_says(tmp_path: Path, is_staged: bool) -> None:
    graph = deciding_graph()
    device = device_of(graph, tmp_path, (40, 0), (20, 0), is_staged=is_staged)
    depths = Counter(steps[-2].depth for steps in inferences(device, graph))
    assert set(depths) == {1, 2, 3}, "some stop at each exit, some at none"


@pytest.mark.parametrize("is_staged", [False, True], ids=["mapped", "staged"])
@pytest.mark.parametrize("kind", ["gnet", "shared", "separate"])
def test_heads_of_exits_in_c_give_the_interpreters_sums(kind: heads.Kind, is_staged: bool, tmp_path: Path) -> None:
    _, made = with_heads("signal", kind)
    graph = replace(made.graph, exits=tuple(replace(one, shift=20, softness=None) for one in made.graph.exits))
    rows = [(70, 0), (40, 0)]
    device = device_of(graph, tmp_path, *rows, is_staged=is_staged, sram_bytes=200)
    depths = Counter(steps[-2].depth for steps in inferences(device, graph, 24))
    assert set(depths) == {1, 2, 3}


@pytest.mark.parametrize(
    ("energy_uj", "depth"), [(5, 1), (50, 2), (500, 3)], ids=["little energy", "some energy", "much energy"]
)
def test_energy_says_how_deep_the_network_runs(tmp_path: Path, energy_uj: int, depth: int) -> None:
    graph = deciding_graph()
    device = device_of(graph, tmp_path, (NEVER, 10), (NEVER, 100))
    device.meter(energy_uj)
    for steps in inferences(device, graph, 3):
        assert steps[-2].depth == depth
        assert [step.kind for step in steps].count(Kind.DECIDE) == min(depth, 2)
        assert [step.index for step in steps[:-1]] == list(range(len(steps) - 1)), "none is left out before it stops"


def test_any_power_losses_leave_a_network_with_exits_its_answers(tmp_path: Path) -> None:
    """With every reading of the meter at each decision, and each decision made again."""
    graph = deciding_graph()
    device_of(graph, tmp_path, (40, 10), (20, 100))
    runtime = sorted((tmp_path / "runtime").glob("*.c"))
    rig = build_rig([tmp_path / f"{graph.name}.c", *runtime], includes(tmp_path), graph.name, tmp_path / "crash.so")
    for behaviour in load_board("host").nvm.behaviours:
        report = rig.explore("all", behaviour, n_inferences=1)
        assert (report.closed, report.divergences) == (True, 0), f"{behaviour}: {report.reason}"
        decisions = [row for row in report.per_layer if row.name.startswith("decision")]
        assert [row.closed for row in decisions] == [True, True]


def test_what_an_exit_does_not_need_runs_after_its_decision() -> None:
    """Also where fewer bytes would be live in another order."""
    graph = deciding_graph()
    late = replace(graph, ops=(graph.ops[0], graph.ops[2], graph.ops[4], graph.ops[1], *graph.ops[3:4], *graph.ops[5:]))
    ordered = [op.output for op in schedule(verify_graph(late), in_place=False).ops]
    needed: frozenset[str] = frozenset()
    for made in graph.exits:
        needed |= needed_for(graph, made.value)
        assert set(ordered[: len(needed)]) == needed


def test_every_step_of_a_network_with_exits_is_priced() -> None:
    graph, memory = lay_out(deciding_graph())
    tiles = plan_tiles(graph, memory, load_board("msp430fr5994"), sram_tile_bytes=512)
    costs = {step.key: step.cost for step in tiles.fixed}
    assert list(costs) == ["capture 16", "decide 3", "publish 3", "report 3", "report 0"]
    assert all(cost is not None for cost in costs.values())
    decide, publish = costs["decide 3"], costs["publish 3"]
    assert decide is not None
    assert publish is not None
    assert decide.charge_pc > publish.charge_pc, "it writes more, and reads the record before"


@pytest.mark.parametrize(
    "exits",
    [
        (Decision("scores", "nothing", 0),),
        (Decision("threshold", "v1", 0),),
        (Decision("scores", "v3", 0), Decision("scores", "v1", 0)),
        (Decision("scores", "v1", 0), Decision("scores", "v1", 0)),
    ],
    ids=["of no value", "of a threshold", "from deep to shallow", "twice"],
)
def test_exits_that_are_none_are_refused(exits: tuple[Decision, ...]) -> None:
    graph = deciding_graph()
    names = {f"v{k}": op.output for k, op in enumerate(graph.ops)}
    wrong = tuple(replace(made, value=names.get(made.value, made.value)) for made in exits)
    with pytest.raises(InvalidGraphError, match=r"exit|decision"):
        verify_graph(replace(graph, exits=wrong))
