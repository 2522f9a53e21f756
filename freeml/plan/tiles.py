"""Graph@QUANTIZED + MemoryPlan + Board -> TilePlan: the atomic steps of an inference.

A tile computes output units [first, first + n) of one layer into SRAM, the runtime writes them to NVM and commits its
number. Step 0 captures the input, steps 1 .. n_tiles are the tiles in order, step n_tiles + 1 publishes the result.
Of each layer the tile is the largest whose worst case, with restore and commit, fits the capacitor's usable charge
(energy.py) and the SRAM there is, so commits are fewest; among sizes with as many tiles, the one whose tile is cheapest.
Whole pixels and rows need no rule of their own: a tile that starts inside a pixel gathers its window again, and pays.
Where not even one output fits, its dot product is cut into parts (Tile.part), with int32 partial sums in two NVM slots.

`plan_tiles` takes the smallest tile where none fits; `progress.check_progress` refuses such a plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from freeml.plan.energy import Budget, TileCost

MAX_WORD_TILES = 32_766  # step numbers that a 2-byte commit word can hold, beside "cold"
COMMIT_WORD_BYTES = 2
COMMIT_SLOT_BYTES = 8  # sequence, step and CRC
PUBLISH_BYTES = 12  # class, confidence, depth, sequence and what checks them
PARTIAL_BYTES = 4  # one int32 sum; there are two slots
HOST_TILE_BYTES = 4096  # tile buffer where the board sets no limit


@dataclass(frozen=True, slots=True)
class Tile:
    """Units [first, first + n) of a layer; with parts, products [mac_first, mac_first + mac_n) of unit `first`.

    is_last_part  the part that requantises and writes the output; True where there are no parts
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
    operand            which input of a Concat is copied; 0 elsewhere
    loc                the model's node
    first_tile         step number of the first tile; they are consecutive
    n_units            output units of the kernel
    unit_bytes         bytes of one unit
    unit_stride_bytes  from one unit to the next in the arena; above unit_bytes only in copies
    offset_bytes       where unit 0 lies in the arena
    tile_units         units of each tile but perhaps the last
    parts              tiles for each unit; above 1 only with tile_units = 1
    part_macs          products of each part but perhaps the last; the whole dot product where parts = 1, 0 without one
    macs               products of one unit; 0 where it is no dot product
    n_tiles            tiles of this layer
    stage_bytes        SRAM for inputs, where NVM is not memory-mapped
    cost               worst tile with restore and commit; None on a board without energy model
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
    cost: TileCost | None

    @property
    def tile_bytes(self) -> int:
        """SRAM for the outputs of one tile; a part writes a partial sum."""
        return max(self.tile_units * self.unit_bytes, PARTIAL_BYTES if self.parts > 1 else 0)

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

    def tiles(self) -> Iterator[Tile]:
        """All tiles, in order."""
        return map(self.tile, range(self.n_tiles))


@dataclass(frozen=True, slots=True)
class FixedStep:
    """The capture of the input (step 0) or the publishing of the result (the last step).

    loc   names of the ports concerned
    cost  with restore and commit; None on a board without energy model
    """

    name: str
    loc: str
    written_bytes: int
    cost: TileCost | None


@dataclass(frozen=True, slots=True)
class TilePlan:
    """All steps of an inference.

    board              its name
    budget             what the capacitor gives one boot; None on a board without energy model
    capture, publish   first and last step
    layers             the others, in execution order; step numbers run on from 1
    commit_slots       1: one word; 2: alternating slots with sequence and CRC
    commit_bytes       of one record
    tile_buffer_bytes  SRAM for the outputs of the largest tile
    stage_bytes        SRAM for the inputs of a tile where NVM is not memory-mapped, else 0
    partial_bytes      NVM for partial sums: two slots, or 0 where no layer has parts
    written_bytes      NVM bytes written in one inference without a power loss, commits included
    activation_bytes   of these, bytes of values: the input and what ops compute
    """

    board: str
    budget: Budget | None
    capture: FixedStep
    publish: FixedStep
    layers: tuple[LayerTiles, ...]
    commit_slots: int
    commit_bytes: int
    tile_buffer_bytes: int
    stage_bytes: int
    partial_bytes: int
    written_bytes: int
    activation_bytes: int

    @property
    def n_tiles(self) -> int:
        """Tiles of all layers, without capture and publish."""
        return sum(layer.n_tiles for layer in self.layers)

    @property
    def commits(self) -> int:
        """Commit records written in one inference: one for each step."""
        return self.n_tiles + 2

    @property
    def written_ratio(self) -> float:
        """Bytes written to NVM for each byte of a value."""
        return self.written_bytes / self.activation_bytes

    def layer_of(self, step: int) -> tuple[LayerTiles, int]:
        """The layer of step 1 .. n_tiles, and which of its tiles that is."""
        for layer in self.layers:
            if layer.first_tile <= step < layer.first_tile + layer.n_tiles:
                return layer, step - layer.first_tile
        raise IndexError(f"no tile {step} in 1 .. {self.n_tiles}")
