"""The code map of ARCHITECTURE.md, made of what each module says of itself: python -m tests.code_map [--write]

A reader who looks for a function has the tree and that page. What a module is for stands once, in the first sentence of
its docstring; the page repeats these sentences, package by package, and a test holds the two to each other.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- code map: made by `python -m tests.code_map --write` -->\n", "<!-- end of the code map -->"


def sentence(path: Path) -> str:
    """The first sentence of a module's docstring, on one line."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r"(?<=[.?])\s(?=[A-Z])", paragraph)[0]


def code_map() -> str:
    """A table for each package: its own sentence, then a line for each module."""
    packages: dict[Path, list[Path]] = {}
    for path in sorted((ROOT / "freeml").rglob("*.py")):
        packages.setdefault(path.parent, []).append(path)
    parts = []
    for folder, modules in sorted(packages.items()):
        own = folder / "__init__.py"
        parts.append(f"**`{folder.relative_to(ROOT).as_posix()}/`** {sentence(own) if own.exists() else ''}".rstrip())
        lines = [f"- `{path.name}` {sentence(path)}" for path in modules if path != own]
        parts.append("\n".join(lines))
    return "\n\n".join(filter(None, parts)) + "\n"


def of_page(page: str) -> str:
    """What stands between the two marks."""
    return page.split(BEGIN, 1)[1].split(END, 1)[0]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    made = code_map()
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page.replace(of_page(page), f"\n{made}\n"), encoding="utf-8")
    else:
        print(made)


if __name__ == "__main__":
    main()
