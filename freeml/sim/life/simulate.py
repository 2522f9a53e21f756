"""`freeml simulate`: a compiled network, or a load of tasks, lives on a trace: how, and where energy went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from freeml.board.board import Board
from freeml.data import Dataset, load
from freeml.energy.converter import Converter, Piece, converter_of
from freeml.energy.read import OnDefect, read_trace
from freeml.energy.supply import Capacitor, Comparator, Ldo, Supply
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.errors import BadData
from freeml.exits.policy import Policy
from freeml.output.folder import Output, read_output
from freeml.sim.life.arrivals import arrivals_of
from freeml.sim.life.bound import Bound, bound_of
from freeml.sim.life.costs import figures_of
from freeml.sim.life.engine import Engine, TableEngine
from freeml.sim.life.joined import joined
from freeml.sim.life.load import Load
from freeml.sim.life.native import LOG_DONE
from freeml.sim.life.policies import ALWAYS_FULL, OWN, policy_of
from freeml.sim.life.run import Arrivals, Lived, live
from freeml.sim.life.tasks import read_tasks

Progress = Callable[[str], None]
_SILENT: Progress = lambda _: None  # noqa: E731
_HIGHEST_V = 3.6  # of boards whose file says nothing: what most microcontrollers stand
_MOST_REPEATS = 100_000
DEFAULT_CONVERTER = "bq25570"


@dataclass(frozen=True, slots=True)
class Circuit:
    """What lies around a device.

    capacitor_uf  in place of the plan's, or the load's
    converter     of energy.converter.CONVERTERS
    tracked       share of the open voltage at which a charger holds its input
    """

    capacitor_uf: float | None = None
    converter: str = DEFAULT_CONVERTER
    tracked: float | None = None
    esr_ohm: float | None = None
    insulation_ohm: float | None = None
    clamp_v: float | None = None
    v_on_v: float | None = None
    v_off_v: float | None = None


@dataclass(frozen=True)
class Simulated:
    """What `freeml simulate` says.

    lived     what happened, with log and picture
    load, engine, costs  of what device, and where its costs come from
    full_uj   one inference to its full depth with boot, sense and report, at the mean of the two voltages
    r         mean power into the capacitor for the power that full_uj at each event would take; None without a rate
    has_labels  whether answers could be judged
    bound     more right answers than any policy can have, where it was asked for
    why_never_on  why it was never switched on, of the best sample; empty where it was
    """

    lived: Lived
    load: Load
    engine: str
    costs: str
    arrivals: str
    policy: str
    capacitor_uf: float
    converter: str
    full_uj: float
    delivered_uw: float
    r: float | None
    events: int
    has_labels: bool
    why_never_on: str
    notes: tuple[str, ...]
    bound: Bound | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON of it."""
        lived, energy = self.lived, self.lived.energy
        latencies = lived.latencies_s
        p50, p95 = np.percentile(latencies, [50, 95]).tolist() if len(latencies) else (None, None)
        known = lived.inferences - lived.unknown
        return {
            "name": self.load.name,
            "engine": self.engine,
            "costs": self.costs,
            "policy": self.policy,
            "arrivals": self.arrivals,
            "converter": self.converter,
            "capacitor_uf": self.capacitor_uf,
            "duration_s": lived.duration_s,
            "events": self.events,
            "inferences": lived.inferences,
            "correct": lived.right if self.has_labels else None,
            "accuracy": lived.right / known if self.has_labels and known else None,
            "missed": lived.missed,
            "unfinished": self.events - lived.missed - lived.inferences,
            "exits": list(lived.exits[: self.load.depths]),
            "boots": lived.boots,
            "steps": lived.steps,
            "steps_lost": lived.redone,
            "latency_s": {"p50": p50, "p95": p95},
            "outages": {"count": lived.outages, "longest_s": lived.longest_outage_s},
            "energy_uj": {
                name: getattr(energy, f"{name}_j") * 1e6
                for name in ("harvested", "used", "stored", "leaked", "clipped", "converted")
            },
            "stack_uj": {name: joules * 1e6 for name, joules in lived.stack_j.items()},
            "full_uj": self.full_uj,
            "delivered_uw": self.delivered_uw,
            "R": self.r,
            "bound": None if self.bound is None else self.bound.as_json(),
            "why_never_on": self.why_never_on or None,
            "notes": list(self.notes),
        }


