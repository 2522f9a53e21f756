"""Curves over density as an SVG file: a row for each board, a column for each figure, a colour for each form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log10
from typing import Any

_WIDTH, _HEIGHT, _MARGIN = 300, 200, 55
_COLOURS = (
    "#000000",
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#17becf",
)
_FIGURES = {"n_bytes": "bytes", "cycles": "cycles", "energy_uj": "energy in uJ"}

Rows = Sequence[Mapping[str, Any]]


def svg(rows: Rows) -> str:
    """All figures of all boards and kinds of values, both axes by powers of ten."""
    forms = sorted({row["form"] for row in rows}, key=lambda form: (form != "dense", form))
    colours = dict(zip(forms, _COLOURS, strict=False))
    panels = sorted({(row["board"], row["values"]) for row in rows})
    parts = [_legend(colours)]
    for i, (board, values) in enumerate(panels):
        own = [row for row in rows if (row["board"], row["values"]) == (board, values)]
        for k, (figure, words) in enumerate(_FIGURES.items()):
            at = (_MARGIN + k * (_WIDTH + _MARGIN), 60 + i * (_HEIGHT + _MARGIN))
            parts += _panel(own, figure, f"{board}, {values}: {words}", colours, at)
    width, height = 3 * (_WIDTH + _MARGIN) + _MARGIN, 60 + len(panels) * (_HEIGHT + _MARGIN)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-family="sans-serif">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>"]) + "\n"


def _legend(colours: Mapping[str, str]) -> str:
    texts = [
        f'<text x="{_MARGIN + 95 * k}" y="25" font-size="13" fill="{colour}">{form}</text>'
        for k, (form, colour) in enumerate(colours.items())
    ]
    return "\n".join(texts)


def _panel(rows: Rows, figure: str, title: str, colours: Mapping[str, str], at: tuple[int, int]) -> Iterator[str]:
    left, top = at
    x_of = _scale([row["density"] for row in rows], left, left + _WIDTH)
    y_of = _scale([row[figure] for row in rows], top + _HEIGHT, top)
    yield f'<rect x="{left}" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" fill="none" stroke="#999999"/>'
    yield f'<text x="{left}" y="{top - 6}" font-size="11">{title}</text>'
    for value in _ends(row[figure] for row in rows):
        yield f'<text x="{left - 4}" y="{y_of(value) + 4:.0f}" font-size="10" text-anchor="end">{value:.3g}</text>'
    for value in _ends(row["density"] for row in rows):
        yield f'<text x="{x_of(value):.0f}" y="{top + _HEIGHT + 13}" font-size="10">{value:g}</text>'
    for form, colour in colours.items():
        points = sorted((row["density"], row[figure]) for row in rows if row["form"] == form)
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
        if path:
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _ends(values: Iterable[float]) -> tuple[float, float]:
    found = list(values)
    return min(found), max(found)


def _scale(values: Sequence[float], begin: float, end: float) -> Any:
    low, high = (log10(value) for value in _ends(values))
    return lambda value: begin + (log10(value) - low) / max(high - low, 1e-9) * (end - begin)
