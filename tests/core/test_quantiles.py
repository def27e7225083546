"""Quantiles of a stream are those of the list, and of a long one close to them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.quantiles import WIDTH, Quantiles
from promptops.core.stats import quantile

SHARES = (0.0, 0.05, 0.5, 0.95, 1.0)


def of(values: list[float], *, exact: int) -> Quantiles:
    found = Quantiles(exact=exact)
    for value in values:
        found.add(value)
    return found


@given(st.lists(st.floats(0, 1e6), min_size=1), st.sampled_from(SHARES))
def test_up_to_the_limit_they_are_exact(values: list[float], q: float) -> None:
    assert of(values, exact=len(values)).quantile(q) == quantile(values, q)


@given(st.lists(st.floats(1e-6, 1e6), min_size=2), st.sampled_from(SHARES))
def test_beyond_it_they_are_close(values: list[float], q: float) -> None:
    assert of(values, exact=1).quantile(q) == pytest.approx(quantile(values, q), rel=WIDTH)


def test_a_million_values_take_the_room_of_their_bins() -> None:
    chance = random.Random(7)
    found = of([chance.lognormvariate(0, 1) for _ in range(20_000)], exact=10)
    assert len(found._bins) < 9_000
    assert not found._values


def test_nothing_has_no_quantile_and_nought_is_a_value() -> None:
    assert Quantiles().quantile(0.5) is None
    assert of([0.0, 0.0, 0.0], exact=1).quantile(0.5) == 0.0
