"""`freeml verify --power-loss`: explore a compiled folder under every behaviour its NVM may show, as one report."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from freeml.data import Dataset, fit_inputs
from freeml.firmware.output import Output
from freeml.ir.interpret import encode_inputs
from freeml.sim.crash import CrashReport, rig_of_folder

# Models that write more than this in one inference are followed through one inference, smaller ones through two, so
# that publishing and the next capture are covered together.
_TWO_INFERENCES_BYTES = 5_000
# Above this, a tile is computed once for each committed image instead of once for each reboot into it.
_MEMOISE_MACS = 50_000


def cut_power(output: Output, mode: str, dataset: Dataset | None = None, *, limit_s: float = 300.0) -> dict[str, Any]:
    """Cut the power of a compiled model; mode as in CrashRig.explore.

    dataset: its first two samples are what the sensor shows; random codes where None or of one sample.
    Returns closed, images, writes, divergences, schedule, reason, seconds, mode, behaviours, per_layer.
    """
    nvm = output.manifest["nvm"]
    rig = rig_of_folder(output.folder, output.graph.name)
    names = [f"{layer['loc']}" for layer in output.manifest["tiles"]["layers"]]
    small = output.manifest["tiles"]["written_bytes"] <= _TWO_INFERENCES_BYTES
    reports: list[CrashReport] = []
    for behaviour in nvm["behaviours"]:
        report = rig.explore(
            mode,
            behaviour,
            unit_bytes=nvm["atomic_bytes"],
            n_inferences=2 if small else 1,
            memoise=output.manifest["macs"] > _MEMOISE_MACS,
            limit_s=limit_s / len(nvm["behaviours"]),
            samples=_two_samples(output, dataset),
            layer_names=names,
        )
        reports.append(report)
        if report.divergences:
            break
    return _joined(mode, reports)


def _two_samples(output: Output, dataset: Dataset | None) -> list[np.ndarray[Any, np.dtype[np.int8]]] | None:
    """Codes of all inputs, one after the other, of two samples."""
    if dataset is None or len(dataset) < 2:
        return None
    few = fit_inputs(dataset.take(2), [port.shape for port in output.graph.inputs])
    codes = encode_inputs(output.graph, few.real_inputs())
    ports = [port.value for port in output.graph.inputs]
    return [np.concatenate([codes[name][k].ravel() for name in ports]) for k in range(2)]


def _joined(mode: str, reports: list[CrashReport]) -> dict[str, Any]:
    last = reports[-1]
    return {
        "mode": mode,
        "behaviours": [report.behaviour for report in reports],
        "closed": all(report.closed for report in reports),
        "images": sum(report.images for report in reports),
        "writes": sum(report.writes for report in reports),
        "divergences": sum(report.divergences for report in reports),
        "schedule": last.schedule,
        "reason": next((report.reason for report in reports if report.reason), ""),
        "seconds": sum(report.seconds for report in reports),
        "per_layer": [asdict(layer) for layer in last.per_layer],
    }
