"""The candidate beside a version that stays the same: many small drops are seen, each of which no canary sees."""

from __future__ import annotations

import random

import pytest

from promptops.core.anchor import Anchor, decide_against_anchor, wrong_beside_anchor
from promptops.core.canary import Pairs
from promptops.core.metrics import Measured
from promptops.core.sequence import decide_in_order
from promptops.formats import CanarySettings, Guardrail, MetricSetting
from promptops.models import Outcome, Verdict

ORDER = [f"c{n}" for n in range(200)]
SETTINGS = CanarySettings()
PASS_RATE = MetricSetting(name="pass_rate", worse="decrease", margin=0.05)
SCORE = MetricSetting(name="score", worse="decrease", margin=0.05, graded=True)
COST = MetricSetting(name="cost", worse="increase", margin=0.1, relative=True)


def outcome(case: str, broken: int) -> Outcome:
    """The first so many cases of the order fail."""
    return "fail" if ORDER.index(case) % 40 < broken else "pass"


def pairs(before: int, after: int) -> Pairs:
    return {case: (outcome(case, before), outcome(case, after)) for case in ORDER}


def anchor(broken: int = 0, *, cases: list[str] = ORDER) -> Anchor:
    return Anchor({case: "fail" if outcome(case, broken) == "fail" else "pass" for case in cases})


def test_five_versions_that_pass_one_after_the_other_are_worse_than_the_first() -> None:
    settings = CanarySettings(delta=0.1)
    steps = [pairs(version, version + 1) for version in range(5)]
    assert {decide_in_order(step, settings, ORDER, asked=200).verdict for step in steps} == {"pass"}
    beside = [decide_against_anchor(anchor(), step, settings, ORDER, asked=200) for step in steps]
    assert [found.verdict for found in beside] == ["pass", "regress", "regress", "regress", "regress"]
    assert beside[-1].baseline_rate == 1.0
    assert beside[-1].candidate_rate == pytest.approx(0.875)


def test_the_candidate_is_compared_and_the_baseline_plays_no_part() -> None:
    one, other = (decide_against_anchor(anchor(2), pairs(before, 2), SETTINGS, ORDER, asked=200) for before in (0, 9))
    assert one == other
    assert (one.verdict, one.broke, one.fixed) == ("pass", (), ())


@pytest.mark.parametrize(
    ("known", "verdict"), [(200, "pass"), (190, "inconclusive"), (170, "unmeasurable"), (0, "unmeasurable")]
)
def test_cases_that_the_anchor_has_no_recording_of_are_missing(known: int, verdict: Verdict) -> None:
    found = decide_against_anchor(anchor(cases=ORDER[200 - known :]), pairs(0, 0), SETTINGS, ORDER, asked=200)
    assert (found.verdict, found.measured) == (verdict, known)


def test_only_cases_that_were_asked_count() -> None:
    found = decide_against_anchor(anchor(), {**pairs(0, 40), **dict.fromkeys(ORDER[4:], ("unmeasurable",) * 2)},
        SETTINGS, ORDER, asked=4)  # fmt: skip
    assert (found.verdict, found.measured) == ("inconclusive", 4)


def test_guardrails_and_hard_limits_are_the_canarys_own() -> None:
    """A recorded cost is of another day."""
    settings = CanarySettings(guardrails={"cost": Guardrail()})
    figures = {
        "pass_rate": dict.fromkeys(ORDER, (1.0, 1.0)),
        "cost": dict.fromkeys(ORDER, (0.1, 0.9)),
    }
    evidence = Measured((PASS_RATE, COST), figures, {}, 1)  # type: ignore[arg-type]
    assert decide_in_order(pairs(0, 0), settings, ORDER, asked=200, evidence=evidence).verdict == "regress"
    beside = Anchor(anchor().outcomes, dict.fromkeys(ORDER, 1.0))
    found = decide_against_anchor(beside, pairs(0, 0), settings, ORDER, asked=200, evidence=evidence)
    assert (found.verdict, [one.setting.name for one in found.metrics]) == ("pass", ["pass_rate"])


@pytest.mark.parametrize(("score", "verdict"), [(0.7, "regress"), (0.9, "pass"), (0.95, "pass")])
def test_scores_are_compared_as_scores(score: float, verdict: Verdict) -> None:
    evidence = Measured((SCORE,), {"score": dict.fromkeys(ORDER, (0.1, score))}, {}, 1)
    beside = Anchor(anchor().outcomes, dict.fromkeys(ORDER, 0.9))
    found = decide_against_anchor(beside, pairs(0, 0), SETTINGS, ORDER, asked=200, evidence=evidence)
    assert found.verdict == verdict


def test_clusters_count_once() -> None:
    clusters = {case: f"d{n // 20}" for n, case in enumerate(ORDER)}
    evidence = Measured((PASS_RATE,), {"pass_rate": dict.fromkeys(ORDER, (1.0, 1.0))}, clusters, 1)
    beside = Anchor(anchor().outcomes, dict.fromkeys(ORDER, 1.0))
    found = decide_against_anchor(beside, pairs(0, 0), SETTINGS, ORDER, asked=200, evidence=evidence)
    assert (found.verdict, found.units) == ("inconclusive", 10)  # fewer than twenty clusters never pass


def test_an_equal_candidate_is_called_worse_in_at_most_alpha_wherever_the_canary_ended() -> None:
    """The anchor flips a tenth of the cases by chance, and so does the candidate; the canary ends at any case."""
    rng, worse = random.Random(5), 0
    for _ in range(400):
        flips: list[tuple[Outcome, Outcome]] = [
            ("pass" if rng.random() < 0.9 else "fail", "pass" if rng.random() < 0.9 else "fail") for _ in ORDER
        ]
        beside = Anchor({case: "pass" if before == "pass" else "fail" for case, (before, _) in zip(ORDER, flips)})  # noqa: B905
        asked = rng.randrange(1, 201)
        found = decide_against_anchor(beside, dict(zip(ORDER, flips, strict=True)), SETTINGS, ORDER, asked=asked)
        worse += found.verdict == "regress"
    assert worse <= 28  # 20 are allowed on average: this is the 97 % point of that


def test_what_evidence_says_of_the_anchor_has_to_hold_together() -> None:
    evidence = Measured((SCORE,), {"score": dict.fromkeys(ORDER, (0.1, 0.9))}, {}, 1)
    whole = Anchor(anchor().outcomes, dict.fromkeys(ORDER, 0.9))
    assert wrong_beside_anchor(whole, pairs(0, 0), evidence) == []
    assert wrong_beside_anchor(anchor(), pairs(0, 0), None) == []
    (strange,) = wrong_beside_anchor(Anchor({"x": "pass"}), pairs(0, 0), None)
    assert "in cases that it does not have: x" in strange
    (beyond,) = wrong_beside_anchor(Anchor(anchor().outcomes, {"c1": 1.5}), pairs(0, 0), evidence)
    assert "has figures of score that cannot be" in beyond
