"""The table of a policy from what was asked for: temperatures and thresholds of calibration samples, costs of the plan.

    fixed:K                  always depth K
    global[:SHARE]           from one confidence on, for all exits: that of least energy that costs no accuracy
    searched                 from a confidence on for each exit, searched likewise
    heuristic                from a confidence on for each exit, by its accuracy and calibration error alone
    entropy[:BITS]           below one entropy of the scores
    energy                   where the next segment costs more than is left
    confident-or-energy      searched, or where the next segment costs more than is left
    deadline:MS, confident-or-deadline:MS  the same by time

"No accuracy": at most a quarter of a point below the whole network on these samples.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from freeml.board.board import Board
from freeml.errors import BadBoard, BadData
from freeml.exits.answers import ByDepth, softness_of
from freeml.exits.calibrate import calibration_error
from freeml.exits.names import POLICIES
from freeml.exits.policy import NEVER, ExitRow, Policy, PolicyKind, share
from freeml.exits.search import Samples, cheapest, everywhere, heuristic, outcome, searched
from freeml.ir.confidence import Softness
from freeml.ir.decision import segments as segment_numbers
from freeml.ir.graph import Graph
from freeml.plan.counts import count_ops
from freeml.plan.protocol import EXITS_STATE_BYTES
from freeml.plan.segments import ends_uj, segments
from freeml.plan.steps import Policy as DevicePolicy
from freeml.plan.steps import TilePlan

MARGIN = 0.0025  # of accuracy on calibration samples
_KINDS = {
    "fixed": PolicyKind.FIXED,
    "entropy": PolicyKind.ENTROPY,
    "energy": PolicyKind.ENERGY,
    "confident-or-energy": PolicyKind.CONFIDENCE_OR_ENERGY,
    "deadline": PolicyKind.DEADLINE,
    "confident-or-deadline": PolicyKind.CONFIDENCE_OR_DEADLINE,
}
# Policies of a whole number, and what it is.
_WHOLE = {"fixed": "DEPTH", "deadline": "MILLISECONDS", "confident-or-deadline": "MILLISECONDS"}
_MOST_BITS = 8 * 256  # of an entropy
# Policies of a real number from 0: the most, and what it is. A confidence is a share; of more, no inference would stop.
_REAL = {"global": (1, "SHARE, a confidence from 0 to 1"), "entropy": (_MOST_BITS / 256, "BITS, from 0 to 8")}


@dataclass(frozen=True, slots=True)
class Choice:
    """A policy as it is asked for: a name of POLICIES, and its number."""

    name: str
    number: float | None = None

    @staticmethod
    def parse(text: str) -> Choice:
        """Raises BadData for what is none."""
        name, _, number = text.partition(":")
        if name not in POLICIES:
            raise BadData(f"no policy is called {name!r}", where="--policy", hint=", ".join(POLICIES))
        try:
            value = float(number) if number else None
        except ValueError:
            value = math.nan
        if name in _WHOLE:
            good = value is not None and 1 <= value < 2**31 and value.is_integer()
            hint = f"{name}:{_WHOLE[name]}, a whole number from 1"
        elif name in _REAL:
            most, what = _REAL[name]
            good, hint = value is None or 0 <= value <= most, f"{name} or {name}:{what}"
        else:
            good, hint = value is None, name
        if not good:
            raise BadData(f"{text!r} is no policy", where="--policy", hint=f"write {hint}")
        return Choice(name, value)

    def check_depth(self, most: int) -> Choice:
        """The same. Raises BadData for a depth beyond those that there are."""
        if self.name == "fixed" and (depth := int(self.number or 0)) > most:
            raise BadData(
                f"there is no depth {depth}: the network has at most {most}",
                where="--policy",
                hint="depths count from 1, the whole network is the last",
            )
        return self

    @staticmethod
    def of(table: Policy) -> Choice:
        """As a table of this kind is asked for."""
        names = {kind: name for name, kind in _KINDS.items()}
        number = table.depth if table.kind is PolicyKind.FIXED else table.deadline_ms if table.needs_time else None
        return Choice(names.get(table.kind, "searched"), number)

    @property
    def kind(self) -> PolicyKind:
        """Of its table."""
        return _KINDS.get(self.name, PolicyKind.CONFIDENCE)

    def on(self, board: Board) -> Choice:
        """The same. Raises BadBoard where the board lacks what it reads: a timekeeper, an energy model."""
        if self.kind.needs_time and board.timekeeper is None:
            raise BadBoard(
                f"the board {board.name} has no timekeeper: a deadline would be taken for passed after every loss of "
                "power",
                where="--policy",
                hint="choose a policy without a deadline, such as searched or confident-or-energy",
            )
        if self.kind.needs_energy and board.capacitor is None:
            raise BadBoard(
                f"the board {board.name} has no energy model: nobody knows what the next segment costs",
                where="--policy",
                hint="choose a policy of confidence alone, such as searched, or a board with a capacitor",
            )
        return self

    def __str__(self) -> str:
        return self.name if self.number is None else f"{self.name}:{self.number!r}".removesuffix(".0")


@dataclass(frozen=True, slots=True)
class Tuned:
    """The network with the temperatures of its exits, the table, and its policy as generated C has it."""

    graph: Graph
    table: Policy

    @property
    def policy(self) -> DevicePolicy:
        """For the plan."""
        return device_policy(self.table)


def tuned(graph: Graph, plan: TilePlan, board: Board, choice: Choice, known: ByDepth | None) -> Tuned:
    """A table for a network and its plan.

    known  of calibration samples; without, temperatures stay as they are, and only policies that need no samples are
           made
    Raises BadData or BadBoard for what cannot be: no samples, no timekeeper, no energy model.
    """
    kind = choice.on(board).kind
    soft = softness_of(graph) if known is None else known.calibrated()
    made = zip(graph.exits, soft, strict=True)
    graph = replace(graph, exits=tuple(replace(one, softness=(s.mult, s.shift)) for one, s in made))
    thresholds = _thresholds(graph, plan, choice, known, soft)
    ahead = segments(plan)[1:] or [None] * len(soft)
    rows = [
        ExitRow(s, t, *((0, 0) if ahead_ is None else (math.ceil(ahead_.energy_uj), math.ceil(ahead_.time_us / 1000))))
        for s, t, ahead_ in zip(soft, thresholds, ahead, strict=True)
    ]
    n_classes = graph.types[graph.exits[0].value].n_elems
    number = int(choice.number or 0)
    depth, deadline_ms = number * (kind is PolicyKind.FIXED), number * kind.needs_time
    return Tuned(graph, Policy(kind, tuple(rows), n_classes, depth, deadline_ms))


def device_policy(table: Policy) -> DevicePolicy:
    """A table as the C has it."""
    by = "_by_energy" if table.kind.needs_energy else "_by_time" if table.needs_time else ""
    levels = sorted({row.next_uj for row in table.rows} - {0}) if table.kind.needs_energy else []
    return DevicePolicy(
        name="exits",
        rows=table.numbers,
        levels_uj=tuple(levels),
        state_bytes=EXITS_STATE_BYTES,
        head=table.head,
        judge=f"fml_policy_{table.kind.name.lower()}",
        stops=f"fml_exits_stops{by}",
    )


def samples_of(graph: Graph, plan: TilePlan, known: ByDepth, soft: Sequence[Softness]) -> Samples:
    """What thresholds are judged on; without energy model, by multiplications."""
    shares = np.stack([one.shares for one in known.confidences(soft)], axis=1)
    return Samples(shares, known.right, np.asarray(ends_uj(plan) or ends_macs(graph), dtype=np.float64))


def ends_macs(graph: Graph) -> tuple[int, ...]:
    """Multiplications of an inference that ends at each depth."""
    macs = [0] * (len(graph.exits) + 1)
    by_op = count_ops(graph).by_op
    for op, k in zip(graph.ops, segment_numbers(graph), strict=True):
        macs[k] += by_op[op.output].macs if op.output in by_op else 0
    return tuple(sum(macs[: k + 1]) for k in range(len(macs)))


def _thresholds(
    graph: Graph, plan: TilePlan, choice: Choice, known: ByDepth | None, soft: Sequence[Softness]
) -> tuple[int, ...]:
    """Of each exit; NEVER where the policy asks for none."""
    n = len(soft)
    if choice.name in ("fixed", "energy", "deadline"):
        return (NEVER,) * n
    if choice.number is not None and choice.name == "global":
        return (share(choice.number),) * n
    if choice.number is not None and choice.name == "entropy":
        return (min(NEVER, round(choice.number * 256)),) * n
    if known is None:
        raise BadData(
            f"the policy {choice.name} is found on samples",
            where="--policy",
            hint="give some with --data, or --policy global:0.9",
        )
    samples = samples_of(graph, plan, known, soft)
    target = float(samples.right[:, -1].mean()) - MARGIN
    if choice.name == "heuristic":
        errors = [calibration_error(one.real, known.right[:, k]) for k, one in enumerate(known.confidences(soft))]
        return heuristic(tuple(known.right.mean(axis=0)), [*errors, min(errors)])
    if choice.name == "entropy":
        # As shares, of which more is better, and in steps as fine as those that are tried.
        entropies = np.stack([one.entropies for one in known.confidences(soft)], axis=1)
        certain = 16 * np.maximum(_MOST_BITS - entropies, 0)
        found = cheapest(everywhere(replace(samples, shares=certain)), target)
        values = (NEVER,) * n if found is None else found.thresholds
        return tuple(0 if t == NEVER else _MOST_BITS - t // 16 + 1 for t in values)
    found = cheapest((everywhere if choice.name == "global" else searched)(samples), target)
    return outcome(samples, (NEVER,) * n).thresholds if found is None else found.thresholds
