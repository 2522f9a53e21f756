"""Tables keep their figures whole on any terminal; names and bars give way."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from freeml.cli import tables


def drawn(table: tables.Sheet, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, markup=False)
    console.print(table)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_narrow_terminal_cuts_names_never_numbers(width: int) -> None:
    table = tables.table("node", "macs", "", right=(1,), elastic=(2, 0))
    table.add_row("a/very/long/name/of/a/node/in/a/network/with/many/blocks", "123,456,789", tables.bar(1, 2))
    lines = drawn(table, width)
    assert len(lines) == 2
    assert "123,456,789" in lines[1]
    assert all(len(line) <= width for line in lines)


def test_a_bar_keeps_its_scale_in_less_room() -> None:
    table = tables.table("node", "", elastic=(1,))
    table.add_row("x" * 20, tables.bar(1, 2, 16))
    table.add_row("y" * 20, tables.bar(2, 2, 16))
    half, whole = (line.count("█") for line in drawn(table, 32)[1:])
    assert whole == 2 * half < 16


def test_a_name_is_cut_in_its_middle() -> None:
    assert tables.short("abcdefghij", 10) == "abcdefghij"
    assert tables.short("abcdefghijk", 10) == "abc…fghijk"
    assert tables.node("model.onnx:/layer1/conv") == "/layer1/conv"


@pytest.mark.parametrize(("value", "most"), [(0.0, 0.0), (-1.0, 2.0), (3.0, 2.0), (float("inf"), 2.0)])
def test_a_bar_of_any_value_fits(value: float, most: float) -> None:
    assert len(str(tables.bar(value, most, 8))) <= 8
