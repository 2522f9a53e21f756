"""Damaged trace files: each is read, or refused in words, in a second.

    python -m benchmarks.trace_damage --files 2000 --output benchmarks/results/trace_damage.txt

Takes a small file of each format, damages it (cut off, bytes changed, taken out, put in, lines repeated), reads it as
`freeml traces info` does, repairs it, and derives a trace. Anything but a trace or a FreemlError counts against it.
Then `freeml simulate` lives on the same file: it says a life as JSON and ends with 0, or one error, no bug, and 1.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import struct
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from freeml.cli import main as freeml
from freeml.energy.derive import derive
from freeml.energy.read import OnDefect, read_recording
from freeml.energy.source import Diode, Operating
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.energy.write import write_shepherd
from freeml.errors import FreemlError

SLOW_S = 5.0  # of a busy machine; a hang is forever
TOLD = Told(
    cell_voltage_v=2.0, cell_area_cm2=2.0, cell_efficiency=0.2, lux_per_w_m2=120.0, load_ohm=1e4, units=(("p", "mW"),)
)
# The same for a command, whose default is to repair.
TOLD_OPTIONS = (
    *("--cell-voltage", "2", "--cell-area", "2", "--cell-efficiency", "0.2", "--lux-per-w-m2", "120"),
    *("--load-ohm", "10000", "--unit", "p=mW"),
)
TASKS = """
[device]
v_on_v = 2.8
v_off_v = 1.9
capacitor_uf = 47
[[task]]
name = "SENSE"
us = 750
ua = 700
as = "sense"
[[task]]
name = "SEND"
us = 2000
ua = 1900
as = "report"
"""
MOST_LIFE = ("--duration", "200ms")  # stamps that leap to another century are many years of trace


def _rows(header: str, row: Callable[[int], str], n: int = 40) -> bytes:
    return "\n".join([header, *(row(index) for index in range(n))]).strip("\n").encode()


def _ivs() -> bytes:
    """Three curves of Ekho: 65 long doubles, each 80 bits and six bytes of nothing."""
    curves = []
    for stamp in range(3):
        points = bytearray(struct.pack("<d", stamp / 10))
        for point in range(65):
            mantissa, exponent = np.frexp(0.01 * (1 - point / 70))
            points += struct.pack("<QH6x", int(mantissa * 2**64), int(exponent) + 16382)
        curves.append(bytes(points))
    return b"".join(curves)


def _shepherd(folder: Path, kind: str) -> bytes:
    time_s, flat = np.arange(20) * 1e-5, np.ones(20)
    source = Operating(2 * flat, 1e-3 * flat) if kind == "ivsample" else Diode(1e-3 * flat, 1e-6 * flat, 4 * flat)
    write_shepherd(Trace("made", time_s, 1e-5, source), folder / "made.h5", kind)  # type: ignore[arg-type]
    return (folder / "made.h5").read_bytes()


def _zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("log.txt", content)
    return packed.getvalue()


def files(folder: Path) -> dict[str, bytes]:
    """A sound file of each format."""
    day = "2022-03-18 04:{:02}:00-07:00,{}"
    mementos = _rows("", lambda i: f"{1000 + i}\t{1 + i % 3 / 10}")
    condor = "\n".join(["+--+ Condor Instruments Report +--+", "DATE/TIME;MS;LIGHT"]) + "\n"
    declared = "Sample rate: 300 seconds\nc = Current I (mA)\n\nd,c"
    return {
        "table": _rows("time_ms,power_uw", lambda i: f"{10 * i},{i % 7}"),
        "dates": _rows("measured_on,p", lambda i: day.format(i, i - 3)),
        "two columns of time": _rows("DATE (MM/DD/YYYY),MST,G [W/m^2]", lambda i: f"1/13/2023,00:{i:02},{i}"),
        "mementos": mementos,
        "mementos, packed": gzip.compress(mementos, mtime=0),
        "condor, packed": _zipped(_rows(condor, lambda i: f"28/08/2023 08:28:{i:02};0;{i}.5")),
        "surfrad": _rows(
            " X\n 37.7  105.9 2317 m version 1", lambda i: f" 2016 1 1 1 0 {i} 0.0 91.6 {i - 2}.5" + " 0" * 39
        ),
        "declared": _rows(declared, lambda i: f"1,{i / 10}"),
        "ivonne": _rows("a,b,c,time", lambda i: f"0.0006,1e-06,4.1,{i * 0.02}"),
        "ekho, text": _rows("voltage,current", lambda i: f"{i // 10 / 10}\t{i % 10 / 5}\t{0.01 - i % 10 / 1000}"),
        "ekho": _ivs(),
        **{f"shepherd {kind}": _shepherd(folder, kind) for kind in ("ivsample", "ivcurve", "isc_voc")},
    }


def damage(content: bytes, rng: np.random.Generator) -> bytes:
    """The same with one to four damages."""
    made = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, max(1, len(made))))
        some = rng.integers(0, 256, int(rng.integers(1, 9)), dtype=np.uint8).tobytes()
        match int(rng.integers(0, 7)):
            case 0:
                del made[at:]
            case 1:
                made[at : at + 1] = bytes([int(rng.integers(0, 256))])
            case 2:
                del made[at : at + int(rng.integers(1, 64))]
            case 3:
                made[at:at] = some
            case 4:
                made[at : at + len(some)] = some
            case 5:
                lines = bytes(made).split(b"\n")
                lines[int(rng.integers(0, len(lines)))] = lines[int(rng.integers(0, len(lines)))]
                made = bytearray(b"\n".join(lines))
            case _:
                words = [b"nan", b"-inf", b"1e999", b"-", b"9" * 400, b"\xff\xfe", b'"', b"\0", b";", b"1/1/1"]
                made[at : at + 2] = words[int(rng.integers(0, len(words)))]
    return bytes(made)


def read_all(path: Path) -> str:
    """Read, repair and derive; "read", "refused", or the traceback of a mistake of freeml's."""
    ends = set()
    ways: tuple[OnDefect, ...] = ("report", "repair")
    for on_defect in ways:
        try:
            found = read_recording(path, TOLD, on_defect)
            trace = derive(found.used, TOLD, path.name)
            trace.power_w()
            if on_defect == "repair":
                trace.check()
            ends.add("read")
        except FreemlError as error:
            ends.add("refused" if error.what else "refused without a word")
        except Exception:
            return traceback.format_exc()
    return "read" if "read" in ends else ends.pop()


