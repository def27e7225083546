from __future__ import annotations

import pytest

from promptops.durations import parse_duration


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
