"""The line on a board's UART for each result: it is part of the report step, and left out where that would not fit.

The firmware waits for each byte, so a line takes its time at 115,200 Bd in cycles of the core. Emulated UARTs send at
once: what they show is the text's own work, 1,400 to 3,000 cycles for a first result (boards msp430fr5994,
nucleo_l476rg and nucleo_l073rz, zig and GCC); numbers with all their digits take more.
"""

from __future__ import annotations

from freeml.board.board import Board
from freeml.energy.capacitor import MOST_UF, StepCost
from freeml.plan.step_table import Kind
from freeml.plan.steps import TilePlan
from freeml.units import round_up, show_capacitor

LONGEST_LINE = "freeml seq=4294967295 class=65535 confidence=255 depth=255\n"
_BAUD = 115_200  # FML_UART_BAUD
_FRAME_BITS = 10  # start, eight, stop
_TEXT_CYCLES = 6_000


def report_with_line(tiles: TilePlan, board: Board) -> StepCost | None:
    """Worst case of the report step with its line; None for a board that has no energy model or no UART."""
    memory, energy, cost = board.memory_map, board.energy, tiles.fixed_of(Kind.REPORT).cost
    if memory is None or memory.support == "emulated" or energy is None or cost is None:
        return None
    cycles = len(LONGEST_LINE) * _FRAME_BITS * memory.clock_hz / _BAUD + _TEXT_CYCLES
    return StepCost(
        cycles=cost.cycles + cycles,
        charge_pc=cost.charge_pc + cycles * energy.cycle_pc.value * energy.calibration.value,
        time_us=cost.time_us + cycles * 1e6 / memory.clock_hz,
    )


def line_fits(tiles: TilePlan, board: Board) -> bool:
    """Whether the capacitor pays for the line in the report step; True where nothing is known against it."""
    cost = report_with_line(tiles, board)
    return cost is None or tiles.budget is None or tiles.budget.covers_one(cost)


def line_warning(tiles: TilePlan, board: Board) -> str | None:
    """A sentence for users where the firmware sends no line."""
    cost, budget = report_with_line(tiles, board), tiles.budget
    if cost is None or budget is None or budget.covers_one(cost):
        return None
    needed_uf = budget.needed_uf(cost)
    remedy = f"{show_capacitor(round_up(needed_uf))} would do" if needed_uf < MOST_UF else "no capacitor would do"
    return (
        f"results are not sent over the UART: with the line a report takes {budget.energy_uj(cost.charge_pc):.3g} uJ, "
        f"more than a capacitor of {show_capacitor(budget.capacitor_uf)} gives; {remedy}"
    )
