"""The engines of a compiled network: by table, the generated C charged per step, the firmware by instruction."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from freeml.board.cost_table import CostTable, read_cost_table
from freeml.data import Dataset
from freeml.errors import BadData
from freeml.exits.answers import softness_of
from freeml.exits.policy import Policy
from freeml.output.folder import Output
from freeml.sim.life.costs import Figures, figures_of, load_of
from freeml.sim.life.engine import Engine, TableEngine
from freeml.sim.life.load import Load
from freeml.sim.life.policies import Exits, exits_of_load, policy_of, table_of
from freeml.sim.life.samples import Samples, outcomes_of, samples_of

Progress = Callable[[str], None]
PROFILE = "profile.json"


@dataclass(frozen=True)
class Asked:
    """What an engine is made for. exits, policy: None for a network that has none."""

    output: Output
    load: Load
    figures: Figures
    dataset: Dataset | None
    exits: Exits | None
    policy: Policy | None
    keeps_time: bool
    seed: int
    progress: Progress


def network_engine(
    output: Output,
    engine: str,
    dataset: Dataset | None,
    policy: str | Policy,
    middle_v: float,
    seed: int,
    timekeeper: bool,
    progress: Progress,
) -> tuple[Load, Engine]:
    """The device of a folder. middle_v: at which its charge is counted as energy.

    Raises BadBoard for one without energy model, BadData for a policy that it has not, and as builds do.
    """
    if engine not in ENGINES:
        raise BadData(f"no engine is called {engine!r}", where="--engine", hint=", ".join(ENGINES))
    load, figures = load_with_figures(output, timekeeper, progress)
    exits = exits_of(output, load, middle_v)
    table = policy_of(policy, exits) if isinstance(policy, str) else policy
    if engine != "fast" and exits is not None and table != exits.own:
        raise BadData(
            f"the engine {engine} runs the firmware in OUT, whose table is another one",
            where="--policy",
            hint="--policy own; `freeml tune OUT --policy ...` writes another table into OUT",
        )
    if table is not None and table.needs_time and not timekeeper:
        raise BadData("a deadline needs a board that keeps time", where="--policy", hint="--timekeeper")
    return load, ENGINES[engine](Asked(output, load, figures, dataset, exits, table, timekeeper, seed, progress))


def load_with_figures(output: Output, timekeeper: bool, progress: Progress) -> tuple[Load, Figures]:
    """What a folder's firmware does by table, and its board's figures. Raises BadBoard, and as builds do."""
    figures = figures_of(output.board, output.manifest.tiles)
    load = load_of(output, profile_of(output, progress))
    if timekeeper:
        load = replace(load, sleep_a=load.sleep_a + figures.timekeeper_a)
    return load, figures


def exits_of(output: Output, load: Load, middle_v: float) -> Exits | None:
    """What tables of policies need to know of a folder; None for a network without exits."""
    graph = output.graph
    if not graph.exits:
        return None
    n_classes = graph.types[graph.exits[0].value].n_elems
    return exits_of_load(load, softness_of(graph), n_classes, middle_v, table_of(output))


def _fast(asked: Asked) -> Engine:
    if asked.dataset is None and asked.policy is None:
        return TableEngine(asked.load)
    asked.progress("answer all samples")
    outcomes = outcomes_of(asked.output.graph, asked.dataset, asked.seed)
    return TableEngine(asked.load, outcomes, asked.policy, asked.keeps_time)


def _host(asked: Asked) -> Engine:
    from freeml.sim.life.on_host import HostEngine, step_prices

    shown = _shown(asked)
    asked.progress("measure each step on the emulated board")
    prices = step_prices(asked.output, shown.codes[0])
    return HostEngine(asked.output, asked.load, asked.figures, prices, shown)


def _board(asked: Asked) -> Engine:
    from freeml.sim.life.on_board import BoardEngine

    asked.progress("build the firmware")
    return BoardEngine(asked.output, asked.figures, _shown(asked))


ENGINES: dict[str, Callable[[Asked], Engine]] = {"fast": _fast, "host": _host, "board": _board}


def _shown(asked: Asked) -> Samples:
    """What events show."""
    return samples_of(asked.output.graph, asked.dataset, asked.seed)


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
