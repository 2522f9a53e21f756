"""A device with two exits by table, and samples whose scores are more or less sure."""

from __future__ import annotations

import numpy as np

from freeml.exits.calibrate import softness
from freeml.sim.life.load import Load, Work
from freeml.sim.life.outcomes import Outcomes
from freeml.sim.life.policies import Exits, exits_of_load

N_CLASSES = 4
SOFTNESS = (softness(0.01, 1.0), softness(0.01, 1.0))

LOAD = Load(
    "deciding",
    boot=Work(1e-3, 1e-6, stack="boot"),
    restore=Work(2e-4, 3e-7, stack="restore"),
    first=Work(5e-4, 7e-7, stack="restore"),
    rows=(
        Work(2e-3, 2e-6, 0.01, 1, "sense", 1),
        Work(1e-3, 3e-6, 0.02, 6, "compute", 1),
        Work(5e-4, 1e-6, 0.05, 1, "decide", 1),
        Work(1e-3, 3e-6, 0.02, 20, "compute", 2),
        Work(5e-4, 1e-6, 0.05, 1, "decide", 2),
        Work(1e-3, 3e-6, 0.02, 30, "compute", 3),
        Work(5e-4, 1e-6, 0.05, 1, "decide", 3),
        Work(3e-3, 4e-6, 0.01, 1, "report", 3),
    ),
    sleep_a=2e-6,
)


def exits() -> Exits:
    """Of LOAD."""
    return exits_of_load(LOAD, SOFTNESS, N_CLASSES, 2.35)


def outcomes(seed: int, n: int = 500) -> Outcomes:
    """Scores that lead by more where the answer is right, more so at the later exit."""
    rng = np.random.default_rng(seed)
    hard = rng.random(n)
    right = np.column_stack([hard < 0.7, hard < 0.85, hard < 0.95])
    labels = rng.integers(0, N_CLASSES, n)
    scores = np.zeros((n, 2, N_CLASSES), np.int32)
    for depth in range(2):
        said = np.where(right[:, depth], labels, (labels + 1) % N_CLASSES)
        lead = 100 + 400 * (right[:, depth] * (1 - hard)) + rng.integers(0, 150, n)
        scores[np.arange(n), depth, said] = lead
    return Outcomes(right.astype(np.int8), scores, np.arange(n, dtype=np.int32)).shuffled(seed)
