"""Several candidates against one reference: one candidate is the canary's test, several are Holm's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random

import pytest

from promptops.core.sequence import PairTrial
from promptops.core.statistics.against import Plan, Scores, stand_against
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from promptops.formats import CanarySettings
from promptops.models import Outcome


def scores(text: str) -> list[float | None]:
    """`1` passed, `0` failed, `?` was not measured."""
    return [None if letter == "?" else float(letter) for letter in text]


def alone(reference: str, candidate: str, *, cases: int | None = None, samples: int = 1) -> str:
    plan = Plan(cases or len(reference), samples=samples)
    return stand_against(scores(reference), {"c": scores(candidate)}, plan)["c"].shown


def canary_says(reference: Scores, candidate: Scores, cases: int) -> str | None:
    """The verdict of the canary itself on the same pairs, as far as they go."""
    words: dict[float | None, Outcome] = {1.0: "pass", 0.0: "fail", None: "unmeasurable"}
    trial, verdict = PairTrial(cases, CanarySettings(), 1), None
    for before, after in zip(reference, candidate, strict=True):
        verdict = verdict or trial.add(words[before], words[after])
    return verdict


def drawn(rng: Random, cases: int, rates: Sequence[float], missing: float) -> list[list[float | None]]:
    return [[None if rng.random() < missing else float(rng.random() < rate) for _ in range(cases)] for rate in rates]


@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_one_candidate_is_not_worse_exactly_where_the_canary_passes_it(missing: float) -> None:
    rng, seen = Random(5), set()
    for _ in range(150):
        cases = rng.choice([40, 59, 80, 200])
        reference, candidate = drawn(rng, cases, (0.97, rng.choice([1.0, 0.97, 0.9])), missing)
        verdict = canary_says(reference, candidate, cases)
        shown = stand_against(reference, {"c": candidate}, Plan(cases))["c"].shown
        seen.add((verdict, shown))
        if verdict == "pass":
            assert shown == "not worse"
        elif verdict == "inconclusive":
            assert shown == "undecided" or shown == "worse"
    assert {("pass", "not worse"), ("inconclusive", "undecided"), ("regress", "worse")} <= seen


@pytest.mark.parametrize(
    ("reference", "candidate", "shown"),
    [
        ("1" * 59, "1" * 59, "not worse"),
        ("1" * 58, "1" * 58, "undecided"),
        ("1" * 60, "0" * 60, "worse"),
        ("1" * 60, "0" * 5 + "1" * 55, "worse"),
        ("1" * 60, "?" * 60, "unmeasurable"),
        ("?" * 60, "1" * 60, "unmeasurable"),
        ("1" * 60, "?" * 7 + "1" * 53, "unmeasurable"),
        ("1" * 60, "?" * 2 + "1" * 58, "undecided"),
        ("0" * 60, "1" * 60, "not worse"),
        ("1", "1", "undecided"),
    ],
)
def test_what_is_shown(reference: str, candidate: str, shown: str) -> None:
    assert alone(reference, candidate) == shown


def test_further_candidates_raise_the_bar_and_never_lower_it() -> None:
    reference = scores("1" * 60)
    first = stand_against(reference, {"a": reference}, Plan(60))["a"]
    both = stand_against(reference, {"a": reference, "b": scores("0" * 60)}, Plan(60))
    assert (first.shown, both["a"].shown, both["b"].shown) == ("not worse", "undecided", "worse")
    assert both["a"].p_not_worse == pytest.approx(
        2 * first.p_not_worse, rel=0.01
    )  # what is set aside depends on the level


def test_a_candidate_that_could_not_be_measured_takes_its_share_of_the_error() -> None:
    """Else whoever fails to answer would help the others."""
    reference = scores("1" * 60)
    found = stand_against(reference, {"a": reference, "gone": scores("?" * 60)}, Plan(60))
    assert (found["a"].shown, found["gone"].shown) == ("undecided", "unmeasurable")


def test_what_was_stopped_early_can_be_not_worse_by_betting_and_never_worse() -> None:
    reference = scores("1" * 200)
    assert alone("1" * 200, "1" * 200, cases=400) == "not worse"
    found = stand_against(reference, {"c": scores("0" * 200)}, Plan(400))["c"]
    assert (found.shown, found.p_worse) == ("undecided", None)


def test_better_beyond_chance_is_said() -> None:
    found = stand_against(scores("0" * 10 + "1" * 90), {"c": scores("1" * 100)}, Plan(100))["c"]
    assert (found.shown, found.better, found.lower, found.higher) == ("not worse", True, 0, 10)


def test_several_samples_a_case_are_one_unit() -> None:
    """Three samples of 30 cases are not 90 cases: without a single flip 59 are too few, 90 are enough."""
    shares: list[float | None] = [2 / 3, 1.0, 1 / 3] * 30
    found = stand_against(shares, {"same": shares}, Plan(90, samples=3))["same"]
    assert found.shown == "not worse"
    few = shares[:30]
    assert stand_against(few, {"same": few}, Plan(30, samples=3))["same"].shown == "undecided"
    lost: list[float | None] = [0.0] * 90
    assert stand_against(shares, {"lost": lost}, Plan(90, samples=3))["lost"].shown == "worse"


def test_an_undecided_one_says_about_how_many_more_cases_settle_it() -> None:
    reference = "1" * 100
    found = stand_against(scores(reference), {"c": scores("0" * 3 + "1" * 97)}, Plan(100))["c"]
    assert found.shown == "undecided"
    assert found.more_cases is not None
    more = (100 + found.more_cases) / 100
    longer, lost = round(100 * more), round(3 * more)
    assert alone("1" * longer, "0" * lost + "1" * (longer - lost)) != "undecided"
    shares: list[float | None] = [1.0, 2 / 3] * 20
    graded = stand_against(shares, {"c": shares}, Plan(40, samples=3))["c"]
    assert graded.more_cases is not None
    assert 10 < graded.more_cases < 100


def test_sides_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="same first cases"):
        stand_against(scores("11"), {"c": scores("1")}, Plan(2))
    with pytest.raises(ValueError, match="same first cases"):
        stand_against(scores("111"), {"c": scores("111")}, Plan(2))


CLUSTERS = (1, 9, 2, 7, 1) * 5


def clustered(rng: Random, rate: float) -> list[float]:
    """Scores that are alike within a cluster."""
    return [score for size in CLUSTERS for score in [float(rng.random() < rate)] * size]


def test_clusters_count_once() -> None:
    """25 clusters of which three broke are no proof of anything; as cases they would be."""
    reference = [1.0] * 100
    candidate = [0.0] * 10 + [1.0] * 90
    by_case = stand_against(reference, {"c": candidate}, Plan(100))["c"]
    by_cluster = stand_against(reference, {"c": candidate}, Plan(100, clusters=CLUSTERS))["c"]
    assert (by_case.shown, by_cluster.shown) == ("worse", "undecided")
    assert by_cluster.interval[0] < by_case.interval[0]  # type: ignore[index]
    assert by_cluster.more_cases is not None


def test_clusters_that_are_worse_by_the_margin_are_seldom_called_not_worse() -> None:
    rng, false = Random(8), {"cases": 0, "clusters": 0}
    for _ in range(150):
        candidate = clustered(rng, 0.85)
        reference = [1.0] * 100
        for name, clusters in (("cases", ()), ("clusters", CLUSTERS)):
            plan = Plan(100, margin=0.15, clusters=clusters)
            false[name] += stand_against(reference, {"c": candidate}, plan)["c"].shown == "not worse"
    assert false["clusters"] <= 15 < false["cases"]


def test_a_trial_of_clusters_says_the_same() -> None:
    rng, seen = Random(9), set()
    for _ in range(60):
        reference, candidate = clustered(rng, 0.99), clustered(rng, rng.choice([0.99, 0.7]))
        plan = Plan(100, margin=0.3, clusters=CLUSTERS)
        trial = Trial([MetricPlan("m", 0.3, deciding=True)], 100, clusters=CLUSTERS)
        for before, after in zip(reference, candidate, strict=True):
            trial.add({"m": after - before})
        shown = stand_against(reference, {"c": candidate}, plan)["c"].shown
        seen.add(shown)
        assert trial.verdict != "pass" or shown == "not worse"
    assert {"not worse", "undecided"} <= seen


def test_fewer_than_twenty_clusters_are_never_shown_to_be_not_worse() -> None:
    plan = Plan(95, margin=0.5, clusters=(5,) * 19)
    assert stand_against([1.0] * 95, {"c": [1.0] * 95}, plan)["c"].shown == "undecided"


@pytest.mark.parametrize("strange", [0.5, math.nan, -1.0])
def test_a_share_where_one_sample_was_planned_is_no_tie(strange: float) -> None:
    """Sixty cases that half passed are thirty points lost, and the test of pairs would see no flip."""
    with pytest.raises(ValueError, match="one sample"):
        stand_against([1.0] * 60, {"c": [strange] * 60}, Plan(60))
