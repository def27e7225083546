"""Compare what came with what was expected, and say path by path where they differ, in DeepDiff's words.

What counts as equal is decided here, in linear time; DeepDiff (350 ms to import) words the differences of values that
are not. Its own `ignore_order` is quadratic, so lists are aligned first.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from promptops.core.comparison import Comparison, parse_exclude
from promptops.core.paths import without
from promptops.models import Difference, Json

MAX_NODES = 20_000  # of both values; above it one difference names the whole
MAX_ZIPPED = 100  # items of a list up to which an insertion is told from a row of changes
MAX_PAIRS = 40_000  # tried where lists of records are matched as subsets
MAX_TEXT = 2_000  # characters of a text that is shown whole

_KINDS = (
    "type_changes",
    "values_changed",
    "dictionary_item_removed",
    "dictionary_item_added",
    "iterable_item_removed",
    "iterable_item_added",
)


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
    """Where `actual` differs from `expected`, sorted by path; empty where it does not (see `Comparison`)."""
    paths = tuple(parse_exclude(path) for path in exclude_paths)
    return compare(expected, actual, Comparison(ignore_order, significant_digits, paths, subset, ignore_case))


def compare(expected: Json, actual: Json, how: Comparison) -> tuple[Difference, ...]:
    """`differences`, with the options already parsed."""
    left, right = without(expected, list(how.exclude_paths)), without(actual, list(how.exclude_paths))
    arranged = _arrange(left, right, how)
    if arranged is left:
        return ()
    if isinstance(left, str) and isinstance(arranged, str):
        return (Difference("root", "values_changed", *_cut(left, arranged)),)
    return _worded(left, arranged) or (Difference("root", "values_changed", left, arranged),)


def _arrange(expected: Any, actual: Any, how: Comparison) -> Any:
    """`actual`, brought as near to `expected` as the options allow: `expected` itself where they are equal."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        keys = [key for key in actual if key in expected or not how.subset]
        made = {key: _arrange(expected[key], actual[key], how) if key in expected else actual[key] for key in keys}
        same = len(made) == len(expected) and all(key in made and made[key] is expected[key] for key in expected)
        return expected if same else made
    if isinstance(expected, list) and isinstance(actual, list):
        items = align(expected, actual, how) if how.ignore_order else actual
        pairs = zip(expected, items, strict=False)
        row = [_arrange(left, right, how) for left, right in pairs] + list(items[len(expected) :])
        same = len(row) == len(expected) and all(a is b for a, b in zip(row, expected, strict=True))
        return expected if same else row
    return expected if _same(expected, actual, how) else actual


def _same(expected: Any, actual: Any, how: Comparison) -> bool:
    """Whether two leaves are equal. `1` and `1.0` are, `1` and `true` are not."""
    if isinstance(expected, str) and isinstance(actual, str):
        return expected == actual or (how.ignore_case and expected.casefold() == actual.casefold())
    if _is_number(expected) and _is_number(actual):
        return bool(expected == actual) or (how.significant_digits is not None and _near(expected, actual, how))
    return type(expected) is type(actual) and bool(expected == actual)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(expected: float, actual: float, how: Comparison) -> bool:
    return _rounded(expected, how) == _rounded(actual, how)


def _rounded(value: float, how: Comparison) -> str:
    try:
        text = f"{value:.{how.significant_digits}f}"
    except OverflowError:
        return str(value)
    return text.removeprefix("-") if not text.strip("-0.") else text


def align(expected: list[Any], actual: list[Any], how: Comparison) -> list[Any]:
    """`actual` in the order of `expected`: equal items first, then those of one id, then the rest as it came."""
    partner: dict[int, int] = {}  # index in expected -> index in actual
    _pair_by(lambda item: key_of(item, how), expected, actual, partner)
    if how.subset:
        _pair_subsets(expected, actual, partner, how)
    _pair_by(_identity, expected, actual, partner)
    taken = set(partner.values())
    rest = iter([at for at in range(len(actual)) if at not in taken])
    order = [partner[at] if at in partner else next(rest, None) for at in range(len(expected))]
    return [actual[at] for at in order if at is not None] + [actual[at] for at in rest]


