"""When the next reading is wanted, by clocks that are right, ahead and behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from promptops.core.nightly.watch import Watch
from tests.core.nightly.log import DAY, HOUR, MONDAY, NAME, Log, noise


@pytest.mark.parametrize(
    ("hours", "due"),
    [
        (24, True),
        (20, True),
        (19, False),
        (1, False),
        (0, False),
        (-1, False),
        (-19, False),
        (-21, True),
        (-9999, True),
    ],
)
def test_a_night_is_read_once_whichever_clock_is_a_little_behind(hours: float, due: bool) -> None:
    log = Log().calibrated().nights(noise(2))
    assert log.watch.due(log.now - DAY + timedelta(hours=hours)) == due


@pytest.mark.parametrize(
    ("minutes", "due"), [(60, True), (54, True), (53, False), (0, False), (-53, False), (-55, True)]
)
def test_so_is_a_reading_of_the_calibration(minutes: float, due: bool) -> None:
    log = Log().reference().calibrate(noise(6))
    assert log.watch.due(log.now - HOUR + timedelta(minutes=minutes)) == due


def test_the_first_night_follows_the_calibration_after_its_pause_and_the_next_a_night_later() -> None:
    log = Log().calibrated()
    assert log.watch.due(log.now)
    log.nights([0.0])
    assert not log.watch.due(log.now - DAY + HOUR)


def test_without_an_epoch_nothing_is_ever_due() -> None:
    watch = Watch(NAME)
    assert not watch.due(MONDAY)
    assert not watch.texts_due(MONDAY, DAY)


def test_an_endpoint_that_was_never_read_is_due_at_once() -> None:
    assert Log().watch.due(MONDAY)


def test_texts_are_wanted_as_soon_as_there_is_a_history_and_then_every_so_often() -> None:
    log = Log().reference().calibrate(noise(29))
    assert not log.watch.texts_due(log.now, 7 * DAY)
    log.calibrate([0.0])
    assert log.watch.texts_due(log.now, None)
    taken = log.texts().now
    assert not log.watch.texts_due(taken, None)
    assert [log.watch.texts_due(taken + days * DAY, 7 * DAY) for days in (6, 7)] == [False, True]
    log.now += 7 * DAY
    looked = log.texts(p=0.5).now
    assert [log.watch.texts_due(looked + days * DAY, 7 * DAY) for days in (6, 7)] == [False, True]
    assert not log.miss().watch.texts_due(looked + 7 * DAY, 7 * DAY)


def test_after_an_alarm_texts_are_looked_at_once() -> None:
    log = Log().calibrated().texts().alarm("detector")
    assert log.watch.texts_due(log.now, None)
    log.now += HOUR
    log.texts(p=0.5)
    assert not log.watch.texts_due(log.now + 30 * DAY, 7 * DAY)


def test_there_are_no_texts_of_an_endpoint_that_changed_before_it_had_any() -> None:
    log = Log().calibrated().alarm("fast")
    assert not log.watch.texts_due(log.now, None)
