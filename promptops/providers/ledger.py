"""What everybody who asks one endpoint with one key shares: places in flight, what a minute allows, pauses."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct, field

WINDOW = 61.0  # seconds over which a minute's allowance is counted: network jitter of a second cannot break the limit


class Ledger(Protocol):
    """The shared account of limits. One object is one participant: a process, or one client in it.

    A `bucket` is a text that names what a limit is for (endpoint, a hash of the key, perhaps the model); it never holds
    a key. All methods are synchronous, take far below a millisecond and may raise `StoreError`. Seconds are of a clock
    that only goes forward.
    """

    def places(self, bucket: str, *, limit: int, using: int, wanted: int) -> int:
        """Return how many requests this participant may have in flight now: at least 0, at most `wanted`.

        It has `using` in flight and would like `wanted` in all. Over all participants the sum of the larger of
        what each uses and was granted stays within `limit`, apart from what was in flight when the limit shrank or
        somebody new came. The answer may be less than `using`: then nothing new is sent until enough have ended.
        `wanted` 0 gives all places back. A participant that is busy asks at least every quarter of a second, so that
        a newcomer gets its share; one that has not asked for many seconds is gone.
        """
        ...

    def take(self, bucket: str, *, limit: int, amount: int) -> float:
        """Take `amount` (requests or tokens, ≥ 0) out of what `limit` allows in any minute.

        Returns 0.0 where it was taken, else the seconds after which to ask again, and then nothing was taken. An
        `amount` above the limit is let through alone, when nothing else is in the window.
        """
        ...

    def settle(self, bucket: str, *, taken: int, used: int) -> None:
        """Correct the oldest `take` of this participant that took `taken` and was not settled: it came to `used`.

        `used` may be more than was taken, or 0 for what was not sent after all. Where the `take` is older than the
        window, only what was used beyond it counts, as of now.
        """
        ...

    def hold(self, bucket: str, seconds: float) -> None:
        """Let nobody send for `seconds` (the longer of this and a hold in force); 0 lifts the hold."""
        ...

    def held(self, bucket: str) -> float:
        """Return the seconds until somebody may send again, 0.0 where nothing is held."""
        ...

    def close(self) -> None:
        """Give back every place of this participant. May be called twice."""
        ...


class _Account(Struct):
    """One bucket: places by participant (using, granted, wanted), and until when all pause."""

    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    window: _Window = field(default_factory=lambda: _Window())
    held_until: float = float("-inf")


class LocalLedger:
    """A `Ledger` within one process. `sibling()` makes another participant of the same account.

    `clock` returns seconds and only goes forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[str, _Account] = {}
        self._names = itertools.count(1)
        self._me = 0

    def sibling(self) -> LocalLedger:
        """Return another participant that shares everything with this one."""
        other = LocalLedger(self._clock)
        other._accounts, other._names, other._me = self._accounts, self._names, next(self._names)
        return other

    def places(self, bucket: str, *, limit: int, using: int, wanted: int) -> int:
        """See `Ledger.places`."""
        places = self._account(bucket).places
        if not wanted and not using:
            places.pop(self._me, None)
            return 0
        others = {who: place for who, place in places.items() if who != self._me}
        granted = min(wanted, limit)
        if others:
            wishes = {who: place[2] for who, place in others.items()} | {self._me: granted}
            free = limit - sum(max(place[0], place[1]) for place in others.values())
            granted = max(0, min(fair_shares(wishes, limit)[self._me], free))
        places[self._me] = (using, granted, min(wanted, limit))
        return granted

    def take(self, bucket: str, *, limit: int, amount: int) -> float:
        """See `Ledger.take`."""
        return self._account(bucket).window.take(self._me, limit=limit, amount=amount, now=self._clock())

    def settle(self, bucket: str, *, taken: int, used: int) -> None:
        """See `Ledger.settle`."""
        self._account(bucket).window.settle(self._me, taken=taken, used=used, now=self._clock())

    def hold(self, bucket: str, seconds: float) -> None:
        """See `Ledger.hold`."""
        account, until = self._account(bucket), self._clock() + seconds
        account.held_until = max(account.held_until, until) if seconds > 0 else until

    def held(self, bucket: str) -> float:
        """See `Ledger.held`."""
        account = self._accounts.get(bucket)
        return max(0.0, account.held_until - self._clock()) if account is not None else 0.0

    def close(self) -> None:
        """See `Ledger.close`."""
        for account in self._accounts.values():
            account.places.pop(self._me, None)

    def _account(self, bucket: str) -> _Account:
        account = self._accounts.get(bucket)
        if account is None:
            account = self._accounts[bucket] = _Account()
        return account


def fair_shares(wishes: Mapping[int, int], limit: int) -> dict[int, int]:
    """Divide `limit` so that nobody gets more than wished and nobody could get more but from one who has less.

    What is left over one by one goes to the lowest names.
    """
    shares = dict.fromkeys(wishes, 0)
    left, open_ = limit, sorted(wishes, key=lambda who: (wishes[who], who))
    while open_ and left > 0:
        each = left // len(open_)
        who = open_[0]
        if wishes[who] <= each:
            shares[who], left = wishes[who], left - wishes[who]
            open_.pop(0)
            continue
        extra = left - each * len(open_)
        for index, name in enumerate(sorted(open_)):
            shares[name] = each + (index < extra)
        break
    return shares


class _Taken(Struct):
    at: float
    amount: int
    gone: bool = False


class _Window:
    """What was taken within the last `WINDOW` seconds, in the order of taking."""

    def __init__(self) -> None:
        self._taken: deque[_Taken] = deque()
        self._open: dict[tuple[int, int], deque[_Taken]] = {}
        self._sum = 0

    def take(self, who: int, *, limit: int, amount: int, now: float) -> float:
        self._forget(now)
        if self._sum and self._sum + amount > limit:
            return self._wait(limit - amount, now)
        entry = _Taken(now, amount)
        self._taken.append(entry)
        self._sum += amount
        unsettled = self._open.setdefault((who, amount), deque())
        while unsettled and unsettled[0].at < now - 10 * WINDOW:  # what is never settled is not kept for ever
            unsettled.popleft()
        unsettled.append(entry)
        return 0.0

    def settle(self, who: int, *, taken: int, used: int, now: float) -> None:
        self._forget(now)
        waiting = self._open.get((who, taken))
        entry = waiting.popleft() if waiting else None
        if not waiting:
            self._open.pop((who, taken), None)
        if entry is None or entry.gone:
            if used > taken:
                self._taken.append(_Taken(now, used - taken))
                self._sum += used - taken
            return
        self._sum += used - entry.amount
        entry.amount = used

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0].at <= now - WINDOW:
            entry = self._taken.popleft()
            self._sum -= entry.amount
            entry.gone = True

    def _wait(self, room: int, now: float) -> float:
        """Return the seconds until at most `room` (or nothing) is left in the window; called after `_forget`."""
        left = self._sum
        for entry in self._taken:
            left -= entry.amount
            if left <= max(room, 0):
                return max(entry.at + WINDOW - now, 0.001)
        return 0.001
