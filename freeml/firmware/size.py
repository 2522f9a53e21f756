"""Flash and stack of a model's C, read from what the compiler made: section sizes, and its own list of frame sizes.

Flash is every allocated read-only section of the objects: code, tables, descriptors. The stack figure is an upper
bound: the frames of run and step, and of the deepest chain of kernels that call each other, each with all static
helpers of its file, as nothing recurses. What memmove and its like take of the C library is not in it.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from freeml.errors import ToolFailed
from freeml.firmware.objects import cached_object
from freeml.firmware.toolchain import Compiler, find_host_compiler, first_errors

_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Section:
    """A section that takes memory on the target."""

    writable: bool
    executable: bool
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Object:
    """One compiled source: its sections, the sum of its functions' frames, and the symbols it offers and needs."""

    sections: tuple[Section, ...]
    frame_bytes: int
    defined: frozenset[str]
    undefined: frozenset[str]


@dataclass(frozen=True, slots=True)
class Size:
    """flash_bytes of which code_bytes are instructions; ram_bytes is mutable static data (must be 0); stack_bytes."""

    flash_bytes: int
    code_bytes: int
    ram_bytes: int
    stack_bytes: int
    compiler: str


def measure(
    compiler: Compiler, sources: Sequence[Path], include_dirs: Sequence[Path], flags: Sequence[str] | None = None
) -> Size:
    """Compile each source to an object and add up its sections. Raises ToolFailed where the compiler fails.

    flags: of another target; for this machine, and small, where None.
    """
    flags = (*compiler.host_flags, "-Os") if flags is None else flags
    objects = []
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="freeml-size-") as work:
            objects.append(_compiled(compiler, source, include_dirs, flags, Path(work)))
    sections = [section for obj in objects for section in obj.sections]
    return Size(
        flash_bytes=sum(s.n_bytes for s in sections if not s.writable),
        code_bytes=sum(s.n_bytes for s in sections if s.executable),
        ram_bytes=sum(s.n_bytes for s in sections if s.writable),
        stack_bytes=max((_depth(obj, objects) for obj in objects), default=0),
        compiler=compiler.version,
    )


def _depth(obj: Object, objects: Sequence[Object]) -> int:
    """Stack of the deepest chain of calls from one object into others; calls between objects make no circle."""
    called = [other for other in objects if other is not obj and other.defined & obj.undefined]
    return obj.frame_bytes + max((_depth(other, objects) for other in called), default=0)


def _compiled(
    compiler: Compiler, source: Path, include_dirs: Sequence[Path], target: Sequence[str], work: Path
) -> Object:
    """Compile one source, or find it compiled, and read its object."""
    is_gcc = compiler.kind == "gcc"
    frame_flag = "-fstack-usage" if is_gcc else "-fstack-size-section"
    flags = [*target, "-std=c99", "-fno-asynchronous-unwind-tables", frame_flag, "-c"]

    def make(to: Path) -> None:
        folders = [f"-I{folder.resolve()}" for folder in include_dirs]
        command = [*compiler.command, *flags, *folders, str(source.resolve()), "-o", to.name]
        done = subprocess.run(command, cwd=to.parent, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ToolFailed(f"{compiler.name} could not measure {source.name}: {first_errors(done.stderr)}")

    obj = cached_object(compiler, source, include_dirs, flags, work, make, beside=[".su"] if is_gcc else [])
    frames = _gcc_frames(obj.with_suffix(".su")) if is_gcc else _clang_frames(obj)
    defined, undefined = _symbols(obj)
    return Object(tuple(_sections(obj)), sum(frames), defined, undefined)


def _symbols(obj: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Global symbols that an object defines, and those it needs."""
    with obj.open("rb") as file:
        tables = [s for s in ELFFile(file).iter_sections() if isinstance(s, SymbolTableSection)]
        symbols = [s for table in tables for s in table.iter_symbols() if s["st_info"]["bind"] == "STB_GLOBAL"]
    undefined = frozenset(s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF")
    return frozenset(s.name for s in symbols) - undefined, undefined


def _gcc_frames(usage: Path) -> list[int]:
    """Lines of a .su: function, bytes, kind."""
    return [int(line.split("\t")[1]) for line in usage.read_text().splitlines() if line.strip()]


def _clang_frames(obj: Path) -> list[int]:
    """Entries of .stack_sizes: an address, then the frame as ULEB128 (LLVM, "Emitting function stack size").

    gcc counts the return address that a call pushes on x86; LLVM does not, so it is added here.
    """
    with obj.open("rb") as file:
        elf = ELFFile(file)
        address_bytes = 2 if elf["e_machine"] == "EM_MSP430" else elf.elfclass // 8
        pushed_bytes = address_bytes if elf["e_machine"] in ("EM_X86_64", "EM_386") else 0
        sections = [s.data() for s in elf.iter_sections() if s.name.startswith(".stack_sizes")]
    frames = []
    for data in sections:
        at = 0
        while at < len(data):
            at += address_bytes
            size = shift = 0
            while True:
                byte = data[at]
                at += 1
                size |= (byte & 0x7F) << shift
                shift += 7
                if byte < 0x80:
                    break
            frames.append(size + pushed_bytes)
    return frames


def _sections(obj: Path) -> list[Section]:
    try:
        with obj.open("rb") as file:
            return [
                Section(
                    # Constants that hold addresses are writable only until a loader has relocated them.
                    writable=bool(s["sh_flags"] & _SHF_WRITE) and not s.name.startswith(".data.rel.ro"),
                    executable=bool(s["sh_flags"] & _SHF_EXECINSTR),
                    n_bytes=int(s["sh_size"]),
                )
                for s in ELFFile(file).iter_sections()
                if s["sh_flags"] & _SHF_ALLOC and not s.name.startswith((".eh_frame", ".note"))
            ]
    except ELFError as error:
        raise ToolFailed(
            f"the compiler's object is not ELF: {error}", hint="sizes are measured on ELF machines"
        ) from error


def measure_files(program_name: str, files: Mapping[str, str | bytes]) -> Size:
    """`measure` for generated files that are not on disk yet, with the host's compiler; main.c does not count."""
    with tempfile.TemporaryDirectory(prefix="freeml-size-") as work:
        root = Path(work)
        for name, content in files.items():
            if name.endswith((".c", ".h")):
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        sources = [root / f"{program_name}.c", *sorted((root / "runtime").glob("*.c"))]
        # The host's stand-in for a board is no part of a firmware: only its header is needed.
        return measure(find_host_compiler(), sources, [root, root / "runtime"])
