from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.providers.retrying import LONGEST_WAIT, RESERVE, Health, RetryBudget, backoff


def test_where_nothing_is_answered_the_waits_double_from_half_a_second() -> None:
    assert [backoff(n, 0.0, 0.5) for n in range(1, 8)] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, LONGEST_WAIT]


def test_where_most_is_answered_bad_luck_costs_little() -> None:
    waits = [backoff(n, 0.95, 0.5) for n in range(1, 8)]
    assert waits[0] == pytest.approx(0.051, abs=0.001)
    assert sum(waits) < 0.4


@given(st.integers(1, 10_000), st.floats(0, 1), st.floats(0, 0.999))
def test_a_wait_is_never_negative_nor_longer_than_the_longest_with_its_jitter(
    attempt: int, health: float, chance: float
) -> None:
    assert 0.0 < backoff(attempt, health, chance) <= LONGEST_WAIT * 1.5


def test_those_who_failed_together_do_not_come_back_together() -> None:
    assert backoff(3, 0.0, 0.0) == 1.0
    assert backoff(3, 0.0, 0.999) == pytest.approx(3.0, abs=0.01)


def test_health_follows_the_newest_outcomes() -> None:
    health = Health()
    assert health.share == 1.0
    shares = []
    for _ in range(50):
        health.saw(answered=False)
        shares.append(health.share)
    assert all(before > after for before, after in pairwise(shares))
    assert health.share < 0.01
    for _ in range(50):
        health.saw(answered=True)
    assert health.share > 0.99


def test_an_outage_gets_the_reserve_and_no_more() -> None:
    budget = RetryBudget(1.0)
    assert sum(budget.spend("connection") for _ in range(10_000)) == RESERVE


def test_each_success_pays_for_so_many_retries() -> None:
    budget = RetryBudget(0.5)
    while budget.spend("server"):
        pass
    for _ in range(10):
        budget.succeeded()
    assert sum(budget.spend("server") for _ in range(100)) == 5


def test_what_was_saved_up_is_bounded() -> None:
    budget = RetryBudget(100.0)
    for _ in range(100_000):
        budget.succeeded()
    assert sum(budget.spend("timeout") for _ in range(100_000)) == 10 * RESERVE


def test_a_refusal_for_speed_is_no_outage() -> None:
    budget = RetryBudget(1.0)
    assert all(budget.spend("rate_limit") for _ in range(10_000))
    assert budget.spend("server")


def test_no_ratio_means_no_retries() -> None:
    budget = RetryBudget(0.0)
    budget.succeeded()
    assert not budget.spend("server")
    assert not budget.spend("rate_limit")
