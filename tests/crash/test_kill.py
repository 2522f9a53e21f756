"""An independent check: the process itself is killed, NVM is a file."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

from freeml.firmware.host import build_host_program

from .probe import ROOT, include_dirs, probe

KILLS = 200
PERIOD = 48  # sample and energy reading repeat after so many results


def _results(text: str) -> list[tuple[int, ...]]:
    return [tuple(int(word) for word in line.split()) for line in text.splitlines()]


def test_a_process_killed_at_random_moments_gives_the_same_answers(tmp_path: Path) -> None:
    sources = [*probe(), ROOT / "test" / "kill_main.c", ROOT / "hal" / "host" / "fml_hal_host.c"]
    program = build_host_program(sources, include_dirs(), tmp_path / "kill")
    whole = subprocess.run([program, tmp_path / "whole", str(PERIOD)], capture_output=True, text=True, check=True)
    expected = {(sequence % PERIOD, answer[-1]): answer for sequence, *answer in _results(whole.stdout)}
    assert len({sequence for sequence, _ in expected}) == PERIOD < len(expected), "some go on behind an exit"
    assert len({tuple(answer) for answer in expected.values()}) > 10, "a wrong answer would be seen"

    rng, newest = random.Random(1), (0, 0)
    for _ in range(KILLS):
        process = subprocess.Popen([program, tmp_path / "nvm"], stdout=subprocess.PIPE, text=True)
        time.sleep(rng.uniform(0.002, 0.015))
        process.kill()
        told, _ = process.communicate()
        for sequence, *answer in _results(told):
            assert (sequence, answer[-1]) >= newest, "a published result was lost"
            assert answer == expected[sequence % PERIOD, answer[-1]], f"result {sequence}"
            newest = (sequence, answer[-1])
    assert newest[0] > KILLS, "the losses left time to work"
