"""Closed form of a capacitor behind lines: V' = slope - k (V - V0). Time to a voltage, voltage after a time, integrals.

Everything is written so that no digit is lost where k t is small: a load of microseconds on hours of leakage.
"""

from __future__ import annotations

import math

_SERIES_BELOW = 0.5
_TERMS = 18


def change_v(slope: float, k: float, t_s: float) -> float:
    """V(t) - V(0), with slope V'(0) in V/s and rate k in 1/s."""
    x = k * t_s
    return slope * t_s * (1.0 if x == 0 else -math.expm1(-x) / x)


def time_to_s(slope: float, k: float, change: float) -> float:
    """When V has changed by so much; infinite where it never does.

    >>> time_to_s(2.0, 0.0, 3.0), time_to_s(2.0, 0.0, -1.0)
    (1.5, inf)
    """
    if change == 0:
        return 0.0
    if slope == 0 or (change > 0) != (slope > 0):
        return math.inf
    y = k * change / slope
    if y >= 1:
        return math.inf
    return change / slope if y == 0 else change / slope * (-math.log1p(-y) / y)


def integrals(v0: float, slope: float, k: float, t_s: float) -> tuple[float, float]:
    """Integrals of V and of V^2 over the time, in V s and V^2 s."""
    x = k * t_s
    of_v = v0 * t_s + slope * t_s * t_s * _phi(x)
    of_v2 = v0 * v0 * t_s + 2 * v0 * slope * t_s * t_s * _phi(x) + slope * slope * t_s**3 * _psi(x)
    return of_v, of_v2


def _phi(x: float) -> float:
    """(x - 1 + e^-x) / x^2."""
    if abs(x) >= _SERIES_BELOW:
        return (x + math.expm1(-x)) / (x * x)
    return math.fsum((-x) ** (n - 2) / math.factorial(n) for n in range(2, _TERMS))


def _psi(x: float) -> float:
    """(x - 2 (1 - e^-x) + (1 - e^-2x) / 2) / x^3."""
    if abs(x) >= _SERIES_BELOW:
        return (x + 2 * math.expm1(-x) - math.expm1(-2 * x) / 2) / x**3
    return math.fsum((-1) ** n * x ** (n - 3) * (2 - 2 ** (n - 1)) / math.factorial(n) for n in range(3, _TERMS))
