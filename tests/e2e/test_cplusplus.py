"""C++ programs use what freeml wrote: its headers are C++ too, and their functions keep the names that the C has."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from freeml.firmware.build import memory_map as memory_of
from freeml.firmware.build import object_flags
from freeml.firmware.host import build_host_library
from freeml.firmware.toolchain import find_zig
from freeml.ir.interpret import interpret
from freeml.output.folder import Output, read_output
from freeml.resources import resource
from tests.cli.models import write_model, write_samples
from tests.cli.runner import freeml
from tests.effort import PATIENCE_S

WARNINGS = ["-Wall", "-Wextra", "-Wconversion", "-Wold-style-cast", "-pedantic", "-Werror"]
ZIG = [sys.executable, "-m", "ziglang", "c++"]
STANDARDS = ["c++11", "c++20"]
APP = """
#include <stdio.h>
#include "fml_hal_host.h"
#include "fml_kernels.h"
#include "fml_stage.h"
#include "NAME.h"

static NAME_nvm_t nvm;
static uint32_t sram[MACRO_SRAM_BYTES / 4 + 1];

int main() {
    int8_t codes[N_BYTES];
    const int8_t *inputs[] = {codes};
    size_t n = fread(codes, 1, sizeof codes, stdin);
    fml_host_set_inputs(inputs);
    fml_ram_t ram;
    fml_boot(&ram, &NAME_model, nvm.bytes, sram);
    fml_result_t result;
    if (n != sizeof codes || fml_infer(&ram) != FML_PUBLISHED) {
        return 1;
    }
    if (fml_result(&NAME_model, nvm.bytes, &result) != FML_OK) {
        return 1;
    }
    printf("%u\\n", static_cast<unsigned>(result.class_index));
    return 0;
}
"""


def compiler() -> list[str]:
    """This machine's, or zig's; the program needs nothing of a C++ library, which zig would have to build first."""
    return ["g++"] if shutil.which("g++") else [*ZIG, "-nostdlib++"]


def compile_cplusplus(command: list[str], *args: str | Path) -> None:
    done = subprocess.run([*command, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Output:
    folder = tmp_path_factory.mktemp("cplusplus")
    freeml(
        "compile",
        write_model(folder / "tiny.onnx"),
        "--data",
        write_samples(folder / "samples.npz"),
        "-o",
        folder / "out",
    )
    return read_output(folder / "out")


@pytest.mark.parametrize("standard", STANDARDS)
def test_a_cplusplus_program_links_and_answers(host: Output, standard: str, tmp_path: Path) -> None:
    graph, name = host.graph, host.graph.name
    n_bytes = sum(graph.types[port.value].size_bytes for port in graph.inputs)
    includes = [host.folder, host.folder / "runtime", host.folder / "hal"]
    sources = [host.folder / f"{name}.c", *sorted((host.folder / "runtime").glob("*.c"))]
    sources += sorted((host.folder / "hal").glob("*.c"))
    library = build_host_library(sources, includes, tmp_path / "libmodel.so", optimise="-O1")
    text = APP.replace("NAME", name).replace("MACRO", name.upper()).replace("N_BYTES", str(n_bytes))
    (tmp_path / "app.cpp").write_text(text)
    codes = np.random.default_rng(7).integers(-128, 128, n_bytes, dtype=np.int8)
    port = graph.inputs[0]
    scores = interpret(graph, {port.value: codes.reshape(1, *graph.types[port.value].shape)})[graph.outputs[0].value]
    program = tmp_path / "app"
    flags = [f"-std={standard}", *WARNINGS, *(f"-I{folder}" for folder in includes)]
    compile_cplusplus(compiler(), *flags, tmp_path / "app.cpp", library, f"-Wl,-rpath,{tmp_path}", "-o", program)
    ran = subprocess.run([program], input=codes.tobytes(), capture_output=True, check=False, timeout=PATIENCE_S)
    assert (ran.returncode, int(ran.stdout)) == (0, int(scores.reshape(-1).argmax()))


@pytest.mark.parametrize("board", ["msp430fr5994", "qemu_m4", "qemu_m0", "nucleo_l476rg", "nrf52840_dk"])
def test_a_boards_main_may_be_cplusplus(board: str, tmp_path: Path) -> None:
    """Compiled as C++, it needs no name that the C beside it does not offer."""
    model = write_model(tmp_path / "tiny.onnx")
    freeml(
        "compile", model, "--data", write_samples(tmp_path / "samples.npz"), "--board", board, "-o", tmp_path / "out"
    )
    output = read_output(tmp_path / "out")
    zig = find_zig()
    assert zig is not None
    flags = [flag for flag in object_flags(zig, memory_of(output)) if not flag.startswith("-std=")]
    includes = [f"-I{output.folder / part}" for part in ("", "runtime", "firmware")]
    made = tmp_path / "main.o"
    strict = [*flags, *WARNINGS[:3], "-Werror", "-fno-exceptions", "-std=c++11"]
    compile_cplusplus(ZIG, *strict, *includes, "-x", "c++", "-c", output.folder / "firmware" / "main.c", "-o", made)
    with made.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        needed = [s.name for s in table.iter_symbols() if s["st_shndx"] == "SHN_UNDEF" and s.name]
    assert "fml_boot" in needed
    assert [name for name in needed if name.startswith("_Z")] == []


def test_every_header_with_a_function_says_that_it_is_c() -> None:
    """A prototype without `static`, or a variable of another file, needs C linkage wherever a C++ file includes it."""
    headers = [*resource("runtime_c").rglob("*.h"), *resource("templates").rglob("*.h.jinja")]
    declares = re.compile(
        r"^(?!static|typedef|#|/|\s|[A-Z_]+\()[\w_][^;{}=()]*\([^;{}]*\)\s*;|^extern .*;", re.MULTILINE
    )
    found = {path.name for path in headers if declares.search(path.read_text()) and "test" not in path.parts}
    assert {"fml_runtime.h", "fml_kernels.h", "fml_hal.h", "model.h.jinja"} <= found
    without = [path.name for path in headers if path.name in found and 'extern "C" {' not in path.read_text()]
    assert without == []
