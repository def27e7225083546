"""Asks for identical requests once: within a run, and across runs where the user wants it.

Two samples are identical where request digest and sample index are the same. The one that is asked first is a sample;
the others are copies of its reply, and say so (`source="cached"`): they are no independent samples, and their latency
was not measured. A sample whose latency is judged (`PlannedSample.timed`) is always asked.

Memory stays flat however many different requests there are: the newest replies are kept here, older ones go to a
temporary file of a fixed size, out of which the least recently used go. Only copies that are further apart than all of
that are asked again.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct, field

from promptops.errors import FailureKind
from promptops.models import PlannedSample, Sample
from promptops.runner.shelves import Shelves, shelves_of
from promptops.store.cache_entries import entry_key, pack, unpack

if TYPE_CHECKING:
    from promptops.runner.engine import Asker
    from promptops.runner.session import Session
    from promptops.runner.shelf import Shelf

REMEMBERED = 2_048  # replies in memory
REMEMBERED_TEXT = 16 << 20  # characters of them
FINAL: Final[frozenset[FailureKind]] = frozenset({"auth", "not_found", "request"})
"""Failures that a request meets again however often it is sent."""

_Key: TypeAlias = tuple[str, int]


def caching(open_asker: Callable[[], Asker], session: Session) -> Asker:
    """Put the cache that a session's user wants around an asker, which is opened last: a cache may be refused.

    The asker itself where nothing is to be copied. Raises what `shelves_of` raises.
    """
    if session.choices.cache is False:
        return open_asker()
    shelves = shelves_of(session)
    return CachingAsker(open_asker(), shelves)


class CachingAsker:
    """An asker around another one, which it closes. Belongs to one event loop."""

    def __init__(self, asker: Asker, shelves: Shelves) -> None:
        self._asker, self._shelves = asker, shelves
        self._flights: dict[_Key, asyncio.Future[Sample | None]] = {}
        self._memory = _Memory()
        self._older: _Older | None = None

    async def sample(self, planned: PlannedSample) -> Sample:
        """Ask, or copy what an identical sample was answered; waits for one that is being asked."""
        if planned.timed:
            return await self._asker.sample(planned)
        key = (planned.digest, planned.key.index)
        while True:
            if (known := self._memory.get(key)) is not None:
                return _copy(known, planned)
            if (flight := self._flights.get(key)) is None:
                return await self._first(key, planned)
            if (known := await asyncio.shield(flight)) is not None:
                return _copy(known, planned)

    def stop(self) -> None:
        """Send nothing more."""
        self._asker.stop()

    async def aclose(self) -> None:
        """Close the asker, then write what the cache has not kept yet."""
        try:
            await self._asker.aclose()
        finally:
            for shelf in (self._shelves.kept, self._older.shelf if self._older else None):
                if shelf is not None:
                    await shelf.aclose()

    async def _first(self, key: _Key, planned: PlannedSample) -> Sample:
        """Look for the reply of an earlier sample, else ask; those who want the same wait meanwhile.

        A failure is theirs too only where it is final: else the next of them asks.
        """
        flight = self._flights[key] = asyncio.get_running_loop().create_future()
        known: Sample | None = None
        try:
            name = entry_key(*key, self._shelves.place(planned))
            sample = await self._found(name, planned) or await self._asker.sample(planned)
            if sample.reply is not None or (sample.failure is not None and sample.failure.kind in FINAL):
                known = sample
                self._remember(key, name, sample)
            return sample
        finally:
            del self._flights[key]
            flight.set_result(known)

    async def _found(self, name: bytes, planned: PlannedSample) -> Sample | None:
        """The copy of an older reply, of this run or of an earlier one."""
        older = self._older.shelf if self._older is not None and self._older.may_have(name) else None
        kept = self._shelves.kept if self._shelves.reads else None
        read = partial(_read, self._shelves, planned)
        for shelf in (older, kept):
            if shelf is not None and (found := await shelf.get(name, read)) is not None:
                return found
        return None

    def _remember(self, key: _Key, name: bytes, sample: Sample) -> None:
        shelves = self._shelves
        for gone in self._memory.add(key, name, sample):
            if gone.sample.reply is not None:
                self._older = self._older or _Older(shelves.older())
                self._older.note(gone.name)
                self._older.shelf.keep(gone.name, partial(_entry, shelves, gone.sample))
        if shelves.kept is None or sample.source != "live" or sample.reply is None:
            return
        if sample.reply.endpoint is None:  # what another endpoint answered is not what this one would
            shelves.kept.keep(name, partial(_entry, shelves, sample))


class _Older(Struct, frozen=True):
    """A shelf, and a Bloom filter of what is on it: hardly ever is a request looked up that was not made before."""

    shelf: Shelf
    _bits: bytearray = field(
        default_factory=lambda: bytearray(1 << 19)
    )  # 2 % wrong at 400,000 entries, 15 % at a million

    def note(self, name: bytes) -> None:
        for place in _places(name):
            self._bits[place >> 3] |= 1 << (place & 7)

    def may_have(self, name: bytes) -> bool:
        return all(self._bits[place >> 3] & 1 << (place & 7) for place in _places(name))


def _places(name: bytes) -> Iterator[int]:
    """Four bits of the filter, out of a name that is a hash."""
    return (int.from_bytes(name[begin : begin + 3], "big") >> 2 for begin in (0, 3, 6, 9))


class _Held(Struct, frozen=True):
    name: bytes
    sample: Sample
    size: int


class _Memory(Struct):
    """The newest replies, as many as fit."""

    _held: OrderedDict[_Key, _Held] = field(default_factory=OrderedDict)
    _size: int = 0

    def get(self, key: _Key) -> Sample | None:
        if (held := self._held.get(key)) is None:
            return None
        self._held.move_to_end(key)
        return held.sample

    def add(self, key: _Key, name: bytes, sample: Sample) -> list[_Held]:
        """Hold one more; returns those that it lets go of."""
        held = self._held[key] = _Held(name, sample, _size(sample))
        self._size += held.size
        gone = []
        while len(self._held) > REMEMBERED or self._size > REMEMBERED_TEXT:
            _, oldest = self._held.popitem(last=False)
            self._size -= oldest.size
            gone.append(oldest)
        return gone


def _size(sample: Sample) -> int:
    """Characters, about."""
    reply = sample.reply
    if reply is None:
        return 0
    return len(reply.text) + (len(repr(reply.tool_calls)) if reply.tool_calls else 0)


def _copy(known: Sample, planned: PlannedSample) -> Sample:
    return Sample(
        planned.key,
        planned.digest,
        reply=known.reply,
        failure=known.failure,
        source="cached",
        cost=known.cost,
        recorded_at=known.recorded_at,
    )


def _entry(shelves: Shelves, sample: Sample) -> bytes | None:
    return pack(shelves.redacted(sample))


def _read(shelves: Shelves, planned: PlannedSample, data: bytes) -> Sample | None:
    """The copy that an entry holds, where the model that it names is the pinned one."""
    found = unpack(data, planned)
    served = found.reply.served_model if found is not None and found.reply is not None else None
    return found if shelves.served_by(planned, served) else None
