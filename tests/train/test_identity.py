"""`function_id`: functions that compute the same are one, in every process; others are told apart."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from freeml.train.augment import Shifted
from freeml.train.identity import function_id


def scaled(k: float) -> Callable[[float], float]:
    return lambda x: x * k


def within(x: str) -> bool:
    return x in {"left", "right", "none"} or any(x == y for y in "ab")


class Own:
    def __call__(self, x: float) -> float:
        return x + 1


FUNCTIONS: list[Any] = [
    lambda x: x + 1,
    lambda x: x + 2,
    lambda x: x.mean(),
    lambda x: x.max(),
    lambda x, k=1: x + k,
    lambda x, k=2: x + k,
    scaled(1.0),
    scaled(2.0),
    within,
    Shifted(1),
    Shifted(2),
    functools.partial(max, 1),
    functools.partial(max, 2),
    functools.partial(scaled, 1),
    Own(),
    Own().__call__,
    abs,
    None,
]


def test_functions_that_compute_something_else_are_others() -> None:
    assert len({function_id(function) for function in FUNCTIONS}) == len(FUNCTIONS)
    assert function_id(scaled(2.0)) == function_id(scaled(2.0))
    assert function_id(Own()) == function_id(Own())


def test_another_process_knows_them_as_this_one_does() -> None:
    code = "from tests.train.test_identity import *; print([function_id(f) for f in FUNCTIONS])"
    here = str([function_id(function) for function in FUNCTIONS])
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed}
        assert subprocess.check_output([sys.executable, "-c", code], text=True, env=env).strip() == here
