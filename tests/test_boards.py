"""Board files: strict, every figure with its source; a bad one is explained with file, line, entry and range."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from freeml.board.board import Board, board_names, load_board
from freeml.errors import BadBoard, DoesNotFit

BOARDS = Path(__file__).resolve().parents[1] / "boards"
GOOD = (BOARDS / "msp430fr5994.toml").read_text()


def figures(entry: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """(path, {value, source}) of every figure in a dumped board."""
    if isinstance(entry, dict):
        if "value" in entry:
            yield path, entry
        for key, inner in entry.items():
            yield from figures(inner, f"{path}.{key}" if path else key)


@pytest.mark.parametrize("name", board_names())
def test_every_board_loads_and_every_figure_has_a_source(name: str) -> None:
    board = load_board(name)
    assert board.name == name
    found = dict(figures(board.model_dump(mode="json")))
    for path, figure in found.items():
        assert re.match(r"(datasheet|measured|counted|derived|assumed)\b", figure["source"]), path
    assert (board.family == "host") == (not found)
    assert (board.family == "host") == (board.energy is None)


def test_boards_that_ship() -> None:
    assert set(board_names()) >= {"host", "msp430fr5994", "nucleo_l476rg"}


def test_charges_of_the_msp430_are_those_that_were_measured() -> None:
    board = load_board("msp430fr5994")
    assert board.energy is not None
    assert board.charge is not None
    # One constant fits 113 programs at 100; the dearest mix of accesses that a step makes is what plans go by.
    assert 100 < board.energy.cycle_pc.value < 1.2 * 100
    assert 220 <= board.charge.fram_write_pc.value + board.charge.wait_cycle_pc.value <= 450
    assert board.nvm.atomic_bytes == 2
    assert not board.nvm.tears


def refused(tmp_path: Path, text: str) -> BadBoard:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(BadBoard) as caught:
        load_board(str(path))
    assert caught.value.where.startswith("bad.toml")
    return caught.value


def line_of(text: str, start: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if line.startswith(start))


BAD: dict[str, tuple[str, str, list[str]]] = {
    "an unknown entry": ("\ncycle_pc = ", "\ncycles_pc = ", ["cycle_pc: this entry is missing"]),
    "a negative charge": (
        "cycle_pc = { value = 116",
        "cycle_pc = { value = -1",
        ["energy.cycle_pc.value", "greater than 0", "-1"],
    ),
    "an infinite charge": ("cycle_pc = { value = 116", "cycle_pc = { value = inf", ["energy.cycle_pc.value", "finite"]),
    "a word for a number": (
        "cycle_pc = { value = 116",
        'cycle_pc = { value = "100"',
        ["energy.cycle_pc.value", "valid number", "'100'"],
    ),
    "a figure without a source": (
        'sleep_ua = { value = 0.5, source = "datasheet SLASE54D: LPM4, typical" }',
        "sleep_ua = { value = 0.5 }",
        ["energy.sleep_ua.source: this entry is missing"],
    ),
    "a bare number": ("margin = { value = 0.2", "margin = 0.2 # ", ["capacitor.margin"]),
    "a source that says nothing": (
        "measured: length of that trace",
        "I believe it: length of that trace",
        ["energy.boot_us.source", "begins with datasheet, measured, counted, derived or assumed"],
    ),
    "a margin of all": ("margin = { value = 0.2", "margin = { value = 1.0", ["capacitor.margin.value", "less than 1"]),
    "voltages the wrong way round": (
        "v_on_mv = { value = 3_000",
        "v_on_mv = { value = 1_000",
        ["capacitor", "v_on_mv = 1000 must be above v_off_mv = 1900"],
    ),
    "an atomic unit of three bytes": ("atomic_bytes = 2", "atomic_bytes = 3", ["nvm.atomic_bytes", "1, 2, 4 or 8"]),
    "a kind of memory nobody knows": ('kind = "fram"', 'kind = "flash"', ["nvm.kind", "'fram', 'spi_fram' or 'host'"]),
    "a family nobody knows": ('family = "msp430"', 'family = "avr"', ["family", "'host', 'msp430' or 'cortexm'"]),
    "half a byte": (
        "sram_bytes = { value = 8_192",
        "sram_bytes = { value = 81.5",
        ["memory.sram_bytes.value", "integer"],
    ),
    "a clock that stands still": ("clock_hz = { value = 16_000_000", "clock_hz = { value = 0", ["clock_hz"]),
    "a name for a file": ('name = "msp430fr5994"', 'name = "../x"', ["name", "pattern"]),
    "not TOML": ("[energy]", "[energy", ["not a TOML file", "line"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_board_is_explained(name: str, tmp_path: Path) -> None:
    old, new, says = BAD[name]
    assert GOOD.count(old) == 1
    error = refused(tmp_path, GOOD.replace(old, new))
    for words in says:
        assert words in error.what, error.what


def test_the_line_of_a_bad_entry_is_given(tmp_path: Path) -> None:
    bad = GOOD.replace("cycle_pc = { value = 116", "cycle_pc = { value = -1")
    assert refused(tmp_path, bad).where == f"bad.toml, line {line_of(bad, 'cycle_pc')}"
    bad = GOOD.replace("[cycles]", '[cycles]\nspeed = { value = 3, source = "assumed: very fast" }')
    error = refused(tmp_path, bad)
    assert error.what == "cycles.speed: there is no such entry"
    assert error.where == f"bad.toml, line {line_of(bad, 'speed')}"
    # A missing entry: the section that it should be in.
    bad = "".join(line for line in GOOD.splitlines(keepends=True) if not line.startswith("compared ="))
    assert refused(tmp_path, bad).where == f"bad.toml, line {line_of(bad, '[cycles]')}"


@pytest.mark.parametrize("section", ["energy", "capacitor", "cycles", "code", "nvm"])
def test_a_board_with_half_an_energy_model_is_refused(section: str, tmp_path: Path) -> None:
    kept = re.sub(rf"^\[{section}\]\n(?:(?!\[).*\n)*", "", GOOD, flags=re.MULTILINE)
    assert kept != GOOD
    assert section in refused(tmp_path, kept).what


def test_a_host_board_needs_nothing_but_a_name() -> None:
    board = Board.model_validate({"name": "x", "title": "y", "family": "host"})
    assert board.nvm.kind == "host"
    assert board.nvm.atomic_bytes == 2
    assert board.energy is None


def test_where_flash_and_nvm_are_one_memory_both_must_fit_in_it() -> None:
    board = load_board("msp430fr5994")
    board.check_fit(flash_bytes=130_000, nvm_bytes=130_000, sram_bytes=0)
    with pytest.raises(DoesNotFit, match="280,000 bytes of flash"):
        board.check_fit(flash_bytes=140_000, nvm_bytes=140_000, sram_bytes=0)
    load_board("nucleo_l476rg").check_fit(flash_bytes=1_000_000, nvm_bytes=500_000, sram_bytes=0)
