"""The test of a bounded mean at full N: its level at the margin, and that it finds what it should."""

from __future__ import annotations

import random

import pytest
from scipy import stats as scipy_stats

from promptops.core.statistics.bounded_mean import bounded_mean_test


@pytest.mark.parametrize(
    "draw",
    [
        pytest.param(lambda rng: max(-1.0, min(1.0, rng.gauss(-0.05, 0.2))), id="graded"),
        pytest.param(lambda rng: -1.0 if rng.random() < 0.06 else 0.01 / 0.94, id="rare large losses"),
        pytest.param(lambda rng: -0.05, id="constants"),
        pytest.param(lambda rng: -1.0 if rng.random() < 0.05 else 0.0, id="ties"),
    ],
)
def test_a_candidate_at_the_margin_passes_no_more_often_than_allowed(draw: object) -> None:
    rng, passed = random.Random(5), 0
    for seed in range(400):
        differences = [draw(rng) for _ in range(80)]  # type: ignore[operator]
        passed += bounded_mean_test(differences, 0.05, alpha=0.04, seed=seed, orders=20) <= 0.04
    assert passed <= scipy_stats.binom.ppf(0.999, 400, 0.04)


def test_small_noise_around_nothing_passes() -> None:
    rng = random.Random(6)
    differences = [rng.gauss(0, 0.05) for _ in range(150)]
    assert bounded_mean_test(differences, 0.05, alpha=0.04, seed=1) < 0.01


def test_every_loss_counts_against_it_and_the_order_of_the_data_hardly() -> None:
    rng = random.Random(7)
    differences = [rng.choice((0.0, 0.0, 0.0, 0.1, -0.1)) for _ in range(120)]
    p = bounded_mean_test(differences, 0.05, alpha=0.04, seed=1)
    assert bounded_mean_test([-1.0, *differences[1:]], 0.05, alpha=0.04, seed=1) > p
    assert bounded_mean_test(sorted(differences), 0.05, alpha=0.04, seed=1) == pytest.approx(p, rel=0.7)


def test_nothing_measured_shows_nothing_and_p_is_at_most_one() -> None:
    assert bounded_mean_test([], 0.05, alpha=0.04, seed=1) == 1.0
    assert bounded_mean_test([-1.0] * 50, 0.05, alpha=0.04, seed=1) == 1.0


def test_small_clusters_count_for_less() -> None:
    differences = [0.0] * 100 + [-0.5]
    heavy = bounded_mean_test(differences, 0.1, alpha=0.04, seed=1, weights=[1.0] * 101)
    light = bounded_mean_test(differences, 0.1, alpha=0.04, seed=1, weights=[1.0] * 100 + [0.05])
    assert light < heavy


@pytest.mark.parametrize(
    ("differences", "weights"), [([1.2], None), ([0.0], [0.0]), ([0.0], [1.5]), ([float("nan")], None)]
)
def test_what_lies_beyond_its_bounds_is_refused(differences: list[float], weights: list[float] | None) -> None:
    with pytest.raises(ValueError, match="lie in"):
        bounded_mean_test(differences, 0.05, alpha=0.04, seed=1, weights=weights)
