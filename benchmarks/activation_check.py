"""What checksums of activations would cost: python -m benchmarks.activation_check [--networks ..] [--boards ..]

A flipped bit in the arena is noticed only if each tile sums what it reads before it computes, and what it writes behind
it. A sum is of what one tile wrote: so bytes read are counted in whole tiles of the layer that wrote them, those of the
capture as they are (kernels/reads.py says which bytes that is). A byte takes what the cheapest loop takes that sees
one flipped bit, words added eight in a row, built by the firmware's compiler and run on the board's emulator from the
memory that tiles read and that they write; `move` is the same for one store a word, the least that a CRC peripheral
asks for. Shares are of the cycles of an emulated inference, and the least: calls are not in them, nor where each of the
`sums` is looked up, compared or written.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import command
from benchmarks.power_loss.models import source
from freeml import CompileOptions, CompileResult, compile_model
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain
from freeml.ir.ops import Concat, Reshape
from freeml.kernels.table import kernel_of
from freeml.output.folder import Output, read_output
from freeml.plan.calls import kernel_calls
from freeml.plan.protocol import PARTIAL_BYTES
from freeml.sim.board_device import board_device, start_emulator
from freeml.sim.instruction import Emulator
from freeml.sim.profile import counted, measure_steps, random_codes

NETWORKS = ("digits", "mnist8", "har", "kws", "resnet8")
BOARDS = ("msp430fr5994", "nucleo_l476rg")
OFFERED_BELOW = 0.02
_FEW, _MANY = 128, 1024  # bytes; what a call takes besides its loop is in both
_BOOT = "    fml_boot(&ram"
_LINE = "{:8} {:14} {:>9} {:>9} {:>9} {:>6} {:>11} {:>9} {:>9}"

# unsigned int is a word of either core: 16 bits on MSP430, 32 on Cortex-M.
_PROBE = """
#define EIGHT(word) word word word word word word word word
static unsigned int probe_nvm[{many} / sizeof(unsigned int)]{in_nvm};
static unsigned int probe_sram[{many} / sizeof(unsigned int)];
static volatile unsigned int probe_port;
void probe_mark(void);
__attribute__((noinline)) void probe_mark(void) {{ __asm__ volatile(""); }}
__attribute__((noinline)) static void probe_sum(const unsigned int *at, const unsigned int *end) {{
    unsigned int sum = 0;
    while (at != end) {{ EIGHT(sum += *at++;) }}
    probe_port = sum;
}}
__attribute__((noinline)) static void probe_move(const unsigned int *at, const unsigned int *end) {{
    while (at != end) {{ EIGHT(probe_port = *at++;) }}
}}
static void probe(void (*loop)(const unsigned int *, const unsigned int *), const unsigned int *words) {{
    probe_mark();
    loop(words, words + {few} / sizeof *words);
    probe_mark();
    loop(words, words + {many} / sizeof *words);
    probe_mark();
}}
"""
_LOOPS = {
    "sum of what is read": "probe_sum, probe_nvm",
    "sum of what is written": "probe_sum, probe_sram",
    "move of what is read": "probe_move, probe_nvm",
    "move of what is written": "probe_move, probe_sram",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A network on a board.

    read_bytes     that tiles read, and publication
    summed_bytes   the same in whole tiles of the layers that wrote them
    written_bytes  by tiles and capture
    sums           that are compared or written
    cycles         of an inference; sum_share, move_share: what a check adds to them
    """

    read_bytes: int
    summed_bytes: int
    written_bytes: int
    sums: int
    cycles: int
    sum_share: float
    move_share: float


def loop_cycles(made: CompileResult, output: Output, toolchain: Toolchain) -> dict[str, float]:
    """Cycles a byte of each loop, in the output's firmware; its main.c gets them in front of its boot."""
    assert made.board.memory_map is not None
    in_nvm = "" if made.tiles.is_staged else ' FML_SECTION(".nvm")'
    main = output.folder / "firmware" / "main.c"
    text = main.read_text()
    calls = "".join(f"    probe({arguments});\n" for arguments in _LOOPS.values())
    probed = text.replace("int main(void)", _PROBE.format(few=_FEW, many=_MANY, in_nvm=in_nvm) + "int main(void)", 1)
    assert _BOOT in probed
    main.write_text(probed.replace(_BOOT, calls + _BOOT, 1))
    emulator, _ = start_emulator(output, toolchain)
    main.write_text(text)
    emulator.power_on()
    return {name: (_between_marks(emulator, first=True) - _between_marks(emulator)) / (_FEW - _MANY) for name in _LOOPS}


