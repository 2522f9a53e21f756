"""Policies by name, as the tables that devices read.

always-full                the network's own answer
fixed:K                    the exit K, from 1
confidence:S[,S...]        where the share is at least S, for all exits or for each
entropy:B[,B...]           where the entropy is below so many bits
energy[:RESERVE]           where the segment to the next exit takes more than is left, less a reserve in uJ
confidence-or-energy:S[,S...][:RESERVE]
deadline:T, confidence-or-deadline:S[,S...]:T    T from the event; a board that keeps time
global:S, confident-or-energy:S[,S...][:RESERVE], confident-or-deadline:S[,S...]:T   the same as compile calls them
own                        the table in the folder
FILE                       a table of `freeml tune`
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from freeml.errors import BadData
from freeml.exits.policy import NEVER, ExitRow, Policy, PolicyKind, share
from freeml.ir.confidence import Softness
from freeml.output.folder import Output, read_output
from freeml.sim.life.load import Load
from freeml.units import parse_time_s

ALWAYS_FULL, OWN = "always-full", "own"
_WHERE = "--policy"
_HINT = "always-full, fixed:1, confidence:0.9, energy, confidence-or-energy:0.9, deadline:50ms, own, or another folder"
_MOST_UJ = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Exits:
    """What tables need to know of a network: how soft the scores of each exit are, classes, segments of its load.

    segment_uj, segment_ms  from each exit to the next one, the report behind it included
    own                     the table that it came with
    """

    softness: tuple[Softness, ...]
    n_classes: int
    segment_uj: tuple[float, ...]
    segment_ms: tuple[float, ...]
    own: Policy | None = None

    @property
    def rows(self) -> tuple[ExitRow, ...]:
        """Of a table that never stops."""
        return tuple(
            ExitRow(soft, NEVER, min(_MOST_UJ, round(uj)), max(1, round(ms)))
            for soft, uj, ms in zip(self.softness, self.segment_uj, self.segment_ms, strict=True)
        )

    def fixed(self, depth: int) -> Policy:
        """Stops at this exit; one more than there are: the whole network."""
        return Policy(PolicyKind.FIXED, self.rows, self.n_classes, depth)

    def confidence(self, thresholds: Sequence[int]) -> Policy:
        """Stops where the share is at least the exit's threshold, in 1/2^15."""
        return Policy(PolicyKind.CONFIDENCE, self.rows, self.n_classes).with_thresholds(tuple(thresholds))

    def with_reserve(self, policy: Policy, reserve_uj: float) -> Policy:
        """The same, and stops where the next segment would leave less than this."""
        kind = {PolicyKind.CONFIDENCE: PolicyKind.CONFIDENCE_OR_ENERGY}.get(policy.kind, PolicyKind.ENERGY)
        rows = tuple(
            replace(row, next_uj=max(0, min(_MOST_UJ, round(uj + reserve_uj))))
            for row, uj in zip(policy.rows, self.segment_uj, strict=True)
        )
        return replace(policy, kind=kind, rows=rows, depth=0)


def exits_of_load(
    load: Load, softness: tuple[Softness, ...], n_classes: int, volts: float, own: Policy | None = None
) -> Exits:
    """Segments of a load, at a voltage of the capacitor."""
    report = load.rows[-1]
    segments = [
        [row for row in load.rows[:-1] if row.depth == depth + 1] + [report] for depth in range(1, len(softness) + 1)
    ]
    energy_uj = tuple(sum(row.n * row.charge_c for row in rows) * volts * 1e6 for rows in segments)
    time_ms = tuple(sum(row.n * row.time_s for row in rows) * 1e3 for rows in segments)
    return Exits(softness, n_classes, energy_uj, time_ms, own)


def policy_of(text: str, exits: Exits | None) -> Policy | None:
    """A policy by name, "" for that of the folder; None: always the whole network. Raises BadData."""
    name, _, rest = text.strip().partition(":")
    if not text:
        text = ALWAYS_FULL if exits is None else OWN
        name = text
    if name == ALWAYS_FULL and not rest:
        return None if exits is None else exits.fixed(len(exits.softness) + 1)
    if exits is None:
        raise BadData(
            f"the policy {text!r} needs exits, and this network has none",
            where=_WHERE,
            hint="freeml compile --exits auto gives it some; else always-full",
        )
    if name in _MADE:
        return _MADE[name](exits, rest, text)
    if text == OWN and exits.own is not None:
        return exits.own
    if Path(text).exists():
        return _table(Path(text), exits)
    raise BadData(f"no policy is called {text!r}", where=_WHERE, hint=_HINT)


