"""What C and Python share has one value: a compiler compares each name of protocol.py with its twin in the headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml.errors import ToolFailed
from freeml.firmware.toolchain import find_host_compiler
from freeml.plan import protocol

ROOT = Path(__file__).resolve().parents[2]
HEADERS = [ROOT / "runtime_c" / folder for folder in ("include", "src", "hal/window")]
TWINS = {
    "LAYOUT_VERSION": "FML_LAYOUT_VERSION",
    "MAGIC": "FML_MAGIC",
    "IDENTITY": "FML_NVM_IDENTITY",
    "IDENTITY_BYTES": "sizeof(fml_identity_t)",
    "IDENTITY_VERSION": "offsetof(fml_identity_t, layout_version)",
    "IDENTITY_MAGIC": "offsetof(fml_identity_t, magic)",
    "COMMIT": "FML_NVM_COMMIT",
    "COMMIT_WORD_BYTES": "sizeof(uint16_t)",
    "COMMIT_SLOT_BYTES": "sizeof(fml_commit_t)",
    "RESULTS": "FML_NVM_RESULTS",
    "RECORD_BYTES": "sizeof(fml_record_t)",
    "RECORD_CHECKED_BYTES": "offsetof(fml_record_t, crc)",
    "SUMS": "FML_NVM_SUMS",
    "PARTIAL_BYTES": "(FML_NVM_ARENA - FML_NVM_SUMS) / 2",
    "ARENA": "FML_NVM_ARENA",
    "CHUNK_BYTES": "FML_NVM_CHUNK_BYTES",
    "MAX_WORD_TILES": "FML_MAX_TILES_ONE_SLOT",
    "MAX_CHECKED_WORD_TILES": "FML_MAX_TILES_CHECKED_WORD",
    "PUBLISHED": "FML_PUBLISHED",
    "BOARD_PIECE": "FML_BOARD_PIECE",
    "WINDOW_VALID": "FML_WINDOW_VALID",
}
OF_STEPS = {"CAPTURE_STEP", "FIXED_STEPS"}  # arithmetic in the runtime, which explorer and profile compare


def compiles(values: dict[str, int], folder: Path) -> bool:
    """Whether C has these values, each under its own name."""
    checks = [f"FML_STATIC_ASSERT({TWINS[name]} == {value}, {name});" for name, value in values.items()]
    (folder / "fml_board.h").write_text("")
    source = folder / "protocol.c"
    source.write_text("\n".join(['#include "fml_board_window.h"', *checks, ""]))
    try:
        find_host_compiler().compile([source], [*HEADERS, folder], folder / "protocol.o", ["-c"])
    except ToolFailed:
        return False
    return True


def shared() -> dict[str, int]:
    return {name: value for name, value in vars(protocol).items() if name.isupper()}


def test_every_number_of_the_protocol_is_that_of_the_headers(tmp_path: Path) -> None:
    values = shared()
    assert set(values) == {*TWINS, *OF_STEPS}
    assert compiles({name: values[name] for name in TWINS}, tmp_path)


@pytest.mark.parametrize("name", TWINS)
def test_a_number_that_differs_is_found(name: str, tmp_path: Path) -> None:
    assert not compiles({name: shared()[name] + 1}, tmp_path)


def test_the_last_step_of_a_model_fits_its_commit_word() -> None:
    assert protocol.report_step(protocol.MAX_WORD_TILES) < 1 << 15
    assert protocol.report_step(protocol.MAX_CHECKED_WORD_TILES) < 1 << 12
    assert protocol.report_step(5) - protocol.CAPTURE_STEP + 1 == 5 + protocol.FIXED_STEPS
