"""Limits that all processes of one user keep together: so many requests in flight, so much a minute, one pause.

`SharedLimits` is the `Ledger` of `promptops.providers.ledger` over a small SQLite file. It never fails and never waits
for long: where the file cannot be used, limits are kept within the process, and one warning says so.
"""

from __future__ import annotations

import math
import os
import secrets
import threading
import time
import weakref
from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from sqlite3 import Connection
from typing import TypeVar

from msgspec import Struct

from promptops.errors import StoreError
from promptops.store.limits import seats, window
from promptops.store.limits.file import Locked
from promptops.store.limits.folder import bucket_salt, default_folder, fingerprint
from promptops.store.limits.keeper import LOCKED_PAUSE, Keeper
from promptops.store.limits.processes import Process

__all__ = ["SharedLimits", "default_folder"]

LONGEST_HOLD = 3600.0  # seconds; what a server asks for must not stop everybody for days
HELD_FOR = 0.02  # seconds for which the answer of `held` stays the same
TELL = 0.25  # seconds after which a correction is told to others, at the next call
_CLOSING = 10  # attempts to say good-bye

T = TypeVar("T")


class _Pause(Struct):
    """`until` is the end of a hold, as it was `read` last; `unsaved` is one that the file does not know of yet."""

    until: float = -math.inf
    read: float = -math.inf
    unsaved: float | None = None


