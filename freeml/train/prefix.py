"""What training of exits needs of torch: the loss of all depths at once, and features of a frozen network in batches.

The loss sees rows of scores (B, R, K): one for each exit, one with the scores to learn from, one with the label. So
`fit` trains exits as it trains any network: seeds, checkpoints and validation are its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from freeml.data.dataset import Dataset
from freeml.ir.graph import Graph
from freeml.ir.types import Array
from freeml.train.arithmetic import fixed_arithmetic
from freeml.train.network import Network


@dataclass(frozen=True, slots=True)
class PrefixLoss:
    """Mean over depths of cross-entropy, and of the divergence from the network's own answer, which is given.

    n_classes    K weights      of each depth; rows of scores come in this order, then the answer to learn from, then
    the label, one-hot distill      share of the answer: 1 without labels temperature  of both
    """

    n_classes: int
    weights: tuple[float, ...]
    distill: float
    temperature: float

    def __call__(self, scores: Tensor, expected: Tensor | None) -> Tensor:
        """scores (B, R * K) -> a number. Samples whose label row is all zeros have no label."""
        del expected  # it is among the rows
        rows = scores.reshape(len(scores), -1, self.n_classes)
        *depths, answer, label = rows.unbind(dim=1)
        t = self.temperature
        wanted = F.log_softmax(answer.detach() / t, dim=1)
        total = torch.zeros((), dtype=scores.dtype)
        for weight, found in zip(self.weights, depths, strict=True):
            if not weight:
                continue
            hard = -(label * F.log_softmax(found, dim=1)).sum(dim=1).mean()
            soft = F.kl_div(F.log_softmax(found / t, dim=1), wanted, reduction="batchmean", log_target=True)
            total = total + weight * ((1 - self.distill) * hard + self.distill * t * t * soft)
        return total / sum(self.weights)


def frozen_values(
    graph: Graph,
    data: Dataset,
    wanted: Collection[str],
    *,
    precision: str = "float32",
    batch: int = 256,
    on_batch: Callable[[int, int], None] = lambda *_: None,
) -> dict[str, Array]:
    """Values (B, ...) float32 of a float graph by name; "bfloat16": computed in half the bytes and with 8 bits."""
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[precision]
    network, parts = Network(graph, (), dtype=dtype), list[dict[str, Array]]()
    with fixed_arithmetic(), torch.no_grad():
        for start in range(0, len(data), batch):
            rows = np.arange(start, min(start + batch, len(data)))
            found = network(network.encode(data.select(rows).real_inputs()), wanted)
            parts.append({name: found[name].float().numpy() for name in wanted})
            on_batch(start + len(rows), len(data))
    return {name: np.concatenate([part[name] for part in parts]) for name in wanted}


def moments(graph: Graph, samples: Sequence[Array], wanted: Collection[str]) -> dict[str, tuple[Array, Array]]:
    """Mean and standard deviation (C,) of each channel (last axis) of values, by name."""
    network, sums = Network(graph, ()), dict[str, Tensor]()
    with fixed_arithmetic(), torch.no_grad():
        for start in range(0, len(samples[0]), 128):
            found = network(network.encode([array[start : start + 128] for array in samples]), wanted)
            for name, value in found.items():
                x = value.double().reshape(-1, value.shape[-1])
                now = torch.stack([torch.full((x.shape[1],), float(len(x))).double(), x.sum(0), x.square().sum(0)])
                sums[name] = sums[name] + now if name in sums else now
    result = {}
    for name, (n, total, squares) in sums.items():
        mean = total / n
        deviation = (squares / n - mean.square()).clamp(min=0).sqrt().clamp(min=1e-3)
        result[name] = (mean.numpy(), deviation.numpy())
    return result
