"""The chart of the nights, at every width."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from promptops.core.nightly.events import AlarmRaised, EpochBegun, Missed, ReadingTaken
from promptops.core.nightly.watch import Watch
from promptops.reporting.nightly_chart import chart

BEGIN = datetime(2026, 11, 1, 3, 17, tzinfo=UTC)


def watched(nights: int, *, missed: tuple[int, ...] = (), noticed: int | None = None) -> Watch:
    watch = Watch("acme/one")
    watch.apply(
        EpochBegun(
            endpoint="acme/one",
            epoch=1,
            at="2026-10-29T00:00:00Z",
            seed=1,
            size="tiny",
            prompts=["x"],
            reference=4,
            calibration=30,
            spacing=3600,
        )
    )
    watch.detector.calibrate("x", [float(value) for value in range(30)])
    for night in range(nights):
        at = f"{BEGIN + timedelta(days=night):%Y-%m-%dT%H:%M:%SZ}"
        if night in missed:
            watch.apply(Missed(endpoint="acme/one", epoch=1, at=at, reason="503 all night"))
            continue
        watch.nights.append(
            ReadingTaken(
                endpoint="acme/one",
                epoch=1,
                number=night + 35,
                at=at,
                role="night",
                level=10.0,
                threshold=3650.0,
                state="stable",
                notices=["another fingerprint: fp-2"] if night == noticed else [],
            )
        )
    return watch


def text(watch: Watch, columns: int) -> list[str]:
    return [line.text for line in chart(watch, columns=columns)]


@pytest.mark.parametrize("columns", [30, 40, 80, 200])
@pytest.mark.parametrize("nights", [1, 2, 19, 21, 90, 730])
def test_no_line_of_it_is_wider_than_the_terminal(columns: int, nights: int) -> None:
    assert max(map(len, text(watched(nights), columns))) <= max(columns, 40)


def test_two_dates_never_run_together() -> None:
    assert "            2026-11-01 to 2026-11-05" in text(watched(5), 80)
    assert "            2026-11-01" in text(watched(1), 80)
    assert f"            2026-11-01{'2026-11-30'.rjust(20)}" in text(watched(30), 80)


def test_what_is_left_out_is_said() -> None:
    assert "            the last 67 of 730 nights" in text(watched(730), 80)


def test_a_night_without_a_reading_is_marked_and_listed() -> None:
    lines = text(watched(5, missed=(2, 4)), 80)
    assert "           └··?·?" in lines
    assert "            ? not measured" in lines
    assert "  not measured 2026-11-03T03:17:00Z: 503 all night" in lines


def test_of_many_nights_without_a_reading_the_rest_is_counted() -> None:
    lines = text(watched(20, missed=tuple(range(3, 11))), 80)
    named = [line for line in lines if line.startswith("  not measured 2026-")]
    assert lines.index("  not measured before these: 3 nights") == lines.index(named[0]) - 1
    assert len(named) == 5


def test_a_night_that_was_tried_again_and_read_is_no_hole() -> None:
    watch = watched(3)
    watch.apply(Missed(endpoint="acme/one", epoch=1, at="2026-11-03T02:17:00Z", reason="503"))
    assert "           └···" in text(watch, 80)


def test_an_alarm_and_a_notice_say_when_and_why() -> None:
    watch = watched(3, noticed=1)
    watch.apply(AlarmRaised(endpoint="acme/one", epoch=1, at="2026-11-03T03:17:00Z", lane="fast", reason="far off"))
    lines = text(watch, 80)
    assert "  CHANGED since 2026-11-03T03:17:00Z: far off" in lines
    assert "  NOTICE 2026-11-02T03:17:00Z: another fingerprint: fp-2" in lines
