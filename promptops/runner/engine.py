"""Turns a plan into samples: from recordings, from a provider, or both. It never judges and prints nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.models import Mode, PlannedSample, Sample
from promptops.runner.batches import BatchWriter, Sink
from promptops.runner.events import Event, RunFinished, RunStarted, SampleDone
from promptops.runner.gate import Gate
from promptops.runner.journal import GroupCommit, Item, Journal
from promptops.runner.tally import Tally

_PER_PLACE = 8  # samples on their way for each request in flight: one that waits for its next attempt leaves its place
SAY_EVERY = 1.0  # seconds between two reports of progress
CANCEL_GRACE = 0.5  # seconds that requests in flight get after a cancel


class Asker(Protocol):
    """What asks a provider: `providers.client.Client`, or a fake."""

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask once (with its own retries); a failure is a sample too."""
        ...

    def stop(self) -> None:
        """Send nothing more: what waits for its turn ends as `cancelled`, what is in flight goes on."""
        ...

    async def aclose(self) -> None:
        """Close connections."""
        ...


class EngineSettings(Struct, frozen=True):
    """How an engine works.

    `concurrency` is requests in flight, `planned` the number of samples where it is known, `run` the id in the run
    store. `find` looks a sample up in the recordings (a sample with a failure where there is none), `open_client`
    makes what asks, in the engine's own loop and only when the first request is due; `redacted` removes secrets from a
    fresh sample before anybody sees it. `journal` keeps what was asked before anybody else sees it; `resumed` looks up
    what the same run measured before this process (None: it has to be asked; a failure: it goes on after its `earlier`
    answers). `follow` says what judges are to be asked about a reply: a sample is handed on with their answers.
    """

    mode: Mode
    concurrency: int = 16
    planned: int | None = None
    run: str | None = None
    find: Callable[[PlannedSample], Sample] | None = None
    open_client: Callable[[], Asker] | None = None
    redacted: Callable[[Sample], Sample] | None = None
    sinks: Sequence[Sink] = ()
    journal: Journal | None = None
    resumed: Callable[[PlannedSample], Sample | None] | None = None
    follow: Callable[[Sample], Sequence[Planned]] | None = None


