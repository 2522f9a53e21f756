from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freeml.errors import FreemlError
from freeml.units import parse_capacitor, round_up, show_capacitor


@pytest.mark.parametrize(
    ("text", "value_uf"),
    [
        ("47uF", 47),
        ("1 mF", 1_000),
        ("100u", 100),
        ("0.1F", 100_000),
        (" 2.2mF ", 2_200),
        ("470n", 0.47),
        ("4700pF", 0.0047),
        ("10µF", 10),
        (".5F", 500_000),
        ("1.F", 1_000_000),
    ],
)
def test_a_capacitance_is_read_in_the_units_people_write(text: str, value_uf: float) -> None:
    assert parse_capacitor(text) == pytest.approx(value_uf)


@pytest.mark.parametrize(
    "text", ["", "47", "uF", "-47uF", "47 uH", "4,7uF", "1e3uF", "nan F", "47uF 3V", "٤٧uF", "47kF"]
)
def test_what_is_no_capacitance_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(FreemlError, match="is not a capacitance") as refused:
        parse_capacitor(text)
    assert "47uF" in refused.value.hint


@pytest.mark.parametrize("text", ["0F", "0.0uF", "1pF", "11F", "999999999999999F"])
def test_a_capacitance_nobody_builds_is_refused_with_the_range(text: str) -> None:
    with pytest.raises(FreemlError, match="between 1nF and 10F"):
        parse_capacitor(text)


@given(st.floats(1e-3, 1e6))
def test_rounding_up_keeps_two_digits_and_stays_close(value: float) -> None:
    rounded = round_up(value)
    assert rounded >= value > 0.9 * rounded
    assert float(f"{rounded:.1e}") == rounded
    assert parse_capacitor(show_capacitor(rounded)) == pytest.approx(rounded)
