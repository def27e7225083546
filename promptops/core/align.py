"""Which item of one list belongs to which of another: equal ones, then those of one id, then the most alike.

Comparing all with all is quadratic (DeepDiff's `ignore_order` takes 39 s for 800 records). Here the work is counted,
not timed, and bounded by the lengths of the lists, so that the same values are always aligned alike.
"""

from __future__ import annotations

import functools
import hashlib
import operator
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from promptops.core.comparison import Comparison, Prints, is_number
from promptops.core.subsets import Fitting

Pairs: TypeAlias = list[tuple[int, int]]

IDS: Final = ("id", "key", "name")
MAX_FEATURES = 64  # of one item that say what it is like
_LOOKS = 16  # at a pair that may be alike, for each item
_FEW_LOOKS = 10_000  # that short lists have in any case
_CELLS = 40_000  # of the table that finds the longest common row of two lists in order


def paired(
    one: list[Any], other: list[Any], how: Comparison, prints: Prints, fitting: Fitting
) -> list[tuple[int, int]]:
    """Which items of two lists belong together, by their indices."""
    if not how.ignore_order:
        return pair_in_order(one, other, prints)
    return pair_any_order(one, other, prints, fitting.pairs(one, other).items() if how.subset else ())


def pair_in_order(left: Sequence[Any], right: Sequence[Any], prints: Prints) -> Pairs:
    """Pair the items of two lists whose order counts: no pair crosses another, and equal items are found again."""
    ours, theirs = [prints.of(item) for item in left], [prints.of(item) for item in right]
    start, end = 0, 0
    least = min(len(ours), len(theirs))
    while start < least and ours[start] == theirs[start]:
        start += 1
    while end < least - start and ours[-1 - end] == theirs[-1 - end]:
        end += 1
    middle = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    anchors = [(a + start, b + start) for a, b in _common(*middle)]
    tail = [(len(ours) - end + at, len(theirs) - end + at) for at in range(end)]
    found, before = [(at, at) for at in range(start)], (start, start)
    for a, b in [*anchors, (len(ours) - end, len(theirs) - end)]:
        found += zip(range(before[0], a), range(before[1], b), strict=False)
        found += [(a, b)] if (a, b) != (len(ours) - end, len(theirs) - end) else []
        before = (a + 1, b + 1)
    return found + tail


def pair_any_order(
    left: Sequence[Any], right: Sequence[Any], prints: Prints, taken: Iterable[tuple[int, int]] = ()
) -> Pairs:
    """Pair the items of two lists whose order does not count, beside pairs that are `taken`; sorted by the left side.

    As many pairs as the shorter list has items. The order of either list does not change which values are paired.
    """
    pairing = _Pairing(left, right, prints, taken)
    pairing.in_place()
    pairing.by_print()
    pairing.by_id()
    pairing.by_likeness()
    pairing.rest()
    return sorted(pairing.pairs.items())


