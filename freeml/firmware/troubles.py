"""What goes wrong when a board is flashed, in the words of the tools that PlatformIO calls, and what helps.

OpenOCD, J-Link, nrfjprog, mspdebug, DSLite, st-flash: each has its own words for the same few troubles. The first entry
that fits is told, so causes come before what follows from them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from freeml.errors import FreemlError, ToolFailed, ToolMissing


@dataclass(frozen=True, slots=True)
class Trouble:
    """A failure that users meet.

    signs  regular expressions, any of which shows it in the output; the first group that matches is {1} of the others
    what   what it is
    hint   what helps; {env} is the environment of platformio.ini
    """

    signs: tuple[str, ...]
    what: str
    hint: str
    error: type[FreemlError] = ToolFailed


_PORT = r"(?:could not|can't|cannot) open (?:port )?'?(/dev/[^\s':,]+|COM\d+)'?.*"
_PACKAGE = r"Could not find (?:the|a version of the) package with "
TROUBLES = (
    Trouble(
        (_PORT + r"(?:Permission ?denied|PermissionError|Access is denied)",),
        "no permission to use the port {1}",
        "join the group that owns it (`sudo usermod -aG dialout $USER`; uucp on some systems) and log in again",
    ),
    Trouble(
        (
            r"LIBUSB_ERROR_ACCESS",
            r"libusb requires write access to USB device nodes",
            r"couldn't open USB device .*Permission denied",
            r"usbutil: .*(?:Operation not permitted|Permission denied)",
            r"unable to open .*insufficient permissions",
        ),
        "the debug probe is there, but this user may not use it: its udev rule is missing",
        "install PlatformIO's udev rules and plug the board in again: "
        "https://docs.platformio.org/en/latest/core/installation/udev-rules.html",
    ),
    Trouble(
        (_PORT + r"(?:resource busy|in use)",),
        "another program uses the port {1}",
        "close serial monitors and debuggers, then try again",
    ),
    Trouble(
        (_PORT + r"(?:No such file|FileNotFound|cannot find the file)",),
        "there is no port {1}",
        "`pio device list` shows those that there are; choose one with --port",
    ),
    Trouble(
        (
            r"InternetConnectionError|HTTPClientError",
            r"not connected to the Internet",
            r"Max retries exceeded",
            r"Could not resolve host|Name or service not known|Temporary failure in name resolution",
        ),
        "PlatformIO cannot reach its registry, where compiler and upload tool of this board come from",
        "connect to the Internet for the first run; `--env local` needs none and takes the emulated board",
        ToolMissing,
    ),
    Trouble(
        (_PACKAGE + r"'(?:[\w-]+/)?freeml\b[^']*' requirements",),
        "this PlatformIO does not know freeml's local platform",
        "`freeml flash OUT --env local` prepares one; `freeml flash --setup` prints how `pio` finds it",
        ToolMissing,
    ),
    Trouble(
        (_PACKAGE + r"'([^']+)' requirements",),
        "PlatformIO finds no package {1} for this machine",
        "`pio upgrade` may help; where its registry has none for this system, install the tool by hand",
        ToolMissing,
    ),
    Trouble(
        (
            r"(?:sh|bash): (?:\d+: |line \d+: )?([\w.+-]+): (?:command )?not found",
            r"'([\w.+-]+)' is not recognized as an internal or external command",
            r"\[Errno 2\] No such file or directory: '([\w.+-]+)'",
            r"^\s*([\w.+-]+): No such file or directory$",
            r"(libmsp430\.so): cannot open shared object file",
        ),
        "the upload tool {1} is not installed",
        "`pio pkg install -e {env}` in OUT gets a board's tools; those of a vendor are installed by hand",
        ToolMissing,
    ),
    Trouble(
        (r"FET firmware update is required",),
        "the debug probe on the board has firmware that is too old for the tool",
        "run `mspdebug tilib --allow-fw-update` once, or update it with TI's UniFlash",
    ),
    Trouble(
        (
            r"No unused FET found|No USB FET was found|Couldn't find any connected USB FET",
            r"unable to find a (?:device matching|matching CMSIS-DAP)",
            r"LIBUSB_ERROR_NO(?:_DEVICE|T_FOUND)",
            r"Error: (?:open failed|unable to open)",
            r"Couldn't find (?:any )?ST-?Link|No ST-?LINK detected",
            r"Cannot connect to (?:the )?J-Link|There is no debugger connected|No emulators connected",
            r"Please specify `upload_port`",
        ),
        "no board is connected, or only through a cable without data lines",
        "plug the board in, try another cable or port; on Windows the probe's driver may be missing",
    ),
    Trouble(
        (
            r"unable to connect to the target|init mode failed",
            r"(?:Could not|Cannot) connect to (?:the )?target",
            r"Could not set device Vcc|device initialization failed",
        ),
        "the debug probe is there, but the chip does not answer",
        "check the board's power and the jumpers between probe and chip; hold reset while it connects",
    ),
    Trouble(
        (r"^sample \d+: .*not what the interpreter says",),
        "the firmware runs, but its answers are not those of the interpreter",
        "`freeml verify OUT --engine board` says where; please report it",
    ),
    Trouble(
        (r"^[^\n:]+:\d+:\d+: (?:fatal )?error: ([^\n]+)",),
        "the firmware does not compile: {1}",
        "compile the model again",
    ),
    Trouble(
        (r"region [`'](\w+)' overflowed by \d+ bytes", r"will not fit in region '(\w+)'"),
        "the firmware does not fit into {1}",
        "choose a larger board or a smaller model",
    ),
)


def explain(output: str, env: str, log: Path) -> FreemlError:
    """The error that a failed run's output tells of.

    env: environment of platformio.ini. log: where the output is kept.
    """
    for trouble in TROUBLES:
        for sign in trouble.signs:
            found = re.search(sign, output, re.IGNORECASE | re.MULTILINE)
            if found:
                named = found[1] if found.groups() else ""
                what = trouble.what.replace("{1}", named)
                return trouble.error(what, where=str(log), hint=trouble.hint.replace("{env}", env))
    lines = [line.strip() for line in output.splitlines() if line.strip(" -=*") and "[FAILED]" not in line]
    told = [line for line in lines if re.search(r"error\b", line, re.IGNORECASE) and not line.startswith("***")]
    said = (told or lines or ["it said nothing"])[0 if told else -1]
    return ToolFailed(f"PlatformIO failed: {said}", where=str(log), hint="the whole output is in that file")
