"""The scheduler: what it counts is what a walk in small steps counts, no event and no joule is lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from benchmarks.energy_hardware import fit_window, lines, measured, recordings
from benchmarks.energy_hardware import simulate as by_hand
from freeml.energy.converter import converter_of
from freeml.energy.source import Operating, Thevenin
from freeml.energy.supply import Capacitor, Comparator, Supply
from freeml.energy.trace import Trace
from freeml.errors import BadData, FreemlError
from freeml.sim.life.arrivals import arrivals_of
from freeml.sim.life.engine import TableEngine
from freeml.sim.life.load import Load, Work
from freeml.sim.life.native import LOG_DONE, LOG_LOSS, LOG_ON
from freeml.sim.life.run import Arrivals, Lived, live
from freeml.sim.life.simulate import Circuit, simulate

LOAD = Load(
    "small",
    boot=Work(1e-3, 1e-6, stack="boot"),
    restore=Work(2e-4, 3e-7, stack="restore"),
    first=Work(5e-4, 7e-7, stack="restore"),
    rows=(
        Work(2e-3, 4e-6, 0.01, 1, "sense"),
        Work(1e-3, 3e-6, 0.02, 40, "compute"),
        Work(4e-4, 1e-6, 0.03, 7, "compute"),
        Work(5e-4, 1e-6, 0.05, 1, "decide"),
        Work(3e-3, 6e-6, 0.01, 1, "report"),
    ),
    sleep_a=2e-6,
)


def trace_of(seed: int, n: int = 400) -> Trace:
    rng = np.random.default_rng(seed)
    volts = np.repeat(rng.uniform(0, 6, n // 20), 20) * (rng.random(n) > 0.1)
    return Trace("random", np.arange(n) * 0.01, 0.01, Thevenin(volts, np.full(n, 2000.0)))


def circuit(converter: str) -> Supply:
    between = converter_of(converter)
    switch = between.comparator(Comparator(2.8, 1.9, 1e-6, 1e-6))
    return Supply(Capacitor(47e-6, 1.0, 1e6, 3.4), switch, diode_v=between.diode_v)


@dataclass
class Walk:
    """The same life, told otherwise: one step at a time, in Python, by the supply in Python."""

    supply: Supply
    load: Load
    events_s: list[float]
    clock_s: float = 0.0
    stack_j: dict[str, float] = field(default_factory=dict)
    done: int = 0
    missed: int = 0
    boots: int = 0
    redone: int = 0

    def run(self, trace: Trace, converter: str) -> None:
        between = converter_of(converter)
        self._ends = (trace.time_s + trace.holds_s()).tolist()
        self._lines = [between.lines(trace, sample) for sample in range(len(trace))]
        self._sample = 0
        self.supply.offer_lines(self._lines[0])
        position, cold = 0, True  # in steps of all rows; 0: nothing is under way
        steps = [row for row in self.load.rows for _ in range(row.n)]
        try:
            while True:
                self._pass(0.0, 1e9, until="on")
                self.boots += 1
                restore = self.load.first if cold else self.load.restore
                if not self._work(self.load.boot, "boot"):
                    continue
                cold = False
                if not self._work(restore, "restore"):
                    continue
                while True:
                    if position == 0:
                        if not self._sleep():
                            break
                        if not self._step(steps[0]):
                            self.missed += 1
                            break
                        position = 1
                    if not self._step(steps[position]):
                        break
                    position += 1
                    if position == len(steps):
                        position = 0
                        self.done += 1
        except StopIteration:
            return

    def _sleep(self) -> bool:
        while self.events_s and self.events_s[0] < self.clock_s:
            self.events_s.pop(0)
            self.missed += 1
        wait_s = (self.events_s[0] if self.events_s else 1e9) - self.clock_s
        slept, used_j = self._pass(self.load.sleep_a, wait_s)
        self._spend("sleep", used_j)
        if slept:
            self.clock_s = self.events_s.pop(0)
        return slept

    def _step(self, work: Work) -> bool:
        whole, used_j = self._pass(work.charge_c / work.time_s, work.time_s)
        if whole:
            self._spend(work.stack, used_j * (1 - work.commit_share))
            self._spend("commit", used_j * work.commit_share)
        else:
            self._spend("reexecute", used_j)
            self.redone += used_j > 0
        return whole

    def _work(self, work: Work, stack: str) -> bool:
        whole, used_j = self._pass(work.charge_c / work.time_s, work.time_s)
        self._spend(stack, used_j)
        return whole

    def _spend(self, stack: str, used_j: float) -> None:
        self.stack_j[stack] = self.stack_j.get(stack, 0.0) + used_j

    def _pass(self, load_a: float, most_s: float, until: str = "off") -> tuple[bool, float]:
        """Whether all of the time passed, and what was used. Raises StopIteration at the end of the trace."""
        before_j, left_s = self.supply.energy.used_j, most_s
        while left_s > 1e-12:
            window_s = self._ends[self._sample] - self.clock_s
            if window_s <= 1e-12:
                self._sample += 1
                if self._sample == len(self._ends):
                    raise StopIteration
                self.supply.offer_lines(self._lines[self._sample])
                continue
            took_s, event = self.supply.advance(load_a, min(left_s, window_s))
            self.clock_s += took_s
            left_s -= took_s
            if event == until:
                return until == "on", self.supply.energy.used_j - before_j
        return True, self.supply.energy.used_j - before_j


def lived(seed: int, converter: str, arrivals: Arrivals) -> Lived:
    trace = trace_of(seed)
    return live(
        converter_of(converter).pieces(trace), circuit(converter), TableEngine(LOAD), LOAD, arrivals, trace.duration_s
    )


@pytest.mark.parametrize("converter", ["direct", "bq25570"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_scheduler_counts_what_a_walk_step_by_step_counts(seed: int, converter: str) -> None:
    arrivals = arrivals_of(f"poisson:0.2s:{seed}", 4.0)
    found = lived(seed, converter, arrivals)
    assert arrivals.times_s is not None
    walk = Walk(circuit(converter), LOAD, arrivals.times_s.tolist())
    walk.run(trace_of(seed), converter)
    assert (found.boots, found.inferences, found.redone) == (walk.boots, walk.done, walk.redone)
    assert found.missed >= walk.missed  # those after the last sleep are counted at the end
    assert found.boots > 1
    for name, joules in walk.stack_j.items():
        last = 1e-5 if name in ("compute", "sleep") else 1e-12  # what the trace's end cuts off
        assert found.stack_j[name] == pytest.approx(joules, rel=1e-8, abs=last), name


@pytest.mark.parametrize("when", ["every:0.1s", "poisson:0.05s:3", "back-to-back", "each-boot"])
@pytest.mark.parametrize("converter", ["direct", "diode", "bq25504", "bq25570"])
def test_every_event_is_answered_missed_or_under_way(when: str, converter: str) -> None:
    arrivals = arrivals_of(when, 4.0)
    for seed in range(4, 9):
        found = lived(seed, converter, arrivals)  # asserts the balance of its joules
        n = len(arrivals.times_s) if arrivals.times_s is not None else found.started
        assert found.started + found.missed - n in (0, found.missed)
        assert 0 <= n - found.inferences - found.missed <= 1 or arrivals.times_s is None
        assert len(found.latencies_s) == found.inferences


def test_what_a_loss_cut_off_is_done_again_and_shown_apart() -> None:
    found = lived(1, "direct", arrivals_of("back-to-back", 4.0))
    assert found.redone > 0
    assert found.stack_j["reexecute"] > 0
    assert found.steps >= found.inferences * LOAD.steps
    per_step_j = 3e-6 * 2.8  # a step of the largest row from a full capacitor
    assert found.stack_j["reexecute"] <= found.redone * 2 * per_step_j


def test_power_without_end_is_used_without_loss() -> None:
    trace = Trace("strong", np.array([0.0, 5.0]), 5.0, Operating(np.full(2, 3.3), np.full(2, 0.1)))
    supply = Supply(Capacitor(47e-6, clamp_v=3.4), Comparator(2.8, 1.9))
    arrivals = arrivals_of("every:0.1s", 10.0)
    found = live(converter_of("direct").pieces(trace), supply, TableEngine(LOAD), LOAD, arrivals, 10.0)
    assert (found.inferences, found.missed, found.boots, found.outages) == (99, 1, 1, 1)
    assert found.latencies_s == pytest.approx(LOAD.active_s - 1.2e-3)
    assert found.stack_j["compute"] == pytest.approx(99 * (40 * 3e-6 * 0.98 + 7e-6 * 0.97) * 3.3, rel=2e-3)


def test_the_bench_device_of_a_load_lives_as_a_real_one_did(data_dir: Path, tmp_path: Path) -> None:
    """The recordings of data/hardware by `--load`: the same periods as by the supply alone, and as measured."""
    path = tmp_path / "botoks.toml"
    path.write_text(BOTOKS)
    folder = data_dir / "hardware"
    chosen = [one for one in recordings(folder) if one.source in ("constant 400 uA", "constant 1000 uA")]
    assert len(chosen) == 4
    for one in chosen:
        window_v = fit_window(next(c for c in chosen if c.cap_uf == one.cap_uf and "400" in c.source), folder)
        amperes = lines(one, folder)[1][0]
        trace = Trace("source", np.array([0.0, one.span_s]), 1.0, Operating(np.full(2, 5.0), np.full(2, amperes)))
        around = Circuit(capacitor_uf=one.cap_uf, converter="direct", v_on_v=one.v_off_v + window_v)
        found = simulate(trace=trace, load_file=path, circuit=around, log_what=LOG_DONE | LOG_ON | LOG_LOSS)
        log = found.lived.log
        on_s, off_s = (log["time_s"][log["what"] == what] for what in (LOG_ON, LOG_LOSS))
        hand, real = by_hand(one, lines(one, folder), window_v), measured(one)
        lengths_s = (off_s - on_s[: len(off_s)])[1:]
        assert lengths_s.mean() == pytest.approx(hand.on_s, rel=1e-6)
        assert (on_s[1:] - off_s[: len(on_s) - 1]).mean() == pytest.approx(hand.off_s, rel=1e-6)
        assert lengths_s.mean() == pytest.approx(real.on_s, rel=0.07)
        assert found.lived.boots - found.lived.inferences in (0, 1)


BOTOKS = """
name = "botoks"
[device]
v_on_v = 3.1
v_off_v = 2.4
on_ua = 4.5
off_ua = 3.0
ldo_v = 2.2
boot_us = 2300
boot_ua = 600
idle_ua = 3140
[[task]]
name = "SENSE"
us = 750
ua = 700
as = "sense"
[[task]]
name = "SEND"
us = 7250
ua = 1960
as = "report"
"""


def test_an_event_of_a_load_is_over_with_its_last_task(tmp_path: Path) -> None:
    """Also where the file says of no task what it is, and where a task takes no more than a nanosecond."""
    path = tmp_path / "load.toml"
    path.write_text("[device]\nv_on_v = 3.0\nv_off_v = 2.0\n" + 2 * "[[task]]\nname = 'a'\nus = 0.001\nua = 5\n")
    trace = Trace("strong", np.array([0.0, 5.0]), 5.0, Operating(np.full(2, 3.3), np.full(2, 0.1)))
    around = Circuit(capacitor_uf=47, converter="direct")
    for arrivals, inferences in (("each-boot", 1), ("every:2s", 4)):
        found = simulate(trace=trace, load_file=path, circuit=around, arrivals=arrivals).as_json()
        assert (found["inferences"], found["unfinished"], found["steps"]) == (inferences, 0, 2 * inferences)


def test_a_device_that_waits_long_on_a_strong_source_loses_no_joule() -> None:
    """The capacitor lies on the steep end of the source's line, where current is a difference of large numbers."""
    trace = Trace("strong", np.array([0.0, 5000.0]), 5000.0, Operating(np.full(2, 3.3), np.full(2, 0.1)))
    for capacitor_f in (1e-6, 47e-6, 1e-3):
        for esr_ohm in (0.0, 2.0):
            supply = Supply(Capacitor(capacitor_f, esr_ohm, insulation_ohm=1e8), Comparator(2.8, 1.9))
            pieces = converter_of("direct").pieces(trace)
            energy = live(pieces, supply, TableEngine(LOAD), LOAD, arrivals_of("every:1h", 1e4), 1e4).energy
            assert abs(energy.missing_j) < 1e-10 * energy.moved_j
            by_hand = Supply(Capacitor(capacitor_f, esr_ohm, insulation_ohm=1e8), Comparator(2.8, 1.9))
            by_hand.offer_lines(converter_of("direct").lines(trace, 0))
            assert [by_hand.advance(0.0, 1e4)[1] for _ in range(2)] == ["on", "time"]
            by_hand.check()
            assert abs(by_hand.energy.missing_j) < 1e-10 * by_hand.energy.moved_j


