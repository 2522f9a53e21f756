"""What a teacher says of samples, asked once before a student is trained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from freeml.data.dataset import Dataset
from freeml.ir.types import Array
from freeml.train.arithmetic import fixed_arithmetic
from freeml.train.loop import Augment, needed_of
from freeml.train.network import Network
from freeml.train.objective import Scores

VIEWS = 8  # changes of a sample that its mean answer is over


def teacher_values(
    teacher: Network,
    data: Dataset,
    batch: int = 128,
    *,
    augment: Augment | None = None,
    views: int = VIEWS,
    seed: int = 0,
) -> dict[str, Array]:
    """What a teacher says of each sample, (N, *shape) by name: what `fit` takes as `taught`.

    augment: with it the mean over so many changed views of each sample, which is a better teacher than one look: of
    what a student is trained on it says what it would say of most of its changes (test-time augmentation)
    """
    names = sorted(needed_of(Scores.of(teacher.source)))
    parts: list[dict[str, Tensor]] = []
    with fixed_arithmetic(), torch.no_grad():
        for start in range(0, len(data), batch):
            samples = data.select(np.arange(start, min(start + batch, len(data)))).real_inputs()
            seen = [samples]
            if augment is not None:
                seen = [augment(samples, np.random.default_rng([seed, start, view])) for view in range(views)]
            said = [teacher(teacher.encode(each), names) for each in seen]
            parts.append({name: torch.stack([each[name] for each in said]).mean(0) for name in names})
    return {name: torch.cat([part[name] for part in parts]).numpy() for name in names}
