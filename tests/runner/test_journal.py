"""Group commit: durable before delivered, in order, many at once; an error stops it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from promptops.errors import StoreError
from promptops.models import Reply, Sample
from promptops.runner.journal import GroupCommit
from tests.runner.fakes import key


def sample(number: int) -> Sample:
    return Sample(key(number), "", Reply("x"))


class Disk:
    """A journal that writes when it is let, and remembers its groups."""

    def __init__(self, error: Exception | None = None) -> None:
        self.groups: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()
        self.busy = threading.Event()
        self.error = error

    def wants(self, sample: Sample) -> bool:
        return True

    def write(self, samples: Sequence[Sample]) -> None:
        self.busy.set()
        assert self.free.wait(20)
        if self.error is not None:
            raise self.error
        self.groups.append([int(sample.key.case[1:]) for sample in samples])

    @property
    def written(self) -> list[int]:
        return [number for group in self.groups for number in group]


class Inbox:
    """Checks of each sample that it is durable."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.numbers: list[int] = []
        self.errors: list[BaseException] = []

    def deliver(self, item: Sample | BaseException) -> None:
        if isinstance(item, BaseException):
            self.errors.append(item)
            return
        number = int(item.key.case[1:])
        assert number in self.disk.written
        self.numbers.append(number)


def test_nothing_is_delivered_before_it_is_durable_and_while_one_is_written_others_gather() -> None:
    disk = Disk()
    inbox = Inbox(disk)

    async def feed() -> None:
        commits = GroupCommit(disk, inbox.deliver)
        disk.free.clear()
        commits.add(sample(0))
        await asyncio.to_thread(disk.busy.wait, 20)
        for number in range(1, 100):
            commits.add(sample(number))
        await asyncio.sleep(0.05)
        assert inbox.numbers == []
        assert commits.pending == 100
        disk.free.set()
        await commits.close()
        assert commits.pending == 0

    asyncio.run(feed())
    assert disk.groups == [[0], list(range(1, 100))]
    assert inbox.numbers == list(range(100))


def test_closing_delivers_the_rest_and_ends_the_thread() -> None:
    disk = Disk()
    inbox = Inbox(disk)

    async def feed() -> None:
        commits = GroupCommit(disk, inbox.deliver)
        for number in range(5):
            commits.add(sample(number))
        await commits.close()
        await commits.close()

    asyncio.run(feed())
    assert inbox.numbers == list(range(5))
    for thread in [thread for thread in threading.enumerate() if thread.name == "promptops-journal"]:
        thread.join(20)
        assert not thread.is_alive()


def test_what_cannot_be_written_is_never_delivered_and_the_error_is() -> None:
    disk = Disk(StoreError("full"))
    inbox = Inbox(disk)

    async def feed() -> None:
        commits = GroupCommit(disk, inbox.deliver)
        commits.add(sample(0))
        await asyncio.to_thread(disk.busy.wait, 20)
        commits.add(sample(1))
        await commits.close()

    asyncio.run(feed())
    assert inbox.numbers == []
    assert [str(error) for error in inbox.errors] == ["full"]


def test_an_error_of_somebody_else_waits_for_its_turn() -> None:
    disk = Disk()
    inbox = Inbox(disk)

    async def feed() -> None:
        commits = GroupCommit(disk, inbox.deliver)
        commits.add(sample(0))
        commits.add(ValueError("the plan ends here"))
        commits.add(sample(1))
        await commits.close()

    asyncio.run(feed())
    assert (inbox.numbers, disk.written) == ([0, 1], [0, 1])
    assert [str(error) for error in inbox.errors] == ["the plan ends here"]
