"""The verdict of a canary, from outcomes alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.canary import CanaryDecision, Pairs, decide, further_cases, pass_level
from promptops.formats import CanarySettings
from promptops.models import Outcome, Verdict

SETTINGS = CanarySettings()
KINDS: dict[str, tuple[Outcome, Outcome]] = {
    "same": ("pass", "pass"),
    "both_fail": ("fail", "fail"),
    "broke": ("pass", "fail"),
    "fixed": ("fail", "pass"),
    "raised": ("pass", "error"),
    "silent": ("pass", "unmeasurable"),
    "silent_on_failed": ("fail", "unmeasurable"),
    "no_baseline": ("unmeasurable", "pass"),
    "baseline_error": ("error", "pass"),
    "neither": ("unmeasurable", "unmeasurable"),
}


def pairs(**counts: int) -> Pairs:
    return {f"{kind}-{number}": KINDS[kind] for kind, count in counts.items() for number in range(count)}


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"same": 59}, "pass"),
        ({"same": 51}, "inconclusive"),
        ({"same": 40, "both_fail": 20}, "pass"),
        ({"same": 60, "broke": 5}, "regress"),  # p = 1/32
        ({"same": 60, "broke": 4}, "inconclusive"),  # p = 1/16
        ({"same": 60, "raised": 5}, "regress"),  # a check that raises is no pass
        ({"same": 37, "broke": 20, "fixed": 3}, "regress"),
        ({"same": 11, "fixed": 29}, "pass"),
        ({"same": 300, "broke": 5, "fixed": 5}, "pass"),
        ({"same": 30, "broke": 5, "fixed": 5}, "inconclusive"),
        ({}, "unmeasurable"),
        ({"silent": 60}, "unmeasurable"),
        ({"no_baseline": 60}, "unmeasurable"),
        ({"baseline_error": 60}, "unmeasurable"),
    ],
)
def test_verdicts(counts: dict[str, int], verdict: Verdict) -> None:
    assert decide(pairs(**counts), SETTINGS).verdict == verdict


@pytest.mark.parametrize(
    ("counts", "verdict"),
    [
        ({"same": 200, "silent": 1}, "pass"),  # even counted as broken it passes
        ({"same": 60, "silent": 1}, "unmeasurable"),  # counted as broken it would not
        ({"same": 60, "silent_on_failed": 1}, "pass"),  # it cannot have broken what failed anyway
        ({"same": 40, "broke": 12, "neither": 2}, "regress"),
        ({"same": 60, "broke": 5, "no_baseline": 1}, "unmeasurable"),  # one fixed case more would end the alarm
        ({"same": 30, "broke": 1, "silent": 3}, "inconclusive"),
        ({"same": 30, "broke": 1, "silent": 4}, "unmeasurable"),  # more than a tenth is missing
    ],
)
def test_what_is_missing_never_helps(counts: dict[str, int], verdict: Verdict) -> None:
    decision = decide(pairs(**counts), SETTINGS)
    assert decision.verdict == verdict
    assert len(decision.missing) == sum(n for kind, n in counts.items() if kind not in ("same", "broke"))


def test_the_figures_are_told() -> None:
    decision = decide(pairs(same=50, both_fail=5, broke=3, fixed=2), SETTINGS)
    assert (decision.measured, decision.same, len(decision.broke), len(decision.fixed)) == (60, 55, 3, 2)
    assert decision.baseline_rate == pytest.approx(53 / 60)
    assert decision.candidate_rate == pytest.approx(52 / 60)
    assert decision.difference == pytest.approx(-1 / 60)
    assert decision.interval is not None
    assert decision.interval[0] < -1 / 60 < decision.interval[1]
    assert decision.p_value == pytest.approx(0.5)
    assert decision.broke == ("broke-0", "broke-1", "broke-2")


def test_an_inconclusive_canary_says_what_would_settle_it() -> None:
    decision = decide(pairs(same=57, broke=2, fixed=1), SETTINGS)
    assert decision.verdict == "inconclusive"
    assert "more cases" in decision.settle
    margin = float(decision.settle.split("a margin of ")[1].split()[0]) / 100
    wider = CanarySettings(delta=margin)
    assert decide(pairs(same=57, broke=2, fixed=1), wider).verdict == "pass"


def test_few_cases_are_warned_about_and_many_are_not() -> None:
    assert decide(pairs(same=60), SETTINGS).warnings == (
        "60 cases are few: a smaller drop than it detects may well stay unseen",
    )
    assert decide(pairs(same=20), SETTINGS).warnings == (
        "20 cases are too few for a PASS: without a single flip it takes 59 to show not worse by 5 points",
    )
    assert not decide(pairs(same=100), SETTINGS).warnings


def test_better_is_a_flag_on_pass() -> None:
    assert decide(pairs(same=30, fixed=5), SETTINGS).improved
    assert not decide(pairs(same=96, fixed=4), SETTINGS).improved


def test_a_broken_budget_is_a_regression_whatever_the_rates() -> None:
    decision = decide(pairs(same=200), SETTINGS, gates=["p95 latency 3 s is over the budget of 2 s"])
    assert decision.verdict == "regress"
    assert "p95 latency" in decision.reason


def test_a_budget_does_not_turn_an_outage_into_a_regression() -> None:
    assert decide(pairs(silent=9), SETTINGS, gates=["cost"]).verdict == "unmeasurable"


def test_trying_again_makes_a_pass_harder_and_an_alarm_no_harder() -> None:
    assert decide(pairs(same=60), SETTINGS, attempt=1).verdict == "pass"
    second = decide(pairs(same=60), SETTINGS, attempt=2)
    assert second.verdict == "inconclusive"
    assert any("attempt 2" in warning for warning in second.warnings)
    assert decide(pairs(same=60, broke=5), SETTINGS, attempt=9).verdict == "regress"


@pytest.mark.parametrize(("alpha", "attempt"), [(0.05, 10**30), (0.05, 10**400), (1e-6, 10**9)])
def test_figures_that_nobody_writes_decide_as_well(alpha: float, attempt: int) -> None:
    pairs: Pairs = {f"c{n}": ("pass", "pass") for n in range(20)}
    decision = decide(pairs, CanarySettings(alpha=alpha), attempt=attempt)
    assert decision.verdict == "inconclusive"


def test_all_attempts_together_spend_less_than_twice_alpha() -> None:
    assert pass_level(0.05, 1) == 0.05
    assert sum(pass_level(0.05, attempt) for attempt in range(1, 10_000)) < 0.05 * 1.6450


@given(
    st.dictionaries(st.sampled_from(sorted(KINDS)), st.integers(0, 90), max_size=5),
    st.integers(1, 4),
)
def test_the_order_of_cases_and_their_names_change_nothing(counts: dict[str, int], attempt: int) -> None:
    given_pairs = pairs(**counts)
    turned = dict(sorted(given_pairs.items(), reverse=True))
    assert decide(given_pairs, SETTINGS, attempt=attempt) == decide(turned, SETTINGS, attempt=attempt)


@given(
    same=st.integers(0, 150), broke=st.integers(0, 20), fixed=st.integers(0, 20), silent=st.integers(0, 5),
    attempt=st.integers(1, 3),
)  # fmt: skip
def test_breaking_one_more_case_never_makes_a_pass(
    same: int, broke: int, fixed: int, silent: int, attempt: int
) -> None:
    def verdict(broken: int, kept: int) -> CanaryDecision:
        return decide(pairs(same=kept, broke=broken, fixed=fixed, silent=silent), SETTINGS, attempt=attempt)

    if verdict(broke + 1, same).verdict == "pass":
        assert verdict(broke, same + 1).verdict == "pass"
    if verdict(broke, same + 1).verdict == "regress":
        assert verdict(broke + 1, same).verdict in ("regress", "unmeasurable")


@given(same=st.integers(1, 150), broke=st.integers(0, 20), fixed=st.integers(0, 20), hidden=st.integers(1, 5))
def test_a_candidate_gains_nothing_by_falling_silent(same: int, broke: int, fixed: int, hidden: int) -> None:
    shown = decide(pairs(same=same, broke=broke + hidden, fixed=fixed), SETTINGS).verdict
    silent = decide(pairs(same=same, broke=broke, fixed=fixed, silent=hidden), SETTINGS).verdict
    assert silent != "pass" or shown == "pass"


@pytest.mark.parametrize(
    ("more", "unasked", "words"),
    [
        (1, 0, "about 1 more case"),
        (56, 0, "about 56 more cases"),
        (56, 97, "asking on: 97 cases of the dataset were not asked yet"),
        (1, 1, "asking on: 1 case of the dataset was not asked yet"),
        (49, 30, "about 49 more cases; 30 of the dataset were not asked yet"),
    ],
)
def test_a_canary_that_was_stopped_first_wants_the_cases_that_there_are(more: int, unasked: int, words: str) -> None:
    assert further_cases(more, unasked) == words


def test_a_single_case_is_one() -> None:
    assert decide(pairs(same=1), SETTINGS).warnings[0].startswith("1 case is too few for a PASS")
