"""The decision of a canary by figures: the nulls that broke other tools, through what the command calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

import pytest
from scipy.stats import binomtest

from promptops.core.canary import CanaryDecision, Pairs
from promptops.core.metrics import Figure, Figures, Measured, metric_settings
from promptops.core.plan import clustered_order
from promptops.core.sequence import decide_in_order
from promptops.formats import CanarySettings, MetricName
from promptops.models import Outcome

Case = Mapping[MetricName, Figure]
TIGHT = {"margin": "1%"}
ALL = {"score": {}, "cost": TIGHT, "latency": TIGHT, "tokens": TIGHT, "length": TIGHT}


def decide(
    settings: Mapping[str, object],
    cases: list[Case],
    *,
    samples: int = 1,
    clusters: int = 0,
    seed: int = 0,
    attempt: int = 1,
    asked: int | None = None,
    shuffled: bool = False,
) -> CanaryDecision:
    """Decide from the figures of cases in their order; `clusters` is how many cases a cluster has."""
    own = CanarySettings.model_validate(settings)
    names = [f"c{number:04}" for number in range(len(cases))]
    groups = {name: f"d{number // clusters}" for number, name in enumerate(names)} if clusters else {}
    order = clustered_order(names, groups, seed)
    figures: Figures = {
        setting.name: {name: cases[place].get(setting.name, (1.0, 1.0)) for place, name in enumerate(order)}
        for setting in metric_settings(own, samples=samples)
    }
    if shuffled:
        figures = {name: dict(sorted(values.items())) for name, values in reversed(list(figures.items()))}
    rates = figures.get("pass_rate") or dict.fromkeys(names, (1.0, 1.0))
    pairs: Pairs = {name: (_outcome(rates[name][0]), _outcome(rates[name][1])) for name in names}
    measured = Measured(metric_settings(own, samples=samples), figures, groups, seed)
    asked = len(order) if asked is None else asked
    return decide_in_order(pairs, own, order, asked=asked, attempt=attempt, evidence=measured)


def _outcome(rate: float | None) -> Outcome:
    return "unmeasurable" if rate is None else "pass" if rate == 1 else "fail"


def heavy(rng: random.Random) -> float:
    return rng.lognormvariate(0, 0.3) * (1e6 if rng.random() < 0.03 else 1.0)


def equal(rng: random.Random) -> Case:
    """Both sides from one source, in all metrics."""
    rate = rng.choice((1.0, 0.7))

    def pair(draw: Callable[[], float]) -> Figure:
        return draw(), draw()

    found: dict[MetricName, Figure] = {"pass_rate": pair(lambda: float(rng.random() < rate))}
    found["score"] = pair(lambda: round(rng.betavariate(5, 1), 6))
    names: tuple[MetricName, ...] = ("cost", "latency", "tokens", "length")
    for name in names:
        found[name] = pair(lambda: heavy(rng))
    return found


def rate_of(verdict: str, rounds: int, draw: Callable[[int], CanaryDecision]) -> int:
    return sum(draw(number).verdict == verdict for number in range(rounds))


def test_seven_tests_at_once_alarm_no_more_often_than_one() -> None:
    def one(number: int) -> CanaryDecision:
        rng = random.Random(number)
        return decide({"guardrails": ALL}, [equal(rng) for _ in range(30)], seed=number)

    assert binomtest(rate_of("regress", 120, one), 120, 0.05, alternative="greater").pvalue > 0.001


def test_three_samples_that_vary_are_no_regress() -> None:
    def one(number: int) -> CanaryDecision:
        rng = random.Random(number)

        def draw() -> float:
            return round(sum(rng.random() < 0.6 for _ in range(3)) / 3, 9)

        return decide({}, [{"pass_rate": (draw(), draw())} for _ in range(40)], samples=3, seed=number)

    assert binomtest(rate_of("regress", 200, one), 200, 0.05, alternative="greater").pvalue > 0.001


def test_rare_large_losses_of_a_score_do_not_pass() -> None:
    """It gains a little nearly always and loses all now and then, 5 points in the mean."""

    def one(number: int) -> CanaryDecision:
        rng = random.Random(number)
        losses = 0.06 / 1.01
        cases: list[Case] = [{"score": (0.99, 0.0) if rng.random() < losses else (0.99, 1.0)} for _ in range(100)]
        return decide({"primary": "score"}, cases, seed=number)

    assert binomtest(rate_of("pass", 120, one), 120, 0.05, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(
    ("settings", "case", "verdict"),
    [
        pytest.param({"guardrails": ALL}, {}, "pass", id="nothing differs at all"),
        pytest.param({"guardrails": {"cost": {}}}, {"cost": (0.0, 0.0)}, "pass", id="it costs nothing on both sides"),
        pytest.param({"guardrails": {"cost": {}}}, {"cost": (1.0, 1.1)}, "pass", id="always just at the margin"),
        pytest.param({"guardrails": {"cost": {}}}, {"cost": (1.0, 1.1001)}, "regress", id="always just beyond it"),
        pytest.param({"guardrails": {"cost": {}}}, {"cost": (None, None)}, "unmeasurable", id="no price"),
        pytest.param({"guardrails": {"cost": {}}}, {"cost": (1.0, None)}, "unmeasurable", id="no price on one side"),
        pytest.param({"primary": "score"}, {"score": (0.5, 0.5)}, "pass", id="a score that is always a half"),
        pytest.param({"primary": "score"}, {"score": (0.5, 0.49)}, "regress", id="always a little lower"),
        pytest.param({"primary": "distance"}, {"distance": (0.2, 0.1)}, "pass", id="nearer than before"),
    ],
)
def test_constants(settings: Mapping[str, object], case: Case, verdict: str) -> None:
    assert decide(settings, [case] * 130).verdict == verdict


def test_a_giant_cluster_decides_nothing_alone() -> None:
    """Half of all cases come from one document, and all of these broke."""
    broke: Case = {"pass_rate": (1.0, 0.0)}
    same: Case = {"pass_rate": (1.0, 1.0)}
    cases = [broke] * 60 + [same] * 60
    assert decide({}, cases).verdict == "regress"
    verdicts = {decide({}, cases, clusters=60, seed=seed).verdict for seed in range(10)}
    assert verdicts == {"inconclusive"}


def test_where_it_would_be_wrong_it_does_not_answer_and_does_not_pass_by_it() -> None:
    silent: Case = {"pass_rate": (1.0, None)}
    same: Case = {"pass_rate": (1.0, 1.0)}
    cases = [silent] * 8 + [same] * 100
    assert decide({}, cases, samples=3).verdict != "pass"


def test_the_verdict_depends_on_the_order_of_the_seed_and_on_nothing_else() -> None:
    rng = random.Random(9)
    cases = [equal(rng) for _ in range(40)]
    one, other = (decide({"guardrails": ALL}, cases, seed=3, shuffled=shuffled) for shuffled in (False, True))
    assert one.verdict == other.verdict
    assert {found.title: found for found in one.metrics} == {found.title: found for found in other.metrics}


def test_asked_again_and_again_an_inferior_candidate_passes_rarely() -> None:
    """Ten attempts at a candidate that is worse by just the margin: together at most 1.64 alpha, as the page says."""
    passed, rounds = 0, 40
    for number in range(rounds):
        rng = random.Random(number)
        for attempt in range(1, 11):
            cases: list[Case] = [{"score": (0.9, 0.0 if rng.random() < 0.06 else 0.904)} for _ in range(60)]
            if decide({"primary": "score"}, cases, attempt=attempt, seed=attempt).verdict == "pass":
                passed += 1
                break
    assert binomtest(passed, rounds, 0.0823, alternative="greater").pvalue > 0.001


def test_a_candidate_that_was_never_asked_shows_nothing() -> None:
    """A warm start from what another candidate had shown passes everything: there is none."""
    assert decide({"guardrails": ALL}, [{}] * 130, asked=0).verdict == "unmeasurable"
    early = decide({"guardrails": ALL}, [{}] * 130, asked=8)
    assert (early.verdict, early.looks.used if early.looks else 0) == ("inconclusive", 8)
