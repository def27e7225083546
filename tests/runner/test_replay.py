"""A replay without an engine says what an engine says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from promptops.core.plan import Planned
from promptops.errors import ProblemsError
from promptops.models import Failure, PlannedSample, Sample
from promptops.runner.engine import Engine, EngineSettings
from promptops.runner.events import Event, Progress, RunFinished, RunStarted, SampleDone
from promptops.runner.replay import replayed
from tests.runner.fakes import key, missing, plan, recorded


def a_plan() -> Iterator[Planned]:
    for planned in plan(40):
        broken = Sample(planned.key, "", failure=Failure("template", "a value is missing"))
        yield broken if planned.key == key(7) else planned


def find(wanted: PlannedSample) -> Sample:
    return missing(wanted) if wanted.key == key(9) else recorded(wanted)


SETTINGS = EngineSettings(mode="replay", planned=40, run="r1", find=find)


def engine_events() -> list[Event]:
    async def collected() -> list[Event]:
        return [event async for event in Engine(a_plan(), SETTINGS).events()]

    return asyncio.run(collected())


def test_the_events_are_those_of_an_engine() -> None:
    theirs, mine = engine_events(), list(replayed(a_plan(), SETTINGS))
    assert [type(event) for event in mine] == [type(event) for event in theirs]
    assert [event.sample for event in mine if isinstance(event, SampleDone)] == [
        event.sample for event in theirs if isinstance(event, SampleDone)
    ]
    assert mine[0] == theirs[0] == RunStarted("replay", 40, "r1")
    ended, other = mine[-1], theirs[-1]
    assert isinstance(ended, RunFinished)
    assert isinstance(other, RunFinished)
    assert (ended.recorded, ended.failed, ended.asked) == (other.recorded, other.failed, other.asked) == (38, 2, 0)
    progress = mine[-2]
    assert isinstance(progress, Progress)
    assert (progress.done, progress.recorded, progress.failures) == (40, 38, {"template": 1, "missing_recording": 1})


def test_samples_are_found_as_they_are_taken() -> None:
    found: list[str] = []

    def note(wanted: PlannedSample) -> Sample:
        found.append(wanted.key.case)
        return recorded(wanted)

    events = replayed(plan(1_000), EngineSettings(mode="replay", find=note))
    for _ in range(3):
        next(events)
    assert found == ["c0", "c1"]


def test_what_the_plan_raises_passes() -> None:
    def broken() -> Iterator[Planned]:
        yield from plan(1)
        raise ProblemsError([])

    with pytest.raises(ProblemsError):
        list(replayed(broken(), SETTINGS))
