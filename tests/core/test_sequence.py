"""The decision of a canary that looks after every case, recomputed from what its evidence holds."""

from __future__ import annotations

import random

import pytest

from promptops.core.canary import Looks, Pairs
from promptops.core.digest import sha256_of
from promptops.core.plan import case_order
from promptops.core.sequence import PairTrial, decide_in_order
from promptops.formats import CanaryEvidence, CanarySettings, Measurement, PairOutcome, Side
from promptops.models import Outcome, Verdict

SETTINGS = CanarySettings()
KINDS: dict[str, tuple[Outcome, Outcome]] = {
    "=": ("pass", "pass"),
    "-": ("pass", "fail"),
    "+": ("fail", "pass"),
    "x": ("fail", "fail"),
    "e": ("pass", "error"),
    "?": ("pass", "unmeasurable"),
    " ": ("unmeasurable", "unmeasurable"),
}


def stream(text: str) -> tuple[Pairs, list[str]]:
    """Outcomes of the cases in their order."""
    order = [f"c{n}" for n in range(len(text))]
    return {case: KINDS[kind] for case, kind in zip(order, text, strict=True)}, order


@pytest.mark.parametrize(
    ("text", "asked", "verdict", "used"),
    [
        pytest.param("=" * 200, 200, "pass", 123, id="not one flip"),
        pytest.param("=" * 60, 60, "pass", 60, id="few cases, and not one flip"),
        pytest.param("-" * 40 + "=" * 60, 100, "regress", 11, id="the first ones all broke"),
        pytest.param("e" * 40 + "=" * 60, 100, "regress", 11, id="a check that raises is no pass"),
        pytest.param("-" * 11 + " " * 89, 11, "regress", 11, id="nothing was asked behind the verdict"),
        pytest.param("=" * 20 + " " * 80, 20, "inconclusive", 20, id="stopped for cost"),
        pytest.param("=" * 20 + " " * 80, 100, "unmeasurable", 100, id="an outage for the rest"),
        pytest.param("?" * 100, 100, "unmeasurable", 100, id="an outage from end to end"),
        pytest.param("+-xx" * 25, 100, "inconclusive", 100, id="flips both ways"),
    ],
)
def test_the_verdict_and_where_it_fell(text: str, asked: int, verdict: Verdict, used: int) -> None:
    pairs, order = stream(text)
    found = decide_in_order(pairs, SETTINGS, order, asked=asked)
    assert found.verdict == verdict
    if found.measured:
        assert found.looks is not None
        assert (found.looks.used, found.looks.cases) == (used, len(order))


def test_the_order_decides_when_and_not_the_names() -> None:
    text = "-" * 9 + "=" * 191
    names = case_order([f"c{n}" for n in range(200)], 5)
    pairs = {case: KINDS[kind] for case, kind in zip(names, text, strict=True)}
    shuffled = dict(sorted(pairs.items()))
    one, other = (decide_in_order(some, SETTINGS, names, asked=200) for some in (pairs, shuffled))
    assert one == other
    late = decide_in_order(pairs, SETTINGS, names[::-1], asked=200)
    assert (one.verdict, late.verdict) == ("regress", "pass")


def test_what_was_on_its_way_is_shown_and_decides_nothing() -> None:
    pairs, order = stream("-" * 11 + "+-" + " " * 87)
    found = decide_in_order(pairs, SETTINGS, order, asked=11)
    assert (found.measured, len(found.broke), len(found.fixed), found.missing) == (13, 12, 1, ())
    assert found.looks is not None
    assert found.looks.used == 11
    assert "11 broke and 0 fixed after 11 of 100 cases" in found.reason


def test_missing_cases_are_those_that_were_asked() -> None:
    pairs, order = stream("==?=" + " " * 96)
    found = decide_in_order(pairs, SETTINGS, order, asked=4)
    assert (found.missing, found.measured) == (("c2",), 3)


def test_figures_and_words_say_what_was_looked_at() -> None:
    pairs, order = stream("-" * 11 + " " * 89)
    found = decide_in_order(pairs, SETTINGS, order, asked=11)
    assert (found.difference, found.baseline_rate, found.candidate_rate) == (-1.0, 1.0, 0.0)
    assert "11 broke and 0 fixed after 11 of 100 cases" in found.reason
    assert found.looks is not None
    assert found.looks.spent == pytest.approx(0.000488, abs=1e-4)
    assert found.looks == Looks(11, 100, found.looks.spent, 1.0, None)
    assert found.interval is not None
    assert found.interval[0] == -1.0
    assert -0.7 < found.interval[1] < 0


