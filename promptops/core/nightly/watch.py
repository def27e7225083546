"""One endpoint under watch: what its log says, in which state it is, and when it is to be read next. Pure.

A reading's number is its distance from the reference, probe by probe (`profiles`), and one more where tokens are drawn
(`surprise`). The first readings of an epoch make the reference, the next ones the history (`calibration`), and every
later one is a night: its rank in the history is what the detector bets on (`core.statistics.rank_detector`). Readings
of reference and calibration never raise an alarm by the detector.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Final

from promptops.core.nightly.calibration import Calibration
from promptops.core.nightly.events import (
    AlarmRaised,
    AlarmTelling,
    AlarmTold,
    AnyEvent,
    EpochBegun,
    Missed,
    NightState,
    NightsThinned,
    ProbesChosen,
    ReadingTaken,
    Role,
    Served,
    TextsTaken,
)
from promptops.core.nightly.hanging import follows_week, hanging_nights
from promptops.core.nightly.profiles import Profile, deviance, distance, mean_profile, share_distance
from promptops.core.nightly.served import together
from promptops.core.nightly.sizes import SIZES, Size, SizeName, Tier
from promptops.core.statistics.rank_detector import Correlation, RankDetector

KEPT: Final = 730  # values of a probe that tonight is ranked among: two years
NIGHT: Final = timedelta(hours=20)
"""The least time between two nights: a job that is late tonight and early tomorrow misses none."""
WEEK: Final = timedelta(days=7)
EARLY: Final = 1800.0
"""Seconds that a reading may come before its time, at most: with a day between two they keep to one hour of the day."""
FAST_TIMES: Final = 5.0
FAST_FROM: Final = 5  # calibration readings before the fast lane is open
FAST_FLOORS: Final[Mapping[Tier, float]] = {"1a": 0.01, "1b": 0.04}
"""The least number that counts as gross: nats, and share. An endpoint without any noise has no deviation to go by.

A deviance is above it in any case.
"""
REPEATS_BEFORE: Final[Mapping[SizeName, int]] = {"tiny": 1, "standard": 10}
"""How often tier 1b asked each text in an epoch that does not say it."""
BEFORE: Final = 0.01
"""The share of its threshold up to which the detector's level says nothing yet."""
TEXTS_LEVEL: Final = 0.1 / 53
"""A look at the texts a week raises WATCH at most once in ten years of an endpoint if nothing changes."""
ALL_INPUTS: Final = "all inputs"
"""The one probe of tier 1b."""


