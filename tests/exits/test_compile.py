"""From a model to a folder whose C stops early where it is sure: what compile, verify and closure make of exits."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.errors import BadBoard, BadData, BadOutput
from freeml.exits.deploy import ExitOptions
from freeml.exits.tune import Choice
from freeml.firmware.build import build_firmware
from freeml.firmware.host import build_host_program
from freeml.ir.decision import published, published_values
from freeml.ir.interpret import encode_inputs, interpret
from freeml.output.folder import Output, read_output
from freeml.pipeline import CompileOptions, compile_model
from freeml.plan.protocol import PUBLISHED, REFINED, RESULT_SLOT_BYTES, RESULTS
from freeml.retune import at_depth, tune_folder
from freeml.sim.check import verify_output
from freeml.sim.device import steps_to_report
from freeml.sim.host import host_device
from freeml.sim.power_loss.host import lose_power_on_host
from freeml.sim.selftest import run_samples
from tests.train.tasks import stripes

TRAIN = replace(stripes(300, 1), name="stripes")


def compiled(model: Path, out: Path, policy: str, board: str = "host", head: str = "shared") -> Output:
    exits = ExitOptions("auto", head, policy, epochs=4)  # type: ignore[arg-type]
    compile_model(model, out, data=TRAIN, options=CompileOptions(board=board, exits=exits))
    return read_output(out)


@pytest.mark.parametrize("policy", ["fixed:1", "global", "searched", "heuristic", "entropy:0.5"])
def test_each_policy_gives_the_interpreters_answers(model: Path, tmp_path: Path, policy: str) -> None:
    output = compiled(model, tmp_path / "out", policy)
    found = verify_output(output, stripes(60, 3))
    assert found.mismatches == 0, found.first_mismatch
    assert sum(found.depths) == 60
    if policy == "fixed:1":
        assert found.depths[0] == 60
    assert output.manifest.exits is not None
    assert [one.depth for one in output.manifest.exits.at] == list(range(1, len(found.depths) + 1))


@pytest.mark.parametrize("policy", ["fixed:1", "global:0.6"])
def test_the_host_program_says_where_each_sample_ended_and_its_class(model: Path, tmp_path: Path, policy: str) -> None:
    folder = tmp_path / "out"
    output = compiled(model, folder, policy)
    folders = [folder, folder / "runtime", folder / "hal"]
    program = build_host_program([path for one in folders for path in sorted(one.glob("*.c"))], folders, tmp_path / "p")
    inputs = encode_inputs(output.graph, stripes(20, 3).real_inputs())
    (codes,) = inputs.values()
    ran = subprocess.run([program], input=codes.tobytes(), capture_output=True, check=False)
    assert ran.returncode == 0
    lines = [tuple(map(int, line.split())) for line in ran.stdout.decode().splitlines()]
    n = len(output.graph.exits) + 1
    at = [
        published(output.graph, interpret(output.graph, inputs, published_values(output.graph)), k)
        for k in range(1, n + 1)
    ]
    depths = {depth for depth, *_ in lines}
    assert depths == {1} if policy == "fixed:1" else len(depths) > 1
    assert [(c, conf) for _, c, conf in lines] == [
        (at[d - 1][0][i], at[d - 1][1][i]) for i, (d, *_) in enumerate(lines)
    ]


def test_answers_of_one_inference_get_deeper_and_scores_can_be_read(model: Path, tmp_path: Path) -> None:
    output = compiled(model, tmp_path / "out", "fixed:2")
    device = host_device(output)
    device.power_on()
    quant = output.graph.types[output.graph.inputs[0].value]
    device.sense(bytes(quant.n_elems))
    found = []
    status = 0
    while status != PUBLISHED:
        status = device.library.fml_step(device.ram)
        newest = device.newest()
        if status == REFINED:
            assert newest is not None
            scores = (ctypes.c_int32 * output.graph.types[output.graph.exits[0].value].n_elems)()
            span = ctypes.c_uint16(0), ctypes.c_uint16(len(scores))
            assert device.library.fml_read_scores(device.ram, *span, scores) == 0
            assert int(np.argmax(scores)) == newest.class_index
        if status in (REFINED, PUBLISHED):
            assert newest is not None
            found.append((newest.sequence, newest.depth))
    n = len(output.graph.exits) + 1
    assert found == [(1, depth) for depth in range(1, n + 1)]


@pytest.mark.parametrize("policy", ["searched", "confident-or-energy"])
def test_any_power_losses_leave_compiled_exits_their_answers(model: Path, tmp_path: Path, policy: str) -> None:
    """A policy of energy with a reading on each side of each level."""
    board = "host" if policy == "searched" else "msp430fr5994"
    output = compiled(model, tmp_path / "out", policy, board)
    report = lose_power_on_host(output, "all", stripes(5, 3))
    assert (report.closed, report.divergences) == (True, 0), report.reason
    levels = output.manifest.tiles.levels_uj
    assert bool(levels) == (policy != "searched")


def test_only_the_policy_that_was_chosen_is_linked(model: Path, tmp_path: Path) -> None:
    output = compiled(model, tmp_path / "out", "confident-or-energy", "msp430fr5994")
    linked = build_firmware(output, tmp_path / "firmware.elf").firmware.symbols
    symbols = {name: size for name, (_, size) in linked.items() if name.startswith(("fml_policy", "fml_exits"))}
    assert {"fml_policy_confidence_or_energy", "fml_policy_answer", "fml_exits_stops_by_energy"} <= set(symbols)
    assert not {"fml_policy_entropy", "fml_policy_deadline", "fml_exits_stops_by_time"} & set(symbols)
    assert sum(symbols.values()) <= 1536


@pytest.mark.parametrize(
    ("policy", "board"),
    [("sometimes", "host"), ("energy", "host"), ("deadline:5", "qemu_m4"), ("fixed:7", "host"), ("deadline:0", "host")],
)
def test_a_policy_that_cannot_be_is_refused_before_anything_is_read_or_trained(policy: str, board: str) -> None:
    options = CompileOptions(board=board, exits=ExitOptions(policy=policy))
    with pytest.raises((BadData, BadBoard)) as refused:
        compile_model("nowhere.onnx", options=options)
    assert refused.value.where == "--policy"


def test_a_deadline_is_refused_where_nothing_keeps_time(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BadBoard, match="no timekeeper"):
        compiled(model, tmp_path / "out", "deadline:20", "msp430fr5994")
    output = compiled(model, tmp_path / "out", "confident-or-deadline:20")
    report = lose_power_on_host(output, "all", stripes(5, 3))
    assert (report.closed, report.divergences) == (True, 0), report.reason


@pytest.mark.parametrize(
    "text",
    [
        "sometimes",
        "fixed",
        "fixed:x",
        "fixed:0",
        "fixed:1.5",
        "searched:3",
        "deadline",
        "deadline:0.5",
        "global:-1",
        "energy:1",
    ],
)
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(BadData, match="policy"):
        Choice.parse(text)


@pytest.mark.parametrize(
    ("text", "hint"), [("global:90", "from 0 to 1"), ("global:1.5", "from 0 to 1"), ("entropy:900", "from 0 to 8")]
)
def test_a_threshold_that_no_answer_reaches_is_refused_with_its_unit(text: str, hint: str) -> None:
    with pytest.raises(BadData) as error:
        Choice.parse(text)
    assert hint in (error.value.hint or "")


def test_a_firmware_that_ends_at_an_exit_is_judged_by_what_it_publishes_there(model: Path, tmp_path: Path) -> None:
    """What the upload to an emulated board says: the network's own outputs are not computed then."""
    output = compiled(model, tmp_path / "out", "fixed:1", "qemu_m4")
    elf = tmp_path / "firmware.elf"
    build_firmware(output, elf)
    assert output.board.memory_map is not None
    verdicts = list(run_samples(output, elf, output.board.memory_map))
    assert [one.passed for one in verdicts] == [True] * 3, verdicts


