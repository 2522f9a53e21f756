"""`freeml analyze` and `freeml compile` say the same of a model on a board."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.agree import ROOT, said

DIGITS = ROOT / "examples" / "digits" / "digits.onnx"


@pytest.mark.parametrize("board", ["msp430fr5969", "nucleo_l073rz", "qemu_m4"])
def test_both_commands_say_the_same_of_the_digits_network(board: str) -> None:
    """Memory, energy, and a smallest capacitor that does, while nine tenths of it do not."""
    found = said(DIGITS, board)
    assert len(found) == 1, found
    assert found[0].startswith("[fits, energy")


@pytest.mark.needs_data
def test_the_smallest_capacitor_is_that_of_joined_ops_where_they_do_with_less(data_dir: Path) -> None:
    """A convolution that is joined with its pool writes less: on this network 0.9 times what the two need does."""
    found = said(data_dir / "models" / "micro_speech_quantized.tflite", "msp430fr5994")
    assert len(found) == 1, found
