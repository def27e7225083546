"""STABLE: nights are ranked in the history, and their level is below a tenth of the threshold."""

from __future__ import annotations

from collections import Counter

from tests.core.nightly.log import CALIBRATION, Log, noise


def test_nights_from_where_the_calibration_came_from_stay_stable() -> None:
    """Of 40 endpoints at most 60 / 365 are to be WATCH in any of 60 nights, and 60 / 3,650 CHANGED.

    What looks at the calibration refuses a healthy one in a hundred for its trend, its hours or for hanging together.
    """
    found: Counter[str] = Counter()
    for seed in range(40):
        log, states = Log(calibration=60).calibrated(seed=100 + seed), set()
        for value in noise(60, seed=seed):
            states.add(log.nights([value]).state())
        found.update(states)
    assert found["stable"] >= 36
    assert found["stable"] + found["unmeasurable"] + found["recalibrating"] >= 40
    assert found["watch"] <= 6
    assert found["changed"] == 0


def test_an_endpoint_without_any_noise_stays_stable() -> None:
    """All nights are ties, broken at random: the rank of a tie is no news."""
    log = Log().reference().calibrate([0.0] * CALIBRATION)
    for _ in range(60):
        assert log.nights([0.0]).state() == "stable"


def test_one_night_that_is_somewhat_off_is_none() -> None:
    assert Log().calibrated().nights([3.0]).state() == "stable"


def test_a_level_below_a_tenth_of_the_threshold_is_stable_and_from_there_on_watch() -> None:
    watch = Log().calibrated().watch
    for level, state in ((364.9, "stable"), (365.0, "watch")):
        watch.detector.parts["p"] = [level] * 10
        assert watch.state(endpoints=1) == state


def test_among_many_endpoints_it_takes_more() -> None:
    log = Log(calibration=60).calibrated().nights(noise(4, seed=3, shift=3.0))
    assert log.state() == "watch"
    assert log.state(endpoints=50) == "stable"


def test_a_night_that_does_not_count_moves_nothing() -> None:
    log = Log().calibrated().thin(2).nights(noise(1))
    before = log.watch.detector.level
    far = log.nights([4.0])
    assert (far.watch.detector.level, far.state()) == (before, "stable")
    assert log.nights([4.0]).watch.detector.level != before


def test_it_is_back_as_soon_as_an_outage_is_over() -> None:
    log = Log().calibrated().nights(noise(2)).miss().miss()
    assert log.state() == "unmeasurable"
    assert log.nights(noise(1)).state() == "stable"


def test_texts_of_the_same_distribution_say_nothing() -> None:
    assert Log().calibrated().texts().texts(p=0.0019).state() == "stable"
