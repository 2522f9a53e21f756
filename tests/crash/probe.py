"""The probe model (runtime_c/test/probe_model.c) with the crash explorer, and with seeded bugs."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

from freeml.sim.crash import CrashRig, build_rig

ROOT = Path(__file__).resolve().parents[2] / "runtime_c"
INCLUDE = [ROOT / "include", ROOT / "src", ROOT / "hal" / "host"]
KERNELS = [ROOT / "kernels" / "portable" / f"{name}.c" for name in ("fml_dense_i8", "fml_dense_part_i8", "fml_copy_i8")]
RUNTIME = sorted((ROOT / "src").glob("*.c"))
PROBE = [ROOT / "test" / "probe_model.c", *RUNTIME, *KERNELS]
ONE_SLOT = "PROBE_COMMIT_SLOTS=1"
STAGED = "PROBE_STAGED"  # its NVM is no memory that a pointer can read


@functools.cache
def rig(*defines: str) -> CrashRig:
    with tempfile.TemporaryDirectory(prefix="freeml-probe-") as work:
        return build_rig(PROBE, INCLUDE, "probe", Path(work) / "probe.so", defines)
