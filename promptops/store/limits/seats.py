"""Places in flight, agreed between processes: what each has is a row that the others see."""

from __future__ import annotations

import sqlite3
from typing import Any

from msgspec import Struct

from promptops.store.limits.processes import Process
from promptops.store.limits.shares import Claim, shares

QUIET = 2.0  # seconds of silence after which a participant keeps what it has, and no more is kept free for it


class Me(Struct, frozen=True):
    """One participant: `who` is random, so that two of one process are two."""

    who: bytes
    process: Process


class Seat(Struct, frozen=True):
    """What a participant has in one bucket: `granted` is what it was told, `taken` what its row keeps from others.

    `odd` and `since` are those of its `Claim`.
    """

    limit: int
    granted: int
    taken: int
    wanted: int
    odd: bool
    since: float


class _Row(Struct, frozen=True):
    who: bytes
    process: Process
    limit: int
    taken: int
    wanted: int
    odd: bool
    since: float
    heard: float

    def quiet(self, now: float) -> bool:
        return now - self.heard >= QUIET

    def claim(self, now: float) -> Claim:
        return Claim(self.taken if self.quiet(now) else self.wanted, self.odd, self.since)


def sit(
    db: sqlite3.Connection, bucket: bytes, me: Me, *, limit: int, using: int, wanted: int, now: float
) -> Seat | None:
    """Agree with the others on how many places `me` has, within a transaction; None where it wants none.

    What dead processes had is free again. Where participants state different limits, the lowest is shared, and nobody
    goes beyond its own.
    """
    rows = _rows(db, bucket)
    others = [row for row in rows if row.who != me.who and _lives(db, bucket, row, me, now)]
    mine = next((row for row in rows if row.who == me.who), None)
    if wanted <= 0 and using <= 0:
        if mine is not None:
            db.execute("DELETE FROM places WHERE bucket = ? AND who = ?", (bucket, me.who))
        return None
    wanted = max(wanted, using)
    claims = {row.who: row.claim(now) for row in others}
    odd, since = (mine.odd, mine.since) if mine is not None else (False, now)
    claims[me.who] = Claim(wanted, odd, since)
    lowest = min([limit, *(row.limit for row in others if not row.quiet(now))])
    fair = shares(lowest, claims, now=now)
    room = limit - sum(row.taken for row in others)
    granted = max(0, min(fair.of[me.who], room))
    if odd is not (granted > fair.each):
        odd, since = not odd, now
    seat = Seat(limit, granted, max(using, granted), wanted, odd, since)
    keep(db, bucket, me, seat, now)
    return seat


def keep(db: sqlite3.Connection, bucket: bytes, me: Me, seat: Seat, now: float) -> None:
    """Write the row of `me`."""
    process = me.process
    row = (bucket, me.who, process.pid, process.started, process.space)
    seat_of_it = (_cut(seat.limit), _cut(seat.taken), _cut(seat.wanted), int(seat.odd), seat.since, now)
    db.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *seat_of_it))


def forget_the_dead(db: sqlite3.Connection, me: Me, now: float) -> None:
    """Remove the rows of dead processes from all buckets."""
    for (bucket,) in db.execute("SELECT DISTINCT bucket FROM places").fetchall():
        for row in _rows(db, bucket):
            _lives(db, bucket, row, me, now)


def _rows(db: sqlite3.Connection, bucket: bytes) -> list[_Row]:
    found = db.execute(
        "SELECT who, pid, started, space, at_most, taken, wanted, odd, since, heard FROM places WHERE bucket = ?",
        (bucket,),
    )
    return [_row(*values) for values in found]


def _row(who: bytes, pid: int, started: str, space: str, *rest: Any) -> _Row:
    limit, taken, wanted, odd, since, heard = rest
    return _Row(who, Process(pid, started, space), limit, taken, wanted, bool(odd), since, heard)


def _lives(db: sqlite3.Connection, bucket: bytes, row: _Row, me: Me, now: float) -> bool:
    if row.process.lives(silent=now - row.heard, seen_by=me.process):
        return True
    db.execute("DELETE FROM places WHERE bucket = ? AND who = ?", (bucket, row.who))
    return False


def _cut(number: int) -> int:
    """What SQLite can hold."""
    return min(number, 2**62)
