"""Training with few values for the weights, in floating point: quicker than in integers, which come after it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from freeml.ir.graph import Graph
from freeml.train.int8 import Coding
from freeml.train.int_ops import coded
from freeml.train.network import Network

_ONE = torch.ones(())


class CodedNetwork(Network):
    """A float graph (passes done) that computes with the weights that codes stand for; gradients go straight through.

    coding: of weights, by constant; the others are as they are
    """

    def __init__(self, graph: Graph, coding: Mapping[str, Coding]) -> None:
        super().__init__(graph)
        self.coding = dict(coding)

    def digest(self) -> str:
        """As for a float network, of the coding, too."""
        coding = sorted((name, repr(coding)) for name, coding in self.coding.items())
        return hashlib.sha256(f"{super().digest()} {coding}".encode()).hexdigest()[:12]

    def in_use(self) -> Mapping[str, Tensor]:
        """Parameters, with the weights that their codes stand for in the place of some."""
        found: dict[str, Tensor] = dict(self.params())
        for name, coding in self.coding.items():
            real = found[name]
            found[name] = coded(real, torch.tensor(coding(real.detach().numpy()).array, dtype=real.dtype), _ONE)
        return found
