"""Kernels for the MSP430 as its compilers build them, on the emulated device, against the integer interpreter."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from freeml.firmware.host import build_host_library
from tests.kernels.cases import GENERATORS
from tests.kernels.choices import Seeded, splits
from tests.kernels.coded_cases import CODED_KERNELS
from tests.kernels.coded_conv_cases import CODED_CONV_KERNELS
from tests.kernels.library import INCLUDE, Case, Kernels

from . import layers
from .checks import BANK_END, any_split_is_the_whole, parts_add_up, seeded
from .device import FAR_END, FOLDER, KERNELS, Build, Device, builds, kernel_sources

BUILDS = builds()
N_CASES = 40

every_build = pytest.mark.parametrize("build", BUILDS, ids=lambda build: build.name)
every_kernel = pytest.mark.parametrize(
    "kernel", sorted(set(GENERATORS) & set(KERNELS) - set(CODED_KERNELS) - set(CODED_CONV_KERNELS))
)
dots = pytest.mark.parametrize("kernel", ["fml_conv_i8", "fml_pointwise_i8", "fml_dense_i8"])


def test_a_compiler_for_the_msp430_is_here() -> None:
    if not BUILDS:
        pytest.skip("no MSP430 compiler: pip install ziglang; the kernels for the MSP430 were NOT tested")
    assert device(BUILDS[0]).cycles == 0


@functools.cache
def device(build: Build) -> Device:
    return Device(build)


@every_build
@every_kernel
def test_kernel_equals_the_interpreter_for_any_split(build: Build, kernel: str) -> None:
    any_split_is_the_whole(device(build), seeded(kernel, range(N_CASES)))


@every_build
@dots
def test_parts_of_every_dot_product_add_up_to_the_whole_layer(build: Build, kernel: str) -> None:
    parts_add_up(device(build), seeded(kernel, range(N_CASES, N_CASES + 15)), most_parts=9)


@every_build
@pytest.mark.parametrize("kernel", ["fml_add_i8", "fml_lut_i8", "fml_maxpool_i8", "fml_mul_i8", "fml_softmax_i8"])
def test_in_place_gives_the_same_where_it_is_allowed(build: Build, kernel: str) -> None:
    for seed in range(30):
        choices = Seeded(seed)
        case = GENERATORS[kernel](choices)
        tiles = sorted(splits(choices, case.n_units))
        for operand in case.in_place:
            assert np.array_equal(device(build).run(case, tiles, in_place=operand), case.expected), seed


@every_build
@pytest.mark.parametrize("n_in", [1, 2, 7, 8, 9, 15, 16, 17, 1500])
def test_a_dot_product_may_have_any_length(build: Build, n_in: int) -> None:
    rng = np.random.default_rng(n_in)
    x = rng.integers(-128, 127, size=n_in, dtype=np.int8, endpoint=True)
    case = layers.dense(x, layers.constants(rng, (5, n_in), low=-128))
    for tiles in ([(0, 5)], [(3, 2), (0, 3)]):
        assert np.array_equal(device(build).run(case, tiles, far=BANK_END - 3), case.expected)
    assert np.array_equal(device(build).run(case, [(0, 5)], far=FAR_END - case.consts["w"].size), case.expected)


@every_build
@pytest.mark.parametrize("bias", [2**31 - 1 - 1500 * 2**14, -(2**31) + 1500 * 127 * 128])
def test_sums_at_the_ends_of_int32_are_exact(build: Build, bias: int) -> None:
    """-128 * -128 in every product, with the largest bias that the compiler's proof lets pass; negative likewise."""
    x, w = np.full(1500, -128, np.int8), np.full((48, 1500), -128 if bias > 0 else 127, np.int8)
    shift = np.arange(47, 47 - 48, -1).clip(1, 46).astype(np.uint8)
    mult = np.tile(np.array([1, 32768, 65535], np.uint16), 16)
    case = layers.dense(x, {"w": w, "bias": np.full(48, bias, np.int32), "mult": mult, "shift": shift})
    assert np.array_equal(device(build).run(case, [(0, 48)]), case.expected)


@every_build
@pytest.mark.parametrize("kernel", ["fml_dense_i8", "fml_depthwise_i8"])
def test_every_shift_and_multiplier_rounds_as_the_interpreter_does(build: Build, kernel: str) -> None:
    """Weights of zero but one: the accumulator is the bias, near the points where results round and saturate."""
    rng = np.random.default_rng(5)
    n = 46 * 8
    shift = np.repeat(np.arange(1, 47, dtype=np.uint8), 8)
    mult = rng.choice(np.array([0, 1, 2, 3, 32767, 32768, 40000, 65534, 65535], np.uint16), n)
    wanted = rng.integers(-300, 300, n) * 2 + rng.integers(0, 2, n)  # twice the result: half of them are ties
    acc = wanted * 2.0 ** (shift - 1.0) / np.maximum(mult, 1) + rng.integers(-1, 2, n)
    acc = np.where(rng.integers(0, 8, n) == 0, rng.choice([-(2.0**31) + 128, 2.0**31 - 128], n), acc)
    bias = np.clip(np.rint(acc), -(2.0**31) + 128, 2.0**31 - 128).astype(np.int32)
    consts: dict[str, npt.NDArray[Any]] = {"w": np.ones((n, 1), np.int8), "bias": bias, "mult": mult, "shift": shift}
    x = np.array([-1], np.int8)
    for lo, hi, y_zp in ((-128, 127, 0), (-128, 127, -128), (-7, 100, 127)):
        case = layers.dense(x, consts, lo=lo, hi=hi, y_zp=y_zp)
        if kernel == "fml_depthwise_i8":
            case = as_depthwise(case)
        assert np.array_equal(device(build).run(case, [(0, n)]), case.expected)
        assert len(np.unique(case.expected)) > 20, "results must not all saturate"


