"""`freeml flash`: a compiled folder's firmware to its board, or to the emulated one, through PlatformIO."""

from __future__ import annotations

from pathlib import Path

import click

from freeml.cli.options import json_option
from freeml.cli.terminal import Terminal


@click.command("flash", short_help="Write the firmware of a compiled folder to its board.")
@click.argument("out", type=click.Path(path_type=Path), metavar="OUT", required=False)
@click.option("--env", metavar="NAME", help="Environment of platformio.ini: the board's own by default, or local.")
@click.option("--port", metavar="PORT", help="Port or probe of the board, where PlatformIO is not to choose.")
@click.option("--setup", is_flag=True, help="Prepare freeml's local platform and print how `pio` finds it.")
@json_option
@click.pass_obj
def flash(terminal: Terminal, out: Path | None, env: str | None, port: str | None, setup: bool) -> None:
    """Build OUT with PlatformIO and write the firmware to its board.

    A real board takes your own PlatformIO, which downloads compiler and upload tool at its first run. The environment
    `local` takes freeml's compiler and emulated board, downloads nothing, and leaves your PlatformIO alone.

    \b
    Example:
      freeml compile model.onnx --board nucleo_l476rg --data mnist -o out
      freeml flash out
      freeml flash out --env local
      eval "$(freeml flash --setup)" && pio test -d out -e local
    """
    if setup != (out is None) or (setup and (env or port)):
        raise click.UsageError("give either OUT or --setup")
    if out is None:
        _set_up(terminal)
        return
    from freeml.cli import tables
    from freeml.firmware.flash import flash as flash_folder

    with terminal.steps() as progress:
        done = flash_folder(out, env, port, progress)
    terminal.result(
        {"environment": done.environment, "board": done.board, "log": str(done.log), "printed": list(done.printed)}
    )
    if not terminal.as_json:
        what = "ran on" if done.environment == "local" else "written to"
        terminal.show(tables.heading(f"{what} {done.board}", str(done.log)), *done.printed)


def _set_up(terminal: Terminal) -> None:
    """Lines that a shell can evaluate."""
    import shlex

    from freeml.firmware.pio import set_up

    with terminal.steps() as progress:
        progress("prepare PlatformIO")
        home = set_up()
    terminal.result({"core": str(home.core), "platform": str(home.platform), "environment": home.environment})
    if not terminal.as_json:
        for name, value in home.environment.items():
            click.echo(f"export {name}={shlex.quote(value)}")
