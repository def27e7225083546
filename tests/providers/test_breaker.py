from __future__ import annotations

from math import inf

import pytest

from promptops.providers.breaker import FIRST_PROBE, LONGEST_GAP, Breaker


def opened(at: float = 100.0, *, failures: int = 3, patience: float = 15.0) -> Breaker:
    breaker = Breaker(failures, patience)
    for _ in range(failures):
        breaker.failed(at)
    return breaker


def test_fewer_failures_than_it_takes_change_nothing() -> None:
    breaker = Breaker(3, 15.0)
    breaker.failed(0.0)
    breaker.failed(0.0)
    assert breaker.closed
    assert breaker.passage(0.0) == "go"


def test_a_success_between_failures_begins_the_row_anew() -> None:
    breaker = Breaker(3, 15.0)
    for _ in range(10):
        breaker.failed(0.0)
        breaker.failed(0.0)
        breaker.succeeded()
    assert breaker.closed


def test_zero_failures_mean_never() -> None:
    breaker = Breaker(0, 15.0)
    for _ in range(1000):
        breaker.failed(0.0)
    assert breaker.closed


def test_open_it_lets_one_probe_through_and_everybody_else_waits() -> None:
    breaker = opened(100.0)
    assert breaker.passage(100.0) == "wait"
    assert breaker.waits(100.0) == pytest.approx(FIRST_PROBE)
    at = 100.0 + FIRST_PROBE
    assert breaker.probe_due(at)
    assert breaker.passage(at) == "probe"
    assert not breaker.probe_due(at)
    assert breaker.passage(at) == "wait"
    assert breaker.waits(at) == inf


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened(100.0)
    assert breaker.passage(101.0) == "probe"
    breaker.succeeded()
    assert (breaker.closed, breaker.row, breaker.passage(101.0)) == (True, 0, "go")


def test_probes_become_rarer_and_the_last_falls_on_the_end_of_the_patience() -> None:
    breaker = opened(0.0, patience=15.0)
    now, probes = 0.0, []
    while not breaker.tripped:
        now += breaker.waits(now)
        assert breaker.passage(now) == "probe"
        probes.append(now)
        breaker.failed(now, probe=True)
    assert probes == [0.5, 1.5, 3.5, 7.5, 15.0]
    assert breaker.passage(now) == "stop"


def test_tripped_it_still_looks_now_and_then_and_comes_back() -> None:
    breaker = opened(0.0, patience=0.5)
    assert breaker.passage(0.5) == "probe"
    breaker.failed(0.5, probe=True)
    assert breaker.tripped
    assert breaker.passage(0.5 + LONGEST_GAP - 1) == "stop"
    assert breaker.passage(0.5 + LONGEST_GAP) == "probe"
    breaker.succeeded()
    assert (breaker.tripped, breaker.closed) == (False, True)


def test_late_failures_of_requests_that_were_in_flight_do_not_count_as_probes() -> None:
    breaker = opened(0.0)
    for _ in range(20):
        breaker.failed(0.1)
    assert breaker.passage(FIRST_PROBE) == "probe"
    assert not breaker.tripped


def test_a_probe_that_was_cancelled_leaves_its_place_to_the_next() -> None:
    breaker = opened(0.0)
    assert breaker.passage(1.0) == "probe"
    breaker.abandoned()
    assert breaker.passage(1.0) == "probe"


def test_what_waiting_cannot_mend_trips_at_once() -> None:
    breaker = Breaker(3, 15.0)
    for _ in range(3):
        breaker.failed(0.0, for_good=True)
    assert breaker.tripped
    assert breaker.passage(1.0) == "stop"
    assert breaker.passage(LONGEST_GAP) == "probe"