class Engine:
    """One run of one plan. `events` may be iterated once; `cancel` may be called from its own loop at any time.

    Samples are started in the order of the plan, and never more than `gate` allows ahead of what was consumed. An
    engine without a gate counts a sample as consumed when the iterator goes on.
    """

    def __init__(self, plan: Iterable[Planned], settings: EngineSettings, *, gate: Gate | None = None) -> None:
        self._plan: Iterator[Planned] = iter(plan)
        self._settings = settings
        self._external = gate is not None
        self.gate = gate or Gate(4 * settings.concurrency + 64)
        self._client: Asker | None = None
        self._found: asyncio.Queue[Item | None] = asyncio.Queue()
        self._commits: GroupCommit | None = None
        self._workers: list[asyncio.Task[None]] = []
        self._ending: asyncio.Task[None] | None = None
        self._stopping = self._dropped = False
        self._broken: Exception | None = None
        self._asking = self._handing = 0
        self._silent: dict[int, Sample] = {}

    @property
    def in_flight(self) -> int:
        """Samples that are being looked for, asked or written, and will be handed on without anybody's help."""
        return self._asking + self._handing + (self._commits.pending if self._commits is not None else 0)

    def cancel(self) -> None:
        """Start nothing more; what is in flight gets half a second, then is dropped. What is done is kept."""
        if not self._stopping:
            self._stopping = True
            self.gate.open()
            if self._client is not None:
                self._client.stop()
            asyncio.get_running_loop().call_later(CANCEL_GRACE, self._abort)

    def _abort(self) -> None:
        for worker in self._workers:
            worker.cancel()

    async def events(self) -> AsyncGenerator[Event, None]:
        """Yield `RunStarted`, a `SampleDone` for each sample as it comes, `Progress` now and then, and `RunFinished`.

        Raises `StoreError` when something cannot be written, and whatever the plan raises.
        """
        settings, began, tally = self._settings, time.monotonic(), Tally(self._settings.planned)
        said = began
        writers = [BatchWriter(sink) for sink in settings.sinks]
        try:
            yield RunStarted(settings.mode, settings.planned, settings.run)
            async for sample in self._samples():
                for each in (sample, *sample.answers):
                    tally.count(each)
                    for writer in writers:
                        await writer.add(each)
                yield SampleDone(sample)
                self._handing -= 1
                if not self._external:
                    self.gate.consumed()
                if time.monotonic() >= said + SAY_EVERY:
                    said = time.monotonic()
                    yield tally.progress()
        finally:
            await self._shut(writers)
        yield tally.progress()
        yield RunFinished(
            tally.asked,
            tally.recorded,
            tally.cached,
            tally.failed,
            tally.cost,
            max((writer.written for writer in writers), default=0),
            time.monotonic() - began,
            cancelled=self._stopping and (self._dropped or next(self._plan, None) is not None),
            resumed=tally.resumed,
        )

    async def _samples(self) -> AsyncGenerator[Sample, None]:
        """Run the workers and hand on what they find, once it is durable, until the last of them ends."""
        if self._settings.journal is not None:
            self._commits = GroupCommit(self._settings.journal, self._deliver)
        count = 1 if self._settings.open_client is None else _PER_PLACE * self._settings.concurrency
        self._workers = [asyncio.create_task(self._work()) for _ in range(count)]
        self._ending = asyncio.create_task(self._end())
        while (item := await self._found.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    async def _end(self) -> None:
        """Wait until no worker finds anything more, and what was found is durable."""
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._commits is not None:
            await self._commits.close()
        self._found.put_nowait(self._broken)

    async def _work(self) -> None:
        try:
            while not self._stopping:
                await self.gate.enter()
                if (planned := self._next()) is None:
                    self.gate.leave()
                    break
                self._asking += 1
                try:
                    sample = await self._one(planned)
                    if self._was_stopped(sample):
                        self._dropped = True
                        break
                    self._hand_on(await self._judged(planned, sample))
                except asyncio.CancelledError:
                    self._dropped = True
                    raise
                finally:
                    self._asking -= 1
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        except BaseException as error:  # carried to the consumer after what was found before, raised there
            (self._commits.add if self._commits is not None else self._deliver)(error)

    def _deliver(self, item: Item) -> None:
        if self._silent and self._silent.pop(id(item), None) is not None:
            return
        self._handing += isinstance(item, Sample)
        self._found.put_nowait(item)

    async def _judged(self, planned: Planned, sample: Sample) -> Sample:
        """The sample with what judges answer about it: asked as everything else is, in the same run."""
        follow = self._settings.follow
        if follow is None or sample.reply is None or isinstance(planned, Sample) or not (wanted := follow(sample)):
            return sample
        self._keep(sample)
        answers = await asyncio.gather(*(self._one(each) for each in wanted))
        for answer in answers:
            self._keep(answer)
        return replace(sample, answers=tuple(answers))

    def _keep(self, sample: Sample) -> None:
        """Make a sample durable that is handed on later, or with another."""
        if self._commits is not None and self._settings.journal is not None and self._settings.journal.wants(sample):
            self._silent[id(sample)] = sample
            self._commits.add(sample)

    def _was_stopped(self, sample: Sample) -> bool:
        """Whether the client was told to stop before it asked for this sample."""
        return self._stopping and sample.failure is not None and sample.failure.kind == "cancelled"

    def _hand_on(self, sample: Sample) -> None:
        if self._commits is not None and self._settings.journal is not None and self._settings.journal.wants(sample):
            self._commits.add(sample)
        else:
            self._deliver(sample)

    def _next(self) -> Planned | None:
        """The next of the plan; where it raises, what is on its way is finished first."""
        try:
            return None if self._stopping else next(self._plan, None)
        except Exception as error:
            self._broken = error
            return None

    async def _one(self, planned: Planned) -> Sample:
        if isinstance(planned, Sample):
            return planned
        settings, recorded = self._settings, None
        if settings.find is not None and settings.mode in ("replay", "new"):
            recorded = settings.find(planned)
            if settings.mode == "replay" or (recorded.reply is None and not may_ask(planned, recorded)):
                return recorded
        mine = settings.resumed(planned) if settings.resumed is not None else None
        if recorded is not None and recorded.reply is not None:
            return mine if mine is not None and _is_recording_of(recorded, mine) else recorded
        if mine is not None and mine.reply is not None:
            return mine
        sample = await self._ask(planned if mine is None else replace(planned, begun=mine.earlier))
        return settings.redacted(sample) if settings.redacted is not None else sample

    async def _ask(self, planned: PlannedSample) -> Sample:
        if self._client is None:
            if self._settings.open_client is None:
                raise RuntimeError("an engine in a mode that asks needs open_client")
            self._client = self._settings.open_client()
        return await self._client.sample(planned)

    async def _shut(self, writers: Sequence[BatchWriter]) -> None:
        self._stopping = self._stopping or any(not worker.done() for worker in self._workers)
        self._abort()
        if self._ending is not None:
            await self._ending
        try:
            for writer in writers:
                await writer.close()
        finally:
            if self._client is not None:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._client.aclose(), CANCEL_GRACE)


def may_ask(planned: PlannedSample, found: Sample) -> bool:
    """Whether mode `new` asks where the recordings have no valid sample.

    What a released version was accepted with is not replaced in passing: a stale or edited recording of it stays a
    failure. Nor is asked what could not be written. Everything else is asked.
    """
    if found.failure is not None and found.failure.kind == "unreadable_recordings":
        return False
    return not planned.released or found.failure is None or found.failure.kind == "missing_recording"


def _is_recording_of(recorded: Sample, mine: Sample) -> bool:
    """Whether a recording is what this run itself wrote before it was killed: then it is as fresh as the rest."""
    if recorded.reply is None or mine.reply is None:
        return False
    same = (recorded.reply.text, recorded.reply.latency) == (mine.reply.text, mine.reply.latency)
    return same and recorded.recorded_at == mine.recorded_at
