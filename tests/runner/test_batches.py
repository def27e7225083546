"""Batches: written as they come, rarer where writing is slow, everything at the end."""

from __future__ import annotations

import asyncio

import pytest

from promptops.errors import StoreError
from promptops.models import Reply, Sample
from promptops.runner.batches import BatchWriter
from tests.runner.fakes import Memory, key


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sample(number: int) -> Sample:
    return Sample(key(number), "", Reply("x"))


def test_a_batch_is_written_every_two_seconds_and_the_rest_at_the_end() -> None:
    clock, sink = Clock(), Memory()

    async def feed() -> None:
        writer = BatchWriter(sink, clock=clock)
        for number in range(50):
            clock.now += 0.1
            await writer.add(sample(number))
            await asyncio.sleep(0.001)
        assert 1 <= len(sink.batches) <= 3
        await writer.close()
        assert writer.written == 50

    asyncio.run(feed())
    assert sink.cases == [f"c{number}" for number in range(50)]


def test_slow_writing_is_done_less_often() -> None:
    clock, sink = Clock(), Memory()
    slow = sink.write

    def write(samples: list[Sample]) -> None:
        clock.now += 5.0
        slow(samples)

    sink.write = write  # type: ignore[method-assign, assignment]

    async def feed() -> None:
        writer = BatchWriter(sink, clock=clock)
        for number in range(400):
            clock.now += 0.1
            await writer.add(sample(number))
            await asyncio.sleep(0)
        await writer.close()

    asyncio.run(feed())
    assert len(sink.batches) <= 3
    assert len(sink.cases) == 400


def test_an_error_of_the_writer_reaches_the_run() -> None:
    async def feed() -> None:
        writer = BatchWriter(Memory(StoreError("full")))
        await writer.add(sample(0))
        with pytest.raises(StoreError, match="full"):
            await writer.close()

    asyncio.run(feed())
