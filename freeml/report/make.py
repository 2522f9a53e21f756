"""`freeml report`: the facts of a folder and of its life, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from freeml.board.cost_table import read_cost_table
from freeml.data import Dataset
from freeml.errors import BadOutput
from freeml.output.folder import Output
from freeml.report.facts import exits, layers, regions
from freeml.report.page import page
from freeml.sim.life.costs import load_of
from freeml.sim.life.network import PROFILE
from freeml.sim.life.simulate import Simulated


def write_report(
    output: Output,
    path: Path,
    lives: Sequence[Simulated] = (),
    dataset: Dataset | None = None,
    beside: Sequence[Simulated] = (),
) -> None:
    """Write the page. Costs of layers are there where the folder has a profile, errors and exits where there are data.

    beside: what other policies do in the first of the lives
    Raises ToolMissing without plotly, BadOutput where it cannot be written.
    """
    profile = Path(output.folder) / PROFILE
    load = load_of(output, read_cost_table(profile)) if profile.is_file() and output.board.energy else None
    text = page(output, regions(output), layers(output, load, dataset), exits(output, dataset), lives, beside)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise BadOutput(f"cannot write there: {error.strerror}", where=str(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)
