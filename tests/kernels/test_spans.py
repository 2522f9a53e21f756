"""What the planner says that units read is what the kernels read: found by taking memory away from them.

freeml/kernels/reads.py is believed by the planner and by the runtime's table. Nothing of it is used here
to find out what a kernel touches: an operand lies against a page that faults, and moves until the kernel does.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.ir.graph import Graph, Stage
from freeml.ir.int_ops import ExitHead, ExitMix
from freeml.ir.ops import ArgMax, Op
from freeml.ir.types import Const, DType, TensorType
from freeml.kernels.reads import Read
from freeml.kernels.table import kernel_of

from .cases import GENERATORS, cases_of
from .choices import Drawn, Seeded, splits
from .coded_cases import CODED_KERNELS
from .coded_conv_cases import CODED_CONV_PARTS
from .fence import FencedKernels, Span
from .library import DOT_PRODUCTS, VARIANTS, Case, for_variant, own_kernels

quick = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
every_kernel = pytest.mark.parametrize(
    ("variant", "kernel"), [(variant, kernel) for variant in VARIANTS for kernel in own_kernels(variant)]
)


@functools.cache
def fenced(variant: str) -> FencedKernels:
    with tempfile.TemporaryDirectory() as work:
        return FencedKernels(variant, Path(work))


def as_graph(case: Case) -> tuple[Graph, Op]:
    """The layer alone, as the planner sees it."""
    assert case.op is not None
    if case.graph is not None:
        return case.graph, case.op
    names = tuple(f"x{k}" for k in range(len(case.inputs)))
    consts = tuple(f"c{k}" for k in range(len(case.consts)))
    op = replace(case.op, inputs=(*names, *consts))
    dtype = DType.I32 if isinstance(op, ArgMax | ExitHead | ExitMix) else DType.I8
    arrays = {name: Const(array) for name, array in zip(consts, case.consts.values(), strict=True)}
    types = {name: TensorType(x.shape, DType.of(x)) for name, x in zip(names, case.inputs, strict=True)}
    return Graph(
        "one", (), (), (op,), {**types, op.output: TensorType(case.out_shape, dtype)}, arrays, Stage.QUANTIZED
    ), op


def claims(case: Case) -> tuple[Read, ...]:
    graph, op = as_graph(case)
    return kernel_of(graph, op).reads(graph, op, 0)


def tiles_of(case: Case, data: Any) -> list[tuple[int, int]]:
    return [(first, n) for first, n in splits(Drawn(data.draw), case.n_units) if n > 0]


def touched(reads_beyond: Callable[[Span, bool], bool], n_bytes: int) -> Span:
    """The bytes from the first to the last that a kernel reads: it faults where one of them is missing."""
    low, high = 0, n_bytes  # begin: the most that can be left out in front
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if reads_beyond((middle, n_bytes), False) else (middle, high)
    begin = low
    low, high = begin, n_bytes
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if reads_beyond((begin, middle), True) else (low, middle)
    return begin, low


def touched_of(kernels: FencedKernels, case: Case, operand: int, first: int, n: int) -> Span:
    """Of one operand by units [first, first + n), while all of the other one is there."""

    def reads_beyond(span: Span, at_end: bool) -> bool:
        spans = [span if k == operand else (0, x.nbytes) for k, x in enumerate(case.inputs)]
        return kernels.run(case, first, n, spans, at_end=at_end, garbage=0x33) is None

    return touched(reads_beyond, case.inputs[operand].nbytes)


@every_kernel
@quick
@given(st.data())
def test_units_read_nothing_outside_of_what_the_planner_says(variant: str, kernel: str, data: Any) -> None:
    case = for_variant(data.draw(cases_of(kernel)), variant)
    said = claims(case)
    for first, n in tiles_of(case, data):
        for operand, read in enumerate(said):
            begin, end = touched_of(fenced(variant), case, operand, first, n)
            low, high = read.span(first, n)
            assert begin == end or low <= begin <= end <= high, (case.fields, first, n)


@every_kernel
@quick
@given(st.data())
def test_units_are_right_with_nothing_but_what_the_planner_says(variant: str, kernel: str, data: Any) -> None:
    """Garbage on one side, a page that faults on the other."""
    case = for_variant(data.draw(cases_of(kernel)), variant)
    said = claims(case)
    for first, n in tiles_of(case, data):
        spans = [read.span(first, n) for read in said]
        expected = case.expected[first * case.unit_bytes : (first + n) * case.unit_bytes]
        for at_end in (False, True):
            for garbage in (0x00, 0x7F, 0x80):
                found = fenced(variant).run(case, first, n, spans, at_end=at_end, garbage=garbage)
                assert found is not None
                assert np.array_equal(found[: expected.size], expected), (case.fields, first, n)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kernel", [*DOT_PRODUCTS, *CODED_KERNELS, *CODED_CONV_PARTS])
@quick
@given(st.data())
def test_parts_read_nothing_outside_of_what_the_planner_says(variant: str, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    n_products = case.n_products
    case, (graph, op) = for_variant(case, variant), as_graph(case)
    read, kernels = kernel_of(graph, op).part_read(graph, op), fenced(variant)
    element = data.draw(st.integers(0, case.n_units - 1))
    k0 = data.draw(st.integers(0, n_products - 1))
    n = data.draw(st.integers(1, n_products - k0))
    size = case.inputs[0].size
    low, high = read.span(element, 1) if read.extent_bytes else part_span(read, element, k0, n)
    whole = kernels.run_part(case, element, k0, n, (0, size), at_end=False, garbage=0)
    for at_end in (False, True):
        for garbage in (0x00, 0x7F, 0x80):
            assert kernels.run_part(case, element, k0, n, (low, high), at_end=at_end, garbage=garbage) == whole
    begin, end = touched(
        lambda span, at_end: kernels.run_part(case, element, k0, n, span, at_end=at_end, garbage=0) is None, size
    )
    assert begin == end or low <= begin <= end <= high


def part_span(read: Read, element: int, k0: int, n: int) -> Span:
    """fml_read_t of a layer in parts whose products are numbered as the bytes they read."""
    begin = element // read.group_units * read.step_bytes + k0
    return begin, begin + n


@every_kernel
def test_a_claim_that_is_one_byte_short_at_either_side_is_seen(variant: str, kernel: str) -> None:
    """Some tile reads the first byte that it is said to read, some tile the last one, neither being the operand's."""
    seen = set()
    for seed in range(400):
        case = for_variant(GENERATORS[kernel](Seeded(seed)), variant)
        for operand, read in enumerate(claims(case)):
            n_bytes = case.inputs[operand].nbytes
            for first, n in splits(Seeded(seed + 1), case.n_units):
                if n == 0:
                    continue
                low, high = read.span(first, n)
                spans = [(0, x.nbytes) for x in case.inputs]
                if low < high and (low > 0 or kernel in READ_WHOLE):
                    spans[operand] = (low + 1, high)
                    if fenced(variant).run(case, first, n, spans, at_end=False, garbage=0) is None:
                        seen.add("first")
                if low < high and (high < n_bytes or kernel in READ_WHOLE):
                    spans[operand] = (low, high - 1)
                    if fenced(variant).run(case, first, n, spans, at_end=True, garbage=0) is None:
                        seen.add("last")
        if seen == {"first", "last"}:
            return
    assert seen == {"first", "last"}


READ_WHOLE = ("fml_dense_i8", "fml_exit_head_i32", "fml_transpose_i8", *CODED_KERNELS)
