"""The engine in a thread: fetched by key, or iterated; cancelled, closed, and noticed when dead."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from promptops.core.plan import Planned
from promptops.runner.background import BackgroundEngine, EngineDied, EventStream
from promptops.runner.engine import EngineSettings
from promptops.runner.events import RunFinished, SampleDone
from tests.runner.fakes import Asker, Memory, key, plan, planned, recorded


def live(asker: Asker, concurrency: int = 4) -> EngineSettings:
    return EngineSettings("live", concurrency=concurrency, open_client=lambda: asker)


def settled(asker: Asker, count: int) -> None:
    """Wait until so many were asked for, and then a little longer, in which there should be no more."""
    deadline = time.monotonic() + 60
    while len(asker.asked) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.1)


@pytest.mark.parametrize("order", ["forward", "backward"])
def test_every_sample_is_fetched_once_in_any_order(order: str) -> None:
    asker = Asker(0.001)
    numbers = list(range(60))
    with BackgroundEngine(plan(60), live(asker)) as engine:
        for number in numbers if order == "forward" else reversed(numbers):
            sample = engine.get(key(number), timeout=10)
            assert sample is not None
            assert sample.reply is not None
    assert len(asker.asked) == 60
    assert engine.finished is not None
    assert not engine.finished.cancelled


def test_it_asks_no_further_ahead_than_allowed() -> None:
    asker = Asker()
    with BackgroundEngine(plan(100), live(asker), look_ahead=10) as engine:
        engine.get(key(0), timeout=60)
        settled(asker, 10)
        assert 10 <= len(asker.asked) <= 11


def test_what_nobody_fetches_does_not_stop_the_rest() -> None:
    with BackgroundEngine(plan(100), live(Asker()), look_ahead=5) as engine:
        assert engine.get(key(99), timeout=10) is not None


def test_dropped_samples_make_room() -> None:
    asker = Asker()
    with BackgroundEngine(plan(30), live(asker), look_ahead=10) as engine:
        engine.drop([key(number) for number in range(10)])
        settled(asker, 20)
        assert len(asker.asked) == 20


def test_waiting_ends_with_none_after_the_time_out() -> None:
    with BackgroundEngine(plan(1), live(Asker(600.0))) as engine:
        began = time.monotonic()
        assert engine.get(key(0), timeout=0.1) is None
        assert time.monotonic() - began < 60


def test_after_a_cancel_what_never_came_is_cancelled_and_what_came_is_there() -> None:
    engine = BackgroundEngine(plan(10_000), live(Asker(0.05), 2)).start()
    assert engine.get(key(0), timeout=60) is not None
    began = time.monotonic()
    engine.cancel()
    sample = engine.get(key(9_000), timeout=60)
    assert sample is not None
    assert sample.failure is not None
    assert sample.failure.kind == "cancelled"
    engine.close()
    engine.close()
    assert time.monotonic() - began < 60
    assert not engine.alive


def test_a_sample_that_nobody_promised_is_a_bug_and_no_outage() -> None:
    with BackgroundEngine(plan(2), live(Asker())) as engine:
        assert engine.get(key(0), timeout=60) is not None
        assert engine.get(key(1), timeout=60) is not None
        with pytest.raises(EngineDied, match="was fetched before"):
            engine.get(key(0), timeout=60)


def test_what_killed_the_engine_is_raised_where_it_is_waited_for() -> None:
    def bad_plan() -> Iterator[Planned]:
        yield planned(0)
        raise ValueError("no such file")

    engine = BackgroundEngine(bad_plan(), live(Asker())).start()
    with pytest.raises(ValueError, match="no such file"):
        engine.get(key(1), timeout=60)
    assert isinstance(engine.error, ValueError)
    engine.close()


def test_closing_writes_what_is_done() -> None:
    sink = Memory()
    settings = EngineSettings("live", concurrency=2, open_client=lambda: Asker(0.01), sinks=[sink])
    engine = BackgroundEngine(plan(1000), settings, look_ahead=1000).start()
    engine.get(key(5), timeout=60)
    engine.close()
    assert "c5" in sink.cases
    assert len(sink.cases) < 1000


def test_no_thread_stays() -> None:
    with BackgroundEngine(plan(10), EngineSettings("replay", find=recorded)) as engine:
        engine.get(key(3), timeout=60)
    assert not [thread for thread in threading.enumerate() if thread.name == "promptops-engine"]


def test_events_are_iterated_as_they_come() -> None:
    with EventStream(plan(500), live(Asker(), 8)) as events:
        listed = list(events)
    assert sum(isinstance(event, SampleDone) for event in listed) == 500
    assert isinstance(listed[-1], RunFinished)


def test_a_paced_stream_waits_for_what_is_consumed_but_not_for_ever() -> None:
    asker = Asker()
    with EventStream(plan(30), live(asker, 2), paced=4) as events:
        listed = threading.Thread(target=lambda: list(events))
        listed.start()
        settled(asker, 4)
        assert len(asker.asked) == 4
        events.consumed(6)
        settled(asker, 10)
        assert len(asker.asked) == 10
        listed.join(20)
    assert len(asker.asked) == 30


def test_a_stream_raises_what_killed_the_engine() -> None:
    def bad_plan() -> Iterator[Planned]:
        yield planned(0)
        raise ValueError("gone")

    with EventStream(bad_plan(), live(Asker())) as events, pytest.raises(ValueError, match="gone"):
        list(events)


_SCRIPT = """
import sys, time
sys.path.insert(0, ".")
from tests.runner.fakes import *
from promptops.runner.background import BackgroundEngine
from promptops.runner.engine import EngineSettings

class Sink(Memory):
    def write(self, samples):
        print("wrote", len(samples), flush=True)

settings = EngineSettings("live", concurrency=2, open_client=lambda: Asker(0.02), sinks=[Sink()])
engine = BackgroundEngine(plan(100_000), settings, look_ahead=100).start()
for number in range(5):
    engine.get(key(number))
print("ready", flush=True)
{wait}
"""


@pytest.mark.parametrize(
    ("wait", "interrupt"),
    [
        ("engine.get(key(50_000))", True),  # in the middle of a wait that would never end
        ("", False),  # a consumer that forgot to close
    ],
)
def test_the_process_ends_and_keeps_what_was_done(wait: str, interrupt: bool) -> None:
    program = [sys.executable, "-c", _SCRIPT.format(wait=wait)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if interrupt:
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
    assert "wrote" in out, err
    assert ("KeyboardInterrupt" in err) is interrupt
