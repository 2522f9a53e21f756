"""What events cost on an MSP430 board: [charge] of its file, for the emulator."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.board.board import Board
from freeml.sim.msp430.types import ChargePerEvent


@dataclass(frozen=True, slots=True)
class PricedEvents:
    """PricedEvents per event, and what the figures rest on, in words for reports."""

    per_event: ChargePerEvent
    basis: str


def charge_of(board: Board) -> PricedEvents | None:
    """PricedEvents per event of a board; None where its file has none."""
    if board.charge is None:
        return None
    figures = {name: getattr(board.charge, name) for name in type(board.charge).model_fields}
    calibration = board.energy.calibration.value if board.energy else 1.0
    kinds = [figure.source.split()[0].rstrip(":,") for figure in figures.values()]
    counted = ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))
    return PricedEvents(
        ChargePerEvent(**{name: figure.value for name, figure in figures.items()}, calibration=calibration),
        f"charge: events by [charge] of the board's file ({counted}), at any supply voltage",
    )