def _pair_by(key: Callable[[Any], str | None], expected: list[Any], actual: list[Any], partner: dict[int, int]) -> None:
    """Pair what is not paired yet and has one key, in order."""
    pool: dict[str, list[int]] = defaultdict(list)
    taken = set(partner.values())
    for at in range(len(actual) - 1, -1, -1):
        if at not in taken and (name := key(actual[at])) is not None:
            pool[name].append(at)
    for at, item in enumerate(expected):
        if at not in partner and (name := key(item)) is not None and pool[name]:
            partner[at] = pool[name].pop()


def _pair_subsets(expected: list[Any], actual: list[Any], partner: dict[int, int], how: Comparison) -> None:
    """Pair each item with one that contains it: a maximum matching (augmenting paths), of few items only."""
    taken = set(partner.values())
    left = [at for at in range(len(expected)) if at not in partner]
    right = [at for at in range(len(actual)) if at not in taken]
    if not left or len(left) * len(right) > MAX_PAIRS:
        return
    fits = {at: [b for b in right if _arrange(expected[at], actual[b], how) is expected[at]] for at in left}
    owner: dict[int, int] = {}

    def place(at: int, seen: set[int]) -> bool:
        for b in fits[at]:
            if b not in seen:
                seen.add(b)
                if b not in owner or place(owner[b], seen):
                    owner[b] = at
                    return True
        return False

    for at in left:
        place(at, set())
    partner.update({at: b for b, at in owner.items()})


def _identity(item: Any) -> str | None:
    """What names a record: its `id`, `key` or `name`."""
    if isinstance(item, dict):
        for name in ("id", "key", "name"):
            if isinstance(item.get(name), str | int):
                return f"{name}={item[name]}"
    return None


def key_of(value: Any, how: Comparison) -> str:
    """A text that is the same for values that are equal under `how`."""
    return json.dumps(_plain(value, how), sort_keys=True)


def _plain(value: Any, how: Comparison) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item, how) for key, item in value.items()}
    if isinstance(value, list):
        items = [_plain(item, how) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if how.ignore_order else items
    if isinstance(value, str):
        return value.casefold() if how.ignore_case else value
    if _is_number(value):
        if how.significant_digits is not None:
            return ["number", _rounded(value, how)]
        return int(value) if isinstance(value, float) and value.is_integer() else value
    return value


def _worded(expected: Any, actual: Any) -> tuple[Difference, ...]:
    """DeepDiff's account of two values that differ; empty where they are too large for it."""
    from deepdiff import DeepDiff

    nodes, longest = _size(expected, actual)
    if nodes > MAX_NODES:
        return ()
    tree = DeepDiff(
        expected,
        actual,
        view="tree",
        threshold_to_diff_deeper=0,
        ignore_private_variables=False,  # a key such as __x counts like any other
        zip_ordered_iterables=longest > MAX_ZIPPED,
    )
    found = [_difference(kind, level) for kind in _KINDS for level in tree.get(kind, ())]
    return tuple(sorted(found, key=lambda d: (_natural(d.path), _KINDS.index(d.kind))))


def _difference(kind: str, level: Any) -> Difference:
    expected = None if kind.endswith("_added") else level.t1
    actual = None if kind.endswith("_removed") else level.t2
    if isinstance(expected, str) and isinstance(actual, str):
        expected, actual = _cut(expected, actual)
    if _is_number(expected) and _is_number(actual):
        kind = "values_changed"
    return Difference(level.path() or "root", kind, expected, actual)


def _natural(path: str) -> list[tuple[int, int | str]]:
    """Sort key in which `[10]` follows `[9]`."""
    return [(0, int(part)) if part.isdigit() else (1, part) for part in path.replace("[", "]").split("]")]


def _size(*values: Any) -> tuple[int, int]:
    """How many nodes `values` have together, and how long their longest list is."""
    nodes = longest = 0
    stack = list(values)
    while stack and nodes <= MAX_NODES:
        item = stack.pop()
        nodes += 1
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            longest = max(longest, len(item))
            stack.extend(item)
    return nodes, longest


def _cut(expected: str, actual: str) -> tuple[str, str]:
    """Two texts; long ones around the first place where they differ."""
    if max(len(expected), len(actual)) <= MAX_TEXT:
        return expected, actual
    pairs = zip(expected, actual, strict=False)
    first = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(actual)))
    start = max(0, first - 100)
    return _window(expected, start), _window(actual, start)


def _window(text: str, start: int) -> str:
    part = text[start : start + MAX_TEXT]
    return ("…" if start else "") + part + ("…" if start + MAX_TEXT < len(text) else "")
