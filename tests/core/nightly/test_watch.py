"""WATCH: something is suspicious, and may be over tomorrow: no alarm."""

from __future__ import annotations

from promptops.core.nightly.watch import FAST_TIMES, TEXTS_LEVEL
from tests.core.nightly.log import Log, noise


def test_a_shift_is_watch_before_it_is_changed() -> None:
    log = Log(calibration=60).calibrated()
    seen = [log.nights([value]).state() for value in noise(12, seed=3, shift=3.0)]
    assert list(dict.fromkeys(seen)) == ["stable", "watch", "changed"]


def test_it_is_over_when_nights_are_as_before() -> None:
    log = Log(calibration=60).calibrated().nights(noise(4, seed=3, shift=3.0))
    assert log.state() == "watch"
    assert log.nights(noise(12, seed=4)).state() == "stable"


def test_one_block_that_is_far_off_is_watch_while_it_is_the_newest() -> None:
    """It was not confirmed by two further looks, or it would be an alarm of the fast lane."""
    log = Log().calibrated()
    limit = FAST_TIMES * max(noise(30))
    assert log.nights([1.01 * limit]).state() == "watch"
    assert log.watch.gross({"p": limit}) == {}
    assert log.nights(noise(1, seed=9)).state() == "stable"


def test_texts_that_moved_are_watch_until_a_look_says_otherwise() -> None:
    log = Log().calibrated().texts().texts(p=TEXTS_LEVEL)
    assert (log.state(), log.watch.texts_moved) == ("watch", True)
    assert log.nights(noise(2)).state() == "watch"
    assert log.texts(p=0.3).state() == "stable"


def test_an_outage_is_said_instead_and_the_suspicion_stays() -> None:
    log = Log(calibration=60).calibrated().nights(noise(4, seed=3, shift=3.0)).miss()
    assert log.state() == "unmeasurable"
    assert log.nights([1.0]).state() == "watch"
