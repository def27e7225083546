"""The data that broke other gates: they said REGRESS where nothing changed, or PASS where nothing was shown."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from scipy import stats as scipy_stats

from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.trial import Trial
from promptops.core.stats import mcnemar_exact
from promptops.models import Verdict

SCORE, RATE = MetricPlan("score", graded=True), MetricPlan("rate")


def verdicts(
    metric: MetricPlan,
    rounds: int,
    cases: int,
    draw: Callable[[random.Random], float | None],
    clusters: tuple[int, ...] = (),
) -> list[Verdict | None]:
    said: list[Verdict | None] = []
    rng = random.Random(f"{metric} {cases} {rounds}")
    for seed in range(rounds):
        trial = Trial([metric], cases, seed=seed, clusters=clusters)
        while trial.verdict is None:
            trial.add({metric.name: draw(rng)})
        said.append(trial.verdict)
    return said


def at_most_alpha(count: int, rounds: int) -> bool:
    """Five in a hundred, give or take what chance gives or takes in 999 of 1,000 tries."""
    return count <= float(scipy_stats.binom.ppf(0.999, rounds, 0.05))


@pytest.mark.parametrize("constant", [0.0, 0.3, 1.0, -0.04])
def test_constants_raise_no_division_by_a_variance_of_zero(constant: float) -> None:
    """A standard error of 0 makes any t statistic infinite: here a constant is just a mean that is known."""
    trial = Trial([SCORE], 150)
    while trial.verdict is None:
        trial.add({"score": constant})
    assert trial.verdict == ("pass" if constant >= 0 else "regress")


def test_ties_are_no_evidence_of_anything() -> None:
    said = verdicts(RATE, 300, 60, lambda rng: rng.choice((0,) * 58 + (1, -1)))
    assert at_most_alpha(said.count("regress"), 300)


def test_rare_large_losses_that_have_not_happened_yet_are_no_pass() -> None:
    """A gain of a hundredth 17 times of 18, else everything: worse by just the margin, and it looks like a gain."""
    losses = (0.05 + 0.01) / 1.01
    said = verdicts(SCORE, 200, 80, lambda rng: -1.0 if rng.random() < losses else 0.01)
    assert at_most_alpha(said.count("pass"), 200)


def test_rare_large_flips_both_ways_are_no_regress() -> None:
    sizes = (1.0,) + (0.01,) * 40
    said = verdicts(SCORE, 150, 60, lambda rng: rng.choice(sizes) * rng.choice((-1, 1)))
    assert at_most_alpha(said.count("regress"), 150)


def test_a_giant_cluster_is_one_witness() -> None:
    """Four fifths of the cases come from one document: it alone can neither damn nor clear the candidate."""
    clusters = (100, *(1,) * 25)
    for difference in (-1.0, 1.0):
        trial = Trial([RATE], 125, clusters=clusters)
        for number in range(125):
            trial.add({"rate": difference if number < 100 else 0.0})
        assert trial.verdict == "inconclusive"


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_missing_data_never_help_the_candidate(share: float) -> None:
    """It fails to answer just where it would be wrong, and is worse by the margin: left out, that would pass."""

    def draw(rng: random.Random) -> float | None:
        if rng.random() < 0.05:
            return None if rng.random() < share / 0.3 else -1.0
        return 0.0

    said = verdicts(RATE, 200, 120, draw)
    assert at_most_alpha(said.count("pass"), 200)


def test_missing_data_at_random_are_no_regress() -> None:
    said = verdicts(RATE, 300, 100, lambda rng: None if rng.random() < 0.2 else rng.choice((0, 0, 0, 1, -1)))
    assert at_most_alpha(said.count("regress"), 300)


def test_a_warm_start_does_not_exist() -> None:
    """Passes of yesterday's candidate count for nothing: what has no case of its own has no verdict and no wealth."""
    trial = Trial([RATE], 300)
    assert trial.verdict is None
    assert trial.primary.betting.wealth == pytest.approx(1.0)
    assert not trial.primary.worse[0].stopped


def test_peeking_at_a_plain_p_value_is_what_this_is_not() -> None:
    """The same streams, stopped at the first p ≤ .05 of McNemar's test: many more than one false alarm in twenty."""
    rng, naive, ours = random.Random(3), 0, 0
    for _ in range(300):
        trial, broke, fixed, alarmed = Trial([MetricPlan("rate", deciding=False)], 150), 0, 0, False
        for _ in range(150):
            difference = rng.choice((0, 0, 1, -1))
            broke, fixed = broke + (difference < 0), fixed + (difference > 0)
            alarmed = alarmed or (broke > fixed and mcnemar_exact(broke, fixed) <= 0.05)
            trial.add({"rate": difference})
        naive, ours = naive + alarmed, ours + (trial.verdict == "regress")
    assert not at_most_alpha(naive, 300)
    assert at_most_alpha(ours, 300)
