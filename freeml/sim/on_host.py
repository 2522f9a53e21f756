"""`freeml verify --engine host`: the C built for this machine, and losses of its power, under the crash explorer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from freeml.data import Dataset
from freeml.firmware.build import Toolchain
from freeml.firmware.toolchain import find_host_compiler
from freeml.output.folder import Output
from freeml.sim.host import host_device
from freeml.sim.opened import Opened
from freeml.sim.power_loss.host import HostLosses, lose_power_on_host
from freeml.sim.sampled import SampledDevice


@dataclass(frozen=True)
class OnHost(Opened):
    """A compiled folder's C on this machine."""

    modes: ClassVar[str] = r"all|commit|linear|log|none|random(:\d+)?|[0-9a-z:,~-]*\d[0-9a-z:,~-]*"
    modes_said: ClassVar[str] = "all, commit, linear, log, none, random:SEED, or a schedule"
    starting: ClassVar[str] = "build the C for this machine"

    @classmethod
    def start(cls, output: Output, toolchain: Toolchain) -> OnHost:
        """Build the C and load it. Raises as builds do."""
        del toolchain  # of firmware; this machine has its own
        model = SampledDevice(host_device(output), output.graph)
        return cls(output, model, "host", find_host_compiler().version)

    def lose_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> HostLosses:
        """Losses at writes: every behaviour that the board's NVM may show (power_loss/host.py)."""
        return lose_power_on_host(self.output, mode, dataset, limit_s=limit_s)
