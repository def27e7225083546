"""What was taken in the last minute, by everybody, in slots of a quarter of a second.

Taking is cheap because a participant takes ahead: a block that it uses up within `AHEAD` seconds, or gives back. All is
rounded so that a minute never holds more than its limit: what is ahead counts from when it is reserved until a window
after the last moment at which it can be used, and a slot counts until its end is a window ago.
"""

from __future__ import annotations

import math
import sqlite3
from collections import deque
from collections.abc import Mapping

from msgspec import Struct, field

WINDOW = 61.0  # seconds that count as a minute: a second of jitter on the way cannot break the limit
SLOT = 0.25  # seconds
AHEAD = 0.5  # seconds for which a block that was taken ahead may be used
POLL = 1.0  # seconds after which at the latest to ask again: others give back what they did not need
_SOONEST = 0.005  # seconds after which at the earliest to ask again
_PATIENCE = 1.0  # seconds beyond its time to ask again for which a place in the queue is kept
_SHARE = 8  # at most this part of what is free is taken ahead
_LATE = 10 * WINDOW  # seconds after its window in which a take may still be settled
_KEPT = 2 * math.ceil(WINDOW / SLOT)  # slots that are remembered


class Taken(Struct, frozen=True):
    """The answer of the file. `wait` 0.0: taken, and `ahead` more for what follows."""

    wait: float
    ahead: int = 0


class Window(Struct, eq=False):
    """What one participant knows of one bucket.

    `credit` was taken ahead and not used, counts in `slot` and may be used until `until`. `written` is what the file
    holds of this participant, by slot, `owed` what is to be added to it, and `unsettled` the takes that may still be
    corrected: by amount, the slots in order and how many there are in each.
    """

    limit: int = 0
    credit: int = 0
    slot: int = 0
    until: float = -math.inf
    written: dict[int, int] = field(default_factory=dict)
    owed: dict[int, int] = field(default_factory=dict)
    unsettled: dict[int, deque[list[int]]] = field(default_factory=dict)
    _block: int = 0

    def draw(self, *, limit: int, amount: int, now: float) -> bool:
        """Take `amount` from what was taken ahead; False where that is not enough."""
        if amount > self.credit or now > self.until or limit != self.limit:
            return False
        self.credit -= amount
        self._note(amount, self.slot)
        return True

    def wish(self, amount: int, now: float) -> int:
        """Return how much to take ahead beside `amount`: as much as was used lately, more where it was too little."""
        if now <= self.until:
            return max(2 * self._block, 4 * amount)
        return max(0, self._block - self.credit)

    def took(self, taken: Taken, *, limit: int, amount: int, now: float) -> None:
        """Note what the file gave."""
        at, late = slot_of(now), slot_of(now + AHEAD)
        self.limit, self.credit, self._block, self.slot, self.until = limit, taken.ahead, taken.ahead, late, now + AHEAD
        self._note(amount, at)
        self.written[at] = self.written.get(at, 0) + amount
        if taken.ahead:
            self.written[late] = self.written.get(late, 0) + taken.ahead

    def settle(self, *, taken: int, used: int, now: float) -> None:
        """Correct one take of `taken`; what went beyond it counts as of now.

        Which of several takes of that amount it was is not known. So the oldest is taken out, and what was used is put
        where the newest is: nothing is forgotten too early.
        """
        if queue := self.unsettled.get(taken):
            oldest, newest = queue[0][0], queue[-1][0]
            self._owe(oldest, -taken, now)
            self._owe(newest, min(used, taken), now)
            queue[0][1] -= 1
            if not queue[0][1]:
                queue.popleft()
            if not queue:
                del self.unsettled[taken]
        self._owe(slot_of(now), max(0, used - taken), now)

    def returns(self, now: float, *, everything: bool = False) -> Mapping[int, int]:
        """What is to be added to the file: corrections, and what was taken ahead and is not needed any more."""
        owed = self.owed
        if self.credit and (everything or now > self.until):
            owed = owed | {self.slot: owed.get(self.slot, 0) - self.credit}
        return {slot: amount for slot, amount in owed.items() if amount and slot > horizon(now)}

    def returned(self, returns: Mapping[int, int], now: float, *, everything: bool = False) -> None:
        """Note that the file holds `returns`."""
        self.owed.clear()
        if everything or now > self.until:
            self._block, self.credit = self._block - self.credit, 0
        for slot, amount in returns.items():
            self.written[slot] = self.written.get(slot, 0) + amount
        if len(self.written) > _KEPT:
            self._forget(now)

    def _owe(self, slot: int, amount: int, now: float) -> None:
        if amount and slot > horizon(now):
            self.owed[slot] = self.owed.get(slot, 0) + amount

    def _note(self, amount: int, slot: int) -> None:
        queue = self.unsettled.get(amount)
        if queue is None:
            queue = self.unsettled[amount] = deque()
        place = len(queue)
        while place and queue[place - 1][0] > slot:
            place -= 1
        if place and queue[place - 1][0] == slot:
            queue[place - 1][1] += 1
        else:
            queue.insert(place, [slot, 1])

    def _forget(self, now: float) -> None:
        """Drop what can matter no more. A take is remembered for longer than it counts: its settling may come late."""
        self.written = {slot: amount for slot, amount in self.written.items() if slot > horizon(now)}
        for amount, queue in list(self.unsettled.items()):
            while queue and queue[0][0] <= horizon(now - _LATE):
                queue.popleft()
            if not queue:
                del self.unsettled[amount]


