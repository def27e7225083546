"""Which item of one list belongs to which of another: equal ones, then those of one id, then the most alike.

Comparing all with all is quadratic (DeepDiff's `ignore_order` takes 39 s for 800 records). Here the work is counted,
not timed, and bounded by the lengths of the lists, so that the same values are always aligned alike.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from promptops.core.align_in_order import IDS, Pairs, id_of, pair_in_order
from promptops.core.assignment import affordable, assign, saved
from promptops.core.comparison import Comparison, Prints, is_number
from promptops.core.likeness import Likeness
from promptops.core.subsets import Fitting

_FEW: Final = 16  # items of lists that are paired by trying each with each
_ROUNDS: Final = 4  # in which what is left is looked at again


def paired(
    one: list[Any], other: list[Any], how: Comparison, prints: Prints, fitting: Fitting
) -> list[tuple[int, int]]:
    """Which items of two lists belong together, by their indices."""
    if not how.ignore_order:
        return pair_in_order(one, other, prints)
    return pair_any_order(one, other, prints, fitting.pairs(one, other).items() if how.subset else ())


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
            mine, their = _by_id(self.left, ours, name, self.prints), _by_id(self.right, theirs, name, self.prints)
            for key in mine.keys() & their.keys():
                one, other = mine[key], their[key]
                if len(one) == 1 and len(other) == 1:
                    self._take(one[0], other[0])
                else:
                    self._alike(one, other)
                    self._rest(*self._free(one, other))

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
        """Pair records that differ in one part, then what shares rare features, then records of a kind."""
        items = [self.left[at] for at in ours], [self.right[at] for at in theirs]
        if max(len(ours), len(theirs)) <= _FEW and affordable(*items, self.prints, pairs=_FEW**2):
            self._best(ours, theirs)
            return
        likeness = Likeness(self.left, self.right, self.prints)
        likeness.read(ours, theirs)
        for one, other in likeness.twins():
            if len(one) == len(other) == 1:
                self._take_free(one[0], other[0])
        self._by_features(likeness, ours, theirs)
        for one, other in likeness.twins():
            self._rest(*self._free(one, other))

    def _best(self, ours: list[int], theirs: list[int]) -> None:
        """The pairs of two short lists that lose least; the order of either makes no difference."""
        ours = sorted(ours, key=lambda at: _rank(self.left[at], self.prints))
        theirs = sorted(theirs, key=lambda at: _rank(self.right[at], self.prints))
        gains = [[saved(self.left[a], self.right[b], self.prints) for b in theirs] for a in ours]
        for one, other in assign(gains):
            if gains[one][other] > 0:
                self._take(ours[one], theirs[other])

    def _by_features(self, likeness: Likeness, ours: list[int], theirs: list[int]) -> None:
        """Once more with those that are left, as long as that helps: what many shared may be rare among them."""
        for _ in range(_ROUNDS):
            ours, theirs = self._free(ours, theirs)
            if not ours or not theirs:
                return
            before = len(self.pairs)
            for a, b in likeness.best(ours, theirs):
                self._take_free(a, b)
            if len(self.pairs) == before:
                return

    def _free(self, ours: list[int], theirs: list[int]) -> tuple[list[int], list[int]]:
        return [at for at in ours if at not in self.pairs], [at for at in theirs if at not in self._used]

    def _take_free(self, ours: int, theirs: int) -> None:
        if ours not in self.pairs and theirs not in self._used:
            self._take(ours, theirs)


def _by_id(items: Sequence[Any], free: Iterable[int], name: str, prints: Prints) -> dict[bytes, list[int]]:
    """Which of the free items have which id under `name`."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for at in free:
        if (key := id_of(items[at], name, prints)) is not None:
            found[key].append(at)
    return found


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
