"""A network made small end to end: compressed, written as ONNX, compiled from that file, its C run, its bytes counted.

What is reported is of the file that is written and of the C that it becomes. Test samples are read here and once; all
that is chosen was chosen before, on others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from freeml.board.board import Board, load_board
from freeml.compress.cost import FIGURE, OPTION, stored_of
from freeml.compress.driver import compress
from freeml.compress.judge import Metric, judged_alone, measured
from freeml.compress.samples import Data, Samples
from freeml.compress.types import Bounds, Compressed, Method, Progress, bounds_in_kb
from freeml.data import Dataset
from freeml.data.accuracy import Answers, agreement, answers, score
from freeml.data.splits import CALIBRATION
from freeml.errors import BadData, ToolMissing
from freeml.firmware.build import Toolchain, build_firmware
from freeml.firmware.host import build_host_library
from freeml.firmware.stored import Account, account
from freeml.firmware.toolchain import replace_file
from freeml.frontend.load import load_model
from freeml.frontend.onnx.write import to_onnx
from freeml.ir.graph import Graph
from freeml.ir.interpret import encode_inputs
from freeml.ir.ops import Conv, Dense
from freeml.output.folder import Output, read_output
from freeml.pipeline import CompileOptions, CompileResult, compile_model, for_toolchain, optimise, rated_dataset
from freeml.plan.encode import encoded
from freeml.plan.inference import inference_cost
from freeml.sim.board_device import board_device
from freeml.sim.device import Taken
from freeml.sim.host import host_device
from freeml.sim.profile import counted, measure_steps
from freeml.sim.sampled import SampledDevice
from freeml.train.loop import Augment
from freeml.train.objective import OwnLoss

# Emulators run some millions of cycles a second: above this an inference is priced by the plan.
_MOST_EMULATED_CYCLES = 200_000_000


@dataclass(frozen=True, slots=True)
class Accuracies:
    """On the rows of one split: of the dense float network, of the same in int8, and of the C that was emitted.

    split  "calibration" where no sample was left that took no part
    kind   "accuracy"; "r2" of a regression; "agreement" with the dense float network where there are no labels;
           "metric", the user's own. 0 to 1, but of a metric
    """

    dense_float: float
    dense_int8: float
    emitted: float
    kind: str
    split: str
    n_samples: int

    @property
    def drop_points(self) -> float:
        """Dense float less emitted, in points."""
        return 100 * (self.dense_float - self.emitted)


@dataclass(frozen=True, slots=True)
class Inference:
    """What one inference of the small network takes on the board, and what the figures are from."""

    cycles: int | None
    energy_uj: float | None
    basis: str


@dataclass(frozen=True)
class Compression:
    """A finished compression: what was found, the file, and what its C takes and gives.

    model       bytes of the QDQ ONNX file
    output      the folder that was compiled from it; gone where nobody asked to keep it
    account     of its firmware, or of the library for this machine where the board has none (`counted` says which)
    accuracies  None where there is nothing to measure on: `note` says why, or what samples were not unseen
    """

    compressed: Compressed
    model: bytes
    memory: Mapping[str, int]
    account: Account
    counted: str
    accuracies: Accuracies | None
    inference: Inference
    note: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """4 bytes for each parameter of the network given, over the bytes stored of the small one."""
        return self.compressed.dense_bytes / max(1, self.account.stored.total)

    def as_dict(self) -> dict[str, Any]:
        """The JSON object of `freeml compress`."""
        found, rated = self.compressed, self.accuracies
        return {
            "method": found.method,
            "board": found.board,
            "bounds": {**found.bounds.limits(), "keep": list(found.bounds.keep)},
            "dense_bytes": found.dense_bytes,
            "stored_bytes": {**asdict(self.account.stored), "total": self.account.stored.total},
            "table_bytes": self.account.table_bytes,
            "decoder_bytes": self.account.decoder_bytes,
            "counted": self.counted,
            "ratio": self.ratio,
            "accuracy": {
                "dense_float": rated.dense_float if rated else None,
                "dense_int8": rated.dense_int8 if rated else None,
                "emitted": rated.emitted if rated else None,
                "kind": rated.kind if rated else None,
                "samples": rated.n_samples if rated else 0,
                "note": self.note or None,
                "calibration": asdict(found.accuracy),
            },
            "drop_points": rated.drop_points if rated else None,
            "arena_bytes": self.memory["arena_bytes"],
            "sram_bytes": self.memory["sram_bytes"],
            "flash_bytes": self.memory["flash_bytes"],
            "nvm_bytes": self.memory["nvm_bytes"],
            "cycles": self.inference.cycles,
            "energy_uj": self.inference.energy_uj,
            "inference_basis": self.inference.basis,
            "planned": asdict(found.cost),
            "dense_planned": asdict(found.dense_cost),
            "layers": [asdict(layer) for layer in found.layers],
            "frontier": [asdict(point) for point in found.frontier],
            "split": {**found.split, "measured": rated.split if rated else None},
            "seeds": dict(found.seeds),
            "seconds": found.seconds,
            "warnings": list(self.warnings),
        }


def compress_model(
    model: Any,
    data: Data,
    out: str | Path | None = None,
    *,
    board: str = "host",
    bounds: Bounds | None = None,
    target_kb: float | None = None,
    method: Method = "auto",
    seed: int = 0,
    workspace: str | Path | None = None,
    loss: OwnLoss | None = None,
    metric: Metric | None = None,
    augment: Augment | None = None,
    test: Dataset | None = None,
    samples: int | None = None,
    name: str | None = None,
    toolchain: Toolchain = "auto",
    example_inputs: Any = None,
    training: Mapping[str, Any] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Compression:
    """Make a pre-trained float network small, and measure what comes out.

    model    as `compile_model` takes it
    bounds   what it must keep to; target_kb, in its place, is a bound of stored bytes
    out      the QDQ ONNX file to write, when all has been measured; nothing is written where None
    data     a specification, whose splits train, calibration and test are used; or datasets, with `test` beside them
    samples  at most this many of the test samples
    training  effort and precision, as `driver.compress` has them
    loss, metric, augment, workspace, seed: as `freeml.compress.driver.compress` has them
    Raises FreemlError with what, where and what to change.
    """
    if bounds is not None and target_kb is not None:
        raise BadData(
            "both bounds and target_kb are given, and a bound on stored bytes may stand in either",
            where="target_kb",
            hint="give it as Bounds(target_bytes=..), or target_kb alone",
        )
    target = None if out is None else _checked_target(Path(out))
    made = for_toolchain(load_board(board), toolchain)
    loaded = load_model(model, example_inputs)
    graph = optimise(loaded, name or "network")
    found = compress(
        graph,
        data,
        board=made,
        bounds=with_nodes(graph, bounds or bounds_in_kb(target_kb=target_kb)),
        method=method,
        seed=seed,
        workspace=None if workspace is None else Path(workspace),
        loss=loss,
        metric=metric,
        augment=augment,
        toolchain=toolchain,
        on_progress=on_progress,
        **(training or {}),
    )

    def tell(stage: str) -> None:
        on_progress(Progress(stage, 1.0, found.accuracy.small_int8, found.cost.stored_bytes, None))

    with tempfile.TemporaryDirectory(prefix="freeml-compress-") as work:
        path = Path(work) / f"{Path(loaded.name).name}.onnx"
        path.write_bytes(content := to_onnx(stored_graph(found, made), described(found)))
        tell("compile the small network")
        options = CompileOptions(board=board, name=name, toolchain=toolchain)
        compile_model(path, Path(work) / "out", options=options)
        output = read_output(Path(work) / "out")
        counts, counted = _accounted(output, made, toolchain, Path(work))
        dataset, note = _unseen(graph, data, test, samples, found.samples)
        if dataset is not None:
            tell(f"run its C on {'the ' + dataset.split + ' samples' if note else 'samples nobody has seen'}")
        try:
            rated = None if dataset is None else _rated(graph, found, output, dataset, metric)
        except NothingToRate as error:  # it was trained to give what the network given gives: the file stands
            rated, note = None, str(error)
        tell("run one inference on the board")
        inference = _inference(found, output, made, toolchain)
        if target is not None:
            replace_file(path, target)
    memory = output.manifest.memory.model_dump()
    alone = judged_alone(graph, found.samples.calibration, metric)
    warnings = (alone,) if alone else ()
    return Compression(found, content, memory, counts, counted, rated, inference, note, warnings)


def stored_graph(found: Compressed, board: Board) -> Graph:
    """The float graph with its layers' constants stored as is best on the board: what the file says, too."""
    integers = encoded(found.quantized, board).consts
    consts = {}
    for op in found.graph.ops:
        for name, kind in zip(op.inputs[1:], ("weight", "bias"), strict=False) if isinstance(op, Conv | Dense) else ():
            encoding = integers[f"{op.output}.{kind}"].encoding
            consts[name] = replace(found.graph.consts[name], encoding=encoding)
    return found.graph.with_ops(found.graph.ops, consts=consts)


