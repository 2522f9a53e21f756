"""What commits cost: python -m benchmarks.power_loss.cost [NAME ..] [--json]

Instructions per inference of the crash-safe host build against one without commits (-DFML_NO_COMMIT, which exists for
this), by callgrind from (6 inferences - 1) / 5; and NVM bytes written for each byte of an activation. Needs valgrind.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.callgrind import count
from benchmarks.command import command
from benchmarks.power_loss.models import SMALL, compiled
from freeml.firmware.toolchain import find_host_compiler
from freeml.output.folder import Output
from freeml.resources import resource


def measure(names: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each network."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            output = compiled(name, Path(work))
            safe, bare = (instructions(output, Path(work), defines) for defines in ((), ("FML_NO_COMMIT",)))
            tiles = output.manifest.tiles
            rows.append(
                {
                    "model": name,
                    "instructions": safe,
                    "without_commits": bare,
                    "overhead": safe / bare - 1,
                    "written_bytes": tiles.written_bytes,
                    "written_ratio": tiles.written_ratio,
                }
            )
    return rows


def instructions(output: Output, work: Path, defines: Sequence[str]) -> float:
    """Instructions of one inference."""
    name = output.graph.name
    flags = ["-O3", f"-DFML_BENCH_MODEL={name}_model", *(f"-D{define}" for define in defines)]
    compiler = find_host_compiler()
    sources = [resource("runtime_c", "test", "bench_main.c"), *output.sources]
    program = work / f"bench-{name}-{len(defines)}"
    compiler.compile(sources, output.include_dirs, program, [*compiler.host_flags, *flags], shared=False)
    return (count(program, ["6"]) - count(program, ["1"])) / 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SMALL))
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    rows = measure(args.names)
    if args.json:
        print(json.dumps(rows))
        return
    print(command(__file__), end="\n\n")
    head = f"{'model':10} {'instructions':>13} {'no commits':>13} {'overhead':>9}"
    print(f"{head} {'NVM bytes':>10} {'per activation byte':>20}")
    for r in rows:
        figures = f"{r['instructions']:13,.0f} {r['without_commits']:13,.0f} {r['overhead']:9.2%}"
        print(f"{r['model']:10} {figures} {r['written_bytes']:10,} {r['written_ratio']:20.3f}")


if __name__ == "__main__":
    main()
