"""Binary formats, writing, damage."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.trace_damage import files, run
from freeml.energy.source import Diode, Operating, Source, Thevenin
from freeml.energy.trace import Trace
from freeml.energy.write import write_shepherd, write_table
from freeml.errors import BadData
from tests.energy.files import found, trace

RNG = np.random.default_rng(1)
SOURCES: dict[str, Source] = {
    "operating": Operating(RNG.uniform(0.5, 3, 50), RNG.uniform(0, 1e-3, 50)),
    "thevenin": Thevenin(RNG.uniform(0.5, 3, 50), np.full(50, 3e4)),
    "diode": Diode(RNG.uniform(1e-4, 1e-3, 50), np.full(50, 1e-6), np.full(50, 4.0)),
}


def made(name: str) -> Trace:
    return Trace(name, np.arange(50) * 1e-3, 1e-3, SOURCES[name])


@pytest.mark.parametrize("name", SOURCES)
def test_a_trace_written_as_a_table_is_read_as_the_same_source(tmp_path: Path, name: str) -> None:
    write_table(made(name), tmp_path / "t.csv")
    read = trace(tmp_path / "t.csv")
    assert type(read.source) is type(SOURCES[name])
    for column, values in SOURCES[name].columns().items():
        assert read.source.columns()[column] == pytest.approx(values, rel=1e-10)
    assert read.time_s == pytest.approx(made(name).time_s)


@pytest.mark.parametrize("name", SOURCES)
def test_a_trace_written_for_shepherd_keeps_its_power(tmp_path: Path, name: str) -> None:
    write_shepherd(made(name), tmp_path / "t.h5")
    write_shepherd(made(name), tmp_path / "again.h5")
    assert (tmp_path / "t.h5").read_bytes() == (tmp_path / "again.h5").read_bytes()
    read = trace(tmp_path / "t.h5").check()
    assert read.power_w() == pytest.approx(made(name).power_w(), rel=0.005)  # 64 points of a curve
    assert read.time_s == pytest.approx(made(name).time_s, abs=1e-9)


def test_both_ends_of_a_curve_are_the_least_unless_a_fill_factor_says_more(tmp_path: Path) -> None:
    write_shepherd(made("diode"), tmp_path / "t.h5", "isc_voc")
    least, product = trace(tmp_path / "t.h5"), None
    recorded = found(tmp_path / "t.h5").recorded.columns
    product = recorded["short_current_a"] * recorded["open_voltage_v"]
    assert least.power_w() == pytest.approx(product / 4)
    assert trace(tmp_path / "t.h5", fill_factor=0.7).power_w() == pytest.approx(0.7 * product, rel=1e-3)


def test_raw_numbers_of_shepherd_are_scaled_by_gain_and_moved_by_offset(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w") as file:
        group = file.create_group("data")
        for name, raw, gain, offset in (
            ("time", [5_000_000_000, 5_000_010_000], 1e-9, 0.0),
            ("voltage", [100, 200], 0.01, 0.5),
            ("current", [30, 40], 1e-6, -1e-5),
        ):
            dataset = group.create_dataset(name, data=np.array(raw, np.uint64))
            dataset.attrs["gain"], dataset.attrs["offset"] = gain, offset
    columns = found(tmp_path / "t.h5").recorded.columns
    assert columns["voltage_v"] == pytest.approx([1.5, 2.5])
    assert columns["current_a"] == pytest.approx([20e-6, 30e-6])
    assert trace(tmp_path / "t.h5").step_s == pytest.approx(1e-5)


def test_bringing_a_recording_down_to_a_rate_keeps_its_energy(tmp_path: Path) -> None:
    write_shepherd(made("operating"), tmp_path / "t.h5")
    whole, down = trace(tmp_path / "t.h5"), trace(tmp_path / "t.h5", rate_hz=100)
    assert (len(whole), len(down), down.step_s) == (50, 5, pytest.approx(0.01))
    assert down.energy_j() == pytest.approx(whole.energy_j())
    assert any("one mean" in note for note in down.notes)


def test_ekhos_binary_and_text_are_the_same_kind_of_surface(tmp_path: Path) -> None:
    sound = files(tmp_path)
    for name, curves, points in (("ekho", 3, 65), ("ekho, text", 4, 10)):
        (tmp_path / "surface").write_bytes(sound[name])
        recorded = found(tmp_path / "surface").recorded
        assert recorded.curves is not None
        assert recorded.curves.current_a.shape == (curves, points)
        assert recorded.time_s[1] == pytest.approx(0.1)
        assert recorded.curves.current_a[0, 0] == pytest.approx(0.01, rel=1e-9)
        assert recorded.curves.current_a[0, 5] == pytest.approx(0.01 * (1 - 5 / 70) if points == 65 else 0.005)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\x80\x04\x95\x10", "pickle"),
        (b"\x93NUMPY\x01\x00", "without units"),
        (b"\x7fELF\0\0\0\0", "binary file of no format"),
        ("time_s,power_uw\n0,1\n".encode("utf-16"), "UTF-16"),
        (b"hello, reader", "no trace of a format"),
        (b"\x1f\x8b\x08\x00\x00", "damaged"),
        (b"PK\x03\x04" + b"\0" * 40, "damaged"),
        (b"time_s,power_uw\n0,1\n" + b"9" * 100_000, "a line of more than"),
    ],
)
def test_what_is_no_trace_is_refused_in_words(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(BadData, match=says):
        found(tmp_path / "t")


def test_damaged_files_of_every_format_are_read_or_refused_and_none_hangs(tmp_path: Path) -> None:
    assert run(70, 7, tmp_path).wrong == []
