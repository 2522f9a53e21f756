"""How tests speak of time: what they claim is processor time, which a busy machine leaves alone."""

from __future__ import annotations

import os

PATIENCE_S = 1800.0
"""After so long something hangs: no claim, and so long that eight busy processes beside a test do not reach it."""


def cpu_s() -> float:
    """Processor time of this process and of its children that have ended, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
