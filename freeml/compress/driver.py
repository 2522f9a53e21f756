"""`compress`: a pre-trained float network in, a smaller one out, by the published method or by this project's own.

The network trains on the split train, everything is chosen by the split calibration, and test samples are not read.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from freeml.board.board import Board, load_board
from freeml.compress import faithful
from freeml.compress.auto import by_bounds
from freeml.compress.cost import OPTION, cost_of
from freeml.compress.job import Job
from freeml.compress.judge import Judge, Metric, in_int8
from freeml.compress.refuse import refuse_if_broken
from freeml.compress.samples import Data, Samples, samples_of
from freeml.compress.separate import check_float
from freeml.compress.stored import layers_of
from freeml.compress.types import Bounds, Compressed, Cost, Method, Progress
from freeml.errors import BadData, BadModel
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph, Stage
from freeml.ir.store import from_bytes, to_bytes
from freeml.ir.text import digest
from freeml.train import checkpoint
from freeml.train.identity import function_id
from freeml.train.loop import Augment, Options, data_digest
from freeml.train.loop import Progress as Trained
from freeml.train.network import Network, weights_of
from freeml.train.objective import OwnLoss

_PUBLISHED_EPOCHS = 10  # of a step of the published method


def compress(
    graph: Graph,
    data: Data,
    *,
    board: Board | str,
    bounds: Bounds,
    method: Method = "auto",
    seed: int = 0,
    workspace: Path | None = None,
    loss: OwnLoss | None = None,
    metric: Metric | None = None,
    augment: Augment | None = None,
    precision: str = "float32",
    effort: float = 1.0,
    toolchain: Toolchain = "auto",
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Compressed:
    """Make a float graph (passes done) fit `bounds` on a board.

    data       what `--data` takes, a Dataset, or two: (train, calibration). Labels may be missing: the network given
               teaches alone then
    workspace  folder of checkpoints; a killed run that is called again with it goes on to the same bytes
    loss       (scores (B, K), labels or targets) -> number, in place of cross-entropy or squared error
    metric     (scores (N, K), labels or targets) -> number, the better the larger, in place of accuracy
    augment    changes a batch before it is trained on, as train/augment.py has some
    precision  of products while it trains as a float network: "bfloat16" is faster where a processor knows it
    effort     times the epochs that are usual for so many samples
    toolchain  whose firmware bounds of flash and SRAM are about
    Raises BadModel for an int8 network, one with nothing to compress or with weights that are no numbers; BadData for
    samples or labels that do not do, and a workspace of another run; DoesNotFit, with the binding bound and the best
    that was found, where the bounds cannot be kept.
    """
    begun = time.monotonic()
    board = load_board(board) if isinstance(board, str) else board
    graph = freed(graph)
    _check(graph, bounds, method)
    _check_board(board, bounds)
    if not (math.isfinite(effort) and effort > 0):
        raise BadData(f"{effort:g} times the usual epochs", hint="give an effort above 0, such as 0.5")
    samples = samples_of(data, graph)
    how = {
        "method": method,
        "seed": seed,
        "effort": effort,
        "loss": function_id(loss),
        "metric": function_id(metric),
        "augmentation": function_id(augment),
        "precision": precision,
        "toolchain": toolchain,
    }
    run = _Run(workspace, graph, samples, board, bounds, how)
    judge = Judge(Network(graph), samples, metric)
    if run.known is None:
        dense_float = judge(judge.dense)
        on_progress(Progress("judge the network in int8", 0.0, dense_float, None, None))
        dense, found = in_int8(graph, samples)
        run.save(dense_float, judge(dense), cost_of(found.graph, board), found.graph)
    assert run.known is not None
    dense_float, dense_int8, dense_cost, dense_quantized = run.known
    job = Job(
        graph=graph,
        samples=samples,
        board=board,
        bounds=bounds,
        judge=judge,
        dense_float=dense_float,
        dense_int8=dense_int8,
        dense_cost=dense_cost,
        dense_quantized=dense_quantized,
        seed=seed,
        workspace=workspace,
        loss=loss,
        augment=augment,
        precision=precision,
        effort=effort,
        toolchain=toolchain,
        on_progress=on_progress,
        begun=begun,
    )
    job.note(dense_cost, dense_int8)
    result = by_bounds(job) if method == "auto" else _by_published_method(job)
    # The published method goes by a model of stored bytes of its own.
    refuse_if_broken(job, result, skip=("target_bytes",) if method == "freeml" else ())
    return result


def freed(graph: Graph) -> Graph:
    """The graph with weights that were stored in codes, but are computed with in floating point, as real ones: any
    numbers do to begin with. One whose values have codes is another thing, and refused."""
    if any(type_.quant is not None for type_ in graph.types.values()):
        return graph
    names = weights_of(graph)
    consts = {name: replace(graph.consts[name], code_scales=None) for name in names if graph.consts[name].code_scales}
    return graph.with_ops(graph.ops, consts=consts) if consts else graph


def _check(graph: Graph, bounds: Bounds, method: str) -> None:
    """Raise BadModel or BadData for what cannot be compressed, before anything is read or trained."""
    if graph.stage is not Stage.FLOAT:
        raise BadModel("this network is quantized already", hint="bring the float network that it was made from")
    check_float(graph)
    if not layers_of(graph):
        raise BadModel(
            "there is nothing to compress: no convolution and no dense layer", hint="compile the network as it is"
        )
    for name, const in graph.consts.items():
        if const.array.dtype.kind == "f" and not np.isfinite(const.array).all():
            raise BadModel(
                f"{name} has {int((~np.isfinite(const.array)).sum())} numbers that are NaN or infinite",
                where=graph.name,
                hint="export the network again from weights that work",
            )
    known = {op.loc for op in graph.ops}
    for name in bounds.keep:
        if name not in known:
            near = ", ".join(sorted({layer_loc(graph, layer.name) for layer in layers_of(graph)}))
            raise BadData(f"no layer is called {name!r}", where="--keep", hint=f"the layers are: {near}")
    if not bounds.limits().keys() - {"time_s"}:
        raise BadData(
            "there is nothing to reach: no bound on size, memory, energy, time or accuracy is given",
            hint="give one, such as --target-kb",
        )
    if method == "freeml" and bounds.target_bytes is None:
        raise BadData(
            "the published method compresses to a size", where="--method freeml", hint="give it one with --target-kb"
        )


def _check_board(board: Board, bounds: Bounds) -> None:
    """Raise BadData for a bound on what nobody knows of this board: it would be said to be kept, whatever comes out."""
    asked = [name for name in ("energy_uj", "ms") if name in bounds.limits()]
    if asked and board.energy is None:
        raise BadData(
            f"the board {board.name} has no model of the {OPTION[asked[0]][0]}",
            where=f"--{asked[0].replace('_', '-')}",
            hint="take a board with one, such as msp430fr5994, or leave this bound out",
        )


def layer_loc(graph: Graph, value: str) -> str:
    """The model's node of a layer, by the value that it computes."""
    return graph.producers[value].loc


