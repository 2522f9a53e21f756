"""What a model will need on a board, before any training or data: memory by region, energy, time, boots, capacitor.

None of this depends on the values of weights or activations, so ranges may be anything: a float model is quantised as
if every activation lay in -1 .. 1. Code is taken from the board's figure for all kernels and the runtime; weights,
activations and tiles are planned exactly as `freeml compile` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from freeml.board import Board
from freeml.errors import BadModel, DoesNotFit, UnsupportedOp
from freeml.frontend.load import LoadedModel
from freeml.ir.graph import Graph
from freeml.ir.ops import Reshape
from freeml.passes.pipeline import run_passes
from freeml.plan.cost import Costs, costs
from freeml.plan.fuse import fuse
from freeml.plan.memory import MemoryPlan, plan_memory
from freeml.plan.progress import Inference, check_progress, inference, smallest_capacitor_uf
from freeml.plan.schedule import schedule
from freeml.plan.tiles import LayerTiles, TilePlan, plan_tiles, sram_for_tiles
from freeml.plan.verify import verify_plan
from freeml.plan.verify_tiles import verify_tiles
from freeml.quantize.lower import lower
from freeml.quantize.observe import Observed
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales

NVM_CONTROL_BYTES = 64  # FML_NVM_ARENA: identity, commit record, results, partial sums
_HOST_STACK_BYTES = 512
_ANYTHING = Observed.between(-1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes needed of a region, and what the board has; None without limit."""

    needed_bytes: int
    available_bytes: int | None

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.available_bytes is None or self.needed_bytes <= self.available_bytes


@dataclass(frozen=True)
class Analysis:
    """What `freeml analyze` says.

    regions                by name: flash, nvm, sram
    tiles                  None where SRAM cannot hold the smallest tile
    inference              None where it does not fit the capacitor, or on a board without energy model
    smallest_capacitor_uf  None likewise, or where no capacitor would do
    refusal                why it does not fit, or None
    """

    graph: Graph
    board: Board
    costs: Costs
    regions: Mapping[str, Region]
    tiles: TilePlan | None
    inference: Inference | None
    smallest_capacitor_uf: float | None
    refusal: DoesNotFit | None

    @property
    def fits(self) -> bool:
        """Whether the board can run the model on its capacitor."""
        return self.refusal is None


def placeholder_int8(graph: Graph) -> Graph:
    """The integer graph of a float one in the right sizes and shapes; scales that a model does not fix mean nothing."""
    observed = dict.fromkeys(graph.types, _ANYTHING)
    try:
        return lower(graph, assign_scales(graph, observed, RULES["min-max"]))
    except (BadModel, UnsupportedOp):
        # A function may be undefined at a half of -1 .. 1, such as a logarithm.
        observed = dict.fromkeys(graph.types, Observed.between(0.5, 1.0))
        return lower(graph, assign_scales(graph, observed, RULES["min-max"]))


def analyze(loaded: LoadedModel, board: Board, capacitor_uf: float | None = None) -> Analysis:
    """Plan a model for a board and say what it takes. Raises FreemlError for a model that cannot be compiled at all."""
    graph = placeholder_int8(run_passes(replace(loaded.graph, name="model")))
    if all(isinstance(op, Reshape) for op in graph.ops):
        raise UnsupportedOp("the model computes nothing: its outputs are its inputs", where=loaded.name)
    alone = _analyze(graph, board, capacitor_uf)
    fused = fuse(graph, board, capacitor_uf)
    if fused is graph:
        return alone
    joined = _analyze(fused, board, capacitor_uf)
    if not joined.fits:
        return alone
    # With a smaller capacitor, ops are joined no more.
    return replace(joined, smallest_capacitor_uf=alone.smallest_capacitor_uf)


