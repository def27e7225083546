"""Which item of one list belongs to which of another where their order counts: no pair crosses another."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from promptops.core.assignment import affordable, saved
from promptops.core.comparison import Prints

Pairs: TypeAlias = list[tuple[int, int]]

IDS: Final = ("id", "key", "name")
_TRIED: Final = 256  # pairs of items of a gap that are tried
_CELLS: Final = 40_000  # of the table that finds the longest common row of two lists in order


def pair_in_order(left: Sequence[Any], right: Sequence[Any], prints: Prints) -> Pairs:
    """Pair the items of two lists whose order counts: no pair crosses another, and equal items are found again.

    Between equal items those of one id belong together, then those that lose least as pairs; in long rows by position.
    """
    ours, theirs = [prints.of(item) for item in left], [prints.of(item) for item in right]
    start, end = 0, 0
    least = min(len(ours), len(theirs))
    while start < least and ours[start] == theirs[start]:
        start += 1
    while end < least - start and ours[-1 - end] == theirs[-1 - end]:
        end += 1
    middle = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    anchors = [(a + start, b + start) for a, b in _common(*middle)]
    found = [(at, at) for at in range(start)]
    for one, other in _between(anchors, range(start, len(ours) - end), range(start, len(theirs) - end)):
        named = _increasing(_named(left, right, one, other, prints))
        for a, b in _between(named, one, other):
            found += _gap(left, right, a, b, prints)
        found += named
    tail = [(len(ours) - end + at, len(theirs) - end + at) for at in range(end)]
    return sorted(found + anchors) + tail


def _between(pairs: Pairs, ours: range, theirs: range) -> Iterator[tuple[range, range]]:
    """The rows of items between pairs that do not cross."""
    before = ours.start, theirs.start
    for a, b in [*pairs, (ours.stop, theirs.stop)]:
        yield range(before[0], a), range(before[1], b)
        before = a + 1, b + 1


def _named(left: Sequence[Any], right: Sequence[Any], ours: range, theirs: range, prints: Prints) -> Pairs:
    """Records of one id, of those that have it alone; sorted by the left side."""
    if not ours or not theirs:
        return []
    for name in IDS:
        keys = [[id_of(items[at], name, prints) for at in row] for items, row in ((left, ours), (right, theirs))]
        places = [_places([key or b"" for key in each]) for each in keys]
        found = [
            (ours[at[0]], theirs[places[1][key][0]])
            for key, at in places[0].items()
            if key and len(at) == 1 == len(places[1].get(key, ()))
        ]
        if found:
            return found
    return []


def _gap(left: Sequence[Any], right: Sequence[Any], ours: range, theirs: range, prints: Prints) -> Pairs:
    """Items of which none is equal to one opposite: the row of pairs that saves most; of long rows by position."""
    items = left[ours.start : ours.stop], right[theirs.start : theirs.stop]
    if not ours or not theirs or not affordable(*items, prints, pairs=_TRIED):
        return list(zip(ours, theirs, strict=False))
    gains = [[saved(left[a], right[b], prints) for b in theirs] for a in ours]
    best = [[0.0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for a in range(len(ours) - 1, -1, -1):
        for b in range(len(theirs) - 1, -1, -1):
            best[a][b] = max(best[a + 1][b + 1] + gains[a][b], best[a + 1][b], best[a][b + 1])
    found, a, b = [], 0, 0
    while a < len(ours) and b < len(theirs):
        if best[a][b] == best[a + 1][b + 1] + gains[a][b]:
            found.append((ours[a], theirs[b]))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            a += 1
        else:
            b += 1
    return found


def id_of(item: Any, name: str, prints: Prints) -> bytes | None:
    """What names a record, where it has that name."""
    value = item.get(name) if isinstance(item, dict) else None
    return prints.of(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


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
