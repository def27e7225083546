"""The engine: order, sources by mode, cancelling, budgets, writing."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.errors import StoreError
from promptops.models import Failure, Mode, Reply, Sample
from promptops.runner.engine import Engine, EngineSettings
from promptops.runner.events import Event, RunFinished, RunStarted, SampleDone
from tests.providers.virtual import now
from tests.providers.virtual import run as simulate
from tests.runner.fakes import Asker, Memory, key, missing, plan, planned, recorded


def run(engine: Engine) -> list[Event]:
    async def collect() -> list[Event]:
        return [event async for event in engine.events()]

    return asyncio.run(collect())


def samples(events: list[Event]) -> list[Sample]:
    return [event.sample for event in events if isinstance(event, SampleDone)]


def finished(events: list[Event]) -> RunFinished:
    assert isinstance(events[-1], RunFinished)
    return events[-1]


def live(asker: Asker, **settings: object) -> EngineSettings:
    return replace(EngineSettings("live", concurrency=4, open_client=lambda: asker), **settings)


def test_events_begin_and_end_a_run() -> None:
    events = run(Engine(plan(3), live(Asker(), planned=3, run="r1")))
    assert events[0] == RunStarted("live", 3, "r1")
    assert len(samples(events)) == 3
    assert finished(events).asked == 3
    assert finished(events).cost == pytest.approx(0.03)


def test_samples_start_in_the_order_of_the_plan_and_never_too_many_at_once() -> None:
    asker = Asker(0.001)
    run(Engine(plan(50), live(asker)))
    assert asker.asked == [f"c{number}" for number in range(50)]
    assert asker.peak == 32, "eight times the concurrency: the client keeps to it, and some wait for their next attempt"
    assert asker.closed


def test_replay_makes_no_client() -> None:
    events = run(Engine(plan(5), EngineSettings("replay", find=missing)))
    assert all(sample.failure and sample.failure.kind == "missing_recording" for sample in samples(events))
    assert (finished(events).failed, finished(events).asked) == (5, 0)


@pytest.mark.parametrize(("mode", "asked"), [("new", ["c1"]), ("live", ["c0", "c1"]), ("record", ["c0", "c1"])])
def test_where_samples_come_from(mode: Mode, asked: list[str]) -> None:
    asker = Asker()
    settings = live(asker, mode=mode, find=lambda p: recorded(p) if p.key == key(0) else missing(p))
    events = run(Engine(plan(2), settings))
    assert asker.asked == asked
    assert finished(events).recorded == 2 - len(asked)


@pytest.mark.parametrize(
    ("kind", "released", "asks"),
    [
        ("stale_recording", True, False),
        ("edited_recording", True, False),
        ("missing_recording", True, True),
        ("edited_recording", False, True),
    ],
)
def test_new_replaces_nothing_that_a_released_version_relies_on(kind: str, released: bool, asks: bool) -> None:
    asker = Asker()
    failure = Failure(kind, "told")  # type: ignore[arg-type]
    settings = live(asker, mode="new", find=lambda p: Sample(p.key, p.digest, failure=failure))
    events = run(Engine([planned(0, released=released)], settings))
    assert bool(asker.asked) is asks
    assert (samples(events)[0].failure == failure) is not asks


def test_no_client_is_made_where_everything_is_recorded() -> None:
    opened: list[Asker] = []

    def open_client() -> Asker:
        opened.append(Asker())
        return opened[-1]

    run(Engine(plan(9), EngineSettings("new", find=recorded, open_client=open_client)))
    assert not opened


def test_a_case_that_cannot_be_rendered_costs_only_itself() -> None:
    broken = Sample(key(7), "", failure=Failure("template", "no"))
    found = samples(run(Engine([planned(0), broken, planned(1)], live(Asker()))))
    assert {sample.key.case: sample.failure for sample in found} == {"c0": None, "c7": broken.failure, "c1": None}


def test_secrets_are_gone_before_anybody_sees_a_sample() -> None:
    sink = Memory()
    settings = live(Asker(), sinks=[sink], redacted=lambda s: replace(s, reply=Reply("[redacted]")))
    events = run(Engine(plan(2), settings))
    assert {s.reply.text for s in (*samples(events), *sink.batches[0]) if s.reply} == {"[redacted]"}


def test_a_plan_that_raises_ends_the_run_and_keeps_what_is_done() -> None:
    def bad_plan() -> Iterator[Planned]:
        yield planned(0)
        yield planned(1)
        raise ValueError("the dataset ends here")

    sink, asker = Memory(), Asker()
    with pytest.raises(ValueError, match="the dataset ends here"):
        run(Engine(bad_plan(), live(asker, concurrency=1, sinks=[sink])))
    assert sink.cases[0] == "c0"
    assert asker.closed


def test_a_sink_that_cannot_write_ends_the_run() -> None:
    with pytest.raises(StoreError, match="disk full"):
        run(Engine(plan(3), live(Asker(), sinks=[Memory(StoreError("disk full"))])))


def test_cancel_keeps_what_is_done_and_does_not_wait_for_slow_replies() -> None:
    sink, asker = Memory(), Asker(0.02)
    engine = Engine(plan(10_000), live(asker, sinks=[sink]))

    async def collect() -> list[Event]:
        events = []
        async for event in engine.events():
            events.append(event)
            if len(events) == 9:
                asker.latency = 60.0
                engine.cancel()
        return events

    began = time.monotonic()
    events = asyncio.run(collect())
    assert time.monotonic() - began < 30
    assert finished(events).cancelled
    assert 8 <= len(sink.cases) == len(samples(events)) <= 2 * 32
    assert asker.stopped
    assert asker.closed


def test_leaving_the_iteration_early_writes_what_is_done() -> None:
    sink = Memory()

    async def leave() -> None:
        events = Engine(plan(1000), live(Asker(0.01), sinks=[sink])).events()
        async for event in events:
            if isinstance(event, SampleDone) and event.sample.key == key(5):
                break
        await events.aclose()

    asyncio.run(leave())
    assert "c5" in sink.cases


def test_a_long_plan_needs_no_memory() -> None:
    async def count() -> int:
        return sum([1 async for _ in Engine(plan(20_000), EngineSettings("replay", find=recorded)).events()])

    asyncio.run(count())  # warm
    tracemalloc.start()
    assert asyncio.run(count()) >= 20_002
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3_000_000


def test_nothing_but_the_model_takes_time() -> None:
    async def seconds() -> float:
        began = now()
        async for _ in Engine(plan(320), live(Asker(0.05), concurrency=32)).events():
            pass
        return now() - began

    assert simulate(seconds()) == pytest.approx(2 * 0.05)  # 256 at once are asked for: the client keeps to the 32
