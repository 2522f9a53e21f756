"""Tables and figures in one look: aligned, at most 100 columns, long names cut in the middle where they say least.

On a narrow terminal names and bars give way; a number is never cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from freeml.cli.terminal import printable

if TYPE_CHECKING:
    from freeml.output.manifest import Accuracy, Exits, LayerEntry, Manifest, Quantization

_GAP = 2
_NARROWEST = 4


class Sheet(Table):
    """A table without frames whose `elastic` columns, in this order, become narrower where there is no room."""

    def __init__(self, elastic: Sequence[int]) -> None:
        super().__init__(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        self.elastic = elastic

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [max(map(_cell_width, (column.header, *column.cells)), default=0) for column in self.columns]
        excess = sum(widths) + _GAP * len(widths) - options.max_width
        for index in self.elastic:
            cut = max(0, min(excess, widths[index] - _NARROWEST))
            self.columns[index].width = widths[index] - cut
            excess -= cut
        yield from super().__rich_console__(console, options)


def _cell_width(cell: object) -> int:
    return cell.width if isinstance(cell, Bar) else cell_len(str(cell))


def table(*columns: str, right: Iterable[int] = (), elastic: Sequence[int] = (0,)) -> Sheet:
    """An empty table; `right` are the columns of numbers, `elastic` those that give way."""
    numbers = set(right)
    made = Sheet(elastic)
    for index, name in enumerate(columns):
        made.add_column(name, justify="right" if index in numbers else "left", no_wrap=True, overflow="ellipsis")
    return made


def heading(text: str, note: str = "") -> Text:
    """A line over a table."""
    return Text.assemble(("\n" + printable(text), "bold cyan"), "  " if note else "", (printable(note), "dim"))


def short(name: str, width: int) -> str:
    """A name of at most `width` characters, cut in the middle."""
    name = printable(name)
    if len(name) <= width:
        return name
    head = (width - 1) // 3
    return f"{name[:head]}…{name[len(name) - (width - 1 - head) :]}"


def clipped(text: str, width: int) -> str:
    """A sentence of at most `width` characters, cut at its end."""
    text = printable(text)
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def node(loc: str, width: int = 34) -> str:
    """The node of an op without the file's name, which is the same for all."""
    return short(loc.split(":", 1)[-1], width)


def shape(sizes: Iterable[int]) -> str:
    """8×8×16."""
    return "×".join(map(str, sizes)) or "1"


def percent(share: float | None) -> str:
    """98.87 %."""
    return "-" if share is None else f"{100 * share:.2f} %"


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of eighths of a character, to the scale of the room that it gets."""

    share: float
    width: int

    def __str__(self) -> str:
        return self.drawn(self.width)

    def drawn(self, width: int) -> str:
        """The bar where `width` characters are the whole."""
        full, part = divmod(round(8 * width * self.share), 8)
        return "█" * full + ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")[part]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(self.drawn(min(self.width, options.max_width)))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, self.width)


def bar(value: float, most: float, width: int = 16) -> Bar:
    """The share of `value` in `most`."""
    return Bar(min(1.0, max(0.0, value / most)) if most > 0 else 0.0, width)


def memory(manifest: Manifest) -> Table:
    """Bytes by region."""
    sizes = manifest.memory
    made = table("region", "bytes", "what it holds", right=(1,), elastic=(2,))
    made.add_row("flash", f"{sizes.flash_bytes:,}", "read-only: code, weights, tables", style="bold")
    made.add_row("  weights", f"{sizes.weights_bytes:,}", f"{manifest.params:,} parameters and their scales")
    made.add_row("  code", f"{sizes.code_bytes:,}", "the rest, as compiled for the board or else this machine")
    made.add_row("nvm", f"{sizes.nvm_bytes:,}", "what outlives a power loss", style="bold")
    made.add_row("  arena", f"{sizes.arena_bytes:,}", "activations")
    made.add_row("sram", f"{sizes.sram_bytes:,}", "working memory", style="bold")
    made.add_row("  tile", f"{sizes.tile_bytes:,}", "outputs of the largest atomic step")
    made.add_row("  scratch", f"{sizes.scratch_bytes:,}", "of one kernel at a time")
    made.add_row("  stack", f"{sizes.stack_bytes:,}", "at most")
    return made


def exits(found: Exits) -> Table:
    """Depths, and what an inference takes that ends at each."""
    made = table("depth", "behind", "macs", "energy", right=(0, 2, 3), elastic=(1,))
    for one in found.at:
        energy = "" if one.energy_uj is None else f"{one.energy_uj:,.1f} uJ"
        made.add_row(str(one.depth), printable(one.loc), f"{one.macs:,}", energy)
    return made


def tiles(manifest: Manifest) -> Table:
    """How inference is cut into atomic steps, and what that costs."""
    cut = manifest.tiles
    made = table("power loss", "", "", right=(1,), elastic=(2,))
    made.add_row("tiles", f"{cut.n_tiles:,}", "steps that are computed again if power fails amid them")
    written = f"{cut.written_ratio:.3f} for each byte of an activation"
    made.add_row("nvm written", f"{cut.written_bytes:,}", f"bytes each inference: {written}")
    return made


def accuracies(accuracy: Accuracy) -> Table:
    """Float against int8: the share that is right, or the error of a regression. Both must have been measured."""
    if accuracy.mae is not None and accuracy.r2 is not None:
        made = table("network", "mean absolute error", "R2", right=(1, 2))
        made.add_row("float", f"{accuracy.mae.of_float:.4g}", coefficient(accuracy.r2.of_float))
        made.add_row("int8", f"{accuracy.mae.of_int8:.4g}", coefficient(accuracy.r2.of_int8))
        return made
    assert accuracy.of_float is not None
    assert accuracy.of_int8 is not None
    made = table("network", "accuracy", "", right=(1,))
    made.add_row("float", percent(accuracy.of_float), "")
    lost = 100 * (accuracy.of_int8 - accuracy.of_float)
    made.add_row("int8", percent(accuracy.of_int8), f"{lost:+.2f} points")
    return made


def coefficient(r2: float | None) -> str:
    """0.9876; nothing where all targets are the same."""
    return "-" if r2 is None else f"{r2:.4f}"


def candidates(quantization: Quantization) -> Table:
    """Every method that was tried, with the error of the output that decided."""
    made = table("", "method", "error", "", right=(2,), elastic=(3, 1))
    errors = quantization.errors
    for method, error in errors.items():
        best = method == quantization.method
        made.add_row(
            "▸" if best else "", method, f"{error:.3g}", bar(error, max(errors.values())), style="bold" if best else ""
        )
    return made


def layers(rows: Sequence[LayerEntry]) -> Table:
    """The per-layer table of a manifest."""
    made = table("node", "op", "shape", "macs", "weights", "output", "offset", right=(3, 4, 5, 6))
    for row in rows:
        made.add_row(
            node(row.loc),
            row.op,
            shape(row.shape),
            f"{row.macs:,}",
            f"{row.weights_bytes:,}",
            f"{row.output_bytes:,}",
            f"{row.offset_bytes:,}",
        )
    return made
