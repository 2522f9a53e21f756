"""What exits cost and save on emulated boards: python -m benchmarks.exits.devices NAME [--joint]

The network of benchmarks/exits/models with shared exits, trained on the frozen network or together with it, is compiled
as `freeml compile --exits outputs` does it, and the network that it came of without exits. Cycles and charge are those
of a whole inference on the emulated board, ended at each depth. Thresholds come of calibration samples; accuracy is
that of test samples at the depths where they end, in the integers that the C gives bit for bit, what it is below the
network without exits with its 95 % interval (paired bootstrap). A board that cannot hold the network is named.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from benchmarks.compress.rate import interval
from benchmarks.exits.__main__ import run
from benchmarks.exits.networks import NETWORKS, Network, backbone
from freeml.data import load
from freeml.errors import DoesNotFit
from freeml.exits.answers import by_depth
from freeml.exits.deploy import ExitOptions
from freeml.exits.policy import NEVER
from freeml.exits.search import depths
from freeml.exits.tune import Choice, samples_of, tuned
from freeml.frontend.onnx.write import to_onnx
from freeml.output.folder import Output, read_output
from freeml.pipeline import CompileOptions, compile_model
from freeml.retune import at_depth, write_table
from freeml.sim.check import random_dataset, verify_output
from freeml.sim.engines import ENGINES
from freeml.sim.life.policies import table_of

RESULTS = Path(__file__).resolve().parents[1] / "results"
Bools = npt.NDArray[np.bool_]
BOARDS = ("msp430fr5994", "qemu_m4", "nucleo_l476rg")


@dataclass(frozen=True, slots=True)
class Took:
    """One whole inference on the emulated board."""

    cycles: int
    charge_nc: float


def took(output: Output) -> Took:
    """Of a folder; its answers are checked."""
    opened = ENGINES["board"]().start(output, "auto")
    checked = verify_output(output, random_dataset(output.graph, 1), model=opened.model)
    assert checked.mismatches == 0, checked.first_mismatch
    found = opened.taken()
    assert found is not None
    assert found.charge_nc is not None
    return Took(found.cycles, found.charge_nc)


def stored_bytes(output: Output) -> int:
    """Bytes of NVM: constants, and what activations and results take."""
    return output.manifest.memory.weights_bytes + output.manifest.memory.nvm_bytes


def compiled(network: Network, board: str, work: Path, exits: Path | None) -> Output:
    """The network with the exits of this file, or without."""
    model = exits or work / "backbone.onnx"
    if exits is None:
        model.write_bytes(to_onnx(backbone(network)))
    out = work / f"{board}{'_exits' if exits else ''}"
    asked = ExitOptions("outputs", policy="global:1") if exits else None
    options = CompileOptions(board=board, samples=1, exits=asked, name=network.name)
    compile_model(model, out, data=network.data, options=options)
    output = read_output(out)
    if (table := table_of(output)) is None:
        return output
    write_table(output, table.with_thresholds((NEVER,) * len(table.rows)))  # what all exits cost: none is the end
    return read_output(out)


def of_board(network: Network, board: str, work: Path, *, joint: bool) -> Iterator[str]:
    """The two tables of a board."""
    bare, whole = (compiled(network, board, work, file) for file in (None, network.joint if joint else network.file))
    known, test = by_depth(whole.graph, network.calibration()), load(network.data, "test")
    new, without_any = by_depth(whole.graph, test), run(bare.graph, (), test)
    plain = np.asarray(without_any.final == without_any.labels)
    n = len(whole.graph.exits) + 1
    without, every = took(bare), took(whole)
    at = [took(at_depth(whole, k, work / f"{board}_{k}")) for k in range(1, n)]
    yield f"## {board}"
    yield ""
    more = (every.cycles / without.cycles - 1, stored_bytes(whole) / stored_bytes(bare) - 1)
    taken = f"{without.cycles:,} cycles, {without.charge_nc / 1000:,.1f} uC"
    yield f"without exits {taken}, {stored_bytes(bare):,} bytes of NVM"
    yield f"all exits, none the end: {100 * more[0]:+.2f} % of cycles, {100 * more[1]:+.2f} % of bytes of NVM"
    ends = " ".join(f"{one.charge_nc / 1000:,.1f}" for one in (*at, every))
    yield f"uC of an inference that ends at each depth: {ends}"
    yield ""
    yield "policy      accuracy %   below  [  95 %    ]   charge %  ends at each depth %"
    for name in ("global", "searched", "heuristic"):
        table = tuned(whole.graph, whole.manifest.tiles, whole.board, Choice(name), known).table
        soft = tuple(row.softness for row in table.rows)
        samples = samples_of(whole.graph, whole.manifest.tiles, new, soft)
        where = depths(samples.shares, [row.threshold for row in table.rows])
        share = [float(np.mean(where == k)) for k in range(n)]
        charge_nc = sum(s * one.charge_nc for s, one in zip(share, (*at, every), strict=True))
        ends = " ".join(f"{100 * s:.1f}" for s in share)
        yield row_of(name, samples.right[np.arange(len(where)), where], plain, charge_nc / without.charge_nc, ends)
    yield row_of("to the end", new.right[:, -1], plain, every.charge_nc / without.charge_nc)
    yield row_of("no exits", plain, plain, 1.0)


def row_of(name: str, right: Bools, plain: Bools, charge: float, ends: str = "") -> str:
    """A line of the second table. right, plain: of each sample; charge: of the network without exits."""
    low, high = interval(plain, right)
    below = 100 * float(plain.mean() - right.mean())
    shown = f"{100 * float(right.mean()):11.2f} {below:7.2f}  [{low:5.2f}, {high:4.2f}] {100 * charge:10.1f}  {ends}"
    return f"{name:10} {shown}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument("--joint", action="store_true", help="the network that was trained together with its exits")
    parser.add_argument("--boards", nargs="+", default=BOARDS)
    parser.add_argument("--write", action="store_true", help="keep the text in benchmarks/results")
    options = parser.parse_args()
    lines = [f"# python -m benchmarks.exits.devices {options.name}{' --joint' if options.joint else ''}", ""]
    with TemporaryDirectory(prefix="freeml-exits-") as work:
        for board in options.boards:
            try:
                for line in of_board(NETWORKS[options.name], board, Path(work), joint=options.joint):
                    print(line, flush=True)
                    lines.append(line)
            except DoesNotFit as error:
                lines.append(f"## {board}: {error.what}")
            lines.append("")
    if options.write:
        which = "joint_devices" if options.joint else "devices"
        (RESULTS / f"exits_{options.name}_{which}.txt").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
