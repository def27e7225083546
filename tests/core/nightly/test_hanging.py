"""Do nights hang together? Measured before an alarm."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.nightly.hanging import (
    LEAST_NIGHTS,
    MOST_APART,
    follows_hours,
    follows_week,
    hanging_nights,
    has_trend,
    thinning,
)
from promptops.core.nightly.surprise import SURPRISE


def wandering(correlation: float, seed: int, *, slope: float = 0.0) -> Iterator[float]:
    rng, last, night = random.Random(seed), 0.0, 0
    while True:
        last = correlation * last + rng.gauss(0, (1 - correlation**2) ** 0.5)
        night += 1
        yield last + slope * night


def nights(correlation: float, count: int, *, seed: int = 1, slope: float = 0.0) -> list[dict[str, float]]:
    values = wandering(correlation, seed, slope=slope)
    return [{"probe": next(values)} for _ in range(count)]


def test_independent_nights_are_rarely_taken_for_others() -> None:
    found = [hanging_nights(nights(0.0, 100, seed=seed)) is not None for seed in range(200)]
    assert sum(found) <= 20  # one in twenty


def test_nights_that_hang_together_are_told() -> None:
    found = [hanging_nights(nights(0.5, 100, seed=seed)) for seed in range(100)]
    assert sum(one is not None and (one.thin or 9) >= 2 for one in found) >= 95


def test_a_slow_change_does_not_speak_against_itself() -> None:
    found = [hanging_nights(nights(0.0, 100, seed=seed, slope=0.05)) is not None for seed in range(200)]
    assert sum(found) <= 20


def test_of_few_nights_nothing_is_said() -> None:
    assert hanging_nights(nights(0.95, LEAST_NIGHTS - 1)) is None
    assert hanging_nights([]) is None


def test_a_probe_that_some_nights_lack_is_left_out() -> None:
    some = nights(0.95, 60)
    fresh = nights(0.0, 60, seed=2)
    mixed = [{"other": b["probe"], **(a if at % 2 else {})} for at, (a, b) in enumerate(zip(some, fresh, strict=True))]
    assert hanging_nights(mixed) is None


def test_tokens_alone_are_measured_by_themselves() -> None:
    assert hanging_nights([{SURPRISE: night["probe"]} for night in nights(0.8, 60)]) is not None


@pytest.mark.parametrize(("correlation", "every"), [(0.05, 2), (0.3, 3), (0.6, 6), (0.65, 7), (0.7, None), (1.0, None)])
def test_what_is_left_after_thinning_is_small(correlation: float, every: int | None) -> None:
    assert thinning(correlation, most=MOST_APART) == every
    assert every is None or correlation**every <= 0.05


def day(count: int, spacing: float, height: float, seed: int) -> bool:
    """Whether readings `spacing` hours apart are said to follow a daily wave of `height` standard deviations."""
    rng, phase = random.Random(seed), 2 * math.pi * random.Random(seed + 1000).random()
    moments = [datetime(2026, 11, 1, 3, 17, tzinfo=UTC) + timedelta(hours=spacing * at) for at in range(count)]
    turns = [2 * math.pi * (at.hour + at.minute / 60) / 24 + phase for at in moments]
    return follows_hours([{"probe": height * math.sin(turn) + rng.gauss(0, 1)} for turn in turns], moments)


@pytest.mark.parametrize(("count", "spacing"), [(60, 1.0), (30, 1.0), (60, 6.0), (40, 7.0)])
def test_readings_of_any_hour_are_rarely_said_to_follow_it(count: int, spacing: float) -> None:
    assert sum(day(count, spacing, 0.0, seed) for seed in range(1, 301)) <= 9  # one in a hundred


@pytest.mark.parametrize("spacing", [1.0, 5.0, 7.0])
def test_readings_that_follow_the_hours_are_told_at_any_phase(spacing: float) -> None:
    assert sum(day(60, spacing, 1.2, seed) for seed in range(1, 101)) >= 97


@pytest.mark.parametrize("spacing", [12.0, 24.0])
def test_readings_of_one_hour_or_two_say_nothing(spacing: float) -> None:
    assert not any(day(60, spacing, 5.0, seed) for seed in range(1, 51))


def test_readings_that_never_differ_follow_nothing() -> None:
    moments = [datetime(2026, 11, 1, tzinfo=UTC) + timedelta(hours=at) for at in range(30)]
    assert not follows_hours([{"probe": 1.0}] * 30, moments)
    assert not has_trend([{"probe": 1.0}] * 30)


@pytest.mark.parametrize("count", [30, 60])
def test_readings_that_stay_are_rarely_said_to_have_a_trend(count: int) -> None:
    assert sum(has_trend(nights(0.0, count, seed=seed)) for seed in range(300)) <= 9  # one in a hundred


@pytest.mark.parametrize("sign", [1, -1])
def test_readings_that_go_one_way_are_told(sign: int) -> None:
    found = [has_trend(nights(0.0, 60, seed=seed, slope=sign * 2 / 60)) for seed in range(100)]
    assert sum(found) >= 80  # two standard deviations in all


def test_a_change_in_the_middle_of_the_calibration_is_told() -> None:
    rng = random.Random(4)
    found = [has_trend([{"probe": rng.gauss(2 * (at >= 30), 1)} for at in range(60)]) for _ in range(100)]
    assert sum(found) >= 95


def week(count: int, weekend: float, seed: int, *, step: float = 0.0) -> float | None:
    """Nights of which weekends are `weekend` higher, in standard deviations, and the last five by `step`."""
    rng = random.Random(seed)
    moments = [datetime(2026, 11, 1 + seed % 7, 3, 17, tzinfo=UTC) + timedelta(days=at) for at in range(count)]
    values = [
        rng.gauss(weekend * (moment.weekday() >= 5) + step * (at >= count - 5), 1) for at, moment in enumerate(moments)
    ]
    return follows_week([{"probe": value} for value in values], moments)


@pytest.mark.parametrize("step", [0.0, 4.0])
def test_nights_and_changes_are_rarely_said_to_follow_the_week(step: float) -> None:
    assert sum(week(40, 0.0, seed, step=step) is not None for seed in range(300)) <= 12


def test_nights_that_follow_the_week_are_told() -> None:
    found = [week(60, 2.5, seed) for seed in range(100)]
    assert sum(one is not None and 0.3 < one < 1 for one in found) >= 95


def test_of_few_nights_no_week_is_said_to_be_followed() -> None:
    assert week(LEAST_NIGHTS - 1, 9.0, 1) is None
    assert week(2 * LEAST_NIGHTS, 9.0, 1) is not None
