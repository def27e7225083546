"""One call for each alarm: two runs at once, a run that was cut off, one that failed, an epoch that was accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from promptops.core.nightly.events import AlarmRaised, AnyEvent, EpochBegun
from promptops.core.nightly.messages import Told
from promptops.core.nightly.watch import fold
from promptops.models import Pin
from promptops.runner.nightly.endpoints import Endpoint
from promptops.runner.nightly.night import Seen
from promptops.runner.nightly.posting import Undelivered
from promptops.runner.nightly.telling import deliver
from promptops.store.drift_log import FolderLog
from promptops.times import Clock, SimulatedClock

NAME = "test/model-1"


class Cut(BaseException):
    """The process is gone."""


class Hook:
    name = "slack"

    def __init__(self) -> None:
        self.calls: list[list[Told]] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def tell(self, told: Sequence[Told], clock: Clock) -> str:
        self.calls.append(list(told))
        self.meanwhile()
        return "told slack"


class World:
    def __init__(self, folder: Path) -> None:
        self.log, self.hook, self.said = FolderLog(folder), Hook(), list[str]()
        self.clock = SimulatedClock(datetime(2026, 11, 1, 3, 17, tzinfo=UTC))
        self.epoch(1)

    def epoch(self, number: int) -> None:
        at = "2026-11-01T03:17:00Z"
        begun = EpochBegun(
            endpoint=NAME, epoch=number, at=at, seed=5, size="tiny", prompts=[], reference=4, calibration=30, spacing=0
        )
        alarm = AlarmRaised(endpoint=NAME, epoch=number, at=at, lane="fast", reason="far off")
        self.log.append(lambda _: list[AnyEvent]([begun, alarm]))

    def seen(self) -> Seen:
        watch = fold(self.log.read())[NAME]
        return Seen(Endpoint(Pin.parse(NAME), "", ("greet@v1",)), watch, "changed")

    def deliver(self, seen: Seen | None = None) -> None:
        deliver(self.hook, [seen or self.seen()], {}, self.log, self.clock, self.said.append)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def cut() -> None:
    raise Cut


def test_two_runs_at_once_are_one_call(world: World) -> None:
    other = world.seen()
    world.hook.meanwhile = lambda: world.deliver(other)
    world.deliver()
    assert len(world.hook.calls) == 1
    assert "slack: another run is telling of test/model-1" in world.said[0]
    world.deliver(other)  # it looked before the first one had told, and tells after
    assert len(world.hook.calls) == 1


def test_a_run_that_was_cut_off_is_told_once_more_under_the_same_name(world: World) -> None:
    world.hook.meanwhile = cut
    with pytest.raises(Cut):
        world.deliver()
    world.hook.meanwhile = lambda: None
    world.clock.sleep(-1200)  # the clock of another machine
    world.deliver()
    world.clock.sleep(1200 + 599)
    world.deliver()
    assert len(world.hook.calls) == 1
    world.clock.sleep(2)
    world.deliver()
    world.deliver()
    ((first,), (second,)) = world.hook.calls
    assert (first.alarm, first.again, second.again) == (second.alarm, False, True)


def test_what_could_not_be_delivered_is_tried_by_the_very_next_run(world: World) -> None:
    def out() -> None:
        raise Undelivered("it answered with status 503")

    world.hook.meanwhile = out
    with pytest.raises(Undelivered):
        world.deliver()
    world.hook.meanwhile = lambda: None
    world.deliver()
    assert [told.again for (told,) in world.hook.calls] == [False, False]


def test_the_alarm_of_a_new_epoch_is_told_although_the_old_one_was_told_after_it_began(world: World) -> None:
    world.hook.meanwhile = lambda: world.epoch(2)
    world.deliver()
    world.hook.meanwhile = lambda: None
    world.deliver()
    assert [told.epoch for (told,) in world.hook.calls] == [1, 2]
    assert len({told.alarm for (told,) in world.hook.calls}) == 2
