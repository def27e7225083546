"""Streams of events of one endpoint: what its log would hold, night after night."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from promptops.core.nightly.events import (
    AlarmRaised,
    AnyEvent,
    EpochBegun,
    Lane,
    Missed,
    NightState,
    NightsThinned,
    ProbesChosen,
    ReadingTaken,
    Role,
    Served,
    TextsTaken,
    Tokens,
)
from promptops.core.nightly.watch import Watch
from promptops.times import timestamp

NAME = "test/model-1"
MONDAY = datetime(2026, 11, 2, 3, 17, tzinfo=UTC)
REFERENCE, CALIBRATION = 4, 30
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def noise(count: int, *, seed: int = 1, shift: float = 0.0) -> list[float]:
    """Distances that say nothing of each other: standard normal, moved up by `shift`."""
    rng = random.Random(seed)
    return [rng.gauss(shift, 1.0) for _ in range(count)]


class Log:
    """An endpoint with one probe, from its epoch on; `now` is when the next event comes."""

    def __init__(self, *, calibration: int = CALIBRATION, spacing: timedelta = HOUR) -> None:
        self.events: list[AnyEvent] = []
        self.watch = Watch(NAME)
        self.now, self.calibration, self.spacing = MONDAY, calibration, spacing
        self.begin()

    def begin(self) -> Log:
        """A person accepts what the endpoint answers from now on."""
        epoch = EpochBegun(
            endpoint=NAME,
            epoch=1 + sum(isinstance(event, EpochBegun) for event in self.events),
            at=timestamp(self.now),
            seed=7,
            size="tiny",
            prompts=["p"],
            reference=REFERENCE,
            calibration=self.calibration,
            spacing=round(self.spacing.total_seconds()),
        )
        self._add(epoch)
        self._add(ProbesChosen(**self._of_epoch, tier="1a", texts=["p"], cost=0.5))
        return self

    def reference(self, count: int = REFERENCE) -> Log:
        for _ in range(count):
            self._reading("reference", profiles={"p": Tokens(tokens={"a": -0.5}, calls=10)})
        return self

    def calibrate(self, values: Iterable[float]) -> Log:
        for value in values:
            self._reading("calibration", value)
        return self

    def nights(self, values: Iterable[float]) -> Log:
        for value in values:
            self._reading("night", value)
        return self

    def calibrated(self, *, seed: int = 1, shift: float = 0.0) -> Log:
        """With a reference, and a history of noise."""
        return self.reference().calibrate(noise(self.calibration, seed=seed, shift=shift))

    def miss(self, reason: str = "503 from the provider") -> Log:
        return self._add(Missed(**self._of_epoch, reason=reason), DAY)

    def alarm(self, lane: Lane) -> Log:
        return self._add(AlarmRaised(**self._of_epoch, lane=lane, reason="why"))

    def thin(self, every: int, *, weekly: bool = False) -> Log:
        return self._add(NightsThinned(**self._of_epoch, correlation=0.4, every=every, weekly=weekly))

    def texts(self, p: float | None = None) -> Log:
        """Tier 2: the baseline, or how likely tonight's are."""
        return self._add(TextsTaken(**self._of_epoch, texts={"tell me": ["a story"]} if p is None else {}, p=p))

    def state(self, *, endpoints: int = 1) -> NightState:
        return self.watch.state(endpoints=endpoints)

    @property
    def _of_epoch(self) -> dict[str, Any]:
        assert self.watch.epoch is not None
        return {"endpoint": NAME, "epoch": self.watch.epoch.epoch, "at": timestamp(self.now)}

    def _reading(self, role: Role, value: float | None = None, *, profiles: dict[str, Tokens] | None = None) -> None:
        reading = ReadingTaken(
            **self._of_epoch,
            number=self.watch.readings + 1,
            role=role,
            values={} if value is None else {"p": value},
            blocks={} if value is None else {"p": [value, value]},
            profiles=profiles or {},
            served=Served(models=["model-1"]),
            cost=0.25,
        )
        self._add(reading, DAY if role == "night" else self.spacing)

    def _add(self, event: AnyEvent, then: timedelta = timedelta()) -> Log:
        self.events.append(event)
        self.watch.apply(event)
        self.now += then
        return self
