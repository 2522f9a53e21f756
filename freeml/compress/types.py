"""What compression is asked for, what it says while it runs, and what comes out of it. Fractions are 0 to 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Literal

from freeml.compress.samples import Samples
from freeml.errors import BadData
from freeml.ir.graph import Graph

Method = Literal["auto", "freeml"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the small network must keep to; None: no bound.

    target_bytes     weights with scales, biases, codebooks, indices and restart tables; with the published method, by
                     its own model of stored bytes
    flash_bytes, sram_bytes, nvm_bytes  of the whole firmware on the board
    energy_uj, ms    of one inference without losses of power
    max_drop_points  accuracy below the dense float network's on the calibration split, in points (hundredths)
    keep             layers whose weights stay int8 and whose channels all stay, by name of the model's node
    time_s           that the search may take; what is trained then is fitted into it
    """

    target_bytes: int | None = None
    flash_bytes: int | None = None
    sram_bytes: int | None = None
    nvm_bytes: int | None = None
    energy_uj: float | None = None
    ms: float | None = None
    max_drop_points: float | None = None
    keep: tuple[str, ...] = ()
    time_s: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "keep", tuple(self.keep))
        for name, value in self.limits().items():
            if not (math.isfinite(value) and value > 0):
                raise BadData(f"{name} is {value:g}", hint="give a number above 0")

    def limits(self) -> dict[str, float]:
        """Those that are set, by field, without `keep`."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "keep"}
        return {name: float(value) for name, value in found.items() if value is not None}


def bounds_in_kb(
    *,
    target_kb: float | None = None,
    flash_kb: float | None = None,
    sram_kb: float | None = None,
    nvm_kb: float | None = None,
    energy_uj: float | None = None,
    ms: float | None = None,
    max_drop: float | None = None,
    keep: Sequence[str] = (),
    time_s: float | None = None,
) -> Bounds:
    """Bounds as people give them: kB are 1,000 bytes, max_drop is in points."""

    def in_bytes(kb: float | None) -> int | None:
        if kb is None or not math.isfinite(kb):
            return kb  # type: ignore[return-value] # Bounds says what is wrong with it
        return max(1, round(1000 * kb)) if kb > 0 else round(1000 * kb)

    return Bounds(
        target_bytes=in_bytes(target_kb),
        flash_bytes=in_bytes(flash_kb),
        sram_bytes=in_bytes(sram_kb),
        nvm_bytes=in_bytes(nvm_kb),
        energy_uj=energy_uj,
        ms=ms,
        max_drop_points=max_drop,
        keep=tuple(keep),
        time_s=time_s,
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of news.

    stage         what is being done, in words
    done          share of the whole run
    accuracy      on the calibration split, of the last network judged; None before the first
    stored_bytes  of the network in training
    seconds_left  estimate for the whole run; None where nothing is known yet
    """

    stage: str
    done: float
    accuracy: float | None
    stored_bytes: int | None
    seconds_left: float | None


@dataclass(frozen=True, slots=True)
class Cost:
    """What an int8 network takes on the board, as the planner says; None where the board has no model of it.

    stored_bytes  of all constants, in their encodings
    over          what the firmware needs of each memory over what the board has, where that is above 1
    refusal       why the board cannot run it
    near_bytes    of flash_bytes and nvm_bytes, what must be within reach of 16-bit pointers; 0 where all of it is
    """

    stored_bytes: int
    arena_bytes: int
    flash_bytes: int
    sram_bytes: int
    nvm_bytes: int
    cycles: int | None
    energy_uj: float | None
    ms: float | None
    over: Mapping[str, float] = field(default_factory=dict)
    refusal: str | None = None
    near_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One network on the frontier: of those judged, none was smaller and at least as accurate."""

    stored_bytes: int
    accuracy: float
    arena_bytes: int
    cycles: int | None
    energy_uj: float | None


@dataclass(frozen=True, slots=True)
class LayerChange:
    """One layer, before and after. Shapes are those of weights; bytes before are those of float32 with biases.

    name      the model's node
    encoding  how the weights are stored
    nonzero   weights that are not 0
    """

    name: str
    kind: str
    shape_before: tuple[int, ...]
    shape_after: tuple[int, ...]
    bytes_before: int
    bytes_after: int
    encoding: str
    nonzero: int


@dataclass(frozen=True, slots=True)
class Accuracies:
    """On the calibration split: of the float network given, of the same in int8, of the small one in int8.

    Agreement with the dense network where there are no labels, 1 less the relative error of a regression.
    """

    dense_float: float
    dense_int8: float
    small_int8: float

    @property
    def drop_points(self) -> float:
        """Dense float less small int8, in points."""
        return 100 * (self.dense_float - self.small_int8)


@dataclass(frozen=True, slots=True)
class Compressed:
    """The small network and how it came about.

    graph         float, with the scales of activations and weight codes fixed: it compiles to `quantized`, bit for bit
    quantized     the integer graph, constants with their encodings
    dense_quantized  that of the network given
    dense_bytes   4 bytes for each parameter of the network given
    cost          of the small network on the board; dense_cost: of the given one in int8
    kind          what accuracies are: "accuracy", "agreement" or "1 - loss"
    seeds         of each training, by stage
    samples       that it was trained on and chosen by
    """

    graph: Graph
    quantized: Graph
    dense_quantized: Graph
    method: Method
    bounds: Bounds
    board: str
    dense_bytes: int
    cost: Cost
    dense_cost: Cost
    layers: tuple[LayerChange, ...]
    frontier: tuple[Point, ...]
    accuracy: Accuracies
    kind: str
    seeds: Mapping[str, int]
    seconds: float
    samples: Samples

    @property
    def split(self) -> Mapping[str, str]:
        """Samples by what they were used for, in words."""
        return self.samples.split

    @property
    def ratio(self) -> float:
        """Dense bytes over stored bytes."""
        return self.dense_bytes / max(1, self.cost.stored_bytes)
