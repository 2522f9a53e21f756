"""The driver of the MSP430's FRAM moves any bytes from any address to any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.firmware.nvm_copies import assert_commits_are_words, with_check
from tests.msp430_firmware.conftest import TOOLCHAINS, Compiled
from tests.msp430_firmware.machine import rig, samples


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_bytes_are_written_and_read_at_every_alignment_of_both_ends(
    toolchain: str, copied: Compiled, tmp_path: Path
) -> None:
    output = copied("digits")
    main = output.folder / "firmware" / "main.c"
    main.write_text(with_check(main.read_text(), "fml_board_report(-7);"))
    engine, _ = rig(output, tmp_path, toolchain)
    engine.power_on()
    ((codes, expected),) = samples(output, 1)
    assert engine.infer(codes).outputs == expected


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_commit_word_is_one_store(toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    engine, _ = rig(output, tmp_path, toolchain)
    engine.sense(samples(output, 1)[0][0])
    engine.power_on()
    assert_commits_are_words(engine, output)
