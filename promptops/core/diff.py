"""Compare what came with what was expected, and say path by path where they differ, in DeepDiff's words.

What counts as equal, and which items of two lists belong together, is decided by `core.comparison` and `core.align`
within bounded work; DeepDiff (350 ms to import, quadratic where it ignores order) gets aligned pairs that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct, field

from promptops.core.align import paired
from promptops.core.align_in_order import IDS
from promptops.core.comparison import Comparison, Prints, is_number, parse_exclude
from promptops.core.paths import without
from promptops.core.subsets import MAX_DEPTH, Fitting
from promptops.models import Difference, Json

MAX_TOLD: Final = 1_000
"""Differences that are told; there may be more."""
MAX_TEXT: Final = 2_000  # characters of a text that is shown whole
_LEAVES = 200  # of a pair that DeepDiff compares at once
_LEVELS = 20
_NAME = 40  # characters of what names a record

_KINDS = (
    "type_changes",
    "values_changed",
    "dictionary_item_removed",
    "dictionary_item_added",
    "iterable_item_removed",
    "iterable_item_added",
)

Steps = tuple[str | int, ...]


def differences(
    expected: Json,
    actual: Json,
    *,
    ignore_order: bool = False,
    significant_digits: int | None = None,
    exclude_paths: Sequence[str] = (),
    subset: bool = False,
    ignore_case: bool = False,
) -> tuple[Difference, ...]:
    """Where `actual` differs from `expected`, sorted by path; empty where it does not (see `Comparison`).

    At most `MAX_TOLD`. Never raises for JSON, however deep: from 100 levels down parts are told as wholes.
    """
    paths = tuple(parse_exclude(path) for path in exclude_paths)
    return compare(expected, actual, Comparison(ignore_order, significant_digits, paths, subset, ignore_case))


def compare(expected: Json, actual: Json, how: Comparison) -> tuple[Difference, ...]:
    """`differences`, with the options already parsed."""
    if _plainly_same(expected, actual, subset=how.subset):
        return ()
    left, right = without(expected, list(how.exclude_paths)), without(actual, list(how.exclude_paths))
    prints = Prints(how, left, right)
    telling = _Telling(how, prints, Fitting(prints, how))
    telling.pair(left, right, (), ())
    found = sorted(telling.found, key=lambda each: (_natural(each[0]), _KINDS.index(each[1].kind)))
    return tuple(difference for _, difference in found)


def _plainly_same(expected: Any, actual: Any, *, subset: bool, depth: int = 0) -> bool:
    """Whether a glance shows that nothing differs, whatever the options, as mostly; False says nothing."""
    if type(expected) is not type(actual) or depth == MAX_DEPTH:
        return False
    if isinstance(expected, dict):
        return (subset or len(expected) == len(actual)) and all(
            key in actual and _plainly_same(value, actual[key], subset=subset, depth=depth + 1)
            for key, value in expected.items()
        )
    if isinstance(expected, list):
        return len(expected) == len(actual) and all(
            _plainly_same(one, other, subset=subset, depth=depth + 1)
            for one, other in zip(expected, actual, strict=True)
        )
    return bool(expected == actual)


class _Telling(Struct):
    """Goes down two values side by side, to the pairs that DeepDiff compares."""

    how: Comparison
    prints: Prints
    fitting: Fitting
    found: list[tuple[Steps, Difference]] = field(default_factory=list)
    records: dict[Steps, str] = field(default_factory=dict)

    def pair(self, expected: Any, actual: Any, at: Steps, there: Steps) -> None:
        """Tell where two values differ; `at` is the path of the first, `there` that of the second."""
        if len(self.found) >= MAX_TOLD or self._same(expected, actual):
            return
        if len(at) < MAX_DEPTH and type(expected) is type(actual):
            if isinstance(expected, list):
                self._lists(expected, actual, at, there)
                return
            if isinstance(expected, dict):
                if self._plain(expected) and self._plain(actual):
                    self._deeply(expected, self._arranged(expected, actual), at, there)
                else:
                    self._mappings(expected, actual, at, there)
                return
        self._leaf(expected, actual, at, there)

    def _same(self, expected: Any, actual: Any) -> bool:
        if self.prints.of(expected) == self.prints.of(actual):
            return True
        return self.how.subset and self.fitting.fits(expected, actual)

    def _lists(self, expected: list[Any], actual: list[Any], at: Steps, there: Steps) -> None:
        pairs = paired(expected, actual, self.how, self.prints, self.fitting)
        for one, other in pairs:
            if not self._same(expected[one], actual[other]):
                self.records[*at, one] = _record(expected[one])
            self.pair(expected[one], actual[other], (*at, one), (*there, other))
        for side, items, path, used in (
            ("removed", expected, at, {one for one, _ in pairs}),
            ("added", actual, there, {other for _, other in pairs}),
        ):
            for place in range(len(items)):
                if place not in used:
                    self._alone(f"iterable_item_{side}", items[place], (*path, place))

    def _mappings(self, expected: dict[str, Any], actual: dict[str, Any], at: Steps, there: Steps) -> None:
        for key, value in expected.items():
            if key in actual:
                self.pair(value, actual[key], (*at, key), (*there, key))
            else:
                self._alone("dictionary_item_removed", value, (*at, key))
        for key, value in actual.items() if not self.how.subset else ():
            if key not in expected:
                self._alone("dictionary_item_added", value, (*there, key))

    def _plain(self, value: dict[str, Any]) -> bool:
        """Whether DeepDiff may compare it: small, and without lists, whose items are aligned here."""
        if self.prints.weight(value) > _LEAVES:
            return False
        level: list[Any] = [value]
        for _ in range(_LEVELS):
            level = [item for part in level for item in part.values() if isinstance(item, dict | list)]
            if any(isinstance(item, list) for item in level):
                return False
        return not level

    def _arranged(self, expected: dict[str, Any], actual: dict[str, Any]) -> dict[str, Any]:
        """`actual` with what is equal under the options as it stands in `expected`, and without what is free."""
        made: dict[str, Any] = {}
        for key, value in actual.items():
            if key not in expected:
                made |= {} if self.how.subset else {key: value}
            elif self._same(expected[key], value):
                made[key] = expected[key]
            elif isinstance(expected[key], dict) and isinstance(value, dict):
                made[key] = self._arranged(expected[key], value)
            else:
                made[key] = value
        return made

    def _deeply(self, expected: Any, actual: Any, at: Steps, there: Steps) -> None:
        from deepdiff import DeepDiff

        tree = DeepDiff(
            expected,
            actual,
            view="tree",
            threshold_to_diff_deeper=0,
            ignore_private_variables=False,  # a key such as __x counts like any other
        )
        told = [(kind, level) for kind in _KINDS for level in tree.get(kind, ())]
        for kind, level in told:
            steps = tuple(level.path(output_format="list"))
            if kind.endswith("_removed"):
                self._alone(kind, level.t1, (*at, *steps))
            elif kind.endswith("_added"):
                self._alone(kind, level.t2, (*there, *steps))
            else:
                self._leaf(level.t1, level.t2, (*at, *steps), (*there, *steps))
        if not told:
            self._leaf(expected, actual, at, there)

    def _alone(self, kind: str, value: Any, at: Steps) -> None:
        expected, actual = (value, None) if kind.endswith("_removed") else (None, value)
        record = _record(value) if kind.startswith("iterable_") else ""
        record = record or self._record_of(at, kind)
        self._tell(at, Difference(_worded(at), kind, expected, actual, record=record))

    def _leaf(self, expected: Any, actual: Any, at: Steps, there: Steps) -> None:
        alike = type(expected) is type(actual) or (is_number(expected) and is_number(actual))
        if isinstance(expected, str) and isinstance(actual, str):
            expected, actual = around(expected, actual)
        kind = "values_changed" if alike else "type_changes"
        elsewhere = _worded(there) if there != at else ""
        self._tell(at, Difference(_worded(at), kind, expected, actual, elsewhere, self._record_of(at, kind)))

    def _record_of(self, at: Steps, kind: str) -> str:
        """The innermost record around a place in what was expected; what was added stands elsewhere."""
        if kind.endswith("_added"):
            return ""
        return next((found for end in range(len(at), 0, -1) if (found := self.records.get(at[:end]))), "")

    def _tell(self, at: Steps, difference: Difference) -> None:
        if len(self.found) < MAX_TOLD:
            self.found.append((at, difference))


def _record(item: Any) -> str:
    """What a record is called in a list, in words."""
    for name in IDS if isinstance(item, dict) else ():
        value = item.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return f"{name} {value[:_NAME]!r}" if isinstance(value, str) else f"{name} {_number(value)}"
    return ""


def _number(value: int) -> str:
    return str(value) if abs(value) < 10**_NAME else "of many digits"


def _worded(steps: Steps) -> str:
    return "root" + "".join(f"[{step!r}]" for step in steps)


def _natural(steps: Steps) -> list[tuple[int, int, str]]:
    """Sort key in which `[10]` follows `[9]`."""
    return [(0, step, "") if isinstance(step, int) else (1, 0, step) for step in steps]


def around(expected: str, actual: str, limit: int = MAX_TEXT) -> tuple[str, str]:
    """Two texts; where one is longer than `limit` characters, that much of both around the first place that differs."""
    if max(len(expected), len(actual)) <= limit:
        return expected, actual
    pairs = zip(expected, actual, strict=False)
    first = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    start = max(0, first - min(100, limit // 4))
    return _window(expected, start, limit), _window(actual, start, limit)


def _window(text: str, start: int, limit: int) -> str:
    part = text[start : start + limit]
    return ("…" if start else "") + part + ("…" if start + limit < len(text) else "")
