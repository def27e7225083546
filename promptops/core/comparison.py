"""What counts as equal: options of a comparison, and one print for each part of a value that is the same for equals."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from msgspec import Struct

from promptops.core.paths import Path, parse_path
from promptops.models import Json

_LONG: Final = 48  # bytes of a text above which its digest stands for it
_CONTAINERS = (dict, list)


class Comparison(Struct, frozen=True):
    """How to compare.

    `significant_digits` counts digits after the decimal point, as in DeepDiff; `subset`: keys that `expected` does not
    name are free; `ignore_order`: lists are compared as multisets; `ignore_case`: of all text.
    """

    ignore_order: bool = False
    significant_digits: int | None = None
    exclude_paths: tuple[Path, ...] = ()
    subset: bool = False
    ignore_case: bool = False


def parse_exclude(text: str) -> Path:
    """`root['note']`, `root['items'][*]['id']` or just `note`; raises `ValueError`."""
    return parse_path(text, "root") if text.startswith("root") and text != "root" else (text,)


class Prints:
    """The print and the weight of every part of some values.

    Two parts have one print exactly where they are equal under `how`, `subset` aside. A print does not depend on what
    else was read, nor on the process. The weight is the number of leaves, at least 1. Time and memory are linear in
    the size of the values, whatever their depth: nothing here recurses.
    """

    def __init__(self, how: Comparison, *values: Json) -> None:
        self._how = how
        self._known: dict[int, tuple[bytes, int]] = {}
        self._kept = values  # alive, so that no other object gets the identity of one of their parts
        for value in values:
            self._read(value)

    def of(self, part: Any) -> bytes:
        """The print of a part of the values."""
        known = self._known.get(id(part)) if isinstance(part, _CONTAINERS) else None
        return known[0] if known is not None else leaf_print(part, self._how)

    def weight(self, part: Any) -> int:
        """The number of leaves of a part of the values, at least 1."""
        return self._known[id(part)][1] if isinstance(part, _CONTAINERS) else 1

    def _read(self, root: Any) -> None:
        """Every container below `root`, those inside before those around them."""
        stack: list[Any] = [root] if isinstance(root, _CONTAINERS) else []
        order: list[Any] = []
        while stack:
            part = stack.pop()
            order.append(part)
            below = part.values() if isinstance(part, dict) else part
            stack.extend([item for item in below if isinstance(item, _CONTAINERS)])
        for part in reversed(order):
            if id(part) not in self._known:
                self._known[id(part)] = self._container(part)

    def _container(self, part: Any) -> tuple[bytes, int]:
        known, how, weight = self._known, self._how, 0
        items = part.values() if isinstance(part, dict) else part
        prints: list[bytes] = []
        for item in items:
            if isinstance(item, _CONTAINERS):
                token, below = known[id(item)]
                prints.append(token)
                weight += below
            else:
                prints.append(leaf_print(item, how))
                weight += 1
        if isinstance(part, dict):
            prints = sorted(_key(key) + token for key, token in zip(part, prints, strict=True))
        elif how.ignore_order:
            prints.sort()
        text = b"".join([b"%d:%b" % (len(token), token) for token in prints])
        kind = b"{" if isinstance(part, dict) else b"["
        return kind + hashlib.blake2b(text, digest_size=16).digest(), max(1, weight)


def leaf_print(value: Any, how: Comparison) -> bytes:
    """The print of a value that holds no others. `1` and `1.0` have one, `1` and `true` have two."""
    if isinstance(value, str):
        text = (value.casefold() if how.ignore_case else value).encode("utf-8", "surrogatepass")
        return b"s" + text if len(text) <= _LONG else b"S" + hashlib.blake2b(text, digest_size=16).digest()
    if value is None or isinstance(value, bool):
        return b"0" if value is None else b"+" if value else b"-"
    if isinstance(value, int | float):
        return b"n" + _number(value, how).encode()
    return b"?" + f"{type(value).__qualname__}:{value!r}".encode("utf-8", "surrogatepass")


def is_number(value: Any) -> bool:
    """Whether `value` is a JSON number: `true` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same_leaf(expected: Any, actual: Any, how: Comparison) -> bool:
    """Whether two values that hold no others are equal. `1` and `1.0` are, `1` and `true` are not, `NaN` is itself."""
    return leaf_print(expected, how) == leaf_print(actual, how)


def _key(key: Any) -> bytes:
    text = str(key).encode("utf-8", "surrogatepass")
    return b"%d:%b" % (len(text), text)


def _number(value: int | float, how: Comparison) -> str:
    if how.significant_digits is not None:
        return _rounded(value, how.significant_digits)
    if isinstance(value, float):
        return hex(int(value)) if value.is_integer() else repr(value)
    return hex(value)


def _rounded(value: float, digits: int) -> str:
    try:
        text = f"{value:.{digits}f}"
    except OverflowError:
        return hex(int(value))  # an integer beyond every float
    return text.removeprefix("-") if not text.strip("-0.") else text
