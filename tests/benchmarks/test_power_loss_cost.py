"""Surviving power failure costs next to nothing: commits against a build without them."""

from __future__ import annotations

import os
import shutil

import pytest

from benchmarks.power_loss.cost import measure


def test_commits_cost_at_most_three_percent_and_little_nvm_beside_the_activations() -> None:
    if shutil.which("valgrind") is None and os.environ.get("CI") != "true":
        pytest.skip("needs valgrind to count instructions")
    for row in measure(["digits", "tiny_cnn"]):
        assert 0 < row["overhead"] <= 0.03
        assert row["written_ratio"] <= 1.1
