"""What each row of a compiled network costs, from a measured profile: the table of the `fast` engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from freeml.board.board import Board
from freeml.board.cost_table import CostTable
from freeml.energy.capacitor import StepCost, StepCosts
from freeml.errors import BadBoard, BadData
from freeml.ir.graph import Graph
from freeml.output.folder import Output
from freeml.plan.calls import kernel_calls
from freeml.plan.measured import MeasuredPrices
from freeml.plan.price import ONE_WORD, TWO_SLOTS
from freeml.plan.result_line import line_fits, report_with_line
from freeml.plan.step_table import Kind
from freeml.plan.steps import FixedStep, LayerTiles, TilePlan
from freeml.sim.life.load import NOTHING, Load, Work

STACK_OF = {
    Kind.CAPTURE: "sense",
    Kind.TILES: "compute",
    Kind.DECIDE: "decide",
    Kind.PUBLISH: "decide",  # all scores are looked at, and a result is written
    Kind.REPORT: "report",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What a board's file says of a device that lives: everything beside its steps.

    boot      the hardware's own start
    commit_c, commit_s  a commit record; `line` what a report takes on the UART, where the firmware sends one
    meter     a reading of the capacitor
    sleep_a   waiting for an event; `timekeeper_a` on top, where time is kept
    """

    boot: Work
    commit_c: float
    commit_s: float
    line: Work
    meter: Work
    sleep_a: float
    timekeeper_a: float

    def step(self, cost: StepCost | tuple[float, float], kind: Kind, depth: int, row: int, n: int = 1) -> Work:
        """A step by charge in C and time in s, or as priced, with what the board adds to one of its kind."""
        time_s, charge_c = (
            (cost.time_us * 1e-6, cost.charge_pc * 1e-12) if isinstance(cost, StepCost) else (cost[1], cost[0])
        )
        share = min(1.0, self.commit_c / charge_c) if charge_c > 0 else 0.0
        work = Work(time_s, charge_c, share, n, STACK_OF[kind], depth, row)
        if kind is Kind.REPORT:
            return work.plus(self.line.time_s, self.line.charge_c)
        return work.plus(self.meter.time_s, self.meter.charge_c) if kind is Kind.DECIDE else work


def figures_of(board: Board, tiles: TilePlan) -> Figures:
    """Of a board. Raises BadBoard for one without energy model."""
    energy, cycles = board.energy, board.cycles
    if energy is None or cycles is None or board.clock_hz is None or board.capacitor is None:
        raise BadBoard(
            f"the board {board.name} has no energy model to live on",
            hint="compile for a board with one, such as msp430fr5994, or give a --load",
        )
    factor, clock_hz = energy.calibration.value, board.clock_hz.value
    record = ONE_WORD if tiles.commit_slots == 1 else TWO_SLOTS
    commit_cycles = record.write_bytes * cycles.nvm_write_byte.value + record.transfers * cycles.nvm_command.value
    commit_pc = (
        commit_cycles * energy.cycle_pc.value
        + record.write_bytes * energy.nvm_write_byte_pc.value
        + record.transfers * energy.nvm_command_pc.value
    )
    duty = board.duty
    meter_s = duty.meter_us.value * 1e-6 if duty and duty.meter_us else 0.0
    metered = [figure.value for figure in (energy.adc_ua, energy.reference_ua) if figure is not None]
    # The core waits meanwhile, at what its cycles cost.
    core_ua = energy.cycle_pc.value * factor * clock_hz * 1e-6
    return Figures(
        boot=Work(energy.boot_us.value * 1e-6, energy.boot_nc.value * factor * 1e-9, stack="boot"),
        commit_c=commit_pc * factor * 1e-12,
        commit_s=commit_cycles / clock_hz,
        line=_line(board, tiles),
        meter=Work(meter_s, meter_s * (core_ua + sum(metered)) * 1e-6),
        sleep_a=energy.sleep_ua.value * 1e-6,
        timekeeper_a=duty.timekeeper_ua.value * 1e-6 if duty and duty.timekeeper_ua else 0.0,
    )


def _line(board: Board, tiles: TilePlan) -> Work:
    told, cost = report_with_line(tiles, board), tiles.fixed_of(Kind.REPORT).cost
    if told is None or cost is None or not line_fits(tiles, board):
        return NOTHING
    more = told - cost
    return Work(more.time_us * 1e-6, more.charge_pc * 1e-12)


