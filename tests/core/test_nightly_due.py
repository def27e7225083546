"""When the next reading is wanted, by clocks that are right, ahead and behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.nightly.events import AnyEvent, EpochBegun, ReadingTaken, Tokens
from promptops.core.nightly.watch import fold
from promptops.times import timestamp

NAME = "test/model-1"
LAST = datetime(2026, 11, 9, 3, 37, tzinfo=UTC)
REFERENCE, CALIBRATION = 4, 30


def readings(count: int) -> list[AnyEvent]:
    """An epoch with so many readings, the newest at `LAST`."""
    begun = EpochBegun(
        endpoint=NAME,
        epoch=1,
        at=timestamp(LAST - timedelta(days=count)),
        seed=1,
        size="tiny",
        prompts=[],
        reference=REFERENCE,
        calibration=CALIBRATION,
        spacing=3600,
    )
    found: list[AnyEvent] = [begun]
    for number in range(1, count + 1):
        at = timestamp(LAST - timedelta(days=count - number))
        if number <= REFERENCE:
            profiles = {"p": Tokens(tokens={"a": -0.5}, calls=10)}
            found.append(
                ReadingTaken(endpoint=NAME, epoch=1, number=number, at=at, role="reference", profiles=profiles)
            )
        else:
            role = "calibration" if number <= REFERENCE + CALIBRATION else "night"
            values = {"p": (number * 37 % 101) / 100}
            reading = {"endpoint": NAME, "epoch": 1, "number": number, "at": at, "role": role, "values": values}
            found.append(ReadingTaken.model_validate(reading))
    return found


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
    watch = fold(readings(REFERENCE + CALIBRATION + 2))[NAME]
    assert (watch.calibrated, watch.due(LAST + timedelta(hours=hours))) == (True, due)


@pytest.mark.parametrize(
    ("minutes", "due"), [(60, True), (54, True), (53, False), (0, False), (-53, False), (-55, True)]
)
def test_so_is_a_reading_of_the_calibration(minutes: float, due: bool) -> None:
    watch = fold(readings(10))[NAME]
    assert watch.due(LAST + timedelta(minutes=minutes)) == due
