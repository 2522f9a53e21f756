"""The frontier of a compression, bytes against accuracy: as characters in the terminal, as a picture in a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from freeml.errors import BadData

_HEIGHT, _MARGIN = 12, 9
_ENDINGS = (".png", ".svg", ".pdf")

Point = tuple[int, float]  # stored bytes, accuracy from 0 to 1


def drawn(points: Sequence[Point], reached: Point, width: int) -> list[str]:
    """Rows of text: bytes from left to right in powers, accuracy upwards in hundredths; * is what was written."""
    columns = max(20, width - _MARGIN - 1)
    logs = [math.log(max(1, size)) for size, _ in (*points, reached)]
    shares = [100 * share for _, share in (*points, reached)]
    low, high = math.floor(min(shares)), max(math.floor(min(shares)) + 1, math.ceil(max(shares)))
    left, spread = min(logs), max(logs) - min(logs) or 1.0
    cells = [[" "] * columns for _ in range(_HEIGHT)]
    for k, (at, share) in enumerate(zip(logs, shares, strict=True)):
        column = min(columns - 1, int((at - left) / spread * (columns - 1)))
        row = min(_HEIGHT - 1, int((share - low) / (high - low) * _HEIGHT))
        cells[_HEIGHT - 1 - row][column] = "*" if k == len(points) else "o"
    labels = {0: f"{high:g} %", _HEIGHT - 1: f"{low:g} %"}
    rows = [f"{labels.get(k, ''):>{_MARGIN - 1}} │{''.join(row).rstrip()}" for k, row in enumerate(cells)]
    sizes = [size for size, _ in (*points, reached)]
    first, last = f"{min(sizes):,}", f"{max(sizes):,} bytes"
    rows.append(" " * _MARGIN + first + last.rjust(columns + 1 - len(first)))
    return rows


def check_picture(path: Path) -> None:
    """Raise BadData, before anything is trained, where no picture can be written there."""
    if path.suffix.lower() not in _ENDINGS:
        raise BadData(f"a picture ends in {', '.join(_ENDINGS)}", where=str(path), hint="for example frontier.png")
    if not path.absolute().parent.is_dir():
        raise BadData("there is no such folder to write to", where=str(path.parent), hint="make it first")
    import matplotlib  # noqa: F401 - missing, it is named before the work and not behind it


def picture(points: Sequence[Point], reached: Point, dense: Point, path: Path, title: str, kind: str) -> None:
    """Write the frontier, the network that was written, and the dense one in float32."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.step([size / 1000 for size, _ in points], [100 * share for _, share in points], "o-", where="post")
    axes.plot(reached[0] / 1000, 100 * reached[1], "*", markersize=14, label="written")
    axes.axhline(100 * dense[1], linestyle="--", color="gray", label=f"dense float32, {dense[0] / 1000:,.1f} kB")
    axes.set_xscale("log")
    axes.set_xlabel("stored bytes [kB]")
    axes.set_ylabel(f"{kind} on the calibration split [%]")
    axes.set_title(title)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