def _analyze(graph: Graph, board: Board, capacitor_uf: float | None) -> Analysis:
    graph = schedule(graph, in_place=False)
    plan = verify_plan(graph, plan_memory(graph, in_place=False))
    cost = costs(graph, board.kernels)
    stack = board.code.stack_bytes.value if board.code else _HOST_STACK_BYTES
    tiles: TilePlan | None = None
    smallest: float | None = None
    refusal: DoesNotFit | None = None
    try:
        sram = sram_for_tiles(board, stack_bytes=stack, scratch_bytes=cost.scratch_bytes)
        tiles = plan_tiles(graph, plan, board, capacitor_uf, sram_tile_bytes=sram)
        if tiles.budget is not None:
            smallest = smallest_capacitor_uf(graph, plan, board, sram_tile_bytes=sram)
        check_progress(graph, plan, tiles, board, capacitor_uf, sram_tile_bytes=sram)
        verify_tiles(graph, plan, tiles)
    except DoesNotFit as error:
        refusal = error
    regions = _regions(board, cost, plan, tiles, stack)
    try:
        board.check_fit(**{f"{name}_bytes": region.needed_bytes for name, region in regions.items()})
    except DoesNotFit as error:
        refusal = error
    made = None if tiles is None else inference(tiles)
    return Analysis(graph, board, cost, regions, tiles, made, smallest, refusal)


def _regions(
    board: Board, cost: Costs, plan: MemoryPlan, tiles: TilePlan | None, stack_bytes: int
) -> dict[str, Region]:
    code = board.code.code_bytes.value if board.code else 0
    needed = {
        "flash": cost.weight_bytes + code,
        "nvm": NVM_CONTROL_BYTES + plan.arena_bytes,
        "sram": stack_bytes + cost.scratch_bytes + (tiles.sram_bytes if tiles else 0),
    }
    limits = {name: getattr(board.memory, f"{name}_bytes") for name in needed}
    return {name: Region(n, limits[name] and limits[name].value) for name, n in needed.items()}


def described(analysis: Analysis) -> dict[str, Any]:
    """The analysis as plain data: what `freeml analyze --json` prints. `fits` is always there.

    Where the model does not fit, `error`, `where` and `hint` say why, as for every error in JSON.
    """
    tiles, made, refusal = analysis.tiles, analysis.inference, analysis.refusal
    budget = tiles.budget if tiles else None
    return {
        "fits": analysis.fits,
        **({"error": refusal.what, "where": refusal.where, "hint": refusal.hint} if refusal else {}),
        "board": analysis.board.name,
        "macs": analysis.costs.macs,
        "params": analysis.costs.params,
        "weights_bytes": analysis.costs.weight_bytes,
        "memory": {
            name: {"needed_bytes": region.needed_bytes, "available_bytes": region.available_bytes, "fits": region.fits}
            for name, region in analysis.regions.items()
        },
        "capacitor_uf": budget and budget.capacitance_uf,
        "usable_uj": budget and budget.energy_uj(budget.usable_pc),
        "smallest_capacitor_uf": analysis.smallest_capacitor_uf,
        "energy_uj": made and made.energy_uj,
        "seconds": made and made.active_us / 1e6,
        "boots": made and made.boots,
        "boots_energy_uj": made and made.boots_energy_uj,
        "tiles": tiles
        and {
            "n_tiles": tiles.n_tiles,
            "commit_slots": tiles.commit_slots,
            "written_bytes": tiles.written_bytes,
            "written_ratio": tiles.written_ratio,
        },
        "costliest": _costliest(tiles),
        "layers": [_layer(tiles, layer) for layer in tiles.layers] if tiles else [],
    }


def _layer(tiles: TilePlan, layer: LayerTiles) -> dict[str, Any]:
    row: dict[str, Any] = {
        "value": layer.value,
        "operand": layer.operand,
        "loc": layer.loc,
        "n_units": layer.n_units,
        "tile_units": layer.tile_units,
        "parts": layer.parts,
        "n_tiles": layer.n_tiles,
        **dict.fromkeys(("tile_uj", "layer_uj", "layer_seconds", "fits")),
    }
    if tiles.budget is not None and tiles.restore is not None and layer.cost is not None:
        own = layer.cost - tiles.restore
        row["tile_uj"] = tiles.budget.energy_uj(layer.cost.charge_pc)
        row["layer_uj"] = tiles.budget.energy_uj(layer.n_tiles * own.charge_pc)
        row["layer_seconds"] = layer.n_tiles * own.time_us / 1e6
        row["fits"] = tiles.budget.covers_one(layer.cost)
    return row


def _costliest(tiles: TilePlan | None) -> dict[str, Any] | None:
    """The layer that takes most energy in all."""
    if tiles is None or tiles.budget is None or not tiles.layers:
        return None
    return max((_layer(tiles, layer) for layer in tiles.layers), key=lambda row: float(row["layer_uj"]))
