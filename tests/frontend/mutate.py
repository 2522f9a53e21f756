"""Damaged model files: deterministic mutations of a sound one, for any binary format.

`mutations` works on bytes alone: flips, cuts, insertions, swapped blocks, lengths and counts blown up.
`field_mutations` changes one field of a protobuf message by its meaning and keeps the file well-formed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from google.protobuf.message import Message

_INTERESTING = (0, 1, -1, 2, 7, 127, 128, 255, 1 << 15, 1 << 31, (1 << 31) - 1, -(1 << 31), (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, -1.0, 1e-45, 1e38, -1e38, float("nan"), float("inf"), float("-inf"))
_NAMES = ("", "x", "Loop", "Conv", "../../etc/passwd", "\0", "y" * 5000, "Reshape", "NOTSET", "é")


def mutations(data: bytes, seed: int, n: int) -> Iterator[bytes]:
    """n damaged copies of `data`; the same for the same seed."""
    rng = random.Random(seed)
    for _ in range(n):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 1, 1, 2, 8))):
            _damage(damaged, rng)
        yield bytes(damaged)


def _damage(data: bytearray, rng: random.Random) -> None:
    # Structure sits at both ends of model files; weights fill the middle.
    size = len(data)
    at = rng.choice(
        (rng.randrange(size + 1), rng.randrange(min(size, 400) + 1), size - rng.randrange(min(size, 400) + 1))
    )
    match rng.randrange(7):
        case 0 if at < size:
            data[at] ^= 1 << rng.randrange(8)
        case 1 if at < size:
            data[at] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
        case 2:
            del data[at:]
        case 3:
            del data[at : at + rng.choice((1, 2, 4, 16, 256))]
        case 4:
            data[at:at] = rng.randbytes(rng.choice((1, 2, 4, 16)))
        case 5:
            word = (rng.choice(_INTERESTING) & 0xFFFFFFFF).to_bytes(4, "little")
            data[at : at + 4] = word
        case _:
            other = rng.randrange(size + 1)
            data[at : at + 16] = data[other : other + 16]


def field_mutations(message: Message, seed: int, n: int) -> Iterator[Message]:
    """n copies of a protobuf message, each with one to three fields changed, dropped, doubled or swapped."""
    rng = random.Random(seed)
    for _ in range(n):
        copy = type(message)()
        copy.CopyFrom(message)
        for _ in range(rng.choice((1, 1, 2, 3))):
            _change_field(copy, rng)
        yield copy


def _change_field(message: Message, rng: random.Random) -> None:
    """Walk down to a random field, preferring messages over scalars, and change it."""
    while True:
        fields = [(field, value) for field, value in message.ListFields()]
        if not fields:
            return
        field, value = rng.choices(fields, [_weight(value) for _, value in fields])[0]
        repeated = not isinstance(value, Message | str | bytes | int | float)
        if rng.random() < 0.05:
            message.ClearField(field.name)
            return
        if field.message_type is None:
            _change_scalar(message, field.name, value, repeated, rng)
            return
        if not repeated:
            message = value
            continue
        i = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.05:
            del value[i]
            return
        if kind < 0.1:
            value.add().CopyFrom(value[i])
            return
        if kind < 0.15:
            j = rng.randrange(len(value))
            swapped = type(value[i])()
            swapped.CopyFrom(value[i])
            value[i].CopyFrom(value[j])
            value[j].CopyFrom(swapped)
            return
        message = value[i]


def _weight(value: object) -> float:
    """Lists of messages are where a model is; scalars at the top are few and quickly tried."""
    if isinstance(value, str | bytes | int | float):
        return 1
    return 20 if isinstance(value, Message) else 3 + len(value)  # type: ignore[arg-type]


def _change_scalar(message: Message, name: str, value: object, repeated: bool, rng: random.Random) -> None:
    try:
        if not repeated:
            setattr(message, name, _other(value, rng))
            return
        items = list(value)  # type: ignore[call-overload]
        i = rng.randrange(len(items))
        match rng.randrange(4):
            case 0:
                items[i] = _other(items[i], rng)
            case 1:
                del items[i]
            case 2:
                items.insert(i, _other(items[i], rng))
            case _:
                items[i] = items[rng.randrange(len(items))]
        message.ClearField(name)
        getattr(message, name).extend(items)
    except (ValueError, TypeError):
        message.ClearField(name)  # out of the field's range


def _other(value: object, rng: random.Random) -> object:
    match value:
        case int():
            near = value + rng.choice((-1, 1, 2))
            return rng.choice((*_INTERESTING, near, near, near, value * 1000, value << 24))
        case float():
            return rng.choice((*_FLOATS, value * 1e30, -value))
        case bytes():
            return rng.choice((b"", value[:-1], value + b"\0", value[: len(value) // 2], b"\xff" * len(value)))
        case str():
            return rng.choice((*_NAMES, value + "_", value[:-1]))
    return value