@dataclass(slots=True)
class Watch:
    """One endpoint, folded from its events by `apply`, oldest first."""

    endpoint: str
    epoch: EpochBegun | None = None
    chosen: ProbesChosen | None = None
    alarm: AlarmRaised | None = None
    missed: Missed | None = None
    outage: list[Missed] = field(default_factory=list)
    misses: list[Missed] = field(default_factory=list)
    last: ReadingTaken | None = None
    served: Served | None = None
    profiles: dict[str, list[Profile]] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=lambda: Calibration(0))
    nights: list[ReadingTaken] = field(default_factory=list)
    largest: dict[str, float] = field(default_factory=dict)
    detector: RankDetector = field(default_factory=RankDetector)
    readings: int = 0
    cost: float | None = 0.0
    thinned: NightsThinned | None = None
    texts: TextsTaken | None = None
    checked: TextsTaken | None = None
    told: set[str] = field(default_factory=set)
    telling: dict[str, str] = field(default_factory=dict)
    _reference: dict[str, Profile] = field(default_factory=dict)
    _counted_from: int = 0

    # --- what the log says

    def apply(self, event: AnyEvent) -> None:
        """Add one event of this endpoint."""
        if isinstance(event, EpochBegun):
            self._begin(event)
        elif isinstance(event, ProbesChosen):
            self.chosen = event
        elif isinstance(event, ReadingTaken):
            self._read(event)
        elif isinstance(event, AlarmRaised):
            self.alarm = event
        elif isinstance(event, AlarmTelling | AlarmTold):
            self._tell(event)
        elif isinstance(event, TextsTaken):
            self._take_texts(event)
        elif isinstance(event, NightsThinned):
            self._thin(event)
        else:
            self._miss(event)
        free = EpochBegun | AlarmRaised | AlarmTelling | AlarmTold | NightsThinned
        spent = 0.0 if isinstance(event, free) else event.cost
        self.cost = None if self.cost is None or spent is None else self.cost + spent

    def _begin(self, event: EpochBegun) -> None:
        """A new epoch forgets everything but what it cost."""
        fresh = Watch(self.endpoint, epoch=event, cost=self.cost, calibration=Calibration(event.calibration))
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def _tell(self, event: AlarmTelling | AlarmTold) -> None:
        """Who was told, and who is being told since when; that of an epoch before this one is over."""
        if self.epoch is None or event.epoch != self.epoch.epoch:
            return
        if isinstance(event, AlarmTold):
            self.told.add(event.to)
        elif event.failed:
            self.telling.pop(event.to, None)
        else:
            self.telling[event.to] = event.at

    def _read(self, event: ReadingTaken) -> None:
        self.readings, self.last, self.missed = event.number, event, None
        self.outage = []
        self.served = together(self.served, event.served)
        if event.role == "reference":
            for probe, tokens in event.profiles.items():
                self.profiles.setdefault(probe, []).append(Profile(tokens.tokens, tokens.floor, tokens.calls))
        elif event.role == "calibration":
            for probe, blocks in event.blocks.items():
                self.largest[probe] = max(self.largest.get(probe, 0.0), *blocks)
            for probe, history in self.calibration.add(event.values, parse_moment(event.at)).items():
                self.detector.calibrate(probe, history)
        else:
            self.nights.append(event)
            if self.counts(len(self.nights)):
                self._bet(event.number, event.values)

    def _miss(self, event: Missed) -> None:
        self.missed = event
        self.outage.append(event)
        self.misses = [*self.misses[-KEPT:], event]

    def _thin(self, event: NightsThinned) -> None:
        """From now on only every n-th night counts, and the bets begin anew; the history stays what it is."""
        self.thinned, self._counted_from = event, len(self.nights)
        self.detector.parts = {probe: [0.0] * len(part) for probe, part in self.detector.parts.items()}

    def _take_texts(self, event: TextsTaken) -> None:
        if event.texts:
            self.texts = event
        else:
            self.checked = event

    def _bet(self, number: int, values: Mapping[str, float]) -> None:
        assert self.epoch is not None
        known = {probe: value for probe, value in values.items() if probe in self.detector.history}
        self.detector.add(known, {probe: draw(self.epoch, number, probe) for probe in known})
        for probe in known:
            self.detector.keep(probe, KEPT)

    # --- what follows from it

    @property
    def size(self) -> Size:
        """How much is asked; only of an endpoint with an epoch."""
        assert self.epoch is not None
        return SIZES[self.epoch.size]

    @property
    def calls(self) -> int:
        """How often a block asks each text; only where probes were chosen."""
        assert self.chosen is not None and self.epoch is not None
        if self.chosen.tier == "1a":
            return self.size.calls
        return self.chosen.repeats or REPEATS_BEFORE[self.epoch.size]

    @property
    def requests(self) -> int:
        """Requests of one reading; only where probes were chosen."""
        assert self.chosen is not None
        return len(self.chosen.texts) * self.calls * self.size.blocks_of(self.chosen.tier)

    @property
    def thin(self) -> int | None:
        """Every which reading counts, of the calibration, or of the nights since they were thinned; None: none."""
        return self.calibration.thin if self.thinned is None else self.thinned.every or None

    @property
    def role(self) -> Role:
        """What the next reading is for."""
        assert self.epoch is not None
        if self.readings < self.epoch.reference:
            return "reference"
        return "night" if self.refused or self.calibrated else "calibration"

    @property
    def calibrated(self) -> bool:
        """Whether there is a history to rank a night in."""
        return bool(self.detector.history)

    @property
    def refused(self) -> bool:
        """Whether readings hang together too long for any statement that rests on their independence."""
        return self.thin is None

    def counts(self, night: int) -> bool:
        """Whether the detector gets the night of that number, from 1: every `thin`-th."""
        return self.calibrated and not self.refused and (night - 1 - self._counted_from) % (self.thin or 1) == 0

    def hanging_nights(self) -> Correlation | None:
        """Whether the nights before the one in which the level began to rise hang together; None where they do not.

        Only once in an epoch: nights that count since then are apart.
        """
        if self.thinned is not None:
            return None
        counted = [night for number, night in enumerate(self.nights, start=1) if self.counts(number)]
        quiet = [at for at, night in enumerate(counted, start=1) if night.level is not None and _share(night) <= BEFORE]
        return hanging_nights([night.values for night in counted[: quiet[-1] if quiet else 0]])

    def weekly_nights(self) -> float | None:
        """The correlation with the days of the week of the nights before this one; None where they follow none.

        As in `hanging_nights` only once in an epoch; nights of the rise to the alarm are among them, since no week
        would be seen without the weekends that it consists of. A calibration of a week or more has shown the week.
        """
        if self.thinned is not None or self.calibration.span >= WEEK:
            return None
        counted = [night for number, night in enumerate(self.nights, start=1) if self.counts(number)][:-1]
        return follows_week([night.values for night in counted], [parse_moment(night.at) for night in counted])

    def reference(self) -> Mapping[str, Profile]:
        """The reference, once its readings are in."""
        if not self._reference:
            self._reference = {probe: mean_profile(found) for probe, found in self.profiles.items()}
        return self._reference

    def distances(self, profiles: Mapping[str, Profile]) -> dict[str, float]:
        """How far a block, or a whole reading, is from the reference, by probe; empty while there is none."""
        if self.chosen is None or self.epoch is None or self.readings < self.epoch.reference or not profiles:
            return {}
        reference = self.reference()
        if self.chosen.tier == "1b":
            number = deviance if self.chosen.repeats else share_distance
            return {ALL_INPUTS: number(reference, profiles)}
        return {probe: distance(reference[probe], found) for probe, found in profiles.items()}

    def gross(self, block: Mapping[str, float]) -> dict[str, float]:
        """The probes of a block that are beyond what any calibration block showed, several times; with their limits."""
        if self.chosen is None or len(self.calibration.readings) < FAST_FROM:
            return {}
        floor = FAST_FLOORS[self.chosen.tier]
        limits = {probe: max(FAST_TIMES * self.largest.get(probe, math.inf), floor) for probe in block}
        return {probe: limits[probe] for probe, value in block.items() if value > limits[probe]}

    @property
    def back_since(self) -> str:
        """From which night on nothing is as far off any more as when the fast lane raised the alarm; empty: it is."""
        if self.alarm is None or self.alarm.lane != "fast":
            return ""
        after = [night for night in self.nights if parse_moment(night.at) > parse_moment(self.alarm.at)]
        near = list(takewhile(lambda night: not self.gross(first_blocks(night)), reversed(after)))
        return near[-1].at if near else ""

    @property
    def saw_no_week(self) -> bool:
        """Whether the detector's alarm may be a weekly rhythm that neither calibration nor enough nights have shown."""
        if self.alarm is None or self.alarm.lane != "detector" or self.calibration.span >= WEEK:
            return False
        return parse_moment(self.alarm.at) - self.calibration.moments[-1] < 3 * WEEK

    def due(self, now: datetime) -> bool:
        """Whether a reading is wanted now."""
        return self.epoch is not None and now >= self.next_at(now)

    def next_at(self, now: datetime) -> datetime:
        """When the next reading is wanted at the earliest.

        A last one from the future is that of a clock that was ahead: by less than the pause it counts (of two machines
        one is always ahead), by more it does not, so that a clock that was wrong once stops no watch.
        """
        if self.epoch is None or self.last is None:
            return now
        last = parse_moment(self.last.at)
        pause = timedelta(seconds=self.epoch.spacing - min(0.1 * self.epoch.spacing, EARLY))
        if self.role == "night" and self.last.role == "night":
            pause = NIGHT
        return now if last - now > pause else last + pause

    def texts_due(self, now: datetime, every: timedelta | None) -> bool:
        """Whether tier 2 is wanted: its baseline once there is a history, then after an alarm, and every so often."""
        if self.epoch is None or self.chosen is None or self.missed is not None:
            return False
        if self.texts is None:
            return self.calibrated and self.alarm is None
        last = self.checked or self.texts
        if self.alarm is not None:
            return self.checked is None or self.checked.at < self.alarm.at
        return every is not None and now >= parse_moment(last.at) + 0.9 * every

    @property
    def texts_moved(self) -> bool:
        """Whether the last look at the texts says that they come from another distribution."""
        return self.checked is not None and self.checked.p is not None and self.checked.p <= TEXTS_LEVEL

    def state(self, *, endpoints: int) -> NightState:
        """The state after the last event, with `endpoints` watched together."""
        self.detector.endpoints = max(1, endpoints)
        if self.epoch is None:
            return "unmeasurable"
        if self.alarm is not None:
            return "changed"
        if self.missed is not None or self.refused:
            return "unmeasurable"
        if not self.calibrated:
            return "recalibrating"
        if self.detector.alarm == "changed":
            return "changed"
        suspicious = self.last is not None and bool(self.gross(first_blocks(self.last)))
        moved = self.detector.alarm == "watch" or suspicious or self.texts_moved
        return "watch" if moved else "stable"


