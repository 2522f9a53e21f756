"""`freeml verify --power-loss MODE`: explore a compiled folder under every behaviour that its NVM may show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from freeml.board.figures import Behaviour
from freeml.data import Dataset, fit_inputs
from freeml.ir.interpret import encode_inputs
from freeml.output.folder import Output
from freeml.sim.power_loss import foreign
from freeml.sim.power_loss.explorer import CrashReport, CrashRig, LayerClosure, rig_of_folder
from freeml.sim.power_loss.first_images import spread_images

# Models that write more than this in one inference are followed through one inference, smaller ones through two, so
# that publishing and the next capture are covered together.
_TWO_INFERENCES_BYTES = 5_000
# Above this, a tile is computed once for each committed image instead of once for each reboot into it.
_MEMOISE_MACS = 50_000
_COMMITS = 3  # at which images of the network itself are given another identity, or damaged


@dataclass(frozen=True, slots=True)
class HostLosses:
    """What losses of a model's power found, under all behaviours of its NVM together: as CrashReport.

    first_images  what the first boot found in NVM: so many images
    """

    mode: str
    behaviours: tuple[Behaviour, ...]
    closed: bool
    images: int
    writes: int
    divergences: int
    schedule: str
    reason: str
    seconds: float
    per_layer: tuple[LayerClosure, ...]
    first_images: int


def lose_power_on_host(
    output: Output,
    mode: str,
    dataset: Dataset | None = None,
    *,
    limit_s: float = 300.0,
    strangers: Sequence[bytes] = (),
) -> HostLosses:
    """Cut the power of a compiled model; mode as in CrashRig.explore.

    dataset    its first two samples are what the sensor shows; random codes where None or of one sample
    strangers  what other networks left in NVM: images_left. In mode "all" the first boot may find them, as well as
               garbage, this network's images under another identity, and damaged ones: it must be a cold start
    """
    nvm, tiles = output.board.nvm, output.manifest.tiles
    rig = rig_of_folder(output.folder, output.graph.name)
    names = [layer.loc for layer in tiles.layers]
    small = tiles.written_bytes <= _TWO_INFERENCES_BYTES
    reports: list[CrashReport] = []
    n_first = 1
    for behaviour in nvm.behaviours:
        report = rig.explore(
            mode,
            behaviour,
            unit_bytes=nvm.atomic_bytes,
            n_inferences=2 if small else 1,
            memoise=output.manifest.macs > _MEMOISE_MACS,
            limit_s=limit_s / len(nvm.behaviours),
            samples=_two_samples(output, dataset),
            layer_names=names,
        )
        reports.append(report)
        if mode == "all" and report.closed:
            n_first, report = _first_boots(rig, behaviour, nvm.atomic_bytes, strangers)
            reports.append(report)
        if report.divergences:
            break
    return _joined(mode, reports, n_first)


def images_left(output: Output) -> list[bytes]:
    """NVM behind each commit of the first inference of a compiled model, on random codes."""
    return rig_of_folder(output.folder, output.graph.name).images(1)


def _first_boots(
    rig: CrashRig, behaviour: Behaviour, unit_bytes: int, strangers: Sequence[bytes]
) -> tuple[int, CrashReport]:
    """What the first boot may find but zeros: how many images, and the report of the first that is taken for whole.

    Losses are tried up to the commit of the cold start. What it leaves differs in dead bytes alone from that of a blank
    NVM.
    """
    n_first, totals = 1, [0, 0, 0.0]
    for name, mode, image in _first_images(rig, strangers):
        n_first += 1
        report = rig.explore(
            mode,
            behaviour,
            start=image,
            up_to=0 if mode == "all" else None,
            n_inferences=1,
            max_torn=1,
            unit_bytes=unit_bytes,
        )
        totals = [totals[0] + report.images, totals[1] + report.writes, totals[2] + report.seconds]
        if report.divergences or not report.closed:
            report = replace(report, reason=f"first boot on {name}: {report.reason}")
            break
    images, writes, seconds = totals
    return n_first, replace(report, images=int(images), writes=int(writes), seconds=seconds, per_layer=())


def _first_images(rig: CrashRig, strangers: Sequence[bytes]) -> Iterator[tuple[str, str, bytes]]:
    """Name, mode and image: losses in each cold start but those after damage, which are like one another."""
    n_bytes = rig.nvm_bytes
    yield "ones", "all", b"\xff" * n_bytes
    yield "garbage", "all", np.random.default_rng(1).bytes(n_bytes)
    for k, image in enumerate(spread_images(strangers)):
        yield f"image {k} of another network", "all", foreign.fitted(image, n_bytes)
    own = rig.images(2)
    for k, image in enumerate(spread_images(own, _COMMITS)):
        for name, other in foreign.of_others(image).items():
            yield f"{name} at commit {k}", "all", other
        for name, other in foreign.damaged(image).items():
            yield f"{name} at commit {k}", "none", other


def _two_samples(output: Output, dataset: Dataset | None) -> list[np.ndarray[Any, np.dtype[np.int8]]] | None:
    """Codes of all inputs, one after the other, of two samples."""
    if dataset is None or len(dataset) < 2:
        return None
    few = fit_inputs(dataset.take(2), [port.shape for port in output.graph.inputs])
    codes = encode_inputs(output.graph, few.real_inputs())
    ports = [port.value for port in output.graph.inputs]
    return [np.concatenate([codes[name][k].ravel() for name in ports]) for k in range(2)]


def _joined(mode: str, reports: list[CrashReport], n_first: int) -> HostLosses:
    return HostLosses(
        mode=mode,
        behaviours=tuple(dict.fromkeys(report.behaviour for report in reports)),
        closed=all(report.closed for report in reports),
        images=sum(report.images for report in reports),
        writes=sum(report.writes for report in reports),
        divergences=sum(report.divergences for report in reports),
        schedule=reports[-1].schedule,
        reason=next((report.reason for report in reports if report.reason), ""),
        seconds=sum(report.seconds for report in reports),
        per_layer=next((report.per_layer for report in reports if report.per_layer), ()),
        first_images=n_first,
    )
