"""Networks compiled for the MSP430 boards, each once in a test run; nobody changes the folders."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.power_loss.models import source
from freeml import CompileOptions, compile_model
from freeml.firmware.toolchain import find_msp430_gcc
from freeml.output.folder import Output, read_output
from tests.msp430.oracle import find_toolchain
from tests.msp430_firmware.networks import calibration, dense_network, separable_network

find_toolchain()  # unpacks the archive into the cache folder, where there is one
HAS_GCC = find_msp430_gcc() is not None
if not HAS_GCC:
    warnings.warn("no msp430-elf-gcc: the large memory model is not tested", stacklevel=1)
TOOLCHAINS = ["zig", pytest.param("gcc", marks=pytest.mark.skipif(not HAS_GCC, reason="no msp430-elf-gcc"))]
WIDE = (784, 96, 10)  # 76,224 bytes of weights
MIDDLE = (400, 60, 10)  # 24,600 bytes: more than an FR5969 has far
Compiled = Callable[..., Output]


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """compiled(network, board, capacitor_uf=None): a name of benchmarks.power_loss, or widths of dense layers."""
    work = tmp_path_factory.mktemp("msp430")
    done: dict[tuple[object, ...], Output] = {}

    def compiled_once(
        network: str | tuple[int, ...], board: str = "msp430fr5994", capacitor_uf: float | None = None
    ) -> Output:
        key = (network, board, capacitor_uf)
        if key not in done:
            widths = "" if isinstance(network, str) else "_".join(str(width) for width in network)
            name = network if isinstance(network, str) else f"dense{widths if len(network) < 9 else len(network)}"
            if network == "separable":
                model = separable_network(work / "separable.onnx")
                data: str | None = str(calibration(work / "separable.npz", 4, 12, 10))
            elif isinstance(network, str):
                model, data = source(network, work)
            else:
                model = dense_network(work / f"{name}.onnx", *network)
                data = str(calibration(work / f"{name}.npz", network[0]))
            out = work / f"{name}-{board}-{capacitor_uf}"
            options = CompileOptions(name=name, board=board, capacitor_uf=capacitor_uf, samples=1)
            compile_model(model, out, data=data, options=options)
            done[key] = read_output(out)
        return done[key]

    return compiled_once


@pytest.fixture
def copied(compiled: Compiled, tmp_path: Path) -> Compiled:
    """The same, as a copy that a test may change."""

    def copy(network: str | tuple[int, ...], board: str = "msp430fr5994", capacitor_uf: float | None = None) -> Output:
        return read_output(shutil.copytree(compiled(network, board, capacitor_uf).folder, tmp_path / "copy"))

    return copy
