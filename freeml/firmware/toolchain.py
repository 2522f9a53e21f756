"""C compilers of this machine: finding one, and calling it so that the same input gives the same bytes.

Order: FREEML_CC ("zig", or a command) forces one; then CC; then cc, gcc, clang on PATH; then zig, which
`pip install ziglang` brings and which needs nothing else. What is found is asked for its version, so that a build cache
can tell compilers apart.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from freeml.errors import ToolFailed, ToolMissing

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
"""Always on: C of freeml compiles without a single warning."""

_INSTALL_HINT = "install a C compiler (gcc or clang), or: pip install ziglang"
_ERROR_LINES = 3


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler that answered when asked for its version.

    command   what to run, before any option
    version   the first line it prints, which identifies it
    """

    name: str
    command: tuple[str, ...]
    version: str
    kind: Literal["gcc", "clang", "zig"]

    @property
    def host_flags(self) -> tuple[str, ...]:
        """Options that make a compiler for this machine behave like the others.

        zig would use every instruction of this very processor, and in unoptimised builds trap on undefined behaviour.
        """
        return ("-mcpu=baseline", "-fno-sanitize=undefined") if self.kind == "zig" else ()

    def compile(
        self,
        sources: Sequence[Path],
        include_dirs: Sequence[Path],
        output: Path,
        flags: Sequence[str] = (),
        *,
        shared: bool = True,
    ) -> Path:
        """Compile and link C99 sources into `output`; with "-c" in flags, one source into an object.

        `output` appears complete or not at all, and holds no path of this machine. Raises ToolFailed with the
        compiler's first errors.
        """
        folders = sorted({path.resolve() for path in (*include_dirs, *(source.parent for source in sources))})
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="freeml-cc-") as work:
            built = Path(work, "out")
            command = [
                *self.command,
                "-std=c99",
                *WARNINGS,
                *(f"-ffile-prefix-map={folder}={folder.name}" for folder in folders),
                f"-ffile-prefix-map={Path(work).resolve()}=.",
                *(f"-I{folder.resolve()}" for folder in include_dirs),
                *(("-shared", "-fPIC") if shared else ()),
                *flags,
                *(str(source.resolve()) for source in sources),
                "-o",
                str(built),
            ]
            environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "LC_ALL": "C"}
            done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise ToolFailed(
                    f"{self.name} could not compile {output.name}: {first_errors(done.stderr or done.stdout)}",
                    where=shlex.join(self.command),
                    hint=f"the compiler is {self.version}; FREEML_CC chooses another",
                )
            replace_file(built, output)
        return output


def first_errors(diagnostics: str) -> str:
    """The lines of a compiler's output that name errors, without context; the first lines where none does."""
    lines = [line.strip() for line in diagnostics.splitlines() if line.strip()]
    signs = ("error:", "undefined reference", "unrecognized option", "will not fit", "overflowed by")
    # GCC's driver only says that the linker had said why.
    errors = [line for line in lines if any(s in line.lower() for s in signs) and not line.startswith("collect2:")]
    return "; ".join((errors or lines or ["no message"])[:_ERROR_LINES])


def portable_map(text: str, sources: Sequence[str]) -> str:
    """A linker's map without paths of this machine, the same for the same firmware.

    text     as lld or GNU ld prints it
    sources  what was compiled, in order: GCC names its objects at random, and loads them first
    """
    text = re.sub(r"(?<![\w.])(?:\.\./|/)[^\s():]*/(?=[^\s/])", "", text)
    names = dict.fromkeys(re.findall(r"^LOAD (cc\w{6}\.o)$", text, re.MULTILINE))
    for name, source in zip(names, sources, strict=False):
        text = text.replace(name, f"{Path(source).stem}.o")
    return text


def replace_file(source: Path, target: Path) -> None:
    """Copy a file so that `target` is, at any instant, its old or its new self."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as to, source.open("rb") as content:
            shutil.copyfileobj(content, to)
        shutil.copymode(source, temporary)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def find_host_compiler() -> Compiler:
    """The compiler for programs of this machine. Raises ToolMissing where there is none."""
    forced = os.environ.get("FREEML_CC", "").strip()
    if forced:
        compiler = find_zig() if forced == "zig" else _ask(tuple(shlex.split(forced)))
        if compiler is None:
            raise ToolMissing(f"{forced} is not a C compiler that runs", where="FREEML_CC", hint=_INSTALL_HINT)
        return compiler
    for command in _candidates():
        compiler = _ask(command)
        if compiler is not None:
            return compiler
    compiler = find_zig()
    if compiler is None:
        raise ToolMissing("no C compiler found", where="CC, cc, gcc and clang on PATH", hint=_INSTALL_HINT)
    return compiler


def find_zig() -> Compiler | None:
    """The compiler of the ziglang package, for this machine and, with -target, for Cortex-M and MSP430."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    return _ask((sys.executable, "-m", "ziglang", "cc"))


def find_arm_gcc() -> Compiler | None:
    """GCC for Cortex-M, as Debian's gcc-arm-none-eabi brings it."""
    return _ask(("arm-none-eabi-gcc",))


def find_msp430_gcc() -> Compiler | None:
    """GCC for MSP430: in FREEML_MSP430_TOOLCHAIN, on PATH, or in msp430-elf-toolchain of freeml's cache folder."""
    chosen = os.environ.get("FREEML_MSP430_TOOLCHAIN")
    if chosen:
        return _ask((str(Path(chosen, "bin", "msp430-elf-gcc")),))
    return _ask(("msp430-elf-gcc",)) or _ask((str(cache_dir() / "msp430-elf-toolchain" / "bin" / "msp430-elf-gcc"),))


def cache_dir() -> Path:
    """FREEML_CACHE, or freeml's folder in XDG_CACHE_HOME or ~/.cache."""
    chosen = os.environ.get("FREEML_CACHE")
    if chosen:
        return Path(chosen)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (base if base.is_absolute() else Path.home() / ".cache") / "freeml"


def _candidates() -> Iterator[tuple[str, ...]]:
    chosen = tuple(shlex.split(os.environ.get("CC", "")))
    if chosen:
        yield chosen
    for name in ("cc", "gcc", "clang"):
        yield (name,)


def _ask(command: tuple[str, ...]) -> Compiler | None:
    path = shutil.which(command[0])
    return None if path is None else _ask_program((path, *command[1:]))


@functools.cache
def _ask_program(command: tuple[str, ...]) -> Compiler | None:
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        return None
    if "ziglang" in command or Path(command[0]).stem == "zig":
        return Compiler("zig", command, f"zig {_ziglang_version()}, {lines[0]}", "zig")
    kind: Literal["gcc", "clang"] = "clang" if "clang" in done.stdout.lower() else "gcc"
    return Compiler(Path(command[0]).name, command, lines[0], kind)


def _ziglang_version() -> str:
    try:
        return importlib.metadata.version("ziglang")
    except importlib.metadata.PackageNotFoundError:
        return "outside Python"
