"""What the platform's builder calls: sizes of a firmware, a run on its emulated board, its self-test."""

import sys
from pathlib import Path

from freeml.errors import FreemlError
from freeml.firmware.build import memory_map
from freeml.firmware.elf import read_firmware
from freeml.output.folder import read_output
from freeml.sim.selftest import run_samples, run_selftest


def main(task, folder, elf):
    """Print what a task finds; the exit code is 0 if all is as it should be."""
    output, elf = read_output(folder), Path(elf)
    memory = memory_map(output)
    size = read_firmware(elf, memory).size
    if task == "size":
        limits = {"flash": memory.flash_bytes + memory.far_bytes, "ram": memory.ram_bytes, "nvm": memory.nvm_bytes}
        used = {"flash": size.flash_bytes, "ram": size.ram_bytes, "nvm": size.nvm_bytes}
        print("\n".join(f"{name:5} {used[name]:9} of {limits[name]} bytes" for name in limits))
        return 0
    verdicts = (run_samples if task == "run" else run_selftest)(output, elf, memory)
    good = True
    for verdict in verdicts:
        print(verdict.line, flush=True)
        good = good and verdict.passed
    return 0 if good or task == "selftest" else 1


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except FreemlError as error:
        sys.exit(f"Error: {error}")
