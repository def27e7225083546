"""What two lists of items have in common: records that differ in one part only, and features that few items share.

Everything is counted and bounded by the number of items and their parts; what is told does not depend on the order of
the lists, nor on the process.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct

from promptops.core.comparison import Prints

MAX_FEATURES: Final = 64  # of one item that say what it is like
_LOOKS: Final = 8  # at a pair that may be alike, for each item
_FEW_LOOKS: Final = 10_000  # that short lists have in any case
_LEAF: Final = 16  # what a leaf weighs; a word of a text weighs its share of that
_SHORT: Final = 40  # characters of a text in a record up to which it is taken as a whole
_LONG: Final = 10_000  # characters of a text that are read

Groups: TypeAlias = list[tuple[list[int], list[int]]]


class Features(Struct):
    """What an item has, and what each of these weighs: the parts of a record by name, then what stands below them."""

    names: list[bytes]
    weights: list[int]
    parts: int = 0  # how many of them are all parts of a record


class Likeness:
    """Which items of two lists are alike; items are named by their indices."""

    def __init__(self, left: Sequence[Any], right: Sequence[Any], prints: Prints) -> None:
        self._left, self._right, self._prints = left, right, prints
        self._ours: dict[int, Features] = {}
        self._theirs: dict[int, Features] = {}

    def read(self, ours: Iterable[int], theirs: Iterable[int]) -> None:
        """Look at these items, before anything else."""
        for at in ours:
            self._ours[at] = features(self._left[at], self._prints)
        for at in theirs:
            self._theirs[at] = features(self._right[at], self._prints)

    @functools.cached_property
    def _twins(self) -> Groups:
        ours = _all_but_one(self._ours)
        theirs = _all_but_one(self._theirs, ours)
        of, left, right = self._prints.of, self._left, self._right
        ranked = []
        for rest, (weight, other) in theirs.items():
            one = ours[rest][1]
            least = min([of(left[at]) for at in one]), min([of(right[at]) for at in other])
            ranked.append((-weight, len(one) * len(other), least, one, other))
        return [(one, other) for *_, one, other in sorted(ranked)]

    def twins(self) -> Groups:
        """Records that are the same but for one part, which weighs no more than the rest; the heaviest rest first."""
        return self._twins

    def best(self, ours: list[int], theirs: list[int]) -> Iterator[tuple[int, int]]:
        """Pairs of these that share a feature, best first, as far as the looks at the rarest features go."""
        looks = max(_FEW_LOOKS, _LOOKS * (len(ours) + len(theirs)))
        left, right = self._ranks(self._left, ours), self._ranks(self._right, theirs)
        by_rank = sorted(ours, key=left.__getitem__), sorted(theirs, key=right.__getitem__)
        many = len(theirs)
        scores: dict[int, int] = {}
        for one, other, weight in self._shared(ours, theirs):
            looks -= len(one) * len(other)
            if looks < 0:
                break
            for a in one:
                row = left[a] * many
                for b in other:
                    pair = row + right[b]
                    scores[pair] = scores.get(pair, 0) + weight
        every = len(ours) * many
        for key in sorted([pair - score * every for pair, score in scores.items()]):
            a, b = divmod(key % every, many)
            yield by_rank[0][a], by_rank[1][b]

    def _shared(self, ours: list[int], theirs: list[int]) -> list[tuple[list[int], list[int], int]]:
        """Who has a feature on either side, and what it weighs; features that the fewest pairs share come first."""
        has = set().union(*[self._theirs[at].names for at in theirs])
        one: dict[bytes, list[int]] = {}
        weights: dict[bytes, int] = {}
        for at in ours:
            found = self._ours[at]
            for name, weight in zip(found.names, found.weights, strict=True):
                if name in has:
                    weights[name] = max(weight, weights.get(name, 0))  # a word weighs most in the shortest text
                    one.setdefault(name, []).append(at)
        other: dict[bytes, list[int]] = {}
        for at in theirs:
            found = self._theirs[at]
            for name, weight in zip(found.names, found.weights, strict=True):
                if name in one:
                    weights[name] = max(weight, weights[name])
                    other.setdefault(name, []).append(at)
        ranked = sorted([(len(one[name]) * len(at), -weights[name], name) for name, at in other.items()])
        return [(one[name], other[name], -weight) for _, weight, name in ranked]

    def _ranks(self, items: Sequence[Any], free: list[int]) -> dict[int, int]:
        """The rank of each item among those that are free: by its print, wherever it stands."""
        return {at: rank for rank, at in enumerate(sorted(free, key=lambda at: self._prints.of(items[at])))}


def _all_but_one(
    items: dict[int, Features], known: dict[int, tuple[int, list[int]]] | None = None
) -> dict[int, tuple[int, list[int]]]:
    """What stays of a record without one of its parts → what that weighs, and the records; only what is `known`."""
    found: dict[int, tuple[int, list[int]]] = {}
    for at, each in items.items():
        hashes = [hash(name) for name in each.names[: each.parts]]
        every, total = functools.reduce(operator.xor, hashes, 0), sum(each.weights[: each.parts])
        for one, weight in zip(hashes, each.weights, strict=False):
            rest = every ^ one
            if 2 * weight > total or (known is not None and rest not in known):
                continue
            if rest in found:
                found[rest][1].append(at)
            else:
                found[rest] = (total - weight, [at])
    return found


def features(item: Any, prints: Prints) -> Features:
    """What an item is like: its parts by name and what stands below them; items of a list; words of a text."""
    if isinstance(item, dict):
        return _of_record(item, prints)
    found: dict[bytes, int] = {}
    if isinstance(item, list):
        found = {prints.of(part): _LEAF * prints.weight(part) for part in item[:MAX_FEATURES]}
    elif isinstance(item, str):
        found = _words(item, b"")
    return Features(list(found), list(found.values()))


def _of_record(item: dict[str, Any], prints: Prints) -> Features:
    names: list[bytes] = []
    weights: list[int] = []
    below: list[tuple[bytes, Any]] = []
    for key, value in item.items():
        name = _name(key)
        names.append(name + prints.of(value))
        if isinstance(value, dict | list):
            weights.append(_LEAF * prints.weight(value))
            below.append((name, value))
        else:
            weights.append(_LEAF)
            if isinstance(value, str) and len(value) > _SHORT:
                below.append((name, value))
    parts = len(names)
    if parts > MAX_FEATURES:  # all of them make up twins, the first in order are looked for
        order = sorted(range(parts), key=names.__getitem__)
        names, weights = [names[at] for at in order], [weights[at] for at in order]
    inner: dict[bytes, int] = {}
    for name, value in sorted(below, key=operator.itemgetter(0)):
        if len(inner) < MAX_FEATURES:
            inner |= _below(value, name, prints)
    return Features([*names, *inner], [*weights, *inner.values()], parts)


def _below(value: Any, above: bytes, prints: Prints) -> dict[bytes, int]:
    """The parts one level further down, by the name above them."""
    if isinstance(value, str):
        return _words(value, above)
    if isinstance(value, dict):
        return {above + _name(key) + prints.of(part): _LEAF * prints.weight(part) for key, part in value.items()}
    return {above + b"[]" + prints.of(part): _LEAF * prints.weight(part) for part in value[:MAX_FEATURES]}


def _words(text: str, above: bytes) -> dict[bytes, int]:
    words = text[:_LONG].split()[:MAX_FEATURES]
    weight = max(1, _LEAF // max(1, len(words)))
    return {above + b"w" + word.encode("utf-8", "surrogatepass"): weight for word in words}


@functools.lru_cache(maxsize=10_000)
def _name(key: object) -> bytes:
    text = str(key).encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(text), text)
