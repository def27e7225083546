"""How far an output is from what was expected: a number from 0 to 1, and the places that make it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field

from promptops.core.align import paired
from promptops.core.comparison import Comparison, Prints, parse_exclude
from promptops.core.paths import without
from promptops.core.subsets import MAX_DEPTH, Fitting
from promptops.models import Json

MAX_PATHS: Final = 100


class Distance(Struct, frozen=True):
    """`value` is in [0, 1], `paths` the first hundred places that differ, as they stand in what was expected.

    What only the actual value has is named by its path there.
    """

    value: float
    paths: tuple[str, ...] = ()


def distance(
    expected: Json,
    actual: Json,
    *,
    ignore_order: bool = False,
    significant_digits: int | None = None,
    exclude_paths: Sequence[str] = (),
    subset: bool = False,
    ignore_case: bool = False,
) -> Distance:
    """Return the share of leaves that differ: 0 exactly where `differences` finds none under the same options.

    A leaf (text, number, true, false, null) weighs 1; one that stands on one side only is lost, with all below it. Two
    texts are as far apart as their words differ (1 - Dice's coefficient of the multisets of words), two numbers, and
    values of two kinds, are 1 apart. Symmetric, except with `subset`: then only what `expected` names is weighed, and
    items of lists that are too many. With `ignore_order` the order of items makes no difference.

    Never raises for JSON, however deep; from 100 levels down parts are compared as wholes.
    """
    paths = tuple(parse_exclude(path) for path in exclude_paths)
    how = Comparison(ignore_order, significant_digits, paths, subset, ignore_case)
    return measure(expected, actual, how)


def measure(expected: Json, actual: Json, how: Comparison) -> Distance:
    """`distance`, with the options already parsed."""
    left, right = without(expected, list(how.exclude_paths)), without(actual, list(how.exclude_paths))
    prints = Prints(how, left, right)
    # The lesser print goes first, so that ties are broken alike whichever value is called the expected one.
    swapped = not how.subset and prints.of(right) < prints.of(left)
    walk = _Walk(how, prints, Fitting(prints, how), swapped=swapped)
    lost, weight = walk.pair(right, left) if swapped else walk.pair(left, right)
    return Distance(lost / weight, tuple(walk.paths))


class _Walk(Struct):
    """Goes down two values side by side; `swapped`: the second of them is the expected one."""

    how: Comparison
    prints: Prints
    fitting: Fitting
    swapped: bool
    paths: list[str] = field(default_factory=list)

    def pair(self, one: Any, other: Any, at: str = "root", there: str = "root", depth: int = 0) -> tuple[float, float]:
        """Return what is lost, and what there was to lose (at least 1); `at` and `there` are their paths."""
        prints = self.prints
        weight = prints.weight(one) if self.how.subset else max(prints.weight(one), prints.weight(other))
        if prints.of(one) == prints.of(other) or (self.how.subset and self.fitting.fits(one, other)):
            return 0.0, weight
        if depth < MAX_DEPTH:
            if isinstance(one, dict) and isinstance(other, dict):
                return self._mappings(one, other, at, there, depth + 1)
            if isinstance(one, list) and isinstance(other, list):
                return self._lists(one, other, at, there, depth + 1)
        self._tell(there if self.swapped else at)
        if isinstance(one, str) and isinstance(other, str):
            return self._texts(one, other), 1.0
        return float(weight), weight

    def _mappings(
        self, one: dict[str, Any], other: dict[str, Any], at: str, there: str, depth: int
    ) -> tuple[float, float]:
        lost = weight = 0.0
        for key, value in one.items():
            step = f"[{str(key)!r}]"
            if key in other:
                more, of = self.pair(value, other[key], at + step, there + step, depth)
            else:
                more, of = self._alone(value, at + step)
            lost, weight = lost + more, weight + of
        for key in other.keys() - one.keys() if not self.how.subset else ():
            more, of = self._alone(other[key], f"{there}[{str(key)!r}]")
            lost, weight = lost + more, weight + of
        return lost, weight

    def _lists(self, one: list[Any], other: list[Any], at: str, there: str, depth: int) -> tuple[float, float]:
        pairs = paired(one, other, self.how, self.prints, self.fitting)
        lost = weight = 0.0
        for a, b in pairs:
            more, of = self.pair(one[a], other[b], f"{at}[{a}]", f"{there}[{b}]", depth)
            lost, weight = lost + more, weight + of
        for items, path, used in ((one, at, {a for a, _ in pairs}), (other, there, {b for _, b in pairs})):
            for place in range(len(items)):
                if place not in used:
                    more, of = self._alone(items[place], f"{path}[{place}]")
                    lost, weight = lost + more, weight + of
        return lost, weight

    def _alone(self, value: Any, path: str) -> tuple[float, float]:
        self._tell(path)
        weight = float(self.prints.weight(value))
        return weight, weight

    def _tell(self, path: str) -> None:
        if len(self.paths) < MAX_PATHS:
            self.paths.append(path)

    def _texts(self, one: str, other: str) -> float:
        if self.how.ignore_case:
            one, other = one.casefold(), other.casefold()
        words, others = Counter(one.split()), Counter(other.split())
        total = words.total() + others.total()
        shared = (words & others).total()
        return 1 - 2 * shared / total if 2 * shared < total else 1 / (1 + total)
