"""What exits are asked for and how they are trained, and what comes of it: types that need no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from freeml.data.dataset import Dataset
from freeml.exits.heads import Heads
from freeml.exits.names import Kind
from freeml.ir.graph import Graph

Where = Literal["auto", "outputs"] | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How to train heads.

    distill      share of the network's own answer in the loss; without labels it is all of it
    temperature  of both
    tied         exits of as many features use one matrix, of each exit its own gain and bias (`train_tied` aligns them)
    """

    kind: Kind = "shared"
    epochs: int = 30
    batch: int = 256
    learning_rate: float = 3e-3
    distill: float = 0.5
    temperature: float = 2.0
    tied: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for. budget_bytes: of weights of all heads; None: 3 % of the network's."""

    exits: Where = "auto"
    options: HeadOptions = field(default_factory=HeadOptions)
    budget_bytes: int | None = None
    precision: str = "float32"


@dataclass(frozen=True, slots=True)
class Exits:
    """The network, whose ops compute the features too, and its heads; how they came about, in words.

    held  samples that heads were not trained on, for thresholds; None where nothing was trained
    """

    graph: Graph
    heads: Heads
    how: str
    held: Dataset | None = None
