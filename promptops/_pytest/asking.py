"""Asking: the one engine of a run, in this process or, under xdist, in the controller for all workers."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from promptops._pytest.progress import Display, progress_of
from promptops.core.plan import Planned
from promptops.errors import StoreError
from promptops.models import Case, Failure, PlannedSample, Sample, SampleKey
from promptops.runner.background import BackgroundEngine, EventStream
from promptops.runner.estimates import Estimate, estimate, to_ask
from promptops.runner.resuming import Resume, StoredRun
from promptops.runner.session import Session, plan_target
from promptops.runner.sinks import RecordingSink
from promptops.runner.targets import Target
from promptops.store.atomic import write_text
from promptops.store.runs import RunStore

if TYPE_CHECKING:
    from promptops.runner.engine import EngineSettings

Wanted = Sequence[tuple[Target, Case]]
_SLICE = 0.1  # seconds between two looks whether the engine still lives
_RUN, _ASKING, _WHY = "run.json", "asking", "why"
"""Files of the controller's folder: which run it is; there as long as samples come; why they do not any more."""


class ReplaySource:
    """Recordings of this process: no engine, no thread, no store."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def samples(self, target: Target, case: Case) -> list[Sample]:
        """The recorded samples of one case."""
        planned = plan_target(target, [case])
        return [self._session.find(p) if isinstance(p, PlannedSample) else p for p in planned]


class Asked:
    """A run in the store, begun or gone on with, and what an engine needs to fill it."""

    def __init__(self, session: Session, wanted: Wanted, resume: Resume) -> None:
        self.session, self.wanted = session, wanted
        self.targets = list({id(target): target for target, _ in wanted}.values())
        self.progress = progress_of(session, wanted)
        self._recorders: list[RecordingSink] = []
        self.stored = StoredRun.begin(
            session,
            "pytest",
            [(target, [case]) for target, case in wanted],
            plan={"mode": session.mode, "targets": [target.name for target in self.targets], "cases": len(wanted)},
            command=" ".join(["pytest", *sys.argv[1:]]),
            resume=resume,
        )

    @property
    def planned(self) -> int:
        """How many samples are wanted."""
        return sum(target.samples for target, _ in self.wanted)

    def plan(self) -> Iterator[Planned]:
        """Every wanted sample in the order of the items, lazily."""
        for target, case in self.wanted:
            yield from self.session.plan_cases(target, [case])

    def settings(self, *, every: bool = False) -> EngineSettings:
        """The session's settings, with this run's number of samples; `every`: recorded samples are stored too."""
        settings = self.session.engine_settings(self.targets, sinks=[self.progress])
        self._recorders = [sink for sink in settings.sinks if isinstance(sink, RecordingSink)]
        return self.stored.settings(replace(settings, planned=self.planned), every=every)

    @property
    def kept_back(self) -> int:
        """How many replies were not recorded, because an environment serves the version."""
        return sum(recorder.kept_back for recorder in self._recorders)

    def finish(self, status: str) -> None:
        """End the run with one word and give the store back; one that cannot be ended can be gone on with."""
        with suppress(StoreError):
            self.stored.finish(status)
        self.stored.close()


def outlook(asked: Asked) -> Estimate:
    """What is about to be asked, by a hundred of the cases: rendering them all would keep the first request waiting."""
    part = asked.wanted[:: max(1, len(asked.wanted) // 100)]
    plan = (planned for target, case in part for planned in asked.session.plan_cases(target, [case]))
    found = estimate(asked.session, asked.stored.outstanding(plan), ())
    return found.scaled(len(asked.wanted) / len(part))


def check_budget(asked: Asked, budget: float) -> str:
    """The worst case in words; raises `pytest.UsageError` where it is over the budget, before anything is asked."""
    session, total, requests = asked.session, 0.0, 0
    for planned in asked.stored.missing(asked.plan()):
        for asks in to_ask(session, planned):
            worst = session.worst_of(asks)
            if worst is None:
                raise pytest.UsageError(
                    f"no price is known for {asks.request.pin}, so a budget cannot be kept: "
                    f'set [tool.promptops.prices] "{asks.request.pin}" = [input, output], in $ per million tokens'
                )
            total, requests = total + worst, requests + 1 + asks.reask
    said = f"{requests} requests may cost ${total:.4f} at worst, the budget is ${budget:.4f}"
    if total > budget:
        raise pytest.UsageError(f"{said}: raise --promptops-budget, or select fewer cases; nothing was asked")
    return said


class LocalEngine:
    """Without xdist: the engine in a thread of this process."""

    def __init__(self, asked: Asked, *, eager: bool, display: Display) -> None:
        self._display = display
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
        """Wait in short loops, so that Ctrl-C and time-outs reach the item; an engine that died has no sample."""
        try:
            while (sample := self._engine.get(key, _SLICE)) is None:
                self._display.tick()
        except Exception as error:
            if error is not self._engine.error:
                raise
            return Sample(key, "", failure=Failure("cancelled", why_ended(error)))
        return sample

    def cancel(self) -> None:
        self._engine.cancel()

    def close(self) -> BaseException | None:
        """Wait until everything that is done has been written; returns what killed the engine."""
        self._engine.close()
        return self._engine.error


class Pump:
    """Under xdist, in the controller: lets the engine fill the store, where workers look for their samples.

    `folder` tells workers which run it is, and for how long they may wait. Not `eager`, it asks no further ahead of the
    items that workers reported than `consumed` allows.
    """

    def __init__(self, asked: Asked, folder: Path, *, eager: bool) -> None:
        settings = asked.settings(every=True)
        paced = None if eager else 2 * settings.concurrency
        self._engine = EventStream(asked.plan(), settings, paced=paced)
        self._thread = threading.Thread(target=self._collect, name="promptops-pump", daemon=True)
        self._folder = folder
        self.error: BaseException | None = None
        write_text(folder / _ASKING, "")
        write_text(folder / _RUN, json.dumps({"run": asked.stored.id, "round": asked.stored.round}))

    def start(self) -> None:
        self._thread.start()

    def consumed(self, count: int) -> None:
        """A worker has reported an item with so many samples."""
        self._engine.consumed(count)

    def cancel(self) -> None:
        self._engine.cancel()

    def close(self) -> BaseException | None:
        """Wait until everything that is done has been written; returns what killed the engine."""
        self._engine.cancel()
        self._thread.join(15.0)
        return self.error

    def _collect(self) -> None:
        try:
            with self._engine as events:
                for _ in events:
                    pass
        except BaseException as error:
            self.error = error
        finally:
            with suppress(StoreError):
                write_text(self._folder / _WHY, why_ended(self.error))
            (self._folder / _ASKING).unlink(missing_ok=True)  # removing works on a full disk too


class StoreMailbox:
    """What an xdist worker reads of the controller's run; to be opened once the run was begun."""

    def __init__(self, store_dir: Path, folder: Path) -> None:
        told = json.loads((folder / _RUN).read_text(encoding="utf-8"))
        self._run, self._round = str(told["run"]), int(told["round"])
        self._folder = folder
        self._store = RunStore.in_folder(store_dir, read_only=True)

    def get_many(self, keys: Sequence[SampleKey]) -> dict[SampleKey, Sample]:
        return self._store.get_many(self._run, keys, round_=self._round)

    @property
    def ended(self) -> str | None:
        if (self._folder / _ASKING).exists():
            return None
        try:
            return (self._folder / _WHY).read_text(encoding="utf-8")
        except OSError:
            return why_ended(None)

    def close(self) -> None:
        self._store.close()


def why_ended(error: BaseException | None) -> str:
    """Why a sample never came."""
    because = f" (error: {str(error) or type(error).__name__})" if error is not None else ""
    return f"the run ended before this sample was asked{because}"
