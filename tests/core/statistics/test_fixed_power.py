"""The power of the tests at full N, against simulation."""

from __future__ import annotations

import random

import pytest

from promptops.core.statistics.fixed_power import (
    detectable_drop,
    pairs_to_settle,
    power_to_regress,
)
from promptops.core.statistics.tango import non_inferiority
from promptops.core.stats import mcnemar_exact


def test_too_few_pairs_detect_nothing() -> None:
    assert detectable_drop(0, 0.04, 0.05) is None
    assert detectable_drop(4, 0.0, 0.05) is None  # four of four broken is p = .06


def _simulated(pairs: int, drop: float, noise: float, rounds: int) -> tuple[float, float]:
    rng, regressed, passed = random.Random(7), 0, 0
    for _ in range(rounds):
        broke = fixed = 0
        for _ in range(pairs):
            u = rng.random()
            broke += u < noise / 2 + drop
            fixed += noise / 2 + drop <= u < noise + drop
        regressed += broke > fixed and mcnemar_exact(broke, fixed) <= 0.05
        passed += non_inferiority(broke, fixed, pairs, 0.05) <= 0.05
    return regressed / rounds, passed / rounds


def test_power_is_what_a_simulation_shows() -> None:
    assert power_to_regress(120, 0.08, 0.06, 0.05) == pytest.approx(_simulated(120, 0.08, 0.06, 1500)[0], abs=0.04)


@pytest.mark.parametrize(("pairs", "noise"), [(60, 0.04), (200, 0.1), (400, 0.02)])
def test_an_equal_candidate_rarely_regresses_and_a_bad_one_rarely_passes(pairs: int, noise: float) -> None:
    assert power_to_regress(pairs, 0.0, noise, 0.05) <= 0.05
    assert _simulated(pairs, 0.05, noise, 1000)[1] <= 0.05 + 0.02  # Tango's level is approximate: about .05


def test_the_detectable_drop_is_where_power_reaches_four_fifths() -> None:
    drop = detectable_drop(200, 0.04, 0.05)
    assert drop is not None
    assert power_to_regress(200, drop, 0.04, 0.05) >= 0.8 > power_to_regress(200, drop - 0.005, 0.04, 0.05)


def test_more_cases_are_named_only_where_they_would_settle_it() -> None:
    total = pairs_to_settle(1, 1, 40, 0.05, 0.05)
    assert total is not None
    assert non_inferiority(total / 40, total / 40, total, 0.05) <= 0.05
    assert pairs_to_settle(0, 0, 0, 0.05, 0.05) is None
