"""The loop that whoever waits runs in his own thread."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from promptops.runner.shared_loop import NEGLECTED, SharedLoop


class Work:
    """Counts in the loop until it is told to end, and notes in which threads."""

    def __init__(self, gap: float = 0.001) -> None:
        self.count, self.gap, self.end = 0, gap, False
        self.threads: set[str] = set()
        self.loop: SharedLoop | None = None

    async def __call__(self) -> None:
        assert self.loop is not None
        while not self.end:
            await asyncio.sleep(self.gap)
            self.count += 1
            self.threads.add(threading.current_thread().name)
            self.loop.tell()


@contextmanager
def shared(work: Work) -> Iterator[SharedLoop]:
    loop = work.loop = SharedLoop("second")
    loop.begin(work)
    try:
        yield loop
    finally:
        work.end = True
        loop.join(10)
        assert loop.over


def until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_who_waits_runs_it_and_goes_on_as_soon_as_he_is_told() -> None:
    work = Work()
    with shared(work) as loop:
        loop.run(lambda: work.count >= 5, 20)
        assert work.count == 5
        assert "MainThread" in work.threads


def test_waiting_ends_with_the_time() -> None:
    work = Work(gap=60)
    with shared(work) as loop:
        began = time.monotonic()
        loop.run(lambda: work.count > 0, 0.05)
        assert work.count == 0
        assert time.monotonic() - began >= 0.05
        loop.call(lambda: [task.cancel() for task in asyncio.all_tasks()])


def test_a_second_thread_runs_it_while_nobody_else_does() -> None:
    work = Work()
    with shared(work):
        until(lambda: work.count >= 3)
        assert work.threads == {"second"}


def test_it_changes_hands_as_often_as_one_likes_and_nothing_is_lost() -> None:
    work = Work(gap=0.0)
    with shared(work) as loop:
        for turn in range(20):
            target = work.count + 50
            if turn % 2:
                loop.run(lambda target=target: work.count >= target, 60)  # type: ignore[misc]
            else:
                time.sleep(2 * NEGLECTED)
                until(lambda target=target: work.count >= target)  # type: ignore[misc]
        assert work.threads == {"MainThread", "second"}


def test_passing_by_does_a_little_and_never_waits() -> None:
    work = Work(gap=0.0)
    with shared(work) as loop:
        for _ in range(200):
            loop.pass_by()
            time.sleep(0.001)
        assert work.count > 0
        assert "MainThread" in work.threads


def test_where_a_loop_runs_already_the_second_thread_does_it() -> None:
    work = Work()
    with shared(work) as loop:

        async def inside() -> None:
            loop.run(lambda: work.count >= 5, 20)
            loop.pass_by()

        asyncio.run(inside())
        assert work.count >= 5
        assert work.threads == {"second"}


def test_an_interrupt_comes_through_and_hurts_nothing_in_the_loop() -> None:
    work = Work()
    with shared(work) as loop:
        for _ in range(5):
            timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            with pytest.raises(KeyboardInterrupt):
                while True:
                    loop.run(lambda: False, 5)
            timer.join()
        before = work.count
        loop.run(lambda: work.count > before + 3, 20)
        assert work.count > before
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_left_in_the_loop_is_ended() -> None:
    ended = []

    async def leftover() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            ended.append(threading.current_thread().name)

    class Leaves(Work):
        async def __call__(self) -> None:
            self.task = asyncio.create_task(leftover())
            await asyncio.sleep(0)

    with shared(Leaves()) as loop:
        until(lambda: loop.over)
    assert len(ended) == 1
    loop.call(lambda: ended.append("too late"))
    loop.run(lambda: False, 0.01)
    loop.pass_by()
    assert len(ended) == 1
