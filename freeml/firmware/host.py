"""C built for this machine: libraries that Python loads and programs that tests run, each compiled once.

A build is kept in the cache folder under the hash of all that determines it: the text of sources and headers, options,
compiler. Processes may build the same thing at the same time; each entry appears complete or not at all. The folder may
be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from freeml.firmware.objects import cached_object
from freeml.firmware.toolchain import WARNINGS, Compiler, cache_dir, find_host_compiler, replace_file

__all__ = ["build_host_library", "build_host_program", "cache_dir"]


def build_host_library(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    out_path: Path,
    *,
    sanitize: Sequence[str] = (),
    optimise: str = "-O3",
) -> Path:
    """Compile C99 sources into a shared library at out_path.

    sanitize: names for -fsanitize; a finding ends the process.
    Raises ToolMissing without a compiler, ToolFailed with its first errors.
    """
    return _build(sources, include_dirs, out_path, sanitize, optimise, shared=True)


def build_host_program(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    out_path: Path,
    *,
    sanitize: Sequence[str] = (),
    optimise: str = "-O3",
) -> Path:
    """The same for an executable: what AddressSanitizer needs, as Python itself is not built with it."""
    return _build(sources, include_dirs, out_path, sanitize, optimise, shared=False)


def _build(
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    out_path: Path,
    sanitize: Sequence[str],
    optimise: str,
    *,
    shared: bool,
) -> Path:
    compiler = find_host_compiler()
    flags = [*compiler.host_flags, optimise]
    if sanitize:
        flags += [f"-fsanitize={','.join(sanitize)}", "-fno-sanitize-recover=all", "-g"]
    key = _key(compiler, sources, include_dirs, [*flags, f"shared={shared}"])
    cached = cache_dir() / "build" / key[:2] / key
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        writable = os.access(cached.parent, os.W_OK)
    except OSError:
        writable = False
    if not writable and not cached.exists():
        return compiler.compile(sources, include_dirs, out_path, flags, shared=shared)
    if not cached.exists():
        _link(compiler, sources, include_dirs, cached, flags, shared=shared)
    out_path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(cached, out_path)
    return out_path


def _link(
    compiler: Compiler,
    sources: Sequence[Path],
    include_dirs: Sequence[Path],
    output: Path,
    flags: Sequence[str],
    *,
    shared: bool,
) -> None:
    """Into `output`, of the sources' objects."""
    alone = [*flags, "-fPIC", "-c"] if shared else [*flags, "-c"]
    with tempfile.TemporaryDirectory(prefix="freeml-build-") as work:

        def object_of(source: Path) -> Path:
            def make(to: Path) -> None:
                compiler.compile([source], include_dirs, to, alone, shared=False)

            return cached_object(compiler, source, include_dirs, alone, Path(work), make)

        compiler.compile([object_of(source) for source in sources], (), output, flags, shared=shared)


def _key(compiler: Compiler, sources: Sequence[Path], include_dirs: Sequence[Path], flags: Sequence[str]) -> str:
    """Hash of everything that can change the result; every header of the include folders counts."""
    parts = [*compiler.command, compiler.version, *WARNINGS, *flags]
    headers = [header for folder in include_dirs for header in sorted(folder.rglob("*.h"))]
    beside = sorted({header for source in sources for header in source.parent.glob("*.h")})
    for path in (*sources, *headers, *beside):
        parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
