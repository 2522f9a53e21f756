"""A compiled folder on a device: what `freeml verify` asks of an engine, and what every device can be asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from freeml.data import Dataset, fit_inputs
from freeml.firmware.build import Toolchain
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output
from freeml.sim.answers import answers_of
from freeml.sim.device import Answer
from freeml.sim.power_loss.commits import lose_power_at_commits
from freeml.sim.sampled import SampledDevice

_MOST_SAMPLES = 20  # in which power is lost
_GARBAGE = 7  # seed of what NVM holds before a cold start


def garbage(n_bytes: int) -> bytes:
    """What NVM holds before a cold start."""
    return np.random.default_rng(_GARBAGE).bytes(n_bytes)


@dataclass(frozen=True, slots=True)
class InferenceTaken:
    """What an inference took of a device: the mean over several samples and the most; NVM bytes of any, the most.

    charge_nc, energy_uj_at_3v  None where the board's file prices nothing
    basis                       what the figures rest on
    """

    core: str
    compiler: str
    instructions: int
    instructions_max: int
    cycles: int
    cycles_max: int
    nvm_bytes_written: int
    nvm_bytes_read: int
    charge_nc: float | None
    energy_uj_at_3v: float | None
    basis: str


@dataclass(frozen=True)
class Opened(ABC):
    """A compiled folder on a device; an engine is a kind of it.

    model           runs samples
    core, compiler  whose, and which one, made the code that runs
    """

    modes: ClassVar[str] = r"commit|none"
    """Pattern of the losses that --power-loss may ask for."""
    modes_said: ClassVar[str] = "commit, none"
    starting: ClassVar[str]
    """What takes time when it starts, in words."""

    output: Output
    model: SampledDevice
    core: str
    compiler: str

    @classmethod
    @abstractmethod
    def start(cls, output: Output, toolchain: Toolchain) -> Opened:
        """The device with the folder's C. Raises as builds do."""

    def taken(self) -> InferenceTaken | None:
        """What an inference took, of all samples so far; None where the device does not count."""
        taken = [done.taken for done in self.model.inferences if done.taken is not None]
        if not taken:
            return None
        counts = [one.instructions for one in taken]
        cycles = [one.cycles for one in taken]
        charges_pc = [one.charge_pc for one in taken if one.charge_pc is not None]
        charge_nc = sum(charges_pc) / len(charges_pc) / 1000 if charges_pc else None
        return InferenceTaken(
            core=self.core,
            compiler=self.compiler,
            instructions=round(sum(counts) / len(counts)),
            instructions_max=max(counts),
            cycles=round(sum(cycles) / len(cycles)),
            cycles_max=max(cycles),
            nvm_bytes_written=max(one.nvm_bytes_written for one in taken),
            nvm_bytes_read=max(one.nvm_bytes_read for one in taken),
            charge_nc=charge_nc,
            energy_uj_at_3v=None if charge_nc is None else 3 * charge_nc / 1000,
            basis=self.model.device.basis,
        )

    def lose_power(self, dataset: Dataset, mode: str, *, limit_s: float) -> Any:
        """Losses from a cold start on: a frozen dataclass with what they found. mode: one of `modes`."""
        device = self.model.device
        device.nvm = garbage(len(device.nvm))
        return lose_power_at_commits(device, self.samples(dataset), mode, limit_s=limit_s)

    def samples(self, dataset: Dataset, most: int = _MOST_SAMPLES) -> list[tuple[bytes, Answer]]:
        """Codes of the inputs and what must be reported of them."""
        graph = self.output.graph
        few = fit_inputs(dataset.take(most), [port.shape for port in graph.inputs])
        return answers_of(graph, encode_inputs(graph, few.real_inputs()))
