"""`freeml flash`: what users are told, from what PlatformIO and its upload tools print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from freeml.errors import BadOutput
from freeml.firmware import flash as flash_module
from freeml.firmware import pio as pio_module
from freeml.firmware.flash import flash
from freeml.firmware.pio import Home, Ran, find_pio
from tests.cli.runner import freeml, refused
from tests.platformio.conftest import Folder

BUILT = """\
Processing nucleo_l476rg (platform: ststm32; board: nucleo_l476rg)
--------------------------------------------------------------------------------
Compiling .pio/build/nucleo_l476rg/src/digits.o
Linking .pio/build/nucleo_l476rg/firmware.elf
Checking size .pio/build/nucleo_l476rg/firmware.elf
Configuring upload protocol...
AVAILABLE: blackmagic, cmsis-dap, jlink, mbed, stlink
CURRENT: upload_protocol = stlink
Uploading .pio/build/nucleo_l476rg/firmware.elf
"""
OPENOCD = BUILT + "xPack Open On-Chip Debugger 0.12.0\nhla_swd\n"
FAILED = "*** [upload] Error 1\n=========================== [FAILED] Took 2.51 seconds ===========================\n"

# What was printed, as the tools print it, and a part of what the user reads. The wording of the tools is from threads
# of their users (OpenOCD, mspdebug, DSLite, pyserial) and from PlatformIO 6.2.0 itself.
RECORDED = {
    "no ST-LINK": (OPENOCD + "Error: open failed\nin procedure 'program'\n** OpenOCD init failed **\n", "no board is"),
    "no ST-LINK on Windows": (
        OPENOCD + "Error: libusb_open() failed with LIBUSB_ERROR_NOT_FOUND\nError: open failed\n",
        "no board is",
    ),
    "no FTDI": (
        OPENOCD + "Error: unable to open ftdi device with description '*', serial '*' at bus location '*'\n",
        "no board is",
    ),
    "no CMSIS-DAP": (OPENOCD + "Error: unable to find a matching CMSIS-DAP device\n", "no board is"),
    "no J-Link": (BUILT + "Connecting to J-Link via USB...FAILED: Cannot connect to J-Link.\n", "no board is"),
    "no nrfjprog probe": (BUILT + "ERROR: There is no debugger connected to the PC.\n", "no board is"),
    "no eZ-FET, mspdebug": (
        BUILT + "Using new (SLAC460L+) API\nMSP430_GetNumberOfUsbIfs\nNo unused FET found.\n",
        "no board is",
    ),
    "no eZ-FET, DSLite": (
        BUILT + "error: MSP430: Error initializing emulator: No USB FET was found\n",
        "no board is",
    ),
    "no serial port": (BUILT + "Error: Please specify `upload_port` for environment or use\n", "no board is"),
    "no udev rule": (
        OPENOCD + "Error: libusb_open() failed with LIBUSB_ERROR_ACCESS\nError: open failed\n",
        "udev rule is missing",
    ),
    "no udev rule, old libusb": (
        BUILT + "libusb couldn't open USB device /dev/bus/usb/003/010: Permission denied.\n"
        "libusb requires write access to USB device nodes.\n",
        "udev rule is missing",
    ),
    "no permission": (
        BUILT + "serial.serialutil.SerialException: [Errno 13] could not open port /dev/ttyACM0: "
        "[Errno 13] Permission denied: '/dev/ttyACM0'\n",
        "no permission to use the port /dev/ttyACM0",
    ),
    "no permission on Windows": (
        BUILT + "could not open port 'COM7': PermissionError(13, 'Access is denied.', None, 5)\n",
        "no permission to use the port COM7",
    ),
    "port in use": (
        BUILT + "could not open port /dev/ttyACM0: [Errno 16] Device or resource busy: '/dev/ttyACM0'\n",
        "another program uses the port /dev/ttyACM0",
    ),
    "no such port": (
        BUILT + "could not open port /dev/ttyUSB9: [Errno 2] No such file or directory: '/dev/ttyUSB9'\n",
        "there is no port /dev/ttyUSB9",
    ),
    "no upload tool": (BUILT + "sh: 1: openocd: not found\n", "upload tool openocd is not installed"),
    "no upload tool on Windows": (
        BUILT + "'JLink.exe' is not recognized as an internal or external command,\noperable program or batch file.\n",
        "upload tool JLink.exe is not installed",
    ),
    "no upload tool, SCons": (
        BUILT + "nrfjprog: No such file or directory\n",
        "upload tool nrfjprog is not installed",
    ),
    "no library of the upload tool": (
        BUILT
        + "tilib: can't find libmsp430.so: libmsp430.so: cannot open shared object file: No such file or directory\n",
        "upload tool libmsp430.so is not installed",
    ),
    "no network": ("Platform Manager: Installing ststm32\nHTTPClientError: \n", "cannot reach its registry"),
    "no network, told": (
        "InternetConnectionError: You are not connected to the Internet.\n",
        "cannot reach its registry",
    ),
    "no such package": (
        "UnknownPackageError: Could not find the package with 'platformio/tool-dslite @ ~1.90200.1400' requirements\n",
        "finds no package platformio/tool-dslite @ ~1.90200.1400",
    ),
    "no local platform": (
        "UnknownPackageError: Could not find the package with 'freeml' requirements for your system 'linux_x86_64'\n",
        "does not know freeml's local platform",
    ),
    "an old probe": (
        BUILT + "MSP430_Initialize: HID_FET\nFET firmware update is required.\ntilib: device initialization failed\n",
        "firmware that is too old",
    ),
    "a silent chip": (
        OPENOCD + "Info : STLINK V2J37M26 (API v2)\nError: init mode failed (unable to connect to the target)\n",
        "the chip does not answer",
    ),
    "a compiler's error": (
        "Compiling .pio/build/nucleo_l476rg/src/digits.o\ndigits.c:12:3: error: unknown type name 'x'\n",
        "does not compile: unknown type name 'x'",
    ),
    "a wrong answer": (
        BUILT + "sample 0: outputs 1 2 3: not what the interpreter says; 1 instructions, 1 NVM bytes written\n",
        "its answers are not those of the interpreter",
    ),
    "a full flash": (
        "Linking firmware.elf\nld: region `FLASH' overflowed by 4242 bytes\n",
        "does not fit into FLASH",
    ),
    "what nobody met before": (BUILT + "Error: flux capacitor is empty\n", "PlatformIO failed: Error: flux capacitor"),
    "nothing at all": ("", "PlatformIO failed: "),
}


@pytest.fixture
def fake_pio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A `pio` on PATH that notes how it is called, prints `output` and ends with `code`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "pio"
    script.write_text(
        f"#!{sys.executable}\nimport os, sys\nfrom pathlib import Path\nhere = Path(__file__).parent\n"
        "(here / 'called').write_text(repr((sys.argv[1:], os.getcwd(), os.environ.get('PLATFORMIO_CORE_DIR'))))\n"
        "sys.stdout.write((here / 'output').read_text())\nsys.exit(int((here / 'code').read_text()))\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.delenv("PLATFORMIO_CORE_DIR", raising=False)
    return folder


def _ends(fake_pio: Path, output: str, code: int) -> None:
    (fake_pio / "output").write_text(output)
    (fake_pio / "code").write_text(str(code))


@pytest.mark.parametrize("name", RECORDED)
def test_a_usual_failure_is_told_with_what_helps(name: str, fake_pio: Path, compiled: Folder) -> None:
    output, says = RECORDED[name]
    output += FAILED if output else ""
    _ends(fake_pio, output, 1)
    ran = refused("flash", compiled("known"), says=says)
    log = compiled("known") / "build" / "flash.log"
    assert f"at: {log}" in ran.err
    assert log.read_text() == output
    assert " hint: " in ran.err


def test_every_trouble_has_a_recording() -> None:
    from freeml.firmware.troubles import TROUBLES, explain

    told = {explain(output, "env", Path("log")).hint for output, _ in RECORDED.values()}
    assert {trouble.hint.replace("{env}", "env") for trouble in TROUBLES} <= told


def test_a_failed_update_check_is_no_reason(fake_pio: Path, compiled: Folder) -> None:
    output = OPENOCD + "Error: open failed\n" + FAILED
    output += "Failed to check for PlatformIO upgrades. Please check your Internet connection.\n"
    _ends(fake_pio, output, 1)
    refused("flash", compiled("known"), says="no board is connected")


def test_a_real_board_is_flashed_by_the_users_own_platformio(fake_pio: Path, compiled: Folder) -> None:
    folder = compiled("known")
    _ends(fake_pio, OPENOCD + "** Verified OK **\n\n=== [SUCCESS] Took 5.1 seconds ===\n", 0)
    ran = freeml("flash", folder, "--port", "/dev/ttyACM0", "--json")
    assert ran.code == 0, ran
    assert ran.json == {
        "environment": "nucleo_l476rg",
        "board": "nucleo_l476rg",
        "log": str(folder / "build" / "flash.log"),
        "printed": ["xPack Open On-Chip Debugger 0.12.0", "hla_swd", "** Verified OK **"],
    }
    called = (fake_pio / "called").read_text()
    arguments = ["run", "--environment", "nucleo_l476rg", "--target", "upload", "--upload-port", "/dev/ttyACM0"]
    assert called == repr((arguments, str(folder), None))
    shown = freeml("flash", folder)
    assert shown.code == 0
    assert "written to nucleo_l476rg" in shown.out
    assert "** Verified OK **" in shown.out


def test_progress_names_what_happens(fake_pio: Path, compiled: Folder) -> None:
    steps: list[str] = []
    _ends(fake_pio, "Tool Manager: Installing tool-openocd\n" + OPENOCD + "=== [SUCCESS] ===\n", 0)
    flash(compiled("known"), progress=steps.append)
    assert steps == [
        "download tools",
        "compile",
        "link",
        "measure",
        "look for the board",
        "write the firmware to the board",
    ]


def test_the_emulated_board_is_run_by_freemls_platformio(fake_pio: Path, copied: Folder) -> None:
    _ends(fake_pio, "", 1)
    folder = copied("qemu_m4")
    ran = freeml("flash", folder, "--json")
    assert ran.code == 0, ran
    found = ran.json
    assert (found["environment"], found["board"]) == ("local", "freeml_qemu_m4")
    assert [line.split(":")[0] for line in found["printed"]] == ["sample 0", "sample 1", "sample 2"]
    assert not (fake_pio / "called").exists()


def test_setup_prints_what_a_shell_evaluates(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pio_module, "set_up", lambda: home)
    ran = freeml("flash", "--setup")
    assert ran.code == 0
    assert ran.out.splitlines()[0] == f"export PLATFORMIO_CORE_DIR={home.core}"
    assert freeml("flash", "--setup", "--json").json["environment"] == home.environment


@pytest.mark.parametrize("args", [(), ("out", "--setup"), ("--setup", "--env", "local")])
def test_what_makes_no_sense_is_wrong_usage(args: tuple[str, ...]) -> None:
    assert freeml("flash", *args).code == 2


def test_an_unknown_environment_is_answered_with_those_there_are(compiled: Folder) -> None:
    ran = refused("flash", compiled("known"), "--env", "uno", says="no environment 'uno'")
    assert "--env is one of nucleo_l476rg, local" in ran.err


def test_a_folder_without_firmware_or_project_is_refused(compiled: Folder, copied: Folder) -> None:
    refused("flash", compiled("host"), says="no firmware for board host")
    folder = copied("qemu_m4")
    (folder / "platformio.ini").unlink()
    with pytest.raises(BadOutput, match=r"no platformio\.ini"):
        flash(folder)


def test_platformio_is_looked_for_where_users_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_pio() == (sys.executable, "-m", "platformio")
    monkeypatch.setattr(pio_module, "_beside", lambda: False)
    editors = tmp_path / ".platformio" / "penv" / "bin" / "pio"
    editors.parent.mkdir(parents=True)
    editors.write_text("")
    assert find_pio() == (str(editors),)


def test_without_platformio_its_installation_is_told(
    monkeypatch: pytest.MonkeyPatch, compiled: Folder, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(pio_module, "_beside", lambda: False)
    for env in ("nucleo_l476rg", "local"):
        ran = refused("flash", compiled("known"), "--env", env, says="PlatformIO is not installed")
        assert "pip install 'freeml[firmware]'" in ran.err


def test_a_platformio_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch, compiled: Folder) -> None:
    monkeypatch.setattr(flash_module, "find_pio", lambda: ("/nowhere/pio",))
    refused("flash", compiled("known"), says="PlatformIO does not start: No such file")


def test_an_interrupted_flash_leaves_no_process(
    monkeypatch: pytest.MonkeyPatch, compiled: Folder, tmp_path: Path
) -> None:
    marker = tmp_path / "alive"
    code = f"import time; print('Uploading', flush=True); time.sleep(3); open({str(marker)!r}, 'w')"

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pio_module.run_pio((sys.executable, "-c", code), tmp_path, on_line=interrupted)
    assert not marker.exists()
    assert pio_module.run_pio((sys.executable, "-c", "print(1)"), tmp_path) == Ran(0, "1\n")
