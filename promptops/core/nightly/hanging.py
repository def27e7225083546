"""Do readings hang together? What one says of the next, measured when the calibration is in and before an alarm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from promptops.core.nightly.surprise import SURPRISE
from promptops.core.statistics.rank_detector import MOST_CORRELATION, Correlation, lag_one

MOST_THIN: Final = 4
"""Every how-manieth reading counts at most, of those of the calibration."""
MOST_APART: Final = 7
"""Every how-manieth night counts at most."""
LEAST_NIGHTS: Final = 20
"""Of fewer nights nothing is said."""
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
    probes = [probe for probe in nights[0] if all(probe in night for night in nights)]
    found = lag_one(_without_trend(_series(nights, [probe for probe in probes if probe != SURPRISE] or probes)))
    return None if found.fine else replace(found, thin=thinning(found.value, most=MOST_APART))


def thinning(correlation: float, *, most: int) -> int | None:
    """Every how-manieth reading is to count, so that what is left of the correlation is below half of what is let pass.

    None: more than `most`.
    """
    thin = math.ceil(math.log(MOST_CORRELATION / 2) / math.log(min(max(correlation, 1e-9), 0.99)))
    return max(2, thin) if thin <= most else None


def _series(readings: Sequence[Mapping[str, float]], probes: Sequence[str]) -> list[float]:
    """One number for each reading: the mean over probes of its place in that probe's order."""
    places = [0.0] * len(readings)
    for probe in probes:
        values = [reading[probe] for reading in readings]
        for place, value in enumerate(values):
            places[place] += sum(other < value for other in values) + 0.5 * sum(other == value for other in values)
    return places


def _without_trend(values: Sequence[float]) -> list[float]:
    """What is left of a straight line by least squares."""
    middle, mean = (len(values) - 1) / 2, math.fsum(values) / len(values)
    slope = math.fsum((at - middle) * value for at, value in enumerate(values)) / math.fsum(
        (at - middle) ** 2 for at in range(len(values))
    )
    return [value - mean - slope * (at - middle) for at, value in enumerate(values)]
