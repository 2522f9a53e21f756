"""What a network's scores are on samples, and how much of them each channel makes. No labels are needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from freeml.ir.types import Array
from freeml.train.arithmetic import fixed_arithmetic
from freeml.train.network import Network
from freeml.train.objective import Scores

_BATCH = 128
_PROBES = 4  # random directions in which the scores are looked at


def score_names(network: Network) -> tuple[str, ...]:
    """The values that say what the network found, before Softmax and ArgMax."""
    return tuple(dict.fromkeys(Scores.of(network.source).names))


def values(network: Network, samples: Sequence[Array], wanted: Collection[str]) -> dict[str, Array]:
    """Real values (B, *shape) by name, for samples as the author gives them."""
    with fixed_arithmetic(), torch.no_grad():
        parts = [network(inputs, wanted) for inputs in _batches(network, samples)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in wanted}


def means(network: Network, samples: Sequence[Array], wanted: Collection[str]) -> dict[str, Array]:
    """Mean (*shape) over samples of each value."""
    sums: dict[str, Array] = {}
    with fixed_arithmetic(), torch.no_grad():
        for inputs in _batches(network, samples):
            for name, value in network(inputs, wanted).items():
                sums[name] = sums.get(name, 0) + value.double().sum(dim=0).numpy()
    return {name: total / len(samples[0]) for name, total in sums.items()}


def importance(
    network: Network, samples: Sequence[Array], bundle_of: Mapping[str, npt.NDArray[np.int64]], *, seed: int = 0
) -> dict[int, float]:
    """How far the scores move, to first order, where a bundle of channels becomes zero: mean square over variance.

    bundle_of: bundle of each position on the last axis, for the values by which channels reach who mixes them. For each
    sample and random direction r in the scores, it is the square of the sum of x * d(r . scores)/dx over the bundle
    (Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, of the scores instead of a loss).
    """
    names, rng = score_names(network), np.random.default_rng(seed)
    n_bundles = 1 + max((int(of.max()) for of in bundle_of.values()), default=-1)
    total, power = torch.zeros(n_bundles, dtype=torch.float64), 0.0
    with fixed_arithmetic():
        for inputs in _batches(network, samples):
            found = network(inputs, {*names, *bundle_of})
            scores = torch.cat([found[name].flatten(1) for name in names], dim=1)
            power += float((scores.detach() - scores.detach().mean(dim=0)).double().square().sum())
            for _ in range(_PROBES):
                signs = torch.from_numpy(rng.choice([-1.0, 1.0], size=scores.shape)).to(scores.dtype)
                total += _squares(found, (scores * signs).sum(), bundle_of, n_bundles) / _PROBES
    power = power or 1.0
    return {int(b): float(total[b]) / power for b in sorted({int(b) for of in bundle_of.values() for b in of})}


def _squares(
    found: Mapping[str, Tensor], score: Tensor, bundle_of: Mapping[str, npt.NDArray[np.int64]], n_bundles: int
) -> Tensor:
    """Sum over samples of each bundle's squared share of a score, (n_bundles,)."""
    live = [name for name in bundle_of if found[name].requires_grad]
    if not live:  # nothing but inputs is read, as in a network of one layer
        return torch.zeros(n_bundles, dtype=torch.float64)
    gradients = torch.autograd.grad(score, [found[name] for name in live], retain_graph=True, allow_unused=True)
    share = None
    for name, gradient in zip(live, gradients, strict=True):
        if gradient is None:
            continue
        x = found[name].detach()
        each = (x * gradient).reshape(len(x), -1, x.shape[-1]).sum(dim=1).double()
        share = torch.zeros((len(x), n_bundles), dtype=torch.float64) if share is None else share
        share.index_add_(1, torch.from_numpy(bundle_of[name]), each)
    return torch.zeros(n_bundles, dtype=torch.float64) if share is None else share.square().sum(dim=0)


def _batches(network: Network, samples: Sequence[Array]) -> Iterator[dict[str, Tensor]]:
    for start in range(0, len(samples[0]), _BATCH):
        yield network.encode([array[start : start + _BATCH] for array in samples])
