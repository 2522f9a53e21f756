"""What C and Python share has one value: a compiler compares each name of protocol.py with its twin in the headers."""

from __future__ import annotations

from pathlib import Path

import pytest

from freeml.errors import ToolFailed
from freeml.firmware.toolchain import find_host_compiler
from freeml.plan import protocol
from freeml.plan.step_table import Kind, step_table

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
    "RESULT_SLOT_BYTES": "sizeof(fml_record_t)",
    "RECORD_BYTES": "offsetof(fml_record_t, state)",
    "RECORD_CHECKED": "offsetof(fml_record_t, sequence)",
    "STATE_BYTES": "FML_STATE_BYTES",
    "EXITS_STATE_BYTES": "FML_EXITS_STATE_BYTES",
    "SUMS": "FML_NVM_SUMS",
    "PARTIAL_BYTES": "(FML_NVM_ARENA - FML_NVM_SUMS) / 2",
    "ARENA": "FML_NVM_ARENA",
    "CHUNK_BYTES": "FML_NVM_CHUNK_BYTES",
    "CAPTURE": "FML_CAPTURE",
    "TILES": "FML_TILES",
    "DECIDE": "FML_DECIDE",
    "PUBLISH": "FML_PUBLISH",
    "REPORT": "FML_REPORT",
    "ROW_BYTES": "sizeof(fml_layer_t)",
    "MAX_WORD_STEPS": "FML_MAX_STEPS_ONE_SLOT",
    "MAX_CHECKED_WORD_STEPS": "FML_MAX_STEPS_CHECKED_WORD",
    "MAX_SLOT_STEPS": "FML_MAX_STEPS_TWO_SLOTS",
    "PUBLISHED": "FML_PUBLISHED",
    "REFINED": "FML_REFINED",
    "BOARD_PIECE": "FML_BOARD_PIECE",
    "WINDOW_VALID": "FML_WINDOW_VALID",
}


def compiles(values: dict[str, int], folder: Path) -> bool:
    """Whether C has these values, each under its own name."""
    checks = [f"FML_STATIC_ASSERT({TWINS[name]} == {value}, {name});" for name, value in values.items()]
    (folder / "fml_board.h").write_text("")
    source = folder / "protocol.c"
    headers = ['#include "fml_board_window.h"', '#include "fml_exits.h"']
    source.write_text("\n".join([*headers, *checks, ""]))
    try:
        find_host_compiler().compile([source], [*HEADERS, folder], folder / "protocol.o", ["-c"])
    except ToolFailed:
        return False
    return True


def shared() -> dict[str, int]:
    return {name: value for name, value in vars(protocol).items() if name.isupper()}


def test_every_number_of_the_protocol_is_that_of_the_headers(tmp_path: Path) -> None:
    values = shared()
    assert set(values) == set(TWINS)
    assert compiles(values, tmp_path)


@pytest.mark.parametrize("name", TWINS)
def test_a_number_that_differs_is_found(name: str, tmp_path: Path) -> None:
    assert not compiles({name: shared()[name] + 1}, tmp_path)


def test_every_kind_of_step_has_the_number_that_c_has() -> None:
    assert {kind.name: kind.value for kind in Kind} == {name: shared()[name] for name in Kind.__members__}


def test_rows_of_a_table_follow_one_another_from_the_capture_to_the_report() -> None:
    runs = [(Kind.CAPTURE, 1), *((Kind.TILES, n) for n in (3, 1, 7)), (Kind.PUBLISH, 1), (Kind.REPORT, 1)]
    table = step_table(runs)
    assert [table.kind_of(step) for step in range(table.n_steps)] == [
        Kind.CAPTURE,
        *[Kind.TILES] * 11,
        Kind.PUBLISH,
        Kind.REPORT,
    ]
    assert list(table.of_kind(Kind.TILES)) == list(range(1, 12))
    assert (table.n_depths, list(table.depths_from(5)), list(table.depths_from(13))) == (1, [1], [])
    for beyond in (-1, table.n_steps):
        with pytest.raises(IndexError, match=f"no step {beyond}"):
            table.kind_of(beyond)


def test_decisions_lead_to_the_next_depth_or_to_a_report_and_the_last_one_to_the_whole_networks() -> None:
    tiles, decide, report = (Kind.TILES, 2), (Kind.DECIDE, 1), (Kind.REPORT, 1)
    ends_published = step_table([(Kind.CAPTURE, 1), tiles, decide, tiles, (Kind.PUBLISH, 1), report, report])
    assert [(row.first, row.depth, row.stop) for row in ends_published.rows] == [
        (0, 1, 0),
        (1, 1, 0),
        (3, 1, 8),
        (4, 2, 0),
        (6, 2, 0),
        (7, 2, 0),
        (8, 0, 0),
    ]
    assert [list(ends_published.depths_from(step)) for step in (0, 3, 4, 6, 7)] == [[1, 2], [1, 2], [2], [2], []]
    ends_decided = step_table([(Kind.CAPTURE, 1), tiles, decide, tiles, decide, report, report])
    assert [(row.depth, row.stop) for row in ends_decided.rows] == [
        (1, 0),
        (1, 0),
        (1, 8),
        (2, 0),
        (2, 7),
        (2, 0),
        (0, 0),
    ]
    assert ends_decided.n_depths == ends_published.n_depths == 2
