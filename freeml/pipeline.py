"""THE list of stages: from a model to a folder of C, in the order it happens.

load -> float passes -> quantize -> plan -> generate -> measure -> write. Each stage is a call to a
lower layer; nothing here computes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from freeml.board.board import Board, load_board
from freeml.board.cost_table import read_cost_table
from freeml.c_files import c_files
from freeml.codegen.names import identifier
from freeml.codegen.program import Program
from freeml.data import Dataset, fit_inputs, load
from freeml.data.accuracy import answers, rating, score
from freeml.data.findings import calibration_findings, joined, model_findings, range_findings
from freeml.errors import BadData, ToolMissing
from freeml.exits.answers import by_depth
from freeml.exits.attach import attached, exposed
from freeml.exits.deploy import ExitOptions, exits_for
from freeml.exits.tune import Choice, tuned
from freeml.firmware.build import Toolchain, find_cross_compiler
from freeml.firmware.measure import measure_firmware
from freeml.firmware.size import Size, measure_files
from freeml.frontend.load import LoadedModel, load_model
from freeml.ir.graph import Graph
from freeml.needs import plan_linked
from freeml.output.describe import exits_of, manifest_of
from freeml.output.folder import check_target, output_files, write_folder
from freeml.output.manifest import Manifest, Model, Options
from freeml.passes.pipeline import run_passes
from freeml.plan.counts import Counts, count_ops
from freeml.plan.memory import MemoryPlan
from freeml.plan.planner import Planned
from freeml.plan.result_line import line_warning
from freeml.plan.steps import TilePlan
from freeml.quantize.errors import LayerError, layer_errors
from freeml.quantize.scales import missing
from freeml.quantize.search import MAX_SAMPLES, Quantized, quantize
from freeml.version import __version__

Progress = Callable[[str], None]
_SILENT: Progress = lambda _: None  # noqa: E731


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """What a user may choose.

    board    a name of `freeml boards`, or the path of a TOML file
    name     prefix of everything in the generated C; from the model's file name where None
    split    the split whose accuracy is reported; calibration always uses the calibration split
    samples  at most this many samples of it (all where None)
    capacitor_uf  capacitance in microfarad instead of the board's own
    profile  a file of `freeml profile`: tiles are planned, and progress is proved, with its measured costs
    toolchain  compiler of the firmware whose sizes the manifest has: "auto", "zig", "gcc" as in `freeml build`
    nvm      what the NVM guarantees, instead of the board's own: a word of Board.with_nvm
    exits    answers on the way through the network; None: at its end alone
    """

    board: str = "host"
    name: str | None = None
    split: str = "test"
    samples: int | None = None
    capacitor_uf: float | None = None
    nvm: str | None = None
    profile: str | Path | None = None
    toolchain: Toolchain = "auto"
    exits: ExitOptions | None = None


@dataclass(frozen=True)
class CompileResult:
    """Everything the compiler found out; `manifest` is what freeml.json holds."""

    graph: Graph
    float_graph: Graph
    quantized: Quantized
    plan: MemoryPlan
    tiles: TilePlan
    counts: Counts
    program: Program
    board: Board
    manifest: Manifest = field(repr=False)
    out_dir: Path | None = None


def compile_model(
    model: Any,
    out: str | Path | None = None,
    *,
    data: str | Dataset | None = None,
    example_inputs: Any = None,
    options: CompileOptions | None = None,
    progress: Progress = _SILENT,
    dump_dir: Path | None = None,
    beside: Mapping[str, bytes] | None = None,
) -> CompileResult:
    """Compile a network to C.

    model           path of .onnx, .tflite, .pt2; "package.module:function"; a torch module or exported program
    out             folder to write; nothing is written where None
    data            a data specification or a Dataset: calibration samples and, with labels, accuracy; a model that is
                    already quantized needs none. A torch module may be calibrated on `example_inputs` alone.
    example_inputs  a tuple of tensors, for a torch module
    beside          more files of the folder, by relative path
    Raises FreemlError with what, where and what to change. An existing output folder is replaced only on success.
    """
    options = options or CompileOptions()
    board = load_board(options.board)
    if options.nvm is not None:
        board = board.with_nvm(options.nvm)
    board = for_toolchain(board, options.toolchain)
    if options.profile is not None:
        board = board.with_costs(read_cost_table(options.profile))
    if out is not None:
        check_target(Path(out))
    policy = None if options.exits is None else options.exits.choice(board)
    progress("read the model")
    loaded = load_model(model, example_inputs)
    name = identifier(options.name or loaded.name)
    float_graph = optimise(loaded, name, dump_dir)
    made = None if options.exits is None else exits_for(float_graph, options.exits, data, progress)
    if made is None:
        quantized = quantize_with(float_graph, data, example_inputs, progress)
    else:
        float_graph = made.graph
        # The network's own answer alone says which ranges are best: with exits it says what it says without.
        own = [port.value for port in float_graph.outputs]
        quantized = quantize_with(exposed(float_graph, made.heads), data, example_inputs, progress, own)
        quantized = replace(quantized, graph=attached(quantized.graph, made.heads, float_graph).graph)
    progress("plan memory")
    planned = planned_graph(quantized.graph, board, options.capacitor_uf, options.toolchain)
    if policy is not None:
        # Of trained exits never the samples that they learned: they are surer of those.
        held = None if made is None or made.held is None else made.held.take(2 * MAX_SAMPLES)
        planned = decided(planned, board, policy, held or calibration_dataset(float_graph, data))
    graph, plan, tiles = planned.graph, planned.memory, planned.feasible
    progress("generate C")
    program, files = c_files(graph, plan, tiles, board, header=_header(loaded, board, name), windows=planned.windows)
    progress("measure code and stack")
    memory, compiler = measure_memory(program, files, board, options.toolchain)
    board.check_fit(**{region: memory[region] for region in ("flash_bytes", "nvm_bytes", "sram_bytes")})
    rated, found = rate(float_graph, graph, data, options, progress)
    silent = line_warning(tiles, board)
    said = [note for note in (silent, planned.windows.note) if note]
    warnings = joined(model_findings(float_graph), quantized.warnings, found, said)
    counts = count_ops(graph, board.kernels)
    manifest = manifest_of(
        planned,
        board,
        counts,
        model=Model(name=loaded.name, sha256=loaded.digest),
        options=Options(split=options.split, samples=options.samples),
        memory=memory,
        compiler=compiler,
        accuracy=rated,
        quantized=quantized,
        warnings=warnings,
        exits=None if made is None or options.exits is None else exits_of(planned, made, options.exits.policy),
    )
    if out is not None:
        progress("write the output folder")
        write_folder(Path(out), files | output_files(manifest, graph, float_graph) | dict(beside or {}))
    out_dir = None if out is None else Path(out)
    return CompileResult(graph, float_graph, quantized, plan, tiles, counts, program, board, manifest, out_dir)


def planned_graph(graph: Graph, board: Board, capacitor_uf: float | None, toolchain: Toolchain = "auto") -> Planned:
    """What is decided before C. Raises DoesNotFit where it does not do."""
    planned = plan_linked(graph, board, toolchain, capacitor_uf)
    if planned.refusal is not None:
        raise planned.refusal
    return planned


def decided(planned: Planned, board: Board, choice: Choice, dataset: Dataset | None) -> Planned:
    """With the temperatures of its exits and the table of its policy, of calibration samples where there are some."""
    tiles = planned.feasible
    known = None if dataset is None else by_depth(planned.graph, dataset)
    found = tuned(planned.graph, tiles, board, choice, known)
    return replace(planned, graph=found.graph, tiles=replace(tiles, policy=found.policy))


def for_toolchain(board: Board, toolchain: Toolchain) -> Board:
    """The board with cycles of its kernels as the compiler that will build the firmware makes them."""
    if board.cycles is None:
        return board
    if board.memory_map is None:
        return board.with_compiler(None)
    try:
        return board.with_compiler(find_cross_compiler(toolchain, board.memory_map).version)
    except ToolMissing:
        return board.with_compiler(None)


def optimise(loaded: LoadedModel, name: str, dump_dir: Path | None = None) -> Graph:
    """The float graph after all passes, named as the C will be."""
    return run_passes(replace(loaded.graph, name=name), dump_dir=dump_dir)


def quantize_with(
    graph: Graph,
    data: str | Dataset | None,
    example_inputs: Any = None,
    progress: Progress = _SILENT,
    ends: Collection[str] | None = None,
) -> Quantized:
    """Quantize with the calibration split of the data, or with the example inputs of a torch module; ends: as there.

    What is odd about the samples is among the warnings of what is returned.
    """
    try:
        dataset = calibration_dataset(graph, data)
    except BadData as error:
        if missing(graph) or not error.what.startswith("no split"):
            raise
        dataset = None  # the model has its own scales
    if dataset is None:
        if example_inputs is None:
            return quantize(graph, None, progress, ends=ends)
        arrays = tuple(np.asarray(x.detach().cpu().numpy() if hasattr(x, "detach") else x) for x in example_inputs)
        return quantize(graph, arrays, progress, ends=ends)
    quantized = quantize(graph, dataset.real_inputs(), progress, dataset.place, ends)
    if not quantized.errors:  # the model's own scales: the samples found nothing
        return replace(quantized, warnings=tuple(range_findings(dataset, quantized.graph)))
    found = joined(calibration_findings(dataset, graph), quantized.warnings)
    return replace(quantized, rule=dataset.rule, n_samples=quantized.n_samples, warnings=tuple(found))


quantise = quantize_with  # the name of before, for scripts that were written against it


def calibration_dataset(graph: Graph, data: str | Dataset | None) -> Dataset | None:
    """Samples of the calibration split in the shapes the graph reads; None without data."""
    if data is None:
        return None
    dataset = load(data, "calibration", limit=2 * MAX_SAMPLES) if isinstance(data, str) else data.take(2 * MAX_SAMPLES)
    return fit_inputs(dataset, [port.shape for port in graph.inputs])


def rated_dataset(graph: Graph, data: str | Dataset, split: str, samples: int | None) -> Dataset:
    """Samples of a split in the shapes the graph reads."""
    dataset = load(data, split, limit=samples) if isinstance(data, str) else data
    if samples is not None and len(dataset) > samples:
        dataset = dataset.take(samples)
    return fit_inputs(dataset, [port.shape for port in graph.inputs])


def rate(
    float_graph: Graph,
    graph: Graph,
    data: str | Dataset | None,
    options: CompileOptions,
    progress: Progress = _SILENT,
) -> tuple[dict[str, Any], list[str]]:
    """How good both graphs are on the chosen split, as the manifest has it, and what is odd about its samples.

    None each where there are no labels or no such split.
    """
    nothing: dict[str, Any] = {"kind": None, "float": None, "int8": None, "samples": 0, "split": None, "data": None}
    nothing |= {"rule": None, "note": None}
    if data is None:
        return nothing, []
    try:
        dataset = rated_dataset(float_graph, data, options.split, options.samples)
    except BadData as error:
        if options.split != "test" or not error.what.startswith("no split"):
            raise
        return {**nothing, "note": error.what}, []  # calibration samples alone are a legal data set
    found = range_findings(dataset, graph)
    if dataset.labels is None and dataset.targets is None:
        return {**nothing, "note": "the samples have no labels"}, found
    inputs = dataset.real_inputs()
    progress(f"run the float network on {len(dataset)} samples")
    exact, notes = score(float_graph, answers(float_graph, inputs), dataset)
    progress(f"run the int8 network on {len(dataset)} samples")
    coded, more = score(graph, answers(graph, inputs), dataset)
    return rating(exact, coded, dataset, notes), [*found, *joined(notes, [] if notes else more)]


def inspect_errors(float_graph: Graph, quantized: Quantized, data: str | Dataset) -> list[LayerError]:
    """Where int8 loses, layer by layer, on up to 256 calibration samples."""
    dataset = calibration_dataset(float_graph, data)
    assert dataset is not None
    return layer_errors(quantized.reference, quantized.graph, [array[:256] for array in dataset.real_inputs()])


def measure_memory(
    program: Program, files: Mapping[str, str | bytes], board: Board, toolchain: Toolchain
) -> tuple[dict[str, int], str]:
    """Bytes by region, and the compiler that they are of.

    Those of the linked firmware where this machine can build it for the board: what the linker's map says. Else what
    the host's compiler makes of the C. Raises DoesNotFit, ToolFailed.
    """
    made = measure_firmware(files, program.name, board.memory_map, toolchain) if board.memory_map else None
    if made is None:
        size = measure_files(program.name, files)
        return memory_table(program, size), size.compiler
    size = Size(
        flash_bytes=made.size.flash_bytes,
        code_bytes=made.size.flash_bytes - program.weights_bytes,
        ram_bytes=made.size.ram_bytes - program.sram_bytes,
        stack_bytes=made.stack_bytes,
        compiler=made.compiler,
    )
    return {**memory_table(program, size), "nvm_bytes": made.size.nvm_bytes}, made.compiler


def memory_table(program: Program, size: Size) -> dict[str, int]:
    """Bytes by region. Activations live in NVM; SRAM holds one tile, the scratch of one kernel and the stack.

    stage_bytes: of tile_bytes, the most that inputs of a tile take where NVM is not memory-mapped.
    """
    return {
        "flash_bytes": size.flash_bytes,
        "code_bytes": size.code_bytes,
        "weights_bytes": program.weights_bytes,
        "nvm_bytes": program.nvm_bytes,
        "arena_bytes": program.arena_bytes,
        "sram_bytes": program.sram_bytes + size.stack_bytes + size.ram_bytes,
        "tile_bytes": program.tile_bytes,
        "stage_bytes": program.stage_bytes,
        "scratch_bytes": program.scratch_bytes,
        "stack_bytes": size.stack_bytes,
    }


def _header(loaded: LoadedModel, board: Board, name: str) -> list[str]:
    return [
        f"/* {name}, generated by freeml {__version__} for board {board.name}. Do not edit: compile the model again.",
        f" * model sha256 {loaded.digest} */",
    ]
