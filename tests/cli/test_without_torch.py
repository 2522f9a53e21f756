"""Who only compiles, runs and simulates needs no torch: it is imported where networks are trained or read from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.cli.models import write_model

ROOT = Path(__file__).resolve().parents[2]
EXITS = ROOT / "benchmarks" / "exits" / "models" / "digits.onnx"
# As where they are not installed: nobody finds them.
BLOCKED = """
import sys
class But:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, *more):
        gone = name.partition(".")[0] in ("torch", "tensorly", "matplotlib", "plotly")
        return None if gone or not hasattr(self.finder, "find_spec") else self.finder.find_spec(name, *more)
    def __getattr__(self, name):
        return getattr(self.finder, name)
sys.meta_path[:] = [But(finder) for finder in sys.meta_path]
from freeml.cli import main
for command in COMMANDS:
    if main(command) != 0:
        sys.exit(f"failed: {command}")
"""


def without_torch(*commands: list[object]) -> subprocess.CompletedProcess[str]:
    code = f"COMMANDS = {[list(map(str, one)) for one in commands]!r}\n{BLOCKED}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_network_is_compiled_checked_and_simulated_without_torch(tmp_path: Path) -> None:
    write_model(tmp_path / "tiny.onnx")
    np.savez(tmp_path / "samples.npz", x=np.random.default_rng(0).normal(size=(20, 1, 6, 6)).astype(np.float32))
    data, out, board = ["--data", tmp_path / "samples.npz"], tmp_path / "out", ["--board", "msp430fr5994"]
    ran = without_torch(
        ["inspect", tmp_path / "tiny.onnx"],
        ["analyze", tmp_path / "tiny.onnx", *board],
        ["compile", tmp_path / "tiny.onnx", *data, *board, "-o", out],
        ["verify", out, *data, "--samples", 3],
        ["traces", "synth", "rf-walk", "--duration", 5, "-o", tmp_path / "walk.csv"],
        ["simulate", out, "--trace", tmp_path / "walk.csv", *data],
        ["compile", EXITS, "--data", "digits", "--exits", "outputs", "--policy", "global", "-o", tmp_path / "exits"],
        ["tune", tmp_path / "exits", "--data", "digits"],
        ["--help"],
    )
    assert ran.returncode == 0, ran.stderr


def test_what_needs_torch_says_so_and_how_to_get_it(tmp_path: Path) -> None:
    write_model(tmp_path / "tiny.onnx")
    command = ["compile", EXITS.with_name("mnist.onnx"), "--data", "digits", "--exits", "auto", "-o", tmp_path / "out"]
    for refused in (command, ["compress", EXITS, "--data", "digits", "--target-kb", 1, "-o", tmp_path / "small.onnx"]):
        ran = without_torch(refused)
        assert ran.returncode != 0
        assert "pip install" in ran.stderr, ran.stderr
        assert "Traceback" not in ran.stderr
