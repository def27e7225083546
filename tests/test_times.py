from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from promptops.times import parse_duration, timestamp


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60.0), ("800ms", 0.8), ("2m", 120.0), ("1h", 3600.0), ("1.5 s", 1.5), (" .5s ", 0.5)],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "0s", "-1s", "1d", "1e3s", "²s", "s", "1s 2s", "1.2.3s", "9" * 400 + "s"]
)
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write 60s, 800ms, 2m or 1h"):
        parse_duration(text)


def test_a_moment_is_written_in_utc_to_the_second() -> None:
    moment = datetime(2026, 11, 22, 1, 30, 5, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert timestamp(moment) == "2026-11-21T23:30:05Z"
