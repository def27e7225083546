"""A cache beside a run: read and written by a thread of its own, so that the loop waits for no disk and no network."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from promptops.errors import PromptopsError
from promptops.store.cache import ReplyCache

logger = logging.getLogger("promptops")

T = TypeVar("T")

PATIENCE = 5.0  # seconds that one look-up may take before the cache is given up
_BATCH = 64  # entries that are written at once
_AT_ONCE = 128  # jobs that are done together
_INTERVAL = 1.0  # seconds that an entry waits for others to be written with
_BACKLOG = 500  # entries that wait for a slow cache; further ones are not kept


class _Wanted(Struct, Generic[T]):
    """A look-up; `read` makes of an entry what is handed back, in the thread (None: it is no good)."""

    key: bytes
    read: Callable[[bytes], T | None]
    answer: asyncio.Future[T | None]
    found: T | None = None


class _Kept(Struct, frozen=True):
    """Something to keep; `make` makes the entry, in the thread (None: it is not kept)."""

    key: bytes
    make: Callable[[], bytes | None]


_Job: TypeAlias = "_Wanted[object] | _Kept | None"


class Shelf:
    """Looks entries up and keeps them, in batches as they come; belongs to one event loop.

    The first thing that goes wrong is one warning in the log; from then on nothing is found and nothing is kept, and
    the run goes on as if there were no cache. The thread starts with the first use.
    """

    def __init__(self, cache: ReplyCache, *, patience: float = PATIENCE) -> None:
        self._cache, self._patience = cache, patience
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Future[None] | None = None
        self._off = False
        self._closing = False
        self._pending: dict[bytes, bytes] = {}

    async def get(self, key: bytes, read: Callable[[bytes], T | None]) -> T | None:
        """What `read` makes of the entry of `key`; None where there is none, or none that is any good."""
        if self._off or self._closing:
            return None
        loop = self._started()
        wanted = _Wanted(key, read, loop.create_future())
        self._jobs.put(wanted)
        try:
            async with asyncio.timeout(self._patience):
                return await wanted.answer
        except TimeoutError:
            self._give_up(f"{self._cache.where} did not answer for {self._patience:g} s")
            return None

    def keep(self, key: bytes, make: Callable[[], bytes | None]) -> None:
        """Keep an entry, some time soon; where the cache cannot follow, it is not kept."""
        if not self._off and not self._closing and self._jobs.qsize() < _BACKLOG:
            self._started()
            self._jobs.put(_Kept(key, make))

    async def aclose(self) -> None:
        """Write what waits and close the cache. May be called twice; cancelled, the thread ends by itself."""
        if self._closing or self._thread is None:
            self._closing = True
            return
        self._closing = True
        self._jobs.put(None)
        if self._ended is not None:
            await asyncio.shield(self._ended)

    # --- the thread

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._ended = self._loop.create_future()
            self._thread = threading.Thread(target=self._serve, name="promptops-cache", daemon=True)
            self._thread.start()
        return self._loop

    def _serve(self) -> None:
        """Take what has come together, look it up, write when there is enough or it is time to."""
        due, ended = 0.0, False
        while not ended:
            jobs = self._next(due - time.monotonic() if self._pending else None)
            ended = None in jobs
            fresh = not self._pending
            self._take([job for job in jobs if isinstance(job, _Kept)])
            self._look_up([job for job in jobs if isinstance(job, _Wanted)])
            if fresh and self._pending:
                due = time.monotonic() + _INTERVAL
            if self._pending and (ended or len(self._pending) >= _BATCH or time.monotonic() >= due):
                self._write()
        with contextlib.suppress(Exception):
            self._cache.close()
        if self._ended is not None:
            self._tell(_settle, self._ended)

    def _next(self, wait: float | None) -> list[_Job]:
        """All jobs that are there; waits for the first, at most `wait` seconds (None: for ever)."""
        jobs: list[_Job] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self._jobs.get(timeout=None if wait is None else max(0.0, wait)))
            while len(jobs) < _AT_ONCE:
                jobs.append(self._jobs.get_nowait())
        return jobs

    def _take(self, kept: list[_Kept]) -> None:
        for job in kept:
            data = None if self._off else _quietly(job.make)
            if data is not None:
                self._pending[job.key] = data

    def _look_up(self, wanted: list[_Wanted[object]]) -> None:
        if not wanted:
            return
        found: dict[bytes, bytes] = {}
        if not self._off:
            try:
                found = self._cache.get_many({job.key for job in wanted} - self._pending.keys())
            except PromptopsError as error:
                self._give_up(str(error))
        found |= {job.key: self._pending[job.key] for job in wanted if job.key in self._pending}
        for job in wanted:
            if (data := found.get(job.key)) is not None:
                job.found = _quietly(lambda job=job, data=data: job.read(data))  # type: ignore[misc]
        self._tell(_answer, wanted)

    def _write(self) -> None:
        batch, self._pending = self._pending, {}
        if not self._off:
            try:
                self._cache.put_many(batch)
            except PromptopsError as error:
                self._give_up(str(error))

    def _give_up(self, why: str) -> None:
        if not self._off:
            self._off = True
            logger.warning("%s; this run goes on without the cache", why)

    def _tell(self, what: Callable[..., None], argument: object) -> None:
        """Do something in the loop, unless it is gone: a run that was dropped waits for nothing."""
        with contextlib.suppress(RuntimeError):
            if self._loop is not None:
                self._loop.call_soon_threadsafe(what, argument)


def _answer(wanted: list[_Wanted[object]]) -> None:
    for job in wanted:
        if not job.answer.done():
            job.answer.set_result(job.found)


def _settle(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _quietly(work: Callable[[], T | None]) -> T | None:
    """What `work` returns; an entry that cannot be made or read must not end the thread."""
    try:
        return work()
    except Exception as error:
        logger.debug("an entry of the cache was skipped: %s", type(error).__name__)
        return None
