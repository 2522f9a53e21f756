"""A kernel that decodes its weights channel by channel, and takes memory for each pixel of a tile, is planned and run.

The kernels that there are need neither: here is one that needs both, on a variant of pointwise convolutions whose
weights are stored with every bit turned over.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from freeml.board.board import load_board
from freeml.codegen.generate import generate
from freeml.errors import DoesNotFit
from freeml.firmware.host import build_host_library
from freeml.ir.graph import Graph
from freeml.ir.int_ops import ConvI8
from freeml.ir.interpret import interpret
from freeml.kernels import table
from freeml.kernels.kernel import Kernel, KernelCall, Units
from freeml.kernels.layer import Layer, Table
from freeml.kernels.reads import Ints, Read, grouped
from freeml.kernels.variants import Variant
from freeml.kernels.work import LoopCounts
from freeml.plan.memory import plan_memory
from freeml.plan.steps import TilePlan
from freeml.plan.tiles import plan_tiles
from freeml.plan.verify_tiles import InvalidTilesError, verify_tiles
from tests.codegen.host import HEADER, files_of, includes, on_host, sources, write
from tests.plan.plan_graphs import Builder

DECODER = """
/* One channel of a pointwise convolution: its row is decoded once for all pixels [first, first + n) of a tile. */
#include "fml_kernels.h"
#include "fml_requant.h"