@pytest.mark.parametrize(
    "text", ["", "every:", "every:-1s", "every:0", "poisson:1s:x", "often", "every:1e-12s", "file:/nowhere"]
)
def test_a_wrong_word_for_events_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(FreemlError) as error:
        arrivals_of(text, 100.0)
    assert "--arrivals" in str(error.value) or "/nowhere" in str(error.value)


def test_times_of_a_file_must_rise(tmp_path: Path) -> None:
    path = tmp_path / "times.csv"
    path.write_text("time_s,what\n0.5,a\n2,b\n7,c\n")
    found = arrivals_of(f"file:{path}", 5.0).times_s
    assert found is not None
    assert found.tolist() == [0.5, 2.0]
    path.write_text("0.5\n0.2\n")
    with pytest.raises(BadData, match=r"0.2 does not come after"):
        arrivals_of(f"file:{path}", 5.0)


@pytest.mark.parametrize("header", ["time_s", "time_ms", "TIME_US,what", "\ufefftime_ms"])
def test_times_of_a_file_are_in_the_unit_of_its_header(tmp_path: Path, header: str) -> None:
    path, unit = tmp_path / "times.csv", header.lower().split(",")[0].rpartition("_")[2]
    each = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    path.write_text("\n".join([header, *(f"{t * each:.0f}" for t in (1, 2, 7))]), encoding="utf-8")
    found = arrivals_of(f"file:{path}", 5.0).times_s
    assert found is not None
    assert found.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("header", ["time_min", "time", "t"])
def test_a_header_without_a_known_unit_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "times.csv"
    path.write_text(f"{header}\n1\n2\n")
    with pytest.raises(BadData, match="names no unit") as error:
        arrivals_of(f"file:{path}", 5.0)
    assert "time_ms" in (error.value.hint or "")


def test_the_same_seed_gives_the_same_events_and_another_does_not() -> None:
    one, same, other = (arrivals_of(f"poisson:1s:{seed}", 100.0).times_s for seed in (1, 1, 2))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.tolist() == same.tolist() != other.tolist()
    assert np.diff(one).mean() == pytest.approx(1.0, rel=0.3)