def described(found: Compressed) -> dict[str, str]:
    """What the file says of itself beside its layers: how it was made."""
    return {
        "freeml.method": found.method,
        "freeml.board": found.board,
        "freeml.dense_bytes": str(found.dense_bytes),
        "freeml.seeds": " ".join(f"{stage}={seed}" for stage, seed in sorted(found.seeds.items())),
    }


def _checked_target(path: Path) -> Path:
    """Where the file goes. Raises BadData before anything is trained where it cannot be written."""
    if path.suffix.lower() != ".onnx":
        raise BadData(f"the small network is an ONNX file, not {path.suffix or 'one without ending'}", where=str(path))
    if not path.parent.is_dir():
        raise BadData("there is no such folder to write to", where=str(path.parent), hint="make it first")
    if path.is_dir():
        raise BadData("there is a folder of that name", where=str(path), hint="give the name of a file")
    return path


def _accounted(output: Output, board: Board, toolchain: Toolchain, work: Path) -> tuple[Account, str]:
    """Of the firmware, or of this machine's library where the board has no firmware or no compiler here."""
    name = output.graph.name
    if board.memory_map is not None:
        try:
            built = build_firmware(output, work / "firmware.elf", toolchain)
            return account(built.firmware.path, name), f"firmware by {built.compiler.version}"
        except ToolMissing:
            pass
    library = build_host_library(output.sources, output.include_dirs, work / "library.so", optimise="-O2")
    return account(library, name), "library for this machine"


