"""Tables: units come from the header or the user; defects have a line and a rule; repair happens when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml.energy.read import read_trace
from freeml.errors import BadData
from tests.energy.files import found, places, trace, write


@pytest.mark.parametrize(
    ("header", "rows", "step_s", "power_w"),
    [
        ("time_s,power_w", ["0,1", "2,3"], 2.0, [1, 3]),
        ("time_ms,power_mw", ["5,1", "7,3"], 0.002, [1e-3, 3e-3]),
        ("time_us;power_uw", ["0;1,5", "10;3"], 1e-5, [1.5e-6, 3e-6]),
        ("Time (s)\tPower [uW]", ["0\t1", "1\t3"], 1.0, [1e-6, 3e-6]),
        ("time_s voltage_mv current_ua", ["0 2000 5", "1 1000 7"], 1.0, [10e-6, 7e-6]),
        ("time_s,current_ma,voltage_v", ["0,1,2", "1,3,1"], 1.0, [2e-3, 3e-3]),
        ('"time_s","power_uw"', ['"0","1"', '"1","3"'], 1.0, [1e-6, 3e-6]),
    ],
)
def test_units_of_the_header_are_read(
    tmp_path: Path, header: str, rows: list[str], step_s: float, power_w: list[float]
) -> None:
    read = trace(write(tmp_path / "t.csv", header, *rows))
    assert read.power_w() == pytest.approx(power_w)
    assert read.time_s == pytest.approx([0, step_s])


@pytest.mark.parametrize(
    ("stamps", "seconds"),
    [
        (["2022-03-18 23:59:30-07:00", "2022-03-19 07:00:30Z"], 60),
        (["2022-03-18T23:59:30", "2022-03-19T00:00:30"], 60),
        (["31/12/2022 11:59:00 PM", "01/01/2023 12:00:00 AM"], 60),
        (["12/31/2022 23:59", "1/1/2023 00:00"], 60),
        (["2022-03-19 00:00:00+02", "2022-03-18 22:01:00 GMT"], 60),
        (["2022-03-18 12:00:00.000100", "2022-03-18 12:00:00.000200"], 1e-4),
        (["28.08.2023 08:00:00.5", "28.08.2023 08:00:01.0"], 0.5),
    ],
)
def test_stamps_with_and_without_zone_are_read(tmp_path: Path, stamps: list[str], seconds: float) -> None:
    path = write(tmp_path / "t.csv", "stamp,power_uw", *(f"{stamp},1" for stamp in stamps))
    assert found(path).recorded.time_s == pytest.approx([0, seconds], rel=1e-6)


def test_a_mega_is_no_milli_and_capitals_are_asked_about(tmp_path: Path) -> None:
    assert trace(write(tmp_path / "t.csv", "time_s,power_MW", "0,1", "1,3")).power_w() == pytest.approx([1e6, 3e6])
    with pytest.raises(BadData, match="unit of POWER_MW is not said"):
        found(write(tmp_path / "t.csv", "TIME_S,POWER_MW", "0,1", "1,3"))
    path = write(tmp_path / "t.csv", "TIME_S,POWER_MW", "0,1", "1,3")
    assert trace(path, units=(("POWER_MW", "mW"),)).power_w() == pytest.approx([1e-3, 3e-3])


def test_rows_of_more_fields_than_names_give_no_number(tmp_path: Path) -> None:
    """Decimal commas between commas: the second field is a part of the first."""
    path = write(tmp_path / "t.csv", "time_s,power_uw", "0,0,100", "0,1,150")
    with pytest.raises(BadData, match="no sample") as error:
        found(path)
    assert "3 of 2 fields" in error.value.hint
    assert places(write(path, "time_s,power_uw", "0,1,", "1,2,", "2,3,9", "3,4")) == [("fields", 4)]


@pytest.mark.parametrize("name", ["time", "epoch", "unix_time_stamp"])
def test_the_unit_of_a_clock_is_asked_for(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "t.csv", f"{name},power_uw", "1700000000,1", "1700000002,3")
    with pytest.raises(BadData, match="no column of stamps") as error:
        found(path)
    assert f"--unit {name}=s" in error.value.hint
    assert found(path, units=((name, "s"),)).recorded.time_s == pytest.approx([0, 2])


def test_a_unit_of_one_byte_is_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("time_s,power_µW\n0,1\n1,3\n".encode("latin-1"))
    assert trace(tmp_path / "t.csv").power_w() == pytest.approx([1e-6, 3e-6])


def test_what_was_repaired_is_said_of_the_trace(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "time_s,power_uw", "0,1", "1,-3", "2,1", "3,1")
    assert read_trace(path, None, "repair").notes == ("t.csv: 1 times negative, repaired",)
    assert read_trace(path).notes == ("t.csv: 1 times negative, left as recorded",)


@pytest.mark.parametrize("power_w", ["1e13", "1e300"])
def test_power_that_no_harvester_gives_is_refused(tmp_path: Path, power_w: str) -> None:
    with pytest.raises(BadData, match="no harvester gives that"):
        trace(write(tmp_path / "t.csv", "time_s,power_w", f"0,{power_w}", "1,3")).check()


def test_dates_that_may_be_either_are_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "stamp,power_uw", "01/02/2023 10:00,1", "02/02/2023 10:00,1")
    with pytest.raises(BadData, match="day/month or month/day") as error:
        found(path)
    assert "--date-order" in error.value.hint
    assert found(path, date_order="dmy").recorded.time_s[1] == 86_400
    assert found(path, date_order="mdy").recorded.time_s[1] == 31 * 86_400


@pytest.mark.parametrize(
    ("lines", "says", "hint", "told"),
    [
        (
            ["time_s,power", "0,1", "1,2"],
            "the unit of power is not said",
            "--unit power=UNIT",
            {"units": (("power", "mW"),)},
        ),
        (["power_uw", "1", "2"], "no column of stamps", "--step", {"step_s": 0.1}),
        (["0,1", "1,2"], "no header", "--columns", {"columns": ("time_s", "power_uw")}),
        (["time_s,voltage_v", "0,1", "1,2"], "voltage alone", "--load", {"load_ohm": 1e4}),
        (["time_s,current_ma", "0,1", "1,2"], "current alone", "--cell-voltage", {"cell_voltage_v": 2.0}),
        (["time_s,in_power_w,out_power_w", "0,1,2", "1,1,2"], "both power_w", "--column", {"column": "out_power_w"}),
        (
            ["time_s,irradiance [W/m^2]", "0,1", "1,2"],
            "light in W/m",
            "--cell-area",
            {"cell_area_cm2": 1.0, "cell_efficiency": 0.2},
        ),
        (
            ["time_s,lux", "0,1", "1,2"],
            "light in lux",
            "--lux-per-w-m2",
            {"cell_area_cm2": 1.0, "cell_efficiency": 0.2, "lux_per_w_m2": 120.0},
        ),
    ],
)
def test_what_the_file_does_not_say_is_asked_for(
    tmp_path: Path, lines: list[str], says: str, hint: str, told: dict[str, object]
) -> None:
    path = write(tmp_path / "t.csv", *lines)
    with pytest.raises(BadData, match=says) as error:
        trace(path)
    assert hint in error.value.hint
    assert len(trace(path, **told).power_w()) == 2


def test_light_through_area_and_efficiency_is_their_product(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "time_s,irradiance_w_m2", "0,1000", "1,500")
    read = trace(path, cell_area_cm2=2.0, cell_efficiency=0.25)
    assert read.power_w() == pytest.approx([0.05, 0.025])  # 1000 W/m^2 x 2e-4 m^2 x 0.25


def test_a_voltage_over_a_load_becomes_a_source_that_gives_that_voltage_into_that_load(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "time_s,voltage_v", "0,1", "1,2")
    for source_ohm in (None, 3e3, 1e5):
        read = trace(path, load_ohm=3e4, source_ohm=source_ohm)
        assert read.source.current_a(np.array([1.0, 2.0])) == pytest.approx([1 / 3e4, 2 / 3e4])
        # the matched source is the least of all that fit
        assert np.all(read.power_w() >= np.array([1.0, 4.0]) / 3e4 * (1 - 1e-12))


@pytest.mark.parametrize("factor", [0.0, 0.5, 3.0])
def test_scale_multiplies_the_power_of_every_kind_of_source(tmp_path: Path, factor: float) -> None:
    tables = {
        "power": ("time_s,power_uw", "0,1", "1,2"),
        "operating": ("time_s,voltage_v,current_ua", "0,1,2", "1,3,4"),
        "thevenin": ("time_s,open_voltage_v,source_resistance_ohm", "0,1,2", "1,3,4"),
        "diode": ("a,b,c,time", "1e-3,1e-6,4,0", "2e-3,1e-6,4,1"),
    }
    for name, lines in tables.items():
        path = write(tmp_path / f"{name}.csv", *lines)
        assert trace(path, scale=factor).power_w() == pytest.approx(factor * trace(path).power_w(), rel=1e-9), name


CLEAN = [f"{second},5" for second in range(40)]


@pytest.mark.parametrize(
    ("change", "rule", "samples", "duration_s"),
    [
        ({10: "7,5"}, ("back", 12), 40, 40),
        ({10: "9,5"}, ("repeat", 12), 40, 40),
        ({10: "1010,5"}, ("jump", 12), 40, 40),
        ({10: "10,-5"}, ("negative", 12), 40, 40),
        ({10: "10;5"}, ("separator", 12), 40, 40),
        ({10: "10"}, ("fields", 12), 40, 40),
        ({10: "10,five"}, ("number", 12), 40, 40),
        ({10: "", 11: "", 12: ""}, ("gap", 15), 40, 40),
    ],
)
def test_each_defect_has_its_line_and_rule_and_a_repair(
    tmp_path: Path, change: dict[int, str], rule: tuple[str, int], samples: int, duration_s: float
) -> None:
    rows = [change.get(index, row) for index, row in enumerate(CLEAN)]
    path = write(tmp_path / "t.csv", "time_s,power_uw", *rows)
    assert rule in places(path)
    assert len(found(path).recorded) <= len(CLEAN)  # nothing is mended unless it is asked for
    repaired = trace(path, "repair").check()
    assert repaired.duration_s == pytest.approx(duration_s)
    assert len(repaired) == samples
    assert repaired.power_w().min() >= 0
    with pytest.raises(BadData, match="defects; line"):
        found(path, "refuse")


def test_an_unmended_trace_is_no_ground_for_a_simulation(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "time_s,power_uw", *CLEAN[:10], "3,5", *CLEAN[10:])
    with pytest.raises(BadData, match="does not lie after") as error:
        trace(path).check()
    assert "--on-defect repair" in error.value.hint


def test_a_long_gap_of_dates_gives_nothing_and_a_short_one_a_straight_line(tmp_path: Path) -> None:
    minutes = [*range(20), *range(22, 40), *range(100, 120)]
    rows = [f"2023-01-01 {minute // 60:02}:{minute % 60:02}:00,{60 + minute}" for minute in minutes]
    path = write(tmp_path / "t.csv", "stamp,power_uw", *rows)
    assert places(path) == [("gap", 22), ("gap", 40)]
    repaired = trace(path, "repair").check()
    values = dict(zip(repaired.time_s / 60, repaired.power_w() * 1e6, strict=True))
    assert values[20] == pytest.approx(60 + 20)
    assert values[21] == pytest.approx(60 + 21)
    assert values[40] == 0
    assert repaired.energy_j() == pytest.approx(sum((60 + m) * 60e-6 for m in (*range(40), *range(100, 120))))


def test_a_table_of_the_other_separator_alone_is_read_when_repairing(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "time_s,power_uw", "0;1", "1;2", "2;3")
    with pytest.raises(BadData, match="no sample") as error:
        found(path)
    assert "--on-defect repair" in error.value.hint
    assert found(path, "repair").recorded.defects.counts == {"separator": 3}
    assert trace(path, "repair").power_w() == pytest.approx([1e-6, 2e-6, 3e-6])
