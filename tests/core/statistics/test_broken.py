"""Single broken cases: who can be named, and how rarely one is named that is not broken."""

from __future__ import annotations

import random

import pytest
from scipy import stats as scipy_stats

from promptops.core.statistics.broken import CaseCounts, broken_cases, tarone_size


def test_p_and_the_smallest_p_are_scipys() -> None:
    for base in range(6):
        for cand in range(5):
            own = CaseCounts(base, 5, cand, 4)
            table = [[cand, 4 - cand], [base, 5 - base]]
            assert own.p_value == pytest.approx(scipy_stats.fisher_exact(table, alternative="less").pvalue)
            possible = [CaseCounts(base + cand - k, 5, k, 4).p_value for k in range(5) if 0 <= base + cand - k <= 5]
            assert own.smallest == pytest.approx(min(possible))


def test_tarones_size_by_hand() -> None:
    # Margins that can reach .1, .05, .01: at k = 1 two are ≤ .05; at k = 2 one is ≤ .025.
    assert tarone_size([0.1, 0.05, 0.01], 0.05) == 2
    assert tarone_size([1.0] * 50, 0.05) == 1
    assert tarone_size([], 0.05) == 1


def test_a_case_that_always_passed_and_never_does_now_is_named_among_many_that_never_changed() -> None:
    counts = {f"c{n}": CaseCounts(5, 5, 5, 5) for n in range(500)}
    counts["gone"] = CaseCounts(5, 5, 0, 5)
    assert broken_cases(counts) == {"gone": pytest.approx(1 / 252)}


def test_three_samples_name_a_single_case_at_most() -> None:
    """3 of 3 against 0 of 3 is p = .05: enough for one, not if a second case could have shown the same."""
    gone = CaseCounts(3, 3, 0, 3)
    assert list(broken_cases({"one": gone})) == ["one"]
    assert broken_cases({"one": gone, "two": CaseCounts(1, 3, 2, 3)}) == {}


@pytest.mark.parametrize("samples", [1, 2])
def test_one_or_two_samples_claim_nothing(samples: int) -> None:
    assert broken_cases({f"c{n}": CaseCounts(samples, samples, 0, samples) for n in range(9)}) == {}


def test_the_worst_comes_first() -> None:
    named = broken_cases({"b": CaseCounts(10, 10, 1, 10), "a": CaseCounts(10, 10, 0, 10)})
    assert list(named) == ["a", "b"]


def test_cases_that_are_not_broken_are_named_in_one_of_twenty_suites_at_most() -> None:
    rng, alarms = random.Random(1), 0
    for _ in range(1500):
        rates = [rng.random() for _ in range(20)]
        draws = {
            f"c{n}": CaseCounts(sum(rng.random() < r for _ in range(6)), 6, sum(rng.random() < r for _ in range(6)), 6)
            for n, r in enumerate(rates)
        }
        alarms += bool(broken_cases(draws))
    assert 0 < alarms <= scipy_stats.binom.ppf(0.999, 1500, 0.05)
