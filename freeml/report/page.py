"""One HTML file: text, tables and figures, with plotly, styles and data in it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from freeml.errors import ToolMissing
from freeml.output.folder import Output
from freeml.report import figures as drawn
from freeml.report.facts import Exit, Layer, Region
from freeml.sim.life.simulate import Simulated
from freeml.units import show_capacitor

_HERE = Path(__file__).parent


def page(
    output: Output,
    regions: Sequence[Region],
    layers: Sequence[Layer],
    exits: Sequence[Exit],
    lives: Sequence[Simulated],
    beside: Sequence[Simulated] = (),
) -> str:
    """The text of it; the same facts, the same bytes. beside: other policies in the first of these lives.

    Raises ToolMissing without plotly.
    """
    name, board = output.graph.name, output.board
    shown: dict[str, drawn.Figure] = {"memory": drawn.memory_map(regions), "layers": drawn.layer_bars(layers)}
    parts = [
        _section("Memory", _figure("memory"), _memory_table(regions)),
        _section("Layers", _figure("layers"), _layer_table(layers)),
    ]
    if exits:
        shown["reliability"] = drawn.reliability(exits)
        parts.append(_section("Exits", _exit_table(exits, lives), _figure("reliability")))
    compared = [life for life in (*lives[:1], *beside) if life.has_labels]
    if compared:
        shown["policies"] = drawn.policies(compared)
        parts.append(_section("Policies", _figure("policies"), _policy_table(compared)))
    for number, life in enumerate(lives):
        shown[f"stack{number}"], shown[f"time{number}"] = drawn.energy_stack(life), drawn.time_line(life)
        parts.append(_life(life, number))
    body = "\n".join((_head(output, lives), *parts))
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(name)} on {escape(board.name)}</title>",
            '<link rel="icon" href="data:,">',
            f"<style>{(_HERE / 'page.css').read_text(encoding='utf-8')}</style>",
            f"<script>{_plotly()}</script></head><body>",
            body,
            f'<script type="application/json" id="figures">{_json(shown)}</script>',
            f"<script>{(_HERE / 'page.js').read_text(encoding='utf-8')}</script>",
            "</body></html>",
            "",
        )
    )


def _plotly() -> str:
    try:
        return files("plotly").joinpath("package_data/plotly.min.js").read_text(encoding="utf-8")
    except (ModuleNotFoundError, OSError) as error:
        raise ToolMissing(
            "plotly, which draws the figures, is not installed", hint="pip install 'freeml[report]'"
        ) from error


def _json(shown: Mapping[str, Any]) -> str:
    """Data inside a script: no text of a model ends it."""
    return json.dumps(shown, allow_nan=False).replace("<", "\\u003c")


def _section(title: str, *parts: str) -> str:
    return "\n".join((f"<section><h2>{escape(title)}</h2>", *parts, "</section>"))


def _figure(name: str) -> str:
    return f'<div class="figure" id="{name}"></div>'


def _tiles(pairs: Iterable[tuple[str, str]]) -> str:
    cells = (f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for name, value in pairs)
    return f'<div class="tiles">{"".join(cells)}</div>'


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _notes(texts: Iterable[str]) -> str:
    return "".join(f'<p class="note">{escape(text)}</p>' for text in texts)


def _head(output: Output, lives: Sequence[Simulated]) -> str:
    manifest, board = output.manifest, output.board
    pairs = [("flash, bytes", f"{manifest.memory.flash_bytes:,}"), ("multiplications", f"{manifest.macs:,}")]
    if manifest.accuracy.of_int8 is not None:
        pairs.append((f"int8 on {manifest.accuracy.samples:,} samples", f"{100 * manifest.accuracy.of_int8:.2f} %"))
    if manifest.capacitor_uf is not None:
        pairs.append(("capacitor of the plan", show_capacitor(manifest.capacitor_uf)))
    if lives:
        pairs.append(("one answer", f"{lives[0].full_uj:,.4g} uJ"))
    title = f"<h1>{escape(output.graph.name)} on {escape(board.name)}</h1>"
    said = _notes(
        (f"{board.title}; compiled from {manifest.model.name} by freeml {manifest.freeml}", *manifest.warnings)
    )
    return "\n".join((title, said, _tiles(pairs)))


def _memory_table(regions: Sequence[Region]) -> str:
    rows = [
        (
            region.name,
            f"{region.used_bytes:,}",
            "" if region.limit_bytes is None else f"{region.limit_bytes:,}",
            ", ".join(f"{what} {n_bytes:,}" for what, n_bytes in region.parts),
        )
        for region in regions
    ]
    return _table(("memory", "bytes", "the board has", "parts"), rows)


def _layer_table(layers: Sequence[Layer]) -> str:
    rows = [
        (
            layer.loc,
            layer.op,
            "x".join(map(str, layer.shape)),
            f"{layer.macs:,}",
            f"{layer.weights_bytes:,}",
            f"{layer.output_bytes:,}",
            f"{layer.tiles:,}",
            "" if layer.cycles is None else f"{layer.cycles:,.0f}",
            "" if layer.uj is None else f"{layer.uj:,.3g}",
            "" if layer.error is None else f"{100 * layer.error:.2f} %",
        )
        for layer in layers
    ]
    head = ("node", "op", "shape", "MACs", "weights, B", "output, B", "tiles", "cycles", "uJ", "error added")
    return _table(head, rows)


def _exit_table(exits: Sequence[Exit], lives: Sequence[Simulated]) -> str:
    rows = []
    for one in exits:
        taken = [f"{life.lived.exits[one.depth - 1]:,}" for life in lives]
        rows.append((f"exit {one.depth}", f"{100 * one.accuracy:.2f} %", f"{one.samples:,}", *taken))
    return _table(("exit", "right", "of samples", *(f"answers, {life.policy}" for life in lives)), rows)


def _policy_table(lives: Sequence[Simulated]) -> str:
    rows = []
    for life in lives:
        lived = life.lived
        rows.append(
            (
                life.policy,
                life.engine,
                f"{lived.inferences:,}",
                f"{lived.right:,}",
                f"{lived.correct_per_hour:,.4g}",
                f"{lived.used_uj_per_hour:,.4g}",
                " ".join(f"{n:,}" for n in lived.exits[: life.load.depths]),
            )
        )
    rows += [("bound", "", "", f"{life.bound.right:,}", "", "", "") for life in lives[:1] if life.bound is not None]
    return _table(("policy", "engine", "answers", "right", "right an hour", "uJ an hour", "by exit"), rows)


def _life(life: Simulated, number: int) -> str:
    said = life.as_json()
    pairs = [(name, f"{said[name]:,}") for name in ("events", "inferences", "missed", "boots")]
    if said["accuracy"] is not None:
        pairs.append(("of the answers are right", f"{100 * said['accuracy']:.1f} %"))
    if said["latency_s"]["p50"] is not None:
        pairs.append(("latency, half and 95 %", " / ".join(f"{said['latency_s'][k]:.3g} s" for k in ("p50", "p95"))))
    pairs.append(("without power, longest", f"{said['outages']['longest_s']:.4g} s"))
    if said["R"] is not None:
        pairs.append(("R", f"{said['R']:.3g}"))
    title = f"Life: {life.policy}, {show_capacitor(life.capacitor_uf)} behind {life.converter}, {life.arrivals}"
    never = () if not life.why_never_on else (f"never on: {life.why_never_on}",)
    notes = _notes((*never, *life.notes, f"engine {life.engine}, costs: {life.costs}"))
    return _section(title, _tiles(pairs), _figure(f"time{number}"), _figure(f"stack{number}"), notes)
