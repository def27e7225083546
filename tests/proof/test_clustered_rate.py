"""How often the interval of a pass rate covers, when samples of one case are alike."""

from __future__ import annotations

from random import Random

import pytest

from promptops.core.statistics.clustered_rate import clustered_interval
from promptops.core.stats import wilson_interval
from proof.rates import Rate

ROUNDS = 1_500


def shares(rng: Random, cases: int, samples: int, rate: float, alike: float) -> list[float]:
    """Of each case, the share that passed: its own chance is beta, so that two of its samples agree by `alike`."""
    if not alike:
        return [sum(rng.random() < rate for _ in range(samples)) / samples for _ in range(cases)]
    size = 1 / alike - 1
    chances = [rng.betavariate(rate * size, (1 - rate) * size) for _ in range(cases)]
    return [sum(rng.random() < chance for _ in range(samples)) / samples for chance in chances]


@pytest.mark.parametrize("alike", [0.0, 0.2, 0.8])
@pytest.mark.parametrize(("cases", "rate"), [(30, 0.7), (60, 0.9), (200, 0.95)])
def test_it_covers_about_as_often_as_it_says(cases: int, rate: float, alike: float) -> None:
    rng, covered = Random(f"{cases} {rate} {alike}"), 0
    for _ in range(ROUNDS):
        low, high = clustered_interval(shares(rng, cases, 3, rate, alike), 3)
        covered += low <= rate <= high
    assert Rate(covered, ROUNDS).value > 0.925


def test_counting_every_sample_as_a_case_would_not() -> None:
    rng, covered = Random("naive"), 0
    for _ in range(ROUNDS):
        drawn = shares(rng, 60, 3, 0.9, 0.8)
        low, high = wilson_interval(round(3 * sum(drawn)), 180)
        covered += low <= 0.9 <= high
    assert Rate(covered, ROUNDS).high < 0.88