def test_tuning_changes_the_table_and_neither_the_model_nor_the_inference_that_goes_on(
    model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    before = compiled(model, out, "fixed:2")  # at the end
    old = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    device = host_device(before)
    device.power_on()
    device.sense(bytes(64))
    device.step()
    image = device.nvm
    tune_folder(out, None, "fixed:1")
    after = read_output(out)
    new = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    changed = {str(path) for path in new if old.get(path) != new[path]}
    assert changed == {f"runtime/{after.graph.name}_policy.c", "freeml.json"}
    flashed = host_device(after)
    flashed.nvm = image
    flashed.power_on()
    flashed.sense(bytes([99] * 64))  # another sample, which a device that began anew would capture
    steps = list(steps_to_report(flashed))
    assert steps[0].index == 1, "it goes on behind the capture"
    assert flashed.result().depth == 1
    table = after.manifest.tiles.policy
    assert table is not None
    digest = table.head[-1].to_bytes(4, "little")
    assert any(flashed.nvm[at : at + 4] == digest for at in (RESULTS + 12, RESULTS + RESULT_SLOT_BYTES + 12))


def test_a_network_without_exits_has_no_policy_to_tune(model: Path, tmp_path: Path) -> None:
    compile_model(model, tmp_path / "out", data=TRAIN)
    with pytest.raises(BadOutput, match="no policy to tune"):
        tune_folder(tmp_path / "out", None, "fixed:1")
    with pytest.raises(BadOutput, match="it has one depth"):
        at_depth(read_output(tmp_path / "out"), 1, tmp_path / "one")


def test_a_folder_at_one_depth_answers_there(model: Path, tmp_path: Path) -> None:
    output = compiled(model, tmp_path / "out", "searched")
    one = at_depth(output, 1, tmp_path / "one")
    assert verify_output(one, stripes(20, 3)).depths[0] == 20
    with pytest.raises(BadData, match="depth 9"):
        at_depth(output, 9, tmp_path / "nine")


def test_another_policy_is_the_same_model(model: Path, tmp_path: Path) -> None:
    """Its identity, by which NVM is believed, too: or a device would begin anew with each table."""
    texts = []
    for number, policy in enumerate(("searched", "global:0.3")):
        output = compiled(model, tmp_path / str(number), policy)
        texts.append((output.folder / f"{output.graph.name}.c").read_text())
    assert texts[0] == texts[1]
