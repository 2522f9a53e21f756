"""What the first boot finds: images of other models at each of their commits, of older layouts, damaged ones.

Of each, explored as it was left: the boot is a cold start, whatever the power does, and the answers are those of a
blank NVM (the explorer demands both of every start that is an image).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks.mutants.mutant import table
from freeml.board.figures import Behaviour
from freeml.plan.protocol import IDENTITY_BYTES
from freeml.sim.power_loss import foreign
from freeml.sim.power_loss.explorer import CrashRig

from .probe import N_STEPS, ONE_SLOT, STAGED, rig

OTHER, LARGER = "PROBE_OTHER=1", ("PROBE_OTHER=2", "PROBE_MORE_BYTES=12")
COMMIT = 16  # FML_NVM_COMMIT
VARIANTS: list[tuple[str, ...]] = [(), (ONE_SLOT,), (STAGED,)]


def of_one_bit(image: bytes) -> dict[str, bytes]:
    """Every image whose identity differs in one bit."""
    whole, n_bytes = int.from_bytes(image, "little"), len(image)
    return {f"one-bit-{bit}": (whole ^ 1 << bit).to_bytes(n_bytes, "little") for bit in range(8 * IDENTITY_BYTES)}


def boots_cold(explored: CrashRig, images: Iterable[tuple[str, bytes]], behaviour: Behaviour) -> None:
    """Every reachable image of the cold start from each of these images."""
    for name, image in images:
        fitted = foreign.fitted(image, explored.nvm_bytes)
        report = explored.explore("all", behaviour, start=fitted, up_to=0, n_inferences=1, max_torn=1)
        assert (report.closed, report.divergences) == (True, 0), f"{name}: {report.reason}"


def named(images: Iterable[bytes]) -> list[tuple[str, bytes]]:
    return [(f"commit {k}", image) for k, image in enumerate(images)]


def behaviours_of(defines: tuple[str, ...]) -> tuple[Behaviour, ...]:
    return ("atomic", "unordered") if ONE_SLOT in defines else ("atomic", "torn", "unordered")


@pytest.mark.parametrize("defines", VARIANTS)
@pytest.mark.parametrize(("left", "found"), [((OTHER,), ()), (LARGER, ()), ((), LARGER)])
def test_the_image_of_another_model_at_any_commit_is_not_believed(
    defines: tuple[str, ...], left: tuple[str, ...], found: tuple[str, ...]
) -> None:
    """A real run of a second model, whose NVM is as large, larger or smaller; then ours on what it left."""
    images = rig(*defines, *left).images(2)
    assert len(images) > 2 * 20
    for behaviour in behaviours_of(defines):
        boots_cold(rig(*defines, *found), named(images), behaviour)


def test_the_image_of_a_model_with_the_other_commit_record_is_not_believed() -> None:
    boots_cold(rig(ONE_SLOT), named(rig(OTHER).images()), "atomic")
    boots_cold(rig(), named(rig(OTHER, ONE_SLOT).images()), "torn")


@pytest.mark.parametrize("layout", [1, 2])
@pytest.mark.parametrize("defines", VARIANTS)
def test_an_image_that_an_older_layout_left_is_not_believed(defines: tuple[str, ...], layout: int) -> None:
    """Recorded from the probe model when its layout was an older one: the same digest, other records."""
    lines = [line.split() for line in (Path(__file__).parent / f"layout_{layout}.txt").read_text().splitlines()]
    slots = "1" if ONE_SLOT in defines else "2"
    images = [bytes.fromhex(image) for count, image in lines if count == slots]
    assert len(images) == {1: 23, 2: 24}[layout], "one for each commit of an inference"
    for behaviour in behaviours_of(defines):
        boots_cold(rig(*defines), named(images), behaviour)


@pytest.mark.parametrize("defines", VARIANTS)
@pytest.mark.parametrize("kind", [foreign.of_others, of_one_bit, foreign.damaged])
def test_an_image_with_any_wrong_part_is_not_believed(
    defines: tuple[str, ...], kind: Callable[[bytes], dict[str, bytes]]
) -> None:
    images = rig(*defines).images(2)
    for behaviour in behaviours_of(defines):
        boots_cold(rig(*defines), kind(images[len(images) * 3 // 4]).items(), behaviour)


@pytest.mark.parametrize("defines", VARIANTS)
def test_a_wrong_identity_is_not_believed_at_any_commit(defines: tuple[str, ...]) -> None:
    for commit, image in enumerate(rig(*defines).images(2)):
        images = {**foreign.of_others(image), **foreign.damaged(image)}
        boots_cold(rig(*defines), ((f"{name} at commit {commit}", image) for name, image in images.items()), "atomic")


def test_an_image_of_its_own_is_no_foreign_one() -> None:
    """What the tests above rest on: had the explorer taken one of theirs for whole, it would have said so."""
    report = rig().explore("all", "atomic", start=rig().images(2)[30])
    assert "and whole" in report.reason
    assert (report.closed, report.divergences) == (False, 1)


@pytest.mark.parametrize(
    "mutant", sorted(name for name in table() if name.startswith("identity-") and "-the-image-" not in name)
)
def test_an_identity_of_which_a_part_goes_unread_is_found(mutant: str) -> None:
    for slots in ((), (ONE_SLOT,)):
        image = rig(*slots).images(2)[30]
        images = {**foreign.of_others(image), **of_one_bit(image)}
        explored = rig(*slots, mutant=mutant)
        believed = [explored.explore("all", "atomic", start=start, up_to=0).divergences for start in images.values()]
        assert any(believed)


def test_an_identity_by_its_magic_alone_is_found_by_a_real_second_model() -> None:
    """Most commits of the other model lead to a wrong first answer, and one is enough."""
    explored, believed = rig(mutant="identity-by-magic-alone"), 0
    for image in rig(OTHER).images():
        believed += explored.explore("none", "atomic", start=image).divergences
    assert believed > 20


def test_a_step_beyond_the_last_is_not_believed_though_its_record_is_whole() -> None:
    """Both slots say so, each with its complement: nothing but the number of steps is against it."""
    image = bytearray(rig().images(2)[30])
    for slot in range(2):
        at = COMMIT + 8 * slot
        word = int.from_bytes(image[at : at + 4], "little") & 7 | (N_STEPS + slot) << 3
        image[at : at + 8] = word.to_bytes(4, "little") + (word ^ 0xFFFF_FFFF).to_bytes(4, "little")
    boots_cold(rig(), [("beyond", bytes(image))], "atomic")
