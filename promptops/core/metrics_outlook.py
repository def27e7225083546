"""What a suite can decide of each metric of a canary, before money is spent.

Scores and rates by simulation of the canary's tests, each metric alone; what has no bounds by the exact power of the
sign test at full N, which looking after every case has within 2 points (`docs/proof/power.md`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from promptops.core.metrics import title_of
from promptops.core.statistics.betting import ANYTIME_SHARE
from promptops.core.statistics.fixed_power import USUAL_NOISE
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.statistics.planning import cases_to_pass, detectable_drop
from promptops.core.statistics.planning_units import Shape
from promptops.core.stats import binomial_probability, fair_coin_tail
from promptops.formats import UNBOUNDED, MetricName, MetricSetting

POWER = 0.8
SPREAD = 0.2
"""The standard deviation of a score's difference that is reckoned with: nobody knows it before it was measured."""
_MOST = 20_000


class MetricOutlook(Struct, frozen=True):
    """What can be decided of one metric with so many units, 4 times in 5.

    Of a metric without bounds `finds` is the share of cases beyond the margin that is a REGRESS from there on, and
    `passes` the share up to which it is a PASS. Of the others `finds` is the drop that is found, at a spread of
    `spread` (None: 4 % of single samples flip), and `needed` the cases that an equal candidate needs to PASS. None:
    nothing is, or more than can be told.
    """

    title: str
    setting: MetricSetting
    units: int
    finds: float | None
    passes: float | None = None
    needed: int | None = None
    spread: float | None = None


def metrics_outlook(
    metrics: Sequence[MetricSetting], cases: int, *, alpha: float, samples: int = 1, clusters: tuple[int, ...] = ()
) -> list[MetricOutlook]:
    """Say it for each of `metrics`, over `cases` with `samples` each, in clusters of these sizes (empty: none).

    The first alarm of m metrics that share an alpha needs alpha / m (Holm), so that is what is reckoned with.
    """
    units = len(clusters) or cases
    can_pass = not clusters or units >= FEWEST_CLUSTERS
    found = []
    for setting in metrics:
        tests = sum(other.critical == setting.critical for other in metrics)
        title = title_of(setting, metrics)
        if setting.name in UNBOUNDED:
            passes = _share(units, (1 - ANYTIME_SHARE) * alpha, most=False) if can_pass else None
            found.append(MetricOutlook(title, setting, units, _share(units, alpha / tests, most=True), passes))
        else:
            shape = Shape(samples, clusters, spread_of(setting.name))
            plan = partial(detectable_drop, noise=USUAL_NOISE, margin=setting.margin, alpha=alpha, shape=shape)
            finds = plan(cases, tests=tests) if cases else None
            needed = cases_to_pass(noise=USUAL_NOISE, margin=setting.margin, alpha=alpha, shape=shape)
            found.append(MetricOutlook(title, setting, units, finds, needed=needed, spread=shape.spread))
    return found


def spread_of(name: MetricName) -> float | None:
    """The standard deviation that is reckoned with; None for what passes or fails."""
    return None if name in ("pass_rate", "validation", "first_pass") else SPREAD


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
