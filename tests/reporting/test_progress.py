from __future__ import annotations

import pytest

from promptops.reporting.progress import minutes, progress_words
from promptops.runner.events import Progress


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (Progress(0, 40), "0 of 40 done"),
        (Progress(12, None, rate=3.0), "12 done, 3.0/s, $0.0000"),
        (
            Progress(312, 1000, cost=0.00314, rate=23.06, eta=25.2),
            "312 of 1,000 done, 23.1/s, about 0:25 left, $0.0031",
        ),
        (Progress(312, 1000, resumed=300, rate=3.0), "312 of 1,000 done, 300 of them before, 3.0/s, $0.0000"),
        (Progress(3, 4, cost=None, rate=1.0, eta=1.0), "3 of 4 done, 1.0/s, about 0:01 left, cost unknown"),
        (
            Progress(9, 9, cached=2, failures={"server": 1, "timeout": 3}, retries={"rate_limit": 1200}, rate=1.0),
            (
                "9 of 9 done, 1.0/s, $0.0000, cached 2 of 6 (33 %), 4 without a reply (3 timeout, 1 server), "
                "1,200 retries (1,200 rate_limit)"
            ),
        ),
    ],
)
def test_progress_in_words(progress: Progress, words: str) -> None:
    assert progress_words(progress) == words


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (40, "0:40"), (785, "13:05"), (3720, "1:02:00")])
def test_minutes(seconds: float, text: str) -> None:
    assert minutes(seconds) == text
