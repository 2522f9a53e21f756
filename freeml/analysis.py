"""What a model will need on a board, before any training or data: memory by region, energy, time, boots, capacitor.

None of this depends on the values of weights or activations, so ranges may be anything: a float model is quantized as
if every activation lay in -1 .. 1. Everything is planned by the planner of `freeml compile`, with the cycles of the
compiler that would build the firmware. Where bounds of code and stack do not show that it fits, it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from freeml.board.board import Board
from freeml.c_files import c_files
from freeml.errors import BadModel, DoesNotFit, UnsupportedOp
from freeml.firmware.build import Toolchain
from freeml.frontend.load import LoadedModel
from freeml.ir.graph import Graph
from freeml.needs import Region, bounds, plan_linked, regions
from freeml.passes.pipeline import run_passes
from freeml.pipeline import for_toolchain, measure_memory
from freeml.plan.counts import Counts, count_ops
from freeml.plan.inference import InferenceCost, inference_cost
from freeml.plan.planner import Planned, smallest_uf
from freeml.plan.steps import TilePlan
from freeml.quantize.lower import lower
from freeml.quantize.observe import Observed
from freeml.quantize.ranges import RULES
from freeml.quantize.scales import assign_scales

_ANYTHING = Observed.between(-1.0, 1.0)


@dataclass(frozen=True)
class Analysis:
    """What `freeml analyze` says.

    regions                by name: flash, nvm, sram; shared where flash and nvm are one memory, near on an MSP430
    tiles                  None where SRAM cannot hold the smallest tile
    inference              None where it does not fit the capacitor, or on a board without energy model
    smallest_capacitor_uf  None likewise, or where no capacitor would do
    refusal                why it does not fit, or None
    """

    graph: Graph
    board: Board
    counts: Counts
    regions: Mapping[str, Region]
    tiles: TilePlan | None
    inference: InferenceCost | None
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


def analyze(
    loaded: LoadedModel, board: Board, capacitor_uf: float | None = None, toolchain: Toolchain = "auto"
) -> Analysis:
    """Plan a model for a board and say what it takes. Raises FreemlError for a model that cannot be compiled at all."""
    board = for_toolchain(board, toolchain)
    graph = placeholder_int8(run_passes(replace(loaded.graph, name="model")))
    planned = plan_linked(graph, board, toolchain, capacitor_uf)
    tiles, refusal = planned.tiles, planned.refusal
    found: Mapping[str, Region] = {}
    if tiles is not None:
        found, too_large = _memory(planned, board, toolchain)
        refusal = too_large or refusal
    return Analysis(
        graph=planned.graph,
        board=board,
        counts=count_ops(planned.graph, board.kernels),
        regions=found,
        tiles=tiles,
        inference=None if tiles is None else inference_cost(tiles),
        smallest_capacitor_uf=smallest_uf(graph, board, windows=planned.windows),
        refusal=refusal,
    )


def _memory(planned: Planned, board: Board, toolchain: Toolchain) -> tuple[Mapping[str, Region], DoesNotFit | None]:
    """Rows of the memory table, and what of it is too small."""
    bound = bounds(planned, board)
    if planned.refusal is not None or all(region.fits for region in bound.values()):
        return bound, None
    assert planned.tiles is not None
    try:
        graph, memory_plan, windows = planned.graph, planned.memory, planned.windows
        program, files = c_files(graph, memory_plan, planned.tiles, board, header=(), windows=windows)
        memory, _ = measure_memory(program, files, board, toolchain)
        found = regions(board, memory)
        board.check_fit(**{name: memory[name] for name in ("flash_bytes", "nvm_bytes", "sram_bytes")})
    except DoesNotFit as error:
        return bound, error
    return found, None
