from __future__ import annotations

from math import inf

import pytest

from promptops.providers.admission.holds import LONGEST, LONGEST_GAP, Hold
from promptops.providers.admission.records import Ticket


class Endpoint:
    """Feeds a hold with requests, one second after the other unless told otherwise."""

    def __init__(self) -> None:
        self.hold = Hold()
        self.now = 100.0
        self.number = 0

    def send(self) -> Ticket:
        ticket = Ticket("m", self.number, self.now, 1)
        ticket.probe = self.hold.sent(self.number)
        self.number += 1
        return ticket

    def end(self, ticket: Ticket, *, refused: bool, retry_after: float | None = None, in_doubt: bool = False) -> None:
        ticket.ended, ticket.refused, ticket.retry_after = self.now, refused, retry_after
        if refused:
            self.hold.refused(ticket.number, ticket.sent, self.now, retry_after=retry_after, in_doubt=in_doubt)
        else:
            self.hold.answered(ticket.number, self.now)
        self.hold.learn(ticket, self.now)

    @property
    def wait(self) -> float:
        return self.hold.wait(self.now)


def test_a_refusal_holds_everybody_for_as_long_as_the_server_says() -> None:
    endpoint = Endpoint()
    endpoint.end(endpoint.send(), refused=True, retry_after=7.0)
    assert endpoint.wait == 7.0
    endpoint.now += 7.0
    assert endpoint.wait == 0.0


def test_what_was_sent_later_and_answered_ends_the_pause_and_what_was_sent_before_does_not() -> None:
    endpoint = Endpoint()
    before, refused, later = endpoint.send(), endpoint.send(), endpoint.send()
    endpoint.now += 0.1
    endpoint.end(refused, refused=True, retry_after=7.0, in_doubt=True)
    endpoint.end(before, refused=False)
    assert endpoint.wait == 7.0
    endpoint.end(later, refused=False)
    assert endpoint.wait == 0.0


def test_a_refusal_that_was_overtaken_by_an_answer_holds_nobody() -> None:
    endpoint = Endpoint()
    refused, later = endpoint.send(), endpoint.send()
    endpoint.end(later, refused=False)
    endpoint.end(refused, refused=True, retry_after=7.0)
    assert endpoint.wait == 0.0


def test_an_absurd_word_holds_nobody_for_hours() -> None:
    endpoint = Endpoint()
    endpoint.end(endpoint.send(), refused=True, retry_after=1e9)
    assert endpoint.wait == LONGEST


def test_without_a_word_single_requests_probe_after_longer_and_longer_pauses() -> None:
    endpoint, pauses = Endpoint(), []
    endpoint.end(endpoint.send(), refused=True)
    for _ in range(25):
        pauses.append(endpoint.wait)
        endpoint.now += endpoint.wait
        probe = endpoint.send()
        assert endpoint.wait == inf  # nobody goes while the probe is on its way
        endpoint.end(probe, refused=True)
    assert pauses == sorted(pauses)
    assert pauses[0] < 0.1
    assert pauses[-1] == LONGEST_GAP
    endpoint.now += endpoint.wait
    endpoint.end(endpoint.send(), refused=False)
    assert endpoint.wait == 0.0


def test_a_probe_that_was_cancelled_makes_room_for_another() -> None:
    endpoint = Endpoint()
    endpoint.end(endpoint.send(), refused=True)
    endpoint.now += endpoint.wait
    probe = endpoint.send()
    endpoint.hold.failed(probe.number)
    assert endpoint.wait == 0.0


def test_a_wait_that_was_in_vain_is_followed_by_single_requests_only() -> None:
    endpoint = Endpoint()
    endpoint.end(endpoint.send(), refused=True, retry_after=1.0)
    endpoint.now += 1.0
    endpoint.end(endpoint.send(), refused=True, retry_after=1.0)
    endpoint.now += 1.0
    endpoint.send()
    assert endpoint.wait == inf


def test_refusals_that_foretell_nothing_hold_nobody_any_more_until_a_limit_is_reached() -> None:
    endpoint = Endpoint()
    for index in range(40):  # every fifth is refused, whatever we do
        endpoint.now += 0.01
        endpoint.end(endpoint.send(), refused=index % 5 == 0, retry_after=1.0, in_doubt=True)
    assert not endpoint.hold.believed
    assert endpoint.wait == 0.0
    refusals = 0
    while endpoint.wait == 0.0:
        endpoint.now += 0.01
        endpoint.end(endpoint.send(), refused=True, retry_after=1.0, in_doubt=True)
        refusals += 1
    assert refusals <= 8


def test_with_one_request_at_a_time_it_is_tried_now_and_then_whether_the_pause_is_needed() -> None:
    endpoint, waited = Endpoint(), 0.0
    for index in range(200):
        waited += endpoint.wait
        endpoint.now += endpoint.wait + 0.05
        endpoint.end(endpoint.send(), refused=index % 5 == 0, retry_after=1.0)
    assert waited < 5.0


def test_where_the_server_is_right_it_is_hardly_ever_tried() -> None:
    """A limit of one request every two seconds, and a server that says so."""
    endpoint, refusals, free = Endpoint(), 0, 0.0
    for _ in range(400):
        endpoint.now += endpoint.wait
        ticket = endpoint.send()
        endpoint.now += 0.01
        refused = endpoint.now < free
        refusals += refused and ticket.probe
        endpoint.end(ticket, refused=refused, retry_after=free - endpoint.now if refused else None)
        free = free if refused else endpoint.now + 2.0
    assert refusals <= 20


@pytest.mark.parametrize("retry_after", [None, 0.0, 0.5])
def test_the_trust_stays_a_share(retry_after: float | None) -> None:
    endpoint = Endpoint()
    for index in range(300):
        endpoint.now += 0.01
        endpoint.end(endpoint.send(), refused=index % 7 in (0, 1, 2), retry_after=retry_after, in_doubt=True)
        assert 0.0 <= endpoint.hold.clustered <= 1.0
