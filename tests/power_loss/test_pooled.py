"""Networks whose convolutions and max pools are one op: power losses, names, and where a difference begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.power_loss.models import compiled
from freeml import CompileOptions, compile_model
from freeml.output.folder import Output, read_output
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.power_loss.host import lose_power_on_host
from tests.effort import PATIENCE_S

DIGITS = Path(__file__).resolve().parents[2] / "examples" / "digits" / "digits.onnx"


# Capacitors between those that make convolution and pool two ops again and those that make one tile of them.
SMALL = {"nucleo_l476rg": (11.0, 8), "qemu_m4": (9.0, 3)}


def small_tiles(board: str, nvm: str, folder: Path) -> Output:
    """Digits for a capacitor that gives each tile a few pooled pixels; NVM is staged or memory-mapped."""
    capacitor_uf, n_tiles = SMALL[board]
    options = CompileOptions(board=board, capacitor_uf=capacitor_uf, samples=1, nvm=nvm)
    result = compile_model(DIGITS, folder / "out", data="digits", options=options)
    pooled = [layer for layer in result.tiles.layers if layer.value in _pooled(read_output(folder / "out"))]
    assert max(layer.n_tiles for layer in pooled) >= n_tiles
    return read_output(folder / "out")


def _pooled(output: Output) -> list[str]:
    return [row.value for row in output.manifest.layers if row.op == "ConvPoolI8"]


@pytest.mark.parametrize("board", list(SMALL))
@pytest.mark.parametrize("nvm", ["atomic", "torn"])
def test_pooled_convolutions_in_small_tiles_survive_any_losses(nvm: str, board: str, tmp_path: Path) -> None:
    closure = lose_power_on_host(small_tiles(board, nvm, tmp_path), "all", limit_s=PATIENCE_S)
    assert (closure.closed, closure.divergences) == (True, 0), closure.reason


def test_the_manifest_names_both_nodes(tmp_path: Path) -> None:
    layers = compiled("tiny_cnn", tmp_path).manifest.layers
    assert [(row.op, row.loc) for row in layers[:2]] == [
        ("ConvPoolI8", "tiny_cnn.onnx:conv1 + pool1"),
        ("ConvPoolI8", "tiny_cnn.onnx:conv2 + pool2"),
    ]


def test_a_difference_that_begins_in_a_pooled_convolution_is_found_there(tmp_path: Path) -> None:
    output = compiled("tiny_cnn", tmp_path)
    assert verify_output(output, random_dataset(output.graph, 5)).mismatches == 0
    header = output.folder / "runtime" / "fml_conv_pool.h"
    text = header.read_text()
    assert text.count("*to = -128;") == 1
    header.write_text(text.replace("*to = -128;", "*to = 0;"))
    broken = verify_output(read_output(output.folder), random_dataset(output.graph, 5))
    assert broken.mismatches > 0
    assert "conv1 + pool1" in broken.first_mismatch
