"""What a suite can decide of each metric of a canary, before money is spent.

By the power of the tests at full N: those that look after every case have it within 2 points (`docs/proof/regress.md`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

from promptops.core.metrics import title_of
from promptops.core.statistics.betting import ANYTIME_SHARE
from promptops.core.statistics.exact_pairs import pairs_for_no_flip
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.stats import binomial_probability, fair_coin_tail, z_value
from promptops.formats import UNBOUNDED, MetricSetting

POWER = 0.8
SPREAD = 0.2
"""The standard deviation of a score's difference that is reckoned with: nobody knows it before it was measured."""
FLIPS = 0.04
"""The share of samples that pass or fail by chance, likewise."""
_MOST = 20_000


class MetricOutlook(Struct, frozen=True):
    """What can be decided of one metric with so many units, 4 times in 5.

    Of a metric without bounds `finds` is the share of cases beyond the margin that is a REGRESS from there on, and
    `passes` the share up to which it is a PASS. Of the others `finds` is the drop that is found, at a spread of
    `spread`, and `needed` the units that an equal candidate needs to PASS. None: nothing is, or more than can be told.
    """

    title: str
    setting: MetricSetting
    units: int
    finds: float | None
    passes: float | None = None
    needed: int | None = None
    spread: float | None = None


def metrics_outlook(
    metrics: Sequence[MetricSetting], units: int, *, alpha: float, samples: int = 1, clusters: bool = False
) -> list[MetricOutlook]:
    """Say it for each of `metrics`, over `units` cases (or clusters) with `samples` each.

    The first alarm of m metrics that share an alpha needs alpha / m (Holm), so that is what is reckoned with.
    """
    can_pass = not clusters or units >= FEWEST_CLUSTERS
    found = []
    for setting in metrics:
        level = alpha / sum(other.critical == setting.critical for other in metrics)
        title = title_of(setting, metrics)
        if setting.name in UNBOUNDED:
            passes = _share(units, (1 - ANYTIME_SHARE) * alpha, most=False) if can_pass else None
            found.append(MetricOutlook(title, setting, units, _share(units, level, most=True), passes))
        else:
            found.append(_of_scores(title, setting, units, level, (1 - ANYTIME_SHARE) * alpha, samples))
    return found


def _of_scores(
    title: str, setting: MetricSetting, units: int, level: float, pass_level: float, samples: int
) -> MetricOutlook:
    """By the normal approximation."""
    spread = math.sqrt(FLIPS / samples) if setting.name in ("pass_rate", "validation", "first_pass") else SPREAD
    finds = (z_value(level) + z_value(1 - POWER)) * spread / math.sqrt(units) if units else None
    least = pairs_for_no_flip(setting.margin, pass_level)
    needed = ((z_value(pass_level) + z_value(1 - POWER)) * spread / setting.margin) ** 2
    shown = finds if finds is not None and finds < 1 and units >= math.log2(1 / level) else None
    return MetricOutlook(title, setting, units, shown, needed=max(least, math.ceil(needed)), spread=spread)


def _share(units: int, level: float, *, most: bool) -> float | None:
    """The least share of units beyond the margin that is found (`most`: else the largest that still passes)."""
    total = min(units, _MOST)
    critical = _critical(total, level)
    if critical > total:
        return None
    low, high = 0.5, 1.0
    while high - low > 0.001:
        middle = (low + high) / 2
        low, high = (low, middle) if _tail(critical, total, middle) >= POWER else (middle, high)
    return high if most else 1 - high


def _critical(total: int, level: float) -> int:
    """The least number of heads that no fair coin shows with more than `level`."""
    low, high = total // 2, total + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fair_coin_tail(middle, total) <= level else (middle, high)
    return high


def _tail(heads: int, total: int, rate: float) -> float:
    return math.fsum(binomial_probability(count, total, rate) for count in range(heads, total + 1))
