"""What a program can see of RAM: of what lies below its stack it has no idea."""

from __future__ import annotations

from collections.abc import Callable


def visible_ram(
    base: int, limit: int, stack: int, top: int, hidden: tuple[int, int], peek: Callable[[int, int], bytes]
) -> bytes:
    """Its variables, from `base` to `limit`, and its stack, from `stack` to `top`.

    hidden: address and bytes of a variable that reads as zeros.
    """
    variables = bytearray(peek(base, limit - base))
    start, n_bytes = hidden
    variables[start - base : start - base + n_bytes] = bytes(n_bytes)
    return bytes(variables) + peek(stack, top - stack)