def _fixed(exits: Exits, rest: str, text: str) -> Policy:
    if not rest.isdecimal() or not 1 <= int(rest) <= len(exits.softness) + 1:
        raise BadData(
            f"{text!r} is no depth of a network of {len(exits.softness) + 1}", where=_WHERE, hint="fixed:1 is the first"
        )
    return exits.fixed(int(rest))


def _numbers(exits: Exits, rest: str, text: str, most: float) -> list[float]:
    """One number for all exits, or one for each."""
    try:
        found = [float(one) for one in rest.split(",")]
    except ValueError:
        found = []
    n = len(exits.softness)
    if len(found) not in (1, n) or any(not 0 <= one <= most for one in found):
        raise BadData(
            f"{text!r} has no number for each of {n} exits", where=_WHERE, hint=f"one, or {n}, from 0 to {most:g}"
        )
    return found * n if len(found) == 1 else found


def _confidence(exits: Exits, rest: str, text: str) -> Policy:
    return exits.confidence([share(one) for one in _numbers(exits, rest, text, 1.0)])


def _entropy(exits: Exits, rest: str, text: str) -> Policy:
    bits = [round(256 * one) for one in _numbers(exits, rest, text, 8.0)]
    return Policy(PolicyKind.ENTROPY, exits.rows, exits.n_classes).with_thresholds(tuple(bits))


def _reserve(rest: str, text: str) -> float:
    try:
        found = float(rest or 0)
    except ValueError:
        found = math.nan
    if not abs(found) <= _MOST_UJ:  # nor where it is no number
        raise BadData(f"{rest!r} is no reserve in uJ", where=f"{_WHERE} {text}", hint=_HINT)
    return found


def _energy(exits: Exits, rest: str, text: str) -> Policy:
    return exits.with_reserve(exits.fixed(1), _reserve(rest, text))


def _confidence_or_energy(exits: Exits, rest: str, text: str) -> Policy:
    shares, _, reserve = rest.partition(":")
    return exits.with_reserve(_confidence(exits, shares, text), _reserve(reserve, text))


def _deadline(exits: Exits, rest: str, text: str) -> Policy:
    milliseconds = round(parse_time_s(rest, f"{_WHERE} {text}") * 1e3)
    return Policy(PolicyKind.DEADLINE, exits.rows, exits.n_classes, deadline_ms=milliseconds)


def _confidence_or_deadline(exits: Exits, rest: str, text: str) -> Policy:
    shares, _, time = rest.partition(":")
    made = replace(_deadline(exits, time, text), kind=PolicyKind.CONFIDENCE_OR_DEADLINE)
    return made.with_thresholds(tuple(row.threshold for row in _confidence(exits, shares, text).rows))


_MADE: dict[str, Callable[[Exits, str, str], Policy]] = {
    "fixed": _fixed,
    "confidence": _confidence,
    "global": _confidence,
    "entropy": _entropy,
    "energy": _energy,
    "confidence-or-energy": _confidence_or_energy,
    "confident-or-energy": _confidence_or_energy,
    "deadline": _deadline,
    "confidence-or-deadline": _confidence_or_deadline,
    "confident-or-deadline": _confidence_or_deadline,
}


def table_of(output: Output) -> Policy | None:
    """The table of a folder; None of a network without exits."""
    kept = output.manifest.tiles.policy
    return None if kept is None else Policy.of_numbers(kept.head, kept.rows, str(output.folder))


def _table(path: Path, exits: Exits) -> Policy:
    """Of another folder, as `freeml compile` and `tune` left it, or its bytes in a file."""
    if path.is_dir():
        kept = table_of(read_output(path))
        if kept is None:
            raise BadData("this network has no exits, and so no table", where=str(path), hint=_HINT)
        found = kept
    else:
        try:
            found = Policy.from_bytes(path.read_bytes(), str(path))
        except OSError as error:
            raise BadData(error.strerror or "cannot be read", where=str(path)) from error
    if (len(found.rows), found.n_classes) != (len(exits.softness), exits.n_classes):
        raise BadData(
            f"a table for {len(found.rows)} exits and {found.n_classes} classes; this network has "
            f"{len(exits.softness)} and {exits.n_classes}",
            where=str(path),
        )
    return found
