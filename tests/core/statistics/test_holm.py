"""Holm's procedure against statsmodels, and its closed form for sequential tests."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.statistics.holm import holm, rejected_by_levels

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=6)


@given(p_values)
def test_adjusted_values_are_those_of_statsmodels(values: list[float]) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    assert holm(values) == pytest.approx(list(multitest.multipletests(values, method="holm")[1]))


def test_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values)
def test_decisions_at_levels_that_come_from_p_values_are_holms(values: list[float]) -> None:
    stopped = [[p <= 0.05 / size for size in range(1, len(values) + 1)] for p in values]
    assert rejected_by_levels(stopped) == [p <= 0.05 for p in holm_by_steps(values)]


def holm_by_steps(values: list[float]) -> list[float]:
    """Step by step on the very comparisons `p ≤ .05 / k`, so that rounding is the same."""
    rejected = [1.0] * len(values)
    for rank, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        if values[place] > 0.05 / (len(values) - rank):
            break
        rejected[place] = 0.0
    return rejected


@pytest.mark.parametrize("total", [1, 2, 3])
def test_a_test_is_rejected_only_if_every_subset_with_it_is(total: int) -> None:
    for flat in itertools.product((False, True), repeat=total * total):
        stopped = [list(flat[i * total : (i + 1) * total]) for i in range(total)]
        for own, found in enumerate(rejected_by_levels(stopped)):
            subsets = (
                subset
                for size in range(1, total + 1)
                for subset in itertools.combinations(range(total), size)
                if own in subset
            )
            assert found == all(any(stopped[i][len(subset) - 1] for i in subset) for subset in subsets)


def test_each_test_needs_all_levels() -> None:
    with pytest.raises(ValueError, match="at m levels"):
        rejected_by_levels([[True], [True, False]])
