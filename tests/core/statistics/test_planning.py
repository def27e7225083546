"""Planning: the fast simulation decides as the tests themselves do, and what it promises is near what is known."""

from __future__ import annotations

import numpy as np
import pytest

from promptops.core.statistics.exact_pairs import pairs_for_no_flip
from promptops.core.statistics.fixed_power import power_to_regress
from promptops.core.statistics.metric import MetricPlan
from promptops.core.statistics.planning import Outlook, _flips, cases_to_pass, detectable_drop, simulate, suite_outlook
from promptops.core.statistics.trial import Trial


@pytest.mark.parametrize(("drop", "noise"), [(0.0, 0.04), (0.05, 0.1), (0.1, 0.3)])
def test_it_decides_case_by_case_as_the_trial_does(drop: float, noise: float) -> None:
    rounds, cases = 40, 150
    flips = _flips(cases, (drop + noise / 2, noise / 2), 5, rounds)
    trials = [Trial([MetricPlan("m")], cases) for _ in range(rounds)]
    for case in flips:
        for trial, difference in zip(trials, case, strict=True):
            trial.add({"m": int(difference)})
    said = [trial.verdict for trial in trials]
    expected = Outlook(
        said.count("regress") / rounds,
        said.count("pass") / rounds,
        said.count("inconclusive") / rounds,
        float(np.mean([trial.seen for trial in trials])),
    )
    assert simulate(cases, drop=drop, noise=noise, seed=5, rounds=rounds) == expected


def test_peeking_costs_hardly_any_power() -> None:
    found = simulate(400, drop=0.05, noise=0.04, rounds=2000)
    assert found.regress == pytest.approx(power_to_regress(400, 0.05, 0.04, 0.05), abs=0.03)
    assert found.mean_cases < 260


def test_the_detectable_drop_is_near_that_of_the_fixed_test_and_none_for_a_handful_of_cases() -> None:
    drop = detectable_drop(200, noise=0.04)
    assert drop is not None
    assert power_to_regress(200, drop, 0.04, 0.05) == pytest.approx(0.8, abs=0.08)
    assert detectable_drop(4, noise=0.0) is None


@pytest.mark.parametrize(("noise", "least", "most"), [(0.04, 110, 160), (0.1, 240, 380)])
def test_the_cases_for_a_pass_grow_with_the_noise(noise: float, least: int, most: int) -> None:
    cases = cases_to_pass(noise=noise)
    assert cases is not None
    assert least <= cases <= most


def test_without_noise_it_takes_what_no_flip_takes() -> None:
    cases = cases_to_pass(noise=0.0)
    assert cases is not None
    assert cases == pairs_for_no_flip(0.05, 0.05, after_betting=True) == 59
    assert cases_to_pass(noise=0.3, margin=0.01) is None


def test_a_candidate_that_breaks_everything_is_found_at_once() -> None:
    found = simulate(100, drop=1.0, noise=0.3)
    assert (found.regress, found.passed) == (1.0, 0.0)
    assert found.mean_cases < 15


@pytest.mark.parametrize("cases", [0, 3, 200, 5_000])
def test_a_suite_of_any_size_has_an_outlook(cases: int) -> None:
    found = suite_outlook(cases, margin=0.05, alpha=0.05)
    for row in (*found.equal, *found.worse):
        assert row.outlook.regress + row.outlook.passed + row.outlook.inconclusive == pytest.approx(1.0)
        assert row.outlook.mean_cases <= min(cases, 2000)
    assert found.least_cases == 59
    if cases < 5:
        assert found.detectable is None
    elif found.detectable is not None:
        assert found.detectable < 0.08
    assert [noise for noise, _ in found.needed] == [0.02, 0.04, 0.1]
