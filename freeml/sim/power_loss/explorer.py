"""Cut the power of a compiled model at every write it makes, and compare with runs that lost none.

The explorer itself is C (`runtime_c/test/crash_*.c`, where the method and its arguments are written down); it runs the
generated sources with the runtime that the device has. This module builds both into one library, calls it, and turns
what it found into a report.
"""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from freeml.board.figures import Behaviour
from freeml.firmware.host import build_host_library
from freeml.firmware.toolchain import find_host_compiler
from freeml.plan.step_table import Kind
from freeml.resources import resource
from freeml.sim.power_loss import foreign
from freeml.sim.power_loss.crash_types import CLayer, CLoss, CModel, COptions, CReport
from freeml.sim.power_loss.schedule import parse_schedule

Start = Literal["zeros", "ones", "garbage", "other-digest", "other-version", "older-layout", "other-magic", "damaged"]

BEHAVIOURS: tuple[Behaviour, ...] = ("atomic", "torn", "unordered", "torn-unordered")
STARTS: tuple[Start, ...] = (
    "zeros",
    "ones",
    "garbage",
    "other-digest",
    "other-version",
    "older-layout",
    "other-magic",
    "damaged",
)
_BLANK = ("zeros", "ones", "garbage")  # the others: an image
_MODES = ("none", "linear", "log", "commit", "random", "schedule")
_NO_LIMIT = 2**64 - 1


@dataclass(frozen=True, slots=True)
class LayerClosure:
    """What of one layer was explored: segments are steps from one committed image to the next."""

    name: str
    images: int
    writes: int
    segments: int
    closed: bool


@dataclass(frozen=True, slots=True)
class CrashReport:
    """What an exploration found.

    closed       every reachable reboot image was booted ("all"); all results came out right (other modes)
    images       reboot images, each booted at least once
    writes       atomic writes executed
    divergences  0, or 1: the explorer stops at the first
    reason       what was wrong, or why it is not closed
    schedule     atomic writes before each loss, to be given to `explore(..., mode=schedule)`; "" without divergence
    """

    mode: str
    behaviour: Behaviour
    closed: bool
    images: int
    writes: int
    boots: int
    commits: int
    segments: int
    divergences: int
    reason: str
    schedule: str
    seconds: float
    per_layer: tuple[LayerClosure, ...]