def test_a_broken_limit_is_a_regress_whatever_the_cases_say() -> None:
    pairs, order = stream("=" * 100)
    found = decide_in_order(pairs, SETTINGS, order, asked=100, gates=["p95 latency 3s, at most 1s"])
    assert (found.verdict, found.reason) == ("regress", "p95 latency 3s, at most 1s")


def test_a_later_attempt_has_to_show_more_for_a_pass_and_not_for_a_regress() -> None:
    (same, names), (worse, _) = stream("=" * 60), stream("-" * 60)
    said = [decide_in_order(same, SETTINGS, names, asked=60, attempt=attempt).verdict for attempt in (1, 2)]
    assert said == ["pass", "inconclusive"]
    places = [decide_in_order(worse, SETTINGS, names, asked=60, attempt=attempt).looks for attempt in (1, 2)]
    assert places[0] == places[1]


def test_stopping_anywhere_for_cost_raises_no_false_alarms() -> None:
    """Equal versions, stopped at a place that depends on how it looked: never more REGRESS than alpha."""
    rng, alarms = random.Random(1), 0
    for _ in range(300):
        running = PairTrial(80, SETTINGS, 1)
        alarms += any(running.add(*KINDS[rng.choice("====+-")]) == "regress" for _ in range(rng.choice((10, 40, 80))))
    assert alarms <= 0.05 * 300 + 3 * (0.05 * 0.95 * 300) ** 0.5


def test_improved_rests_on_everything_that_was_asked() -> None:
    pairs, order = stream("+===" * 25)
    whole = decide_in_order(pairs, SETTINGS, order, asked=100)
    assert whole.looks is not None
    assert whole.looks.used < 50
    assert whole.improved
    part, _ = stream("+===" * 5 + " " * 80)
    assert not decide_in_order(part, SETTINGS, order, asked=20).improved
    same, _ = stream("=" * 100)
    assert not decide_in_order(same, SETTINGS, order, asked=100).improved


def test_nothing_to_compare_is_unmeasurable() -> None:
    assert decide_in_order({}, SETTINGS, [], asked=0).verdict == "unmeasurable"
    pairs, order = stream("   ")
    assert decide_in_order(pairs, SETTINGS, order, asked=0).verdict == "unmeasurable"


def record(**more: object) -> CanaryEvidence:
    side = Side(version="v1", pin="test/model-1", digest="sha256:" + "0" * 64)
    digest = "sha256:" + "1" * 64
    measurement = Measurement(digest=digest, dataset=digest, checks=digest, contract=digest)
    fields: dict[str, object] = {
        "candidate": side,
        "baseline": side,
        "measurement": measurement,
        "mode": "live",
        "baseline_source": "live",
        "seed": 1,
        "order": ["c1"],
        "outcomes": {"c1": PairOutcome(baseline="pass", candidate="pass")},
        "alpha": 0.05,
        "delta": 0.05,
        "attempt": 1,
        "verdict": "inconclusive",
        "p_value": 1.0,
        "difference": 0.0,
        "interval": (-0.5, 0.5),
        "finished_at": "2026-01-01T00:00:00Z",
    }
    return CanaryEvidence.model_validate({**fields, **more})


def test_a_record_from_before_there_were_sequences_keeps_its_digest() -> None:
    old, new = record(), record(test="sequential", asked=1)
    assert not {"test", "asked"} & set(old.model_dump(mode="json"))
    assert (new.model_dump()["test"], new.model_dump()["asked"]) == ("sequential", 1)
    again = CanaryEvidence.model_validate_json(old.model_dump_json())
    assert again == old
    assert sha256_of(again.model_dump(mode="json")) == sha256_of(old.model_dump(mode="json"))


def test_a_pass_is_not_told_that_its_cases_are_too_few_for_one() -> None:
    found, names = stream("+" * 30)
    decided = decide_in_order(found, SETTINGS, names, asked=30)
    assert decided.verdict == "pass"
    assert not [warning for warning in decided.warnings if "too few for a PASS" in warning]
    equal, names = stream("=" * 30)
    assert "30 cases are too few for a PASS" in decide_in_order(equal, SETTINGS, names, asked=30).warnings[0]
