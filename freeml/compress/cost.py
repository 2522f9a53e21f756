"""What a network takes on a board before any C: the planner's answer, and which bound it breaks by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from freeml.board.board import Board
from freeml.compress.types import Bounds, Cost
from freeml.firmware.build import Toolchain
from freeml.ir.graph import Graph
from freeml.ir.int_ops import LutI8, SoftmaxI8
from freeml.needs import Region, linked, plan_linked, plan_within
from freeml.needs import bounds as region_bounds
from freeml.plan.inference import inference_cost

NOTHING: Mapping[str, int] = MappingProxyType({})
# Which figure of a cost a bound is about.
FIGURE = {
    "target_bytes": "stored_bytes",
    "flash_bytes": "flash_bytes",
    "sram_bytes": "sram_bytes",
    "nvm_bytes": "nvm_bytes",
    "energy_uj": "energy_uj",
    "ms": "ms",
}
OPTION = {
    "target_bytes": ("stored bytes", "bytes"),
    "flash_bytes": ("flash", "bytes"),
    "sram_bytes": ("SRAM", "bytes"),
    "nvm_bytes": ("NVM", "bytes"),
    "energy_uj": ("energy of an inference", "uJ"),
    "ms": ("time of an inference", "ms"),
    "max_drop_points": ("drop of accuracy", "points"),
}
# Others are of flash; near memory holds values and code where weights lie beyond it.
_FIELD_OF = {"sram": "sram_bytes", "nvm": "nvm_bytes", "near": "nvm_bytes", "energy": "energy_uj"}


def stored_of(graph: Graph) -> int:
    """Bytes of an integer graph's constants as they are stored: weights and what belongs to them. Look-up tables of
    functions are tables of the runtime (firmware/stored.py)."""
    looked_up = {name for op in graph.ops if isinstance(op, LutI8 | SoftmaxI8) for name in op.inputs}
    return sum(const.size_bytes for name, const in graph.consts.items() if name not in looked_up)


def cost_of(graph: Graph, board: Board, link: Toolchain | None = None, *, off: Mapping[str, int] = NOTHING) -> Cost:
    """Of an integer graph on a board. Code and stack are upper bounds, as `freeml analyze` has them.

    link  of which compiler's firmware memory is, in place of bounds; these stay where the board has no firmware of
          ours, this machine no compiler for it, or the network no plan
    off   what bounds are known to be too much, by field of Cost
    """
    planned = plan_within(graph, board) if link is None else plan_linked(graph, board, link)
    arena = planned.memory.arena_bytes
    stored = stored_of(planned.graph)
    if planned.tiles is None:
        assert planned.refusal is not None
        over = {planned.refusal.region: planned.refusal.needed / max(1, planned.refusal.available)}
        return Cost(stored, arena, stored, planned.refusal.needed, arena, None, None, None, over, planned.refusal.what)
    found = None if link is None or planned.refusal else linked(planned, board, link)
    regions = found or _less(region_bounds(planned, board), off)
    inference = inference_cost(planned.tiles)
    clock = board.clock_hz.value if board.clock_hz else 0
    over = {
        name: region.needed_bytes / max(1, region.available_bytes or 0)
        for name, region in regions.items()
        if not region.fits
    }
    why = (
        planned.refusal.what if planned.refusal else f"{board.name} has too little {', '.join(over)}" if over else None
    )
    return Cost(
        stored_bytes=stored,
        arena_bytes=arena,
        flash_bytes=regions["flash"].needed_bytes,
        sram_bytes=regions["sram"].needed_bytes,
        nvm_bytes=regions["nvm"].needed_bytes,
        cycles=round(inference.active_us * clock / 1e6) if inference and clock else None,
        energy_uj=inference.energy_uj if inference else None,
        ms=inference.active_us / 1000 if inference else None,
        over=over,
        refusal=why,
        near_bytes=regions["near"].needed_bytes if "near" in regions else 0,
    )


def _less(bounds: Mapping[str, Region], off: Mapping[str, int]) -> Mapping[str, Region]:
    """Bounds by region, less what they are too much."""
    taken = {name: off.get(f"{name}_bytes", 0) for name in bounds} | {"shared": off.get("flash_bytes", 0)}
    return {name: replace(region, needed_bytes=region.needed_bytes - taken[name]) for name, region in bounds.items()}


def excess(cost: Cost, bounds: Bounds) -> dict[str, float]:
    """How many times each bound is exceeded, by field of `Bounds`: above 1 it is broken. What the board itself has too
    little of counts as a bound, too; a figure that the board has no model of breaks nothing."""
    found = {}
    for name, limit in bounds.limits().items():
        figure = getattr(cost, FIGURE[name]) if name in FIGURE else None
        if figure is not None:
            found[name] = figure / limit
    for region, times in cost.over.items():
        name = _FIELD_OF.get(region, "flash_bytes")
        found[name] = max(times, found.get(name, 0.0))
    return found
