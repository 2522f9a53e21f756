"""Code, data and stack of every file that goes into a firmware, by compiler: growth is a difference that is reviewed.

Each file is compiled alone, with the options of a firmware. The tables are of one version of a compiler, which their
first line names: another version is another table.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from fixed_graphs import every_kernel

from freeml.board.board import load_board
from freeml.board.memory import MemoryMap
from freeml.c_files import c_files
from freeml.codegen.emit import kernel_file
from freeml.errors import ToolMissing
from freeml.firmware.build import find_cross_compiler, object_flags
from freeml.firmware.size import measure
from freeml.firmware.toolchain import Compiler
from freeml.plan.planner import lay_out
from freeml.plan.tiles import plan_tiles
from freeml.plan.windows import whole_windows
from freeml.resources import resource
from tests.msp430.oracle import find_toolchain

TABLES = Path(__file__).resolve().parents[1] / "golden" / "sizes"
KERNELS = {"msp430": "msp430fr5994", "armv6m": "qemu_m0", "armv7em": "qemu_m4", "portable": "qemu_m4"}
"""Of each variant a board to compile it for; portable kernels are those of a Cortex-M3."""
BOARDS = ("msp430fr5994", "qemu_m4", "nucleo_l476rg", "nucleo_l073rz", "nucleo_u575zi_q", "nrf52840_dk")
"""Of each kind of board support one, for runtime and drivers."""

find_toolchain()  # unpacks the archive with MSP430's GCC into the cache folder, where there is one


def folder_of(board_name: str, folder: Path) -> MemoryMap:
    """A board's folder with a model that calls every kernel, written below `folder`."""
    board = load_board(board_name)
    graph, plan = lay_out(every_kernel())
    tiles = plan_tiles(graph, plan, board, sram_tile_bytes=2048)
    _, files = c_files(graph, plan, tiles, board, header=(), windows=whole_windows(graph))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert board.memory_map is not None
    return board.memory_map


def kernels_of(variant: str) -> list[Path]:
    """Every kernel as this variant has it, parts of products too."""
    names = sorted(path.stem for path in resource("runtime_c", "kernels", "portable").glob("*.c"))
    return [kernel_file(name, variant) for name in names]


def support_of(board: str, folder: Path) -> list[Path]:
    """Runtime, drivers, start-up and main."""
    return [*sorted(resource("runtime_c", "src").glob("*.c")), *sorted((folder / "firmware").glob("*.c"))]


def compiler_for(toolchain: str, memory: MemoryMap) -> Compiler:
    try:
        return find_cross_compiler(toolchain, memory)  # type: ignore[arg-type]
    except ToolMissing as missing:
        pytest.skip(f"{missing.what}: {missing.hint}")


def table(compiler: Compiler, memory: MemoryMap, sources: list[Path], includes: list[Path]) -> str:
    flags = object_flags(compiler, memory)
    lines = [f"# {compiler.version}", f"{'file':26s} {'code':>6s} {'data':>6s} {'stack':>6s}"]
    for source in sources:
        size = measure(compiler, [source], includes, flags)
        data_bytes = size.flash_bytes - size.code_bytes + size.ram_bytes
        lines.append(f"{source.name:26s} {size.code_bytes:6d} {data_bytes:6d} {size.stack_bytes:6d}")
    return "\n".join(lines) + "\n"


def compare(found: str, name: str, update_golden: bool) -> None:
    path = TABLES / f"{name}.txt"
    if update_golden:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(found)
    kept = path.read_text() if path.is_file() else ""
    assert kept, "there is no such table: look at the sizes, then run with --update-golden"
    is_other = kept.splitlines()[0] != found.splitlines()[0]
    if is_other and os.environ.get("CI") != "true":
        pytest.skip(f"the table is of another compiler, {kept.splitlines()[0]}")
    assert found == kept, f"{path.name} changed: look at the difference, then run with --update-golden"


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("variant", sorted(KERNELS))
def test_kernels_take_what_was_reviewed(variant: str, toolchain: str, tmp_path: Path, update_golden: bool) -> None:
    memory = folder_of(KERNELS[variant], tmp_path)
    if variant == "portable":
        memory = replace(memory, core="cortex-m3")
    compiler = compiler_for(toolchain, memory)
    includes = [resource("runtime_c", "kernels") / variant, resource("runtime_c", "include")]
    compare(table(compiler, memory, kernels_of(variant), includes), f"kernels-{variant}-{toolchain}", update_golden)


@pytest.mark.parametrize("toolchain", ["zig", "gcc"])
@pytest.mark.parametrize("board", BOARDS)
def test_runtime_and_drivers_take_what_was_reviewed(
    board: str, toolchain: str, tmp_path: Path, update_golden: bool
) -> None:
    memory = folder_of(board, tmp_path)
    compiler = compiler_for(toolchain, memory)
    includes = [tmp_path, tmp_path / "runtime", tmp_path / "firmware"]
    sources = support_of(board, tmp_path)
    compare(table(compiler, memory, sources, includes), f"runtime-{board}-{toolchain}", update_golden)


def test_a_file_that_grows_changes_its_table(tmp_path: Path) -> None:
    """What the tables are there for: two more instructions, a larger table and a deeper stack are each seen."""
    memory = folder_of("qemu_m4", tmp_path)
    compiler = compiler_for("zig", memory)
    includes = [tmp_path / "runtime"]
    source = tmp_path / "fml_crc16.c"
    source.write_text((resource("runtime_c", "src") / "fml_crc16.c").read_text())
    rows = [table(compiler, memory, [source], includes).splitlines()[2].split()]
    text = source.read_text()
    for more in (
        "int fml_more(int x); int fml_more(int x) { return x * x + 3; }\n",
        "extern const int fml_more[9]; const int fml_more[9] = {1};\n",
        "void fml_use(int *x); void fml_more(void); void fml_more(void) { int x[50]; fml_use(x); }\n",
    ):
        source.write_text(text + more)
        rows.append(table(compiler, memory, [source], includes).splitlines()[2].split())
    _, code, data, stack = zip(*rows, strict=True)
    assert int(code[1]) > int(code[0])
    assert int(data[2]) == int(data[0]) + 36
    assert int(stack[3]) >= int(stack[0]) + 200
