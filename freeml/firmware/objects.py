"""Objects of C files, each compiled once: models and boards differ, but most of what they link is the same runtime.

An object is kept in the cache folder under the hash of all that determines it: options, compiler, its own text and that
of every header it may include, wherever that lies. Processes may make the same object at the same time; each appears
complete or not at all.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from freeml.firmware.toolchain import Compiler, cache_dir, replace_file

_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\w))', re.MULTILINE)

Make = Callable[[Path], object]


def cached_object(
    compiler: Compiler,
    source: Path,
    include_dirs: Sequence[Path],
    options: Sequence[str],
    work: Path,
    make: Make,
    *,
    beside: Sequence[str] = (),
) -> Path:
    """The object of a source: from the cache, or made there.

    options  all that is said to the compiler but for the files, these as it knows them: paths of this machine in them
             would make objects of each folder its own
    work     where it lies if there can be no cache
    make     writes it into the path that it is given
    beside   suffixes of what else the compiler writes there, which is kept with it
    """
    key = _key(compiler, source, include_dirs, options)
    folder = None if key is None else _folder(key)
    if folder is None:
        made = work / f"{source.name}.o"
        make(made)
        return made
    kept = folder / f"{source.stem}.o"
    if not kept.exists():
        made = work / f"{source.name}.o"
        make(made)
        for suffix in (*beside, ".o"):  # the object last: where it is, all is
            replace_file(made.with_suffix(suffix), kept.with_suffix(suffix))
    return kept


def _folder(key: str) -> Path | None:
    """Where an object is kept; None where nothing can be written."""
    folder = cache_dir() / "objects" / key[:2] / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _key(compiler: Compiler, source: Path, include_dirs: Sequence[Path], options: Sequence[str]) -> str | None:
    """Hash of all that can change an object; None where a header's name is that of a macro."""
    parts = [*compiler.command, compiler.version, *options]
    for name, text in _texts(source, include_dirs):
        if text is None:
            return None
        parts += [name, hashlib.sha256(text).hexdigest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _texts(source: Path, include_dirs: Sequence[Path]) -> Iterator[tuple[str, bytes | None]]:
    """A source and every header that it may include, each by the name that asked for it; conditions are not read.

    A header that is nowhere belongs to the compiler, or is missing: its name alone. None: nobody can say which it is.
    """
    known: set[Path] = set()
    open_ = [(source.name, source)]
    while open_:
        name, path = open_.pop()
        text = path.read_bytes()
        yield name, text
        for quoted, angled, macro in _INCLUDE.findall(text):
            if macro:
                yield name, None
                return
            header = (quoted or angled).decode(errors="replace")
            beside = [path.parent] if quoted else []
            found = next((f / header for f in (*beside, *include_dirs) if (f / header).is_file()), None)
            if found is None:
                yield header, b""
            elif found.resolve() not in known:
                known.add(found.resolve())
                open_.append((header, found))
