"""The folder that `freeml compile` writes stands on its own: same input, same bytes; it builds, links and answers."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from freeml.firmware.host import build_host_program
from freeml.firmware.toolchain import find_host_compiler
from freeml.ir.interpret import encode_inputs, interpret
from freeml.output.folder import Output, read_output
from freeml.sim.check import random_dataset
from tests.cli.models import write_model
from tests.cli.runner import content, freeml
from tests.effort import PATIENCE_S

N_SAMPLES = 50


def codes_and_answers(output: Output, seed: int = 3) -> tuple[bytes, bytes]:
    """Random input codes, sample after sample as main.c reads them, and the interpreter's output bytes."""
    graph = output.graph
    inputs = encode_inputs(graph, random_dataset(graph, N_SAMPLES, seed).real_inputs())
    outputs = interpret(graph, inputs)
    codes = [inputs[port.value][i].tobytes() for i in range(N_SAMPLES) for port in graph.inputs]
    answers = [outputs[port.value][i].tobytes() for i in range(N_SAMPLES) for port in graph.outputs]
    return b"".join(codes), b"".join(answers)


def run(program: Path, data: bytes) -> bytes:
    return subprocess.run([program], input=data, capture_output=True, check=True, timeout=PATIENCE_S).stdout


def sources(*folders: Path) -> list[Path]:
    """The C of compiled folders without main.c, a kernel that several have once."""
    shared = [path for folder in folders for part in ("runtime", "hal") for path in sorted((folder / part).glob("*.c"))]
    runtime = {path.name: path for path in shared}
    models = [path for folder in folders for path in sorted(folder.glob("*.c")) if path.name != "main.c"]
    return [*models, *runtime.values()]


def includes(folder: Path) -> list[Path]:
    return [folder, folder / "runtime", folder / "hal"]


