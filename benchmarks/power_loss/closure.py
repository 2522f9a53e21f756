"""Every reachable state after power losses: python -m benchmarks.power_loss.closure [NAME ..] [--exits] [--json]

Under every behaviour of NVM; small networks over two inferences, the others over one, layer by layer, and in tiles that
are smaller than those of a host would be: after each loss a run writes its tile again, so what closure does grows with
the square of a tile. They are several of the chunks still that wait for one barrier.

--exits: networks with exits instead, whose decisions read a meter or a clock that says something else each time: every
outcome is a branch, and the answer after a loss that of the deepest committed exit.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.command import command
from benchmarks.power_loss.models import LARGE, POLICIES, SMALL, WITH_EXITS, compiled, with_exits
from freeml.output.folder import Output
from freeml.plan.sram import HOST_TILE_BYTES
from freeml.sim.power_loss.explorer import BEHAVIOURS
from freeml.sim.power_loss.host import lose_power_on_host

_TILE_BYTES = 512  # of large networks


def measure(
    names: Sequence[str],
    nvms: Sequence[str] = BEHAVIOURS,
    *,
    limit_s: float = 3600.0,
    on_row: Callable[[dict[str, Any]], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """One row for each network and NVM."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            for nvm in nvms:
                tile_bytes = _TILE_BYTES if name in LARGE else HOST_TILE_BYTES
                rows.append(row(name, nvm, compiled(name, Path(work), nvm, tile_bytes), limit_s))
                on_row(rows[-1])
    return rows


def measure_exits(
    names: Sequence[str], *, limit_s: float = 3600.0, on_row: Callable[[dict[str, Any]], None] = lambda _: None
) -> list[dict[str, Any]]:
    """One row for each network with exits, policy and NVM."""
    rows = []
    with tempfile.TemporaryDirectory() as work:
        for name, policy, nvm in product(names, POLICIES, BEHAVIOURS):
            output = with_exits(name, policy, Path(work), nvm)
            rows.append({"policy": policy, **row(name, nvm, output, limit_s)})
            on_row(rows[-1])
    return rows


def row(name: str, nvm: str, output: Output, limit_s: float) -> dict[str, Any]:
    """Of one folder."""
    closure = lose_power_on_host(output, "all", limit_s=limit_s)
    kept = ("closed", "images", "writes", "divergences", "seconds", "reason")
    return {"model": name, "nvm": nvm, **{key: getattr(closure, key) for key in kept}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--exits", action="store_true")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    names = args.names or [*(WITH_EXITS if args.exits else (*SMALL, *LARGE))]
    run = measure_exits if args.exits else measure
    if args.json:
        print(json.dumps(run(names)))
        return
    print(command(__file__), end="\n\n")
    head = f"{'model':10} {'policy':24} " if args.exits else f"{'model':10} "
    print(f"{head}{'nvm':14} {'closed':7} {'states':>12} {'writes':>16} {'divergences':>12} {'seconds':>8}")

    def show(r: dict[str, Any]) -> None:
        policy = f"{r['policy']:24} " if args.exits else ""
        figures = f"{r['images']:12,} {r['writes']:16,} {r['divergences']:12} {r['seconds']:8.1f}"
        print(f"{r['model']:10} {policy}{r['nvm']:14} {r['closed']!s:7} {figures}", flush=True)

    rows = run(names, on_row=show)
    print(f"total {sum(r['seconds'] for r in rows):.0f} s")


if __name__ == "__main__":
    main()
