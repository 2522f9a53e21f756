"""Generated C: the bytes of small models, names that no compiler trips over, and the interpreter's results."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fixed_graphs
import numpy as np
import pytest
from float_graphs import Network, networks
from host import check, computes, files_of, includes, load, program_of, sources, write
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from plan_graphs import int8_graphs

from freeml.board.board import load_board
from freeml.codegen.generate import comment_text
from freeml.codegen.names import Names, identifier
from freeml.errors import BadOutput, DoesNotFit, ToolFailed, UnsupportedOp
from freeml.firmware.toolchain import find_host_compiler, find_zig
from freeml.ir import decision
from freeml.ir.decision import lasting
from freeml.ir.graph import Graph
from freeml.kernels.layer import merged_axes
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.output.folder import MANIFEST, check_target, write_folder
from freeml.passes.pipeline import run_passes
from freeml.plan.planner import plan_graph
from freeml.plan.protocol import ARENA
from freeml.plan.step_table import Kind
from freeml.quantize.lower import lower
from freeml.quantize.observe import observe
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
GOLDENS = {"dense": fixed_graphs.tiny_dense, "cnn": fixed_graphs.tiny_cnn, "residual": fixed_graphs.tiny_residual}
TARGETS = {
    "cortex_m4": ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4"),
    "msp430": ("-target", "msp430-freestanding-eabi", "-mcpu=msp430+hwmultf5"),
}
FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


# ---- golden files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(GOLDENS))
def test_generated_files_are_what_was_reviewed(kind: str, update_golden: bool) -> None:
    graph = GOLDENS[kind]()
    files = {
        name: text for name, text in files_of(program_of(graph)).items() if not name.startswith(("runtime/", "hal/"))
    }
    folder = GOLDEN / graph.name
    if update_golden:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        write(files, folder)
    kept = {path.name: path.read_text() for path in folder.iterdir()} if folder.is_dir() else {}
    assert sorted(kept) == sorted(files), "golden files are missing: look at the output, then run with --update-golden"
    for name, text in files.items():
        assert text == kept[name], f"{name} changed: look at the difference, then run with --update-golden"


@pytest.mark.parametrize("kind", sorted(GOLDENS))
def test_golden_models_run_as_the_interpreter_does(kind: str, tmp_path: Path) -> None:
    check(GOLDENS[kind](), tmp_path)


def test_the_same_graph_gives_the_same_bytes_and_no_path_or_date() -> None:
    first, second = (files_of(program_of(fixed_graphs.every_kernel())) for _ in range(2))
    assert first == second
    assert not [name for name, text in first.items() if str(Path.home()) in text or "/work" in text]


# ---- every kernel, every target --------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimise", ["-O0", "-O3"])
def test_a_model_with_every_kernel_runs_as_the_interpreter_does(optimise: str, tmp_path: Path) -> None:
    check(fixed_graphs.every_kernel(), tmp_path, n_samples=20, optimise=optimise)


def test_that_model_uses_every_kernel_of_the_runtime() -> None:
    used = {name for name in files_of(program_of(fixed_graphs.every_kernel())) if name.endswith(".c")}
    portable = Path(__file__).resolve().parents[2] / "runtime_c" / "kernels" / "portable"
    # kernels of parts of an element serve the runtime that survives power loss, which cuts layers into tiles; those of
    # stored forms, and heads of exits, have networks of their own
    whole = [path for path in portable.glob("*.c") if "_part_" not in path.name and "coded_" not in path.name]
    whole = [path for path in whole if not path.name.startswith("fml_exit_")]
    assert {f"runtime/{path.name}" for path in whole} <= used


@pytest.mark.parametrize("target", sorted(TARGETS))
@pytest.mark.parametrize("kind", ["cnn", "every kernel"])
def test_models_compile_for_boards_without_a_warning_or_a_libc(target: str, kind: str, tmp_path: Path) -> None:
    graph = fixed_graphs.every_kernel() if kind == "every kernel" else GOLDENS[kind]()
    write(files_of(program_of(graph)), tmp_path)
    zig = find_zig()
    assert zig is not None, "ziglang is a development dependency: pip install ziglang"
    flags = ["-c", "-Os", "-ffreestanding", *TARGETS[target]]
    source = tmp_path / f"{graph.name}.c"
    zig.compile([source], [tmp_path, tmp_path / "runtime"], tmp_path / "model.o", flags, shared=False)
    assert (tmp_path / "model.o").stat().st_size > 0


def test_the_host_program_compiles_and_answers_over_pipes(tmp_path: Path) -> None:
    import subprocess

    from freeml.ir.interpret import interpret

    graph = GOLDENS["cnn"]()
    write(files_of(program_of(graph)), tmp_path)
    program = [tmp_path / "main.c", tmp_path / f"{graph.name}.c", *sources(tmp_path)]
    compiler = find_host_compiler()
    flags = [*compiler.host_flags, "-O1"]
    compiler.compile(program, includes(tmp_path), tmp_path / "program", flags, shared=False)
    codes = np.random.default_rng(0).integers(-128, 128, (5, 6, 6, 1), dtype=np.int8)
    done = subprocess.run([tmp_path / "program"], input=codes.tobytes(), capture_output=True, check=True)
    (expected,) = interpret(graph, {graph.inputs[0].value: codes}).values()
    assert done.stdout == expected.tobytes()


def test_two_models_link_into_one_program(tmp_path: Path) -> None:
    from freeml.firmware.host import build_host_library

    first, second = GOLDENS["dense"](), GOLDENS["cnn"]()
    for graph in (first, second):
        write(files_of(program_of(graph)), tmp_path)
    models = [tmp_path / f"{g.name}.c" for g in (first, second)]
    both = tmp_path / "both.c"
    both.write_text(f'#include "{first.name}.h"\n#include "{second.name}.h"\n')
    everything = [*models, *sources(tmp_path), both]
    library = build_host_library(everything, includes(tmp_path), tmp_path / "both.so", optimise="-O0")
    loaded = ctypes.CDLL(str(library))
    assert all(ctypes.c_char.in_dll(loaded, f"{graph.name}_model") is not None for graph in (first, second))


# ---- sizes are asserted ----------------------------------------------------------------------------------------------


def compile_text(files: dict[str, str], name: str, folder: Path) -> None:
    write(files, folder)
    compiler = find_host_compiler()
    flags = ["-c", *compiler.host_flags]
    compiler.compile([folder / f"{name}.c"], [folder, folder / "runtime"], folder / "m.o", flags, shared=False)


def _grown(text: str, after: str) -> str:
    head, tail = text.split(after, 1)
    number, rest = tail.split("u", 1)
    return f"{head}{after}{int(number) + 1}u{rest}"


def _without_last_number(text: str) -> str:
    """The first table claims one element fewer, and has one fewer."""
    comment, declaration, tail = text.split("[", 2)  # the comment above the table has the shape in brackets
    head = f"{comment}[{declaration}"
    size, rest = tail.split("]", 1)
    body, end = rest.split("\n};", 1)
    shorter = body.rstrip().rstrip(",").rsplit(",", 1)[0]
    return f"{head}[{int(size) - 1}]{shorter},\n}};{end}"


FAULTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "a weight too few": ("_weights.h", _without_last_number),
    "another arena": (".h", lambda text: _grown(text, "_ARENA_BYTES ")),
    "another sum of weights": (".h", lambda text: _grown(text, "_WEIGHTS_BYTES ")),
}


@pytest.mark.parametrize("kind", sorted(FAULTS))
def test_a_wrong_size_stops_the_compiler(kind: str, tmp_path: Path) -> None:
    graph = GOLDENS["cnn"]()
    files = files_of(program_of(graph))
    suffix, fault = FAULTS[kind]
    name = f"{graph.name}{suffix}"
    compile_text(files, graph.name, tmp_path / "good")
    broken = {**files, name: fault(files[name])}
    assert broken[name] != files[name]
    with pytest.raises(ToolFailed, match="fml_assert"):
        compile_text(broken, graph.name, tmp_path / "bad")


def test_the_program_states_the_sizes_of_plan_and_tables() -> None:
    graph = GOLDENS["residual"]()
    program = program_of(graph)
    assert program.weights_bytes == sum(table.n_bytes for table in program.tables)
    assert len({table.rows for table in program.tables}) == len(program.tables), "a table was stored twice"
    for port, table in zip((*graph.inputs, *graph.outputs), (*program.inputs, *program.outputs), strict=True):
        assert table.n_bytes == graph.types[port.value].size_bytes
        assert table.offset_bytes + table.n_bytes <= program.arena_bytes


@pytest.mark.parametrize("kind", ["dense", "add", "softmax", "argmax"])
def test_sizes_beyond_the_kernels_counters_are_refused_with_the_node(kind: str) -> None:
    b = fixed_graphs.Fixed()
    x = b.input(65_536)
    more = {"dense": (1,), "add": (x,)}.get(kind, ())
    graph = b.graph(getattr(b, kind)(x, *more))
    with pytest.raises(UnsupportedOp, match="65535") as caught:
        kernel_of(graph, graph.ops[-1]).layer(graph, graph.ops[-1], 0, VARIANTS["portable"])
    assert caught.value.where.startswith("/")


@given(st.lists(st.integers(1, 4), min_size=1, max_size=6), st.data())
def test_merged_axes_address_the_same_elements(dims: list[int], data: st.DataObject) -> None:
    strides = []
    for _ in range(2):
        steps, step = [], 1
        for n in reversed(dims):
            steps.append(data.draw(st.sampled_from((0, step))))
            step *= n
        strides.append(steps[::-1])
    merged, steps = merged_axes(dims, strides)
    for before, after in zip(strides, steps, strict=True):
        assert addresses(dims, before) == addresses(merged, after)


def addresses(dims: list[int], strides: list[int]) -> list[int]:
    grid = np.indices(dims).reshape(len(dims), -1)
    return (np.array(strides) @ grid).tolist()


# ---- names -----------------------------------------------------------------------------------------------------------

HOSTILE = [
    "",
    "int",
    "7seas",
    "*/ int x; /*",
    "*\\",
    "//*//",
    "??/",
    "????/",
    "back\\",
    "line\nbreak",
    "tab\tand\0nul",
    "naïve Größe \U0001f600",
    "x" * 300,
    "x" * 300 + "y",
    "fml_conv_i8",
    "fml_port_t",
    "run",
    "model",
    "layers",
    "compute",
    "partial",
    "finish",
    "inputs",
    "outputs",
    "nvm",
    "nvm_t",
    "weights",
    "weights_bytes",
    "arena_bytes",
    "a",
    "A",
    "a.weight",
    "a_weight",
    "a/weight/0",
    "a_0",
    "a_weight_2",
    "%s%n{d}{x0}",
    "{{ program }}",
    '"quoted"',
    "#include <x>",
    "__LINE__",
    "main",
    "NULL",
]


def renamed(graph: Graph, names: list[str], model: str) -> Graph:
    """Values, nodes and ports with hostile names."""
    values = {op.output: names[k % len(names)] + ("" if k < len(names) else str(k)) for k, op in enumerate(graph.ops)}
    values |= {p.value: f"in {names[k]}" for k, p in enumerate(graph.inputs)}
    ops = [
        replace(
            op,
            output=values[op.output],
            inputs=tuple(values.get(i, i) for i in op.inputs),
            loc=names[(7 * k) % len(names)],
        )
        for k, op in enumerate(graph.ops)
    ]
    types = {values.get(name, name): type_ for name, type_ in graph.types.items()}
    outs = [replace(p, value=values[p.value], name=names[(3 * k) % len(names)]) for k, p in enumerate(graph.outputs)]
    ins = [replace(p, value=values[p.value], name=names[5 + k]) for k, p in enumerate(graph.inputs)]
    return replace(graph, name=model, ops=tuple(ops), types=types, outputs=tuple(outs), inputs=tuple(ins))


def chain(length: int) -> Graph:
    b = fixed_graphs.Fixed()
    x = b.input(3)
    for k in range(length):
        x = b.dense(x, 3) if k % 3 else b.lut(x)
    y = b.concat(0, x, b.lut(x), x)
    return b.graph(y, b.softmax(y))


@pytest.mark.parametrize("order", ["as listed", "backwards"])
def test_names_of_any_kind_give_c_that_compiles_and_runs(order: str, tmp_path: Path) -> None:
    names = HOSTILE if order == "as listed" else HOSTILE[::-1]
    graph = renamed(chain(len(names)), names, identifier(names[0]))
    check(graph, tmp_path)


@pytest.mark.parametrize("rival", ["a.weight", "a_bias", "a/mult", "A_SHIFT"])
def test_a_table_of_one_layer_and_another_layer_may_have_the_same_name(rival: str, tmp_path: Path) -> None:
    """Layer "a" has a table a_weight; a layer called "a.weight" has a descriptor of that name."""
    for place, names in enumerate((["a", rival], [rival, "a"])):
        check(renamed(GOLDENS["dense"](), [*names, *"bcdefgh"], "m"), tmp_path / str(place))


@pytest.mark.parametrize(
    "name", ["stdint", "string", "features", "int", "main", "fml", "fml_model", "x" * 200, "9", "", "clean", "é"]
)
def test_a_model_of_any_name_compiles(name: str, tmp_path: Path) -> None:
    graph = replace(GOLDENS["dense"](), name=identifier(name))
    check(graph, tmp_path)
    assert not (tmp_path / "stdint.h").exists()


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_an_identifier_is_one_in_c_whatever_it_is_made_from(text: str) -> None:
    name = identifier(text)
    assert name.isascii()
    assert name.isidentifier()
    assert len(name) <= 60
    assert not name.startswith(("fml", "_"))
    assert identifier(text) == name


@given(st.lists(st.text(alphabet="aA_1.", max_size=4), max_size=30))
def test_no_two_names_meet(texts: list[str]) -> None:
    names = Names()
    made = [names.unique(text, stem="layer") for text in texts]
    assert len(set(made)) == len(made)


@given(st.text(alphabet="*/\\?<>%: a\n\u2028é", max_size=40))
@settings(max_examples=500)
def test_no_text_ends_a_comment_continues_a_line_or_makes_a_trigraph(text: str) -> None:
    shown = comment_text(text)
    for forbidden in ("*/", "/*", "\\", "??", "\n"):
        assert forbidden not in shown
    assert shown.isascii()
    assert "*/" not in f"{shown} */"[:-2]


# ---- random networks -------------------------------------------------------------------------------------------------


@FEW
@given(networks(batch=1))
def test_a_random_network_in_c_gives_the_interpreters_bytes(network: Network) -> None:
    graph = run_passes(network.graph)
    quantized = lower(graph, assign_scales(graph, observe(graph, network.samples), RULES["min-max"]))
    assume(computes(quantized))
    with tempfile.TemporaryDirectory() as folder:
        check(quantized, Path(folder))


@FEW
@given(int8_graphs())
def test_a_random_integer_graph_in_c_gives_the_interpreters_bytes(graph: Graph) -> None:
    assume(graph.outputs and computes(graph))
    with tempfile.TemporaryDirectory() as folder:
        check(graph, Path(folder))


@settings(FEW, max_examples=25)
@given(int8_graphs(), st.sampled_from((4, 16, 64)))
def test_the_bytes_do_not_depend_on_how_small_the_tiles_are(graph: Graph, tile_bytes: int) -> None:
    assume(graph.outputs and computes(graph))
    with tempfile.TemporaryDirectory() as folder:
        try:
            check(graph, Path(folder), tile_bytes=tile_bytes)
        except DoesNotFit:
            assume(False)  # one row of a softmax or one pixel of a pool is the least a tile can be


def test_each_step_can_run_alone_as_the_simulator_runs_it(tmp_path: Path) -> None:
    from freeml.ir.interpret import interpret

    graph = GOLDENS["residual"]()
    model = load(graph, tmp_path)
    codes = {p.value: np.full((1, *graph.types[p.value].shape), 9, np.int8) for p in graph.inputs}
    program = program_of(graph)
    device = model.device
    device.power_on()
    device.sense(b"".join(array.tobytes() for array in codes.values()))
    steps = [device.step() for _ in range(program.n_steps - 1)]
    assert [step.index for step in steps] == list(range(program.n_steps - 1))
    assert (steps[0].kind, steps[1].kind, steps[-1].kind) == (Kind.CAPTURE, Kind.TILES, Kind.PUBLISH)
    port, expected = program.outputs[0], interpret(graph, codes, lasting(graph))
    output = expected[graph.outputs[0].value]
    start = ARENA + port.offset_bytes
    assert device.nvm[start : start + port.n_bytes] == output.tobytes()
    assert device.step().kind is Kind.REPORT
    published = device.result()
    assert (published.sequence, published.depth) == (1, 1)
    classes, confidences = decision.published(graph, expected)
    assert (published.class_index, published.confidence) == (int(classes[0]), int(confidences[0]))


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_freeml_did_not_write_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(BadOutput, match="did not write"):
        write_folder(tmp_path, {MANIFEST: "{}"})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_is_replaced_as_a_whole_and_a_failure_leaves_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_folder(out, {MANIFEST: "{}", "old.c": "old"})
    with pytest.raises(BadOutput):
        write_folder(out, {MANIFEST: "{}", "a": "file", "a/b": "cannot be in a file"})
    assert (out / "old.c").read_text() == "old"
    write_folder(out, {MANIFEST: "{}", "new/c.c": b"new"})
    assert sorted(path.name for path in out.iterdir()) == [MANIFEST, "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_or_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name in ("file", "link"):
        with pytest.raises(BadOutput):
            check_target(tmp_path / name)


def test_a_model_that_computes_nothing_is_refused() -> None:
    b = fixed_graphs.Fixed()
    graph = b.graph(b.reshape(b.input(2, 3, 1), 6))
    with pytest.raises(UnsupportedOp, match="computes nothing"):
        plan_graph(graph, load_board("host"))
