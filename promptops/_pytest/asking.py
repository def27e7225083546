"""Asking: the one engine of a run, in this process or, under xdist, in the controller for all workers."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from promptops._pytest.progress import Display, progress_of
from promptops.core.plan import Planned
from promptops.models import Case, PlannedSample, Sample, SampleKey
from promptops.runner.background import BackgroundEngine, EventStream
from promptops.runner.events import SampleDone
from promptops.runner.session import Session, plan_target
from promptops.runner.sinks import RecordingSink, RunStoreSink
from promptops.runner.targets import Target
from promptops.store.runs import RUNNING, RunStore

if TYPE_CHECKING:
    from promptops.runner.batches import Sink
    from promptops.runner.engine import EngineSettings

Wanted = Sequence[tuple[Target, Case]]
_SLICE = 0.1  # seconds between two looks whether the engine still lives
_BATCH = 0.03  # seconds between two transactions of the pump: what a worker waits at most for a sample that is there


class ReplaySource:
    """Recordings of this process: no engine, no thread, no store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def samples(self, target: Target, case: Case) -> list[Sample]:
        """The recorded samples of one case."""
        planned = plan_target(target, [case])
        return [self._session.find(p) if isinstance(p, PlannedSample) else p for p in planned]


class Asked:
    """A run in the store, and the engine that fills it."""

    def __init__(self, session: Session, wanted: Wanted) -> None:
        self.session, self.wanted = session, wanted
        self.targets = list({id(target): target for target, _ in wanted}.values())
        self.progress = progress_of(session, wanted)
        self._recorders: list[RecordingSink] = []
        self.store = RunStore.in_folder(session.project.store_dir)
        self.run = self.store.start_run(
            "pytest",
            plan={"mode": session.mode, "targets": [target.name for target in self.targets], "cases": len(wanted)},
            environment=session.environment,
            command=" ".join(["pytest", *sys.argv[1:]]),
        )

    def plan(self) -> Iterator[Planned]:
        """Every wanted sample in the order of the items, lazily."""
        for target, case in self.wanted:
            yield from self.session.plan_cases(target, [case])

    def settings(self, *, stored: bool = True) -> EngineSettings:
        """The session's settings, with this run's number of samples; `stored`: the engine fills the run store."""
        sinks: list[Sink] = [self.progress, *([RunStoreSink(self.store, self.run)] if stored else [])]
        settings = self.session.engine_settings(self.targets, run=self.run, sinks=sinks)
        self._recorders = [sink for sink in settings.sinks if isinstance(sink, RecordingSink)]
        return replace(settings, planned=sum(target.samples for target, _ in self.wanted))

    @property
    def kept_back(self) -> int:
        """How many replies were not recorded, because an environment serves the version."""
        return sum(recorder.kept_back for recorder in self._recorders)

    def finish(self, status: str) -> None:
        """End the run with one word and give the store back."""
        self.store.finish_run(self.run, status)
        self.store.close()


def check_budget(session: Session, wanted: Wanted, budget: float) -> str:
    """The worst case in words; raises `pytest.UsageError` where it is over the budget, before anything is asked."""
    total, requests = 0.0, 0
    for target, case in wanted:
        for planned in session.plan_cases(target, [case]):
            if not isinstance(planned, PlannedSample):
                continue
            if session.mode == "new" and session.find(planned).reply is not None:
                continue
            worst = session.worst_case(planned.request)
            if worst is None:
                raise pytest.UsageError(
                    f"no price is known for {target.pin}, so a budget cannot be kept: "
                    f'set [tool.promptops.prices] "{target.pin}" = [input, output], in $ per million tokens'
                )
            total, requests = total + worst, requests + 1
    said = f"{requests} requests may cost ${total:.4f} at worst, the budget is ${budget:.4f}"
    if total > budget:
        raise pytest.UsageError(f"{said}: raise --promptops-budget, or select fewer cases; nothing was asked")
    return said


class LocalEngine:
    """Without xdist: the engine in a thread of this process."""

    def __init__(self, asked: Asked, *, eager: bool, display: Display) -> None:
        self._asked, self._display = asked, display
        settings = asked.settings()
        look_ahead = None if eager else settings.concurrency
        self._engine = BackgroundEngine(asked.plan(), settings, look_ahead=look_ahead).start()

    def samples(self, target: Target, case: Case) -> list[Sample]:
        """Wait for the samples of one case."""
        try:
            return [self._wait(key) for key in target.keys(case)]
        finally:
            self._display.clear()

    def _wait(self, key: SampleKey) -> Sample:
        """Wait in short loops, so that Ctrl-C and time-outs reach the item; raises what killed the engine."""
        while (sample := self._engine.get(key, _SLICE)) is None:
            self._display.tick()
        return sample

    def cancel(self) -> None:
        self._engine.cancel()

    def close(self) -> None:
        self._engine.close()


class Pump:
    """Under xdist, in the controller: moves what the engine finds into the store, where workers look for it.

    Not `eager`, it asks no further ahead of the items that workers reported than `consumed` allows.
    """

    def __init__(self, asked: Asked, *, eager: bool) -> None:
        self._asked = asked
        settings = asked.settings(stored=False)
        paced = None if eager else 2 * settings.concurrency
        self._engine = EventStream(asked.plan(), settings, paced=paced)
        self._found: deque[Sample] = deque()
        self._done = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=f"promptops-{target.__name__.strip('_')}", daemon=True)
            for target in (self._collect, self._write)
        ]
        self.error: BaseException | None = None

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def consumed(self, count: int) -> None:
        """A worker has reported an item with so many samples."""
        self._engine.consumed(count)

    def cancel(self) -> None:
        self._engine.cancel()

    def close(self) -> None:
        self._engine.cancel()
        for thread in self._threads:
            thread.join(15.0)

    def _collect(self) -> None:
        try:
            with self._engine as events:
                self._found.extend(event.sample for event in events if isinstance(event, SampleDone))
        except BaseException as error:
            self.error = error
        finally:
            self._done.set()

    def _write(self) -> None:
        try:
            ended = False
            while not ended:
                ended = self._done.wait(_BATCH)
                batch = [self._found.popleft() for _ in range(len(self._found))]
                self._asked.store.append(self._asked.run, batch)
        except BaseException as error:
            self.error = self.error or error
            self._engine.cancel()
        finally:
            status = "measured" if self.error is None else f"error: {self.error}"
            self._asked.store.finish_run(self._asked.run, status)


class StoreMailbox:
    """What an xdist worker reads of the controller's run."""

    def __init__(self, store_dir: Path, run: str) -> None:
        self._store, self._run = RunStore.in_folder(store_dir, read_only=True), run

    def get_many(self, keys: Sequence[SampleKey]) -> dict[SampleKey, Sample]:
        return self._store.get_many(self._run, keys)

    @property
    def ended(self) -> str | None:
        record = self._store.run(self._run)
        if record is None or record.status == RUNNING:
            return None
        return f"the run ended before this sample was asked ({record.status})"

    def close(self) -> None:
        self._store.close()