class _Run:
    """Which run a workspace belongs to, and what is known of the dense network: its accuracies, its cost, its integers.

    how: beside network, samples, board and bounds, what changes numbers that are kept. Raises BadData where the
    workspace is one of another run.
    """

    def __init__(
        self,
        workspace: Path | None,
        graph: Graph,
        samples: Samples,
        board: Board,
        bounds: Bounds,
        how: Mapping[str, Any],
    ) -> None:
        self.path = None if workspace is None else workspace / "run"
        self.identity: dict[str, Any] = {
            **how,
            "network": digest(graph)[:12],
            "training samples": data_digest(samples.train),
            "calibration samples": data_digest(samples.calibration),
            "board": board.name,
            "keep": list(bounds.keep),
            **bounds.limits(),
        }
        self.known: tuple[float, float, Cost, Graph] | None = None
        if workspace is not None:
            workspace.mkdir(parents=True, exist_ok=True)
        if self.path is not None and self.path.exists():
            state, arrays = checkpoint.load(self.path, self.identity)
            integers = from_bytes(arrays["integers"].tobytes(), where=str(self.path))
            self.known = state["float"], state["int8"], Cost(**state["cost"]), integers

    def save(self, dense_float: float, dense_int8: float, cost: Cost, integers: Graph) -> None:
        """Keep what was measured of the dense network."""
        self.known = dense_float, dense_int8, cost, integers
        if self.path is not None:
            state = {"float": dense_float, "int8": dense_int8, "cost": asdict(cost)}
            stored = np.frombuffer(to_bytes(integers), dtype=np.uint8)
            checkpoint.save(self.path, self.identity, state, {"integers": stored})


def _by_published_method(job: Job) -> Compressed:
    target = job.bounds.target_bytes
    assert target is not None
    options = Options(epochs=max(1, round(_PUBLISHED_EPOCHS * job.effort)), distill=0.0, seed=job.seed)
    job.seeds["retraining"] = job.seed

    def told(step: int, layer: str, size: float, news: Trained) -> None:
        job.accuracy, job.stored = news.held_accuracy, round(size)
        place = (news.epoch - 1 + news.step / news.steps) / news.epochs
        job.tell(f"step {step}, {layer_loc_or(job.graph, layer)}", 1 - 0.5 ** (step - 1 + place), news.seconds_left)

    found = faithful.compress(
        job.graph,
        job.samples.train,
        job.samples.calibration,
        target,
        settings=faithful.Settings(training=options),
        folder=job.workspace,
        loss=job.loss,
        on_progress=told,
    )
    network, _ = in_int8(found.graph, job.samples)
    return job.result("freeml", network)


def layer_loc_or(graph: Graph, value: str) -> str:
    """As `layer_loc`; of a piece of a separated layer, its value's name."""
    return layer_loc(graph, value) if value in graph.producers else value
