"""A network made small and measured: python -m benchmarks.compress NAME [--method auto|freeml] [--quick] [--again]

Takes benchmarks/compress/models/NAME_small.onnx where it is there, and makes it first where it is not: resumable, in
the cache folder. Accuracy is that of the C on the whole test split, read once; below 2,000 samples with its 95 %
interval, keywords over folds by speaker. Writes benchmarks/results/compress_NAME.txt, but with --quick, which trains
little and measures on a few samples. Needs FREEML_DATA but for digits.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compress.folds import folds
from benchmarks.compress.networks import MODELS, NETWORKS, Network, changes
from benchmarks.compress.rate import BOARDS, interval, of_folds, report, right_of_c, right_of_float
from freeml.cli.bounds import line_of
from freeml.compress.types import bounds_in_kb
from freeml.compression import compress_model
from freeml.data import Dataset, load
from freeml.errors import DoesNotFit
from freeml.firmware.host import cache_dir
from freeml.frontend.load import load_model
from freeml.ir.graph import Graph
from freeml.pipeline import optimise, rated_dataset

RESULTS = Path(__file__).parents[1] / "results"
_FEW, _QUICK_EFFORT, _QUICK_SAMPLES = 2000, 0.05, 300
_EVERY_S = 30.0


def made(name: str, args: argparse.Namespace, data: Any, suffix: str = "") -> Path:
    """The small network's file; trained where it is not there."""
    net = NETWORKS[name]
    folder = Path(args.work) if args.quick else MODELS
    kept = variant(args, "_small")
    path = folder / f"{name}{kept}{suffix}.onnx"
    if path.exists() and not args.again:
        return path
    said = [-_EVERY_S]

    def tell(news: Any) -> None:
        if time.monotonic() - said[0] >= _EVERY_S:
            said[0] = time.monotonic()
            print(f"{time.strftime('%H:%M:%S')} {100 * news.done:.1f} % {line_of(news)}", flush=True)

    folder.mkdir(parents=True, exist_ok=True)
    ours = args.method == "auto"
    target_kb = args.target_kb or net.target_kb
    compress_model(
        str(net.path),
        data,
        path,
        board=net.board if ours else net.published_board or net.board,
        bounds=bounds_in_kb(target_kb=target_kb, ms=net.ms if ours else None, sram_kb=net.sram_kb if ours else None),
        method=args.method,
        seed=args.seed,
        workspace=Path(args.work) / f"{name}{kept}{suffix}-{target_kb or 0:g}",
        augment=changes(net.augment) if net.augment else None,
        samples=1,  # what is measured is measured below
        on_progress=tell,
        training={"effort": effort_of(net, args), "precision": net.precision},
    )
    return path


def whole(name: str, args: argparse.Namespace, graph: Graph) -> list[str]:
    """On the test split."""
    net = NETWORKS[name]
    path = made(name, args, net.data if net.most_samples is None else few(net))
    dataset = rated_dataset(graph, net.data, "test", _QUICK_SAMPLES if args.quick else None)
    dense, small = right_of_float(graph, dataset), right_of_c(path, name, dataset)
    drop = 100 * (dense.mean() - small.mean())
    shares = f"dense float {100 * dense.mean():.2f} %, emitted C {100 * small.mean():.2f} %"
    lines = [f"{len(dataset):,} test samples of {net.data}: {shares}: {drop:.2f} points lost"]
    if len(dataset) < _FEW:
        low, high = interval(dense, small)
        lines.append(f"95 % interval of the drop, paired bootstrap: {low:.2f} to {high:.2f} points")
    return [*lines, *report(path, name, net.path, graph, net.data, boards_of(net, args))]


def few(net: Network) -> tuple[Dataset, Dataset]:
    """(train, calibration) of a network that trains on some samples alone."""
    assert net.most_samples is not None
    return load(net.data, "train").take(net.most_samples), load(net.data, "calibration").take(net.most_samples)


