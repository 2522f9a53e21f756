"""Changes of a batch that leave its labels true: shifted, flipped, turned, with noise. Functions of a generator.

Samples are (B, *shape) as the author gives them, so that a user says which axes are what.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from freeml.ir.types import Array

Samples = tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Shifted:
    """Images (B, C, H, W), each moved by up to `pixels` along both axes; what comes in repeats the edge."""

    pixels: int

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A changed batch."""
        n, p = len(samples[0]), self.pixels
        by = rng.integers(0, 2 * p + 1, size=(n, 2))
        return tuple(self._moved(images, by) for images in samples)

    def _moved(self, images: Array, by: Array) -> Array:
        p, (h, w) = self.pixels, images.shape[-2:]
        wide = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)), mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(wide, (h, w), axis=(-2, -1))  # (B, C, 2p+1, 2p+1, H, W)
        return np.ascontiguousarray(views[np.arange(len(by)), :, by[:, 0], by[:, 1]])


@dataclass(frozen=True, slots=True)
class Flipped:
    """Images (B, C, H, W), half of them mirrored left to right."""

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A changed batch."""
        mirrored = rng.random(len(samples[0])) < 0.5
        return tuple(np.where(mirrored[:, None, None, None], images[..., ::-1], images) for images in samples)


@dataclass(frozen=True, slots=True)
class Turned:
    """Signals (B, 3 n, T): each triple of channels turned in space by the same rotation, about any axis, by an angle of
    this standard deviation in degrees; and noise of this standard deviation added to all."""

    degrees: float
    noise: float = 0.0

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A changed batch."""
        n = len(samples[0])
        axis = rng.normal(size=(n, 3))
        axis /= np.linalg.norm(axis, axis=1, keepdims=True) + 1e-12
        turn = _rotations(axis, np.deg2rad(self.degrees) * rng.normal(size=n))
        found = []
        for signals in samples:
            triples = signals.reshape(n, -1, 3, signals.shape[-1])
            turned = np.einsum("bij,bkjt->bkit", turn, triples).reshape(signals.shape)
            found.append((turned + self.noise * rng.normal(size=turned.shape)).astype(signals.dtype))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Each:
    """Several changes, one after the other."""

    parts: tuple[Shifted | Flipped | Turned, ...]

    def __call__(self, samples: Samples, rng: np.random.Generator) -> Samples:
        """A changed batch."""
        for part in self.parts:
            samples = part(samples, rng)
        return samples


def _rotations(axis: Array, angle: Array) -> Array:
    """(B, 3, 3) about unit vectors (B, 3) by angles (B,): Rodrigues' formula."""
    x, y, z = axis.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    s, c = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.asarray(np.eye(3) + s * cross + (1 - c) * (cross @ cross))
