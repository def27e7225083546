from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from promptops.core.digest import sha256_of
from promptops.core.licence import Claim, Licence, broken_cases, licence, side_of
from promptops.formats import (
    CanaryEvidence,
    CanarySettings,
    Environment,
    Evidence,
    Measurement,
    PairOutcome,
    RunEvidence,
    Served,
    Side,
)

PIN = "test/model-1"


def digest(name: str) -> str:
    return sha256_of(name)


V2, V3 = (Side(version=v, pin=PIN, digest=digest(v)) for v in ("v2", "v3"))
TODAY, EARLIER = (
    Measurement(digest=digest(n), dataset=digest("d" + n), checks=digest("c"), contract=digest("k"))
    for n in ("today", "earlier")
)


def served(side: Side = V2) -> Served:
    return Served(version=side.version, digest=side.digest, pin=side.pin, how="promoted", at="2026-01-01T00:00:00Z")


def run(outcomes: Mapping[str, str], **changes: Any) -> RunEvidence:
    fields: dict[str, Any] = {
        "candidate": V3,
        "measurement": TODAY,
        "mode": "live",
        "outcomes": dict(outcomes),
        "verdict": "pass",
        "finished_at": "2026-01-01T00:00:00Z",
    }
    return RunEvidence(**{**fields, **changes})


def canary(verdict: str, pairs: Mapping[str, tuple[str, str]], **changes: Any) -> CanaryEvidence:
    fields: dict[str, Any] = {
        "candidate": V3,
        "baseline": V2,
        "measurement": TODAY,
        "mode": "live",
        "baseline_source": "live",
        "seed": 1,
        "order": list(pairs),
        "outcomes": {c: PairOutcome.model_validate({"baseline": b, "candidate": a}) for c, (b, a) in pairs.items()},
        "alpha": 0.05,
        "delta": 0.05,
        "attempt": 1,
        "verdict": verdict,
        "p_value": 1.0,
        "difference": 0.0,
        "interval": None,
        "finished_at": "2026-01-01T00:00:00Z",
    }
    return CanaryEvidence(**{**fields, **changes})


SAME = {"c1": ("pass", "pass"), "c2": ("fail", "fail")}
BROKE = {"c1": ("pass", "fail"), "c2": ("fail", "pass"), "c3": ("pass", "error")}


def decide(
    *,
    require: str = "no-regression",
    runs: Any = (),
    canaries: Any = (),
    serving: Served | None = None,
    ack: tuple[str, ...] = (),
    known: tuple[str, ...] = (),
    after: str | None = None,
    ahead: Served | None = None,
    cases: tuple[str, ...] = (),
    settings: CanarySettings | None = None,
) -> Licence:
    claim = Claim(
        prompt="booking",
        candidate=V3,
        measurement=TODAY.digest,
        environment="production",
        policy=Environment.model_validate({"require": require, "after": after}),
        serving=serving,
        ahead=ahead,
        known_failures=known,
        cases=cases,
        settings=settings,
    )
    return licence(claim, Evidence(prompt="booking", version="v3", runs=list(runs), canaries=list(canaries)), ack)


@pytest.mark.parametrize("require", ["run", "no-regression", "shown-not-worse"])
def test_a_first_promotion_needs_a_run_under_every_policy(require: str) -> None:
    nothing = decide(require=require)
    assert nothing.needs == "run"
    assert nothing.missing == (f"a run of booking@v3 on {PIN}: there is none yet",)
    record = run({"c1": "pass"})
    granted = decide(require=require, runs=[record])
    assert granted.granted
    assert granted.evidence == sha256_of(record.model_dump(mode="json"))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (run({"c1": "pass"}, candidate=V3.model_copy(update={"digest": digest("x")})), "was never measured"),
        (run({"c1": "pass"}, candidate=V3.model_copy(update={"pin": "a/other"})), "was never measured"),
        (run({"c1": "pass"}, measurement=EARLIER), "dataset, checks or contract changed since the last one"),
        (run({"c1": "unmeasurable", "c2": "error"}), r"could be measured: c1 (unmeasurable), c2 (error)"),
        (run({"c1": "fail"}), "failing case c1: mend it, or acknowledge it with --ack c1"),
    ],
)
def test_a_run_of_something_else_or_with_new_failures_does_not_count(record: RunEvidence, message: str) -> None:
    found = decide(require="run", runs=[record])
    assert message in "\n".join(found.missing)


