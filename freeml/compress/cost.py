"""What a network takes on a board before any C: the planner's answer, and which bound it breaks by how much."""

from __future__ import annotations

from freeml.board.board import Board
from freeml.compress.types import Bounds, Cost
from freeml.ir.graph import Graph
from freeml.needs import bounds as region_bounds
from freeml.plan.inference import inference_cost
from freeml.plan.planner import plan_graph

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


def cost_of(graph: Graph, board: Board) -> Cost:
    """Of an integer graph on a board. Code and stack are upper bounds, as `freeml analyze` has them."""
    planned = plan_graph(graph, board)
    stored = stored_bytes(planned.graph)
    arena = planned.memory.arena_bytes
    if planned.tiles is None:
        return Cost(stored, arena, stored, arena, arena, None, None, None, str(planned.refusal))
    regions = region_bounds(planned, board)
    inference = inference_cost(planned.tiles)
    clock = board.clock_hz.value if board.clock_hz else None
    timed = inference is not None and clock is not None
    too_large = [name for name, region in regions.items() if not region.fits]
    refusal = planned.refusal.what if planned.refusal else None
    return Cost(
        stored_bytes=stored,
        arena_bytes=arena,
        flash_bytes=regions["flash"].needed_bytes,
        sram_bytes=regions["sram"].needed_bytes,
        nvm_bytes=regions["nvm"].needed_bytes,
        cycles=round(inference.active_us * clock / 1e6) if timed and inference and clock else None,
        energy_uj=inference.energy_uj if inference else None,
        ms=inference.active_us / 1000 if inference else None,
        refusal=refusal or (f"{board.name} has too little {too_large[0]}" if too_large else None),
    )


def stored_bytes(graph: Graph) -> int:
    """Of all constants of an integer graph, as they are stored."""
    return sum(const.size_bytes for const in graph.consts.values())


def excess(cost: Cost, bounds: Bounds) -> dict[str, float]:
    """How many times each bound is exceeded, by field of `Bounds`: above 1 it is broken. A figure that the board has
    no model of breaks nothing."""
    found = {}
    for name, limit in bounds.limits().items():
        figure = getattr(cost, FIGURE[name]) if name in FIGURE else None
        if figure is not None:
            found[name] = figure / limit
    return found


def broken(cost: Cost, bounds: Bounds) -> str | None:
    """The bound that is exceeded most; None where all are kept."""
    found = excess(cost, bounds)
    worst = max(found, key=lambda name: found[name], default=None)
    return worst if worst is not None and found[worst] > 1 else None
