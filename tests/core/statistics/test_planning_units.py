"""Planning for scores, several samples and clusters: it says what the trial itself says of the same units."""

from __future__ import annotations

import numpy as np
import pytest

from promptops.core.statistics.flips import SequentialFlips
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.planning import cases_to_pass, detectable_drop, simulate, suite_outlook
from promptops.core.statistics.planning_units import DRAWS, Levels, Shape, decide_units, draw_units
from promptops.core.statistics.trial import Trial

CLUSTERS = Shape(clusters=(1, 9, 3, 3, 2) * 8)
SHAPES = {"3 samples": Shape(3), "scores": Shape(spread=0.2), "unequal clusters": CLUSTERS}
ROUNDS = 60


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(("drop", "noise"), [(0.0, 0.04), (0.1, 0.1)])
def test_it_decides_as_the_trial_does(shape: Shape, drop: float, noise: float) -> None:
    """Verdict by verdict, on the same units; few differ, since the draws of the sign flips do."""
    cases = 120
    sizes = shape.sizes(cases)
    units = draw_units(shape, len(sizes), drop=drop, noise=noise, rounds=ROUNDS, seed=7)
    planned, ended = decide_units(units, sizes, Levels(0.05, 0.05, 0.05))
    said, seen = [], []
    for row in range(ROUNDS):
        graded = shape.samples > 1 or shape.spread is not None
        trial = Trial([MetricPlan("m", graded=graded)], cases, seed=row, clusters=sizes if shape.clusters else ())
        for size, difference in zip(sizes, units[:, row], strict=True):
            for _ in range(size):
                trial.add({"m": float(difference)})
        said.append({"regress": 1, "pass": 2}.get(str(trial.verdict), 0))
        seen.append(trial.seen)
    assert float(np.mean(planned != np.array(said))) <= 0.1
    assert -3 <= float(ended.mean() - np.mean(seen)) <= 0.1 * cases


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_drawn_is_worse_by_the_drop(shape: Shape) -> None:
    found = draw_units(shape, 400, drop=0.08, noise=0.04, rounds=200, seed=3)
    assert float(found.mean()) == pytest.approx(-0.08, abs=0.005)
    assert np.abs(found).max() <= 1


def test_nothing_changed_is_no_regress() -> None:
    shape = Shape(4)
    units = draw_units(shape, 137, drop=0.0, noise=0.2, rounds=800, seed=1)
    verdicts, _ = decide_units(units, shape.sizes(137), Levels(0.05, 0.05, 0.05), finish=False)
    assert 0.02 < float((verdicts == 1).mean()) < 0.075


def test_its_sign_flips_with_as_many_draws_stop_where_the_canarys_do() -> None:
    """All lose alike, so that only how many draws there are decides when it stops."""
    _, ended = decide_units(np.full((60, 40), -0.5), (1,) * 60, Levels(0.05, 0.05, 0.05))
    stops = []
    for seed in range(40):
        flips = SequentialFlips(60, 0.05, seed=seed, draws=DRAWS)
        stops.append(next(case for case in range(1, 61) if flips.add(-0.5)))
    assert float(ended.mean()) == pytest.approx(float(np.mean(stops)), abs=1)


def test_three_samples_show_smaller_drops_and_pass_with_fewer_cases() -> None:
    assert detectable_drop(100, noise=0.1, shape=Shape(3)) < detectable_drop(100, noise=0.1)  # type: ignore[operator]
    assert cases_to_pass(noise=0.1, shape=Shape(3)) < cases_to_pass(noise=0.1)  # type: ignore[operator]


def test_metrics_that_share_alpha_find_less() -> None:
    assert detectable_drop(100, noise=0.04, tests=5) > detectable_drop(100, noise=0.04)  # type: ignore[operator]


def test_fewer_than_twenty_clusters_never_pass_and_still_find_a_drop() -> None:
    few = simulate(95, drop=0.0, noise=0.02, shape=Shape(clusters=(5,) * 19), rounds=50)
    bad = simulate(95, drop=0.4, noise=0.02, shape=Shape(clusters=(5,) * 19), rounds=50)
    assert few.passed == 0
    assert bad.regress > 0.8


@pytest.mark.parametrize(
    ("sizes", "cases", "expected"),
    [((), 3, (1, 1, 1)), ((2, 3), 12, (2, 3, 2, 3, 2)), ((2, 3), 4, (2, 2))],
)
def test_a_suite_of_another_size_has_the_same_clusters_over_and_over(
    sizes: tuple[int, ...], cases: int, expected: tuple[int, ...]
) -> None:
    assert Shape(clusters=sizes).sizes(cases) == expected


def test_an_outlook_of_scores_knows_no_flips() -> None:
    found = suite_outlook(120, margin=0.1, alpha=0.05, shape=Shape(spread=0.2))
    assert (found.spread, len(found.equal), len(found.needed)) == (0.2, 1, 1)
    assert found.least_cases > 30
