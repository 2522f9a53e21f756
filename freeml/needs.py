"""What a planned model needs of each memory of a board: bounds that take no compiler, and the linked firmware's sizes.

Bounds add up what is known before C is compiled: tables, the code of each kernel (cycles.toml), the board's figures for
runtime, drivers, static variables and stack. Where a bound fits, the firmware does; where it does not, only the build
can tell, which is what `freeml compile` goes by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf

from freeml.board.board import Board
from freeml.c_files import c_files
from freeml.codegen.generate import generate
from freeml.codegen.program import Program
from freeml.errors import DoesNotFit
from freeml.exits.policy import ExitRow, Policy, PolicyKind
from freeml.exits.tune import device_policy
from freeml.firmware.build import Toolchain
from freeml.firmware.measure import measure_firmware
from freeml.ir.confidence import Softness
from freeml.ir.graph import Graph
from freeml.plan.fuse import fusible
from freeml.plan.planner import Planned, plan_graph
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.plan.ways import CALL_BYTES

_LAYER_BYTES = 200  # of a layer's descriptor, its entries in tables, and its call
_HOST_STACK_BYTES = 512
_LEAST_ROWS = (1, 4, 8, 16, 32, None)  # of slices, tried where memory is short


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes needed of a region, and what the board has; None without limit."""

    needed_bytes: int
    available_bytes: int | None

    @property
    def fits(self) -> bool:
        """Whether there is enough."""
        return self.available_bytes is None or self.needed_bytes <= self.available_bytes


