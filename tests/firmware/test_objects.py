"""Objects that are kept: made once, and again whenever anything that they are made of changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from freeml.firmware.objects import cached_object
from freeml.firmware.size import measure
from freeml.firmware.toolchain import Compiler, find_host_compiler

OPTIONS = ("-O2", "-c")


class Maker:
    """A source with its headers, and how often its object was made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.times, self.number = folder, 0, 0
        for name in ("near", "far"):
            (folder / name).mkdir(parents=True)
        self.write("a.c", '#include "one.h"\n#include <stdint.h>\nint a(void) { return ONE; }\n')
        self.write("near/one.h", '#  include "two.h"\n#define ONE TWO\n')
        self.write("far/two.h", "#define TWO 2\n")
        self.write("far/other.h", "#define OTHER 3\n")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def object(self, options: Sequence[str] = OPTIONS, compiler: Compiler | None = None) -> Path:
        """The object, as bytes that tell which making it is of."""

        def make(to: Path) -> None:
            self.times += 1
            to.write_text(f"made {self.times}")

        work = self.folder / "work"
        work.mkdir(exist_ok=True)
        includes = [self.folder / "near", self.folder / "far"]
        return cached_object(compiler or find_host_compiler(), self.folder / "a.c", includes, options, work, make)


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setenv("FREEML_CACHE", str(tmp_path / "cache"))
    return Maker(tmp_path / "project")


def test_an_object_is_made_once(maker: Maker) -> None:
    first = maker.object()
    maker.write("far/other.h", "#define OTHER 4\n")  # nobody includes it
    assert (maker.object(), maker.times, first.read_text()) == (first, 1, "made 1")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.c", '#include "one.h"\nint a(void) { return -ONE; }\n'),
        ("near/one.h", '#include "two.h"\n#define ONE -TWO\n'),
        ("far/two.h", "#define TWO 3\n"),
        ("near/two.h", "#define TWO 4\n"),  # found before the other of its name
        ("far/stdint.h", "typedef int int32_t;\n"),
    ],
)
def test_an_object_is_made_again_when_anything_that_it_may_include_changes(maker: Maker, name: str, text: str) -> None:
    before = maker.object()
    maker.write(name, text)
    assert maker.object() != before
    assert maker.times == 2


def test_what_a_compiler_writes_beside_an_object_is_kept_with_it(maker: Maker) -> None:
    def make(to: Path) -> None:
        assert not to.exists(), "made once"
        to.write_text("object")
        to.with_suffix(".su").write_text("frames")

    where = (find_host_compiler(), maker.folder / "a.c", [], OPTIONS, maker.folder)
    for _ in range(2):
        kept = cached_object(*where, make, beside=[".su"])
        assert (kept.read_text(), kept.with_suffix(".su").read_text()) == ("object", "frames")


def test_sizes_are_read_of_kept_objects_as_of_new_ones(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = find_host_compiler()
    first = measure(compiler, [maker.folder / "a.c"], [maker.folder / "near", maker.folder / "far"])
    assert first.code_bytes > 0
    assert first.stack_bytes > 0
    monkeypatch.setattr("freeml.firmware.size.subprocess.run", lambda *_, **__: pytest.fail("compiled again"))
    assert measure(compiler, [maker.folder / "a.c"], [maker.folder / "near", maker.folder / "far"]) == first


def test_compilers_and_options_have_objects_of_their_own(maker: Maker) -> None:
    other = Compiler("cc", ("cc",), "another", "gcc")
    made = {maker.object(), maker.object(("-O3", "-c")), maker.object(compiler=other)}
    assert (len(made), maker.times) == (3, 3)


def test_a_header_whose_name_is_a_macro_is_read_by_the_compiler_alone(maker: Maker) -> None:
    maker.write("a.c", "#include ONE\n")
    assert maker.object() == maker.object() == maker.folder / "work" / "a.c.o"
    assert maker.times == 2


def test_without_a_usable_cache_folder_objects_are_made_all_the_same(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("FREEML_CACHE", str(tmp_path / "file"))
    assert maker.object().read_text() == "made 1"


def test_an_object_that_could_not_be_made_is_not_kept(maker: Maker) -> None:
    def fails(to: Path) -> None:
        to.write_text("half")
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        cached_object(find_host_compiler(), maker.folder / "a.c", [], OPTIONS, maker.folder / "near", fails)
    assert (
        cached_object(
            find_host_compiler(), maker.folder / "a.c", [], OPTIONS, maker.folder, lambda to: to.touch()
        ).read_text()
        == ""
    )
