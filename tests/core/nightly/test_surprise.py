"""Tokens that come, beside the distribution that is reported: by hand, and in the long run."""

from __future__ import annotations

import math
import random
from statistics import fmean, pstdev

import pytest

from promptops.core.nightly.profiles import most_likely
from promptops.core.nightly.surprise import Drawn, drawn, surprise

COIN = {"a": math.log(0.5), "b": math.log(0.25)}
"""A quarter is left for tokens that are not listed: they count as `b`."""


@pytest.mark.parametrize(("token", "excess"), [("a", 0.5), ("b", -0.5), ("never listed", -0.5)])
def test_a_call_by_hand(token: str, excess: float) -> None:
    found = drawn(COIN, token)
    assert found.excess == pytest.approx(excess * math.log(2))
    assert found.variance == pytest.approx(0.25 * math.log(2) ** 2)


def test_a_call_weighs_what_it_can_show() -> None:
    assert surprise([Drawn(0.3, 0.09), Drawn(0.0, 0.0)]) == pytest.approx(1.0)
    assert surprise([Drawn(0.3, 0.09)] * 4) == pytest.approx(2.0)


def test_a_token_that_is_certain_says_nothing() -> None:
    assert surprise([drawn({"a": 0.0}, "a")] * 10) == 0.0
    assert surprise([drawn({"a": 1e-9, "b": -40.0}, "a")] * 10) == pytest.approx(0.0, abs=1e-3)
    assert surprise([]) == 0.0


def readings(temperature: float, calls: int) -> list[float]:
    """The surprise of 600 readings of an endpoint that samples at `temperature` and reports what it has before that."""
    rng = random.Random(5)
    chances = [0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05]
    names = [str(place) for place in range(len(chances))]
    reported = {name: math.log(chance) for name, chance in zip(names[:5], chances, strict=False)}
    weights = [chance ** (1 / temperature) for chance in chances]
    return [surprise(drawn(reported, token) for token in rng.choices(names, weights, k=calls)) for _ in range(600)]


@pytest.mark.parametrize("calls", [10, 150])
def test_it_has_mean_nought_and_variance_one_where_tokens_are_as_reported(calls: int) -> None:
    found = readings(1.0, calls)
    assert fmean(found) == pytest.approx(0.0, abs=0.12)
    assert pstdev(found) == pytest.approx(1.0, abs=0.1)


def test_cooler_is_above_and_hotter_below() -> None:
    assert fmean(readings(0.8, 150)) > 1.0
    assert fmean(readings(1.2, 150)) < -1.0


def test_a_token_that_is_listed_because_it_came_is_taken_off() -> None:
    assert list(most_likely({"rare": -9.0, "a": -0.5, "b": -1.0}, 2)) == ["a", "b"]
