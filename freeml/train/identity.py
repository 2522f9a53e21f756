"""Which function of a user's a run was begun with: in words that are the same in every process."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Collection
from types import CodeType
from typing import Any

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis))


def function_id(function: Any) -> str | None:
    """Name, and digest of what is computed: code, constants, defaults, values it closes over. None for None.

    Functions of another module that it calls are known by name. Arrays and objects that it closes over are not looked
    into, nor are globals.
    """
    if function is None:
        return None
    found = hashlib.sha256(repr(_parts(function, ())).encode()).hexdigest()[:8]
    inner = function.func if isinstance(function, functools.partial) else function
    name = getattr(inner, "__qualname__", type(inner).__qualname__)
    return f"{name} ({found})"


def _parts(value: Any, within: Collection[int]) -> Any:
    """Strings and tuples that tell one value from another, without addresses and orders of sets."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in within:  # a function that calls itself closes over itself
        return "itself"
    within = (*within, id(value))
    if isinstance(value, tuple | list):
        return tuple(_parts(one, within) for one in value)
    if isinstance(value, set | frozenset):
        return tuple(sorted(repr(_parts(one, within)) for one in value))
    if isinstance(value, dict):
        return tuple((_parts(key, within), _parts(one, within)) for key, one in value.items())
    if isinstance(value, CodeType):
        return value.co_code.hex(), value.co_names, value.co_varnames, _parts(value.co_consts, within)
    if isinstance(value, functools.partial):
        return _parts((value.func, value.args, value.keywords), within)
    return _of_object(value, within)


def _of_object(value: Any, within: Collection[int]) -> Any:
    """A function, a method, or an object that can be called: its text where that has no address in it."""
    name = getattr(value, "__qualname__", type(value).__qualname__)
    code, beside = getattr(value, "__code__", None), []
    if code is not None:
        cells = [_content(cell) for cell in getattr(value, "__closure__", None) or ()]
        beside = [value.__defaults__, value.__kwdefaults__, cells]
        if (of := getattr(value, "__self__", None)) is not None:
            beside.append(of)
    elif callable(value) and not isinstance(value, type):
        code = getattr(type(value).__call__, "__code__", None)
        text = repr(value)
        beside = [text if " at 0x" not in text else None]
    return name, _parts(code, within), _parts(beside, within)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return None
