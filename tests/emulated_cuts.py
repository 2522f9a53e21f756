"""What losses leave of an inference: the images that one can leave, and the steps that were committed in some."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable

from freeml.output.folder import Output
from freeml.plan.step_table import Kind
from freeml.sim.instruction import Emulator
from freeml.sim.power_loss.control_block import ControlBlock


def images_passed(engine: Emulator, codes: bytes) -> set[bytes]:
    """NVM before and behind each write of two inferences that lose no power: all that one loss can leave.

    NVM is then as it was.
    """
    cold = engine.nvm
    image = bytearray(cold)
    passed = {cold}
    engine.sense(codes)
    engine.power_on()
    for _ in range(2):
        for write in engine.logged_writes()[1]:
            image[write.offset_bytes : write.offset_bytes + len(write.data)] = write.data
            passed.add(bytes(image))
    engine.nvm = cold
    return passed


def committed_steps(output: Output, images: Iterable[bytes]) -> set[int]:
    """The steps that were next in these images, cold ones left out."""
    tiles, identity = output.manifest.tiles, identity_of(output)
    control = ControlBlock(tiles.steps, tiles.commit_slots, identity)
    return {at.step for image in images if (at := control.committed(image))}


def identity_of(output: Output) -> bytes:
    """As the generated C has it: digest, layout version, magic."""
    text = (output.folder / f"{output.graph.name}.c").read_text()
    digest = re.search(r"0x([0-9a-f]{8})u, 0x([0-9a-f]{8})u", text)
    assert digest
    header = (output.folder / "runtime" / "fml_runtime.h").read_text()
    version = re.search(r"define FML_LAYOUT_VERSION (\d+)", header)
    magic = re.search(r"define FML_MAGIC 0x([0-9a-f]+)u", header)
    assert version
    assert magic
    return struct.pack("<IIHH", *(int(word, 16) for word in digest.groups()), int(version[1]), int(magic[1], 16))


def tile_steps(output: Output) -> set[int]:
    """Those that compute."""
    return set(output.manifest.tiles.steps.of_kind(Kind.TILES))


def all_steps(output: Output) -> set[int]:
    """Capture, tiles, publication, report."""
    return set(range(output.manifest.tiles.steps.n_steps))
