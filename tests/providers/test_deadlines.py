from __future__ import annotations

import pytest

from promptops.providers.deadlines import EXCUSE, Waits, Watch


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watch(clock: Hand, **waits: float) -> Watch:
    return Watch(Waits(**waits), deadline=clock.now + 60, clock=clock)


@pytest.mark.parametrize(
    ("waits", "head", "piece", "after_token"),
    [
        ({}, 160, 160, 160),
        ({"first_token": 5.0}, 105, 105, 160),
        ({"idle": 2.0}, 160, 103, 103),
        ({"first_token": 5.0, "idle": 2.0}, 105, 103, 103),
        ({"first_token": 2.5, "idle": 9.0}, 102.5, 102.5, 110),
        ({"first_token": 90.0, "idle": 90.0}, 160, 160, 160),
    ],
)
def test_each_piece_is_waited_for_as_long_as_the_shortest_wait_allows(
    waits: dict[str, float], head: float, piece: float, after_token: float
) -> None:
    clock = Hand()
    own = watch(clock, **waits)
    assert own.head() == head
    clock.now = 101.0
    assert own.piece() == piece
    own.token()
    assert own.piece() == after_token
    assert own.first_token == 1.0


@pytest.mark.parametrize(
    ("waits", "now", "missing"),
    [
        ({}, 159.9, None),
        ({}, 160.0, "no complete reply within 60 s"),
        ({"first_token": 5.0}, 105.0, "no first token within 5 s"),
        ({"idle": 0.25}, 100.25, "nothing in the middle of the reply within 0.25 s"),
    ],
)
def test_what_was_missing_is_what_was_waited_for(waits: dict[str, float], now: float, missing: str | None) -> None:
    clock = Hand()
    own = watch(clock, **waits)
    own.piece()
    clock.now = now
    assert own.missing() == missing


def test_a_deadline_that_was_over_before_anything_was_sent_was_met_within_no_time() -> None:
    clock = Hand()
    own = Watch(Waits(), deadline=clock.now - 1, clock=clock)
    own.head()
    assert own.missing() == "no complete reply within 0 s"


def test_the_body_of_an_error_is_waited_for_a_moment_but_never_past_the_deadline() -> None:
    clock = Hand()
    own = watch(clock)
    assert own.excuse() == 100 + EXCUSE
    clock.now = 159.5
    assert own.excuse() == 160


def test_a_reply_ends_once() -> None:
    clock = Hand()
    own = watch(clock)
    clock.now = 103.0
    assert own.end() == 3.0
    clock.now = 104.0
    own.token()
    own.token()
    assert (own.end(), own.first_token) == (3.0, 4.0)
