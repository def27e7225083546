"""CHANGED: from an alarm on, and until a person accepts what the endpoint answers now."""

from __future__ import annotations

from datetime import timedelta

import pytest

from promptops.core.nightly.events import Lane
from tests.core.nightly.log import CALIBRATION, DAY, HOUR, Log, noise


def shifted(count: int, shift: float) -> Log:
    return Log().calibrated().nights(noise(count, seed=3, shift=shift))


@pytest.mark.parametrize("shift", [4.0, -4.0])
def test_a_shift_in_either_direction_is_found_within_days(shift: float) -> None:
    assert [shifted(nights, shift).state() for nights in (1, 10)] == ["stable", "changed"]


@pytest.mark.parametrize("lane", ["detector", "fast", "identity", "texts"])
def test_an_alarm_of_any_lane_stays_whatever_comes_after_it(lane: Lane) -> None:
    log = Log().calibrated().nights(noise(2)).alarm(lane)
    assert log.state() == "changed"
    for later in (log.nights(noise(30, seed=8)), log.miss(), log.texts().texts(p=0.9), log.thin(0)):
        assert later.state() == "changed"
    assert log.state(endpoints=1000) == "changed"


def test_it_ends_with_an_epoch_that_a_person_accepted() -> None:
    log = shifted(10, 4.0).alarm("detector").begin()
    assert log.state() == "recalibrating"
    assert log.calibrated(seed=2, shift=4.0).state() == "stable"
    assert log.nights(noise(5, seed=5, shift=4.0)).state() == "stable"


def test_nights_that_turn_out_to_hang_together_stand_instead_of_it() -> None:
    """The bets begin anew, and only every third night is one."""
    log = shifted(10, 4.0).thin(3)
    assert (log.state(), log.watch.detector.level) == ("stable", 0)
    log.nights(noise(2, seed=4, shift=4.0))
    assert [log.watch.counts(night) for night in range(11, 18)] == [True, False, False, True, False, False, True]
    assert log.nights(noise(40, seed=5, shift=6.0)).state() == "changed"


def test_the_history_that_nights_are_ranked_in_holds_the_changed_ones_too() -> None:
    assert len(shifted(10, 4.0).watch.detector.history["p"]) == CALIBRATION + 10


def test_since_when_a_gross_swap_is_over_is_known() -> None:
    log = Log().calibrated().nights([60.0]).alarm("fast").nights([60.0, 70.0])
    assert log.watch.back_since == ""
    back = log.now
    assert log.nights([0.1]).watch.back_since == back.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert log.nights([0.2]).watch.back_since == back.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert log.nights([60.0]).watch.back_since == ""


def test_of_the_detectors_alarm_no_night_is_the_end() -> None:
    assert shifted(10, 4.0).alarm("detector").nights(noise(9)).watch.back_since == ""


@pytest.mark.parametrize(("spacing", "nights", "unseen"), [(HOUR, 10, True), (HOUR, 24, False), (DAY, 10, False)])
def test_an_alarm_may_be_a_weekly_rhythm_where_no_week_was_seen(spacing: timedelta, nights: int, unseen: bool) -> None:
    log = Log(spacing=spacing).calibrated()
    log.nights(noise(nights, seed=3)).alarm("detector")
    assert log.watch.saw_no_week == unseen
