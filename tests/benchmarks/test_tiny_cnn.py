"""The bars of the tiny CNN: what the best int8 C of other tools reaches on the same network."""

from __future__ import annotations

import os
import shutil

import pytest

from benchmarks.tiny_cnn.__main__ import measure


def test_the_tiny_cnn_beats_the_best_peer_in_instructions_error_and_memory() -> None:
    if shutil.which("valgrind") is None and os.environ.get("CI") != "true":
        pytest.skip("needs valgrind to count instructions")
    figures = measure()
    assert figures["mismatches"] == 0
    assert figures["instructions"] <= 910_000  # CMSIS-NN's C path
    assert figures["max_error"] <= 0.0053  # what per-channel int8 peers reach
    assert figures["arena_bytes"] <= 2_600
