"""The best pairs of two short lists: by what each pair saves, with the Hungarian method.

Source: Kuhn, "The Hungarian Method for the Assignment Problem", 1955, as shortest augmenting paths with potentials
(Jonker & Volgenant, 1987).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from promptops.core.comparison import Prints

_LONG: Final = 2_000  # characters of a text whose words are counted
_LEVELS: Final = 3
_WORK: Final = 100_000  # leaves that are looked at while each item is tried with each


def affordable(ours: Sequence[Any], theirs: Sequence[Any], prints: Prints, *, pairs: int) -> bool:
    """Whether each item may be tried with each: few of them, and not large."""
    if len(ours) * len(theirs) > pairs:
        return False
    weights = [sum(map(prints.weight, items)) for items in (ours, theirs)]
    return len(theirs) * weights[0] + len(ours) * weights[1] <= _WORK


def assign(gains: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Return the pairs (row, column) of the greatest total gain, as many as the shorter side has.

    Work grows with rows² · columns.
    """
    if not gains or len(gains) > len(gains[0]):
        turned = [list(column) for column in zip(*gains, strict=True)]
        return sorted((row, column) for column, row in assign(turned)) if turned else []
    rows, columns = len(gains), len(gains[0])
    high, low = [0.0] * (rows + 1), [0.0] * (columns + 1)  # potentials
    owner = [rows] * (columns + 1)  # of each column; the last one is where a search starts
    for row in range(rows):
        _grow(row, gains, high, low, owner)
    return sorted((owner[at], at) for at in range(columns) if owner[at] != rows)


def _grow(row: int, gains: Sequence[Sequence[float]], high: list[float], low: list[float], owner: list[int]) -> None:
    """Give `row` a column by the shortest augmenting path."""
    columns = len(low) - 1
    least, before, done = [math.inf] * columns, [columns] * columns, [False] * columns
    at, owner[columns], passed = columns, row, [columns]
    while owner[at] != len(gains):
        of, step, to = owner[at], math.inf, -1
        for column in range(columns):
            if done[column]:
                continue
            cost = -gains[of][column] - high[of] - low[column]
            if cost < least[column]:
                least[column], before[column] = cost, at
            if least[column] < step:
                step, to = least[column], column
        for column in passed:
            high[owner[column]] += step
            low[column] -= step
        least = [each if done[column] else each - step for column, each in enumerate(least)]
        at, done[to] = to, True
        passed.append(to)
    while at != columns:
        owner[at] = owner[before[at]]
        at = before[at]
    owner[columns] = len(gains)


def saved(one: Any, other: Any, prints: Prints, levels: int = _LEVELS) -> float:
    """How many leaves two items lose less as a pair than each alone; of long texts and deep values about that."""
    if prints.of(one) == prints.of(other):
        return 2.0 * prints.weight(one)
    if isinstance(one, str) and isinstance(other, str):
        return 1 + _words_shared(one[:_LONG], other[:_LONG])
    if levels and isinstance(one, dict) and isinstance(other, dict):
        return math.fsum(saved(value, other[key], prints, levels - 1) for key, value in one.items() if key in other)
    if levels and isinstance(one, list) and isinstance(other, list):
        return _of_lists(one, other, prints)
    return float(min(prints.weight(one), prints.weight(other)))


def _of_lists(one: list[Any], other: list[Any], prints: Prints) -> float:
    if not one or not other:
        return 0.0
    counts = Counter(map(prints.of, one)) & Counter(map(prints.of, other))
    weights = {prints.of(item): prints.weight(item) for item in one}
    shared = sum(weights[token] * count for token, count in counts.items())
    return float(shared + min(prints.weight(one), prints.weight(other)))


def _words_shared(one: str, other: str) -> float:
    words, others = Counter(one.split()), Counter(other.split())
    return 2 * (words & others).total() / max(1, words.total() + others.total())
