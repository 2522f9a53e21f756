"""fml_result() from an interrupt after every instruction: python -m benchmarks.interrupts [BOARD ..] [--json]

The firmware gets a handler that asks for the newest result. Two inferences, the first from a cold start: after each
of their instructions the interrupt comes; whatever the program can see must be as before, or the rest must end as
without any interrupt; NVM must not change; and the handler must see the old result or the new one. `single` are
inferences that were interrupted once, at places spread over both, and run to their end. `masked_us`: for how long the
driver keeps interrupts off. `stack`: the most bytes that program and handler took; the plan keeps stack_bytes of the
board file.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import struct
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import command
from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.board.board import load_board
from freeml.board.core import MSP430
from freeml.board.memory import MemoryMap
from freeml.errors import ToolMissing
from freeml.firmware.build import Build, Toolchain, build_firmware, memory_map
from freeml.output.folder import Output, read_output
from freeml.sim.cortexm.engine import CortexMEngine
from freeml.sim.interrupts import Interrupted, Interruptible, Interrupts, interrupt_everywhere, interrupt_once
from freeml.sim.msp430.engine import Msp430Board

BOARDS = ("msp430fr5994", "nucleo_l476rg", "nucleo_l073rz", "qemu_m4")
TOOLCHAINS: tuple[Toolchain, ...] = ("zig", "gcc")
SINGLE_SHOTS = 400
WATCHDOG = 0xFFF2  # its vector
SYSTICK = 15

Seen = tuple[int, int, int, int, int]
"""What the handler saw: status, sequence, class, confidence, depth."""

_SEEN = """
volatile struct {
    uint32_t sequence;
    int16_t status, class_index;
    uint8_t confidence, depth;
} fml_test_seen;

void fml_test_interrupts_on(void);
void fml_test_handler(void);
"""
_ASK = """{
    fml_result_t result = {0, 0, 0, 0};
    fml_test_seen.status = (int16_t)fml_result(&NAME_model, nvm.bytes, &result);
    fml_test_seen.sequence = result.sequence;
    fml_test_seen.class_index = (int16_t)result.class_index;
    fml_test_seen.confidence = result.confidence;
    fml_test_seen.depth = result.depth;
}
"""
_ON = "\n__attribute__((noinline)) void fml_test_interrupts_on(void) {\n    ENABLE\n}\n"
_ENABLE = {
    True: '__asm__ volatile("nop\\n\\teint\\n\\tnop" ::: "memory");',
    False: '__asm__ volatile("" ::: "memory");',
}
HANDLERS = {
    "msp430": "void fml_test_handler(void) " + _ASK + "FML_INTERRUPT(NUMBER, fml_test_handler);\n",
    "msp430 attribute": "void fml_test_handler(void);\n__attribute__((interrupt(NUMBER))) void fml_test_handler(void) "
    + _ASK,
    "cortexm": "void fml_systick(void);\nvoid fml_systick(void) " + _ASK,
}


def add_handler(output: Output, handler: str = "") -> None:
    """Put the handler into the main.c of a compiled folder. handler: one of HANDLERS, the board's by default."""
    is_msp430 = memory_map(output).family is MSP430
    name, path = output.graph.name, output.folder / "firmware" / "main.c"
    text, include, boot = path.read_text(), f'#include "{name}.h"\n', "    fml_boot(&ram"
    for needed in (include, boot):
        if text.count(needed) != 1:
            raise AssertionError(f"main.c has changed: it has not one {needed!r}")
    header = '#include "fml_interrupt_msp430.h"\n' if is_msp430 else ""
    text = text.replace(include, include + header + _SEEN).replace(boot, f"    fml_test_interrupts_on();\n{boot}")
    body = HANDLERS[handler or ("msp430" if is_msp430 else "cortexm")].replace("NAME", name)
    if is_msp430:
        memory = memory_map(output)
        number = next(number for number in memory.interrupts if memory.vector(number) == WATCHDOG)
        body = body.replace("NUMBER", str(number))
    path.write_text(text + _ON.replace("ENABLE", _ENABLE[is_msp430]) + body)


def board_of(output: Output, built: Build) -> Interrupts:
    """The emulated board with such a firmware, and where its interrupt comes from."""
    name = output.board.name
    engine: Interruptible
    if built.memory.family is MSP430:
        engine, interrupt = Msp430Board(built.firmware.path, load_board(name)), WATCHDOG
    else:
        engine, interrupt = CortexMEngine(built.firmware.path, load_board(name)), SYSTICK
    return Interrupts(engine, interrupt, engine.symbols["fml_test_seen"], _read)