def test_known_and_acknowledged_failures_do_not_stop_a_run() -> None:
    found = decide(runs=[run({"c1": "fail", "c2": "fail"})], known=("c1",), ack=("c2", "c9"))
    assert (found.granted, found.acknowledged, found.unused) == (True, ("c2",), ("c9",))


@pytest.mark.parametrize(
    ("require", "verdict", "granted"),
    [
        ("no-regression", "pass", True),
        ("no-regression", "inconclusive", True),
        ("no-regression", "regress", False),
        ("no-regression", "unmeasurable", False),
        ("shown-not-worse", "pass", True),
        ("shown-not-worse", "inconclusive", False),
        ("shown-not-worse", "regress", False),
    ],
)
def test_the_policy_decides_which_verdicts_are_enough(require: str, verdict: str, *, granted: bool) -> None:
    assert decide(require=require, serving=served(), canaries=[canary(verdict, SAME)]).granted is granted


def test_a_run_is_not_enough_where_a_baseline_is_served() -> None:
    assert decide(serving=served(), runs=[run({"c1": "pass"})]).needs == "canary"


def test_a_baseline_replaced_since_the_canary_does_not_count() -> None:
    other = V2.model_copy(update={"version": "v1", "digest": digest("v1")})
    found = decide(serving=served(other), canaries=[canary("pass", SAME)])
    assert "the last one was against v2" in found.missing[0]
    assert "production serves v1" in found.missing[0]


def test_every_broken_case_has_to_be_named() -> None:
    record = canary("inconclusive", BROKE)
    assert broken_cases(record) == ("c1", "c3")
    refused = decide(serving=served(), canaries=[record], ack=("c1",))
    assert (refused.needs, refused.missing) == ("ack", ("broken case c3: mend it, or acknowledge it with --ack c3",))
    assert decide(serving=served(), canaries=[record], ack=("c1", "c3")).acknowledged == ("c1", "c3")


def test_acknowledging_cannot_outweigh_a_regression() -> None:
    assert not decide(serving=served(), canaries=[canary("regress", BROKE)], ack=("c1", "c3")).granted
    refused = decide(serving=served(), canaries=[canary("regress", BROKE)])
    assert refused.missing[-1] == "broken case c3: mend it (acknowledging does not help against the verdict)"


MANY = {f"s{n:02}": ("pass", "fail") for n in range(1, 41)}


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [
        ("inconclusive", "mend them, or acknowledge each with --ack CASE"),
        ("regress", "mend them (acknowledging does not help against the verdict)"),
    ],
)
def test_many_broken_cases_are_one_line(verdict: str, ending: str) -> None:
    found = decide(serving=served(), canaries=[canary(verdict, MANY)])
    named = ", ".join(f"s{n:02}" for n in range(1, 13))
    assert found.missing[-1] == f"40 broken cases: {named} and 28 more: {ending}"
    five = decide(serving=served(), canaries=[canary("inconclusive", dict(list(MANY.items())[:5]))])
    assert len(five.missing) == 5


