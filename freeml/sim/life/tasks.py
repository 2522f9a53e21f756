"""A load of tasks in a TOML file, in place of a network: a bench device of known currents and times.

    [device]
    v_on_v = 3.1
    v_off_v = 2.4
    on_ua = 4.5        # what comparator and regulator draw themselves
    off_ua = 3.0
    ldo_v = 2.2        # a linear regulator: current in is current out
    boot_us = 2300
    boot_ua = 600
    idle_ua = 3140     # between tasks, and when they are done

    [[task]]
    name = "SENSE"
    us = 750
    ua = 700
    as = "sense"       # or compute, commit; the last task alone is "report", others are compute by default

Tasks run in their order for each event, which is over with the last; a loss of power takes their progress along unless
`keeps_progress` is set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from freeml.board.figures import Strict
from freeml.board.toml import tomllib
from freeml.energy.supply import Comparator, Ldo
from freeml.errors import BadData
from freeml.sim.life.load import NOTHING, Load, Work

_MOST_TASKS = 10_000


class Task(Strict):
    """So many microseconds at a current, `times` times."""

    name: str = Field(min_length=1)
    us: float = Field(gt=0)
    ua: float = Field(ge=0)
    times: int = Field(default=1, ge=1, le=2**30)
    kind: Literal["sense", "compute", "commit", "report"] | None = Field(default=None, alias="as")


class Bench(Strict):
    """The device that runs them."""

    v_on_v: float = Field(gt=0)
    v_off_v: float = Field(ge=0)
    on_ua: float = Field(default=0.0, ge=0)
    off_ua: float = Field(default=0.0, ge=0)
    ldo_v: float | None = Field(default=None, gt=0)
    ldo_dropout_v: float = Field(default=0.0, ge=0)
    boot_us: float = Field(default=0.0, ge=0)
    boot_ua: float = Field(default=0.0, ge=0)
    idle_ua: float = Field(default=0.0, ge=0)
    capacitor_uf: float | None = Field(default=None, gt=0)
    esr_ohm: float = Field(default=0.0, ge=0)
    insulation_ohm: float | None = Field(default=None, gt=0)
    clamp_v: float | None = Field(default=None, gt=0)
    keeps_progress: bool = False

    @model_validator(mode="after")
    def _falls(self) -> Bench:
        if self.v_on_v <= self.v_off_v:
            raise ValueError(f"v_on_v = {self.v_on_v:g} must be above v_off_v = {self.v_off_v:g}")
        return self


class Tasks(Strict):
    """The file."""

    name: str = "tasks"
    device: Bench
    task: tuple[Task, ...] = Field(strict=False, min_length=1, max_length=_MOST_TASKS)

    @model_validator(mode="after")
    def _ends_with_a_report(self) -> Tasks:
        """An event is over with its report: without one it never was, and tasks behind one were never begun."""
        *before, last = self.task
        early = next((one.name for one in before if one.kind == "report"), None)
        if early is not None:
            raise ValueError(f"{early} is a report, and tasks follow it: an event is over with its report")
        if last.kind not in (None, "report"):
            raise ValueError(f"{last.name} is the last task, which is a report: leave its `as` out")
        return self

    @property
    def comparator(self) -> Comparator:
        """What switches it."""
        bench = self.device
        return Comparator(bench.v_on_v, bench.v_off_v, bench.on_ua * 1e-6, bench.off_ua * 1e-6)

    @property
    def ldo(self) -> Ldo | None:
        """What lies between capacitor and tasks."""
        return None if self.device.ldo_v is None else Ldo(self.device.ldo_v, self.device.ldo_dropout_v)

    def load(self) -> Load:
        """As work."""
        kinds = [*(one.kind or "compute" for one in self.task[:-1]), "report"]
        rows = [
            Work(one.us * 1e-6, one.us * one.ua * 1e-12, float(kind == "commit"), one.times, kind, 1, number)
            for number, (one, kind) in enumerate(zip(self.task, kinds, strict=True))
        ]
        bench = self.device
        boot = Work(bench.boot_us * 1e-6, bench.boot_us * bench.boot_ua * 1e-12, stack="boot")
        return Load(
            self.name,
            boot,
            NOTHING,
            NOTHING,
            tuple(rows),
            bench.idle_ua * 1e-6,
            forgets=not bench.keeps_progress,
            basis="currents and times of the load's file",
        )


def read_tasks(path: Path) -> Tasks:
    """The tasks of a file. Raises BadData that names the entry."""
    try:
        found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        return Tasks.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        hint = "[device] with v_on_v and v_off_v, and [[task]] with name, us and ua"
        said = first["msg"].removeprefix("Value error, ")
        raise BadData(f"{entry}: {said}" if entry else said, where=str(path), hint=hint) from error
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadData(f"not a load of tasks: {what}", where=str(path)) from error