def _unseen(
    graph: Graph, data: Data, test: Dataset | None, samples: int | None, known: Samples
) -> tuple[Dataset | None, str]:
    """Samples that took no part, or None and why there are none.

    Where all of them took part, those that were held back from training are measured on instead, by their own name;
    the note says so, as it does where some took part.
    """
    if test is None and not isinstance(data, str):
        return None, "no test samples were given"
    try:
        dataset = rated_dataset(graph, data if test is None else test, "test", samples)  # type: ignore[arg-type]
    except BadData as error:
        if not error.what.startswith("no split"):
            raise
        return None, error.what
    n = known.among(dataset)
    if n == len(dataset):
        held = known.calibration if samples is None else known.calibration.take(samples)
        why = "no unseen samples: those of the split test trained or calibrated, so held-back ones are measured on"
        return replace(held, split=CALIBRATION), why
    return dataset, f"{n:,} of these samples are among those that trained or calibrated, too" if n else ""


def _rated(graph: Graph, found: Compressed, output: Output, dataset: Dataset, metric: Metric | None) -> Accuracies:
    inputs = dataset.real_inputs()
    exact = answers(graph, inputs)
    networks = {"dense_int8": answers(found.dense_quantized, inputs), "emitted": answers_of_c(output, inputs)}
    kind, of_float = _figure(graph, exact, exact, dataset, metric)
    figures = {key: _figure(graph, given, exact, dataset, metric)[1] for key, given in networks.items()}
    return Accuracies(of_float, **figures, kind=kind, split=dataset.split, n_samples=len(dataset))