def slot_of(moment: float) -> int:
    """The slot that counts for what is sent at `moment`, named by its end."""
    return math.ceil(moment / SLOT)


def horizon(now: float) -> int:
    """The newest slot that does not count any more."""
    return math.floor((now - WINDOW) / SLOT)


def take(db: sqlite3.Connection, bucket: bytes, who: bytes, *, limit: int, amount: int, wish: int, now: float) -> Taken:
    """Take `amount`, and up to `wish` ahead, within a transaction; else stand in the queue.

    Whoever could not take stands in the queue until shortly after it should ask again; nobody takes what those before
    it wait for, so that many small amounts do not keep a large one waiting for ever.
    """
    gone, last = horizon(now), slot_of(now + AHEAD)
    db.execute("DELETE FROM spent WHERE bucket = ? AND NOT (slot > ? AND slot <= ?)", (bucket, gone, last))
    total = db.execute("SELECT coalesce(sum(amount), 0) FROM spent WHERE bucket = ?", (bucket,)).fetchone()[0]
    before, since = _queue(db, bucket, who, now)
    free = limit - total - before
    if amount <= free or not (total or before):
        ahead = max(0, min(wish, (free - amount) // _SHARE))
        add(db, bucket, {slot_of(now): amount, last: ahead} if ahead else {slot_of(now): amount})
        if since is not None:
            db.execute("DELETE FROM queue WHERE bucket = ? AND who = ?", (bucket, who))
        return Taken(0.0, ahead)
    wait = _wait(db, bucket, limit - before - amount, total, now)
    values = (bucket, who, min(amount, limit), now if since is None else since, now + wait + _PATIENCE)
    db.execute("INSERT OR REPLACE INTO queue VALUES (?, ?, ?, ?, ?)", values)
    return Taken(wait)


def add(db: sqlite3.Connection, bucket: bytes, amounts: Mapping[int, int]) -> None:
    """Add to slots, or take away from them."""
    db.executemany(
        "INSERT INTO spent VALUES (?1, ?2, max(0, ?3)) ON CONFLICT DO UPDATE SET amount = max(0, amount + ?3)",
        [(bucket, slot, min(amount, 2**53)) for slot, amount in amounts.items()],
    )


def _queue(db: sqlite3.Connection, bucket: bytes, who: bytes, now: float) -> tuple[int, float | None]:
    """How much those wait for who come before `who`, and since when `who` waits itself."""
    found = db.execute("SELECT who, amount, since, until FROM queue WHERE bucket = ?", (bucket,)).fetchall()
    if not found:
        return 0, None
    waiting = {name: (since, amount) for name, amount, since, until in found if now <= until <= now + 2 * POLL + 1}
    mine = waiting.get(who)
    before = sum(one[1] for name, one in waiting.items() if name != who and (mine is None or one[0] < mine[0]))
    return before, mine[0] if mine is not None else None


def _wait(db: sqlite3.Connection, bucket: bytes, room: int, total: int, now: float) -> float:
    """The seconds until no more than `room` is left in the window, if nothing is given back before."""
    for slot, amount in db.execute("SELECT slot, amount FROM spent WHERE bucket = ? ORDER BY slot", (bucket,)):
        total -= amount
        end = int(slot) * SLOT + WINDOW - now
        if total <= max(room, 0) or end >= POLL:
            return max(_SOONEST, min(POLL, end))
    return POLL
