"""Policies in a life: the C of devices decides, and what it decides is what numpy says of the same scores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from freeml.energy.converter import converter_of
from freeml.energy.source import Operating
from freeml.energy.supply import Capacitor, Comparator
from freeml.energy.trace import Trace
from freeml.errors import FreemlError
from freeml.exits.policy import NEVER, Policy, PolicyKind
from freeml.exits.search import depths
from freeml.ir.confidence import confidence
from freeml.sim import life
from freeml.sim.life.arrivals import arrivals_of
from freeml.sim.life.native import LOG_DONE
from freeml.sim.life.outcomes import RIGHT
from freeml.sim.life.policies import policy_of
from freeml.sim.life.setting import Setting
from freeml.sim.life.tune import SLACK, check_bound, front_of, is_better, shares_of, tune, without_loss
from tests.life.deciding import LOAD, SOFTNESS, exits, outcomes
from tests.life.test_life import trace_of


def setting(trace: Trace, arrivals: str, converter: str = "direct", seed: int = 1, uf: float = 47.0) -> Setting:
    between = converter_of(converter)
    lasts_s = trace.duration_s
    return Setting(
        list(between.pieces(trace)),
        lasts_s,
        Capacitor(uf * 1e-6, 0.0, 1e6, 3.6),
        between.comparator(Comparator(3.0, 1.9)),
        between.diode_v,
        LOAD,
        outcomes(seed),
        exits(),
        arrivals_of(arrivals, lasts_s),
        keeps_time=True,
    )


def strong(seconds: float = 60.0) -> Trace:
    return Trace("strong", np.array([0.0, seconds / 2]), seconds / 2, Operating(np.full(2, 3.4), np.full(2, 0.1)))


def found_depths(made: Setting, policy: Policy) -> list[int]:
    log = made.live(policy).log
    assert len(log) > 100
    assert (log["what"] == LOG_DONE).all()
    return log["depth"].tolist()


def shown(made: Setting, policy: Policy) -> np.ndarray:
    """Samples of the answers of a life, in their order."""
    events = made.live(policy).log["event"]
    return made.outcomes.order[events % len(made.outcomes.order)]


def test_confidence_ends_each_sample_where_its_share_reaches_the_threshold() -> None:
    made = setting(strong(), "every:0.1s")
    for thresholds in ((20_000, 12_000), (31_000, NEVER), (NEVER, 25_000)):
        policy = made.exits.confidence(thresholds)
        wanted = depths(shares_of(made.outcomes, made.exits), thresholds)[shown(made, policy)] + 1
        assert found_depths(made, policy) == wanted.tolist()
        assert len(set(wanted.tolist())) > 1


def test_entropy_ends_each_sample_where_it_falls_below() -> None:
    made = setting(strong(), "every:0.1s")
    policy = policy_of("entropy:0.5,1.5", made.exits)
    assert policy is not None
    below = np.column_stack([confidence(made.outcomes.scores[:, k], SOFTNESS[k]).entropies for k in (0, 1)])
    stops = below < np.array([128, 384])
    wanted = np.where(stops.any(axis=1), stops.argmax(axis=1), 2)[shown(made, policy)] + 1
    assert found_depths(made, policy) == wanted.tolist()
    assert len(set(wanted.tolist())) > 1


@pytest.mark.parametrize(("text", "depth"), [("fixed:1", 1), ("fixed:2", 2), ("fixed:3", 3), ("always-full", 3)])
def test_a_fixed_depth_is_where_all_end(text: str, depth: int) -> None:
    made = setting(strong(), "every:0.1s")
    policy = policy_of(text, made.exits)
    assert policy is not None
    assert set(found_depths(made, policy)) == {depth}
    steps = sum(row.n for row in LOAD.rows[:-1] if row.depth <= depth) + 1
    lived = made.live(policy)
    assert lived.steps == steps * lived.inferences + lived.is_busy * (lived.steps % steps)


def test_energy_stops_where_the_capacitor_gives_less_than_the_next_segment_takes() -> None:
    """Full at each event: what is left at a decision is known by hand, so is the reserve from which it does not do."""
    made = setting(strong(), "every:0.1s", uf=470.0)
    spent_c = sum(row.n * row.charge_c for row in LOAD.rows[:2])
    left_uj = 0.5 * 470 * (3.4**2 - 1.9**2)  # the source holds it at 3.4 V
    assert spent_c > 0
    enough = left_uj - made.exits.segment_uj[0] - 30
    for reserve_uj, ends in ((enough, {3, 2}), (enough + 60, {1})):
        policy = policy_of(f"energy:{reserve_uj:g}", made.exits)
        assert policy is not None
        assert set(found_depths(made, policy)) <= ends


def test_a_deadline_stops_where_the_next_segment_would_be_late() -> None:
    """The first decision comes 8 ms after the event, the second 21 ms later; segments of 24 and 34 ms lie behind."""
    made = setting(strong(), "every:0.2s")
    assert [round(ms) for ms in made.exits.segment_ms] == [24, 34]
    for deadline_ms, ends in ((20, 1), (40, 2), (80, 3)):
        policy = policy_of(f"deadline:{deadline_ms}ms", made.exits)
        assert policy is not None
        assert set(found_depths(made, policy)) == {ends}


@pytest.mark.parametrize(
    "text",
    [
        "fixed:0",
        "fixed:4",
        "fixed:x",
        "confidence",
        "confidence:1,2,3",
        "global:1.5",
        "entropy:9",
        "energy:x",
        "energy:nan",
        "energy:inf",
        "often",
        "deadline:0",
        "own",
    ],
)
def test_a_policy_that_is_none_is_refused_with_what_would_do(text: str) -> None:
    with pytest.raises(FreemlError) as error:
        policy_of(text, exits())
    assert error.value.hint
    with pytest.raises(FreemlError, match="needs exits"):
        policy_of(text, None)


def test_the_scheduler_finds_each_kind_of_policy_by_its_number() -> None:
    """A kind that its list lacks would be a call of whatever lies behind the list."""
    text = (Path(life.__file__).parent / "table.c").read_text()
    listed = re.findall(r"fml_policy_(\w+)", re.search(r"policies\[\] = \{([^}]*)\}", text)[1])  # type: ignore[index]
    assert listed == [kind.name.lower() for kind in sorted(PolicyKind)]
    assert sorted(PolicyKind) == list(range(len(PolicyKind)))


@pytest.mark.parametrize(
    ("compiled", "lived"),
    [
        ("global:0.9", "confidence:0.9"),
        ("confident-or-energy:0.8:20", "confidence-or-energy:0.8:20"),
        ("confident-or-deadline:0.8:50ms", "confidence-or-deadline:0.8:50ms"),
    ],
)
def test_policies_have_the_names_that_compile_has_for_them(compiled: str, lived: str) -> None:
    assert policy_of(compiled, exits()) == policy_of(lived, exits())


def test_a_table_in_a_file_is_the_policy_and_one_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.bin"
    policy = exits().confidence((20_000, 10_000))
    path.write_bytes(policy.to_bytes())
    assert policy_of(str(path), exits()) == policy
    path.write_bytes(Policy(policy.kind, policy.rows[:1], 4).to_bytes())
    with pytest.raises(FreemlError, match="a table for 1 exits"):
        policy_of(str(path), exits())


@pytest.mark.parametrize("converter", ["direct", "diode", "bq25504", "bq25570"])
def test_no_policy_has_more_right_answers_than_the_bound(converter: str) -> None:
    rng = np.random.default_rng(5)
    for seed in range(6):
        made = setting(trace_of(seed, 2_000), f"every:{0.05 * 3 ** (seed % 4):.4g}s", converter, seed)
        bound = made.bound().right
        for _ in range(10):
            sure = made.exits.confidence(tuple(int(one) for one in rng.integers(0, 40_000, 2)))
            for policy in (sure, made.exits.with_reserve(sure, float(rng.uniform(-300, 100)))):
                assert made.live(policy).right <= bound


def test_the_bound_of_power_without_end_is_every_event_that_any_exit_gets_right() -> None:
    made = setting(strong(), "every:0.1s")
    right = (made.outcomes.right == 1).any(axis=1)[made.outcomes.order]
    on_s = made.live(made.exits.fixed(1)).log["time_s"].min()
    n = len(made.arrivals.times_s)  # type: ignore[arg-type]
    possible = int(right[np.arange(n) % len(right)].sum())
    assert possible - 2 <= made.bound().right <= possible, on_s


def test_the_bound_falls_with_the_power_to_a_charge_for_each_answer() -> None:
    """A constant trickle: no more answers than the charge that comes in, at the voltage that is lowest, has."""
    amperes, seconds = 2e-4, 400.0
    trace = Trace("trickle", np.array([0.0, 200.0]), 200.0, Operating(np.full(2, 3.4), np.full(2, amperes)))
    made = setting(trace, "every:0.05s")
    first_c = sum(row.n * row.charge_c for row in LOAD.rows if row.depth == 1) + LOAD.rows[-1].charge_c
    most = (amperes * seconds - 47e-6 * 1.9) / first_c
    assert 0.9 * most <= made.bound().right <= most + 1
    assert made.bound().lifted == 0


def test_what_is_tuned_is_no_worse_than_any_simple_policy_and_within_the_bound() -> None:
    for seed, period in ((1, "0.1s"), (2, "0.3s"), (3, "3s")):
        made = setting(trace_of(seed, 3_000), f"every:{period}", "bq25570", seed)
        tuned = tune(made)
        check_bound(made.bound(), list(tuned.of_family.values()))
        best = tuned.best.lived.right
        n = len(made.outcomes.right)
        assert not any(is_better(one, tuned.best, n) for one in tuned.of_family.values())
        assert made.live(tuned.best.policy).right == best
        assert best >= (1 - SLACK) * tuned.of_family["always-full"].lived.right


def test_what_costs_no_accuracy_is_taken_for_the_energy_it_saves() -> None:
    made = setting(trace_of(3, 3_000), "every:3s", "bq25570", 3)
    at = made.outcomes.right == RIGHT
    thresholds = without_loss(made, front_of(made))
    stops = np.column_stack([shares_of(made.outcomes, made.exits) >= thresholds, np.ones(len(at), bool)]).argmax(axis=1)
    assert at[np.arange(len(at)), stops].mean() >= at[:, -1].mean()
    tuned = tune(made)
    full = tuned.of_family["always-full"].lived
    assert tuned.best.lived.energy.used_j < 0.98 * full.energy.used_j
    assert tuned.best.lived.right >= (1 - SLACK) * full.right


def test_little_power_is_for_many_shallow_answers() -> None:
    made = setting(trace_of(1, 3_000), "every:0.1s", "bq25570")
    of = tune(made).of_family
    assert of["tuned"].lived.right > 1.5 * of["always-full"].lived.right
