"""What the compiler knows of kernels covers all of them: ops, C files, and the names that loops are priced by."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest

from benchmarks.cycles.__main__ import DESIGNS
from freeml.board.board import load_board
from freeml.board.cycle_table import PLAIN, Group, cycle_tables
from freeml.errors import BadBoard
from freeml.ir.graph import Graph, Stage
from freeml.ir.ops import Reshape
from freeml.ir.verify import LEGAL
from freeml.kernels.table import KERNELS, kernel_of
from freeml.kernels.variants import VARIANTS
from freeml.plan.calls import kernel_calls
from freeml.plan.energy_work import fixed_work, part_work, work
from freeml.plan.memory import plan_memory
from freeml.plan.price import ONE_WORD, CountedPrices
from freeml.resources import resource

GRAPHS: dict[Group, list[Graph]] = {
    group: [design.graph for design in made(1500, few=True, repeats=1)] for group, made in DESIGNS.items()
}
KERNEL_FILES = {path.stem for path in (resource("runtime_c") / "kernels" / "portable").glob("*.c")}


def test_every_op_that_computes_has_a_kernel() -> None:
    assert KERNELS.keys() == set(LEGAL[Stage.QUANTIZED]) - {Reshape}


def test_variants_are_the_folders_of_kernels() -> None:
    assert set(VARIANTS) == {path.name for path in (resource("runtime_c") / "kernels").iterdir() if path.is_dir()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_file_of_kernels_is_called_and_nothing_else(variant: str) -> None:
    called: set[str] = set()
    for graph in chain(*GRAPHS.values()):
        for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
            layer = kernel_of(graph, call.op).layer(graph, call.op, call.operand, VARIANTS[variant])
            called |= {layer.kernel, *VARIANTS[variant].called_by(layer.kernel)}
            called |= {layer.part_in or f"fml_{layer.part}_part_i8"} if layer.part else set()
    unused = {"fml_pointwise_i8", "fml_pointwise_pool_i8"} if not VARIANTS[variant].has_pointwise else set()
    assert called == KERNEL_FILES - unused


@pytest.mark.parametrize("group", GRAPHS, ids=lambda group: group.file)
@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_counted_under_a_name_that_was_not_measured(variant: str, group: Group) -> None:
    """What a table leaves out costs nothing: so a kernel that all leave out would be free."""
    counted: set[str] = set()
    for graph in GRAPHS[group]:
        for call in kernel_calls(graph, plan_memory(graph, in_place=False)):
            counted |= work(graph, call, np.array([1]), variant).counts.keys()
            counted |= part_work(graph, call, np.array([1])).counts.keys() if call.has_parts else set()
    shipped = cycle_tables(variant, group)
    assert shipped.counted is not None
    assert counted == set(shipped.counted)
    around = set(cycle_tables(variant).tables[0].kernels)  # what designs of a group are made with
    for made in shipped.tables:
        assert {name.split(".")[0] for name in counted} <= made.kernels.keys() | (
            around if group is not PLAIN else set()
        )
        assert made.prices.keys() <= counted


def test_a_count_that_was_not_measured_is_an_error_and_not_free() -> None:
    board = load_board("qemu_m4")
    done = fixed_work(write_bytes=4, compared=0)
    CountedPrices(board).costs(replace(done, counts={"dense.call": np.ones(1)}), ONE_WORD)
    with pytest.raises(BadBoard, match=r"the armv7em kernels have no price of 'dense\.cal'"):
        CountedPrices(board).costs(replace(done, counts={"dense.cal": np.ones(1)}), ONE_WORD)
