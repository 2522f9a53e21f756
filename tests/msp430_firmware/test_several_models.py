"""Several models in one firmware: the folders are compiled one by one, and their C is put together by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from freeml import CompileOptions, compile_model
from freeml.errors import DoesNotFit
from freeml.firmware.build import Toolchain, build_firmware
from freeml.ir.interpret import interpret
from freeml.output.folder import Output, read_output
from freeml.sim.on_board import OnBoard
from tests.msp430_firmware.conftest import TOOLCHAINS
from tests.msp430_firmware.networks import calibration, dense_network

NAMES = ("first", "second", "third")
# Of the hidden layers: small; of more than one slice; a table that does not fit into far memory and goes near.
SMALL, SLICED, SPILLED = (12, 7, 9), (300, 200, 50), (110, 40)


def compiled_apart(work: Path, board: str, hidden: tuple[int, ...]) -> list[Output]:
    outputs = []
    for seed, (name, width) in enumerate(zip(NAMES, hidden, strict=False)):
        model = dense_network(work / f"{name}.onnx", 160, width, 5, seed=seed)
        options = CompileOptions(name=name, board=board, samples=1)
        compile_model(model, work / name, data=str(calibration(work / "x.npz", 160)), options=options)
        outputs.append(read_output(work / name))
    return outputs


def put_together(outputs: list[Output]) -> Output:
    """The first firmware, which runs all models and reports the last one's outputs."""
    first, last = outputs[0], outputs[-1].graph.name
    main = first.folder / "firmware" / "main.c"
    text = main.read_text()
    for output in outputs[1:]:
        name = output.graph.name
        for suffix in (".c", ".h", "_weights.h"):
            shutil.copy(output.folder / f"{name}{suffix}", first.folder / "firmware")
        for path in (output.folder / "runtime").iterdir():
            shutil.copy(path, first.folder / "runtime")
        declared = (
            f'#include "{name}.h"\n'
            f"static uint32_t {name}_sram[{name.upper()}_SRAM_BYTES / 4 + 1];\n"
            f'static {name}_nvm_t {name}_nvm __attribute__((section(".nvm")));\n'
            f"static fml_ram_t {name}_ram;\n"
        )
        text = text.replace('#include "first.h"\n', f'#include "first.h"\n{declared}', 1)
    names = [output.graph.name for output in outputs[1:]]
    runs = "".join(
        f"\n        fml_boot(&{n}_ram, &{n}_model, {n}_nvm.bytes, {n}_sram);\n        fml_infer(&{n}_ram);"
        for n in names
    )
    assert "fml_infer(&ram);" in text
    text = text.replace("fml_infer(&ram);", f"fml_infer(&ram);{runs}", 1)
    shows = "fml_read_output(&ram" if "fml_read_output(&ram" in text else "fml_window_show(&ram"
    assert shows in text
    main.write_text(text.replace(shows, shows.replace("&ram", f"&{last}_ram")))
    return read_output(first.folder)


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
@pytest.mark.parametrize(
    ("board", "hidden"),
    [
        ("msp430fr5994", SMALL[:2]),
        ("msp430fr5994", SLICED),
        ("msp430fr5969", SMALL),
        ("msp430fr5969", SPILLED),
    ],
)
def test_each_model_reads_its_own_weights(
    board: str, hidden: tuple[int, ...], toolchain: Toolchain, tmp_path: Path
) -> None:
    outputs = compiled_apart(tmp_path, board, hidden)
    last = outputs[-1].graph
    codes = np.random.default_rng(0).integers(-128, 128, (2, 160), dtype=np.int8)
    wanted = interpret(last, {last.inputs[0].value: codes})[last.outputs[0].value]
    model = OnBoard.start(put_together(outputs), toolchain).model
    found = model.run({outputs[0].graph.inputs[0].value: codes})
    assert next(iter(found.values())).reshape(2, -1).tolist() == wanted.reshape(2, -1).tolist()


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_models_that_do_not_fit_beside_each_other_are_refused_with_the_sizes(
    toolchain: Toolchain, tmp_path: Path
) -> None:
    together = put_together(compiled_apart(tmp_path, "msp430fr5969", (90, 90)))
    with pytest.raises(DoesNotFit, match="far memory"):
        build_firmware(together, tmp_path / "a.elf", toolchain)
