"""Every kernel against the integer interpreter, bit for bit, over random layers."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.firmware.host import build_host_library

from .cases import GENERATORS, cases_of
from .choices import Drawn, Seeded, splits
from .coded_cases import CODED_KERNELS
from .coded_conv_cases import CODED_CONV_PARTS, DECODED_IN_BLOCKS
from .library import (
    DOT_PRODUCTS,
    PARTS,
    SOURCES,
    VARIANTS,
    Kernels,
    for_variant,
    in_blocks,
    includes_of,
    own_kernels,
    sources_of,
)

quick = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
every_kernel = pytest.mark.parametrize(
    ("variant", "kernel"), [(variant, kernel) for variant in VARIANTS for kernel in own_kernels(variant)]
)
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@functools.cache
def kernels_of(variant: str) -> Kernels:
    with tempfile.TemporaryDirectory() as work:
        return Kernels(build_host_library(sources_of(variant), includes_of(variant), Path(work) / "kernels.so"))


def test_the_portable_kernels_are_all_there_are_and_variants_replace_the_dot_products() -> None:
    assert own_kernels("portable") == sorted(GENERATORS)
    for variant in VARIANTS[1:]:
        assert set(own_kernels(variant)) >= set(DOT_PRODUCTS)


def test_every_kernel_has_a_test_and_a_file_of_its_name() -> None:
    assert [path.stem for path in SOURCES if path not in PARTS] == sorted(GENERATORS)


@every_kernel
@quick
@given(st.data())
def test_kernel_equals_the_interpreter(variant: str, kernel: str, data: Any) -> None:
    case = for_variant(data.draw(cases_of(kernel)), variant)
    assert np.array_equal(kernels_of(variant).run(case, [(0, case.n_units)]), case.expected)


@every_kernel
def test_kernel_equals_the_interpreter_where_no_choice_is_preferred(variant: str, kernel: str) -> None:
    """Hypothesis likes small numbers: of a hundred of its convolutions seven tell whether rows are dilated."""
    for seed in range(200):
        choices = Seeded(seed)
        case = for_variant(GENERATORS[kernel](choices), variant)
        got = kernels_of(variant).run(case, splits(choices, case.n_units))
        assert np.array_equal(got, case.expected), seed


@every_variant
@pytest.mark.parametrize("kernel", DECODED_IN_BLOCKS)
def test_rows_that_are_decoded_block_by_block_give_the_whole_layer(variant: str, kernel: str) -> None:
    """Each block has weights, biases and scales of its own, and pixels that a tile cuts begin within one."""
    n_layers = 0
    for seed in range(80):
        choices = Seeded(seed)
        case = in_blocks(GENERATORS[kernel](choices), variant)
        if case is not None:
            n_layers += 1
            for tiles in ([(0, case.n_units)], splits(choices, case.n_units)):
                assert np.array_equal(kernels_of(variant).run(case, tiles), case.expected), (seed, tiles)
    assert n_layers > 20


@every_kernel
@quick
@given(st.data())
def test_any_split_into_tiles_gives_the_whole_layer(variant: str, kernel: str, data: Any) -> None:
    case = for_variant(data.draw(cases_of(kernel)), variant)
    tiles = splits(Drawn(data.draw), case.n_units)
    assert np.array_equal(kernels_of(variant).run(case, tiles), case.expected)


@every_variant
@pytest.mark.parametrize("kernel", [*DOT_PRODUCTS, *CODED_KERNELS, *CODED_CONV_PARTS])
@quick
@given(st.data())
def test_parts_of_every_dot_product_add_up_to_the_whole_layer(variant: str, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    n_products = case.n_products
    part_products = data.draw(st.integers(1, n_products + 1))
    parts = kernels_of(variant).run_parts(for_variant(case, variant), n_products, part_products)
    assert np.array_equal(parts, case.expected)


@every_variant
@pytest.mark.parametrize("kernel", ["fml_add_i8", "fml_lut_i8", "fml_maxpool_i8", "fml_mul_i8", "fml_softmax_i8"])
@quick
@given(st.data())
def test_in_place_gives_the_same_where_it_is_allowed(variant: str, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    tiles = sorted(splits(Drawn(data.draw), case.n_units))
    for operand in case.in_place:
        assert np.array_equal(kernels_of(variant).run(case, tiles, in_place=operand), case.expected)


def test_in_place_cases_are_not_rare() -> None:
    for kernel in ("fml_add_i8", "fml_maxpool_i8", "fml_mul_i8"):
        allowed = [bool(GENERATORS[kernel](Seeded(seed)).in_place) for seed in range(100)]
        assert sum(allowed) >= 20, kernel
