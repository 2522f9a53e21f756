"""Recorded traces of other people: what their documents say of them is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from freeml.energy.repair import find
from freeml.errors import BadData
from tests.energy.files import found, places, trace

# By hand from the files: means of V^2 / 30 kohm in uW, and lines at which the stamps leap and go back.
MEMENTOS_UW = (153.32, 189.25, 92.85, 77.44, 93.04, 131.07, 110.55, 77.20, 90.19, 81.55)
MEMENTOS_LINES: dict[int, list[tuple[str, int]]] = {
    1: [],
    2: [("jump", 13735), ("back", 13736), ("jump", 38735)],
    3: [("jump", 10145), ("back", 10146), ("jump", 11145), ("back", 11146), ("jump", 23145)],
    4: [("jump", 5676)],
    5: [],
    6: [("jump", 6345), ("back", 6346), ("jump", 11345)],
    7: [("jump", 11961)],
    8: [("jump", 8845)],
    9: [("jump", 6871), ("back", 6872)],
    10: [("jump", 2295), ("back", 2296)],
}


@pytest.mark.parametrize("number", [2, 3, 5])
def test_mementos_means_before_repair_and_lines_of_defects_are_those_of_the_files(data_dir: Path, number: int) -> None:
    path = data_dir / "traces" / "mementos_rf" / f"{number}.txt.gz"
    read = trace(path)
    assert read.power_w().mean() * 1e6 == pytest.approx(MEMENTOS_UW[number - 1], rel=1e-3)
    assert places(path) == MEMENTOS_LINES[number]
    assert any("Thevenin" in note and "30000 ohm" in note for note in read.notes)


def test_repaired_mementos_lasts_a_millisecond_a_sample(data_dir: Path) -> None:
    path = data_dir / "traces" / "mementos_rf" / "2.txt.gz"
    repaired = trace(path, "repair").check()
    assert len(repaired) == 39_232
    assert repaired.duration_s == pytest.approx(39.232)
    assert not len(find(found(path, "repair").used).defects) - 3  # those of the file, no new ones


def test_the_jogging_cell_gives_563_uw_at_its_maximum_power_point(data_dir: Path) -> None:
    read = trace(data_dir / "traces" / "shepherd_jogging" / "jogging_10m.csv.gz").check()
    assert read.power_w().mean() * 1e6 == pytest.approx(563, rel=0.002)
    assert read.duration_s == pytest.approx(616.7, abs=0.1)
    voltage_v, _ = read.source.best()
    for nearby in (0.99, 1.01):  # no point beside the maximum gives more
        assert np.all(read.source.current_a(voltage_v * nearby) * voltage_v * nearby <= read.power_w() * (1 + 1e-9))


def test_194_days_of_a_cells_current_need_its_voltage(data_dir: Path) -> None:
    path = data_dir / "traces" / "tuhh_solar" / "TUHHx.txt.gz"
    recorded = found(path).recorded
    assert recorded.mean("current_a") * 1e3 == pytest.approx(2.72, rel=0.002)
    assert (len(recorded), recorded.step_s) == (55_872, 300.0)
    with pytest.raises(BadData, match="--cell-voltage"):
        trace(path)
    assert trace(path, cell_voltage_v=2.0).power_w().mean() == pytest.approx(2 * 2.723e-3, rel=0.001)


def test_irradiance_of_minutes_is_below_zero_at_night_and_zero_when_repaired(data_dir: Path) -> None:
    path = data_dir / "traces" / "nrel_midc" / "midc_20181014.txt"
    recorded = found(path).recorded
    assert recorded.mean("irradiance_w_m2") == pytest.approx(125.19, rel=1e-3)
    assert recorded.defects.samples == {"negative": 790}
    assert places(path) == [("negative", 2), ("negative", 1032)]
    repaired = found(path, "repair").used
    assert repaired.columns["irradiance_w_m2"].min() == 0
    assert repaired.columns["irradiance_w_m2"].max() == pytest.approx(885.436)


def test_a_day_of_surfrad_is_irradiance_in_its_ninth_column(data_dir: Path) -> None:
    recorded = found(data_dir / "traces" / "nrel_midc" / "surfrad-slv16001.dat").recorded
    assert (len(recorded), recorded.step_s, recorded.clock) == (1440, 60.0, "calendar")
    assert recorded.mean("irradiance_w_m2") == pytest.approx(140.369, rel=1e-3)


def test_the_unit_of_the_pv_system_is_asked_for(data_dir: Path) -> None:
    path = data_dir / "traces" / "serf_pv" / "serf_east_1min_ac_power.csv"
    with pytest.raises(BadData, match="the unit of ac_power__752 is not said") as error:
        found(path)
    assert "--unit" in error.value.hint
    recorded = found(path, units=(("", "kW"),)).recorded
    assert recorded.mean("power_w") == pytest.approx(1593.2e3, rel=1e-3)
    assert recorded.defects.samples == {"negative": 1200}


def test_lux_of_a_light_log_becomes_power_through_measured_curves(data_dir: Path) -> None:
    path = next((data_dir / "traces" / "lightlogr_wearable").glob("cyepiamb*.zip"))
    cell = (data_dir / "hardware" / "iv_curves.csv", "AM1417")
    read = trace(path, cell=cell)
    recorded = found(path).recorded
    assert recorded.mean("illuminance_lux") == pytest.approx(15_318.96, rel=1e-3)
    near_1000 = np.abs(recorded.columns["illuminance_lux"] - 1000) < 20
    assert near_1000.any()
    assert read.power_w()[near_1000] * 1e6 == pytest.approx(64.98, rel=0.04)  # the curve's own best point


def test_a_pickle_is_refused_and_says_why(data_dir: Path) -> None:
    with pytest.raises(BadData, match="pickle: reading it would run") as error:
        found(data_dir / "traces" / "shepherd_jogging" / "jogging_10m.iv")
    assert "time_s,power_uw" in error.value.hint