@pytest.mark.parametrize(
    ("before", "last", "words"),
    [
        (("regress",), "inconclusive", "attempt 1 said regress, and inconclusive in attempt 2 does not take that back"),
        (("regress", "inconclusive"), "inconclusive", "attempt 4 has to show p ≤ 0.00313"),
        (("pass", "regress"), "unmeasurable", "attempt 2 said regress"),
        (("regress",), "regress", "only a later pass takes that back"),
        (("regress",), "pass", ""),
        (("regress", "pass"), "inconclusive", ""),
        (("pass", "inconclusive"), "inconclusive", ""),
    ],
)
def test_a_regress_counts_until_a_later_attempt_passes(before: tuple[str, ...], last: str, words: str) -> None:
    records = [canary(verdict, SAME, attempt=n) for n, verdict in enumerate((*before, last), 1)]
    found = decide(serving=served(), canaries=records)
    assert found.granted is (words == "")
    assert words in "".join(found.missing)


def test_a_regress_of_another_comparison_does_not_count() -> None:
    other = V2.model_copy(update={"version": "v1", "digest": digest("v1")})
    for change in ({"baseline": other}, {"measurement": EARLIER}, {"candidate": V2}):
        records = [canary("regress", SAME, **change), canary("inconclusive", SAME)]
        assert decide(serving=served(), canaries=records).granted


def test_a_canary_with_other_settings_than_those_of_the_prompt_does_not_count() -> None:
    found = decide(serving=served(), canaries=[canary("pass", SAME, delta=0.3)], settings=CanarySettings())
    assert found.missing == (
        "a canary with alpha 0.05 and delta 0.05, as prompt.yaml says: the last one had alpha 0.05 and delta 0.3",
    )
    assert found.needs == "canary"


def test_the_last_attempt_decides_and_the_others_are_told() -> None:
    good, bad = canary("pass", SAME), canary("regress", SAME, attempt=2)
    assert not decide(serving=served(), canaries=[good, bad]).granted
    found = decide(serving=served(), canaries=[bad, good])
    assert found.granted
    assert found.attempts == 2
    assert "attempt 2 of the same comparison (before: regress)" in found.notices[0]


def test_canaries_that_were_left_are_told_among_the_attempts() -> None:
    found = decide(serving=served(), canaries=[canary("pass", SAME, attempt=3, abandoned=2)])
    assert found.attempts == 3
    assert found.notices == ("this is attempt 3 of the same comparison (before: 2 left without a verdict)",)


def test_replayed_evidence_is_labelled() -> None:
    found = decide(serving=served(), canaries=[canary("pass", SAME, baseline_source="recorded")])
    assert found.notices == ("the baseline was replayed from recordings, not asked live",)


@pytest.mark.parametrize(
    ("ahead", "message"),
    [(None, "staging must serve booking@v3 first: it serves nothing"), (served(V2), "staging must serve exactly v3")],
)
def test_the_environment_named_by_after_goes_first(ahead: Served | None, message: str) -> None:
    found = decide(runs=[run({"c1": "pass"})], after="staging", ahead=ahead)
    assert (message in found.missing[0], found.needs) == (True, "after")


def test_after_is_satisfied_by_exactly_the_candidate() -> None:
    assert decide(runs=[run({"c1": "pass"})], after="staging", ahead=served(V3)).granted


def test_everything_missing_is_said_at_once() -> None:
    found = decide(serving=served(), canaries=[canary("regress", BROKE)], after="staging")
    assert len(found.missing) == 4
    assert found.needs == "mend"


def test_a_side_is_what_is_served() -> None:
    assert side_of(served(V3)) == V3


def test_a_part_of_the_dataset_licenses_nothing() -> None:
    found = decide(serving=served(), canaries=[canary("pass", SAME)], cases=("c1", "c2", "c3"))
    assert (found.missing, found.needs) == (("a canary of all 3 cases: 1 were left out",), "canary")
    assert decide(runs=[run({"c1": "pass"})], cases=("c1", "c2")).needs == "run"


def test_a_run_that_broke_only_its_budgets_does_not_count() -> None:
    found = decide(runs=[run({"c1": "pass"}, verdict="regress")])
    assert found.missing == ("a run within its budgets and pass rate: the last one of booking@v3 broke them",)
