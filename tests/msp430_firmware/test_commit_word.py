"""One flipped bit of the commit word of a firmware in its FRAM: the answer is right all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.msp430_firmware.conftest import TOOLCHAINS, Compiled
from tests.msp430_firmware.machine import rig, samples

COMMIT = 16  # FML_NVM_COMMIT of fml_runtime.h


@pytest.mark.parametrize("toolchain", TOOLCHAINS)
def test_a_flipped_bit_of_the_commit_word_changes_no_answer(toolchain: str, compiled: Compiled, tmp_path: Path) -> None:
    output = compiled("digits")
    engine, _ = rig(output, tmp_path, toolchain)
    (codes, expected), *_ = samples(output, 1)
    end = engine.symbols["fml_nvm_commit"][0]
    engine.nvm = bytes(len(engine.nvm))
    engine.sense(codes)
    engine.power_on()
    images = []
    while engine.run_to(end):
        images.append(engine.nvm)  # as the commit before left it, with the data of the step on top
    images.append(engine.nvm)
    assert len(images) == output.manifest.tiles.n_tiles + 4, "cold start, capture, tiles, publication, report"
    for step, image in enumerate(images[1:]):
        for bit in range(16):
            changed = bytearray(image)
            changed[COMMIT + bit // 8] ^= 1 << bit % 8
            engine.nvm = bytes(changed)
            engine.power_on()
            assert engine.run()
            assert engine.outputs() == expected, f"bit {bit} before step {step}"
            assert engine.result().sequence == 1
