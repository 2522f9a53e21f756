"""The command line: parse, call the layers below, print.

Each command is one file. Here is what they share from the outside: how a command is found, and how every way in which
it can end becomes an exit code. 0: done; 1: an error the user can act on, in at most three lines; 2: wrong usage; 130:
interrupted. A module of a command imports only click at its top, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence

import click

from freeml.cli.analyze import analyze
from freeml.cli.boards import boards
from freeml.cli.build import build
from freeml.cli.compile import compile_command
from freeml.cli.compress import compress_command
from freeml.cli.data import data
from freeml.cli.demo import demo
from freeml.cli.doctor import doctor
from freeml.cli.flash import flash
from freeml.cli.inspect import inspect
from freeml.cli.profile import profile
from freeml.cli.report import report_command
from freeml.cli.simulate import simulate_command
from freeml.cli.terminal import Terminal
from freeml.cli.traces import traces
from freeml.cli.tune import tune
from freeml.cli.verify import verify
from freeml.errors import BadModel, FreemlError, ToolMissing
from freeml.version import __version__

COMMANDS = (
    demo,
    inspect,
    analyze,
    compress_command,
    compile_command,
    verify,
    build,
    profile,
    simulate_command,
    tune,
    report_command,
    flash,
    traces,
    boards,
    data,
    doctor,
)


class _InOrder(click.Group):
    """Lists commands in the order of use, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it by this name
        return list(self.commands)


@click.group(
    cls=_InOrder,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: freeml demo",
)
@click.version_option(__version__, prog_name="freeml", message="%(prog)s %(version)s")
def cli() -> None:
    """Compile pre-trained networks to verified integer C for devices without a battery."""


for _command in COMMANDS:
    cli.add_command(_command)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. Nothing but a bug of the interpreter itself leaves as an exception."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="replace")  # a terminal that lacks a sign shows "?", not a traceback
    terminal = Terminal()
    try:
        with warnings.catch_warnings():
            if not sys.warnoptions:
                warnings.simplefilter("ignore")
            code = cli.main(args=argv, prog_name="freeml", standalone_mode=False, obj=terminal)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except SystemExit as stop:  # click ends so when nobody reads standard output any more
        return stop.code if isinstance(stop.code, int) else 1
    except click.exceptions.Abort:  # click turns KeyboardInterrupt into it
        terminal.fail_interrupted()
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        terminal.fail(_for_user(error))
        return 1


def _for_user(error: Exception) -> FreemlError:
    """What the user is told about an exception; those that are not theirs to mend are called bugs."""
    if os.environ.get("FREEML_TRACEBACK"):
        traceback.print_exception(error)
    if isinstance(error, FreemlError):
        return error
    if isinstance(error, RecursionError):
        return BadModel("the input is nested too deeply", hint="this is no network that freeml can compile")
    if isinstance(error, MemoryError):
        return BadModel("not enough memory", hint="take a smaller model, or fewer samples with --samples")
    if isinstance(error, ModuleNotFoundError) and not (error.name or "freeml").startswith("freeml"):
        hint = "`freeml doctor` shows what is missing, and how to get it"
        return ToolMissing(f"the package {error.name} is not installed", hint=hint)
    if isinstance(error, OSError) and error.strerror:
        return FreemlError(error.strerror, where=str(error.filename or ""))
    return FreemlError(
        f"internal error: {type(error).__name__}: {error}",
        hint="this is a bug of freeml; run again with FREEML_TRACEBACK=1 and report what it prints",
    )
