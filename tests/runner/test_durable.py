"""The engine and its journal: durable before reported, and what was measured before is not asked again."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.errors import StoreError
from promptops.models import Failure, Mode, PlannedSample, Reply, Sample
from promptops.runner.background import BackgroundEngine
from promptops.runner.engine import Engine, EngineSettings
from promptops.runner.events import Event, RunFinished, SampleDone
from promptops.runner.journal import Resumed
from tests.runner.fakes import Asker, Memory, key, missing, plan, planned, recorded


class Journal:
    """Remembers what is durable; may be told to wait, or to fail."""

    def __init__(self, error: Exception | None = None, wants: Callable[[Sample], bool] = lambda _: True) -> None:
        self.kept: list[str] = []
        self.free = threading.Event()
        self.free.set()
        self.error = error
        self._wants = wants

    def wants(self, sample: Sample) -> bool:
        return self._wants(sample)

    def write(self, samples: Sequence[Sample]) -> None:
        assert self.free.wait(20)
        if self.error is not None:
            raise self.error
        self.kept += [sample.key.case for sample in samples]


def live(asker: Asker, journal: Journal, **settings: object) -> EngineSettings:
    base = EngineSettings("live", concurrency=4, open_client=lambda: asker, journal=journal)
    return replace(base, **settings)


def run(engine: Engine, see: Callable[[Sample], None] = lambda _: None) -> list[Event]:
    async def collect() -> list[Event]:
        events = []
        async for event in engine.events():
            if isinstance(event, SampleDone):
                see(event.sample)
            events.append(event)
        return events

    return asyncio.run(collect())


def before(*numbers: int) -> Callable[[PlannedSample], Sample | None]:
    """What an earlier process of the same run measured of these cases."""
    cases = {key(number).case for number in numbers}
    return lambda wanted: Resumed(wanted.key, wanted.digest, Reply("before")) if wanted.key.case in cases else None


def texts(events: list[Event]) -> dict[str, str]:
    found = [event.sample for event in events if isinstance(event, SampleDone)]
    return {sample.key.case: sample.reply.text if sample.reply else "" for sample in found}


def test_a_sample_is_durable_before_anybody_sees_it() -> None:
    journal = Journal()
    seen: list[str] = []

    def see(sample: Sample) -> None:
        assert sample.key.case in journal.kept
        seen.append(sample.key.case)

    run(Engine(plan(200), live(Asker(), journal)), see)
    assert len(seen) == len(set(seen)) == 200


def test_a_slow_disk_keeps_nobody_from_asking() -> None:
    asker, journal = Asker(), Journal()
    journal.free.clear()
    engine = BackgroundEngine(plan(20), live(asker, journal), look_ahead=20).start()
    deadline = time.monotonic() + 60
    while len(asker.asked) < 20 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(asker.asked) == 20
    assert engine.get(key(0), timeout=0.1) is None
    journal.free.set()
    assert engine.get(key(0), timeout=20) is not None
    engine.close()


def test_what_waits_for_the_disk_counts_as_on_its_way() -> None:
    journal = Journal()
    journal.free.clear()

    async def look() -> None:
        engine = Engine(plan(3), live(Asker(), journal))
        events = engine.events()
        await anext(events)
        first = asyncio.ensure_future(anext(events))
        while engine.in_flight != 3:  # noqa: ASYNC110 - nothing says so
            await asyncio.sleep(0.001)
        journal.free.set()
        await first
        await events.aclose()

    asyncio.run(asyncio.wait_for(look(), 20))


def test_a_disk_that_is_full_ends_the_run_and_nothing_is_reported_that_is_not_durable() -> None:
    seen: list[Sample] = []
    with pytest.raises(StoreError, match="full"):
        run(Engine(plan(50), live(Asker(), Journal(StoreError("full")))), seen.append)
    assert seen == []


def test_what_a_journal_does_not_want_is_handed_on_at_once() -> None:
    journal = Journal(wants=lambda sample: sample.source != "recorded")
    settings = live(Asker(), journal, mode="new", find=lambda p: recorded(p) if p.key == key(0) else missing(p))
    assert texts(run(Engine(plan(3), settings))) == {"c0": "recorded", "c1": "live", "c2": "live"}
    assert sorted(journal.kept) == ["c1", "c2"]


def test_a_plan_that_raises_does_so_after_what_was_measured_is_durable_and_reported() -> None:
    def bad_plan() -> Iterator[Planned]:
        yield from plan(5)
        raise ValueError("the dataset ends here")

    journal, sink = Journal(), Memory()
    seen: list[Sample] = []
    with pytest.raises(ValueError, match="the dataset ends here"):
        run(Engine(bad_plan(), live(Asker(), journal, concurrency=1, sinks=[sink])), seen.append)
    assert {sample.key.case for sample in seen} <= set(journal.kept)
    assert journal.kept[:3] == sink.cases[:3] == ["c0", "c1", "c2"]


def test_leaving_early_keeps_what_was_measured() -> None:
    journal, asker = Journal(), Asker()

    async def leave() -> None:
        events = Engine(plan(50), live(asker, journal, concurrency=1)).events()
        async for event in events:
            if isinstance(event, SampleDone):
                break
        await events.aclose()

    asyncio.run(leave())
    assert journal.kept == asker.asked[: len(journal.kept)]
    assert len(journal.kept) >= len(asker.asked) - 2, "all but what was in flight"


# --- resuming ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["live", "record", "new"])
def test_what_the_run_measured_before_is_not_asked_again(mode: Mode) -> None:
    asker, journal, sink = Asker(), Journal(wants=lambda s: not isinstance(s, Resumed)), Memory()
    settings = live(asker, journal, mode=mode, find=missing, resumed=before(0, 1, 3), sinks=[sink])
    events = run(Engine(plan(5), settings))
    assert texts(events) == {"c0": "before", "c1": "before", "c2": "live", "c3": "before", "c4": "live"}
    assert sorted(asker.asked) == sorted(journal.kept) == ["c2", "c4"]
    assert sorted(sink.cases) == ["c0", "c1", "c2", "c3", "c4"], "recordings take them as if they were fresh"
    assert isinstance(events[-1], RunFinished)
    assert (events[-1].asked, events[-1].resumed) == (2, 3)
    assert events[-1].cost == pytest.approx(0.02)


def test_a_recording_of_somebody_else_beats_what_the_run_measured() -> None:
    """In mode new; what the run itself had recorded before it was killed is as fresh as the rest of it."""
    mine = replace(recorded(planned(1)), reply=Reply("before"), recorded_at="2026-11-22T07:15:00Z")
    known = {"c0": recorded(planned(0)), "c1": mine}
    resumed = {
        name: Resumed(found.key, found.request, Reply("before"), recorded_at="2026-11-22T07:15:00Z")
        for name, found in known.items()
    }
    settings = live(
        Asker(),
        Journal(),
        mode="new",
        find=lambda p: known.get(p.key.case) or missing(p),
        resumed=lambda p: resumed.get(p.key.case),
    )
    events = run(Engine(plan(2), settings))
    found = {e.sample.key.case: e.sample for e in events if isinstance(e, SampleDone)}
    assert (found["c0"].reply, found["c0"].source) == (Reply("recorded"), "recorded")
    assert (found["c1"].reply, found["c1"].source) == (Reply("before"), "live")


def test_what_may_not_be_asked_is_not_resumed_either() -> None:
    stale = Failure("stale_recording", "the request changed")
    settings = live(Asker(), Journal(), mode="new", resumed=before(0))
    settings = replace(settings, find=lambda p: Sample(p.key, p.digest, failure=stale))
    events = run(Engine([planned(0, released=True)], settings))
    assert [e.sample.failure for e in events if isinstance(e, SampleDone)] == [stale]
