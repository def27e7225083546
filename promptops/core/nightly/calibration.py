"""The calibration of one epoch: readings until they are enough, and whether nights may be ranked among them at all.

Open, it wants more readings; settled, it gives the history; refused, it never will: its readings hang together for too
long, follow the hours of the day, or go up or down all the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from promptops.core.nightly.hanging import MOST_THIN, follows_hours, hanging, has_trend, thinning
from promptops.core.statistics.rank_detector import Correlation


@dataclass(slots=True)
class Calibration:
    """Readings in their order, of which `wanted` are wanted: more where they hang together, 0 before an epoch began.

    Every `thin`-th counts: 1 all, None none. `correlation` is measured when `wanted` are in.
    """

    wanted: int
    readings: list[Mapping[str, float]] = field(default_factory=list)
    moments: list[datetime] = field(default_factory=list)
    correlation: Correlation | None = None
    thin: int | None = 1
    hourly: bool = False
    trending: bool = False

    @property
    def target(self) -> int:
        """How many readings it takes, by what is known so far."""
        return self.wanted * (self.thin or 1)

    @property
    def span(self) -> timedelta:
        """The time from the first reading to the last; of one that has any."""
        return self.moments[-1] - self.moments[0]

    def add(self, values: Mapping[str, float], at: datetime) -> dict[str, list[float]]:
        """Add one reading, and return the history by probe once there is one; empty while it is open, and refused."""
        self.readings.append(values)
        self.moments.append(at)
        if not self.wanted or self.thin is None or len(self.readings) < self.target:
            return {}
        if len(self.readings) == self.wanted:
            self.correlation = hanging(self.readings)
            self.thin = 1 if self.correlation.fine else thinning(self.correlation.value, most=MOST_THIN)
            if self.thin != 1:
                return {}  # more readings, or none at all
        counted, moments = self.readings[:: self.thin], self.moments[:: self.thin]
        if self.thin != 1 and not hanging(counted).fine:
            self.thin = None
            return {}
        self.hourly = follows_hours(counted, moments)
        self.trending = not self.hourly and has_trend(counted)
        if self.hourly or self.trending:
            self.thin = None
            return {}
        return {probe: [reading[probe] for reading in counted] for probe in counted[0]}