def as_depthwise(case: Case) -> Case:
    """The dense layer of one input as a depthwise convolution of one pixel with as many channels."""
    n = case.n_units
    ones = dict.fromkeys(("in_h", "in_w", "out_h", "out_w", "k_h", "k_w"), 1)
    ones |= dict.fromkeys(("stride_h", "stride_w", "dil_h", "dil_w"), 1)
    store = {name: case.fields[name] for name in ("y_zp", "lo", "hi")}
    fields = {**ones, **store, "in_c": n, "out_c": n, "groups": n, "pad_t": 0, "pad_l": 0, "x_zp": 0}
    consts = {**case.consts, "w": case.consts["w"].reshape(1, 1, n)}
    x = np.full((1, 1, n), case.inputs[0][0], np.int8)
    return Case("fml_depthwise_i8", "fml_conv_t", fields, consts, (x,), n, 1, case.expected)


WINDOWS: list[dict[str, Any]] = [
    {"k": (3, 3), "pad": 1},
    {"k": (3, 3), "pad": 2, "stride": 2},
    {"k": (5, 5), "pad": 4, "dilation": 2},
    {"k": (1, 9), "pad": 8},
    {"k": (9, 1), "pad": 8},
    {"k": (7, 7), "pad": 3},
    {"k": (1, 1), "pad": 1},
]


@every_build
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("x_zp", [-128, 0, 127])
def test_every_corner_of_the_padding_is_right(build: Build, window: dict[str, Any], x_zp: int) -> None:
    for seed, channels in enumerate([(1, 1), (3, 3), (4, 8), (2, 6)]):
        shape: dict[str, Any] = {"image": (7, 9), "x_zp": x_zp, "seed": seed, **window}
        case = layers.conv("fml_conv_i8", channels=channels, **shape)
        assert np.array_equal(device(build).run(case, [(0, case.n_units)], far=BANK_END - 1), case.expected)
        shape["groups"] = channels[0]
        case = layers.conv("fml_depthwise_i8", channels=channels, **shape)
        tiles = [(0, 5), (5, case.n_units - 5)] if case.n_units > 5 else [(0, case.n_units)]
        assert np.array_equal(device(build).run(case, tiles, far=BANK_END - 1), case.expected)
        case = layers.conv("fml_conv_i8", channels=channels, **shape)
        assert np.array_equal(device(build).run(case, tiles, far=BANK_END - 1), case.expected)


@every_kernel
def test_the_same_files_on_the_host_give_the_same_bytes(kernel: str) -> None:
    for seed in range(N_CASES):
        choices = Seeded(seed)
        case = GENERATORS[kernel](choices)
        assert np.array_equal(host_kernels().run(case, splits(choices, case.n_units)), case.expected), seed


@functools.cache
def host_kernels() -> Kernels:
    folder = Path(tempfile.mkdtemp(prefix="freeml-kernels-"))
    return Kernels(build_host_library(kernel_sources(), [FOLDER, INCLUDE], folder / "kernels.so"))


LIMITS = {
    "conv 3x3, 16 channels": (
        11.0,
        layers.conv("fml_conv_i8", image=(16, 16), channels=(16, 16), k=(3, 3), pad=1),
    ),
    "pointwise, 64 channels": (11.0, layers.conv("fml_pointwise_i8", image=(6, 5), channels=(64, 64))),
    "dense, 256 to 64": (
        10.0,
        layers.dense(np.arange(-128, 128, dtype=np.int8), layers.constants(np.random.default_rng(0), (64, 256))),
    ),
    "depthwise 3x3, 64 channels": (
        34.0,
        layers.conv("fml_depthwise_i8", image=(12, 5), channels=(64, 64), k=(3, 3), pad=1, groups=64),
    ),
}


@every_build
@pytest.mark.parametrize("name", LIMITS)
def test_cycles_of_a_product_stay_below_the_limit(build: Build, name: str) -> None:
    """Whole layers at 16 MHz with one wait state, padding, gathering and requantization included."""
    limit, case = LIMITS[name]
    assert np.array_equal(device(build).run(case, [(0, case.n_units)], far=0x1_2346), case.expected)
    cycles = device(build).cycles / layers.n_products(case)
    print(f"{build.name}, {name}: {cycles:.2f} cycles")
    assert cycles <= limit
