"""The nightly detector: false alarms a year, how soon it finds a shift, ties, gaps, and correlated nights."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from statistics import NormalDist, median

import pytest
from msgspec import to_builtins
from scipy import stats as scipy_stats

from promptops.core.statistics.rank_detector import NIGHTS, RankDetector, lag_one, rank_score


def alarmed_after(values: list[float], calibration: int, seed: int) -> int | None:
    """The night (from 1) of the first alarm; None: none."""
    rng, detector = random.Random(seed), RankDetector()
    detector.calibrate("p", values[:calibration])
    for night, value in enumerate(values[calibration:], start=1):
        if detector.add({"p": value}, {"p": rng.random() or 0.5}) == "changed":
            return night
    return None


@pytest.mark.parametrize("noise", ["normal", "heavy tails", "ties", "constants"])
def test_a_year_of_the_same_raises_no_more_alarms_than_promised(noise: str) -> None:
    rng = random.Random(3)
    draws: dict[str, Callable[[], float]] = {
        "normal": lambda: rng.gauss(0, 1),
        "heavy tails": lambda: rng.gauss(0, 1) / abs(rng.gauss(0, 1)) ** 0.5,
        "ties": lambda: float(rng.random() < 0.9),
        "constants": lambda: 1.0,
    }
    draw, years = draws[noise], 60
    alarms = sum(alarmed_after([draw() for _ in range(395)], 30, seed) is not None for seed in range(years))
    assert alarms <= scipy_stats.binom.ppf(0.999, years, 0.1)


@pytest.mark.parametrize(("shift", "nights"), [(4.0, 6), (-4.0, 6), (2.0, 9)])
def test_a_shift_is_found_within_days(shift: float, nights: int) -> None:
    found = []
    for seed in range(40):
        rng = random.Random(seed)
        values = [rng.gauss(0, 1) for _ in range(60)] + [rng.gauss(shift, 1) for _ in range(40)]
        found.append(alarmed_after(values, 60, seed) or 99)
    assert median(found) <= nights


def test_the_mean_of_the_detector_grows_by_one_a_night() -> None:
    """The martingale itself: over all ranks of one night, with a fine grid of draws."""
    total = 0.0
    for n in range(2000):
        detector = RankDetector()
        detector.calibrate("p", [1.0, 1.0])
        detector.add({"p": 1.0}, {"p": (n + 0.5) / 2000})
        total += detector.level
    assert total / 2000 == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("history", [[], [5.0], [1.0, 2.0, 2.0, 3.0]])
def test_a_rank_is_normal_where_ties_are_broken_at_random(history: list[float]) -> None:
    scores = [rank_score(5.0, [5.0] * 7, (n + 0.5) / 500) for n in range(500)]
    assert scipy_stats.kstest(scores, "norm").pvalue > 0.5
    if history:
        assert rank_score(99.0, history, 0.5) > rank_score(-99.0, history, 0.5)


def test_a_score_by_hand() -> None:
    # 2 below, 1 equal, of 5 with itself, a draw of .25: (2 + .25 · 2) / 5 = .5
    assert rank_score(3.0, [1.0, 2.0, 3.0, 4.0], 0.25) == pytest.approx(0.0, abs=1e-12)
    assert rank_score(9.0, [1.0, 2.0, 3.0], 0.5) == pytest.approx(NormalDist().inv_cdf(3.5 / 4))


def test_more_endpoints_raise_the_bar_for_each() -> None:
    assert RankDetector(endpoints=12).threshold == 12 * NIGHTS


def test_a_probe_that_was_not_measured_waits() -> None:
    detector = RankDetector()
    for probe in ("a", "b"):
        detector.calibrate(probe, [float(n) for n in range(30)])
    detector.add({"a": 99.0}, {"a": 0.5})
    assert detector.parts["b"] == [0.0] * 10
    assert (len(detector.history["a"]), len(detector.history["b"])) == (31, 30)


def test_stored_and_given_back_it_goes_on_as_if_nothing_had_been() -> None:
    rng = random.Random(9)
    one = RankDetector()
    one.calibrate("p", [rng.gauss(0, 1) for _ in range(30)])
    nights = [(rng.gauss(1, 1), rng.random()) for _ in range(20)]
    for value, draw in nights[:10]:
        one.add({"p": value}, {"p": draw})
    other = RankDetector(**json.loads(json.dumps(to_builtins(one))))
    for value, draw in nights[10:]:
        assert one.add({"p": value}, {"p": draw}) == other.add({"p": value}, {"p": draw})
    assert one == other


def test_watch_comes_before_changed() -> None:
    rng, detector, seen = random.Random(1), RankDetector(), []
    detector.calibrate("p", [rng.gauss(0, 1) for _ in range(60)])
    while "changed" not in seen:
        seen.append(detector.add({"p": rng.gauss(3, 1)}, {"p": rng.random()}))
    assert list(dict.fromkeys(seen)) == ["stable", "watch", "changed"]


def test_what_makes_no_sense_is_refused() -> None:
    detector = RankDetector()
    with pytest.raises(ValueError, match="without calibration"):
        detector.add({"p": 1.0}, {"p": 0.5})
    with pytest.raises(ValueError, match="finite"):
        detector.calibrate("p", [float("nan")])
    detector.calibrate("p", [1.0])
    with pytest.raises(ValueError, match="finite"):
        detector.add({"p": float("inf")}, {"p": 0.5})
    with pytest.raises(ValueError, match="between 0 and 1"):
        detector.add({"p": 1.0}, {"p": 1.0})
    detector.add({"p": 1.0}, {"p": 0.5})
    with pytest.raises(ValueError, match="before the first night"):
        detector.calibrate("p", [1.0])


def test_nights_that_hang_together_are_noticed_and_thinned() -> None:
    rng, value, values = random.Random(2), 0.0, []
    for _ in range(300):
        value = 0.5 * value + rng.gauss(0, 1)
        values.append(value)
    found = lag_one(values)
    assert not found.fine
    assert found.value == pytest.approx(0.5, abs=0.12)
    assert found.thin is not None
    assert lag_one(values[:: found.thin]).fine


def test_nights_that_hang_together_for_long_are_refused() -> None:
    assert lag_one([float(n) for n in range(60)]).thin is None


def test_independent_nights_are_rarely_called_correlated() -> None:
    rng = random.Random(4)
    called = sum(not lag_one([rng.gauss(0, 1) for _ in range(60)]).fine for _ in range(400))
    assert called <= scipy_stats.binom.ppf(0.999, 400, 0.06)


def test_an_outlier_does_not_decide_and_constants_are_fine() -> None:
    assert lag_one([1.0] * 40) == lag_one([2.0] * 40)
    assert lag_one([1.0] * 40).fine
    assert not lag_one([1.0] * 5).fine


def test_the_newest_values_are_kept_and_ranked_among_alone() -> None:
    rng = random.Random(4)
    kept, fresh = RankDetector(), RankDetector()
    kept.calibrate("p", [float(rng.randrange(6)) for _ in range(50)])
    kept.keep("p", 20)
    fresh.calibrate("p", list(kept.history["p"]))
    for _ in range(60):
        value, draw = {"p": float(rng.randrange(6))}, {"p": 0.01 + 0.98 * rng.random()}
        kept.add(value, draw)
        fresh.add(value, draw)
        assert sorted(kept.history["p"]) == kept.ordered["p"]
        for one in (kept, fresh):
            one.keep("p", 20)
    assert len(kept.history["p"]) == 20
    assert kept.level == fresh.level


def test_a_detector_that_was_stored_ranks_as_before() -> None:
    rng = random.Random(5)
    one = RankDetector()
    one.calibrate("p", [rng.gauss(0, 1) for _ in range(30)])
    one.add({"p": 0.5}, {"p": 0.5})
    stored = {
        "endpoints": 1,
        "history": {"p": list(one.history["p"])},
        "parts": {"p": list(one.parts["p"])},
        "nights": 1,
    }
    again = RankDetector(**stored)  # type: ignore[arg-type]
    for detector in (one, again):
        detector.add({"p": -0.25}, {"p": 0.25})
    assert one.level == again.level
