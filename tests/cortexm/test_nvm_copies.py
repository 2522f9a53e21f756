"""Drivers of Cortex-M boards move any bytes from any address to any other."""

from __future__ import annotations

import pytest

from tests.cortexm.conftest import Compiled
from tests.cortexm.test_real_boards import samples_of, started
from tests.firmware.nvm_copies import assert_commits_are_words, with_check


@pytest.mark.parametrize("board", ["qemu_m0", "qemu_m4", "nucleo_l073rz"])
def test_bytes_are_written_and_read_at_every_alignment_of_both_ends(board: str, copied: Compiled) -> None:
    output = copied("digits", board)
    main = output.folder / "firmware" / "main.c"
    main.write_text(with_check(main.read_text(), "{ extern void fml_board_fault(void); fml_board_fault(); }"))
    _, (codes, *_), (expected, *_) = samples_of(output)
    assert started(output, board).infer(codes).outputs == expected


@pytest.mark.parametrize("board", ["qemu_m0", "qemu_m4"])
def test_a_commit_word_is_one_store(board: str, compiled: Compiled) -> None:
    output = compiled("digits", board)
    _, (codes, *_), _ = samples_of(output)
    engine = started(output, board)
    engine.sense(codes)
    assert_commits_are_words(engine, output)
