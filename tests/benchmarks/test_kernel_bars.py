"""What `python -m benchmarks.kernels` promises of Cortex-M, with the compiler that is the same everywhere."""

from __future__ import annotations

import pytest

from benchmarks.kernels import arm
from benchmarks.kernels.__main__ import MOST


@pytest.mark.parametrize("core", ["m4", "m0"])
def test_a_3x3_convolution_takes_fewer_instructions_than_elsewhere(core: str) -> None:
    found = arm.conv16(f"qemu_{core}", ("zig",))["zig"]
    assert found.instructions <= MOST[f"conv16_{core}_instructions"]


def test_the_tiny_cnn_is_fast_and_small_on_a_cortex_m4() -> None:
    found = arm.tiny_cnn("qemu_m4", ("zig",))["zig"]
    assert found.instructions <= MOST["tiny_cnn_m4_instructions"]
    assert found.code_bytes <= MOST["tiny_cnn_m4_code_bytes"]