class CrashRig:
    """A model and the explorer in one library. One exploration at a time in a process."""

    def __init__(self, library: Path, model: str) -> None:
        self._library = ctypes.CDLL(str(library))
        self._model = CModel.in_dll(self._library, f"{model}_model")

    def explore(
        self,
        mode: str = "all",
        behaviour: Behaviour = "atomic",
        *,
        unit_bytes: int | None = None,
        start: Start | bytes = "zeros",
        n_inferences: int = 2,
        branches: int | None = None,
        memoise: bool = False,
        any_write: bool = False,
        adversary: bool = True,
        max_torn: int = 2,
        limit_s: float = 600.0,
        seed: int = 1,
        up_to: int | None = None,
        samples: Sequence[npt.NDArray[np.int8]] | None = None,
        layer_names: Sequence[str] = (),
    ) -> CrashReport:
        """Explore.

        mode         "all": every reachable image. "none", "linear", "log", "commit", "random:SEED", or a schedule such
                     as "12,8": one run until all results are out
        start        what lies in NVM at the first boot: blank, garbage, an image that this model left amid an inference
                     and that was changed (foreign.py), or any image; a cold start is demanded, with the answers of a
                     blank NVM
        unit_bytes   what the NVM writes at once. Torn NVM: 1. Otherwise 1, or 2 where the model has one commit word
        branches     captures from which both samples are followed; the others follow the first. Default: all
        memoise      compute a tile once per committed image; crash_world.c says why that is enough
        any_write    do not check write sets: for tests of the explorer
        adversary    a torn byte becomes the complement of what was written, the worst there is, not something random
        max_torn     so many torn bytes become garbage between two commits, others stay old or are new; 0: no limit
        up_to        stop at that many commits after the cold start: for start images whose later images differ from
                     those of another start in dead bytes alone
        samples      two, int8 codes of all inputs one after the other; default: random ones
        """
        kind, _, number = mode.partition(":")
        if kind == "random" and number:
            seed = int(number)
        flat = self._two_samples(samples, seed)
        if isinstance(start, str) and start not in _BLANK:
            image = self._foreign(start, flat, seed)
        else:
            image = start if isinstance(start, bytes) else b""
        assert len(image) in (0, self.nvm_bytes), "an image of this model's size"
        options = COptions(
            behaviour=BEHAVIOURS.index(behaviour),
            unit_bytes=1 if "torn" in behaviour else unit_bytes or (2 if self._model.commit_slots == 1 else 1),
            start=STARTS.index(start) if start in _BLANK else len(_BLANK),
            memoise=memoise,
            any_write=any_write,
            adversary=adversary,
            max_torn=max_torn,
            n_inferences=n_inferences,
            branches=n_inferences if branches is None else branches,
            seed=seed,
            limit_s=limit_s,
            stop_progress=_NO_LIMIT if up_to is None else up_to,
            image=image,
        )
        pointers = (ctypes.c_void_p * 2)(*(sample.ctypes.data for sample in flat))
        report = CReport()
        layers = (CLayer * self._model.n_layers)()
        model, settings, result = ctypes.byref(self._model), ctypes.byref(options), ctypes.byref(report)
        if kind == "all":
            self._library.crash_closure(model, settings, pointers, result, layers)
        else:
            losses = [] if kind in _MODES else parse_schedule(mode)
            c_mode = _MODES.index(kind if kind in _MODES else "schedule")
            array = (CLoss * max(len(losses), 1))(*losses)
            self._library.crash_walk(model, settings, pointers, c_mode, array, len(losses), result)
        found = self._by_layer(layers, layer_names) if kind == "all" else ()
        return _report(mode, behaviour, report, found)

    def _by_layer(self, found: Sequence[CLayer], names: Sequence[str]) -> tuple[LayerClosure, ...]:
        """Layers, the capture, and publication with report, from what was found of each row of the table."""
        kinds = [Kind(self._model.layers[i].kind) for i in range(self._model.n_layers)]
        of = {kind: [row for row, its in zip(found, kinds, strict=True) if its is kind] for kind in Kind}
        tiles = of[Kind.TILES]
        decisions = [(f"decision {i}", [row]) for i, row in enumerate(of[Kind.DECIDE], 1)]
        known = [*names, *(f"layer {i}" for i in range(len(names), len(tiles)))]
        rows = [(name, [row]) for name, row in zip(known, tiles, strict=True)]
        rows += [*decisions, ("capture", of[Kind.CAPTURE]), ("publish", of[Kind.PUBLISH] + of[Kind.REPORT])]
        return tuple(_layer_closure(name, row) for name, row in rows)

    @property
    def nvm_bytes(self) -> int:
        """The size of an image."""
        return int(self._model.nvm_bytes)

    def images(
        self, n_inferences: int = 1, *, samples: Sequence[npt.NDArray[np.int8]] | None = None, seed: int = 1
    ) -> list[bytes]:
        """The image at each commit of a run without losses, beginning with that of the cold start."""
        flat = self._two_samples(samples, seed)
        options = COptions(unit_bytes=4, n_inferences=n_inferences, seed=seed, stop_progress=_NO_LIMIT)
        pointers = (ctypes.c_void_p * 2)(*(sample.ctypes.data for sample in flat))
        room = n_inferences * self._model.n_steps + 1
        images, report = ctypes.create_string_buffer(room * self.nvm_bytes), CReport()
        model, settings, result = ctypes.byref(self._model), ctypes.byref(options), ctypes.byref(report)
        self._library.crash_images(model, settings, pointers, images, ctypes.c_uint32(room), result)
        assert report.closed, report.reason.decode("ascii", "replace")
        assert report.commits <= room, "a run commits each step once"
        return [images.raw[i * self.nvm_bytes : (i + 1) * self.nvm_bytes] for i in range(report.commits)]

    def _foreign(self, start: str, samples: Sequence[npt.NDArray[np.int8]], seed: int) -> bytes:
        """An image of this model amid its second inference, changed."""
        images = self.images(2, samples=samples, seed=seed)
        whole = images[3 * len(images) // 4]
        return {**foreign.of_others(whole), **foreign.damaged(whole)}[start]

    def _two_samples(self, samples: Sequence[npt.NDArray[np.int8]] | None, seed: int) -> list[npt.NDArray[np.int8]]:
        n_bytes = sum(self._model.inputs[i].n_bytes for i in range(self._model.n_inputs))
        if samples is None:
            rng = np.random.default_rng(seed)
            samples = [rng.integers(-128, 128, n_bytes, dtype=np.int8) for _ in range(2)]
        flat = [np.ascontiguousarray(sample, dtype=np.int8).reshape(-1) for sample in samples]
        assert [sample.size for sample in flat] == [n_bytes, n_bytes], "two samples of the inputs' size"
        return flat


def _layer_closure(name: str, rows: Sequence[CLayer]) -> LayerClosure:
    segments = sum(row.segments for row in rows)
    return LayerClosure(
        name=name,
        images=sum(row.images for row in rows),
        writes=sum(row.writes for row in rows),
        segments=segments,
        closed=0 < segments == sum(row.closed for row in rows),
    )


def _report(mode: str, behaviour: Behaviour, report: CReport, per_layer: tuple[LayerClosure, ...]) -> CrashReport:
    return CrashReport(
        mode=mode,
        behaviour=behaviour,
        closed=bool(report.closed),
        images=report.images,
        writes=report.writes,
        boots=report.boots,
        commits=report.commits,
        segments=report.segments,
        divergences=report.divergences,
        reason=report.reason.decode("ascii", "replace"),
        schedule=report.schedule.decode("ascii"),
        seconds=report.seconds,
        per_layer=per_layer,
    )


def build_rig(
    sources: Sequence[Path], include_dirs: Sequence[Path], model: str, out_path: Path, defines: Sequence[str] = ()
) -> CrashRig:
    """The explorer with the given model sources. defines: seeded bugs, for the tests of the explorer."""
    root = resource("runtime_c")
    explorer = sorted((root / "test").glob("crash_*.c"))
    includes = [*include_dirs, root / "include", root / "src", root / "test"]
    if defines:
        flags = ["-O1", *(f"-D{name}" for name in defines), *find_host_compiler().host_flags]
        find_host_compiler().compile([*sources, *explorer], includes, out_path, flags)
    else:
        build_host_library([*sources, *explorer], includes, out_path, optimise="-O3")
    return CrashRig(out_path, model)


def rig_of_folder(folder: Path, model: str) -> CrashRig:
    """The explorer with a folder that `freeml compile` wrote: its own sources, runtime and headers."""
    with tempfile.TemporaryDirectory(prefix="freeml-crash-") as work:
        sources = [folder / f"{model}.c", *sorted((folder / "runtime").glob("*.c"))]
        sources = [path for path in sources if not path.name.startswith("fml_hal_")]
        return build_rig(sources, [folder, folder / "runtime"], model, Path(work) / f"{model}_crash.so")
