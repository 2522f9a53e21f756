"""Take the power of any device away behind every commit, and compare what it reports: for engines that know steps.

That is the most losses that an inference can bear and still get on: whatever RAM holds between two steps is gone each
time. Losses amid a step are for who knows writes (explorer.py) or instructions (cuts.py, closure.py).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence

from freeml.errors import ToolFailed
from freeml.sim.device import Answer, Device, steps_to_report
from freeml.sim.power_loss.cuts import CutReport


def lose_power_at_commits(
    device: Device, samples: Sequence[tuple[bytes, Answer]], mode: str, *, limit_s: float = 300.0
) -> CutReport:
    """One inference behind the other, from what NVM holds on, which must make a cold start.

    samples  (codes of the inputs, what must be reported of them)
    mode     "commit": power fails behind each commit; "none": never
    """
    start = time.monotonic()
    images: set[bytes] = set()
    lived: list[int] = []  # steps of each power cycle
    reason, diverged = "", False
    device.power_on()
    for number, (codes, answer) in enumerate(samples):
        if time.monotonic() - start > limit_s:
            reason = "the time limit was reached"
            break
        try:
            _one_inference(device, codes, mode, images, lived)
        except ToolFailed as error:
            reason = error.what
        else:
            reason = answer.wrong(device.outputs(), device.result(), number + 1)
        if reason:
            reason, diverged = f"sample {number}: {reason}", True
            break
    return CutReport(
        mode=mode,
        closed=not reason,
        cuts=len(lived),
        images=len(images),
        behind=0,
        repeats=0,
        divergences=int(diverged),
        schedule=",".join(str(n) for n in lived) if diverged else "",
        reason=reason,
        seconds=time.monotonic() - start,
        behaviours=("commit",),
    )


def _one_inference(device: Device, codes: bytes, mode: str, images: set[bytes], lived: list[int]) -> None:
    if mode == "none":
        device.infer(codes)
        return
    device.sense(codes)
    for _ in steps_to_report(device):
        images.add(hashlib.blake2b(device.nvm, digest_size=16).digest())
        lived.append(1)
        device.power_on()
