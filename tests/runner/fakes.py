"""Plans and askers for tests of the runner: no prompt, no network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey

PIN = Pin("test", "model-1")


def key(number: int) -> SampleKey:
    return SampleKey("greet", "v1", str(PIN), f"c{number}")


def planned(number: int, *, released: bool = False) -> PlannedSample:
    request = Request(PIN, (Message("user", f"question {number}"),))
    return PlannedSample(key(number), request, f"sha256:{number:064x}", released)


def plan(count: int) -> Iterator[PlannedSample]:
    return (planned(number) for number in range(count))


def recorded(wanted: PlannedSample) -> Sample:
    return Sample(wanted.key, wanted.digest, Reply("recorded"), source="recorded")


def missing(wanted: PlannedSample) -> Sample:
    return Sample(wanted.key, wanted.digest, failure=Failure("missing_recording", "not there"), source="recorded")


class Asker:
    """Answers after `latency` seconds; counts what was asked and the most that was in flight."""

    def __init__(self, latency: float = 0.0, answer: Callable[[PlannedSample], Sample] | None = None) -> None:
        self.latency, self.answer = latency, answer
        self.asked: list[str] = []
        self.peak = self.flying = 0
        self.closed = self.stopped = False

    async def sample(self, wanted: PlannedSample) -> Sample:
        self.asked.append(wanted.key.case)
        self.flying += 1
        self.peak = max(self.peak, self.flying)
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.flying -= 1
        return self.answer(wanted) if self.answer else Sample(wanted.key, wanted.digest, Reply("live"), cost=0.01)

    def stop(self) -> None:
        self.stopped = True

    async def aclose(self) -> None:
        self.closed = True


class Memory:
    """A sink that remembers its batches."""

    def __init__(self, error: Exception | None = None) -> None:
        self.batches: list[list[Sample]] = []
        self.error = error

    def wants(self, sample: Sample) -> bool:
        return sample.reply is not None

    def write(self, samples: Sequence[Sample]) -> None:
        if self.error is not None:
            raise self.error
        self.batches.append(list(samples))

    @property
    def cases(self) -> list[str]:
        return [sample.key.case for batch in self.batches for sample in batch]