def live_on(path: Path, load: Path) -> str:
    """`freeml simulate` on a file; "read", "refused", or what is wrong with what it said."""
    said, cried = io.StringIO(), io.StringIO()
    arguments = ["simulate", "--load", str(load), "--trace", str(path), *TOLD_OPTIONS, *MOST_LIFE, "--json"]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(cried):
        code = freeml(arguments)
    text = said.getvalue() + cried.getvalue()
    if "Traceback" in text or "internal error" in text or code not in (0, 1):
        return f"simulate ended with {code}: {text}"
    try:
        has_life = code == 0 and json.loads(said.getvalue())["duration_s"] > 0
    except (ValueError, KeyError):
        return f"simulate ended with {code} and said no life: {text}"
    return "read" if has_life else "refused" if code == 1 and text.strip() else f"simulate said nothing, code {code}"


@dataclass
class Tally:
    """How damaged files ended, by format, the slowest, and what must not be."""

    ends: dict[str, Counter[str]] = field(default_factory=dict)
    lives: dict[str, Counter[str]] = field(default_factory=dict)
    slowest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def run(n_files: int, seed: int, folder: Path) -> Tally:
    """Damage and read so many files, all formats in turn."""
    rng = np.random.default_rng(seed)
    sound = files(folder)
    load = folder / "tasks.toml"
    load.write_text(TASKS)
    tally = Tally({name: Counter() for name in sound}, {name: Counter() for name in sound})
    for name, content in sound.items():
        (folder / "sound").write_bytes(content)
        for end in (read_all(folder / "sound"), live_on(folder / "sound", load)):
            if end != "read":
                tally.wrong.append(f"{name}: the sound file is not read: {end}")
    for number in range(n_files):
        name = list(sound)[number % len(sound)]
        path = folder / "damaged"
        path.write_bytes(damage(sound[name], rng))
        for ends, ask in ((tally.ends, read_all), (tally.lives, lambda path: live_on(path, load))):
            begin = time.perf_counter()
            end = ask(path)
            took_s = time.perf_counter() - begin
            tally.slowest_s = max(tally.slowest_s, took_s)
            ends[name][end if end in ("read", "refused") else "wrong"] += 1
            if end not in ("read", "refused") or took_s > SLOW_S:
                tally.wrong.append(f"{name}, file {number}, seed {seed}, {took_s:.1f} s: {end}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = run(args.files, args.seed, Path(folder))
    ends = ("read", "refused", "wrong")
    rows = [
        f"{name:22}" + "".join(f"{of[name][end]:9}" for of in (tally.ends, tally.lives) for end in ends)
        for name in tally.ends
    ]
    text = "\n".join(
        [
            f"python -m benchmarks.trace_damage --files {args.files} --seed {args.seed}",
            "",
            f"{'':22}{'freeml traces info':>27}{'freeml simulate':>27}",
            f"{'format':22}" + "".join(f"{end:>9}" for end in (*ends, *ends)),
            *rows,
            "",
            f"{args.files} damaged files: {len(tally.wrong)} tracebacks or hangs (more than {SLOW_S:g} s)",
            "",
        ]
    )
    sys.stdout.write(text + "".join(f"{one}\n" for one in tally.wrong[:10]))
    sys.stdout.write(f"slowest: {tally.slowest_s:.2f} s\n")
    if args.output:
        args.output.write_text(text)
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
