"""Stand-ins for PlatformIO's own platforms, which only its registry has: what they do to a project without framework.

Written after what platform-ststm32 19.6 and platform-timsp430 2.4 are known to do: they set a compiler and their own
options, -Os and -mcpu or -mmcu among them, put their libraries on the command line, link with the board's linker script
and make a .hex file. Options of ours must get along with that. The compilers are those of this machine, newer than
theirs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from freeml.firmware.pio import Home
from tests.platformio.conftest import pio

_BUILDER = """\
from SCons.Script import AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(CC={prefix!r} + "gcc", CXX={prefix!r} + "gcc", OBJCOPY={prefix!r} + "objcopy", PROGSUFFIX=".elf")
env.Replace(PROGNAME="firmware", UPLOADCMD="echo uploaded $SOURCE")
env.Append(
    CCFLAGS={ccflags!r},
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")],
    LINKFLAGS={linkflags!r},
    LIBS={libs!r},
    BUILDERS={{"ElfToHex": Builder(action="$OBJCOPY -O ihex $SOURCES $TARGET", suffix=".hex")}},
)
elf = env.BuildProgram()
hex = env.ElfToHex("$BUILD_DIR/${{PROGNAME}}", elf)
AlwaysBuild(env.Alias("upload", hex, env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")))
Default(hex)
"""


@dataclass(frozen=True)
class StandIn:
    """A platform by the name of PlatformIO's, with one board."""

    platform: str
    board: str
    build: dict[str, str]
    prefix: str
    ccflags: list[str]
    linkflags: list[str]
    libs: list[str]

    def install(self, home: Home, work: Path) -> None:
        """Make the platform and have PlatformIO install a copy of it."""
        folder = work / f"platform-{self.platform}"
        (folder / "boards").mkdir(parents=True)
        (folder / "builder").mkdir()
        manifest = {"name": self.platform, "title": self.platform, "description": "stand-in", "version": "99.0.0"}
        manifest |= {"frameworks": {}, "packages": {}, "engines": {"platformio": "^6"}}
        (folder / "platform.json").write_text(json.dumps(manifest))
        upload = {"maximum_ram_size": 4096, "maximum_size": 1048576, "protocol": "custom"}
        board = {"name": self.board, "vendor": "v", "url": "u", "build": self.build, "upload": upload}
        (folder / "boards" / f"{self.board}.json").write_text(json.dumps(board))
        (folder / "builder" / "main.py").write_text(
            _BUILDER.format(prefix=self.prefix, ccflags=self.ccflags, linkflags=self.linkflags, libs=self.libs)
        )
        ran = pio(home, work, "pkg", "install", "-g", "--skip-dependencies", "-p", f"file://{folder}")
        assert ran.code == 0, ran.out


def stm32() -> StandIn:
    """ststm32 without framework."""
    machine = ["-mthumb", "-mcpu=cortex-m4"]
    return StandIn(
        platform="ststm32",
        board="nucleo_l476rg",
        build={"cpu": "cortex-m4", "mcu": "stm32l476rgt6", "f_cpu": "80000000L"},
        prefix="arm-none-eabi-",
        ccflags=["-Os", "-ffunction-sections", "-fdata-sections", "-Wall", *machine],
        linkflags=["-Os", "-Wl,--gc-sections,--relax", *machine],
        libs=["gcc"],  # and c, m, stdc++, which only PlatformIO's compiler is sure to have
    )


def timsp430(gcc: Path) -> StandIn:
    """timsp430 without framework; gcc: msp430-elf-gcc, which names the processor, not the chip."""
    machine = ["-mcpu=msp430xv2", "-mhwmult=f5series"]
    return StandIn(
        platform="timsp430",
        board="lpmsp430fr5994",
        build={"mcu": "msp430fr5994", "f_cpu": "16000000L"},
        prefix=str(gcc).removesuffix("gcc"),
        ccflags=["-O2", "-ffunction-sections", "-fdata-sections", *machine],
        linkflags=["-O2", *machine, "-Wl,-gc-sections,-u,main"],
        libs=["mul_f5"],
    )
