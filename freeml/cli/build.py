"""`freeml build`: from a compiled folder to the firmware that is flashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from freeml.cli.options import json_option, toolchain_option
from freeml.cli.terminal import Terminal

if TYPE_CHECKING:
    from freeml.firmware.build import Toolchain


@click.command("build", short_help="Build the firmware of a compiled folder.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT")
@toolchain_option
@json_option
@click.pass_obj
def build(terminal: Terminal, out: Path, toolchain: Toolchain) -> None:
    """Compile and link the C in OUT for the board it was compiled for; writes OUT/build/NAME.elf.

    \b
    Example:
      freeml compile model.onnx --board qemu_m4 --data mnist -o out
      freeml build out
      freeml verify out --data mnist --engine board
    """
    from freeml.firmware.build import build_firmware
    from freeml.output.folder import read_output

    output = read_output(out)
    with terminal.steps() as progress:
        progress("build the firmware")
        made = build_firmware(output, out / "build" / f"{output.graph.name}.elf", toolchain)
    size = made.firmware.size
    found = {
        "elf": str(made.firmware.path),
        "core": made.memory.core,
        "compiler": made.compiler.version,
        **asdict(size),
        "flash_bytes": size.flash_bytes,
        "ram_bytes": size.ram_bytes,
        "weights_bytes": output.manifest.memory.weights_bytes,
        "code_bytes": size.text_bytes + size.far_bytes - output.manifest.memory.weights_bytes,
    }
    terminal.result(found)
    if not terminal.as_json:
        memory = made.memory
        limits = {"flash": memory.flash_bytes, "ram": memory.ram_bytes - memory.stack_bytes, "nvm": memory.nvm_bytes}
        if memory.family.has_far_memory:  # one FRAM: all but weights below 64 KB
            near_bytes = memory.flash_bytes - size.nvm_bytes
            limits |= {"flash": near_bytes + memory.far_bytes, "nvm": memory.flash_bytes - size.text_bytes}
        show_build(terminal, found, limits)


def show_build(terminal: Terminal, found: Mapping[str, Any], limits: Mapping[str, int]) -> None:
    """What each memory takes, and where the file is."""
    from freeml.cli import tables

    terminal.show(tables.heading(found["elf"], f"{found['core']}, {found['compiler']}"))
    contents = {
        "flash": f"{found['code_bytes']:,} code and tables of the runtime, {found['weights_bytes']:,} weights",
        "ram": "without the stack",
        "nvm": "kept without power",
    }
    regions = tables.table("memory", "bytes", "of", "", "what", right=(1, 2), elastic=(4,))
    for name, limit in limits.items():
        n_bytes = found[f"{name}_bytes"]
        regions.add_row(name, f"{n_bytes:,}", f"{limit:,}", tables.bar(n_bytes, limit), contents[name])
    terminal.show(regions)
