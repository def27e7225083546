"""Whether a value holds another, with further keys; and which record of a list holds which of another list."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from promptops.core.comparison import Comparison, Prints, same_leaf

WORK: Final = 250_000
"""Parts that are looked at in all, while records are tried on one another: about half a second."""
MAX_DEPTH: Final = 100


class Fitting:
    """Tells which values hold which others. One for a whole comparison: what it has looked at is counted.

    Once the work is used up nothing more is tried on: what was not found by then does not fit. So it may miss a fit
    in values made to be hard, and never finds one that is none.
    """

    def __init__(self, prints: Prints, how: Comparison, *, work: int = WORK) -> None:
        self._prints, self._how, self._left = prints, how, work
        self._known: dict[tuple[int, int], bool] = {}

    def fits(self, expected: Any, actual: Any, depth: int = 0) -> bool:
        """Whether `actual` is `expected`, mappings at every depth with further keys."""
        if not isinstance(expected, dict | list):
            return not isinstance(actual, dict | list) and same_leaf(expected, actual, self._how)
        if type(expected) is not type(actual):
            return False
        if self._prints.of(expected) == self._prints.of(actual):
            return True
        key = (id(expected), id(actual))
        if key not in self._known:
            self._left -= self._prints.weight(expected) + self._prints.weight(actual)
            self._known[key] = self._left > 0 and depth < MAX_DEPTH and self._holds(expected, actual, depth + 1)
        return self._known[key]

    def pairs(self, expected: Sequence[Any], actual: Sequence[Any], depth: int = 0) -> dict[int, int]:
        """The most pairs of items of which the second holds the first, as index → index.

        Equal items are paired first. None is lost by that: what holds a record that an item is equal to holds the item.
        """
        partner = _equal(expected, actual, self._prints)
        taken = set(partner.values())
        ours = [at for at in range(len(expected)) if at not in partner]
        theirs = [at for at in range(len(actual)) if at not in taken]
        if not ours or not theirs:
            return partner
        self._left -= len(expected) + len(actual)
        candidates = _Candidates(actual, theirs, self._prints)
        kinds: dict[bytes, _Row] = {}
        rows: dict[int, _Row] = {}
        for a in ours:
            kind = self._prints.of(expected[a])
            if kind not in kinds:
                kinds[kind] = _Row(self._fitting(expected[a], actual, candidates.of(expected[a]), depth))
            rows[a] = kinds[kind]
        owner: dict[int, int] = {}
        for a in sorted(ours, key=lambda a: len(rows[a].fits)):
            self._place(a, rows, partner, owner)
        return partner

    def _fitting(self, expected: Any, actual: Sequence[Any], candidates: list[int], depth: int) -> list[int]:
        found = []
        for at in candidates:
            self._left -= 1
            if self._left <= 0:
                break
            if self.fits(expected, actual[at], depth):
                found.append(at)
        return found

    def _holds(self, expected: Any, actual: Any, depth: int) -> bool:
        if isinstance(expected, dict):
            return all(key in actual and self.fits(value, actual[key], depth) for key, value in expected.items())
        if len(expected) != len(actual):
            return False
        if not self._how.ignore_order:
            return all(self.fits(one, other, depth) for one, other in zip(expected, actual, strict=True))
        return len(self.pairs(expected, actual, depth)) == len(expected)

    def _place(self, start: int, rows: dict[int, _Row], partner: dict[int, int], owner: dict[int, int]) -> None:
        """Give `start` a partner, moving others to another of theirs where that helps (an augmenting path)."""
        came: dict[int, int] = {}  # right → the left from which it was reached
        queue, looked = deque([start]), set[int]()
        while queue and self._left > 0:
            a = queue.popleft()
            row = rows[a]
            if id(row) in looked:
                continue  # an equal record was here, and reached the same ones
            looked.add(id(row))
            if (free := row.first_free(owner)) is not None:
                came[free] = a
                _move(free, start, came, partner, owner)
                return
            self._left -= len(row.fits)
            for b in row.fits:
                if b not in came:
                    came[b] = a
                    queue.append(owner[b])


class _Row(Struct):
    """The items that fit all records that are equal to one another; before `free` all have an owner, who may change."""

    fits: list[int]
    free: int = 0

    def first_free(self, owner: Mapping[int, int]) -> int | None:
        """The first item that nobody owns. One that is owned once is never free again."""
        while self.free < len(self.fits) and self.fits[self.free] in owner:
            self.free += 1
        return self.fits[self.free] if self.free < len(self.fits) else None


def _move(free: int, start: int, came: dict[int, int], partner: dict[int, int], owner: dict[int, int]) -> None:
    """Shift partners along the path that ends in `free`."""
    b = free
    while True:
        a = came[b]
        before = partner.get(a)
        partner[a], owner[b] = b, a
        if a == start or before is None:
            return
        b = before


def _equal(expected: Sequence[Any], actual: Sequence[Any], prints: Prints) -> dict[int, int]:
    pool: dict[bytes, list[int]] = defaultdict(list)
    for at in range(len(actual) - 1, -1, -1):
        pool[prints.of(actual[at])].append(at)
    found = {}
    for at, item in enumerate(expected):
        if waiting := pool.get(prints.of(item)):
            found[at] = waiting.pop()
    return found


class _Candidates:
    """Which items can hold a record: those that have its rarest leaf."""

    def __init__(self, actual: Sequence[Any], free: Sequence[int], prints: Prints) -> None:
        self._prints, self._all = prints, list(free)
        self._by: dict[tuple[str, bytes], list[int]] = defaultdict(list)
        for at in free:
            for key in self._leaves(actual[at]):
                self._by[key].append(at)

    def of(self, expected: Any) -> list[int]:
        """Indices of items that may hold `expected`."""
        return min((self._by.get(key, []) for key in self._leaves(expected)), key=len, default=self._all)

    def _leaves(self, item: Any) -> list[tuple[str, bytes]]:
        if isinstance(item, dict):
            return [(key, self._prints.of(value)) for key, value in item.items() if not isinstance(value, dict | list)]
        return [] if isinstance(item, list) else [("", self._prints.of(item))]
