"""What the scheduler in C asks of a device, for those that are Python: and the device by table, which is C itself."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from freeml.sim.life.load import Load, Work
from freeml.sim.life.native import (
    BOOT,
    CUT,
    DONE,
    NEXT,
    START,
    DeviceStruct,
    LifeStruct,
    TableStruct,
    WorkStruct,
    library,
)

WRONG, RIGHT, UNKNOWN = range(3)
_FAILED = -1


class Engine(ABC):
    """A device of one kind.

    failure  what ended a run
    """

    name: str
    costs: str
    """Where its costs come from, in words."""
    failure: BaseException | None = None

    @abstractmethod
    def attach(self, life: LifeStruct) -> None:
        """Become the device of a life."""


class TableEngine(Engine):
    """What each step costs, and each sample's answer, is known beforehand.

    right    (samples, depths) WRONG, RIGHT or UNKNOWN
    order    (samples,) which sample an event shows
    stop_at  the exit to stop at; None for the whole network
    """

    name = "fast"

    def __init__(
        self,
        load: Load,
        right: npt.NDArray[np.int8] | None = None,
        order: npt.NDArray[np.int32] | None = None,
        stop_at: int | None = None,
    ) -> None:
        self.costs = load.basis
        self._rows = (WorkStruct * len(load.rows))(*(row.struct() for row in load.rows))
        self._table = TableStruct(
            rows=ctypes.addressof(self._rows),
            restore=load.restore.struct(),
            first=load.first.struct(),
            n_rows=len(load.rows),
            left=load.rows[0].n,
            forgets=load.forgets,
            stop_at=load.depths if stop_at is None else stop_at,
            is_cold=True,
        )
        if right is not None:
            assert order is not None
            self._right = np.ascontiguousarray(right, np.int8)
            self._order = np.ascontiguousarray(order, np.int32)
            self._table.right, self._table.order = self._right.ctypes.data, self._order.ctypes.data
            self._table.n_samples, self._table.n_depths = self._right.shape

    def attach(self, life: LifeStruct) -> None:
        """Become the device of a life."""
        library().fml_table_device(ctypes.byref(self._table), ctypes.byref(life.device))


class CallbackEngine(Engine):
    """A device that Python asks: each method is told in life.h. An exception ends the run, and is raised by it."""

    @abstractmethod
    def boot(self) -> tuple[Work, bool]:
        """Power is back: what it takes to find where it was, and whether an inference is under way."""

    @abstractmethod
    def start(self, event: int) -> None:
        """An event is sensed."""

    @abstractmethod
    def next(self, energy_uj: float) -> Work:
        """The next step, or several that are alike."""

    @abstractmethod
    def done(self, n: int) -> int:
        """So many were committed. Behind a report: WRONG, RIGHT or UNKNOWN."""

    @abstractmethod
    def cut(self, share: float) -> None:
        """Power is lost with this share of a step's charge taken; 0 where there was no step."""

    def attach(self, life: LifeStruct) -> None:
        """Become the device of a life."""

        def boot(_: Any, restore: Any) -> int:
            work, is_under_way = self.boot()
            restore[0] = work.struct()
            return int(is_under_way)

        def following(_: Any, energy_uj: float, work: Any) -> int:
            work[0] = self.next(energy_uj).struct()
            return 0

        def start(_: Any, event: int) -> int:
            self.start(event)
            return 0

        def cut(_: Any, share: float) -> int:
            self.cut(share)
            return 0

        self._kept = DeviceStruct(
            None,
            BOOT(self._guarded(boot)),
            START(self._guarded(start)),
            NEXT(self._guarded(following)),
            DONE(self._guarded(lambda _, n: self.done(n))),
            CUT(self._guarded(cut)),
        )
        life.device = self._kept

    def _guarded(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> int:
            try:
                return function(*arguments)
            except BaseException as error:
                self.failure = error
                return _FAILED

        return call
