"""PlatformIO's view of freeml's emulated boards. A project brings its board along: OUT/boards."""

import subprocess
import sys
from pathlib import Path

from platformio.public import PlatformBase


class FreemlPlatform(PlatformBase):
    """No packages: what builds and runs a firmware is in the Python that runs PlatformIO."""

    def is_embedded(self):
        """No serial port and no uploader: `pio test` runs the board itself."""
        return False

    def selftest(self, env_name):
        """Run the self-test that was built, line by line. Raises where the board says that something is wrong."""
        elf = Path(self.config.get("platformio", "build_dir"), env_name, "firmware.elf")
        command = [sys.executable, str(Path(self.get_dir(), "builder", "emulate.py")), "selftest", ".", str(elf)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            yield from process.stdout
        if process.returncode != 0:
            raise RuntimeError(f"the emulated board ended with code {process.returncode}")
