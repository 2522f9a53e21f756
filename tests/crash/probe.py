"""The probe model (runtime_c/test/probe_model.c) with the crash explorer, and with mistakes in its text."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

from benchmarks.mutants.mutant import table
from freeml.sim.power_loss.explorer import CrashReport, CrashRig, build_rig

ROOT = Path(__file__).resolve().parents[2] / "runtime_c"
N_STEPS, PUBLISH = 25, 22
ONE_SLOT = "PROBE_COMMIT_SLOTS=1"
LAST_DECIDES = "PROBE_LAST_DECIDES"  # the answer of its whole network is published by a decision
STAGED = "PROBE_STAGED"  # its NVM is no memory that a pointer can read


def include_dirs(root: Path = ROOT) -> list[Path]:
    return [root / "include", root / "src", root / "hal" / "host"]


def runtime(root: Path = ROOT) -> list[Path]:
    return sorted((root / "src").glob("*.c"))


def probe(root: Path = ROOT) -> list[Path]:
    kernels = ("fml_dense_i8", "fml_dense_part_i8", "fml_copy_i8")
    portable = (root / "kernels" / "portable" / f"{name}.c" for name in kernels)
    return [root / "test" / "probe_model.c", *runtime(root), *portable]


@functools.cache
def rig(*defines: str, mutant: str = "") -> CrashRig:
    """The explorer, with a mistake of benchmarks/mutants where one is named."""
    with tempfile.TemporaryDirectory(prefix="freeml-probe-") as work:
        root = ROOT
        if mutant:
            root = shutil.copytree(ROOT, Path(work) / "runtime_c")
            table()[mutant].apply(Path(work))
        return build_rig(probe(root), include_dirs(root), "probe", Path(work) / "probe.so", defines)


def how_to_reproduce(report: CrashReport) -> str:
    """One line for the failure message of a test."""
    return f"{report.behaviour} NVM: {report.reason}; losses after writes {report.schedule}"