def fold(events: Sequence[AnyEvent]) -> dict[str, Watch]:
    """Return every endpoint of a log, in the order of their names."""
    found: dict[str, Watch] = {}
    for event in events:
        found.setdefault(event.endpoint, Watch(event.endpoint)).apply(event)
    return dict(sorted(found.items()))


def first_blocks(reading: ReadingTaken) -> dict[str, float]:
    """The first block of a reading, by probe."""
    return {probe: blocks[0] for probe, blocks in reading.blocks.items() if blocks}


def draw(epoch: EpochBegun, number: int, probe: str) -> float:
    """Return the uniform number in (0, 1) that breaks the ties of one reading: anybody can recompute it."""
    text = f"{epoch.seed}:{epoch.epoch}:{number}:{probe}"
    return (int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") + 0.5) / 2**48


def parse_moment(text: str) -> datetime:
    """Read a moment as the log has it: ISO 8601 in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def levels(watch: Watch) -> list[tuple[str, float | None, NightState]]:
    """Moment, level as a share of its threshold, and state of every night of the epoch, oldest first.

    A night without a reading is `unmeasurable`, however often it was tried.
    """
    read = [(night.at, night.level and _share(night), night.state) for night in watch.nights]
    days = {at[:10] for at, *_ in read}
    begun = watch.nights[0].at if watch.nights else ""
    missed: dict[str, tuple[str, float | None, NightState]] = {
        one.at[:10]: (one.at, None, "unmeasurable")
        for one in watch.misses
        if watch.calibrated and one.at >= begun and one.at[:10] not in days
    }
    return sorted([*read, *missed.values()], key=lambda night: night[0])


def _share(night: ReadingTaken) -> float:
    """The level after a night as a share of its threshold; 0 where the detector had not begun."""
    return night.level / night.threshold if night.level is not None and night.threshold else 0.0
