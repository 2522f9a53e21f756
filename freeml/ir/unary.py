"""Elementwise functions of one value, by name. In int8 each becomes a table of 256 codes, so adding one is one line.

Formulas and default parameters are those of the ONNX operators of the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class UnaryFunction:
    """params: names of the parameters; call: (x, *params) -> y, elementwise, dtype kept."""

    params: tuple[str, ...]
    call: Callable[..., Floats]


def _sigmoid(x: Floats) -> Floats:
    # 0.5 * (1 + tanh(x / 2)) is the same function and cannot overflow.
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _hard_sigmoid(x: Floats, alpha: float, beta: float) -> Floats:
    return np.asarray(np.clip(alpha * x + beta, 0, 1))


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(0, x)


def _softplus_linear(x: Floats, beta: float, threshold: float) -> Floats:
    return np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


def _elu(x: Floats, alpha: float) -> Floats:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def _selu(x: Floats, alpha: float, gamma: float) -> Floats:
    return gamma * _elu(x, alpha)


def _erf(x: Floats) -> Floats:
    from scipy.special import erf

    return np.asarray(erf(x), dtype=x.dtype)


def _gelu(x: Floats) -> Floats:
    return 0.5 * x * (1 + _erf(x / np.sqrt(np.asarray(2, dtype=x.dtype))))


def _gelu_tanh(x: Floats) -> Floats:
    return np.asarray(0.5 * x * (1 + np.tanh(np.asarray(np.sqrt(2 / np.pi), dtype=x.dtype) * (x + 0.044715 * x**3))))


def _wrap(x: Floats, bits: float, signed: float) -> Floats:
    span = 2.0**bits
    low = -span / 2 if signed else 0.0
    return np.asarray(np.mod(x - low, span) + low)


FUNCTIONS: dict[str, UnaryFunction] = {
    "identity": UnaryFunction((), lambda x: x),
    "clamp": UnaryFunction(("lo", "hi"), lambda x, lo, hi: np.minimum(np.maximum(x, lo), hi)),
    "leaky_relu": UnaryFunction(("alpha",), lambda x, alpha: np.where(x >= 0, x, alpha * x)),
    "sigmoid": UnaryFunction((), _sigmoid),
    "tanh": UnaryFunction((), np.tanh),
    "hard_sigmoid": UnaryFunction(("alpha", "beta"), _hard_sigmoid),
    "hard_swish": UnaryFunction((), lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5)),
    "silu": UnaryFunction((), lambda x: x * _sigmoid(x)),
    "elu": UnaryFunction(("alpha",), _elu),
    "selu": UnaryFunction(("alpha", "gamma"), _selu),
    "gelu": UnaryFunction((), _gelu),
    "gelu_tanh": UnaryFunction((), _gelu_tanh),
    "softplus": UnaryFunction((), _softplus),
    # As torch computes it: the identity where beta * x is above the threshold, which makes a step there.
    "softplus_linear": UnaryFunction(("beta", "threshold"), _softplus_linear),
    "softsign": UnaryFunction((), lambda x: x / (1 + np.abs(x))),
    "exp": UnaryFunction((), np.exp),
    "sqrt": UnaryFunction((), np.sqrt),
    "rsqrt": UnaryFunction((), lambda x: 1 / np.sqrt(x)),
    "abs": UnaryFunction((), np.abs),
    "neg": UnaryFunction((), np.negative),
    "erf": UnaryFunction((), _erf),
    # Integer arithmetic of the model wraps around at its own width; exact while the interpreter computes in float64.
    "wrap": UnaryFunction(("bits", "signed"), _wrap),
}


def apply(fn: str, params: tuple[float, ...], x: Floats) -> Floats:
    """The function `fn` of x, elementwise, in x's own precision."""
    return np.asarray(FUNCTIONS[fn].call(x, *params)).astype(x.dtype, copy=False)
