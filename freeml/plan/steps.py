"""The steps of an inference as types: tiles of each kernel call, the steps that cannot be cut, and the plan of all.

A tile computes output units [first, first + n) of one layer into SRAM, the runtime writes them to NVM and commits its
number. step_table.py says what the step of each number does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from freeml.energy.capacitor import Budget, StepCost
from freeml.plan.protocol import MAX_CHECKED_WORD_STEPS, PARTIAL_BYTES
from freeml.plan.step_table import Kind, StepTable, step_table


@dataclass(frozen=True, slots=True)
class Tile:
    """Units [first, first + n) of a layer; with parts, products [mac_first, mac_first + mac_n) of unit `first`.

    is_last_part  the part that requantizes and writes the output; True where there are no parts
    """

    first: int
    n: int
    part: int
    mac_first: int
    mac_n: int
    is_last_part: bool


@dataclass(frozen=True, slots=True)
class LayerTiles:
    """The tiles of one kernel call: of an op, or of one copied input of a Concat.

    value              output of the op
    operand            which call of the op: of a Concat, which input is copied; 0 where there is one call
    loc                the model's node
    first_tile         step number of the first tile; they are consecutive (`numbered`)
    n_units            output units of the kernel
    unit_bytes         bytes of one unit
    unit_stride_bytes  from one unit to the next in the arena; above unit_bytes only in copies
    offset_bytes       where unit 0 lies in the arena
    tile_units         units of each tile but perhaps the last
    parts              tiles for each unit; above 1 only with tile_units = 1
    part_macs          products of each part but perhaps the last; the whole dot product where parts = 1, 0 without one
    macs               products of one unit; 0 where it is no dot product
    n_tiles            tiles of this layer
    stage_bytes        SRAM for inputs, behind tile_bytes rounded up to 4; 0 where NVM is memory-mapped
    scratch_bytes      SRAM behind these for a kernel that takes more for larger tiles; 0 for others
    cost               worst tile with restore and commit; None on a board without energy model
    least_cost         the same of the smallest tile that there could be
    """

    value: str
    operand: int
    loc: str
    first_tile: int
    n_units: int
    unit_bytes: int
    unit_stride_bytes: int
    offset_bytes: int
    tile_units: int
    parts: int
    part_macs: int
    macs: int
    n_tiles: int
    stage_bytes: int
    scratch_bytes: int
    cost: StepCost | None
    least_cost: StepCost | None

    @property
    def kind(self) -> Kind:
        """What its steps do."""
        return Kind.TILES

    @property
    def n_steps(self) -> int:
        """Its steps: a tile each."""
        return self.n_tiles

    @property
    def tile_bytes(self) -> int:
        """SRAM for the outputs of one tile; a part writes a partial sum."""
        return max(self.tile_units * self.unit_bytes, PARTIAL_BYTES if self.parts > 1 else 0)

    @property
    def sram_bytes(self) -> int:
        """SRAM of one tile: outputs, then, from a multiple of 4 on, staged inputs and its own scratch."""
        behind = self.stage_bytes + self.scratch_bytes
        return -(-self.tile_bytes // 4) * 4 + behind if behind else self.tile_bytes

    def tile(self, index: int) -> Tile:
        """Tile 0 <= index < n_tiles of this layer."""
        unit, part = divmod(index, self.parts)
        first = unit * self.tile_units
        mac_first = part * self.part_macs
        return Tile(
            first=first,
            n=min(self.tile_units, self.n_units - first),
            part=part,
            mac_first=mac_first,
            mac_n=min(self.part_macs, self.macs - mac_first),
            is_last_part=part == self.parts - 1,
        )

    @property
    def cut(self) -> Cut:
        """What `recut_tiles` makes the same tiles of."""
        return Cut(self.tile_units, self.part_macs if self.parts > 1 else 0)

    def tiles(self) -> Iterator[Tile]:
        """All tiles, in order."""
        return map(self.tile, range(self.n_tiles))


@dataclass(frozen=True, slots=True)
class Cut:
    """How one kernel call is cut: tiles of so many units, or, where that is not 0, parts of so many products of one."""

    tile_units: int
    part_macs: int = 0


@dataclass(frozen=True, slots=True)
class FixedStep:
    """A step that cannot be cut: the capture of the input, a decision, the publishing of the result, a report; or a
    cold start before them (fixed_steps.py).

    kind    what it does; None for a cold start, which is no step of an inference
    words   the same in words, for messages
    key     a cost table's name for it
    loc     names of the ports or of the node concerned; of the model for a cold start
    behind  so many layers come before it
    cost    with restore and commit; None on a board without energy model
    """

    kind: Kind | None
    words: str
    key: str
    loc: str
    behind: int
    written_bytes: int
    cost: StepCost | None

    @property
    def n_steps(self) -> int:
        """It is one."""
        return 1


Step = LayerTiles | FixedStep


def in_order(layers: Sequence[LayerTiles], fixed: Sequence[FixedStep]) -> tuple[Step, ...]:
    """Both together, as the steps of an inference follow one another."""
    found: list[Step] = []
    for k in range(len(layers) + 1):
        found += [step for step in fixed if step.behind == k]
        found += layers[k : k + 1]
    return tuple(found)


def table_of(steps: Sequence[Step]) -> StepTable:
    """What the step of each number does."""
    return step_table((step.kind, step.n_steps) for step in steps if step.kind is not None)


def numbered(layers: Sequence[LayerTiles], fixed: Sequence[FixedStep]) -> tuple[LayerTiles, ...]:
    """The layers with their first tiles, as their rows have them."""
    rows = [row for row in table_of(in_order(layers, fixed)).rows if row.kind is Kind.TILES]
    return tuple(replace(layer, first_tile=row.first) for layer, row in zip(layers, rows, strict=True))


@dataclass(frozen=True, slots=True)
class Policy:
    """What decides at the exits of a network: `runtime_c/src/fml_NAME.c`, and the table that it reads.

    name         of the file, of its header, of fml_NAME_t and of fml_NAME_stops
    rows         of the table, one for each decision from shallow to deep: the members of its fml_NAME_exit_t
    levels_uj    what it compares the energy meter with, rising
    state_bytes  that it keeps in the result slot
    head         of the table that `fml_exits.h` is about: the members of its fml_policy_head_t; empty for others
    judge, stops  of such a table: its function, and who asks that
    """

    name: str
    rows: tuple[tuple[int, ...], ...]
    levels_uj: tuple[int, ...] = ()
    state_bytes: int = 0
    head: tuple[int, ...] = ()
    judge: str = ""
    stops: str = ""


@dataclass(frozen=True, slots=True)
class TilePlan:
    """All steps of an inference.

    board              its name
    budget             what the capacitor gives one boot; None on a board without energy model
    restore            cost of a boot, part of the cost of every step; None as budget
    cold_start         what a boot does first where NVM is not this model's; no step of an inference
    fixed              the steps of an inference that cannot be cut, in order: from the capture to the report
    layers             the others, in execution order
    commit_slots       1: one word; 2: alternating slots that check themselves
    commit_bytes       of one record
    tile_buffer_bytes  SRAM for the outputs of the largest tile
    is_staged          whether NVM is not memory-mapped, so that inputs of a tile are copied to SRAM first
    stage_bytes        SRAM for the largest inputs of a tile where is_staged, else 0
    partial_bytes      NVM for partial sums: two slots, or 0 where no layer has parts
    written_bytes      NVM bytes written in one inference without a power loss, commits included
    activation_bytes   of these, bytes of values: the input and what ops compute
    policy             what decides; None where nothing does
    """

    board: str
    budget: Budget | None
    restore: StepCost | None
    cold_start: FixedStep
    fixed: tuple[FixedStep, ...]
    layers: tuple[LayerTiles, ...]
    commit_slots: int
    commit_bytes: int
    tile_buffer_bytes: int
    is_staged: bool
    stage_bytes: int
    partial_bytes: int
    written_bytes: int
    activation_bytes: int
    policy: Policy | None = None

    @property
    def levels_uj(self) -> tuple[int, ...]:
        """What the policy compares the energy meter with, rising."""
        return self.policy.levels_uj if self.policy else ()

    @property
    def state_bytes(self) -> int:
        """What the policy keeps in the result slot."""
        return self.policy.state_bytes if self.policy else 0

    @property
    def n_tiles(self) -> int:
        """Tiles of all layers, without steps that cannot be cut."""
        return sum(layer.n_tiles for layer in self.layers)

    @property
    def in_order(self) -> tuple[Step, ...]:
        """An entry for each row of the table of steps."""
        return in_order(self.layers, self.fixed)

    @property
    def steps(self) -> StepTable:
        """What the step of each number does."""
        return table_of(self.in_order)

    @property
    def whole(self) -> tuple[Step, ...]:
        """The same of an inference in which no decision stops before the end."""
        return tuple(step for row, step in zip(self.steps.rows, self.in_order, strict=True) if row.depth > 0)

    def fixed_of(self, kind: Kind) -> FixedStep:
        """The first step of a kind that cannot be cut."""
        return next(step for step in self.fixed if step.kind is kind)

    @property
    def priced_steps(self) -> tuple[Step, ...]:
        """All that must fit a boot, a cold start first; the tiles of a layer are one entry, with the worst's cost."""
        return self.cold_start, *self.in_order

    @property
    def least_costs(self) -> tuple[StepCost, ...]:
        """What no plan can be below: the smallest tile of each layer, and steps that cannot be cut. Empty without
        prices."""
        costs = (step.least_cost if isinstance(step, LayerTiles) else step.cost for step in self.priced_steps)
        return tuple(cost for cost in costs if cost is not None)

    @property
    def commits(self) -> int:
        """Commit records written in one whole inference: one for each step."""
        return sum(step.n_steps for step in self.whole)

    @property
    def commit_check(self) -> bool:
        """Whether a flipped bit of the commit record shows: in two slots, and in a word with bits left for a check."""
        return self.commit_slots == 2 or self.steps.n_steps <= MAX_CHECKED_WORD_STEPS

    @property
    def sram_bytes(self) -> int:
        """SRAM of the fullest tile, all that it needs for its size. No more than the planner was given."""
        return max((layer.sram_bytes for layer in self.layers), default=0)

    @property
    def written_ratio(self) -> float:
        """Bytes written to NVM for each byte of a value."""
        return self.written_bytes / self.activation_bytes
