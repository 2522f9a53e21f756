from __future__ import annotations

import ctypes
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from freeml.errors import ToolFailed, ToolMissing
from freeml.firmware.host import build_host_library, build_host_program, cache_dir
from freeml.firmware.toolchain import Compiler, find_host_compiler, find_zig, first_errors

ANSWER = "int answer(void);\nint answer(void) { return 42; }\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FREEML_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("FREEML_CC", raising=False)
    monkeypatch.delenv("CC", raising=False)
    return tmp_path / "cache"


def source(folder: Path, text: str = ANSWER, name: str = "answer.c") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    return path


def fake_compiler(folder: Path, script: str, name: str = "cc") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def builds_in(cache: Path) -> list[Path]:
    return [path for path in (cache / "build").rglob("*") if path.is_file()]


# --- finding ---------------------------------------------------------------------------------------------------------


def test_freeml_cc_forces_zig_even_where_another_compiler_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEML_CC", "zig")
    assert find_host_compiler().kind == "zig"


def test_freeml_cc_takes_a_command_with_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_compiler(tmp_path / "bin", "echo 'my gcc 1.0'", "mycc")
    monkeypatch.setenv("FREEML_CC", f"{path} -m32")
    assert find_host_compiler() == Compiler("mycc", (str(path), "-m32"), "my gcc 1.0", "gcc")


def test_a_forced_compiler_that_does_not_exist_is_an_error_not_a_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEML_CC", "/nowhere/gcc")
    with pytest.raises(ToolMissing, match="/nowhere/gcc"):
        find_host_compiler()


def test_a_compiler_on_path_goes_before_zig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_compiler(tmp_path / "bin", "echo 'clang version 99'", "clang")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_host_compiler().kind == "clang"


def test_a_compiler_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_compiler(tmp_path / "bin", "exit 1", "gcc")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_host_compiler().kind == "zig"


def test_without_any_compiler_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("freeml.firmware.toolchain.find_zig", lambda: None)
    with pytest.raises(ToolMissing) as caught:
        find_host_compiler()
    assert "pip install ziglang" in caught.value.hint


def test_a_compiler_knows_its_version() -> None:
    zig = find_zig()
    assert zig is not None
    assert zig.command[0] == sys.executable
    assert zig.version.startswith("zig ")


# --- compiling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chosen", ["", "zig"])
def test_a_library_built_here_can_be_called(chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREEML_CC", chosen)
    library = build_host_library([source(tmp_path)], [], tmp_path / "answer.so")
    assert ctypes.CDLL(str(library)).answer() == 42


@pytest.mark.parametrize("chosen", ["", "zig"])
def test_the_same_source_gives_the_same_bytes_in_any_folder(
    chosen: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FREEML_CC", chosen)
    text = "const char *where(void);\nconst char *where(void) { return __FILE__ __DATE__; }\n"
    built = []
    for place in ("here", "there"):
        path = source(tmp_path / place / "src", text)
        out = find_host_compiler().compile([path], [], tmp_path / place / "out.o", ["-c", "-g"], shared=False)
        built.append(out.read_bytes())
    assert built[0] == built[1]
    assert str(tmp_path).encode() not in built[0]


def test_warnings_are_errors_and_the_message_is_the_compilers(tmp_path: Path) -> None:
    path = source(tmp_path, "char narrow(int v);\nchar narrow(int v) { return v; }\n")
    with pytest.raises(ToolFailed, match="conversion"):
        build_host_library([path], [], tmp_path / "out.so")


def test_a_failed_build_leaves_the_old_output(tmp_path: Path, own_cache: Path) -> None:
    out = build_host_library([source(tmp_path)], [], tmp_path / "out.so")
    before = out.read_bytes()
    with pytest.raises(ToolFailed):
        build_host_library([source(tmp_path, "broken")], [], out)
    assert out.read_bytes() == before
    assert len(builds_in(own_cache)) == 1


def test_the_first_errors_are_told_and_no_more() -> None:
    noise = "In file included from x.h:1:\n"
    diagnostics = noise + "".join(f"a.c:{i}:1: error: number {i}\n  code\n  ^\n" for i in range(9))
    assert first_errors(diagnostics) == "a.c:0:1: error: number 0; a.c:1:1: error: number 1; a.c:2:1: error: number 2"


# --- the build cache -------------------------------------------------------------------------------------------------


def test_a_second_build_runs_no_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = source(tmp_path)
    first = build_host_library([path], [], tmp_path / "first.so").read_bytes()
    monkeypatch.setattr(Compiler, "compile", lambda *_args, **_kwargs: pytest.fail("compiled again"))
    assert build_host_library([path], [], tmp_path / "second.so").read_bytes() == first


def test_a_changed_header_is_a_new_build(tmp_path: Path) -> None:
    header = source(tmp_path / "include", "#define ANSWER 1\n", "answer.h")
    path = source(tmp_path, '#include "answer.h"\nint answer(void);\nint answer(void) { return ANSWER; }\n')
    for value in (1, 2):
        header.write_text(f"#define ANSWER {value}\n")
        out = build_host_library([path], [header.parent], tmp_path / f"out{value}.so")
        assert ctypes.CDLL(str(out)).answer() == value


def test_options_and_compilers_have_builds_of_their_own(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source(tmp_path)
    build_host_library([path], [], tmp_path / "a.so")
    build_host_library([path], [], tmp_path / "b.so", optimise="-Os")
    build_host_library([path], [], tmp_path / "c.so", sanitize=("undefined",), optimise="-O1")
    monkeypatch.setenv("FREEML_CC", "zig")
    build_host_library([path], [], tmp_path / "d.so")
    assert len(builds_in(own_cache)) == 4


def test_builds_at_the_same_time_all_succeed_and_leave_one_entry(tmp_path: Path, own_cache: Path) -> None:
    path = source(tmp_path)
    with ThreadPoolExecutor(6) as pool:
        outputs = list(pool.map(lambda i: build_host_library([path], [], tmp_path / f"{i}.so"), range(6)))
    assert len({out.read_bytes() for out in outputs}) == 1
    assert len(builds_in(own_cache)) == 1


def test_without_a_usable_cache_folder_it_builds_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FREEML_CACHE", str(tmp_path / "file"))
    assert build_host_library([source(tmp_path)], [], tmp_path / "out.so").exists()


def test_a_program_can_be_run(tmp_path: Path) -> None:
    program = build_host_program([source(tmp_path, "int main(void) { return 7; }\n")], [], tmp_path / "program")
    assert os.waitstatus_to_exitcode(os.system(str(program))) == 7


def test_the_cache_folder_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache_dir() == tmp_path / "cache"
    monkeypatch.delenv("FREEML_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "freeml"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_dir() == Path.home() / ".cache" / "freeml"