def answers_of_c(output: Output, samples: list[Any] | tuple[Any, ...]) -> Answers:
    """What the C of a compiled folder says, built for this machine: outputs, and the classes that it published."""
    device = SampledDevice(host_device(output), output.graph)
    outputs = device.run(encode_inputs(output.graph, samples))
    classes = np.array([result.class_index for result in device.published], dtype=np.int64)
    reals = []
    for port in output.graph.outputs:
        quant, codes = output.graph.types[port.value].quant, outputs[port.value]
        reals.append(port.from_memory(codes if quant is None else quant.dequantize(codes)))
    return Answers(tuple(reals), classes)


class NothingToRate(Exception):
    """Neither labels nor classes: there is no figure for the answers of this network."""


def _figure(graph: Graph, given: Answers, exact: Answers, dataset: Dataset, metric: Metric | None) -> tuple[str, float]:
    """How good answers are, and by which measure. Raises NothingToRate."""
    if metric is not None:
        try:
            return "metric", measured(metric, given.outputs[0].reshape(len(dataset), -1), dataset)
        except BadData as error:  # of these samples alone: it gave numbers while the network was made
            raise NothingToRate(error.what) from error
    rated, notes = score(graph, given, dataset)
    if rated.accuracy is not None:
        return "accuracy", rated.accuracy
    if rated.r2 is not None:
        return "r2", rated.r2
    same = agreement(given.classes, exact.classes)
    if same is None:
        raise NothingToRate("; ".join(notes) or "the network decides nothing that could be measured")
    return "agreement", same


def _inference(found: Compressed, output: Output, board: Board, toolchain: Toolchain) -> Inference:
    """By the emulated board where that takes no minutes, else by the plan's worst case; without a report's line."""
    planned = Inference(found.cost.cycles, found.cost.energy_uj, "the plan's worst case")
    if board.memory_map is None or (found.cost.cycles or 0) > _MOST_EMULATED_CYCLES:
        return planned
    try:
        device, _ = board_device(output, output.manifest.tiles, toolchain)
    except ToolMissing:
        return planned
    steps = measure_steps(device, bytes(sum(output.graph.types[port.value].size_bytes for port in output.graph.inputs)))
    taken = sum((counted(step) for step in steps), Taken(charge_pc=0.0))
    budget = output.manifest.tiles.budget
    energy_uj = None if budget is None or taken.charge_pc is None else budget.energy_uj(taken.charge_pc)
    return Inference(taken.cycles, energy_uj, f"small: one inference on the emulated board; {device.basis}")


def exceeded_by_exits(found: Compression, result: CompileResult) -> list[str]:
    """Bounds that the small network kept to and the same with exits does not, in words: what they take comes on top."""
    if result.manifest.exits is None:
        return []
    inference, cost = inference_cost(result.tiles), found.compressed.cost
    without: dict[str, float | None] = {"stored_bytes": cost.stored_bytes, "energy_uj": cost.energy_uj, "ms": cost.ms}
    having: dict[str, float | None] = {
        "stored_bytes": stored_of(result.graph),
        "energy_uj": inference.energy_uj if inference else None,
        "ms": inference.active_us / 1000 if inference else None,
    }
    memory = result.manifest.memory.model_dump()
    for name in ("flash_bytes", "sram_bytes", "nvm_bytes"):
        without[name], having[name] = found.memory[name], memory[name]
    said = []
    for name, limit in found.compressed.bounds.limits().items():
        alone, both = (of.get(FIGURE.get(name, name)) for of in (without, having))
        if alone is None or both is None or both <= max(limit, alone):
            continue
        what, unit = OPTION[name]
        option = "--" + name.replace("_bytes", "_kb").replace("_", "-")
        asked, more, less = (f"{one:,.0f}" if unit == "bytes" else f"{one:,.4g}" for one in (limit, both, alone))
        said.append(
            f"{option}: {asked} {unit} were asked for, and {what} with exits: {more}, without: {less}; a smaller "
            f"{option} leaves room for them, --exits none takes none"
        )
    return said


def with_nodes(graph: Graph, bounds: Bounds) -> Bounds:
    """Bounds whose layers to keep have the names of the graph: the file's name before that of the node is left out."""
    of_node = {op.loc.rsplit(":", 1)[-1]: op.loc for op in graph.ops}
    return replace(bounds, keep=tuple(of_node.get(name, name) for name in bounds.keep))
