"""What a small network must keep to, as options: those of `freeml compress`, which `freeml compile` has, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import Decorator

if TYPE_CHECKING:
    from freeml.compress.types import Bounds, Progress

_ABOVE_ZERO = click.FloatRange(min=0, min_open=True)
# Of each option: name, unit, what it bounds.
_NUMBERS = (
    ("--target-kb", "KB", "Stored weights, scales, biases, codebooks, indices and restart tables, in 1,000 bytes."),
    ("--flash-kb", "KB", "All of flash, in 1,000 bytes."),
    ("--sram-kb", "KB", "SRAM, in 1,000 bytes."),
    ("--nvm-kb", "KB", "NVM with the activations, in 1,000 bytes."),
    ("--energy-uj", "UJ", "Energy of one inference, in microjoule."),
    ("--ms", "MS", "Time of one inference, in milliseconds."),
    ("--max-drop", "POINTS", "Accuracy that may be lost on the calibration split, in hundredths."),
)
NAMES = ("target_kb", "flash_kb", "sram_kb", "nvm_kb", "energy_uj", "ms", "max_drop")


def bounds_options(command: Any) -> Any:
    """Bounds, and how they are reached."""
    made: list[Decorator[Any]] = [
        click.option(name, type=_ABOVE_ZERO, metavar=unit, help=text) for name, unit, text in _NUMBERS
    ]
    made += [
        click.option(
            "--keep", multiple=True, metavar="LAYER", help="Leave a layer's weights as int8; may be repeated."
        ),
        click.option(
            "--method",
            type=click.Choice(["auto", "freeml"]),
            default="auto",
            show_default=True,
            help="auto searches by what the board needs; freeml is the published method.",
        ),
        click.option("--time", "time_text", metavar="TIME", help="What the search may take, for example 30m or 2h."),
        click.option(
            "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Of training."
        ),
    ]
    made += [
        click.option("--workspace", type=click.Path(path_type=Path), metavar="DIR", help="Checkpoints, else OUT.work."),
        click.option("--resume", is_flag=True, help="Go on with an interrupted run, to the same bytes."),
    ]
    for decorate in reversed(made):
        command = decorate(command)
    return command


def bounds_of(options: Mapping[str, Any]) -> Bounds | None:
    """The bounds that were given; None where there are none. Raises FreemlError for a --time that is none."""
    from freeml.compress.types import bounds_in_kb
    from freeml.units import parse_duration

    text = options.get("time_text")
    time_s = None if text is None else parse_duration(text)
    given = {name: options.get(name) for name in NAMES}
    if all(value is None for value in given.values()):
        return None
    return bounds_in_kb(**given, keep=options.get("keep") or (), time_s=time_s)


def line_of(news: Progress) -> str:
    """News as a line: what is done, accuracy, bytes, time left."""
    from freeml.units import show_duration

    parts = [news.stage]
    if news.accuracy is not None:
        parts.append(f"{100 * news.accuracy:.2f} %")
    if news.stored_bytes is not None:
        parts.append(f"{news.stored_bytes:,} bytes")
    if news.seconds_left is not None:
        parts.append(f"{show_duration(news.seconds_left)} left")
    return ", ".join(parts)
