"""Figures of [cycles] from emulated boards: python -m benchmarks.board_cycles BOARD [BOARD ..] [--json] [--write]

Each network is compiled by zig for the board, with tiles of several sizes, and each of its steps is measured. The
entries are those whose predictions lie above every one of these tiles, and by the least sum of predicted / measured.
What is measured is the emulator's cycle model, not silicon. FREEML_DATA gives three networks more (mnist8, har, kws).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.board_cycles.boards import write_entries
from benchmarks.board_cycles.fit import Fit, fit, ratios
from benchmarks.board_cycles.measure import ENTRIES, Found, Pricing, Row, measure
from benchmarks.board_cycles.networks import graphs, names
from freeml.board import Board, load_board
from freeml.plan.measured import COLD_START
from freeml.resources import resource

_LARGE_CYCLES = 20_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boards", nargs="+", metavar="BOARD")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="write the entries into boards/BOARD.toml")
    parser.add_argument("--to", type=Path, metavar="DIR", help="also write each table to DIR/board_cycles_BOARD.txt")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        networks = graphs(names(), Path(work))
    reports: dict[str, Any] = {}
    for name in args.boards:
        board = load_board(name)
        found = measure(board, networks)
        fitted = fit(board, found)
        report = _report(board, found, fitted)
        reports[name] = report
        text = _text(report)
        if not args.json:
            print(text, flush=True)
        if args.to is not None:
            (args.to / f"board_cycles_{name}.txt").write_text(text + "\n", encoding="utf-8")
        if args.write:
            write_entries(resource("boards") / f"{name}.toml", fitted, report["measured_networks"])
    if args.json:
        print(json.dumps(reports))


def _report(board: Board, found: Found, fitted: Fit) -> dict[str, Any]:
    """Everything that is shown, by name."""
    assert board.cycles is not None
    pricing = Pricing(board)
    rows = [row for row in found.rows if row.what != COLD_START]
    cycles = ratios(fitted, rows)
    charge = np.array([pricing.charge_pc(row, fitted.cycles(row)) / row.charge_pc for row in rows])
    networks = sorted({row.network for row in rows})
    bare = sorted({name.split()[0] for name in networks})
    return {
        "board": board.name,
        "compiler": found.compiler,
        "basis": found.basis,
        "tiles": sum(row.tiles for row in rows),
        "measured_networks": len(bare),
        "left_out": list(found.left_out),
        "entries": {
            entry: {
                "old": getattr(board.cycles, entry).value,
                "fitted": fitted.values[entry],
                "tiles": fitted.exercised[entry],
                "kept": entry in fitted.fixed,
            }
            for entry in ENTRIES
        },
        "cycles": _spread(cycles, rows),
        "large": _spread(*_only(cycles, rows, lambda row: row.cycles > _LARGE_CYCLES)),
        "charge": _spread(charge, rows),
        "networks": {
            name: _spread(*_only(cycles, rows, lambda row, name=name: row.network == name)) for name in networks
        },
        "kinds": {
            kind: _spread(*_only(cycles, rows, lambda row, kind=kind: row.what == kind))
            for kind in sorted({row.what for row in rows})
        },
        "unseen": {name: _unseen(board, found, name) for name in bare},
    }


def _only(values: np.ndarray, rows: Sequence[Row], keep: Any) -> tuple[np.ndarray, list[Row]]:
    kept = [k for k, row in enumerate(rows) if keep(row)]
    return values[kept], [rows[k] for k in kept]


def _spread(values: np.ndarray, rows: Sequence[Row]) -> dict[str, Any]:
    """Of predicted / measured: the smallest and the largest with their tiles, median and 95th percentile."""
    if not rows:
        return {}
    low, high = int(values.argmin()), int(values.argmax())
    return {
        "n": len(rows),
        "min": float(values[low]),
        "median": float(np.median(values)),
        "p95": float(np.percentile(values, 95)),
        "max": float(values[high]),
        "lowest": rows[low].name,
        "highest": rows[high].name,
    }


def _unseen(board: Board, found: Found, network: str) -> float | None:
    """The smallest predicted / measured of a network that had no part in the fit.

    Steps that are priced with an entry of the file's own are left out; None where these are all.
    """
    without = fit(board, found, without=network)
    rows = [row for row in found.rows if row.network.split()[0] == network and row.what != COLD_START]
    known = [row for row in rows if not any(n > 0 and without.is_kept(k) for k, n in enumerate(row.counts))]
    return min((without.cycles(row) / row.cycles for row in known), default=None)


def _text(report: dict[str, Any]) -> str:
    lines = [
        f"{report['board']}: {report['tiles']:,} steps of {report['measured_networks']} networks, {report['compiler']}",
        report["basis"],
        *(f"left out: {problem}" for problem in report["left_out"]),
        "",
        f"{'entry':16} {'before':>10} {'fitted':>10} {'steps':>8}",
    ]
    for entry, of in report["entries"].items():
        note = "  kept" if of["kept"] else ""
        lines.append(f"{entry:16} {of['old']:10,g} {of['fitted']:10,g} {of['tiles']:8,}{note}")
    lines += ["", f"{'predicted / measured':36} {'sizes':>6} {'min':>6} {'median':>7} {'p95':>6} {'max':>6}  of"]
    spreads = {"cycles, all": report["cycles"], f"cycles, above {_LARGE_CYCLES:,}": report["large"]}
    spreads |= {"charge, all": report["charge"]}
    spreads |= {f"cycles, {name}": of for name, of in (*report["networks"].items(), *report["kinds"].items())}
    for name, of in spreads.items():
        if of:
            figures = f"{of['n']:6} {of['min']:6.3f} {of['median']:7.2f} {of['p95']:6.2f} {of['max']:6.2f}"
            lines.append(f"{name:36} {figures}  {of['highest']}")
    lines += [
        "",
        "a network that had no part in the fit: smallest predicted / measured of entries that others exercise",
    ]
    lines += [f"{name:36} {'' if least is None else f'{least:6.3f}'}" for name, least in report["unseen"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
