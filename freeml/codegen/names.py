"""C identifiers from the names of models and values: valid, unique, stable."""

from __future__ import annotations

import re

from freeml.kernels.layer import SECTIONS

# The keywords of C99 and C11, and what the headers of the generated code define.
_KEYWORDS = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main
"""
# Headers of C and of common C libraries: <name>.h of a model would hide them.
_HEADERS = """
assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic stdbool
stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype features alloca endian malloc
memory newlib strings unistd
"""
# What stands beside the generated files, or is a target of their Makefile.
_BESIDE = "clean runtime hal"
_RESERVED = frozenset(f"{_KEYWORDS} {_HEADERS} {_BESIDE}".split())
# What the templates define for every model, after its prefix.
_OWN = (
    "arena_bytes",
    "compute",
    "finish",
    "inputs",
    "layers",
    "model",
    "nvm_bytes",
    "nvm_t",
    "outputs",
    "partial",
    "reads",
    "scratch_bytes",
    "sram_bytes",
    "tile_bytes",
    "weights",
    "weights_bytes",
)

_HOLDS = re.compile(rf"_({'|'.join(SECTIONS)})\d*(_\d+)?$")


def identifier(text: str, *, stem: str = "model") -> str:
    """A C identifier of the prefix style: lower case, no leading digit, never a keyword or an fml_ name."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].strip("_")
    if not name or name[0].isdigit() or name in _RESERVED or name.startswith("fml_") or name == "fml":
        name = f"{stem}_{name}".strip("_")
    return name


class Names:
    """Hands out unique identifiers, none of which the templates use themselves."""

    def __init__(self) -> None:
        self._taken = set(_OWN)

    def layer(self, text: str) -> str:
        """Of a layer, whose tables have the names of what they hold behind it: it ends in none of these itself."""
        base = identifier(text, stem="layer")
        return self.unique(f"{base}_layer" if _HOLDS.search(base) else base, stem="layer")

    def unique(self, text: str, *, stem: str) -> str:
        """An identifier like `text` that was not handed out before."""
        base = identifier(text, stem=stem)
        name, n = base, 1
        while name in self._taken:
            name, n = f"{base}_{n}", n + 1
        self._taken.add(name)
        return name
