"""The elementwise functions of ir/unary.py in torch, with gradients. A test holds the two tables to each other."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - as everyone writes it
from torch import Tensor


def _hard_sigmoid(x: Tensor, alpha: float, beta: float) -> Tensor:
    return (alpha * x + beta).clamp(0, 1)


def _elu(x: Tensor, alpha: float) -> Tensor:
    return torch.where(x > 0, x, alpha * torch.expm1(x.clamp(max=0)))


def _wrap(x: Tensor, bits: float, signed: float) -> Tensor:
    span = 2.0**bits
    low = -span / 2 if signed else 0.0
    return torch.remainder(x - low, span) + low


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "identity": lambda x: x,
    "clamp": lambda x, lo, hi: x.clamp(lo, hi),
    "leaky_relu": lambda x, alpha: torch.where(x >= 0, x, alpha * x),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: x * _hard_sigmoid(x, 1 / 6, 0.5),
    "silu": lambda x: x * torch.sigmoid(x),
    "elu": _elu,
    "selu": lambda x, alpha, gamma: gamma * _elu(x, alpha),
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "softplus": lambda x: torch.logaddexp(torch.zeros_like(x), x),
    "softplus_linear": F.softplus,
    "softsign": lambda x: x / (1 + x.abs()),
    "exp": torch.exp,
    "sqrt": torch.sqrt,
    "rsqrt": torch.rsqrt,
    "abs": torch.abs,
    "neg": torch.neg,
    "erf": torch.erf,
    "wrap": _wrap,
}


def apply(fn: str, params: tuple[float, ...], x: Tensor) -> Tensor:
    """The function `fn` of x, elementwise."""
    return FUNCTIONS[fn](x, *params)