def simulate(
    out: str | Path | Output | None = None,
    *,
    trace: str | Path | Trace | Sequence[str | Path | Trace],
    load_file: str | Path | None = None,
    engine: str = "fast",
    arrivals: str | None = None,
    duration_s: float | None = None,
    policy: str | Policy | None = None,
    seed: int = 0,
    data: str | Dataset | None = None,
    split: str = "test",
    samples: int | None = None,
    circuit: Circuit | None = None,
    told: Told | None = None,
    on_defect: OnDefect = "report",
    timekeeper: bool = False,
    bound: bool = False,
    log_what: int = LOG_DONE,
    progress: Progress = _SILENT,
) -> Simulated:
    """How a compiled network, or a load of tasks, lives on a trace.

    out         a folder of `freeml compile`; or load_file, a TOML file of tasks (tasks.py)
    trace       a file of any format that `freeml traces` reads, or several, one after the other
    arrivals    every:T, poisson:T:SEED, file:F, back-to-back (a network's default) or each-boot (a load's)
    duration_s  how long; a shorter trace is repeated. The trace's own length by default
    policy      a table, or a name of policies.py: always-full, fixed:1, confidence:0.9, energy, another folder ...;
                that of the folder by default
    data        labelled samples that events show, in an order by seed; without, nobody knows what is right
    timekeeper  whether the board keeps time while it sleeps, which costs what its file says
    bound       whether to work out how many right answers no policy can exceed (bound.py), and assert that none does

    Raises BadData, BadBoard, BadOutput and what builds raise.
    """
    circuit = circuit or Circuit()
    if (out is None) is (load_file is None):
        raise BadData("either a compiled folder or a load of tasks", hint="freeml simulate OUT, or --load tasks.toml")
    traces = [trace_of(one, told, on_defect) for one in ([trace] if isinstance(trace, str | Path | Trace) else trace)]
    lasts_s = lasts_of(traces, duration_s)
    if load_file is not None:
        if engine != "fast":
            raise BadData(f"a load of tasks has no {engine} engine", where="--engine", hint="fast")
        if data is not None or timekeeper:
            unread = "--timekeeper" if data is None else "--data"
            raise BadData("a load of tasks does not read this", where=unread, hint="leave it out, or give a folder OUT")
        policy_of(str(policy or ""), None)
        device = _tasks(Path(load_file), circuit, arrivals or "each-boot", seed, lasts_s)
    else:
        assert out is not None
        output = out if isinstance(out, Output) else read_output(out)
        dataset = data if isinstance(data, Dataset) or data is None else load(data, split, limit=samples)
        device = _network(output, dataset, engine, circuit, policy or "", timekeeper, seed, progress)
        device = replace(device, arrivals=arrivals_of(arrivals or "back-to-back", lasts_s, seed))
    between = converter_of(circuit.converter, circuit.tracked)
    supply = Supply(device.capacitor, between.comparator(device.comparator), diode_v=between.diode_v, ldo=device.ldo)
    progress(f"live {lasts_s:,.6g} s")
    pieces: Iterable[Piece] = joined(traces, between, lasts_s)
    most = None
    if bound:
        pieces = kept = list(pieces)
        most = _bound(kept, supply, device, lasts_s, progress)
    lived = live(pieces, supply, device.engine, device.load, device.arrivals, lasts_s, log_what)
    assert most is None or lived.right <= most.right, f"{lived.right} right answers, beyond {most}"
    why = "" if lived.boots else _why_never_on(traces, between, device)
    name = _name_of(policy, device.load.depths)
    made = _simulated(lived, device, between, name, why, _notes(traces, lasts_s, device))
    return replace(made, bound=most)


def _bound(pieces: Sequence[Piece], supply: Supply, device: _Device, lasts_s: float, progress: Progress) -> Bound:
    outcomes = device.engine.outcomes if isinstance(device.engine, TableEngine) else None
    if outcomes is None:
        raise BadData(
            "a bound needs labelled samples and the fast engine", where="--bound", hint="--data, --engine fast"
        )
    progress("more than any policy can have")
    return bound_of(pieces, supply, device.load, outcomes, device.arrivals, lasts_s)


@dataclass(frozen=True)
class _Device:
    """A device with its engine and what is around it."""

    load: Load
    engine: Engine
    capacitor: Capacitor
    comparator: Comparator
    ldo: Ldo | None
    arrivals: Arrivals
    has_labels: bool
    notes: tuple[str, ...] = ()


def _name_of(policy: str | Policy | None, depths: int) -> str:
    if not policy:
        return ALWAYS_FULL if depths == 1 else OWN
    return policy if isinstance(policy, str) else policy.kind.name.lower().replace("_", "-")


def trace_of(one: str | Path | Trace, told: Told | None, on_defect: OnDefect) -> Trace:
    """Read, where it is a file, and checked. Raises BadData."""
    return (one if isinstance(one, Trace) else read_trace(Path(one), told, on_defect)).check()


def lasts_of(traces: Sequence[Trace], duration_s: float | None) -> float:
    """How long a life on traces one after the other is; as long as they are where None. Raises BadData."""
    if duration_s is not None and not 0 < duration_s < float("inf"):
        raise BadData(f"{duration_s:g} s are no time to live", where="--duration")
    whole_s = sum(one.duration_s for one in traces)
    lasts_s = whole_s if duration_s is None else duration_s
    if lasts_s > _MOST_REPEATS * whole_s:
        raise BadData(
            f"a trace of {whole_s:.3g} s would be repeated {lasts_s / whole_s:.3g} times, "
            f"{_MOST_REPEATS:,} are the most",
            where="--duration",
        )
    return lasts_s


