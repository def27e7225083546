"""The watch from the first epoch to the alarm, on a simulated clock."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.config import DriftConfig
from promptops.core.nightly.attribution import Factor
from promptops.core.nightly.events import ProbesChosen
from promptops.core.nightly.sizes import PROMPTS
from promptops.core.nightly.surprise import SURPRISE
from promptops.core.nightly.watch import ALL_INPUTS
from promptops.models import Sample
from promptops.reporting.nightly import watch_lines
from promptops.runner.nightly.asking import Probe
from promptops.runner.nightly.choosing import choose
from promptops.runner.nightly.experiments import _asked
from promptops.runner.nightly.night import Seen
from promptops.store.drift_log import DriftLog, FolderLog, StoreLog
from promptops.times import SimulatedClock
from tests.runner.nightly.world import BEGIN, Model, Watched, heavy


@pytest.fixture(params=["folder", "store"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> DriftLog:
    return FolderLog(tmp_path / "drift") if request.param == "folder" else StoreLog(tmp_path / "store" / "store.db")


def test_an_epoch_is_calibrated_over_hours_and_then_watched(tmp_path: Path, log: DriftLog) -> None:
    world = Watched(tmp_path, log=log)
    world.watch.accept(world.pins, reason="the first")
    assert [seen.state for seen in world.watch.visit()] == ["recalibrating"]
    before = world.model.asked
    world.clock.sleep(60)
    world.watch.visit()
    assert world.model.asked == before  # the next one is not due for an hour
    seen = world.calibrated().night(3)
    assert (seen.state, len(seen.watch.nights), seen.watch.calibrated) == ("stable", 3, True)
    assert world.model.asked == before + (4 + 30 - 1 + 3) * 10


def test_a_second_run_in_one_night_asks_nothing(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    world.night()
    asked = world.model.asked
    world.clock.sleep(3600)
    (seen,) = world.watch.visit()
    assert (world.model.asked, seen.read, seen.state) == (asked, False, "stable")


def test_a_gross_swap_is_found_the_same_night_by_three_looks_ten_minutes_apart(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    world.night(5)
    world.model.shift = 3.0
    asked, begin = world.model.asked, world.clock.now()
    seen = world.night()
    assert seen.state == "changed"
    assert seen.watch.alarm is not None
    assert seen.watch.alarm.lane == "fast"
    assert world.model.asked == asked + 30
    assert (world.clock.now() - begin).total_seconds() == 24 * 3600 + 2 * 600


def test_a_hiccup_that_is_gone_ten_minutes_later_is_no_alarm(tmp_path: Path) -> None:
    model = Model(noise=0.0)
    world = Watched(tmp_path, model=model).calibrated()
    sleep = world.clock.sleep

    def recovering(seconds: float) -> None:
        sleep(seconds)
        if seconds == 600:
            model.shift = 0.0

    world.clock.sleep = recovering  # type: ignore[method-assign]
    model.shift = 3.0
    seen = world.night()
    assert (seen.state, seen.watch.alarm) == ("watch", None)


def test_a_small_shift_is_found_by_the_detector_within_days(tmp_path: Path) -> None:
    settings = DriftConfig(size="standard", reference=8, calibration=40)
    world = Watched(tmp_path, settings=settings).calibrated()
    world.night(10)
    world.model.shift = 0.04  # a block of 30 calls has a standard deviation of .009
    nights = 1
    while (seen := world.night()).state != "changed" and nights < 15:
        nights += 1
    assert seen.watch.alarm is not None
    assert seen.watch.alarm.lane == "detector"
    assert nights <= 9


def test_what_changed_stays_changed_until_a_person_accepts_it(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    world.model.shift = 3.0
    world.night()
    world.model.shift = 0.0
    assert world.night(3).state == "changed"
    (begun,) = world.watch.accept(world.pins, reason="the vendor announced it")
    assert begun.epoch == 2
    (seen,) = world.look()
    assert (seen.state, seen.watch.alarm) == ("recalibrating", None)


def test_an_outage_is_unmeasurable_and_never_an_alarm(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    world.model.down = True
    seen = world.night(7)
    assert (seen.state, seen.why, seen.watch.alarm) == (
        "unmeasurable",
        "1 of 1 probes could not be asked: refused",
        None,
    )
    world.model.down = False
    assert world.night().state == "stable"


def test_an_outage_of_the_first_reading_chooses_no_tier(tmp_path: Path) -> None:
    world = Watched(tmp_path, model=Model(down=True))
    world.watch.accept(world.pins, reason="")
    (seen,) = world.watch.visit()
    assert (seen.state, seen.why, seen.watch.chosen) == ("unmeasurable", "refused", None)


def test_another_temperature_is_found_by_the_tokens_that_come(tmp_path: Path) -> None:
    """The log probabilities stay as they were."""
    settings = DriftConfig(size="standard", reference=8, calibration=40)
    world = Watched(tmp_path, settings=settings).calibrated()
    world.night(5)
    world.model.temperature = 0.6
    nights = 1
    while (seen := world.night()).state != "changed" and nights < 12:
        nights += 1
    assert seen.watch.alarm is not None
    assert seen.watch.alarm.lane == "detector"
    assert nights <= 9
    assert seen.watch.last is not None
    assert seen.watch.last.values[SURPRISE] > 3
    assert SURPRISE not in seen.watch.last.blocks  # the fast lane is for distances
    assert _pin(world, seen).said == "moved"
    world.model.temperature = 1.0
    assert _pin(world, seen).said == "did not move"


def _pin(world: Watched, seen: Seen) -> Factor:
    """What the experiment says of the model itself, when it asks the probes once more."""
    _, pin = _asked(world.watch, seen, [seen])
    return pin


def test_an_endpoint_that_refuses_temperature_1_is_asked_at_0_without_the_number(tmp_path: Path) -> None:
    world = Watched(tmp_path, model=Model(cold=True)).calibrated()
    seen = world.night(2)
    assert seen.watch.chosen is not None
    assert (seen.state, seen.watch.chosen.tier, seen.watch.chosen.drawn) == ("stable", "1a", False)
    assert seen.watch.last is not None
    assert list(seen.watch.last.values) == list(seen.watch.detector.history) == [PROMPTS[0]]


def test_an_epoch_that_began_without_the_number_goes_on_without_it_until_the_next(tmp_path: Path) -> None:
    """Its log has no word of it: that of an epoch in which temperature 1 was refused is the same, byte for byte."""
    world = Watched(tmp_path, model=Model(cold=True)).calibrated()
    assert "drawn" not in "".join(path.read_text("utf-8") for path in (tmp_path / "drift").iterdir())
    world.model.cold = False
    seen = world.night(3)
    assert (seen.state, len(seen.watch.nights)) == ("stable", 3)
    assert "at temperature 0" in "\n".join(line.text for line in watch_lines([seen], world.clock.now()))
    world.watch.accept(world.pins, reason="to see which tokens come")
    seen = world.calibrated().night()
    assert set(seen.watch.detector.history) == {PROMPTS[0], SURPRISE}


def test_a_prompt_that_is_called_like_the_number_is_asked_without_it(tmp_path: Path) -> None:
    settings = DriftConfig(size="tiny", reference=4, calibration=30, prompts=[SURPRISE])
    seen = Watched(tmp_path, settings=settings).calibrated().night()
    assert seen.watch.chosen is not None
    assert (seen.state, seen.watch.chosen.drawn) == ("stable", False)


def test_an_answer_that_ends_at_once_is_no_outage(tmp_path: Path) -> None:
    """Every fourth reply has no token, and so no log probabilities."""

    class Ending(Model):
        def _answer(self, probe: Probe) -> Sample:
            found = super()._answer(probe)
            if self.asked % 4 or found.reply is None:
                return found
            return replace(found, reply=replace(found.reply, text="", logprobs=()))

    seen = Watched(tmp_path, model=Ending()).calibrated().night(3)
    assert (seen.state, len(seen.watch.nights)) == ("stable", 3)


def test_without_log_probabilities_border_inputs_are_watched(tmp_path: Path) -> None:
    settings = DriftConfig(size="standard", reference=8, calibration=40)
    world = Watched(tmp_path, model=Model(logprobs=False), settings=settings).calibrated()
    seen = world.night(3)
    assert seen.watch.chosen is not None
    assert (seen.state, seen.watch.chosen.tier, seen.watch.chosen.varying) == ("stable", "1b", 15)
    assert (seen.watch.requests, seen.watch.chosen.repeats) == (180, 12)
    world.model.shift = 1.0
    nights = 1
    while (seen := world.night()).state != "changed" and nights < 12:
        nights += 1
    assert seen.state == "changed"
    assert nights <= 10  # eight in one of fifty


def test_an_epoch_from_before_the_deviance_goes_on_with_the_share_of_the_top_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(*args: Any) -> ProbesChosen:
        return choose(*args).model_copy(update={"repeats": 0})

    monkeypatch.setattr("promptops.runner.nightly.night.choose", before)
    settings = DriftConfig(size="standard", reference=8, calibration=30)
    world = Watched(tmp_path, model=Model(logprobs=False), settings=settings).calibrated()
    asked = world.model.asked
    seen = world.night()
    assert (world.model.asked - asked, seen.watch.requests) == (150, 150)  # ten times each
    assert seen.watch.last is not None
    assert 0 < seen.watch.last.values[ALL_INPUTS] < 1


def test_a_reply_that_is_missing_moves_no_deviance(tmp_path: Path) -> None:
    """Of twelve answers to a tie eleven come in some readings: the number is that of eleven."""

    class Losing(Model):
        def _answer(self, probe: Probe) -> Sample:
            found = super()._answer(probe)
            return replace(found, reply=None) if self.asked % 29 == 0 else found

    settings = DriftConfig(size="standard", reference=8, calibration=30)
    world = Watched(tmp_path, model=Losing(logprobs=False), settings=settings).calibrated()
    seen = world.night(4)
    assert seen.state == "stable"
    calls = [profile.calls for profile in seen.watch.reference().values()]
    assert 15 * 88 < sum(calls) < 15 * 96
    assert seen.watch.last is not None
    assert seen.watch.last.values[ALL_INPUTS] < 60  # 15 degrees of freedom


def test_without_log_probabilities_a_gross_swap_is_found_the_same_night(tmp_path: Path) -> None:
    settings = DriftConfig(size="standard", reference=8, calibration=30)
    world = Watched(tmp_path, model=Model(logprobs=False), settings=settings).calibrated()
    world.night(2)
    world.model.said = ("oui", "non")
    seen = world.night()
    assert seen.watch.alarm is not None
    assert (seen.state, seen.watch.alarm.lane) == ("changed", "fast")


def test_who_serves_is_a_notice_and_another_model_a_change(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    world.model.fingerprint, world.model.tokens = "fp-2", 11
    seen = world.night()
    assert seen.state == "stable"
    assert seen.notices == (
        "another fingerprint: fp-2 (so far fp-1)",
        "other prompt tokens are counted for 1 of 1 probes",
    )
    assert world.night().notices == ()
    world.model.served = "model-2"
    seen = world.night()
    assert (seen.state, seen.watch.alarm and seen.watch.alarm.lane) == ("changed", "identity")


def test_readings_that_hang_together_are_thinned_or_refused(tmp_path: Path) -> None:
    last = [0.0]

    class Slow(Model):
        def __call__(self, probes):  # type: ignore[no-untyped-def]
            last[0] = self.persistence * last[0] + self.rng.gauss(0, 1)
            self.shift = 1.0 + 0.2 * last[0]
            return super().__call__(probes)

        persistence = 0.6

    model = Slow(noise=0.001)
    world = Watched(tmp_path / "thin", model=model).calibrated()
    (seen,) = world.look()
    assert seen.watch.calibration.correlation is not None
    assert seen.watch.calibration.correlation.value > 0.2
    assert seen.watch.thin is None or seen.watch.thin > 1
    model.persistence = 0.95
    world = Watched(tmp_path / "refused", model=model).calibrated()
    seen = world.night()
    assert (seen.state, seen.watch.refused) == ("unmeasurable", True)
    assert "hang together" in seen.why


def test_tokens_that_hang_together_are_noticed_by_themselves(tmp_path: Path) -> None:
    """The log probabilities are fresh in every call; the temperature wanders from reading to reading."""
    last = [0.0]

    class Wandering(Model):
        def __call__(self, probes):  # type: ignore[no-untyped-def]
            last[0] = 0.97 * last[0] + self.rng.gauss(0, 0.25)
            self.temperature = 2.0 ** min(max(last[0], -2.0), 2.0)
            return super().__call__(probes)

    settings = DriftConfig(size="standard", reference=8, calibration=40)
    world = Watched(tmp_path, model=Wandering(), settings=settings).calibrated()
    (seen,) = world.look()
    assert seen.watch.calibration.correlation is not None
    assert not seen.watch.calibration.correlation.fine
    assert seen.watch.thin != 1


def test_two_runs_at_once_count_one_reading(tmp_path: Path) -> None:
    world = Watched(tmp_path).calibrated()
    other = Watched(tmp_path, model=Model(), clock=world.clock)
    world.clock.sleep(86_400)
    ask = world.watch.ask

    def late(probes):  # type: ignore[no-untyped-def]
        found = ask(probes)
        other.watch.visit()
        return found

    world.watch.ask = late
    (seen,) = world.watch.visit()
    assert len(seen.watch.nights) == 1
    assert world.told == ["test/model-1: another run has read it meanwhile; this reading is not counted"]


def test_lost_state_is_said_and_begins_nothing(tmp_path: Path, log: DriftLog) -> None:
    world = Watched(tmp_path, log=log).calibrated()
    asked = world.model.asked
    gone = FolderLog(tmp_path / "elsewhere")
    world.watch.log = gone
    (seen,) = world.watch.visit()
    assert (seen.state, world.model.asked) == ("unmeasurable", asked)
    assert seen.why.startswith("its state was lost: there is none in")
    assert not gone.begun()


def test_a_fleet_has_a_threshold_for_all_of_it(tmp_path: Path) -> None:
    world = Watched(tmp_path, pins=("test/a", "test/b", "test/c"), model=Model(served="a"))
    world.calibrated()
    (one, *_) = world.look()
    assert one.watch.detector.threshold == 3 * 3650


@pytest.mark.parametrize("draw", [heavy, lambda rng: 0.0, lambda rng: float(rng.random() < 0.03)])
def test_a_hundred_nights_without_a_change_raise_no_alarm(tmp_path: Path, draw: object) -> None:
    """Heavy tails, an endpoint without any noise, and one whose noise is a rare jump."""
    model = Model(draw=draw, rng=random.Random(11))  # type: ignore[arg-type]
    world = Watched(tmp_path, model=model, clock=SimulatedClock(BEGIN)).calibrated()
    seen = world.night(100)
    assert (seen.state, seen.watch.alarm, len(seen.watch.nights)) == ("stable", None, 100)


def test_near_ties_are_found_where_a_model_repeats_itself_and_where_it_takes_no_temperature_but_nought(
    tmp_path: Path,
) -> None:
    """Every fourth input is nearly a tie, which shows above temperature 0 alone."""

    class Steady(Model):
        def _answer(self, probe: Probe) -> Sample:
            found, warm = super()._answer(probe), bool(dict(probe.params)["temperature"])
            tie = warm and sum(probe.text.encode()) % 4 == 0
            text = self.draws.choice(self.said) if tie else self.said[0]
            return found if found.reply is None else replace(found, reply=replace(found.reply, text=text))

    settings = DriftConfig(size="standard", reference=8, calibration=30)
    for cold in (False, True):
        world = Watched(tmp_path / str(cold), model=Steady(logprobs=False, cold=cold), settings=settings)
        world.watch.accept(world.pins, reason="the first")
        (seen,) = world.watch.visit()
        assert seen.watch.chosen is not None
        ties = [sum(text.encode()) % 4 == 0 for text in seen.watch.chosen.texts]
        assert (sum(ties) == seen.watch.chosen.varying == 15) is not cold
