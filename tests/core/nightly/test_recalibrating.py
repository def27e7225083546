"""RECALIBRATING: an epoch has begun, and there is no history yet that a night could be ranked in."""

from __future__ import annotations

import pytest

from promptops.core.nightly.events import Role
from tests.core.nightly.log import CALIBRATION, REFERENCE, Log, noise


@pytest.mark.parametrize(
    ("reference", "calibration", "role"),
    [
        (0, 0, "reference"),
        (REFERENCE - 1, 0, "reference"),
        (REFERENCE, 0, "calibration"),
        (REFERENCE, CALIBRATION - 1, "calibration"),
    ],
)
def test_it_lasts_until_the_last_reading_of_the_calibration(reference: int, calibration: int, role: Role) -> None:
    log = Log().reference(reference).calibrate(noise(calibration))
    assert (log.state(), log.watch.role, log.watch.calibrated) == ("recalibrating", role, False)


def test_the_last_reading_of_the_calibration_ends_it() -> None:
    log = Log().calibrated()
    assert (log.state(), log.watch.role, log.watch.calibrated) == ("stable", "night", True)


def test_nothing_that_is_read_during_it_is_suspicious() -> None:
    log = Log().reference().calibrate([*noise(20), 1e6])
    assert log.state() == "recalibrating"
    assert log.watch.detector.level == 0


def test_texts_that_moved_are_none_of_its_business() -> None:
    assert Log().reference().calibrate(noise(9)).texts().texts(p=1e-9).state() == "recalibrating"


def test_readings_that_hang_together_want_more_of_them() -> None:
    """Every second reading is like the one before: of twice as many, every second counts."""
    values = [value for value in noise(CALIBRATION, seed=3) for _ in range(2)]
    log = Log().reference().calibrate(values[:CALIBRATION])
    thin = log.watch.thin
    assert thin is not None
    assert thin > 1
    assert (log.state(), log.watch.calibration.target) == ("recalibrating", thin * CALIBRATION)
    log.calibrate(noise(thin * CALIBRATION - CALIBRATION - 1, seed=5))
    assert log.state() == "recalibrating"
    log.calibrate([0.0])
    assert (log.state(), len(log.watch.detector.history["p"])) == ("stable", CALIBRATION)


def test_it_goes_on_after_an_outage_where_it_was() -> None:
    log = Log().reference().calibrate(noise(10)).miss()
    assert log.state() == "unmeasurable"
    log.calibrate(noise(1))
    assert (log.state(), log.watch.readings) == ("recalibrating", REFERENCE + 11)


def test_a_gross_swap_ends_it_by_the_fast_lane() -> None:
    assert Log().reference().calibrate(noise(20)).alarm("fast").state() == "changed"


def test_an_epoch_that_is_accepted_begins_it_and_forgets_all_but_what_it_cost() -> None:
    log = Log().calibrated().nights(noise(3)).texts().texts(p=1e-9).alarm("texts")
    cost, after = log.watch.cost, log.begin().watch
    assert (log.state(), after.role, after.readings) == ("recalibrating", "reference", 0)
    assert (after.alarm, after.texts, after.checked, after.nights, after.detector.history) == (None, None, None, [], {})
    assert cost is not None
    assert after.cost == cost + 0.5  # choosing the probes anew