def _between_marks(emulator: Emulator, *, first: bool = False) -> int:
    mark = emulator.symbols["probe_mark"][0]
    if first:
        emulator.run_to(mark)
    before = emulator.taken.cycles
    emulator.run_to(mark)
    return emulator.taken.cycles - before


def spans(made: CompileResult) -> Iterator[tuple[str, int, int]]:
    """Value, first byte and the one after the last of all that tiles of an inference read, and its publication."""
    for call, layer in zip(kernel_calls(made.graph, made.plan), made.tiles.layers, strict=True):
        for tile in layer.tiles():
            if layer.parts == 1:
                for read in kernel_of(made.graph, call.op).reads(made.graph, call.op, call.operand):
                    yield (read.value, *read.span(tile.first, tile.n))
                continue
            read = kernel_of(made.graph, call.op).part_read(made.graph, call.op)
            at, to = read.span(tile.first, 1)
            if not read.extent_bytes:  # products are bytes
                at = tile.first // read.group_units * read.step_bytes + tile.mac_first
                to = at + tile.mac_n
            yield read.value, at, to
    for port in made.graph.outputs:
        yield port.value, 0, made.graph.types[port.value].size_bytes


def in_whole_tiles(made: CompileResult, value: str, begin: int, end: int) -> tuple[int, int]:
    """Bytes of the tiles that wrote a span of a value, and how many tiles these are; an input is one of its own."""
    op = made.graph.producers.get(value)
    while isinstance(op, Reshape):
        value = op.inputs[0]
        op = made.graph.producers.get(value)
    layer = next((layer for layer in made.tiles.layers if layer.value == value), None)
    if layer is None or isinstance(op, Concat):
        return end - begin, 1
    block = layer.tile_units * layer.unit_bytes
    first, last = begin // block, -(-end // block)
    return min(last * block, layer.n_units * layer.unit_bytes) - first * block, last - first


def written_bytes(made: CompileResult) -> int:
    """Bytes of values that the tiles of an inference write, and its capture."""
    captured = sum(made.graph.types[port.value].size_bytes for port in made.graph.inputs)
    sums = sum(PARTIAL_BYTES * layer.n_units * (layer.parts - 1) for layer in made.tiles.layers)
    return captured + sums + sum(layer.n_units * layer.unit_bytes for layer in made.tiles.layers)


def row(network: str, board: str, toolchain: Toolchain, work: Path) -> tuple[Row, dict[str, float]]:
    """A network on a board, and cycles a byte there. Raises DoesNotFit, and ToolMissing without the compiler."""
    model, data = source(network, work)
    options = CompileOptions(board=board, samples=1, toolchain=toolchain)
    made = compile_model(model, work / "out", data=data, options=options)
    output = read_output(work / "out")
    device, _ = board_device(output, made.tiles, toolchain)
    steps = measure_steps(device, random_codes(made.graph))
    cycles = sum(counted(step).cycles for step in steps)
    found = [(to - at, *in_whole_tiles(made, value, at, to)) for value, at, to in spans(made) if to > at]
    n_read, n_summed, n_sums = (sum(column) for column in zip(*found, strict=True))
    n_written, n_sums = written_bytes(made), n_sums + made.tiles.n_tiles + 1
    each = loop_cycles(made, output, toolchain)
    shares = [
        (n_summed * each[f"{how} of what is read"] + n_written * each[f"{how} of what is written"]) / cycles
        for how in ("sum", "move")
    ]
    return Row(n_read, n_summed, n_written, n_sums, cycles, *shares), each


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--toolchain", choices=("zig", "gcc"), default="zig")
    args = parser.parse_args()
    print(command(__file__), end="\n\n")
    print(_LINE.format("network", "board", "read", "summed", "written", "sums", "cycles", "sum adds", "move adds"))
    each: dict[str, dict[str, float]] = {}
    shares: list[float] = []
    for board, network in itertools.product(args.boards, args.networks):
        with tempfile.TemporaryDirectory() as work:
            try:
                r, each[board] = row(network, board, args.toolchain, Path(work))
            except DoesNotFit as error:
                print(f"{network:8} {board:14} {error.what}", flush=True)
                continue
        shares.append(r.sum_share)
        counts = (f"{n:,}" for n in (r.read_bytes, r.summed_bytes, r.written_bytes, r.sums, r.cycles))
        print(_LINE.format(network, board, *counts, f"{r.sum_share:.1%}", f"{r.move_share:.1%}"), flush=True)
    for board, costs in each.items():
        print(f"{board}: cycles a byte: " + ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items()))
    print(f"sums below {OFFERED_BELOW:.0%} in {sum(s < OFFERED_BELOW for s in shares)} of {len(shares)}")


if __name__ == "__main__":
    main()
