from __future__ import annotations

from promptops.providers.admission.order import Order
from promptops.providers.admission.records import Ticket


def tickets(order: Order, number: int) -> list[Ticket]:
    sent = [Ticket("m", index, 0.0, 1) for index in range(number)]
    for ticket in sent:
        order.sent(ticket)
    return sent


def counted(order: Order, now: float) -> list[int]:
    return [ticket.number for ticket in order.counted(now)]


def test_outcomes_are_counted_in_the_order_of_sending() -> None:
    order = Order()
    first, second, third = tickets(order, 3)
    third.ended, third.refused = 1.0, True
    assert counted(order, 1.0) == []
    first.ended, first.refused = 2.0, False
    assert counted(order, 2.0) == [0]
    second.ended, second.refused = 3.0, False
    assert counted(order, 3.0) == [1, 2]


def test_what_is_on_its_way_for_longer_than_refusals_take_is_taken_for_answered() -> None:
    order = Order()
    first, second, third = tickets(order, 3)
    third.ended, third.refused = 0.01, True
    order.took(0.01)
    assert counted(order, 0.02) == []
    assert counted(order, 0.1) == [0, 1, 2]
    assert first.presumed
    assert second.presumed
    assert not third.presumed


def test_what_says_nothing_of_limits_is_left_out() -> None:
    order = Order()
    first, second = tickets(order, 2)
    first.ended = 1.0
    second.ended, second.refused = 1.0, False
    assert counted(order, 1.0) == [1]
