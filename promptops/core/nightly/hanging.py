"""Do readings hang together? Measured when the calibration is in, and before an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from promptops.core.nightly.surprise import SURPRISE
from promptops.core.statistics.rank_detector import MOST_CORRELATION, Correlation, lag_one

MOST_THIN: Final = 4
"""Readings of the calibration, of which one may count; where it takes more, the endpoint is refused."""
MOST_APART: Final = 7
"""Nights, of which one may count; where it takes more, the endpoint is refused."""
LEAST_NIGHTS: Final = 20
"""Of fewer nights nothing is said."""
HOURS_LEVEL: Final = 0.01
"""Calibrations that seem to follow the hours of the day by chance: one in a hundred."""
WEEK_LEVEL: Final = 0.01
"""Nights before an alarm that seem to follow the days of the week by chance: one in a hundred."""
TREND_LEVEL: Final = 0.01
"""Calibrations that seem to go up or down by chance: one in a hundred."""
BY_ITSELF: Final = 2.326
"""Standard deviations of a correlation, exceeded by chance in one of a hundred."""


def hanging(readings: Sequence[Mapping[str, float]]) -> Correlation:
    """How much a reading says of the next: of the probes together, or of the surprise where that says much more.

    The surprise has noise of its own: among the others it would hide what they have in common. Its tokens are drawn
    anew in every call, so that it counts only where chance would do that in one of a hundred calibrations.
    """
    together = lag_one(_series(readings, [probe for probe in readings[0] if probe != SURPRISE]))
    if SURPRISE not in readings[0]:
        return together
    own = lag_one(_series(readings, [SURPRISE]))
    return own if own.value > max(together.value, BY_ITSELF / math.sqrt(len(readings))) else together


def hanging_nights(nights: Sequence[Mapping[str, float]]) -> Correlation | None:
    """How much a night says of the next, among nights before an alarm; None where they seem to be independent.

    The calibration's readings are an hour apart, and say nothing of what wanders from day to day. A straight line is
    taken out first: a slow change is what is looked for, and must not be what speaks against it.
    """
    if len(nights) < LEAST_NIGHTS:
        return None
    found = lag_one(_without_trend(_series(nights, _distances(nights))))
    return None if found.fine else replace(found, thin=thinning(found.value, most=MOST_APART))


def follows_hours(readings: Sequence[Mapping[str, float]], moments: Sequence[datetime]) -> bool:
    """Whether the readings, each of one of `moments`, are higher at some hours of the day than at others.

    Nights are read at one hour, so that they would not come from where such readings came from. H0: places in the order
    of size are exchangeable. The test is that of a wave of 24 hours, of any phase: (n - 1) · R² is about chi-squared
    with two degrees of freedom. Readings of one hour only, or of two that are half a day apart, say nothing.
    Source: Fisher, "Tests of significance in harmonic analysis", Proc. R. Soc. A 125 (1929), 54-59.
    """
    turns = [2 * math.pi * (at.hour + at.minute / 60) / 24 for at in moments]
    return _by_chance(_wave(_series(readings, _distances(readings)), turns), len(turns)) < HOURS_LEVEL


def follows_week(nights: Sequence[Mapping[str, float]], moments: Sequence[datetime]) -> float | None:
    """The correlation of nights, each of one of `moments`, with a wave of seven days; None where they follow none.

    A calibration of three days does not show a week, and its weekends would be taken for changes that come and go. The
    test is that of `follows_hours`, over all nights since the calibration, without their straight line. A change that
    stays is taken for a week in one of a hundred, shortly after the calibration in up to three.
    """
    if len(nights) < LEAST_NIGHTS:
        return None
    places = _without_trend(_series(nights, _distances(nights)))
    share = _wave(places, [2 * math.pi * (at.weekday() + at.hour / 24) / 7 for at in moments])
    return math.sqrt(share) if _by_chance(share, len(places)) < WEEK_LEVEL else None


def has_trend(readings: Sequence[Mapping[str, float]]) -> bool:
    """Whether the readings go up, or down, from the first to the last.

    Nights would be ranked among values that the endpoint has left behind. H0: places in the order of size are
    exchangeable. The test is that of the rank correlation with time: (n - 1) · r² is about chi-squared with one degree
    of freedom. A calibration of 60 readings that moves by 2 standard deviations in all is found 8 times in 10, by 1 in
    3 of 10. A change in the middle of the calibration is a trend, too.
    Source: Spearman, "The proof and measurement of association between two things", Am. J. Psychol. 15 (1904), 72-101.
    """
    places = _centred(_series(readings, _distances(readings)))
    steps = _centred([float(at) for at in range(len(places))])
    across = _product(places, places)
    if across == 0:
        return False
    share = _product(places, steps) ** 2 / across / _product(steps, steps)
    return math.erfc(math.sqrt((len(places) - 1) * share / 2)) < TREND_LEVEL


def thinning(correlation: float, *, most: int) -> int | None:
    """The n of "every n-th reading counts" that leaves a correlation below half of what is let pass; 2 or more.

    None: it would be above `most`.
    """
    thin = math.ceil(math.log(MOST_CORRELATION / 2) / math.log(min(max(correlation, 1e-9), 0.99)))
    return max(2, thin) if thin <= most else None


def _distances(readings: Sequence[Mapping[str, float]]) -> list[str]:
    """The probes that all readings have: their distances, and only where there are none the token that comes."""
    probes = [probe for probe in readings[0] if all(probe in reading for reading in readings)]
    return [probe for probe in probes if probe != SURPRISE] or probes


def _series(readings: Sequence[Mapping[str, float]], probes: Sequence[str]) -> list[float]:
    """One number for each reading: the mean over probes of its place in that probe's order."""
    places = [0.0] * len(readings)
    for probe in probes:
        values = [reading[probe] for reading in readings]
        for place, value in enumerate(values):
            places[place] += sum(other < value for other in values) + 0.5 * sum(other == value for other in values)
    return places


def _wave(places: Sequence[float], turns: Sequence[float]) -> float:
    """The share of the variance of `places` that a wave over `turns` (in radians) explains, of any phase; 0 to 1.

    0 where places do not differ, or turns not enough to tell.
    """
    places, one, two = (_centred(part) for part in (places, [*map(math.cos, turns)], [*map(math.sin, turns)]))
    spread, across = _product(one, one) * _product(two, two) - _product(one, two) ** 2, _product(places, places)
    if spread < 0.01 * len(turns) ** 2 or across == 0:
        return 0.0
    by_one, by_two, both = _product(places, one), _product(places, two), _product(one, two)
    explained = by_one**2 * _product(two, two) + by_two**2 * _product(one, one) - 2 * by_one * by_two * both
    return min(1.0, max(0.0, explained / spread / across))


def _by_chance(share: float, count: int) -> float:
    return math.exp(-(count - 1) * share / 2)


def _centred(values: Sequence[float]) -> list[float]:
    mean = math.fsum(values) / len(values)
    return [value - mean for value in values]


def _product(one: Sequence[float], two: Sequence[float]) -> float:
    return math.fsum(a * b for a, b in zip(one, two, strict=True))


def _without_trend(values: Sequence[float]) -> list[float]:
    """What is left of a straight line by least squares."""
    middle, mean = (len(values) - 1) / 2, math.fsum(values) / len(values)
    slope = math.fsum((at - middle) * value for at, value in enumerate(values)) / math.fsum(
        (at - middle) ** 2 for at in range(len(values))
    )
    return [value - mean - slope * (at - middle) for at, value in enumerate(values)]
