"""A compiled folder as a setting, so that policies are tuned on a trace: what `freeml tune OUT --trace T` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from freeml.data import Dataset
from freeml.energy.converter import converter_of
from freeml.energy.read import OnDefect
from freeml.energy.told import Told
from freeml.energy.trace import Trace
from freeml.errors import BadData
from freeml.output.folder import Output
from freeml.sim.life.arrivals import arrivals_of
from freeml.sim.life.bound import Bound
from freeml.sim.life.joined import joined
from freeml.sim.life.network import exits_of, load_with_figures
from freeml.sim.life.samples import outcomes_of
from freeml.sim.life.setting import Setting
from freeml.sim.life.simulate import Circuit, around, lasts_of, trace_of
from freeml.sim.life.tune import Tuned, check_bound, tune


@dataclass(frozen=True)
class TunedOnTrace:
    """What was found, and the bound that no policy exceeded: the most right answers on this trace."""

    setting: Setting
    found: Tuned
    bound: Bound


def setting_of(
    output: Output,
    dataset: Dataset,
    traces: Sequence[str | Path | Trace],
    *,
    arrivals: str,
    duration_s: float | None = None,
    seed: int = 0,
    circuit: Circuit | None = None,
    told: Told | None = None,
    on_defect: OnDefect = "repair",
    timekeeper: bool = False,
    progress: Callable[[str], None] = lambda _: None,
) -> Setting:
    """Of a folder with exits, the samples that events show, and traces one after the other.

    Raises BadData for a network without exits, BadBoard for a board without energy model, and as builds do.
    """
    if not output.graph.exits:
        raise BadData("this network answers at its end alone: there is no policy to tune", hint="compile --exits auto")
    load, _ = load_with_figures(output, timekeeper, progress)
    circuit = circuit or Circuit()
    capacitor, switch, _ = around(output.board, output.manifest.capacitor_uf, circuit)
    between = converter_of(circuit.converter, circuit.tracked)
    switch = between.comparator(switch)
    exits = exits_of(output, load, switch.middle_v)
    assert exits is not None
    read = [trace_of(one, told, on_defect) for one in traces]
    lasts_s = lasts_of(read, duration_s)
    progress("answer all samples")
    return Setting(
        list(joined(read, between, lasts_s)),
        lasts_s,
        capacitor,
        switch,
        between.diode_v,
        load,
        outcomes_of(output.graph, dataset, seed),
        exits,
        arrivals_of(arrivals, lasts_s, seed),
        timekeeper,
    )


def tune_on_trace(setting: Setting, progress: Callable[[str], None] = lambda _: None) -> TunedOnTrace:
    """The policy of most right answers an hour. Asserts that none that was tried had more than the bound.

    Raises BadData where there is no bound, before any policy lives.
    """
    progress("more than any policy can have")
    bound = setting.bound()
    found = tune(setting, progress)
    check_bound(bound, list(found.of_family.values()))
    return TunedOnTrace(setting, found, bound)