class _Pairing:
    """Two lists and the pairs so far, left index → right index."""

    def __init__(
        self, left: Sequence[Any], right: Sequence[Any], prints: Prints, taken: Iterable[tuple[int, int]]
    ) -> None:
        self.left, self.right, self.prints = left, right, prints
        self.pairs: dict[int, int] = dict(taken)
        self._used = set(self.pairs.values())

    def free(self) -> tuple[list[int], list[int]]:
        """What is not paired yet, on both sides."""
        ours = [at for at in range(len(self.left)) if at not in self.pairs]
        return ours, [at for at in range(len(self.right)) if at not in self._used]

    def in_place(self) -> None:
        """Pair equal items that stand at one index, so that a report names as few other places as it can."""
        for at in range(min(len(self.left), len(self.right))):
            free = at not in self.pairs and at not in self._used
            if free and self.prints.of(self.left[at]) == self.prints.of(self.right[at]):
                self._take(at, at)

    def by_print(self) -> None:
        """Pair equal items, wherever they stand."""
        ours, theirs = self.free()
        pool: dict[bytes, list[int]] = defaultdict(list)
        for at in reversed(theirs):
            pool[self.prints.of(self.right[at])].append(at)
        for at in ours:
            if waiting := pool.get(self.prints.of(self.left[at])):
                self._take(at, waiting.pop())

    def by_id(self) -> None:
        """Pair records of one `id`, `key` or `name`; where several share it, those that are most alike."""
        for name in IDS:
            ours, theirs = self.free()
            groups = defaultdict[bytes, tuple[list[int], list[int]]](lambda: ([], []))
            for side, (items, free) in enumerate(((self.left, ours), (self.right, theirs))):
                for at in free:
                    if (key := _id(items[at], name, self.prints)) is not None:
                        groups[key][side].append(at)
            for one, other in groups.values():
                if len(one) == 1 and len(other) == 1:
                    self._take(one[0], other[0])
                elif one and other:
                    self._alike(one, other)
                    self._rest(
                        *([at for at in one if at not in self.pairs], [at for at in other if at not in self._used])
                    )

    def by_likeness(self) -> None:
        """Pair what has most in common."""
        self._alike(*self.free())

    def rest(self) -> None:
        """Pair what has nothing in common: the largest with the largest, numbers and texts by their order."""
        self._rest(*self.free())

    def _take(self, ours: int, theirs: int) -> None:
        self.pairs[ours] = theirs
        self._used.add(theirs)

    def _rest(self, ours: list[int], theirs: list[int]) -> None:
        ours.sort(key=lambda at: _rank(self.left[at], self.prints))
        theirs.sort(key=lambda at: _rank(self.right[at], self.prints))
        for one, other in zip(ours, theirs, strict=False):
            self._take(one, other)

    def _alike(self, ours: list[int], theirs: list[int]) -> None:
        """Look at pairs that share a feature, the rarest features first, until the looks are used up."""
        if not ours or not theirs:
            return
        prints = self.prints
        shared = _shared(
            [(at, _features(self.left[at], prints)) for at in ours],
            [(at, _features(self.right[at], prints)) for at in theirs],
        )
        looks = max(_FEW_LOOKS, _LOOKS * (len(ours) + len(theirs)))
        score: dict[tuple[int, int], int] = defaultdict(int)
        for one, other, weight in shared:
            looks -= len(one) * len(other)
            if looks < 0:
                break
            for a in one:
                for b in other:
                    score[a, b] += weight
        left, right = self._order(self.left, ours), self._order(self.right, theirs)
        ranked = sorted([(-total, left[a], right[b], a, b) for (a, b), total in score.items()])
        for _, _, _, a, b in ranked:
            if a not in self.pairs and b not in self._used:
                self._take(a, b)

    def _order(self, items: Sequence[Any], free: list[int]) -> dict[int, int]:
        """The rank of each item among those that are free: by its print, wherever it stands."""
        return {at: rank for rank, at in enumerate(sorted(free, key=lambda at: self.prints.of(items[at])))}


_Feature: TypeAlias = tuple[bytes, int]
"""What an item has, and how many leaves it weighs."""


def _shared(
    ours: Iterable[tuple[int, list[_Feature]]], theirs: Iterable[tuple[int, list[_Feature]]]
) -> Iterator[tuple[list[int], list[int], int]]:
    """Who has a feature on either side, and what it weighs; features that the fewest pairs share come first."""
    found = defaultdict[bytes, tuple[list[int], list[int]]](lambda: ([], []))
    weights: dict[bytes, int] = {}
    for side, items in enumerate((ours, theirs)):
        for at, features in items:
            for feature, weight in features:
                found[feature][side].append(at)
                weights[feature] = weight
    common = [(len(one) * len(other), -weights[name], name) for name, (one, other) in found.items() if one and other]
    return ((*found[name], -weight) for _, weight, name in sorted(common))


def _features(item: Any, prints: Prints) -> list[_Feature]:
    """What an item is like: its parts by name, the words of a text, and all of a record but one part."""
    if isinstance(item, dict):
        parts = _parts(item, b"", prints)[:MAX_FEATURES]
        return [*parts, *_all_but_one(parts), *_inner(item, prints)]
    if isinstance(item, list):
        return list(dict.fromkeys((prints.of(part), prints.weight(part)) for part in item[:MAX_FEATURES]))
    if isinstance(item, str):
        words = item[:10_000].split()[:MAX_FEATURES]
        return [(word.encode("utf-8", "surrogatepass"), 1) for word in dict.fromkeys(words)]
    return []


def _parts(item: dict[str, Any], above: bytes, prints: Prints) -> list[_Feature]:
    """The parts of a mapping, by their names."""
    found = []
    for key, value in item.items():
        name = str(key).encode("utf-8", "surrogatepass")
        found.append((b"%b.%d:%b%b" % (above, len(name), name, prints.of(value)), prints.weight(value)))
    return sorted(found)


