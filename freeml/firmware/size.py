"""Flash and stack of a model's C, read from what the compiler made: section sizes, and its own list of frame sizes.

Flash is every allocated read-only section of the objects: code, tables, descriptors. The stack figure is an upper bound:
the frames of run and step, and of one kernel with all static helpers of its file, as nothing recurses.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from freeml.errors import ToolFailed
from freeml.firmware.toolchain import Compiler, find_host_compiler, first_errors

_SHF_WRITE, _SHF_ALLOC, _SHF_EXECINSTR = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Section:
    """A section that takes memory on the target."""

    writable: bool
    executable: bool
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Size:
    """flash_bytes of which code_bytes are instructions; ram_bytes is mutable static data (must be 0); stack_bytes."""

    flash_bytes: int
    code_bytes: int
    ram_bytes: int
    stack_bytes: int
    compiler: str


def measure(compiler: Compiler, sources: Sequence[Path], include_dirs: Sequence[Path], optimise: str = "-Os") -> Size:
    """Compile each source to an object and add up its sections. Raises ToolFailed where the compiler fails."""
    flash = code = ram = 0
    frames: dict[str, int] = {}
    for source in sources:
        with tempfile.TemporaryDirectory(prefix="freeml-size-") as work:
            sections, frame_bytes = _compiled(compiler, source, include_dirs, optimise, Path(work))
        flash += sum(s.n_bytes for s in sections if not s.writable)
        code += sum(s.n_bytes for s in sections if s.executable)
        ram += sum(s.n_bytes for s in sections if s.writable)
        frames[source.stem] = sum(frame_bytes)
    kernels = [n for stem, n in frames.items() if stem.startswith("fml_")]
    model = [n for stem, n in frames.items() if not stem.startswith("fml_")]
    return Size(flash, code, ram, sum(model) + max(kernels, default=0), compiler.version)


def _compiled(
    compiler: Compiler, source: Path, include_dirs: Sequence[Path], optimise: str, work: Path
) -> tuple[list[Section], list[int]]:
    """Sections of the object of one source, and the frame of each of its functions in bytes."""
    frame_flag = "-fstack-usage" if compiler.kind == "gcc" else "-fstack-size-section"
    flags = [*compiler.host_flags, optimise, "-std=c99", "-fno-asynchronous-unwind-tables", frame_flag, "-c"]
    folders = [f"-I{folder.resolve()}" for folder in include_dirs]
    command = [*compiler.command, *flags, *folders, str(source.resolve()), "-o", "object.o"]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ToolFailed(f"{compiler.name} could not measure {source.name}: {first_errors(done.stderr)}")
    obj = work / "object.o"
    return _sections(obj), _gcc_frames(work) if compiler.kind == "gcc" else _clang_frames(obj)


def _gcc_frames(work: Path) -> list[int]:
    """Lines of NAME.su: function, bytes, kind."""
    lines = [line for path in work.glob("*.su") for line in path.read_text().splitlines() if line.strip()]
    return [int(line.split("\t")[1]) for line in lines]


def _clang_frames(obj: Path) -> list[int]:
    """Entries of .stack_sizes: an address, then the frame as ULEB128. LLVM's documentation, "Emitting function stack size"."""
    with obj.open("rb") as file:
        elf = ELFFile(file)
        address_bytes = elf.elfclass // 8
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
            frames.append(size)
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
        raise ToolFailed(f"the compiler's object is not ELF: {error}", hint="sizes are measured on ELF machines") from error


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
        return measure(find_host_compiler(), sources, [root, root / "runtime"])