def plan_within(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Planned:
    """The plan of a quantized graph that is best by its bounds: the first of `plans` that keeps to them, or the one
    that is least beyond them. Raises as `plan_graph`."""
    least, found = inf, None
    for planned in plans(graph, board, capacitor_uf):
        beyond = _beyond(planned, board)
        if found is None or beyond < least:
            least, found = beyond, planned
        if beyond <= 1:
            break
    assert found is not None
    return found


def plan_linked(graph: Graph, board: Board, toolchain: Toolchain, capacitor_uf: float | None = None) -> Planned:
    """The same, of what is linked where bounds are not kept: slices, which are far quicker, stay where they fit, and
    where no plan keeps its bounds, it is the first of `plans` whose firmware fits."""
    beyond: list[tuple[float, Planned]] = []
    for planned in plans(graph, board, capacitor_uf):
        times = _beyond(planned, board)
        if planned.refusal is not None or times <= 1:
            return planned
        if planned.graph.slices and linked(planned, board, toolchain) is not None:
            return planned
        beyond.append((times, planned))
    fitting = (each for _, each in beyond if not each.graph.slices and linked(each, board, toolchain) is not None)
    return next(fitting, None) or min(beyond, key=lambda one: one[0])[1]


def plans(graph: Graph, board: Board, capacitor_uf: float | None = None) -> Iterator[Planned]:
    """Plans of a quantized graph from the quickest to the smallest: in fewer slices, whose calls are code, and with
    convolutions joined with their pools, so that what is between them never exists. One without refusal is followed by
    such alone."""
    planned = plan_graph(graph, board, capacitor_uf)
    yield planned
    if planned.refusal is not None or not (planned.graph.slices or any(fusible(planned.graph))):
        return
    for rows in _LEAST_ROWS if planned.graph.slices else (None,):
        leaner = plan_graph(graph, board, capacitor_uf, lean=True, least_rows=rows)
        if leaner.refusal is None and leaner.graph != planned.graph:
            yield leaner
            planned = leaner


def linked(planned: Planned, board: Board, toolchain: Toolchain) -> Mapping[str, Region] | None:
    """What the firmware of a plan without refusal takes of each region; None where there is none, or no room for it."""
    if board.memory_map is None:
        return None
    tiles = _decided(planned.graph, planned.feasible)
    try:
        program, files = c_files(planned.graph, planned.memory, tiles, board, header=(), windows=planned.windows)
        made = measure_firmware(files, program.name, board.memory_map, toolchain)
    except DoesNotFit:
        return None
    if made is None:
        return None
    needed = {
        "flash_bytes": made.size.flash_bytes,
        "nvm_bytes": made.size.nvm_bytes,
        "sram_bytes": made.size.ram_bytes + made.stack_bytes,
        "near_bytes": made.size.text_bytes + made.size.data_bytes + made.size.nvm_bytes,
    }
    found = regions(board, needed)
    return found if all(region.fits for region in found.values()) else None


def _beyond(planned: Planned, board: Board) -> float:
    """How many times its bounds are what the board has, of the region where that is most; none without tiles."""
    if planned.tiles is None:
        return inf
    regions = bounds(planned, board).values()
    known = (each for each in regions if each.available_bytes is not None)
    return max((each.needed_bytes / max(1, each.available_bytes or 0) for each in known), default=0.0)


def bounds(planned: Planned, board: Board) -> dict[str, Region]:
    """The most that a firmware needs: flash, nvm, sram, and `shared` where flash and NVM are one memory, `near` where
    only part of it is within reach of pointers."""
    assert planned.tiles is not None
    memory = board.memory_map
    program = generate(
        planned.graph,
        planned.memory,
        _decided(planned.graph, planned.tiles),
        header=(),
        kernels=board.kernels,
        memory=memory,
        judged=False,
    )
    code = _code_bytes(program, board, _further_calls(planned.graph))
    stack = board.code.stack_bytes.value if board.code else _HOST_STACK_BYTES
    static = board.code.ram_bytes.value + planned.windows.sram_bytes if memory and board.code else 0
    far_base = memory.far_base if memory else 0
    near = sum(table.n_bytes for table in program.tables if not 0 < far_base <= table.address)
    return regions(
        board,
        {
            "flash_bytes": program.weights_bytes + code,
            "nvm_bytes": program.nvm_bytes,
            "sram_bytes": program.sram_bytes + static + stack,
            "near_bytes": near + code + program.nvm_bytes,
        },
    )


def _decided(graph: Graph, tiles: TilePlan) -> TilePlan:
    """The plan with some table of its exits, where they have none yet: all take the same bytes, but for levels of
    energy, of which these are the most."""
    n_exits = sum(row.kind is Kind.DECIDE for row in tiles.steps.rows)
    if n_exits == 0 or tiles.policy is not None:
        return tiles
    rows = tuple(ExitRow(Softness(1, 0), next_uj=number) for number in range(1, n_exits + 1))
    n_classes = graph.types[graph.exits[0].value].n_elems
    return replace(tiles, policy=device_policy(Policy(PolicyKind.CONFIDENCE_OR_ENERGY, rows, n_classes)))


def _further_calls(graph: Graph) -> int:
    """Calls that slices are beyond the first of their layer."""
    return sum(-(-graph.types[value].shape[-1] // rows) - 1 for value, rows in graph.slices.items())


def _code_bytes(program: Program, board: Board, further: int) -> int:
    """Code of kernels, runtime and tables of layers, of which so many are further calls; none on a board whose firmware
    is not ours to link."""
    if board.code is None:
        return 0
    kernels = board.kernel_cycles.code_bytes
    return (
        board.code.code_bytes.value
        + sum(kernels[name] for name in program.kernels)
        + _LAYER_BYTES * (len(program.layers) - further)
        + CALL_BYTES * further
    )


def regions(board: Board, needed: Mapping[str, int]) -> dict[str, Region]:
    """Rows of a memory table from flash_bytes, nvm_bytes, sram_bytes and, where it is known, near_bytes."""
    limits = {name: figure.value if (figure := getattr(board.memory, name)) else None for name in _LIMITED}
    found = {name.removesuffix("_bytes"): Region(needed[name], limits[name]) for name in _LIMITED}
    if board.nvm.is_flash:
        both = Region(needed["flash_bytes"] + needed["nvm_bytes"], limits["flash_bytes"])
        found = {"flash": found["flash"], "nvm": found["nvm"], "shared": both, "sram": found["sram"]}
    memory = board.memory_map
    if memory is not None and memory.family.has_far_memory and "near_bytes" in needed:
        found["near"] = Region(needed["near_bytes"], memory.flash_bytes)
    return found


_LIMITED = ("flash_bytes", "nvm_bytes", "sram_bytes")
