"""What freeml.json holds: the board, the plan, what both were made with, and what the compiler found out.

Whoever reads a compiled folder takes board and plan from here: nothing is planned again, and a board file that has
changed since changes nothing. `FORMAT_VERSION` counts up with every change of meaning; `folder.read_output` refuses
other ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, field_serializer

from freeml.board.board import Board
from freeml.board.cost_table import CostTable
from freeml.board.figures import Strict
from freeml.plan.memory import MemoryPlan
from freeml.plan.steps import TilePlan
from freeml.plan.windows import Windows

FORMAT_VERSION = 3
"""1 had no version; of the plan it had only sizes of tiles. 2 had capture, publication and report by name."""
_SPELT_BEFORE = {"quantisation": "quantization"}
_SUMS = ("n_tiles", "commits", "commit_check", "written_ratio")  # of a plan, as the file has them


class Model(Strict):
    """The file that was compiled."""

    name: str
    sha256: str


class Options(Strict):
    """What accuracy was asked of: a split, and at most so many samples of it."""

    split: str
    samples: int | None


class KernelPrices(Strict):
    """What steps were priced with, in words, and why that is not of this firmware, where it is not."""

    basis: str
    warning: str | None

    @staticmethod
    def of(board: Board) -> KernelPrices | None:
        """Those of a board; None without prices."""
        if board.cycles is None:
            return None
        return KernelPrices(basis=board.kernel_cycles.basis, warning=board.kernel_cycles.warning)


class Memory(Strict):
    """Bytes by region. Activations live in NVM; SRAM holds one tile, the scratch of one kernel and the stack.

    stage_bytes  of tile_bytes, the most that inputs of a tile take where NVM is not memory-mapped
    """

    flash_bytes: int
    code_bytes: int
    weights_bytes: int
    nvm_bytes: int
    arena_bytes: int
    sram_bytes: int
    tile_bytes: int
    stage_bytes: int
    scratch_bytes: int
    stack_bytes: int


class Both(Strict):
    """A figure of the float network and of the int8 network."""

    of_float: float | None = Field(alias="float")
    of_int8: float | None = Field(alias="int8")


class Accuracy(Both):
    """How good both networks are, on what, and why there is no figure where there is none.

    float, int8  share of samples that are right, where kind is "classes"
    mae, r2      of a regression
    rule         how the split was made, in words
    """

    kind: Literal["classes", "regression"] | None
    mae: Both | None = None
    r2: Both | None = None
    samples: int
    split: str | None
    data: str | None
    rule: str | None
    note: str | None


class Quantization(Strict):
    """Which method won, by the error of each; `refused` are those without integers, and why."""

    method: str
    errors: Mapping[str, float]
    refused: Mapping[str, str]
    samples: int
    rule: str | None


class Result(Strict):
    """What the device publishes, in words of ir/decision.py."""

    kind: str
    value: str
    output: int
    threshold_code: int | None


class PortEntry(Strict):
    """An input or output: as its author sees it, and as it lies in memory."""

    name: str
    shape: tuple[int, ...]
    memory_order: tuple[int, ...]
    memory_shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None


class LayerEntry(Strict):
    """An op as it is executed."""

    value: str
    op: str
    loc: str
    shape: tuple[int, ...]
    macs: int
    weights_bytes: int
    output_bytes: int
    offset_bytes: int
    scratch_bytes: int


class ExitEntry(Strict):
    """One exit: its depth, from 1, the value that has its scores, the model's node behind which it lies, and what an
    inference takes that ends there: multiplications, and worst-case energy on the board."""

    depth: int
    value: str
    loc: str
    macs: int
    energy_uj: float | None


class SegmentEntry(Strict):
    """What lies between two exits: the steps up to the decision of this depth, at worst-case costs; None without energy
    model."""

    depth: int
    charge_pc: float
    energy_uj: float
    time_us: float


class Exits(Strict):
    """Answers on the way through the network.

    how       they came about, in words; head: kind of their heads
    policy    as it was asked for: what decides whether an inference goes on. Its table is tiles.policy
    at        each of them, and the network's own answer last
    segments  empty on a board without energy model
    """

    how: str
    head: str
    policy: str
    exit_bytes: int
    separate_exit_bytes: int
    separate_same_pooling_bytes: int
    at: tuple[ExitEntry, ...]
    segments: tuple[SegmentEntry, ...]


class Manifest(Strict):
    """Everything that is known of a compiled model beside its graphs and C.

    freeml         the version that made it
    board          with what its NVM was said to guarantee, as its file was then
    compiler       of the code whose sizes `memory` has
    kernel_cycles  what steps were priced with; None for a board without prices
    costs_sha256   of the measured costs that came before them; None where there were none
    arena, tiles   the plan: where values lie, and the atomic steps with their worst cases
    windows        of a firmware, for inputs and outputs
    result         None where the network decides nothing
    warnings       what is odd about model and samples, in words
    exits          None for a network that answers at its end alone
    """

    format_version: int = FORMAT_VERSION
    freeml: str
    name: str
    model: Model
    options: Options
    board: Board
    compiler: str
    kernel_cycles: KernelPrices | None
    costs_sha256: str | None
    memory: Memory
    macs: int
    params: int
    accuracy: Accuracy
    quantization: Quantization
    result: Result | None
    warnings: tuple[str, ...]
    arena: MemoryPlan
    tiles: TilePlan
    windows: Windows
    inputs: tuple[PortEntry, ...]
    outputs: tuple[PortEntry, ...]
    layers: tuple[LayerEntry, ...]
    exits: Exits | None = None

    @field_serializer("tiles", mode="wrap")
    def _with_sums(self, tiles: TilePlan, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Sums for people and programs that read the file; freeml computes them of the plan."""
        return {**{name: getattr(tiles, name) for name in _SUMS}, **handler(tiles)}

    @property
    def capacitor_uf(self) -> float | None:
        """The capacitor that progress was proved with; None for a board without one."""
        return self.tiles.budget.capacitor_uf if self.tiles.budget else None

    def as_dict(self) -> dict[str, Any]:
        """What freeml.json holds, as plain data."""
        return self.model_dump(mode="json", by_alias=True)

    @staticmethod
    def read(found: Mapping[str, Any]) -> Manifest:
        """Of what the file holds. Raises pydantic's ValidationError."""
        tiles = found.get("tiles")
        if isinstance(tiles, dict):
            found = {**found, "tiles": {name: value for name, value in tiles.items() if name not in _SUMS}}
        return Manifest.model_validate_json(json.dumps(found))

    def __getitem__(self, key: str) -> Any:
        """An entry as freeml.json has it, for scripts; those spelt otherwise before are found under both names."""
        return self.as_dict()[_SPELT_BEFORE.get(key, key)]

    def text(self) -> str:
        """The file: the same manifest, the same bytes."""
        return json.dumps(self.as_dict(), indent=2, allow_nan=False) + "\n"


def costs_sha256(table: CostTable | None) -> str | None:
    """Digest of measured costs."""
    return None if table is None else hashlib.sha256(table.model_dump_json().encode()).hexdigest()