void fml_decoded_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, int8_t *scratch, int32_t *sums, uint32_t first,
                    uint32_t n) {
    for (uint16_t i = 0; i < l->n_in; i++) {
        scratch[i] = (int8_t)~l->w[i];
    }
    for (uint32_t k = 0; k < n; k++) {
        sums[k] = l->bias[0];
        for (uint16_t i = 0; i < l->n_in; i++) {
            sums[k] += scratch[i] * x[(first + k) * l->n_in + i];
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        y[k] = fml_requant_i8(sums[k], l->mult[0], l->shift[0], l->y_zp, l->lo, l->hi);
    }
}
"""
PROTOTYPE = """
void fml_decoded_i8(const fml_dense_t *l, const int8_t *x, int8_t *y, int8_t *scratch, int32_t *sums, uint32_t first,
                    uint32_t n);
"""


# ruff: noqa: ARG002 - methods of Kernel take what any kernel may need


class Decoder(Kernel[ConvI8]):
    """Each output channel is a call of its own; its units are pixels, which lie a pixel apart."""

    def units(self, graph: Graph, op: ConvI8) -> tuple[Units, ...]:
        height, width, channels = graph.types[op.output].shape
        return tuple(Units(channel, height * width, 1, channels, channel) for channel in range(channels))

    def products(self, graph: Graph, op: ConvI8) -> int:
        return graph.types[op.inputs[0]].shape[2]

    def reads(self, graph: Graph, op: ConvI8, operand: int) -> tuple[Read, ...]:
        in_c = graph.types[op.inputs[0]].shape[2]
        return (grouped(graph, op, op.inputs[0], 1, in_c, 0, in_c),)

    def counts(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> LoopCounts:
        return {"decoded.call": np.ones_like(n), "decoded.mac": n * call.macs}

    def scratch_bytes(self, graph: Graph, op: ConvI8, variant: Variant) -> int:
        """A decoded row."""
        return graph.types[op.inputs[0]].shape[2]

    def tile_scratch_bytes(self, graph: Graph, op: ConvI8, call: KernelCall, n: Ints, variant: Variant) -> Ints:
        """A sum for each pixel."""
        return 4 * n

    def layer(self, graph: Graph, op: ConvI8, operand: int, variant: Variant) -> Layer:
        rows = dict(zip(("weight", "bias", "mult", "shift"), op.inputs[1:], strict=True))
        tables = {name: Table(graph.consts[const].array[operand : operand + 1]) for name, const in rows.items()}
        tables["weight"] = Table(~tables["weight"].array, far=True)
        fields = (
            (".w", "@weight"),
            (".bias", "@bias"),
            (".mult", "@mult"),
            (".shift", "@shift"),
            (".n_in", str(self.products(graph, op))),
            (".n_out", "1"),
            (".y_zp", str(op.y_zp)),
            (".lo", str(op.lo)),
            (".hi", str(op.hi)),
        )
        call = "fml_decoded_i8({d}, {x0}, y, scratch, (int32_t *)(void *){tile_scratch}, first, n)"
        return Layer("fml_copy_i8", "fml_dense_t", fields, tables, call, self.scratch_bytes(graph, op, variant))


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Graph:
    monkeypatch.setitem(table.KERNELS, ConvI8, Decoder())  # type: ignore[attr-defined]
    b = Builder()
    x = b.input(3, 5, 7)
    return b.graph(b.lut(b.conv(x, 4, k=1)))


def planned(graph: Graph, sram_bytes: int, *, is_staged: bool = False) -> TilePlan:
    board = load_board("host")
    if is_staged:
        board = board.model_copy(update={"nvm": board.nvm.model_copy(update={"kind": "spi_fram"})})
    memory = plan_memory(graph, in_place=False)
    return verify_tiles(graph, memory, plan_tiles(graph, memory, board, sram_tile_bytes=sram_bytes))


def test_each_channel_is_a_call_whose_units_lie_a_pixel_apart(graph: Graph) -> None:
    *channels, _ = planned(graph, 4096).layers
    at = channels[0].offset_bytes
    assert [(one.operand, one.n_units, one.unit_bytes, one.unit_stride_bytes) for one in channels] == [
        (channel, 15, 1, 4) for channel in range(4)
    ]
    assert [one.offset_bytes - at for one in channels] == [0, 1, 2, 3]


@pytest.mark.parametrize(("sram_bytes", "units", "n_tiles"), [(76, 15, 1), (72, 8, 2), (36, 7, 3), (24, 4, 4)])
def test_tiles_leave_room_for_the_scratch_of_their_own_size(
    graph: Graph, sram_bytes: int, units: int, n_tiles: int
) -> None:
    plan = planned(graph, sram_bytes)
    for layer in plan.layers[:-1]:
        assert (layer.n_tiles, layer.scratch_bytes) == (n_tiles, 4 * layer.tile_units)
        assert layer.tile_units <= units
        assert layer.sram_bytes == -(-layer.tile_bytes // 4) * 4 + layer.scratch_bytes <= plan.sram_bytes <= sram_bytes


def test_where_one_pixel_and_its_scratch_do_not_fit_that_is_said(graph: Graph) -> None:
    with pytest.raises(DoesNotFit, match="need 8 bytes of sram"):
        planned(graph, 7)


def test_channels_that_overlap_are_refused(graph: Graph) -> None:
    plan = planned(graph, 4096)
    first, second, *others = plan.layers
    spoilt = replace(plan, layers=(first, replace(second, offset_bytes=first.offset_bytes), *others))
    with pytest.raises(InvalidTilesError):
        verify_tiles(graph, plan_memory(graph, in_place=False), spoilt)


@pytest.mark.parametrize("is_staged", [False, True])
@pytest.mark.parametrize("sram_bytes", [4096, 200, 60, 33])
def test_it_runs_as_the_interpreter_does(graph: Graph, sram_bytes: int, is_staged: bool, tmp_path: Path) -> None:
    memory = plan_memory(graph, in_place=False)
    program = generate(graph, memory, planned(graph, sram_bytes, is_staged=is_staged), header=HEADER)
    write(files_of(program), tmp_path)
    header = tmp_path / "runtime" / "fml_kernels.h"
    header.write_text(header.read_text().replace("/* --- Pooling", PROTOTYPE + "/* --- Pooling", 1))
    (tmp_path / "runtime" / "fml_decoded_i8.c").write_text(DECODER)
    everything = [tmp_path / f"{graph.name}.c", *sources(tmp_path)]
    library = build_host_library(everything, includes(tmp_path), tmp_path / "model.so")
    inputs = {"in0": np.random.default_rng(5).integers(-128, 128, (3, 3, 5, 7), dtype=np.int8)}
    found = on_host(library, graph, program, is_staged=is_staged).run(inputs)
    for name, expected in interpret(graph, inputs).items():
        np.testing.assert_array_equal(found[name], expected, err_msg=name)
