"""What counts as equal: options of a comparison, and one print for each part of a value that is the same for equals."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from msgspec import Struct

from promptops.core.paths import Path, parse_path
from promptops.models import Json

_LONG: Final = 48  # bytes of a text above which its digest stands for it
_CONTAINERS = (dict, list)
_LEAVES: Final = frozenset((str, int, float, bool, type(None)))


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
        self._keys: dict[Any, bytes] = {}
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
            stack += [item for item in below if type(item) not in _LEAVES and isinstance(item, _CONTAINERS)]
        for part in reversed(order):
            if id(part) not in self._known:
                self._known[id(part)] = self._container(part)

    def _container(self, part: Any) -> tuple[bytes, int]:
        known, how, weight = self._known, self._how, 0
        prints: list[bytes] = []
        for item in part.values() if isinstance(part, dict) else part:
            if type(item) not in _LEAVES and isinstance(item, _CONTAINERS):
                token, below = known[id(item)]
                prints.append(token)
                weight += below
            else:
                prints.append(leaf_print(item, how))
                weight += 1
        if isinstance(part, dict):
            keys, pairs = self._keys, zip(part, prints, strict=True)
            prints = sorted([(keys.get(key) or self._key(key)) + token for key, token in pairs])
            return b"{" + _digest(b"".join(prints)), max(1, weight)
        if how.ignore_order:
            prints.sort()
        return b"[" + _digest(b"".join(prints)), max(1, weight)

    def _key(self, key: Any) -> bytes:
        text = str(key).encode("utf-8", "surrogatepass")
        made = b"%d:%b" % (len(text), text)
        if isinstance(key, str):
            self._keys[key] = made
        return made


def leaf_print(value: Any, how: Comparison) -> bytes:
    """The print of a value that holds no others. `1` and `1.0` have one, `1` and `true` have two.

    No print is the beginning of another, so that prints in a row can be read in one way only.
    """
    if isinstance(value, str):
        text = (value.casefold() if how.ignore_case else value).encode("utf-8", "surrogatepass")
        return b"s%b\0" % text if len(text) <= _LONG and b"\0" not in text else b"S" + _digest(text)
    if value is None or isinstance(value, bool):
        return b"0" if value is None else b"+" if value else b"-"
    if isinstance(value, int | float):
        return b"n%b\0" % _number(value, how).encode()
    return b"?" + _digest(f"{type(value).__qualname__}:{value!r}".encode("utf-8", "surrogatepass"))


def is_number(value: Any) -> bool:
    """Whether `value` is a JSON number: `true` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same_leaf(expected: Any, actual: Any, how: Comparison) -> bool:
    """Whether two values that hold no others are equal. `1` and `1.0` are, `1` and `true` are not, `NaN` is itself."""
    return leaf_print(expected, how) == leaf_print(actual, how)


def _digest(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=16).digest()


def _number(value: int | float, how: Comparison) -> str:
    if how.significant_digits is not None:
        return _rounded(value, how.significant_digits)
    if isinstance(value, float):
        return hex(int(value)) if value.is_integer() else value.hex()
    return hex(value)


def _rounded(value: float, digits: int) -> str:
    try:
        text = f"{value:.{digits}f}"
    except OverflowError:
        return hex(int(value))  # an integer beyond every float
    return text.removeprefix("-") if not text.strip("-0.") else text
