"""Costs of a model's steps measured on an emulated board: what `freeml profile` writes and the planner reads.

A tile of n units of a layer takes at most `fixed + unit * n`, the line above everything that was measured of this layer
with this compiler. What was not measured is priced by the board file, as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError

from freeml.board.figures import Strict
from freeml.errors import BadData

_HINT = "freeml profile OUT writes OUT/profile.json"


class MeasuredStep(Strict):
    """A step that comes in one size: its worst case, without the boot before it, commit included."""

    cycles: float = Field(ge=0)
    charge_pc: float = Field(ge=0)


class MeasuredLayer(Strict):
    """A tile of n units, 1 <= n: at most fixed + unit * n, commit included, without the boot before it.

    signature  what the layer computes, in words (plan/measured.py); `in parts` where units are products
    sizes      the sizes of tiles that were measured, in units
    """

    signature: str
    fixed_cycles: float
    unit_cycles: float = Field(ge=0)
    fixed_pc: float
    unit_pc: float = Field(ge=0)
    sizes: tuple[int, ...] = Field(strict=False)


class CostTable(Strict):
    """Measured costs of one model's firmware.

    basis   what the figures rest on: the emulator's cycle model, the board file's charges
    boot    start-up code and restore, from the first instruction on
    fixed   steps that come in one size, by name: "cold start", "capture N" bytes of inputs, "publish N" and "report N"
            bytes of outputs
    """

    freeml: str
    board: str
    model: str
    compiler: str
    clock_hz: int = Field(gt=0)
    basis: str
    boot: MeasuredStep
    fixed: Mapping[str, MeasuredStep]
    layers: tuple[MeasuredLayer, ...] = Field(strict=False)

    @cached_property
    def by_signature(self) -> Mapping[str, MeasuredLayer]:
        """Layers by what they compute."""
        return {layer.signature: layer for layer in self.layers}


def read_cost_table(path: str | Path) -> CostTable:
    """A file that `freeml profile` wrote. Raises BadData with the entry that is wrong."""
    where = str(path)
    try:
        return CostTable.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise BadData(
            "there is no such file", where=where, hint="freeml profile OUT writes OUT/profile.json"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        raise BadData(f"{entry}: {first['msg']}", where=where, hint=_HINT) from error
    except (OSError, ValueError) as error:
        raise BadData(f"not a cost table: {error}", where=where, hint=_HINT) from error