def effort_of(net: Network, args: argparse.Namespace) -> float:
    """Times the usual epochs, which are ten a step in the published method."""
    usual = net.effort if args.method == "auto" else net.published_effort
    return _QUICK_EFFORT if args.quick else float(usual * args.effort)


def boards_of(net: Network, args: argparse.Namespace) -> tuple[str, ...]:
    """What is measured on: the network's own board alone where that is what binds, or little time is."""
    return (net.board,) if args.quick or net.target_kb is None else BOARDS


def by_folds(name: str, args: argparse.Namespace, graph: Graph) -> list[str]:
    """Each clip tested once, by a network that was made small without its speaker."""
    net = NETWORKS[name]
    lines, drops = [], []
    shapes: Callable[[Dataset], Dataset] = lambda part: rated_dataset(graph, part, "test", None)  # noqa: E731
    for fold, (train, calibration, test) in enumerate(folds(net.folds)):
        path = made(name, args, (train, calibration), f"_fold{fold}")
        tested = shapes(test.take(_QUICK_SAMPLES) if args.quick else test)
        dense, small = right_of_float(graph, tested), right_of_c(path, name, tested)
        drops.append(100 * float(dense.mean() - small.mean()))
        lines.append(
            f"fold {fold}, {len(tested):,} clips: dense float {100 * dense.mean():.2f} %, emitted C "
            f"{100 * small.mean():.2f} %: {drops[-1]:.2f} points lost"
        )
    mean, low, high = of_folds(drops)
    spread = f"95 % interval {low:.2f} to {high:.2f}"
    lines.append(f"mean of {len(drops)} folds by speaker: {mean:.2f} points lost, {spread}")
    return [*lines, *report(path, name, net.path, graph, net.data, boards_of(net, args))]


def measured(name: str, args: argparse.Namespace) -> list[str]:
    """All lines about a network."""
    net: Network = NETWORKS[name]
    graph = optimise(load_model(str(net.path)), name)
    begun = time.monotonic()
    lines = by_folds(name, args, graph) if net.folds else whole(name, args, graph)
    asked = f"asked: {net.asked}; method {args.method}, {effort_of(net, args):g} of the usual epochs, "
    asked += f"seed {args.seed}"
    return [f"{name}: {asked}", *lines, f"{time.monotonic() - begun:.0f} s"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(NETWORKS))
    parser.add_argument("--method", choices=("auto", "freeml"), default="auto")
    parser.add_argument("--target-kb", type=float, help="stored bytes in 1,000, instead of the network's own")
    parser.add_argument("--effort", type=float, default=1.0, help="times the network's own epochs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="little training, few samples, no results file")
    parser.add_argument("--again", action="store_true", help="make the small network anew")
    parser.add_argument("--work", default=str(cache_dir() / "compress"), help="folder of checkpoints")
    args = parser.parse_args()
    np.seterr(over="ignore")
    try:
        lines = measured(args.name, args)
    except DoesNotFit as error:  # a result, too: the other method may reach what this one does not
        lines = [f"{args.name}: method {args.method}: refused: {error.what}", f"hint: {error.hint}"]
    of_method = "" if args.method == "auto" else f" --method {args.method}"
    of_target = "" if args.target_kb is None else f" --target-kb {args.target_kb:g}"
    print("\n".join(lines))
    if not args.quick:
        text = "\n".join([f"python -m benchmarks.compress {args.name}{of_method}{of_target}", "", *lines])
        (RESULTS / f"compress_{args.name}{variant(args, '')}.txt").write_text(text + "\n", encoding="utf-8")


def variant(args: argparse.Namespace, usual: str) -> str:
    """What tells files of a method and a target of its own from those of a network's own target, which are `usual`."""
    method = usual if args.method == "auto" else f"_{args.method}"
    return method if args.target_kb is None else f"{method}_{args.target_kb:g}kb"


if __name__ == "__main__":
    main()
