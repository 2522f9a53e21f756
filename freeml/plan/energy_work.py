"""What a step does, counted: its kernel's loops (freeml/kernels), and bytes from and to NVM.

Counts are worst cases over all tiles of n units that start at a multiple of n: every tap inside the input, no cache hit
on the bytes of a value, and as many window positions as a tile can touch. The kernels' cycles.toml and a board's file
price them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from freeml.ir.graph import Graph
from freeml.kernels.kernel import KernelCall
from freeml.kernels.reads import ALIGN_BYTES, Ints, aligned
from freeml.kernels.table import kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.kernels.work import REQUANT_BYTES
from freeml.plan.protocol import CHUNK_BYTES, COMMIT_SLOT_BYTES, PARTIAL_BYTES, RECORD_BYTES, STATE_BYTES


@dataclass(frozen=True, slots=True)
class Work:
    """What tiles do; one entry for each tile size asked for.

    counts            of the kernel: what its cycles.toml prices
    value_read_bytes  bytes of values read where NVM is memory-mapped
    const_read_bytes  bytes of weights and tables read
    stage_bytes       bytes of values copied to SRAM first, where NVM is not memory-mapped
    stage_transfers   in so many transfers
    stage_room_bytes  SRAM that these copies take: each operand begins at a multiple of 4
    scratch_bytes     SRAM that the kernel takes for a tile of this size, beyond what it takes for any
    write_bytes       bytes written to NVM, the commit left out
    write_transfers   in so many transfers
    compared          scores that are looked at
    """

    counts: Mapping[str, Ints]
    value_read_bytes: Ints
    const_read_bytes: Ints
    stage_bytes: Ints
    stage_transfers: Ints
    stage_room_bytes: Ints
    scratch_bytes: Ints
    write_bytes: Ints
    write_transfers: Ints
    compared: Ints


def work(graph: Graph, call: KernelCall, n: Ints, kernels: str = "portable") -> Work:
    """Work of tiles of n units each, done by a variant of the kernels."""
    n = np.asarray(n, dtype=np.int64)
    one = np.ones_like(n)
    kernel = kernel_of(graph, call.op)
    staged = [read.most_bytes(n, call.n_units) for read in kernel.reads(graph, call.op, call.operand)]
    values, constants = kernel.read_bytes(graph, call.op, call, n)
    return Work(
        counts=kernel.counts(graph, call.op, call, n, VARIANTS[kernels]),
        value_read_bytes=values,
        const_read_bytes=constants,
        stage_bytes=sum(staged, 0 * n),
        stage_transfers=len(staged) * one,
        stage_room_bytes=sum(map(aligned, staged), 0 * n),
        scratch_bytes=kernel.tile_scratch_bytes(graph, call.op, call, n, VARIANTS[kernels]),
        write_bytes=n * call.unit_bytes,
        write_transfers=_transfers(n * call.unit_bytes) + (n if call.unit_stride_bytes != call.unit_bytes else 0),
        compared=0 * n,
    )


def part_work(graph: Graph, call: KernelCall, macs: Ints) -> Work:
    """Work of parts of one output's dot product, `macs` products each: the sum so far comes from NVM and goes back.

    The last part, which requantizes and writes one byte, is counted together with the others' write of the sum.
    """
    macs = np.asarray(macs, dtype=np.int64)
    one = np.ones_like(macs)
    kernel = kernel_of(graph, call.op)
    read = kernel.part_read(graph, call.op)
    stage = read.most_bytes(one, call.n_units) if read.extent_bytes else macs
    return Work(
        counts=kernel.part_counts(graph, call.op, macs),
        value_read_bytes=macs + PARTIAL_BYTES,
        const_read_bytes=macs + REQUANT_BYTES,
        stage_bytes=stage + PARTIAL_BYTES,
        stage_transfers=2 * one,
        stage_room_bytes=aligned(stage),
        scratch_bytes=0 * one,
        write_bytes=PARTIAL_BYTES * one,
        write_transfers=one,
        compared=0 * one,
    )


def fixed_work(*, write_bytes: int, compared: int, writes: int = 0) -> Work:
    """Work of capturing an input that is in SRAM, or of publishing a result found among `compared` scores.

    Scores are read one by one. writes: how many calls of fml_hal_nvm_write there are at least.
    """
    one, none = np.ones(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    return Work(
        counts={},
        value_read_bytes=compared * one,
        const_read_bytes=none,
        stage_bytes=compared * one,
        stage_transfers=compared * one,
        stage_room_bytes=none,
        scratch_bytes=none,
        write_bytes=write_bytes * one,
        write_transfers=np.maximum(_transfers(write_bytes * one), writes),
        compared=compared * one,
    )


_SUM_BYTES = 20  # of a loop that copies bytes, for what else an int32 score takes


def decide_work(n_scores: int, score_bytes: int) -> Work:
    """Work of a decision: the newest record is read and one with the policy's state written, the slot of the next
    commit is read and made void, and scores are looked at as in a publication; one of four bytes counts as four.

    What adds up the state's check, judges and reads the meter is priced by loops that copy bytes: by more of them than
    it took on any emulated board with a policy that asks the meter and has all the state there may be. How sure int32
    scores are takes multiplications and shifts of each, as `fml_exit_mix_i32` has them, twice, and a second reading.
    """
    one = np.ones(1, dtype=np.int64)
    word = COMMIT_SLOT_BYTES // 2
    record, scores = RECORD_BYTES + STATE_BYTES, n_scores * score_bytes
    n_sums = n_scores if score_bytes > 1 else 0
    done = fixed_work(write_bytes=record + word, compared=scores)
    return replace(
        done,
        counts={
            "copy.call": 4 * one,
            "copy.row": 4 * one,
            "copy.byte": (6 * STATE_BYTES + _SUM_BYTES * n_sums) * one,
            "exit_mix.scaled": 2 * n_sums * one,
            "exit_mix.carry_bit": 10 * n_sums * one,
        },
        value_read_bytes=(scores + record + word) * one,
        stage_bytes=(scores + record + word) * one,
        stage_transfers=(n_scores + n_sums + 2) * one,
        write_transfers=done.write_transfers + 1,
    )


def report_work(output_bytes: Sequence[int]) -> Work:
    """Work of reporting a result: its record is read, and its outputs of so many bytes are copied to where others see
    them.
    """
    n_bytes, one = sum(output_bytes), np.ones(1, dtype=np.int64)
    read = (n_bytes + RECORD_BYTES) * one
    done = fixed_work(write_bytes=0, compared=0)
    transfers = (1 + len(output_bytes)) * one
    counts = {"copy.call": transfers, "copy.row": transfers, "copy.byte": read}  # a loop as that of fml_copy_i8
    return replace(done, counts=counts, value_read_bytes=read, stage_bytes=read, stage_transfers=transfers)


def capture_work(input_bytes: Sequence[int], buffer_bytes: int) -> Work:
    """Work of capturing inputs of so many bytes, sampled and written a buffer at a time: all the SRAM for tiles.

    Sampling is a copy out of a window in SRAM; what a sensor takes beyond that is not known here.
    """
    buffer_bytes = -(-buffer_bytes // ALIGN_BYTES) * ALIGN_BYTES
    writes = sum(-(-n // buffer_bytes) * -(-min(n, buffer_bytes) // CHUNK_BYTES) for n in input_bytes)
    calls = np.array([sum(-(-n // buffer_bytes) for n in input_bytes)], dtype=np.int64)
    copied = {"sample.call": calls, "sample.byte": np.array([sum(input_bytes)], dtype=np.int64)}
    return replace(fixed_work(write_bytes=sum(input_bytes), compared=0, writes=writes), counts=copied)


def _transfers(n_bytes: Ints) -> Ints:
    return -(-n_bytes // CHUNK_BYTES)
