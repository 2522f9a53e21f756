"""Every reachable reboot image of the probe model: any number of power losses, at any write."""

from __future__ import annotations

from typing import Any

import pytest

from freeml.board.figures import Behaviour
from freeml.sim.power_loss.explorer import BEHAVIOURS, STARTS, Start

from .probe import ONE_SLOT, STAGED, how_to_reproduce, rig

# What an NVM guarantees, and the commit record that follows from it.
NVMS: list[tuple[tuple[str, ...], Behaviour, int]] = [
    ((), "atomic", 1),
    ((), "torn", 1),
    ((), "unordered", 1),
    ((), "unordered", 4),
    ((), "torn-unordered", 1),
    ((ONE_SLOT,), "atomic", 2),
    ((ONE_SLOT,), "atomic", 4),
    ((ONE_SLOT,), "unordered", 2),
    ((STAGED,), "torn", 1),
    ((STAGED,), "unordered", 1),
    ((STAGED,), "torn-unordered", 1),
    ((STAGED, ONE_SLOT), "atomic", 2),
]


def closed(defines: tuple[str, ...], behaviour: Behaviour, **options: Any) -> None:
    report = rig(*defines).explore("all", behaviour, **options)
    assert report.divergences == 0, how_to_reproduce(report)
    assert report.closed, report.reason
    if "up_to" not in options:
        assert all(layer.closed for layer in report.per_layer)


@pytest.mark.parametrize(("defines", "behaviour", "unit_bytes"), NVMS)
def test_any_power_losses_give_the_uninterrupted_answers(
    defines: tuple[str, ...], behaviour: Behaviour, unit_bytes: int
) -> None:
    closed(defines, behaviour, unit_bytes=unit_bytes)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize(
    ("defines", "behaviour"), [((), "torn"), ((ONE_SLOT,), "atomic"), ((), "unordered"), ((STAGED,), "torn")]
)
def test_power_cut_during_the_very_first_boot_on_blank_garbage_foreign_or_damaged_nvm(
    defines: tuple[str, ...], behaviour: Behaviour, start: Start
) -> None:
    closed(defines, behaviour, unit_bytes=2, start=start, max_torn=1 if start == "damaged" else 2)


@pytest.mark.parametrize("start", ["zeros", "older-layout", "damaged"])
def test_the_very_first_boot_may_tear_and_lose_units_in_one_loss(start: Start) -> None:
    closed((), "torn-unordered", start=start, up_to=0, max_torn=1)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_power_cut_while_an_input_is_captured_gives_one_sample_or_the_other(behaviour: Behaviour) -> None:
    report = rig().explore("all", behaviour, up_to=0)
    capture = report.per_layer[-2]
    assert report.closed, how_to_reproduce(report)
    assert capture.images > 8 if behaviour != "atomic" else capture.segments == 2
    assert capture.closed


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_power_cut_while_a_result_is_published_publishes_it_once(behaviour: Behaviour) -> None:
    report = rig().explore("all", behaviour, n_inferences=3, branches=1)
    publish = report.per_layer[-1]
    assert report.closed, how_to_reproduce(report)
    assert publish.segments > 3
    assert publish.images > 8 * publish.segments


def test_three_torn_bytes_at_worst_do_no_harm_and_four_do() -> None:
    """The limit of a commit record of two slots on NVM that leaves the worst garbage."""
    assert rig().explore("all", "torn", n_inferences=1, max_torn=3).closed
    assert rig().explore("all", "torn", n_inferences=1, max_torn=4).divergences == 1


def test_random_garbage_in_torn_bytes_does_no_harm() -> None:
    for seed in range(3):
        closed((), "torn", adversary=False, max_torn=3, n_inferences=1, seed=seed)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("mode", ["none", "linear", "log", "commit", "random:1", "random:2", "12,8"])
def test_a_schedule_of_losses_ends_with_all_results(mode: str, behaviour: Behaviour) -> None:
    report = rig().explore(mode, behaviour, n_inferences=4, branches=2)
    assert report.closed, report.reason
    assert report.divergences == 0, how_to_reproduce(report)


def test_computing_a_tile_once_finds_the_same_images() -> None:
    for behaviour in BEHAVIOURS:
        slow, fast = (rig().explore("all", behaviour, memoise=memoise) for memoise in (False, True))
        assert (slow.closed, slow.images, slow.writes) == (fast.closed, fast.images, fast.writes)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_staging_changes_no_image_and_no_write(behaviour: Behaviour) -> None:
    by_pointer, staged = (rig(*defines).explore("all", behaviour) for defines in ((), (STAGED,)))
    assert (staged.closed, staged.commits, staged.segments) == (True, by_pointer.commits, by_pointer.segments)
    if "torn" not in behaviour:  # which garbage a torn byte becomes is drawn by lot
        assert (staged.images, staged.writes) == (by_pointer.images, by_pointer.writes)


def test_time_that_is_up_is_reported_and_nothing_is_claimed() -> None:
    report = rig().explore("all", "torn", limit_s=0.0)
    assert not report.closed
    assert report.reason == "time is up"
    assert report.divergences == 0