def test_the_same_input_gives_the_same_bytes_wherever_it_runs(
    model: Path, samples: Path, compiled: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "here", tmp_path / "a b" / "there"
    here.mkdir()
    there.mkdir(parents=True)
    shutil.copy(model, there / "tiny.onnx")
    shutil.copy(samples, there / "samples.npz")
    runs = [
        (here, [model, "--data", samples, "-o", here / "out"], "1"),
        (there, ["tiny.onnx", "--data", "samples.npz", "-o", "deep/er/out"], "2"),
    ]
    written = []
    for folder, args, hash_seed in runs:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-m", "freeml", "compile", *map(str, args)]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        written.append(content(next(folder.rglob("out"))))
    assert written[0] == written[1] == content(compiled)


def test_no_file_holds_a_path_of_this_machine(compiled: Path) -> None:
    private = [str(Path.home()), str(compiled.parent), str(Path.cwd()), str(Path(sys.executable).parent), "/usr/"]
    for name, data in content(compiled).items():
        found = [place for place in private if place != "/" and place.encode() in data]
        assert not found, f"{name} holds {found}"


def test_main_reads_codes_and_writes_the_interpreters_bytes(compiled: Path, tmp_path: Path) -> None:
    codes, answers = codes_and_answers(read_output(compiled))
    program = build_host_program(
        [*sources(compiled), compiled / "main.c"],
        includes(compiled),
        tmp_path / "tiny",
        sanitize=() if find_host_compiler().kind == "zig" else ("address", "undefined"),
    )
    assert run(program, codes) == answers
    assert run(program, codes[:-1]) == answers[: -len(answers) // N_SAMPLES]
    assert run(program, b"") == b""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_its_makefile_builds_it(compiled: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(compiled, folder)
    compiler = find_host_compiler()
    command = ["make", f"CC={' '.join(compiler.command)}"]
    subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=PATIENCE_S)
    codes, answers = codes_and_answers(read_output(compiled))
    assert run(folder / "tiny", codes) == answers
    subprocess.run(["make", "clean"], cwd=folder, capture_output=True, check=True)
    assert content(folder) == content(compiled)


_TWO = """
#include <stdio.h>
#include "fml_hal_host.h"
#include "first.h"
#include "second.h"

static first_nvm_t a;
static second_nvm_t b;
static uint32_t sram_a[FIRST_SRAM_BYTES], sram_b[SECOND_SRAM_BYTES];
static int8_t sample[36];
static const int8_t *const inputs[1] = {sample};

int main(void)
{
    fml_ram_t first, second;
    fml_host_set_inputs(inputs);
    fml_boot(&first, &first_model, a.bytes, sram_a);
    fml_boot(&second, &second_model, b.bytes, sram_b);
    while (fread(sample, 1, sizeof sample, stdin) == sizeof sample) {
        fml_infer(&first);
        fml_infer(&second);
        fwrite(fml_output(&first, 0), 1, first_model.outputs[0].n_bytes, stdout);
        fwrite(fml_output(&second, 0), 1, second_model.outputs[0].n_bytes, stdout);
    }
    return 0;
}
"""


def test_two_models_link_into_one_program(samples: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for seed, (folder, name) in enumerate(zip(folders, ("first", "second"), strict=True)):
        model = write_model(tmp_path / f"{seed}.onnx", seed)
        assert freeml("compile", model, "--data", samples, "--name", name, "-o", folder).code == 0
    main = tmp_path / "main.c"
    main.write_text(_TWO)
    headers = [path for folder in folders for path in includes(folder)]
    program = build_host_program([main, *sources(*folders)], headers, tmp_path / "both")

    graphs = [read_output(folder).graph for folder in folders]
    codes = np.random.default_rng(5).integers(-128, 128, (N_SAMPLES, 6, 6, 1), dtype=np.int8)
    columns = [interpret(graph, {graph.inputs[0].value: codes})[graph.outputs[0].value] for graph in graphs]
    assert run(program, codes.tobytes()) == np.concatenate(columns, axis=1).tobytes()
    assert (columns[0] != columns[1]).any()


_PAINTED = """
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include "fml_hal_host.h"
#include "tiny.h"

#define N_STACK (256u * 1024u)

static tiny_nvm_t nvm;
static uint32_t sram[TINY_SRAM_BYTES];
static int8_t sample[256];
static const int8_t *const inputs[1] = {sample};

static void infer(void)
{
    fml_ram_t ram;
    fml_boot(&ram, &tiny_model, nvm.bytes, sram);
    fml_infer(&ram);
}
static _Alignas(4096) unsigned char stack[N_STACK];

__attribute__((noinline)) static void nothing(void) { __asm__ volatile(""); }

static void *body(void *busy)
{
    if (busy) { infer(); } else { nothing(); }
    return busy;
}

static size_t depth(void *busy)
{
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;
    for (size_t i = 0; i < N_STACK; i++) { stack[i] = 0xA5; }
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, N_STACK);
    pthread_create(&thread, &attributes, body, busy);
    pthread_join(thread, NULL);
    while (untouched < N_STACK && stack[untouched] == 0xA5) { untouched++; }
    return N_STACK - untouched;
}

int main(void)
{
    fml_host_set_inputs(inputs);
    infer(); /* the loader binds functions at their first call, on this stack */
    size_t without = depth(NULL) - sizeof(void *); /* nothing() has a return address and no more */
    printf("%zu\\n", depth(&nvm) - without);
    return 0;
}
"""


@pytest.mark.skipif(sys.platform != "linux", reason="paints the stack of a POSIX thread")
def test_the_stack_never_goes_deeper_than_the_manifest_says(compiled: Path, tmp_path: Path) -> None:
    compiler = find_host_compiler()
    main = tmp_path / "painted.c"
    main.write_text(_PAINTED)
    flags = [*compiler.host_flags, "-Os", "-std=c11", "-D_GNU_SOURCE", "-Wno-error", "-pthread"]
    program = compiler.compile(
        [main, *sources(compiled)], includes(compiled), tmp_path / "painted", flags, shared=False
    )
    depth = int(run(program, b""))
    bound = int(read_output(compiled).manifest.memory.stack_bytes)
    # zig brings its own memset and memcpy, which keep frames; the bound is without the C library.
    assert 0 < depth <= bound + (64 if compiler.kind == "zig" else 0)
    assert depth >= bound // 4, "a bound that loose says nothing"


def test_compiling_over_an_output_replaces_all_of_it(model: Path, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("before", "after"):
        assert freeml("compile", model, "--data", samples, "--name", name, "-o", out).code == 0
    assert (out / "after.c").is_file()
    assert not (out / "before.c").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
