"""What the scheduler in C asks of a device, for those that are Python: and the device by table, which is C itself."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np

from freeml.exits.policy import Policy
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
from freeml.sim.life.outcomes import Outcomes

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
    """What each step costs, and each sample's outcome at each exit, is known beforehand; the policy is that of devices.

    policy      None for the whole network, always
    keeps_time  whether the policy knows how long the inference takes
    """

    name = "fast"

    def __init__(
        self,
        load: Load,
        outcomes: Outcomes | None = None,
        policy: Policy | None = None,
        keeps_time: bool = False,
    ) -> None:
        self.costs, self.outcomes = load.basis, outcomes
        self._rows = (WorkStruct * len(load.rows))(*(row.struct() for row in load.rows))
        self._table = TableStruct(
            rows=ctypes.addressof(self._rows),
            restore=load.restore.struct(),
            first=load.first.struct(),
            n_rows=len(load.rows),
            left=load.rows[0].n,
            forgets=load.forgets,
            keeps_time=keeps_time,
            is_cold=True,
        )
        if outcomes is not None:
            self._right = np.ascontiguousarray(outcomes.right, np.int8)
            self._order = np.ascontiguousarray(outcomes.order, np.int32)
            self._table.right, self._table.order = self._right.ctypes.data, self._order.ctypes.data
            self._table.n_samples, self._table.n_depths = self._right.shape
        if policy is not None:
            self._decide_by(policy, outcomes, load)

    def _decide_by(self, policy: Policy, outcomes: Outcomes | None, load: Load) -> None:
        assert outcomes is not None, "a policy looks at scores"
        assert outcomes.scores.shape[1:] == (len(policy.rows), policy.n_classes), "scores of each exit"
        assert load.depths == len(policy.rows) + 1, "rows lead from exit to exit"
        raw = policy.to_bytes()
        self._policy = (ctypes.c_uint32 * (len(raw) // 4)).from_buffer_copy(raw)
        self._scores = np.ascontiguousarray(outcomes.scores, np.int32)
        self._table.policy, self._table.scores = ctypes.addressof(self._policy), self._scores.ctypes.data

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
    def next(self, energy_uj: float, elapsed_s: float) -> Work:
        """The next step, or several that are alike. energy_uj: that is left; elapsed_s: since the event."""

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

        def following(_: Any, energy_uj: float, elapsed_s: float, work: Any) -> int:
            work[0] = self.next(energy_uj, elapsed_s).struct()
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
