"""Print a Program through the templates: the files of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jinja2

from freeml.board.board import Board
from freeml.board.support import support_files
from freeml.codegen.platformio import Flags, board_json, local_board, project_of, selftest
from freeml.codegen.program import PolicyEntry, Program
from freeml.ir.graph import Graph
from freeml.plan.windows import Windows
from freeml.resources import resource

_TEMPLATES = {
    "{name}.h": "model.h.jinja",
    "{name}.c": "model.c.jinja",
    "{name}_weights.h": "weights.h.jinja",
    "main.c": "main.c.jinja",
    "Makefile": "Makefile.jinja",
}
_ASKED_FOR = ("fml_stage", "fml_policy", "fml_exits")  # of the runtime: what not every program has a use for
_PROJECT = {
    "platformio.ini": "platformio.ini.jinja",
    "freeml_link.py": "freeml_link.py.jinja",
    "test/test_custom_runner.py": "test_custom_runner.py",
    "test/test_selftest/selftest.c": "selftest.c.jinja",
}


def render(program: Program) -> dict[str, str]:
    """The generated files of a model: relative path -> text."""
    environment = _environment()
    made = {
        target.format(name=program.name): environment.get_template(template).render(program=program)
        for target, template in _TEMPLATES.items()
    }
    return made | (policy_files(program.name, program.header, program.policy) if program.policy else {})


def policy_files(name: str, header: Sequence[str], policy: PolicyEntry) -> dict[str, str]:
    """The files of a model's policy: all that another table changes."""
    environment = _environment()
    known = {"name": name, "header": header, "policy": policy}
    return {
        f"runtime/{name}_policy.{end}": environment.get_template(f"policy.{end}.jinja").render(known) for end in "ch"
    }


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(resource("templates"))),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,
    )


def firmware_files(
    program: Program,
    board: Board,
    capacitor_uf: float | None = None,
    *,
    windows: Windows,
    sends_line: bool = True,
) -> dict[str, str]:
    """What a board's firmware has beside model and runtime: start-up, board interface, linker script, main.

    The templates of its family, and the files of its support. Nothing for a board
    without a memory map.

    capacitor_uf  the board's own where None
    windows         of inputs and outputs
    sends_line      whether each result is a line on the UART
    """
    memory = board.memory_map
    if memory is None:
        return {}
    environment = _environment()
    capacitor = board.capacitor
    known: dict[str, object] = {
        "program": program,
        "board": board,
        "map": memory,
        "windows": windows,
        "sends_line": sends_line,
        "capacitor_nf": round(1000 * (capacitor_uf or (capacitor.capacitor_uf.value if capacitor else 0))),
        "v_off_mv": round(capacitor.v_off_mv.value) if capacitor else 0,
    }
    made = {
        f"firmware/{path.stem}": environment.get_template(f"{board.family}/{path.name}").render(known)
        for path in sorted(resource("templates", board.family).glob("*.jinja"))
    }
    made["firmware/main.c"] = environment.get_template("board_main.c.jinja").render(known)
    return made | {f"firmware/{path.name}": path.read_text() for path in support_files(memory.support)}


def project_files(program: Program, board: Board, graph: Graph, flags: Flags) -> dict[str, str]:
    """What makes the folder a PlatformIO project; nothing for a board without a memory map."""
    memory = board.memory_map
    if memory is None:
        return {}
    environment = _environment()
    made_for = project_of(program.name, board, memory, flags)
    known = {"program": program, "project": made_for, "selftest": selftest(graph)}
    made = {
        target: environment.get_template(f"platformio/{template}").render(known)
        for target, template in _PROJECT.items()
    }
    return made | {f"boards/{local_board(board)}.json": board_json(board, memory)}


def runtime_files(program: Program, kernels: str = "portable") -> dict[str, str]:
    """The part of runtime_c that a program needs: all headers, and the files of the kernels it calls.

    kernels: the folder of runtime_c/kernels whose files come before the portable ones of the same name.
    """
    folder = resource("runtime_c", "kernels") / kernels
    asked = (program.policy.sources if program.policy else frozenset()) | ({"fml_stage"} if program.reads else set())
    headers = sorted((*resource("runtime_c", "include").glob("*.h"), *folder.glob("*.h")))
    runtime = [
        path
        for path in sorted(resource("runtime_c", "src").glob("*.[ch]"))
        if path.stem not in _ASKED_FOR or path.stem in asked
    ]
    sources = [kernel_file(kernel, kernels) for kernel in program.kernels]
    hal = sorted(resource("runtime_c", "hal", "host").glob("fml_hal_host.[ch]"))
    files = {f"runtime/{path.name}": path.read_text() for path in (*headers, *runtime, *sources)}
    return files | {f"hal/{path.name}": path.read_text() for path in hal}


def kernel_file(kernel: str, kernels: str) -> Path:
    """The source of a kernel in a folder of runtime_c/kernels, or the portable one."""
    special = resource("runtime_c", "kernels") / kernels / f"{kernel}.c"
    return special if special.is_file() else resource("runtime_c", "kernels", "portable", f"{kernel}.c")