def _tasks(path: Path, circuit: Circuit, arrivals: str, seed: int, lasts_s: float) -> _Device:
    tasks = read_tasks(path)
    bench = tasks.device
    capacitor_uf = circuit.capacitor_uf or bench.capacitor_uf
    if capacitor_uf is None:
        raise BadData("the load names no capacitor", where=str(path), hint="--capacitor 47uF")
    switch = tasks.comparator
    capacitor = Capacitor(
        capacitor_uf * 1e-6,
        _given(circuit.esr_ohm, bench.esr_ohm),
        _given(circuit.insulation_ohm, _given(bench.insulation_ohm, float("inf"))),
        _given(circuit.clamp_v, _given(bench.clamp_v, float("inf"))),
    )
    work = tasks.load()
    return _Device(
        work,
        TableEngine(work),
        capacitor,
        replace(switch, v_on_v=circuit.v_on_v or switch.v_on_v, v_off_v=circuit.v_off_v or switch.v_off_v),
        tasks.ldo,
        arrivals_of(arrivals, lasts_s, seed),
        has_labels=False,
    )


def _given(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _network(
    output: Output,
    dataset: Dataset | None,
    engine: str,
    circuit: Circuit,
    policy: str | Policy,
    timekeeper: bool,
    seed: int,
    progress: Progress,
) -> _Device:
    from freeml.sim.life.network import network_engine

    figures_of(output.board, output.manifest.tiles)  # raises for a board without
    capacitor, comparator, notes = around(output.board, output.manifest.capacitor_uf, circuit)
    load, made = network_engine(output, engine, dataset, policy, comparator.middle_v, seed, timekeeper, progress)
    has_labels = dataset is not None and dataset.labels is not None
    return _Device(load, made, capacitor, comparator, None, Arrivals("back-to-back"), has_labels, notes)


def around(board: Board, planned_uf: float | None, circuit: Circuit) -> tuple[Capacitor, Comparator, tuple[str, ...]]:
    """The capacitor of a plan, and the comparator of its board, with what was said in place of them."""
    figures = board.capacitor
    assert figures is not None
    notes: tuple[str, ...] = ()
    v_on_v = _given(circuit.v_on_v, figures.v_on_mv.value * 1e-3)
    v_off_v = _given(circuit.v_off_v, figures.v_off_mv.value * 1e-3)
    capacitor_uf = _given(circuit.capacitor_uf, _given(planned_uf, figures.capacitor_uf.value))
    leaked_na = figures.leakage_na_per_uf.value * capacitor_uf
    insulation_ohm = figures.v_on_mv.value * 1e-3 / (leaked_na * 1e-9) if leaked_na else float("inf")
    highest = board.duty.highest_mv if board.duty else None
    if circuit.clamp_v is None and highest is None:
        notes = (f"the board's file does not say what supply it stands: taken as {_HIGHEST_V:g} V",)
    clamp_v = _given(circuit.clamp_v, highest.value * 1e-3 if highest else _HIGHEST_V)
    capacitor = Capacitor(
        capacitor_uf * 1e-6, _given(circuit.esr_ohm, 0.0), _given(circuit.insulation_ohm, insulation_ohm), clamp_v
    )
    return capacitor, Comparator(v_on_v, v_off_v), notes


def _why_never_on(traces: Sequence[Trace], between: Converter, device: _Device) -> str:
    """Of the sample with most power."""
    best = max(traces, key=lambda trace: float(trace.power_w().max()))
    switch = between.comparator(device.comparator)
    supply = Supply(device.capacitor, switch, diode_v=between.diode_v, ldo=device.ldo)
    supply.offer_lines(between.lines(best, int(np.argmax(best.power_w()))))
    return supply.why_never_on() or "the trace ends before the capacitor is charged"


def _notes(traces: Sequence[Trace], lasts_s: float, device: _Device) -> tuple[str, ...]:
    whole_s = sum(trace.duration_s for trace in traces)
    found = list(dict.fromkeys(note for trace in traces for note in trace.notes))
    if lasts_s > whole_s * (1 + 1e-9):
        found.append(f"the trace of {whole_s:,.6g} s is repeated for {lasts_s:,.6g} s")
    return (*found, *device.notes)


def _simulated(
    lived: Lived, device: _Device, between: Converter, policy: str, why_never_on: str, notes: tuple[str, ...]
) -> Simulated:
    full_uj = device.load.full_c * device.comparator.middle_v * 1e6
    delivered_w = lived.energy.delivered_j / lived.duration_s
    times = device.arrivals.times_s
    events = lived.started + lived.missed if times is None else len(times)
    rate_hz = None if times is None or not len(times) else len(times) / lived.duration_s
    return Simulated(
        lived=lived,
        load=device.load,
        engine=device.engine.name,
        costs=device.engine.costs,
        arrivals=device.arrivals.text,
        policy=policy,
        capacitor_uf=round(device.capacitor.capacitance_f * 1e6, 9),
        converter=between.name,
        full_uj=full_uj,
        delivered_uw=delivered_w * 1e6,
        r=None if rate_hz is None or not full_uj else delivered_w / (full_uj * 1e-6 * rate_hz),
        events=events,
        has_labels=device.has_labels,
        why_never_on=why_never_on,
        notes=notes,
    )
