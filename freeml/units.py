"""Quantities as people write them -> numbers in freeml's units, and back. Conversion happens here, at the edge."""

from __future__ import annotations

import math
import re

from freeml.errors import FreemlError

_UF_BY_PREFIX = {"p": 1e-6, "n": 1e-3, "u": 1.0, "µ": 1.0, "μ": 1.0, "m": 1e3, "": 1e6}  # in uF
_LEAST_UF, _MOST_UF = 1e-3, 1e7


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


_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}


def parse_time_s(text: str, where: str) -> float:
    """Seconds of "2.56s", "10ms", "5min", "1 h", "3d" or "12". Raises FreemlError for anything else.

    >>> parse_time_s("2.56s", ""), parse_time_s("10 min", ""), parse_time_s("5", "")
    (2.56, 600.0, 5.0)
    """
    match = re.fullmatch(r"\s*(\d+\.?\d*(?:e[-+]?\d+)?|\.\d+)\s*(us|ms|s|min|h|d)?\s*", text, re.ASCII)
    value = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if not 0 < value < math.inf:
        raise FreemlError(
            f"{text!r} is no time above 0", where=where, hint="a number and a unit, for example 2.56s, 10ms or 5min"
        )
    return value


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
