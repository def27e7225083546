"""How much of what was expected an output has right: a share in [0, 1], as graded as its fields are."""

from __future__ import annotations

from typing import Any

from promptops.core.diff import Comparison, arranged
from promptops.models import Json


def agreement(expected: Json, actual: Json, how: Comparison) -> float:
    """Return the share of the leaves of `expected` that `actual` has, compared as `how` says.

    Whatever is there and should not be (a further key where keys are not free, a further item) is one more leaf, and
    wrong. Two leaves are one leaf: 1.0 or 0.0. Never raises; linear but for `ignore_order` (see `core.diff`).
    """
    right, total = _count(*arranged(expected, actual, how))
    return right / total if total else 1.0


def _count(expected: Any, actual: Any) -> tuple[int, int]:
    """Leaves that are right, of all; values that are equal are the same object after `arranged`."""
    if actual is expected:
        return (leaves(expected),) * 2
    if isinstance(expected, dict) and isinstance(actual, dict):
        inner = [_count(value, actual[key]) for key, value in expected.items() if key in actual]
        absent = sum(leaves(value) for key, value in expected.items() if key not in actual)
        return _sum(inner, absent + sum(key not in expected for key in actual))
    if isinstance(expected, list) and isinstance(actual, list):
        inner = [_count(one, other) for one, other in zip(expected, actual, strict=False)]
        absent = sum(leaves(value) for value in expected[len(actual) :])
        return _sum(inner, absent + max(0, len(actual) - len(expected)))
    return 0, leaves(expected)


def _sum(inner: list[tuple[int, int]], wrong: int) -> tuple[int, int]:
    return sum(right for right, _ in inner), wrong + sum(total for _, total in inner)


def leaves(value: Any) -> int:
    """How many values that are no containers are in it; an empty container counts as one."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return sum(map(leaves, inner)) or 1
