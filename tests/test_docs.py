"""The documents do what they say: examples in docstrings run, commands exist, files that are named are there."""

from __future__ import annotations

import ast
import doctest
import importlib
import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from freeml.cli import cli

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")]
DOCUMENTS += [*sorted((ROOT / "examples").rglob("README.md")), ROOT / "runtime_c" / "README.md"]
MODULES = sorted(
    path.relative_to(ROOT).as_posix().removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    for path in (ROOT / "freeml").rglob("*.py")
    if path.name != "__main__.py" and "_data" not in path.parts
)


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def code_blocks(path: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def commands(path: Path) -> list[str]:
    """Calls of freeml in blocks and in `inline code`, one simple command each."""
    text = path.read_text()
    lines = [line.strip() for _, block in code_blocks(path) for line in block.splitlines()]
    inline = re.findall(r"`(freeml [^`\n]*)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    simple = [part.strip() for line in (*lines, *inline) for part in line.split("&&")]
    found = [part.removeprefix("$ ") for part in simple]
    return [part for part in found if part.startswith("freeml ")]


ALL_COMMANDS = [
    (path.relative_to(ROOT).as_posix(), line) for path in DOCUMENTS if path.exists() for line in commands(path)
]


def test_the_readme_shows_commands() -> None:
    assert len([line for name, line in ALL_COMMANDS if name == "README.md"]) >= 4


@pytest.mark.parametrize(("document", "line"), ALL_COMMANDS)
def test_a_command_in_a_document_parses(document: str, line: str) -> None:
    """Every word is a command, an option of it, or one of as many arguments as it takes; files need not exist."""
    command: click.Command = cli
    context = click.Context(cli)
    words = shlex.split(line, comments=True)[1:]
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, f"{document}: no command in: {line}"
        command = found
    options = {name: p for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}
    arguments = [p for p in command.params if isinstance(p, click.Argument)]
    positional = []
    while words:
        word, _, value = words.pop(0).partition("=")
        if word.startswith("-"):
            assert word in options or word == "--help", f"{document}: {command.name} has no option {word}"
            if word in options and not options[word].is_flag and not value:
                assert words, f"{document}: {word} needs a value"
                words.pop(0)
        else:
            positional.append(word)
    most = sum(a.nargs for a in arguments) if all(a.nargs > 0 for a in arguments) else len(positional)
    least = sum(a.nargs for a in arguments if a.required and a.nargs > 0)
    assert len(positional) <= most, f"{document}: {command.name} takes no {positional[most:]}"
    # Prose may name a command, or an option of it, without any argument: `freeml data`, `freeml verify --engine NAME`.
    assert len(positional) >= least or not positional, f"{document}: {command.name} needs {least} arguments"


def all_commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    for name in group.list_commands(click.Context(group)):
        child = group.get_command(click.Context(group), name)
        found += all_commands(child, (*path, name)) if isinstance(child, click.Group) else [(*path, name)]
    return found


@pytest.mark.parametrize("path", all_commands(cli), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*path, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.exists()], ids=lambda path: path.parent.name + "/" + path.name
)
def test_files_that_a_document_names_are_there(document: Path) -> None:
    text = document.read_text()
    named = set(re.findall(r"`((?:freeml|tests|runtime_c|templates|boards|examples|benchmarks)/[\w./-]+)`", text))
    linked = set(re.findall(r"\]\(([^)#:]+)\)", text))
    missing = [name for name in named if not (ROOT / name).exists() and not (document.parent / name).exists()]
    missing += [link for link in linked if not (document.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize(
    "document", [path for path in DOCUMENTS if path.exists()], ids=lambda path: path.parent.name + "/" + path.name
)
def test_python_in_a_document_imports_what_exists(document: Path) -> None:
    for language, block in code_blocks(document):
        if language != "python":
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("freeml"):
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), block


def test_targets_of_make_that_the_readme_names_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for block in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE):
        assert re.search(rf"^{block}:", makefile, flags=re.MULTILINE), f"no target {block}"
