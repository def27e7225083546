from __future__ import annotations

import pytest

from promptops.providers.admission.headers import Reading
from promptops.providers.admission.records import Ticket
from promptops.providers.admission.windows import LONGEST, Windows


def ticket(number: int, sent: float, *, cost: float = 100.0, refused: bool = False) -> Ticket:
    return Ticket("m", number, sent, 100, cost, number, ended=sent + 1, refused=refused)


def requests(remaining: float, *, limit: float | None = 100, reset: float | None = 30.0) -> Reading:
    return Reading("requests", False, remaining, limit, reset)


def wait(windows: Windows, now: float, flying: list[int] | None = None) -> float:
    return windows.wait(100.0, flying or [], 100.0 * len(flying or []), now)


def test_nothing_waits_before_a_reply_has_told_of_a_limit() -> None:
    assert not Windows().known
    assert wait(Windows(), 0.0, [1, 2, 3]) == 0.0


def test_where_nothing_remains_everybody_waits_for_the_reset() -> None:
    windows = Windows()
    windows.read([requests(0)], ticket(0, 0.0), 1.0)
    assert wait(windows, 11.0) == pytest.approx(20.0, abs=0.1)
    assert wait(windows, 31.2) == 0.0


def test_what_was_sent_since_is_taken_off() -> None:
    windows = Windows()
    windows.read([requests(3)], ticket(5, 0.0), 1.0)
    assert wait(windows, 1.0, [1, 2, 3, 6, 7]) == 0.0
    assert wait(windows, 1.0, [6, 7, 8]) > 0


def test_an_older_reply_can_only_say_less() -> None:
    windows = Windows()
    windows.read([requests(0)], ticket(9, 0.0), 1.0)
    windows.read([requests(40)], ticket(8, 0.5), 1.1)  # on its way when the other was heard: who knows which was first
    assert wait(windows, 1.1) > 0
    windows.read([requests(40)], ticket(10, 1.2), 2.0)
    assert wait(windows, 2.0) == 0.0


def test_tokens_need_room_for_what_is_in_flight_as_well() -> None:
    windows = Windows()
    windows.read([Reading("tokens", True, 350, 1000, 30.0)], ticket(0, 0.0), 1.0)
    assert windows.wait(100.0, [1, 2], 200.0, 1.0) == 0.0
    assert windows.wait(100.0, [1, 2, 3], 300.0, 1.0) > 0


def test_a_request_larger_than_the_limit_goes_when_the_limit_is_whole() -> None:
    windows = Windows()
    windows.read([Reading("tokens", True, 1000, 1000, 30.0)], ticket(0, 0.0), 1.0)
    assert windows.wait(5000.0, [], 0.0, 1.0) == 0.0


def test_a_limit_that_refills_bit_by_bit_is_not_waited_for_until_it_is_full() -> None:
    windows = Windows()
    for number, used in enumerate([1, 2, 4, 8, 16, 32, 60]):  # one a second comes back
        windows.read([requests(60 - used, limit=60, reset=used)], ticket(number, 0.0), 1.0)
    assert wait(windows, 1.0) == pytest.approx(1.0, abs=0.1)
    assert wait(windows, 2.1) == 0.0


def test_a_window_that_begins_anew_at_once_is_not_taken_for_one_that_refills() -> None:
    windows = Windows()
    for number, used in enumerate([1, 2, 4, 8, 16, 32, 60]):
        windows.read([requests(60 - used, limit=60, reset=60 - number)], ticket(number, 0.0), 1.0)
    assert wait(windows, 1.0) == pytest.approx(54.0, abs=0.1)


@pytest.mark.parametrize("reset", [None, 1e17, 3600.0, 90.0, 60.0])
def test_no_word_of_a_server_stops_everybody_for_more_than_a_minute(reset: float | None) -> None:
    windows = Windows()
    windows.read([requests(0, reset=reset)], ticket(0, 0.0), 1.0)
    assert 0 < wait(windows, 1.0) <= LONGEST + 0.1
    assert wait(windows, 1.1 + LONGEST) == 0.0


def test_a_server_that_says_nothing_remains_and_answers_is_not_listened_to() -> None:
    windows, now, waited = Windows(), 0.0, 0.0
    for number in range(100):
        pause = wait(windows, now)
        waited, now = waited + pause, now + pause + 1.0
        asked = ticket(number, now - 1.0)
        windows.ended(asked, now, limited=False)
        windows.read([requests(0, reset=1e9)], asked, now)
    assert waited <= 30.0


def test_a_refusal_makes_the_headers_worth_listening_to_again() -> None:
    windows = Windows()
    windows.read([requests(0, reset=30.0)], ticket(0, 0.0), 1.0)
    for number in range(1, 10):
        windows.ended(ticket(number, 1.0), 2.0, limited=False)
    assert wait(windows, 2.0) == 0.0
    windows.ended(ticket(10, 1.0, refused=True), 3.0, limited=True)
    windows.read([requests(0, reset=30.0)], ticket(10, 2.0, refused=True), 3.0)
    assert wait(windows, 3.0) > 20


def test_names_without_end_are_not_kept() -> None:
    windows = Windows()
    for number in range(100):
        windows.read([Reading(f"requests {number}", False, 0, 10, 5.0)], ticket(number, 0.0), 1.0)
    assert len(windows._windows) == 8
