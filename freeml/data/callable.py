"""`package.module:function` -> Dataset: the user's own code delivers the samples.

The function is called with the name of the split (train, calibration, test, all) if it takes an argument, otherwise
with none. It returns a Dataset, a dictionary with the keys of `arrays.py`, or (x, y), where x may be a tuple of arrays
and y None. (x, y) of a function that took the split is that split; of one that did not, it is dealt like a table
without one. Whatever goes wrong in there is the user's to mend, so it is reported with its own text.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from freeml.data import splits
from freeml.data.arrays import from_arrays
from freeml.data.dataset import Array, Dataset
from freeml.errors import BadData, FreemlError

SPEC = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def load_callable(spec: str, split: str, limit: int | None) -> Dataset:
    """The samples that the function named by `spec` returns for `split`; at most `limit`, evenly spread.

    The current folder is searched for the module first. Raises BadData.
    """
    split = splits.canonical(split, spec)
    function = _imported(spec)
    takes_split = _takes_split(function)
    try:
        value = function(split) if takes_split else function()
    except FreemlError:
        raise
    except (Exception, SystemExit) as error:
        raise BadData(f"{spec} failed: {_text(error)}", where=_line_of(error)) from error
    if isinstance(value, Dataset):
        if splits.canonical(value.split, spec) != split:
            raise BadData(f"split '{split}' asked for, a Dataset of split '{value.split}' returned", where=spec)
        return value if limit is None else value.take(limit)
    if isinstance(value, Mapping):
        arrays = {str(key): _array(v, str(key), spec) for key, v in value.items()}
        return from_arrays(arrays, split, limit, spec)
    if not (isinstance(value, tuple) and len(value) == 2):
        raise BadData(
            f"it returned {type(value).__name__}", where=spec, hint="return (x, y), a dictionary with x, or a Dataset"
        )
    return _from_pair(value[0], value[1], takes_split, split, limit, spec)


def _from_pair(x: Any, y: Any, is_the_split: bool, split: str, limit: int | None, spec: str) -> Dataset:
    xs = x if isinstance(x, tuple) else (x,)
    inputs = tuple(_array(a, f"x{i}", spec) for i, a in enumerate(xs))
    labels = None if y is None else _array(y, "y", spec)
    if is_the_split:
        whole = Dataset(inputs, labels, (), spec, split)
        return whole if limit is None else whole.take(limit)
    arrays = {f"x{i}": a for i, a in enumerate(inputs)}
    return from_arrays(arrays if labels is None else arrays | {"y": labels}, split, limit, spec)


def _imported(spec: str) -> Callable[..., Any]:
    module_name, _, path = spec.partition(":")
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:
        hint = f"searched in {folder} and in the installed packages" if isinstance(error, ModuleNotFoundError) else ""
        raise BadData(f"cannot import {module_name}: {_text(error)}", where=_line_of(error), hint=hint) from error
    finally:
        if folder in sys.path:
            sys.path.remove(folder)
    for part in path.split("."):
        if not hasattr(found, part):
            raise BadData(f"{module_name} has no '{path}'", where=spec)
        found = getattr(found, part)
    if not callable(found):
        raise BadData(f"{path} is {type(found).__name__}, not a function", where=spec)
    function: Callable[..., Any] = found
    return function


def _takes_split(function: Callable[..., Any]) -> bool:
    """True for a first parameter called `split` or without a default."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return True
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return bool(positional) and (positional[0].name == "split" or positional[0].default is inspect.Parameter.empty)


def _array(value: Any, key: str, spec: str) -> Array:
    """Anything numpy understands, tensors on the CPU among it; no objects."""
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except Exception as error:
        raise BadData(f"{key} is not an array: {_text(error)}", where=spec) from error
    if array.dtype.kind == "O":
        raise BadData(f"{key} is an array of objects; rows of unequal length?", where=spec)
    return array


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _line_of(error: BaseException) -> str:
    """File and line of the user's code where the error arose; empty where only importlib and freeml are on the way."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file != __file__ and not file.startswith("<") and os.sep + "importlib" + os.sep not in file:
            place = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
