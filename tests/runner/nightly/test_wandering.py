"""An endpoint that wanders from night to night, and did not over the hours of its calibration."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

from promptops.config import DriftConfig
from promptops.core.nightly.events import NightsThinned
from promptops.models import Sample
from promptops.reporting.nightly import watch_history_lines, watch_lines
from promptops.runner.nightly.asking import Probe
from tests.runner.nightly.world import Model, Watched


@dataclass
class Wandering(Model):
    """From night to night `persistence` of where it was stays, once it is told to wander."""

    persistence: float = 0.0
    place: float = 0.0
    middle: float = 1.0

    def __call__(self, probes: list[Probe]) -> list[Sample]:  # type: ignore[override]
        self.place = self.persistence * self.place + (1 - self.persistence**2) ** 0.5 * self.rng.gauss(0, 1)
        self.shift = self.middle + 0.2 * self.place
        return super().__call__(probes)


@pytest.fixture
def world(tmp_path: Path) -> Watched:
    return Watched(tmp_path, model=Wandering(noise=0.001)).calibrated()


def test_an_alarm_that_rests_on_wandering_nights_is_not_raised(world: Watched) -> None:
    assert isinstance(world.model, Wandering)
    world.model.persistence = 0.6
    seen = world.night()
    for _ in range(300):
        if seen.watch.thinned is not None or seen.watch.alarm is not None:
            break
        seen = world.night()
    assert world.log is not None
    (thinned,) = [event for event in world.log.read() if isinstance(event, NightsThinned)]
    assert (seen.watch.alarm, seen.watch.thinned) == (None, thinned)
    assert thinned.correlation > 0.2
    assert thinned.every > 1
    assert seen.watch.detector.level == 0.0
    said = "\n".join(line.text for line in watch_lines([seen], datetime.fromisoformat(thinned.at)))
    assert f"nights hang together (correlation with the next {thinned.correlation:.2f}): every " in said
    assert "nights hang together" in "\n".join(line.text for line in watch_history_lines([seen.watch]))
    after = world.night()
    assert after.watch.detector.level > 0.0  # the bets begin anew
    assert world.night().watch.detector.level == after.watch.detector.level  # and this night does not count


def test_a_change_of_independent_nights_is_told_all_the_same(world: Watched) -> None:
    assert isinstance(world.model, Wandering)
    seen = world.night(40)
    assert (seen.state, seen.watch.thinned) == ("stable", None)
    world.model.middle = 2.0
    for _ in range(15):
        seen = world.night()
    assert (seen.state, seen.watch.thinned) == ("changed", None)


def test_readings_that_follow_the_hours_of_the_day_are_refused(tmp_path: Path) -> None:
    """Nights are read at one hour, and would be higher or lower than most of the calibration."""

    class Daily(Model):
        def __call__(self, probes: list[Probe]) -> list[Sample]:  # type: ignore[override]
            wave = math.sin(2 * math.pi * daily.clock.now().hour / 24)
            self.shift = 1.0 + 0.2 * (1.1 * wave + self.rng.gauss(0, 1))
            return super().__call__(probes)

    settings = DriftConfig(size="tiny", reference=4, calibration=60)
    daily = Watched(tmp_path, model=Daily(noise=0.001, rng=random.Random(3)), settings=settings)
    daily.calibrated()
    seen = daily.night()
    assert seen.watch.calibration.correlation is not None
    assert seen.watch.calibration.correlation.fine  # an hour says little of the next
    assert (seen.state, seen.watch.calibration.hourly) == ("unmeasurable", True)
    assert seen.why.startswith("its readings follow the hours of the day")
    said = "\n".join(line.text for line in watch_lines([seen], daily.clock.now()))
    assert 'next: spacing = "24h" and calibration = 30' in said


def test_a_calibration_that_goes_one_way_is_refused(tmp_path: Path) -> None:
    """It would be the history of an endpoint that is no longer there."""

    class Moving(Model):
        def __call__(self, probes: list[Probe]) -> list[Sample]:  # type: ignore[override]
            self.shift = 1.0 + 0.2 * (self.asked / 300 + self.rng.gauss(0, 1))
            return super().__call__(probes)

    settings = DriftConfig(size="tiny", reference=4, calibration=60)
    moving = Watched(tmp_path, model=Moving(noise=0.001, rng=random.Random(3)), settings=settings)
    moving.calibrated()
    seen = moving.night()
    assert seen.watch.calibration.correlation is not None
    assert seen.watch.calibration.correlation.fine  # a reading says little of the next
    assert (seen.state, seen.watch.calibration.trending) == ("unmeasurable", True)
    assert seen.why.startswith("its readings went up or down")
    said = "\n".join(line.text for line in watch_lines([seen], moving.clock.now()))
    assert "next: promptops drift accept" in said
    assert "24h" not in said


def test_nights_that_follow_the_week_are_no_change(tmp_path: Path) -> None:
    """Its weekends are another load, which three days of calibration did not show."""

    class Weekly(Model):
        def __call__(self, probes: list[Probe]) -> list[Sample]:  # type: ignore[override]
            busy = 2.5 * (weekly.clock.now().weekday() >= 5 and calibrated)
            self.shift = 1.0 + 0.2 * (busy + self.rng.gauss(0, 1))
            return super().__call__(probes)

    calibrated, settings = False, DriftConfig(size="tiny", reference=8, calibration=60)
    weekly = Watched(tmp_path, model=Weekly(noise=0.001, rng=random.Random(8)), settings=settings)
    weekly.calibrated()
    calibrated, seen = True, weekly.night()
    for _ in range(60):
        if seen.watch.thinned is not None or seen.watch.alarm is not None:
            break
        seen = weekly.night()
    assert seen.watch.alarm is None
    assert seen.watch.thinned is not None
    assert (seen.watch.thinned.weekly, seen.watch.thinned.every) == (True, 0)
    assert seen.state == "unmeasurable"
    assert seen.why.startswith("its nights follow the days of the week")
    said = "\n".join(line.text for line in watch_lines([seen], weekly.clock.now()))
    assert 'next: spacing = "24h"' in said
    assert "nights follow the days of the week" in "\n".join(line.text for line in watch_history_lines([seen.watch]))


def test_a_week_that_the_calibration_has_shown_hides_no_change(tmp_path: Path) -> None:
    class Weekly(Model):
        def __call__(self, probes: list[Probe]) -> list[Sample]:  # type: ignore[override]
            busy = 2.5 * (weekly.clock.now().weekday() >= 5)
            self.shift = 1.0 + 0.2 * (busy + moved + self.rng.gauss(0, 1))
            return super().__call__(probes)

    moved, settings = 0.0, DriftConfig(size="tiny", reference=8, calibration=30, spacing="24h")
    weekly = Watched(tmp_path, model=Weekly(noise=0.001, rng=random.Random(2)), settings=settings)
    weekly.watch.accept(weekly.pins, reason="the first")
    seen = weekly.night(38 + 80)
    assert (seen.watch.role, seen.state, len(seen.watch.nights)) == ("night", "stable", 80)
    moved = 4.0
    seen = weekly.night(20)
    assert (seen.state, seen.watch.thinned) == ("changed", None)
