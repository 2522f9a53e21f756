"""Every kernel against the integer interpreter, bit for bit, over random layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freeml.firmware.host import build_host_library

from .cases import GENERATORS, Drawn, Seeded, cases_of, splits
from .library import INCLUDE, PARTS, SOURCES, Kernels

quick = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
every_kernel = pytest.mark.parametrize("kernel", sorted(GENERATORS))


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    return Kernels(build_host_library(SOURCES, [INCLUDE], tmp_path_factory.mktemp("kernels") / "kernels.so"))


def test_every_kernel_has_a_test_and_a_file_of_its_name() -> None:
    assert [path.stem for path in SOURCES if path not in PARTS] == sorted(GENERATORS)


@every_kernel
@quick
@given(st.data())
def test_kernel_equals_the_interpreter(kernels: Kernels, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    assert np.array_equal(kernels.run(case, [(0, case.n_units)]), case.expected)


@every_kernel
@quick
@given(st.data())
def test_any_split_into_tiles_gives_the_whole_layer(kernels: Kernels, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    tiles = splits(Drawn(data.draw), case.n_units)
    assert np.array_equal(kernels.run(case, tiles), case.expected)


@pytest.mark.parametrize("kernel", ["fml_conv_i8", "fml_pointwise_i8", "fml_dense_i8"])
@quick
@given(st.data())
def test_parts_of_every_dot_product_add_up_to_the_whole_layer(kernels: Kernels, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    n_products = case.consts["w"].size // case.consts["w"].shape[0]
    part_products = data.draw(st.integers(1, n_products + 1))
    assert np.array_equal(kernels.run_parts(case, n_products, part_products), case.expected)


@pytest.mark.parametrize("kernel", ["fml_add_i8", "fml_lut_i8", "fml_maxpool_i8", "fml_mul_i8", "fml_softmax_i8"])
@quick
@given(st.data())
def test_in_place_gives_the_same_where_it_is_allowed(kernels: Kernels, kernel: str, data: Any) -> None:
    case = data.draw(cases_of(kernel))
    tiles = sorted(splits(Drawn(data.draw), case.n_units))
    for operand in case.in_place:
        assert np.array_equal(kernels.run(case, tiles, in_place=operand), case.expected)


def test_in_place_cases_are_not_rare() -> None:
    for kernel in ("fml_add_i8", "fml_maxpool_i8", "fml_mul_i8"):
        allowed = [bool(GENERATORS[kernel](Seeded(seed)).in_place) for seed in range(100)]
        assert sum(allowed) >= 20, kernel
