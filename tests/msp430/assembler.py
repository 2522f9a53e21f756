"""A small assembler: one instruction in text form to code words, from the encodings of SLAU367P chapter 4.

Operands: "r5", "@r5", "@r5+", "#5" (constant generator where it has the value), "#=5" (always a word), "4(r5)",
"&0x1c00", "ede:0x1c00" (PC-relative). Sizes: "mov", "mov.b", "movx", "movx.b", "movx.a".
"""

from __future__ import annotations

import re

TWO_NAMES = ["mov", "add", "addc", "subc", "sub", "cmp", "dadd", "bit", "bic", "bis", "xor", "and"]
TWO = dict(zip(TWO_NAMES, range(4, 16), strict=True))
ONE = {"rrc": 0, "swpb": 1, "rra": 2, "sxt": 3, "push": 4, "call": 5}
JUMPS = dict(zip(["jne", "jeq", "jnc", "jc", "jn", "jge", "jl", "jmp"], range(8), strict=True))
ROTATES = {"rrcm": 0, "rram": 1, "rlam": 2, "rrum": 3}
ADDRESS = {"mova": 12, "cmpa": 13, "adda": 14, "suba": 15}
GENERATED = {4: (2, 2), 8: (2, 3), 0: (3, 0), 1: (3, 1), 2: (3, 2), -1: (3, 3)}


def register(text: str) -> int:
    return {"pc": 0, "sp": 1, "sr": 2}.get(text) if text in ("pc", "sp", "sr") else int(text[1:])  # type: ignore[return-value]


def parse(text: str, at: int) -> tuple[int, int, int | None]:
    """(register, addressing mode, 20-bit value of the extra word or None); `at` is the address of that word."""
    if text.startswith("#="):
        return 0, 3, int(text[2:], 0) & 0xFFFFF
    if text.startswith("#"):
        value = int(text[1:], 0)
        return (*GENERATED[value], None) if value in GENERATED else (0, 3, value & 0xFFFFF)
    if text.startswith("&"):
        return 2, 1, int(text[1:], 0)
    if text.startswith("ede:"):
        return 0, 1, (int(text[4:], 0) - at) & 0xFFFFF
    if text.startswith("@"):
        return register(text[1:].rstrip("+")), 3 if text.endswith("+") else 2, None
    indexed = re.fullmatch(r"(-?\w+)\((\w+)\)", text)
    if indexed:
        return register(indexed[2]), 1, int(indexed[1], 0) & 0xFFFFF
    return register(text), 0, None


def assemble(text: str, at: int = 0x4000, *, repeat: int = 1, zero_carry: bool = False) -> list[int]:
    """Code words of one instruction that will lie at address `at`."""
    name, _, rest = text.partition(" ")
    name, _, size = name.partition(".")
    operands = [part.strip() for part in rest.split(",")] if rest else []
    if name in ADDRESS or name == "calla":
        return _address(name, operands, at)
    if name in ROTATES:
        count, index = int(operands[0][1:]), register(operands[1])
        return [(count - 1) << 10 | ROTATES[name] << 8 | (0x40 if size == "a" else 0x50) | index]
    if name in ("pushm", "popm"):
        count, index = int(operands[0][1:]), register(operands[1])
        first = index - count + 1 if name == "popm" else index
        return [0x1400 | (name == "popm") << 9 | (size != "a") << 8 | (count - 1) << 4 | first & 15]
    if name in JUMPS:
        return [0x2000 | JUMPS[name] << 10 | int(operands[0], 0) // 2 & 0x3FF]
    if name in ("nop", "ret", "reti", "dint", "eint"):
        return [{"nop": 0x4303, "ret": 0x4130, "reti": 0x1300, "dint": 0xC232, "eint": 0xD232}[name]]
    extended = name.endswith("x") and name[:-1] in TWO | ONE
    base = name[:-1] if extended else name
    return _formats(base, operands, at, size, extended, repeat, zero_carry)


def _formats(
    base: str, operands: list[str], at: int, size: str, extended: bool, repeat: int, zero_carry: bool
) -> list[int]:
    place = at + (4 if extended else 2)
    source, mode, word = parse(operands[0], place)
    extra = [] if word is None else [word]
    is_byte = size == "b" or (size == "a" and base not in ("swpb", "sxt"))
    high = target_high = 0
    if base in TWO:
        target, target_mode, target_word = parse(operands[1], place + 2 * len(extra))
        op = TWO[base] << 12 | source << 8 | (target_mode & 1) << 7 | is_byte << 6 | mode << 4 | target
        high = 0 if word is None else word >> 16
        if target_word is not None:
            extra.append(target_word)
            target_high = target_word >> 16
        registers = mode == 0 and target_mode == 0
    else:
        op = 0x1000 | ONE[base] << 7 | is_byte << 6 | mode << 4 | source
        high = 0 if word is None else word >> 16
        registers = mode == 0
    words = [op, *(value & 0xFFFF for value in extra)]
    if not extended:
        return words
    extension = 0x1800 | (size != "a") << 6
    extension |= (repeat - 1 | zero_carry << 8) if registers else (high << 7 | target_high)
    return [extension, *words]


def _address(name: str, operands: list[str], at: int) -> list[int]:
    source, mode, word = parse(operands[0].replace("#", "#=") if "#=" not in operands[0] else operands[0], at + 2)
    if name == "calla":
        kind = {0: 4, 2: 6, 3: 7}.get(mode, 5)
        if word is None:
            return [0x1300 | kind << 4 | source]
        if operands[0].startswith("#"):
            return [0x13B0 | word >> 16, word & 0xFFFF]
        if operands[0].startswith("&") or operands[0].startswith("ede"):
            return [(0x1380 if source == 2 else 0x1390) | word >> 16, word & 0xFFFF]
        return [0x1350 | source, word & 0xFFFF]
    target, target_mode, target_word = parse(operands[1], at + 2)
    if target_mode:
        assert target_word is not None
        if target == 2:
            return [source << 8 | 0x60 | target_word >> 16, target_word & 0xFFFF]
        return [source << 8 | 0x70 | target, target_word & 0xFFFF]
    if mode == 0:
        return [source << 8 | ADDRESS[name] << 4 | target]
    if operands[0].startswith("#"):
        assert word is not None
        return [(word >> 16) << 8 | (ADDRESS[name] - 4) << 4 | target, word & 0xFFFF]
    if word is None:
        return [source << 8 | (0x00 if mode == 2 else 0x10) | target]
    if source == 2:
        return [(word >> 16) << 8 | 0x20 | target, word & 0xFFFF]
    return [source << 8 | 0x30 | target, word & 0xFFFF]


def program(lines: list[str], at: int = 0x4000) -> bytes:
    """Instructions one after the other."""
    words: list[int] = []
    for line in lines:
        words += assemble(line, at + 2 * len(words))
    return b"".join(word.to_bytes(2, "little") for word in words)
