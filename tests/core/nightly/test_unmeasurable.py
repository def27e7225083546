"""UNMEASURABLE: nothing can be said, for as long as the reason lasts, and nothing is said in the meantime."""

from __future__ import annotations

import math
import random
from itertools import accumulate

import pytest

from promptops.core.nightly.watch import Watch
from tests.core.nightly.log import CALIBRATION, HOUR, NAME, Log, noise


def wandering(count: int) -> list[float]:
    rng = random.Random(1)
    return list(accumulate(rng.gauss(0, 1) for _ in range(count)))


def test_an_endpoint_without_an_epoch_is_not_watched() -> None:
    watch = Watch(NAME)
    assert watch.state(endpoints=1) == "unmeasurable"
    assert not watch.due(Log().now)


@pytest.mark.parametrize("nights", [0, 1, 50])
def test_an_outage_lasts_until_the_next_reading(nights: int) -> None:
    log = Log().calibrated().nights(noise(nights)).miss().miss("429 from the provider")
    assert (log.state(), [one.reason for one in log.watch.outage]) == (
        "unmeasurable",
        ["503 from the provider", "429 from the provider"],
    )
    assert (log.nights(noise(1)).state(), log.watch.outage, len(log.watch.misses)) == ("stable", [], 2)


def test_an_outage_from_the_first_reading_on_is_one_too() -> None:
    assert Log().miss().state() == "unmeasurable"


def refused(values: list[float]) -> Log:
    log = Log(calibration=len(values)).reference().calibrate(values)
    assert (log.state(), log.watch.refused, log.watch.calibrated) == ("unmeasurable", True, False)
    return log


def test_readings_that_hang_together_for_too_long_are_refused() -> None:
    log = refused(wandering(60))
    assert log.watch.calibration.correlation is not None
    assert not log.watch.calibration.correlation.fine


def test_so_are_those_that_still_do_where_every_nth_counts() -> None:
    """Asked for more because neighbours are alike; then it turns out to wander."""
    pairs = [value for value in noise(CALIBRATION // 2, seed=0) for _ in range(2)]
    log = Log().reference().calibrate(pairs)
    assert log.state() == "recalibrating"
    log.calibrate(wandering(log.watch.calibration.target - CALIBRATION))
    assert (log.state(), log.watch.refused) == ("unmeasurable", True)


def test_so_are_those_that_follow_the_hours_of_the_day() -> None:
    """Seven hours apart, so that neighbours say little of each other."""
    rng = random.Random(5)
    log = Log(calibration=60, spacing=7 * HOUR).reference()
    while not log.watch.refused:
        turn = 2 * math.pi * log.now.hour / 24
        log.calibrate([4 * math.sin(turn) + rng.gauss(0, 1)])
        assert len(log.watch.calibration.readings) <= 60
    assert (log.state(), log.watch.calibration.hourly, log.watch.calibration.trending) == ("unmeasurable", True, False)


def test_so_are_those_that_go_up_all_the_time() -> None:
    log = refused([value + 0.04 * at for at, value in enumerate(noise(60, seed=2))])
    assert (log.watch.calibration.hourly, log.watch.calibration.trending) == (False, True)


def test_a_refusal_is_for_good_and_nights_are_read_all_the_same() -> None:
    """The fast lane and the names in replies need no independence."""
    log = refused(wandering(60))
    assert log.watch.role == "night"
    assert log.nights(noise(40)).state() == "unmeasurable"
    assert (log.watch.counts(1), log.watch.detector.level) == (False, 0)
    assert log.alarm("fast").state() == "changed"


@pytest.mark.parametrize("weekly", [True, False])
def test_nights_that_hang_together_for_too_long_end_what_can_be_said(weekly: bool) -> None:
    log = Log().calibrated().nights(noise(30)).thin(0, weekly=weekly)
    assert (log.state(), log.watch.refused, log.watch.calibrated) == ("unmeasurable", True, True)
    assert log.nights(noise(10, shift=9.0)).state() == "unmeasurable"


def test_a_new_epoch_is_a_new_chance() -> None:
    assert refused(wandering(60)).begin().calibrated().state() == "stable"