def _read(seen: bytes) -> Seen:
    sequence, status, class_index, confidence, depth = struct.unpack("<IhhBB", seen[:10])
    return status, sequence, class_index, confidence, depth


@dataclass(frozen=True, slots=True)
class Checked:
    """Two inferences interrupted after every instruction, and single shots: all together, how many were single, and the
    most stack that program and handler took.
    """

    found: Interrupted
    single: int
    stack_bytes: int


def check(interrupts: Interrupts, memory: MemoryMap, *, seed: int = 0, single: int = SINGLE_SHOTS) -> Checked:
    """Interrupt two inferences, the first from a cold start."""
    engine = interrupts.engine
    rng = np.random.default_rng(seed)
    top = memory.ram_base + memory.ram_bytes
    n_bytes = engine.symbols["fml_window_inputs"][1]
    engine.sense(rng.bytes(n_bytes))
    engine.power_on()
    stack = engine.peek(top - memory.stack_bytes, memory.stack_bytes)
    assert engine.run_to(engine.symbols["fml_test_interrupts_on"][0])
    parts, shots, old = [], 0, (-1, 0, 0, 0, 0)
    for number in (1, 2):
        start = engine.snapshot()
        engine.run()
        done, end = engine.snapshot(), (engine.nvm, engine.outputs())
        engine.interrupt(interrupts.source)
        new = interrupts.saw()
        assert new[:2] == (0, number), f"after inference {number} the handler sees {new}"
        parts.append(interrupt_everywhere(interrupts, start, end, (old, new)))
        taken = engine.peek(top - memory.stack_bytes, memory.stack_bytes)
        if single:
            parts.append(interrupt_once(interrupts, start, end, (old, new), single // 2))
            shots += parts[-1].points
        engine.restore(done)
        engine.sense(rng.bytes(n_bytes))
        old = new
    untouched = next(k for k, (before, after) in enumerate(zip(stack, taken, strict=True)) if before != after)
    return Checked(total(parts), shots, memory.stack_bytes - untouched)


def total(parts: Sequence[Interrupted]) -> Interrupted:
    """Several runs as one."""
    sums = {
        field.name: sum(getattr(part, field.name) for part in parts)
        for field in dataclasses.fields(Interrupted)
        if field.name not in ("reason", "longest_wait_cycles")
    }
    reason = next((part.reason for part in parts if part.reason), "")
    return Interrupted(reason=reason, longest_wait_cycles=max(part.longest_wait_cycles for part in parts), **sums)


def rows(boards: Sequence[str], network: str) -> Iterator[dict[str, Any]]:
    """One row for each board and compiler at hand."""
    with tempfile.TemporaryDirectory() as work:
        model, data = source(network, Path(work))
        for board in boards:
            out = Path(work) / board
            compile_model(model, out, data=data, options=CompileOptions(name=network, board=board, samples=1))
            for toolchain in TOOLCHAINS:
                output = read_output(shutil.copytree(out, Path(work) / f"{board}-{toolchain}"))
                add_handler(output)
                try:
                    built = build_firmware(output, output.folder / "firmware.elf", toolchain)
                except ToolMissing:
                    continue
                done = check(board_of(output, built), built.memory)
                wait_us = done.found.longest_wait_cycles * 1e6 / built.memory.clock_hz
                told = {"network": network, "board": board, "toolchain": toolchain, "single": done.single}
                told |= {"longest_wait_us": round(wait_us, 1), "stack_bytes": done.stack_bytes}
                yield {**told, **dataclasses.asdict(done.found)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="*", default=BOARDS)
    parser.add_argument("--network", default="digits")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.json:
        print(json.dumps(list(rows(args.boards, args.network))))
        return
    print(command(__file__), end="\n\n")
    print("network  board          compiler   points  single  served  masked_us  stack  resumed  wrong  NVM changed")
    for r in rows(args.boards, args.network):
        head = f"{r['network']:8} {r['board']:14} {r['toolchain']:8} {r['points']:8,} {r['single']:7,} {r['served']:7,}"
        middle = f"{r['longest_wait_us']:10} {r['stack_bytes']:6} {r['resumed']:8,}"
        print(head, middle, f"{r['wrong']:6,} {r['nvm_changed']:12,}  {r['reason']}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
