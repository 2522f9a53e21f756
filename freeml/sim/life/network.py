"""The engines of a compiled network: by table, the generated C charged per step, the firmware by instruction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from freeml.board.cost_table import CostTable, read_cost_table
from freeml.data import Dataset
from freeml.errors import BadData
from freeml.output.folder import Output
from freeml.sim.life.costs import figures_of, load_of
from freeml.sim.life.engine import Engine, TableEngine
from freeml.sim.life.load import Load
from freeml.sim.life.samples import Samples, answers_at_exits

Progress = Callable[[str], None]
PROFILE = "profile.json"
_ENGINES = ("fast",)


def network_engine(
    output: Output, engine: str, shown: Samples | None, dataset: Dataset | None, timekeeper: bool, progress: Progress
) -> tuple[Load, Engine]:
    """The device of a folder. Raises BadBoard for one without energy model, and as builds do."""
    if engine not in _ENGINES:
        raise BadData(f"no engine is called {engine!r}", where="--engine", hint=", ".join(_ENGINES))
    figures = figures_of(output.board, output.manifest.tiles)
    load = load_of(output, profile_of(output, progress))
    if timekeeper:
        load = replace(load, sleep_a=load.sleep_a + figures.timekeeper_a)
    if shown is None or dataset is None:
        return load, TableEngine(load)
    progress("answer all samples")
    return load, TableEngine(load, answers_at_exits(output.graph, dataset), shown.order)


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
