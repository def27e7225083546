from __future__ import annotations

from math import inf

import pytest

from promptops.providers.admission.concurrency import Concurrency
from promptops.providers.admission.records import Ticket


class Line:
    """Sends as much as may be sent, and ends it after 0.1 s."""

    def __init__(self, most: int, *, adaptive: bool = True) -> None:
        self.concurrency = Concurrency(most, adaptive=adaptive)
        self.now, self.number = 0.0, 0

    def send(self) -> list[Ticket]:
        sent = []
        while self.concurrency.wait(self.now) <= 0:
            sent.append(Ticket("m", self.number, self.now, 1, epoch=self.concurrency.sent(self.now)))
            self.number += 1
        return sent

    def round(self, *, refused: int = 0, seconds: float = 0.1) -> int:
        """One round of requests, of which the last so many are refused; returns how many were sent."""
        sent = self.send()
        self.now += seconds
        for index, ticket in enumerate(sent):
            ticket.ended, ticket.refused = self.now, index >= len(sent) - refused
            self.concurrency.ended(ticket, self.now)
        for ticket in sent:
            self.concurrency.learn(ticket, self.now)
        return len(sent)


def test_all_that_is_configured_is_sent_while_nothing_is_refused() -> None:
    line = Line(8)
    assert [line.round() for _ in range(20)] == [8] * 20


def test_an_endpoint_that_bears_four_is_soon_sent_four_and_refuses_hardly_any_more() -> None:
    line, refusals = Line(32), 0
    for _ in range(400):
        before = line.number
        refused = max(0, int(line.concurrency.limit) - 4)
        refusals += min(refused, line.round(refused=refused))
        assert line.number > before
    assert 3 <= line.concurrency.limit <= 5
    assert refusals <= 80


def test_it_comes_back_to_all_that_is_configured_when_nothing_is_refused_any_more() -> None:
    line = Line(32)
    for _ in range(20):
        line.round(refused=max(0, int(line.concurrency.limit) - 2))
    assert line.concurrency.limit < 8
    for _ in range(60):
        line.round()
    assert line.concurrency.limit == 32


def test_refusals_that_do_not_depend_on_the_number_leave_it_as_it_is() -> None:
    line = Line(30)
    sent = sum(line.round(refused=round(line.concurrency.limit / 5)) for _ in range(100))
    assert line.concurrency.limit == 30
    assert sent > 0.9 * 30 * 100


def test_slow_answers_lower_the_number_only_where_that_makes_them_quicker() -> None:
    overloaded, slow = Line(32), Line(32)
    for _ in range(40):
        overloaded.round()
        slow.round()
    lowest = 32.0
    for _ in range(40):
        overloaded.round(seconds=0.1 * max(1.0, overloaded.concurrency.limit / 8))
        slow.round(seconds=0.4)
        lowest = min(lowest, slow.concurrency.limit)
    assert overloaded.concurrency.limit <= 17
    assert lowest >= 24
    assert slow.concurrency.limit == 32


def test_switched_off_it_never_changes() -> None:
    line = Line(8, adaptive=False)
    for _ in range(50):
        assert line.round(refused=7, seconds=0.5) == 8


@pytest.mark.parametrize("latency", [0.0, 0.1])
def test_below_one_there_are_pauses_of_at_most_a_minute(latency: float) -> None:
    line = Line(1)
    line.round(seconds=latency)
    line.concurrency.limit = 0.25
    assert line.concurrency.wait(line.now) == pytest.approx(max(0.0, 4 * latency - latency))
    line.concurrency.limit = 1e-9
    assert line.concurrency.wait(line.now) <= 60.0
    line.now += 60.0
    assert len(line.send()) == 1
    assert line.concurrency.wait(line.now) == inf


def test_a_part_of_a_place_is_taken_now_and_then() -> None:
    line = Line(8)
    line.concurrency.limit = 2.5
    in_flight = []
    for _ in range(20):
        sent = line.send()
        in_flight.append(len(sent))
        line.now += 0.1
        for ticket in sent:
            ticket.ended, ticket.refused = line.now, False
            line.concurrency.ended(ticket, line.now)
    assert set(in_flight) == {2, 3}


def test_an_outage_that_the_breaker_handles_lowers_nothing() -> None:
    line = Line(16)
    for _ in range(10):
        line.round()
    for _ in range(3):
        line.round(refused=16)  # the breaker needs a few to open
    line.concurrency.outage(line.now)
    assert line.concurrency.limit == 16
    for _ in range(50):  # what was in flight, and probes
        line.round(refused=16)
    assert line.concurrency.limit == 16
    line.concurrency.recovered(line.now)
    assert [line.round() for _ in range(30)] == [16] * 30


def test_after_an_outage_it_goes_on_with_what_was_borne_before() -> None:
    line = Line(32)
    for _ in range(60):
        line.round(refused=max(0, int(line.concurrency.limit) - 4))
    borne = line.concurrency.limit
    assert borne < 8
    line.round(refused=8)
    line.concurrency.outage(line.now)
    line.concurrency.recovered(line.now)
    assert line.concurrency.limit <= borne * 1.5
