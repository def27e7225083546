"""When the next reading is wanted, by clocks that are right, ahead and behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.core.nightly.log import DAY, HOUR, Log, noise


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