class SharedLimits:
    """A `Ledger` that all processes of a user share; one object is one participant. Safe between threads.

    `folder` is where the file is (default: `default_folder()`), `clock` one that only goes forward and is the same for
    all processes of the machine. Nothing is opened before the first question. After a fork the child is a participant
    of its own that has nothing yet. Without `close` what it has comes back when its process ends.
    """

    def __init__(self, folder: Path | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder or default_folder()
        self._clock = clock
        self._salt = b""
        self._begin()
        _ALL.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._me = seats.Me(secrets.token_bytes(8), Process.current())
        self._keeper = Keeper(self._folder, self._adopt)
        self._seats: dict[bytes, seats.Seat] = {}
        self._windows: dict[bytes, window.Window] = {}
        self._pauses: dict[bytes, _Pause] = {}
        self._names: dict[str, bytes] = {}
        self._told = -math.inf

    def places(self, bucket: str, *, limit: int, using: int, wanted: int) -> int:
        """Return how many requests this participant may have in flight now: at least 0, at most `wanted`.

        Where the file is locked, that is what it was granted before.
        """
        with self._lock:
            name, now = self._name(bucket), self._clock()
            mine = self._seats.get(name)
            if wanted <= 0 and using <= 0 and mine is None:
                return 0
            everything = self._windows.values() if wanted <= 0 else ()
            try:
                seat = self._change(
                    lambda db: seats.sit(db, name, self._me, limit=limit, using=using, wanted=wanted, now=now),
                    now,
                    everything=everything,
                )
            except Locked:
                return min(mine.granted, limit, wanted) if mine is not None else 0
            if seat is None:
                self._seats.pop(name, None)
                return 0
            self._seats[name] = seat
            return min(seat.granted, wanted)

    def take(self, bucket: str, *, limit: int, amount: int) -> float:
        """Take `amount` out of what `limit` allows in any minute; returns 0.0, or seconds after which to ask again.

        These are at most `window.POLL`, because others give back what they did not need.
        """
        with self._lock:
            name, now = self._name(bucket), self._clock()
            mine = self._windows.get(name)
            if mine is None:
                mine = self._windows[name] = window.Window()
            if amount <= 0 or mine.draw(limit=limit, amount=amount, now=now):
                return 0.0
            who, wish = self._me.who, mine.wish(amount, now)
            try:
                taken = self._change(
                    lambda db: window.take(db, name, who, limit=limit, amount=amount, wish=wish, now=now),
                    now,
                    everything=(mine,),
                )
            except Locked:
                return LOCKED_PAUSE
            if not taken.wait:
                mine.took(taken, limit=limit, amount=amount, now=now)
            return taken.wait

    def settle(self, bucket: str, *, taken: int, used: int) -> None:
        """Correct the oldest `take` of `taken` that was not settled: it came to `used`. Others hear of it soon."""
        with self._lock:
            mine, now = self._windows.get(self._name(bucket)), self._clock()
            if mine is None:
                return
            mine.settle(taken=taken, used=used, now=now)
            if now - self._told > TELL and mine.returns(now):
                with suppress(Locked):
                    self._change(lambda _: None, now)

    def hold(self, bucket: str, seconds: float) -> None:
        """Let nobody send for `seconds`, at most `LONGEST_HOLD`, or until a longer hold in force ends; 0 lifts it."""
        with self._lock:
            now = self._clock()
            pause = self._pauses.setdefault(self._name(bucket), _Pause())
            until = now + min(seconds, LONGEST_HOLD)
            pause.until = max(until, pause.until) if seconds > 0 else -math.inf
            pause.unsaved, pause.read = pause.until, -math.inf
            with suppress(Locked):
                self._change(lambda _: None, now)

    def held(self, bucket: str) -> float:
        """Return the seconds until somebody may send again, as it was `HELD_FOR` ago at the latest."""
        with self._lock:
            name, now = self._name(bucket), self._clock()
            pause = self._pauses.setdefault(name, _Pause())
            if now - pause.read >= HELD_FOR and pause.unsaved is None:
                with suppress(Locked):
                    found = self._keeper.read("SELECT until FROM pauses WHERE bucket = ?", (name,), now)
                    pause.until = found[0][0] if found else -math.inf
                pause.read = now
            return max(0.0, pause.until - now) if pause.until - now <= LONGEST_HOLD else 0.0

    def fingerprint(self, key: str) -> str:
        """Return a name for a key that is the same in all processes of the user, and tells nothing of the key."""
        with self._lock:
            return fingerprint(key, salt=self._own_salt())

    def close(self) -> None:
        """Give back every place and what was taken ahead. May be called twice."""
        with self._lock:
            if self._seats or self._windows:
                for _ in range(_CLOSING):
                    try:
                        self._change(self._leave, self._clock(), everything=self._windows.values())
                    except Locked:
                        time.sleep(LOCKED_PAUSE)
                    else:
                        break
            self._keeper.discard()
            for kept in (self._seats, self._windows, self._pauses):
                kept.clear()

    # --- the file

    def _change(self, act: Callable[[Connection], T], now: float, *, everything: Collection[window.Window] = ()) -> T:
        """Do `act` in a transaction in which others also hear what they have not heard yet; raises `Locked`.

        The windows in `everything` give back what was taken ahead, even where it could still be used.
        """
        mine = [(name, own, any(own is one for one in everything)) for name, own in self._windows.items()]

        def both(db: Connection) -> T:
            for name, own, all_of_it in mine:
                if returns := own.returns(now, everything=all_of_it):
                    window.add(db, name, returns)
            for name, pause in self._pauses.items():
                if pause.unsaved is not None:
                    _save(db, name, pause.unsaved)
            return act(db)

        found = self._keeper.change(both, now)
        self._told = now
        for _, own, all_of_it in mine:
            own.returned(own.returns(now, everything=all_of_it), now, everything=all_of_it)
        for pause in self._pauses.values():
            pause.unsaved = None
        return found

    def _adopt(self, db: Connection) -> None:
        """Write what this participant has into a file that does not know it."""
        now = self._clock()
        seats.forget_the_dead(db, self._me, now)
        for name, seat in self._seats.items():
            seats.keep(db, name, self._me, seat, now)
        for name, own in self._windows.items():
            window.add(db, name, own.written)
        for name, pause in self._pauses.items():
            if now < pause.until:
                _save(db, name, pause.until)

    def _leave(self, db: Connection) -> None:
        for table in ("places", "queue"):
            db.execute(f"DELETE FROM {table} WHERE who = ?", (self._me.who,))  # noqa: S608 - names of ours

    def _name(self, bucket: str) -> bytes:
        """What a bucket is called in the file: nobody learns from it which endpoints and models a user asks."""
        name = self._names.get(bucket)
        if name is None:
            name = blake2b(bucket.encode("utf-8", "surrogatepass"), key=self._own_salt(), digest_size=16).digest()
            self._names[bucket] = name
        return name

    def _own_salt(self) -> bytes:
        if not self._salt:
            try:
                self._salt = bucket_salt(self._folder)
            except StoreError as error:
                self._salt = secrets.token_bytes(32)
                self._keeper.give_up(str(error), self._clock())
        return self._salt


def _save(db: Connection, name: bytes, until: float) -> None:
    """Write a hold, or lift it; the longer of two counts."""
    if until == -math.inf:
        db.execute("DELETE FROM pauses WHERE bucket = ?", (name,))
    else:
        sql = "INSERT INTO pauses VALUES (?, ?) ON CONFLICT DO UPDATE SET until = max(until, excluded.until)"
        db.execute(sql, (name, until))


# --- forks: no connection to SQLite may be open across one, and a child is a participant of its own

_ALL: weakref.WeakSet[SharedLimits] = weakref.WeakSet()
_forking: list[SharedLimits] = []


def _before_fork() -> None:
    for limits in list(_ALL):
        limits._lock.acquire()
        limits._keeper.close()
        _forking.append(limits)


def _after_fork_in_parent() -> None:
    while _forking:
        _forking.pop()._lock.release()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop()._begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
