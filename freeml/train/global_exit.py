"""gNet as its authors published it: one classifier over all maps of a network, concatenated (FreeML, EWSN 2024).

Here for comparison, and to hold `freeml/exits` to: maps brought to one size, concatenated on their channels, zeros for
those that are not computed yet. Of the published heads all but one are a single matrix behind the concatenation, which
is a sum of slices (exits/heads.py). That of CIFAR-10 M has a 1x1 convolution with a ReLU and maps that are enlarged:
no sum of slices, so that it lives here alone. Figures and layout are those of the authors' code; nothing is copied
from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Resize:
    """How one map gets the common size. kind: "max", "avg", "up" (nearest) or "none"; channels: joined by a maximum."""

    kind: str = "none"
    size: int = 1
    channels: int = 1
    dilation: int = 1

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', h, w)."""
        if self.channels > 1:
            x = F.max_pool3d(x[:, None], (self.channels, 1, 1))[:, 0]
        match self.kind:
            case "max":
                return F.max_pool2d(x, self.size, self.size, dilation=self.dilation)
            case "avg":
                return F.avg_pool2d(x, self.size)
            case "up":
                return F.interpolate(x, scale_factor=self.size, mode="nearest")
        return x


@dataclass(frozen=True, slots=True)
class Design:
    """A published head: (C, H, W) of its maps, how each is resized, classes, channels of the 1x1 where one is."""

    maps: tuple[Shape, ...]
    resizes: tuple[Resize, ...]
    classes: int
    squeeze: int | None = None


_KWS = ((16, 31, 31), (32, 14, 14), (64, 6, 6))
_CIFAR_M = ((32, 32, 32), (32, 16, 16), (64, 16, 16), (64, 8, 8), (128, 8, 8))
PUBLISHED = {
    "cifar10_s": Design(((64, 15, 15), (128, 6, 6), (64, 2, 2)), (Resize("max", 6), Resize("max", 3), Resize()), 10),
    "cifar10_m": Design(
        _CIFAR_M, (Resize("avg", 2), Resize(), Resize(), Resize("up", 2), Resize("up", 2)), 10, squeeze=16
    ),
    "cifar100_m": Design(_CIFAR_M, (Resize("max", 4), Resize("max", 2), Resize("max", 2), Resize(), Resize()), 100),
    "kws_m": Design((*_KWS, (64, 2, 2)), (Resize("max", 11), Resize("max", 5), Resize("max", 3), Resize()), 10),
    "kws_s": Design(
        _KWS, (Resize("max", 5, channels=2), Resize("max", 2, channels=2, dilation=2), Resize(channels=2)), 10
    ),
}


class GlobalExit(nn.Module):
    """The head. Of a design with `squeeze` also a ReLU, a max pool and a batch normalisation before the classifier."""

    def __init__(self, design: Design) -> None:
        super().__init__()
        self.design = design
        shapes = [
            resize(torch.zeros(1, *shape)).shape[1:] for shape, resize in zip(design.maps, design.resizes, strict=True)
        ]
        assert len({tuple(shape[1:]) for shape in shapes}) == 1, f"maps of several sizes: {shapes}"
        self.shapes = [(int(c), int(h), int(w)) for c, h, w in shapes]
        channels, (_, height, width) = sum(shape[0] for shape in self.shapes), self.shapes[0]
        if design.squeeze is not None:
            self.mix = nn.Conv2d(channels, design.squeeze, 1)
            self.norm = nn.BatchNorm2d(design.squeeze)
            channels, height, width = design.squeeze, height // 2, width // 2
        self.classify = nn.Linear(channels * height * width, design.classes)

    @property
    def n_params(self) -> int:
        """Trained numbers."""
        return sum(weight.numel() for weight in self.parameters())

    def features(self, maps: Sequence[Tensor], depth: int) -> Tensor:
        """The first `depth` maps (B, C, H, W), and zeros for the others, as one map."""
        known = [resize(x) for x, resize in zip(maps[:depth], self.design.resizes, strict=False)]
        missing = [known[0].new_zeros(len(known[0]), *shape) for shape in self.shapes[depth:]]
        return torch.cat([*known, *missing], dim=1)

    def forward(self, maps: Sequence[Tensor], depth: int) -> Tensor:
        """Scores (B, K) where maps 1..depth are known."""
        x = self.features(maps, depth)
        if self.design.squeeze is not None:
            x = self.norm(F.max_pool2d(F.relu(self.mix(x)), 2))
        scores: Tensor = self.classify(x.flatten(1))
        return scores
