"""Quantities as people write them -> numbers in freeml's units, and back. Conversion happens here, at the edge."""

from __future__ import annotations

import math
import re

from freeml.errors import FreemlError

_UF_BY_PREFIX = {"p": 1e-6, "n": 1e-3, "u": 1.0, "µ": 1.0, "μ": 1.0, "m": 1e3, "": 1e6}  # in uF
_LEAST_UF, _MOST_UF = 1e-3, 1e7
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_MOST_SECONDS = 3600.0 * 24 * 366


def parse_capacitor(text: str) -> float:
    """Capacitance in uF of "47uF", "1 mF", "100u" or "0.1F". Raises FreemlError for anything else.

    >>> parse_capacitor("47uF"), parse_capacitor("1 mF"), parse_capacitor("100u"), parse_capacitor("0.1F")
    (47.0, 1000.0, 100.0, 100000.0)
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([pnuµμm]?)(F?)\s*", text, re.ASCII)
    if match is None or not (match[2] or match[3]):
        raise FreemlError(
            f"{text!r} is not a capacitance",
            where="--capacitor",
            hint="a number and a unit, for example 47uF, 1mF or 0.1F",
        )
    value_uf = float(match[1]) * _UF_BY_PREFIX[match[2]]
    if not _LEAST_UF <= value_uf <= _MOST_UF:
        raise FreemlError(
            f"a capacitor of {text.strip()} is not between 1nF and 10F",
            where="--capacitor",
            hint="a number and a unit, for example 47uF, 1mF or 0.1F",
        )
    return value_uf


def parse_time_s(text: str, where: str) -> float:
    """Seconds of "2.56s", "10ms", "5min", "1 h", "3d" or "12". Raises FreemlError for anything else.

    >>> parse_time_s("2.56s", ""), parse_time_s("10 min", ""), parse_time_s("5", "")
    (2.56, 600.0, 5.0)
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)\s*(us|ms|min|[smhd])?\s*", text, re.ASCII)
    value = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if not 0 < value < math.inf:
        raise FreemlError(
            f"{text!r} is no time above 0", where=where, hint="a number and a unit, for example 2.56s, 10ms or 5min"
        )
    return value


def parse_duration(text: str) -> float:
    """Seconds in "90s", "30m", "1.5h" or "45". Raises FreemlError for anything else.

    >>> parse_duration("90s"), parse_duration("30m"), parse_duration("1.5 h"), parse_duration("45")
    (90.0, 1800.0, 5400.0, 45.0)
    """
    seconds = parse_time_s(text, "--time")
    if seconds > _MOST_SECONDS:
        raise FreemlError(f"{text!r} is more than a year", where="--time", hint="for example 90s, 30m or 2h")
    return seconds


def show_duration(seconds: float) -> str:
    """In words, to the minute from there on.

    >>> show_duration(12.4), show_duration(600), show_duration(7500)
    ('12 s', '10 min', '2 h 5 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def show_capacitor(value_uf: float) -> str:
    """A capacitance as `parse_capacitor` reads it.

    >>> show_capacitor(47), show_capacitor(0.33), show_capacitor(2200)
    ('47uF', '330nF', '2.2mF')
    """
    for limit, factor, unit in ((1, 1e3, "nF"), (1e3, 1, "uF"), (1e6, 1e-3, "mF")):
        if value_uf < limit:
            return f"{_short(value_uf * factor)}{unit}"
    return f"{_short(value_uf * 1e-6)}F"


def round_up(value: float) -> float:
    """The next number of two significant digits: never below `value`, and 0.9 times it is.

    >>> round_up(3.21), round_up(104.0), round_up(47.0)
    (3.3, 110.0, 47.0)
    """
    exponent = math.floor(math.log10(value)) - 1
    digits = math.ceil(value / 10.0**exponent - 1e-9)
    rounded = float(f"{digits}e{exponent}")
    return rounded if rounded >= value else float(f"{digits + 1}e{exponent}")


def next_below(value: float) -> float:
    """The next smaller number of two significant digits.

    >>> next_below(3.3), next_below(100.0), next_below(47.5)
    (3.2, 99.0, 47.0)
    """
    exponent = math.floor(math.log10(value)) - 1
    digits = math.ceil(value / 10.0**exponent - 1e-9) - 1
    return float(f"{digits}e{exponent}") if digits >= 10 else float(f"99e{exponent - 1}")


def _short(value: float) -> str:
    return f"{value:.6g}"
