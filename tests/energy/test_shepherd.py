"""Converters and capacitor against shepherd-core, which steps at 100 kHz in the fixed point of its firmware."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchmarks.energy_shepherd import CASES, Case, ours, theirs

pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="shepherd-core needs Python 3.11")
WITHIN = 0.02


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.volts:g}V")
def test_energy_and_edges_are_those_of_shepherd_core_within_two_percent(case: Case) -> None:
    shorter = replace(case, seconds=1.5)
    there, here = theirs(shorter), ours(shorter)
    assert len(there.edges_s) > 20
    # The end of the run may lie between the same edge of both.
    assert abs(len(here.edges_s) - len(there.edges_s)) <= max(1, WITHIN * len(there.edges_s))
    shared = min(len(here.edges_s), len(there.edges_s))
    assert here.edges_s[:shared] == pytest.approx(there.edges_s[:shared], rel=WITHIN)
    assert here.used_j[:shared] == pytest.approx(there.used_j[:shared], rel=WITHIN)
