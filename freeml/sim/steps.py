"""Where a device is in the steps of its model: what NVM has as the next one, and what each one is."""

from __future__ import annotations

from dataclasses import dataclass

from freeml.plan.protocol import PUBLISHED, REFINED
from freeml.plan.step_table import Kind, StepTable
from freeml.plan.steps import TilePlan
from freeml.sim.power_loss.control_block import ControlBlock


@dataclass(frozen=True, slots=True)
class ModelSteps:
    """The steps of one model, as its table has them.

    commit_slots  how NVM says which step is next
    """

    table: StepTable
    commit_slots: int

    @staticmethod
    def of(tiles: TilePlan) -> ModelSteps:
        """Of a plan."""
        return ModelSteps(tiles.steps, tiles.commit_slots)

    def kind(self, step: int) -> Kind:
        """Of a step, by its number."""
        return self.table.kind_of(step)

    def layer(self, step: int) -> int | None:
        """Which row of the tile plan a step computes units of."""
        rows = [row for row in self.table.rows if row.kind is Kind.TILES]
        return next((number for number, row in enumerate(rows) if step in row.steps), None)

    def depth(self, step: int) -> int:
        """Of the result that a step works for."""
        return self.table.row_of(step).depth

    def status(self, step: int, following: int | None) -> int:
        """What fml_step returns of this step, by the one that is next then: behind the last result it is a report."""
        if following is not None and self.kind(following) is Kind.REPORT and self.kind(step) is not Kind.REPORT:
            return PUBLISHED
        return REFINED if self.kind(step) is Kind.DECIDE else 0

    def next_in(self, image: bytes) -> int | None:
        """The step that an NVM image has as the next one; None where no boot can tell from it.

        Whether the image is this model's at all is not looked at.
        """
        at = ControlBlock(self.table, self.commit_slots, b"").position(image)
        return None if at is None else at.step
