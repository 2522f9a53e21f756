"""The engines of a compiled network: by table, the generated C charged per step, the firmware by instruction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from freeml.board.cost_table import CostTable, read_cost_table
from freeml.data import Dataset
from freeml.errors import BadData
from freeml.output.folder import Output
from freeml.sim.life.costs import Figures, figures_of, load_of
from freeml.sim.life.engine import Engine, TableEngine
from freeml.sim.life.load import Load
from freeml.sim.life.samples import Samples, answers_at_exits, samples_of

Progress = Callable[[str], None]
PROFILE = "profile.json"


def network_engine(
    output: Output, engine: str, dataset: Dataset | None, seed: int, timekeeper: bool, progress: Progress
) -> tuple[Load, Engine]:
    """The device of a folder. Raises BadBoard for one without energy model, and as builds do."""
    if engine not in ENGINES:
        raise BadData(f"no engine is called {engine!r}", where="--engine", hint=", ".join(ENGINES))
    figures = figures_of(output.board, output.manifest.tiles)
    load = load_of(output, profile_of(output, progress))
    if timekeeper:
        load = replace(load, sleep_a=load.sleep_a + figures.timekeeper_a)
    return load, ENGINES[engine](output, load, figures, dataset, seed, progress)


def _fast(
    output: Output, load: Load, figures: Figures, dataset: Dataset | None, seed: int, progress: Progress
) -> Engine:
    del figures
    if dataset is None:
        return TableEngine(load)
    progress("answer all samples")
    return TableEngine(load, answers_at_exits(output.graph, dataset), samples_of(output.graph, dataset, seed).order)


def _host(
    output: Output, load: Load, figures: Figures, dataset: Dataset | None, seed: int, progress: Progress
) -> Engine:
    from freeml.sim.life.on_host import HostEngine, step_prices

    shown = _shown(output, dataset, seed)
    progress("measure each step on the emulated board")
    return HostEngine(output, load, figures, step_prices(output, shown.codes[0]), shown)


def _board(
    output: Output, load: Load, figures: Figures, dataset: Dataset | None, seed: int, progress: Progress
) -> Engine:
    from freeml.sim.life.on_board import BoardEngine

    del load
    progress("build the firmware")
    return BoardEngine(output, figures, _shown(output, dataset, seed))


ENGINES: dict[str, Callable[[Output, Load, Figures, Dataset | None, int, Progress], Engine]] = {
    "fast": _fast,
    "host": _host,
    "board": _board,
}


def _shown(output: Output, dataset: Dataset | None, seed: int) -> Samples:
    """What events show; one sample of random codes where there are no data."""
    from freeml.sim.profile import random_codes

    if dataset is not None:
        return samples_of(output.graph, dataset, seed)
    return Samples([random_codes(output.graph)], None, np.zeros(1, np.int32))


def profile_of(output: Output, progress: Progress) -> CostTable:
    """The measured costs in a folder; measured now, and kept there where it may be written to, if there are none."""
    path = Path(output.folder) / PROFILE
    if path.is_file():
        return read_cost_table(path)
    from freeml.sim.profile import profile_output

    table = profile_output(output, "auto", progress)
    try:
        path.write_text(json.dumps(table.model_dump(mode="json"), indent=2) + "\n", encoding="utf-8")
    except OSError:
        return table
    return table