def load_of(output: Output, table: CostTable) -> Load:
    """The rows of a compiled network by its measured costs.

    Raises BadBoard for a board without energy model, BadData for costs that are not of this network.
    """
    tiles, board = output.manifest.tiles, output.board
    figures = figures_of(board, tiles)
    priced = _Priced(output, MeasuredPrices(board, table))
    restore = Work(table.boot.cycles / table.clock_hz, table.boot.charge_pc * 1e-12, stack="restore")
    cold = priced.fixed(tiles.cold_start.key)
    rows: list[Work] = []
    for work in priced.rows(figures):
        rows.append(replace(work, row=len(rows)))
    return Load(
        output.graph.name,
        figures.boot,
        restore,
        restore.plus(cold.time_us * 1e-6, cold.charge_pc * 1e-12),
        tuple(rows),
        figures.sleep_a,
        basis=f"a table: the profile's line for each layer, above everything measured of it ({table.basis})",
    )


def planned_load(name: str, tiles: TilePlan, board: Board) -> Load:
    """The rows of a plan at the prices that it was made with: each step at the most that one of its row takes.

    Raises BadBoard for a board without energy model.
    """
    figures = figures_of(board, tiles)
    assert tiles.restore is not None
    assert tiles.cold_start.cost is not None
    rows: list[Work] = []
    for number, (row, step) in enumerate(zip(tiles.steps.rows, tiles.in_order, strict=True)):
        if row.depth > 0:
            assert step.cost is not None
            rows.append(figures.step(step.cost - tiles.restore, row.kind, row.depth, number, step.n_steps))
    found = _work(tiles.restore)
    restore = Work(found.time_s - figures.boot.time_s, found.charge_c - figures.boot.charge_c, stack="restore")
    cold = _work(tiles.cold_start.cost - tiles.restore)
    return Load(
        name,
        figures.boot,
        restore,
        restore.plus(cold.time_s, cold.charge_c),
        tuple(rows),
        figures.sleep_a,
        basis="the plan: the most that a step of each row takes, above all measured of its kernels",
    )


def _work(cost: StepCost) -> Work:
    return Work(cost.time_us * 1e-6, cost.charge_pc * 1e-12)


class _Priced:
    """Steps of a plan without the boot that a profile has in each."""

    def __init__(self, output: Output, prices: MeasuredPrices) -> None:
        self._graph: Graph = output.graph
        self._tiles = output.manifest.tiles
        self._prices = prices
        self._restore = prices.restore()
        self._calls = kernel_calls(self._graph, output.manifest.arena)

    def rows(self, figures: Figures) -> Iterator[Work]:
        """In the order of the plan, without the report of a network that stopped, which is no dearer than the other."""
        calls = iter(self._calls)
        for number, (row, step) in enumerate(zip(self._tiles.steps.rows, self._tiles.in_order, strict=True)):
            if isinstance(step, FixedStep):
                if row.kind is Kind.DECIDE:  # of which a profile sees one way: the plan's price is above both
                    assert step.cost is not None
                    assert self._tiles.restore is not None
                    yield figures.step(step.cost - self._tiles.restore, row.kind, row.depth, number)
                elif row.depth > 0:
                    yield figures.step(self.fixed(step.key), row.kind, row.depth, number)
                continue
            call = next(calls)
            of = self._prices.parts if step.parts > 1 else self._prices.tiles
            for size, n in _sizes(step):
                cost = self._own(of(self._graph, call, np.array([size])), step.loc)
                yield figures.step(cost, Kind.TILES, row.depth, number, n)

    def fixed(self, key: str) -> StepCost:
        """Of a step that cannot be cut, by the profile's name for it."""
        return self._own(self._prices.fixed(key), key)

    def _own(self, costs: StepCosts | None, what: str) -> StepCost:
        if costs is None:
            raise BadData(f"{what} is not in the profile", hint="profile this very folder: `freeml profile OUT`")
        return costs.at(0) - self._restore


def _sizes(layer: LayerTiles) -> Iterator[tuple[int, int]]:
    """Units, or products of a part, of a layer's tiles, and how many of the same size follow one another."""
    sizes = (tile.mac_n if layer.parts > 1 else tile.n for tile in layer.tiles())
    return ((size, sum(1 for _ in same)) for size, same in groupby(sizes))
