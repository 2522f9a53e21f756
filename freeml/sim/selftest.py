"""A firmware on its emulated board, sample by sample: what `pio run -t upload` and `pio test` show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from freeml.board.memory import MemoryMap
from freeml.errors import ToolFailed
from freeml.firmware.elf import read_firmware
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output
from freeml.sim.answers import answers_of
from freeml.sim.board_device import emulator_for
from freeml.sim.check import random_dataset
from freeml.sim.window import Window

_SHOWN_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """One sample: whether its answer is the interpreter's, and what there is to say of it."""

    passed: bool
    line: str


def run_samples(output: Output, elf: Path, memory: MemoryMap) -> Iterator[Verdict]:
    """Three random samples on a firmware as it is flashed. Raises ToolFailed where it faults."""
    graph = output.graph
    inputs = encode_inputs(graph, random_dataset(graph, _SHOWN_SAMPLES).real_inputs())
    emulator = emulator_for(output, elf, memory)
    emulator.power_on()
    for k, (codes, answer) in enumerate(answers_of(graph, inputs)):
        found = emulator.infer(codes)
        result = emulator.result()
        right = not answer.wrong(found.outputs, result, result.sequence)
        said = "right" if right else "not what the interpreter says"
        taken = f"{found.taken.instructions:,} instructions, {found.taken.nvm_bytes_written:,} NVM bytes written"
        yield Verdict(right, f"sample {k}: {_shown(found.outputs)}: {said}; {taken}")


def run_selftest(output: Output, elf: Path, memory: MemoryMap) -> Iterator[Verdict]:
    """A firmware with its self-test, which brings samples and compares by itself. Raises ToolFailed without.

    A board that reported a failure is not run any further: the samples after it are skipped.
    """
    firmware = read_firmware(elf, memory)
    try:
        samples = firmware.symbols["fml_selftest_inputs"][1] // Window.of(firmware).inputs_bytes
    except KeyError as error:
        raise ToolFailed(f"the firmware has no self-test: there is no {error}", where=elf.name) from error
    emulator = emulator_for(output, elf, memory)
    emulator.power_on()
    failed = False
    for k in range(samples):
        if failed:
            yield Verdict(False, f"sample {k}: SKIP after a failure")
            continue
        try:
            emulator.run()
        except ToolFailed as error:
            failed = True
            yield Verdict(False, f"sample {k}: FAIL {error.what}")
        else:
            yield Verdict(True, f"sample {k}: PASS {_shown(emulator.outputs())}")


def _shown(outputs: bytes, most: int = 5) -> str:
    """The first bytes of the answer, as int8."""
    values = [str(byte - 256 if byte > 127 else byte) for byte in outputs[:most]]
    return f"outputs {' '.join(values)}{' ...' if len(outputs) > most else ''}"
