from __future__ import annotations

import pytest

from benchmarks.chaos.counting import Entry, Log


def entry(case: int, came: float, gone: float | None, status: int = 200, *, whole: bool = True) -> Entry:
    return Entry(case, came, gone, status, whole)


@pytest.mark.parametrize(
    ("entries", "peak"),
    [
        ([], 0),
        ([entry(1, 0.0, 1.0), entry(2, 0.5, 1.5), entry(3, 2.0, 3.0)], 2),
        ([entry(1, 0.0, 1.0), entry(2, 1.0, 2.0)], 1),  # one begins when the other has ended
        ([entry(1, 0.0, None), entry(2, 5.0, None), entry(3, 9.0, 10.0)], 3),  # those that are still open count
    ],
)
def test_the_most_at_once(entries: list[Entry], peak: int) -> None:
    assert Log(entries).peak == peak


@pytest.mark.parametrize(("window", "most"), [(0.5, 1), (1.0, 2), (3.0, 4), (60.0, 5)])
def test_the_most_in_any_window(window: float, most: int) -> None:
    assert Log([entry(1, came, None) for came in (0.0, 10.0, 11.0, 12.0, 13.0)]).most_in(window) == most


def test_only_a_whole_good_answer_counts_as_answered() -> None:
    log = Log([entry(1, 0, 1), entry(1, 1, 2), entry(2, 0, 1, 429), entry(2, 1, 2, whole=False), entry(3, 0, None)])
    assert log.answered == {1: 2, 3: 1}
    assert log.statuses == {200: 4, 429: 1}
    assert log.span == 2
