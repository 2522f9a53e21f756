"""Build a compiled folder for its emulated board, with the compiler and the options of `freeml build`."""

import subprocess
import sys
from pathlib import Path

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
try:
    from freeml.errors import FreemlError
    from freeml.firmware.options import local_tools

    tools = local_tools(Path(env.subst("$PROJECT_DIR")))
except ImportError as error:
    sys.stderr.write(
        f"Error: {error}. The platform `freeml` works in the PlatformIO that is installed beside freeml.\n"
    )
    env.Exit(1)
except FreemlError as error:
    sys.stderr.write(f"Error: {error}\n")
    env.Exit(1)

compiler = subprocess.list2cmdline(tools.command)
emulate = [sys.executable, str(Path(env.PioPlatform().get_dir(), "builder", "emulate.py"))]
env.Replace(
    CC=compiler,
    CXX=compiler,
    LINK=compiler,
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZETOOL="freeml",
    EMULATE=subprocess.list2cmdline(emulate),
    SIZECHECKCMD=[*emulate, "size", ".", "$SOURCES"],
    SIZEPRINTCMD="$EMULATE size . $SOURCES",
    SIZEPROGREGEXP=r"^flash\s+(\d+)",
    SIZEDATAREGEXP=r"^ram\s+(\d+)",
    UPLOADCMD="$EMULATE run . $SOURCES",
)
env.Append(CCFLAGS=list(tools.compile), LINKFLAGS=[*tools.compile, *tools.link], LIBS=list(tools.libraries))

elf = env.BuildProgram()
AlwaysBuild(env.Alias("nobuild", elf))
env.AddPlatformTarget(
    "size", elf, env.VerboseAction("$SIZEPRINTCMD", "Measuring $SOURCE"), "Program size", "What each memory takes"
)
env.AddPlatformTarget(
    "upload", elf, env.VerboseAction("$UPLOADCMD", "Running $SOURCE on the emulated board"), "Upload", "Run it"
)
Default([elf, env.Alias("size", elf)])
