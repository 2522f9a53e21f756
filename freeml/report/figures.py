"""Figures of a report as plotly takes them: traces and layouts in plain data. Colours are the page's (page.js)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from freeml.report.facts import Exit, Layer, Region
from freeml.sim.life.native import LOG_COMMIT, LOG_DONE, LOG_LOSS, LOG_MISSED, LOG_ON
from freeml.sim.life.simulate import Simulated

Figure = dict[str, Any]

MOST_MARKS = 4_000  # of one kind on the time line
_MARKS = (
    (LOG_ON, "boot", "triangle-up"),
    (LOG_LOSS, "loss of power", "x"),
    (LOG_COMMIT, "commit", "line-ns-open"),
    (LOG_MISSED, "missed event", "circle-open"),
)
_BAR_H = 34


def memory_map(regions: Sequence[Region]) -> Figure:
    """Parts of each memory, and where it ends."""
    names = [region.name for region in regions]
    parts = list(dict.fromkeys(what for region in regions for what, _ in region.parts))
    traces: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": what,
            "y": names,
            "x": [dict(region.parts).get(what, 0) for region in regions],
        }
        for what in parts
    ]
    limited = [region for region in regions if region.limit_bytes]
    traces.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "the board has",
            "y": [region.name for region in limited],
            "x": [region.limit_bytes for region in limited],
            "marker": {"symbol": "line-ns-open", "size": 22, "line": {"width": 3}},
        }
    )
    return {
        "data": traces,
        "layout": {"barmode": "stack", "height": 250, "xaxis": {"title": {"text": "bytes"}, "type": "linear"}},
    }


def layer_bars(layers: Sequence[Layer]) -> Figure:
    """Where cycles, energy and bytes of an inference are."""
    names = [f"{number + 1} {layer.loc}" for number, layer in enumerate(layers)]
    found = [("weights, bytes", [float(layer.weights_bytes) for layer in layers])]
    if all(layer.cycles is not None for layer in layers):
        found.insert(0, ("energy, uJ", [layer.uj or 0.0 for layer in layers]))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name,
            "y": names,
            "x": [100 * value / max(sum(values), 1e-30) for value in values],
            "customdata": [f"{value:,.4g}" for value in values],
            "hovertemplate": "%{y}: %{customdata} (%{x:.1f} %)<extra>" + name + "</extra>",
        }
        for name, values in found
    ]
    height = 120 + _BAR_H * len(names)
    return {
        "data": traces,
        "layout": {
            "barmode": "group",
            "height": height,
            "xaxis": {"title": {"text": "% of all layers"}},
            "yaxis": {"autorange": "reversed", "automargin": True},
        },
    }


def reliability(exits: Sequence[Exit]) -> Figure:
    """How often an answer is right, by how sure it says it is."""
    traces = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": f"exit {one.depth}",
            "x": [lowest for lowest, _, _ in one.bins],
            "y": [100 * right for _, _, right in one.bins],
            "customdata": [n for _, n, _ in one.bins],
            "hovertemplate": "from confidence %{x}: %{y:.1f} % of %{customdata} right<extra></extra>",
        }
        for one in exits
    ]
    return {
        "data": traces,
        "layout": {
            "height": 300,
            "xaxis": {"title": {"text": "confidence from"}},
            "yaxis": {"title": {"text": "right, %"}},
        },
    }


def policies(lives: Sequence[Simulated]) -> Figure:
    """Right answers an hour of each policy, and more than any can have."""
    an_hour = [(life.policy, life.lived.correct_per_hour) for life in lives]
    an_hour += [("bound", life.bound.correct_per_hour) for life in lives[:1] if life.bound is not None]
    names, values = [name for name, _ in an_hour], [value for _, value in an_hour]
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "name": "right answers an hour",
                "y": names,
                "x": values,
                "text": [f"{value:,.4g}" for value in values],
                "hovertemplate": "%{y}: %{x:,.4g} an hour<extra></extra>",
            }
        ],
        "layout": {
            "height": 110 + _BAR_H * len(names),
            "xaxis": {"title": {"text": "right answers an hour"}, "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True},
        },
    }


def energy_stack(found: Simulated) -> Figure:
    """All that was harvested, and all that was used, by where it went."""
    said = found.as_json()
    energy, stack = said["energy_uj"], said["stack_uj"]
    rows = ("harvested", "used")
    parts = [(name, 0, energy[name]) for name in ("used", "stored", "leaked", "clipped", "converted")]
    parts += [(name, 1, joules) for name, joules in stack.items()]
    traces = []
    for name, row, joules in parts:
        values: list[float | None] = [None, None]
        values[row] = 100 * max(joules, 0.0) / max(energy[rows[row]], 1e-30)
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name,
                "y": list(rows),
                "x": values,
                "hovertemplate": f"{name}: {joules:,.5g} uJ (%{{x:.1f}} %)<extra></extra>",
            }
        )
    return {"data": traces, "layout": {"barmode": "stack", "height": 290, "xaxis": {"title": {"text": "%"}}}}


def time_line(found: Simulated) -> Figure:
    """The capacitor's voltage with boots, losses, commits and answers by exit."""
    lived = found.lived
    picture, log = lived.picture, lived.log
    traces: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "capacitor, V",
            "x": np.round(picture[:, 0], 6).tolist(),
            "y": np.round(picture[:, 1], 4).tolist(),
        }
    ]
    for what, name, symbol in _MARKS:
        chosen = log[log["what"] == what]
        if len(chosen):
            traces.append(_marks(chosen, name, symbol, np.round(chosen["value"], 4).tolist()))
    done = log[log["what"] == LOG_DONE]
    for depth in sorted(set(done["depth"].tolist())):
        chosen = done[done["depth"] == depth]
        volts = np.interp(chosen["time_s"], picture[:, 0], picture[:, 1])
        traces.append(_marks(chosen, f"answer of exit {depth}", "diamond", np.round(volts, 4).tolist()))
    return {
        "data": traces,
        "layout": {
            "height": 430,
            "xaxis": {"title": {"text": "s"}, "rangeslider": {"visible": True, "thickness": 0.08}},
            "yaxis": {"title": {"text": "V"}, "rangemode": "tozero"},
        },
    }


def _marks(chosen: Any, name: str, symbol: str, volts: list[float]) -> Figure:
    cut = len(chosen) > MOST_MARKS
    shown = slice(0, MOST_MARKS)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{name} (first {MOST_MARKS:,} of {len(chosen):,})" if cut else f"{name} ({len(chosen):,})",
        "x": np.round(chosen["time_s"][shown], 6).tolist(),
        "y": volts[shown],
        "marker": {"symbol": symbol, "size": 8},
    }
