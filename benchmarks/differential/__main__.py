"""Random nets against their frameworks: python -m benchmarks.differential --kind qdq --nets 3000 [--seed 1] [--json]

Prints nets, how many are right, the reasons of refusals with their numbers, and each wrong net with the options that
make it again: --seed S --first K --nets 1. --log keeps one line a net, and a run goes on where the log ends.
Exit code 1 where a net is wrong.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.differential.run import KINDS, Net, Summary, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--nets", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first net")
    parser.add_argument("--c-every", type=int, default=10, help="run every so many nets as C, too (0: none)")
    parser.add_argument("--log", type=Path, help="a line of JSON for each net; an existing log is continued")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    summary = Summary(options.kind, options.seed)
    first = options.first
    for net in _logged(options.log):
        summary.add(net)
        first = net.k + 1
    log = options.log.open("a") if options.log else None
    for net in run(options.kind, options.seed, range(first, options.first + options.nets), c_every=options.c_every):
        summary.add(net)
        if log:
            log.write(json.dumps(asdict(net)) + "\n")
            log.flush()
        if net.outcome == "wrong":
            print(
                f"wrong: --kind {options.kind} --seed {options.seed} --first {net.k} --nets 1: {net.detail}",
                file=sys.stderr,
            )
    print(json.dumps(summary.as_dict()) if options.json else report(summary))
    sys.exit(1 if summary.wrong else 0)


def _logged(path: Path | None) -> list[Net]:
    if path is None or not path.exists():
        return []
    return [Net(**json.loads(line)) for line in path.read_text().splitlines()]


def report(summary: Summary) -> str:
    """The table of benchmarks/results/differential.txt."""
    unit = "steps" if summary.kind in ("qdq", "scales") else "of the largest value"
    n_refused = sum(summary.refused.values())
    facts = (
        f"{summary.kind}: seed {summary.seed}, {summary.nets} nets",
        f"{summary.right} right",
        f"{len(summary.wrong)} wrong",
        f"{n_refused} refused ({100 * summary.refused_share:.1f} %)",
        f"{summary.through_c} also as C",
        f"furthest right one {summary.worst:.2g} {unit}",
    )
    lines = [", ".join(facts)]
    lines += [f"  wrong {k}: {detail}" for k, detail in sorted(summary.wrong.items())]
    lines += [f"  refused {n}: {what}" for what, n in summary.refused.most_common()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