def _all_but_one(parts: list[_Feature]) -> list[_Feature]:
    """A feature for each part: everything but that. Records that differ in one field share exactly one of these."""
    if len(parts) < 2:
        return []
    hashes = [int.from_bytes(hashlib.blake2b(name, digest_size=16).digest(), "big") for name, _ in parts]
    every, total = functools.reduce(operator.xor, hashes), sum(weight for _, weight in parts)
    pairs = zip(hashes, parts, strict=True)
    return [(b"~" + (every ^ one).to_bytes(16, "big"), total - weight) for one, (_, weight) in pairs]


def _inner(item: dict[str, Any], prints: Prints) -> list[_Feature]:
    """The parts one level further down, by the names above them."""
    found: dict[_Feature, None] = {}
    for name in sorted(item, key=str):
        value, above = item[name], str(name).encode("utf-8", "surrogatepass")
        if isinstance(value, dict):
            found.update(dict.fromkeys(_parts(value, above, prints)))
        elif isinstance(value, list):
            tokens = sorted(prints.of(part) for part in value[:MAX_FEATURES])
            found.update(dict.fromkeys((b"%b[]%b" % (above, token), 1) for token in tokens))
        if len(found) >= MAX_FEATURES:
            break
    return list(found)[:MAX_FEATURES]


def _id(item: Any, name: str, prints: Prints) -> bytes | None:
    """What names a record, where it has that name."""
    value = item.get(name) if isinstance(item, dict) else None
    return prints.of(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _rank(item: Any, prints: Prints) -> tuple[int, int, float, str, bytes]:
    """Sort key that does not depend on where an item stands."""
    kind = 0 if isinstance(item, dict) else 1 if isinstance(item, list) else 2 if isinstance(item, str) else 3
    number = _float(item) if is_number(item) else 0.0
    return -prints.weight(item), kind, number, item if isinstance(item, str) else "", prints.of(item)


def _float(number: float) -> float:
    try:
        value = float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")
    return value if value == value else float("inf")


def _common(ours: Sequence[bytes], theirs: Sequence[bytes]) -> Pairs:
    """A longest row of equal items that both lists have in order; of long lists the one over items that are unique."""
    if not ours or not theirs:
        return []
    if len(ours) * len(theirs) <= _CELLS:
        return _longest_common(ours, theirs)
    return _increasing(_unique(ours, theirs))


def _longest_common(ours: Sequence[bytes], theirs: Sequence[bytes]) -> Pairs:
    rows, columns = len(ours), len(theirs)
    table = [[0] * (columns + 1) for _ in range(rows + 1)]
    for a in range(rows - 1, -1, -1):
        row, below, mine = table[a], table[a + 1], ours[a]
        for b in range(columns - 1, -1, -1):
            row[b] = below[b + 1] + 1 if mine == theirs[b] else max(below[b], row[b + 1])
    found, a, b = [], 0, 0
    while a < rows and b < columns:
        if ours[a] == theirs[b]:
            found.append((a, b))
            a, b = a + 1, b + 1
        elif table[a + 1][b] >= table[a][b + 1]:
            a += 1
        else:
            b += 1
    return found


def _unique(ours: Sequence[bytes], theirs: Sequence[bytes]) -> Pairs:
    """Where the items stand that both lists have once."""
    places = [_places(ours), _places(theirs)]
    return [
        (at[0], places[1][token][0]) for token, at in places[0].items() if len(at) == 1 == len(places[1].get(token, ()))
    ]


def _places(tokens: Sequence[bytes]) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = defaultdict(list)
    for at, token in enumerate(tokens):
        found[token].append(at)
    return found


def _increasing(pairs: Pairs) -> Pairs:
    """The longest row of `pairs`, sorted by the left side, whose right side increases too (patience sorting)."""
    tops: list[int] = []
    last: list[int] = []  # index of the pair on top of each pile
    before: list[int | None] = []
    for at, (_, b) in enumerate(pairs):
        pile = bisect_left(tops, b)
        before.append(last[pile - 1] if pile else None)
        if pile == len(tops):
            tops.append(b)
            last.append(at)
        else:
            tops[pile], last[pile] = b, at
    found, at_ = [], last[-1] if last else None
    while at_ is not None:
        found.append(pairs[at_])
        at_ = before[at_]
    return found[::-1]
