"""A device lives on a trace: the scheduler in C, fed piece by piece, and what it counted."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from freeml.energy.converter import Piece
from freeml.energy.supply import BALANCE, Energy, Supply
from freeml.errors import BadData, ToolFailed
from freeml.sim.life.engine import Engine
from freeml.sim.life.load import Load
from freeml.sim.life.native import (
    BACK_TO_BACK,
    EACH_BOOT,
    EVERY_TIME,
    LOG_DONE,
    RUN_DONE,
    RUN_FAILED,
    RUN_LOG_FULL,
    STACK,
    LifeStruct,
    LogStruct,
    SamplesStruct,
    library,
)
from freeml.sim.life.supply import doubles, energy_of, struct_of

Floats = npt.NDArray[np.float64]

LOG = np.dtype(LogStruct)
_LOG_ROOM = 65_536
_PICTURE = 4_000


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When events come: at times_s, rising; or as soon as the device waits for one; or one at each boot."""

    text: str
    times_s: Floats | None = None
    each_boot: bool = False


@dataclass(frozen=True)
class Lived:
    """What happened.

    duration_s, boots, losses  losses of power
    started      events that found a device with nothing to do
    missed       those that did not, and those whose capture was cut off
    inferences, right, unknown  done; with the right answer; of samples without a label
    exits        inferences by depth
    outages, longest_outage_s  times without power: before the first boot, between, at the end
    steps, redone  committed; begun and lost
    energy, stack_j  where energy went; of what was used, by what the device did
    log          (n,) of LOG, what was asked for
    picture      (m, 3) time, voltage at the terminal, state
    """

    duration_s: float
    boots: int
    losses: int
    started: int
    missed: int
    inferences: int
    right: int
    unknown: int
    exits: tuple[int, ...]
    outages: int
    longest_outage_s: float
    steps: int
    redone: int
    is_busy: bool
    energy: Energy
    stack_j: dict[str, float]
    log: npt.NDArray[np.void] = field(repr=False)
    picture: Floats = field(repr=False)

    @property
    def correct_per_hour(self) -> float:
        """Right answers an hour."""
        return self.right / self.duration_s * 3600

    @property
    def used_uj_per_hour(self) -> float:
        """What all of them took, and what was done beside."""
        return self.energy.used_j * 1e6 / self.duration_s * 3600

    @property
    def latencies_s(self) -> Floats:
        """From each event to the report of its answer."""
        return np.asarray(self.log["value"][self.log["what"] == LOG_DONE], np.float64)

    def check(self) -> None:
        """Asserts that no joule, and no event, came from nowhere or went there."""
        missing, moved = self.energy.missing_j, self.energy.moved_j
        assert abs(missing) <= BALANCE * moved, f"{missing:g} J of {moved:g} J do not add up"
        shown = math.fsum(self.stack_j.values())
        assert abs(shown - self.energy.used_j) <= BALANCE * max(moved, 1e-15), f"{shown:g} of {self.energy.used_j:g} J"
        assert sum(self.exits) == self.inferences <= self.started


def live(
    pieces: Iterable[Piece],
    supply: Supply,
    engine: Engine,
    load: Load,
    arrivals: Arrivals,
    duration_s: float,
    log_what: int = LOG_DONE,
) -> Lived:
    """Let a device live on a supply until the pieces are over. duration_s: how long they are.

    Raises what the engine raises, and BadData for a source that no series resistance stands.
    """
    made, kept = struct_of(supply)
    life = LifeStruct(supply=made, boot_s=load.boot.time_s, boot_c=load.boot.charge_c, sleep_a=load.sleep_a)
    life.arrivals = EACH_BOOT if arrivals.each_boot else BACK_TO_BACK if arrivals.times_s is None else EVERY_TIME
    if arrivals.times_s is not None:
        times_s, life.arrivals_s = doubles(arrivals.times_s)
        life.n_arrivals = len(times_s)
        kept.append(times_s)
    room = np.zeros(_LOG_ROOM, LOG)
    picture = np.zeros((_PICTURE, 3))
    life.log, life.log_room, life.log_what = room.ctypes.data, _LOG_ROOM, log_what
    life.picture, life.picture_room, life.picture_step_s = picture.ctypes.data, _PICTURE, duration_s / (_PICTURE - 2)
    engine.attach(life)
    logs: list[npt.NDArray[np.void]] = []
    for piece in pieces:
        _run(life, piece, engine, room, logs)
    while not library().fml_life_end(ctypes.byref(life)):
        _drain(life, room, logs)
    _drain(life, room, logs)
    del kept
    lived = _lived(life, np.concatenate(logs), picture[: life.picture_n].copy())
    lived.check()
    return lived


def _run(
    life: LifeStruct, piece: Piece, engine: Engine, room: npt.NDArray[np.void], logs: list[npt.NDArray[np.void]]
) -> None:
    """One piece."""
    samples, kept = samples_of_piece(piece)
    while (status := library().fml_life_run(ctypes.byref(life), ctypes.byref(samples))) != RUN_DONE:
        if status == RUN_FAILED:
            raise engine.failure or ToolFailed("the device of this simulation failed")
        if status != RUN_LOG_FULL:
            raise BadData("a source whose current rises with its voltage runs away behind the capacitor's resistance")
        _drain(life, room, logs)
    del kept


def samples_of_piece(piece: Piece) -> tuple[SamplesStruct, list[Floats]]:
    """A piece as C has it, and the arrays that it points to."""
    samples = SamplesStruct(n=len(piece.ends_s), nodes=piece.volts.shape[-1], split=piece.split)
    samples.is_shared = piece.volts.ndim == 1
    kept = []
    for name in ("ends_s", "volts", "amperes", "low", "high", "low_share", "high_share"):
        values = getattr(piece, name)
        if values is not None:
            array, address = doubles(values)
            setattr(samples, name, address)
            kept.append(array)
    return samples, kept


def _drain(life: LifeStruct, room: npt.NDArray[np.void], logs: list[npt.NDArray[np.void]]) -> None:
    logs.append(room[: life.log_n].copy())
    life.log_n = 0


def _lived(life: LifeStruct, log: npt.NDArray[np.void], picture: Floats) -> Lived:
    exits = list(life.exits)
    return Lived(
        duration_s=float(life.clock_s),
        boots=life.boots,
        losses=life.losses,
        started=life.started,
        missed=life.missed,
        inferences=life.inferences,
        right=life.right,
        unknown=life.unknown,
        exits=tuple(exits[1:]),
        outages=life.outages,
        longest_outage_s=float(life.longest_off_s),
        steps=life.steps,
        redone=life.redone,
        is_busy=bool(life.has_event),
        energy=energy_of(life.supply),
        stack_j=dict(zip(STACK, life.stack_j, strict=True)),
        log=log,
        picture=picture,
    )
