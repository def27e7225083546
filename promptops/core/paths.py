"""Paths into JSON: `root['items'][0]['name']` as DeepDiff writes them, `$.items[0].name` as JSONPath does.

A small subset of RFC 9535: names, quoted names, indices (negative ones count from the end) and `[*]`. No filters and
no `..`: their cost grows with the output, which is hostile.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

MAX_FOUND = 10_000


class _Every:
    """`[*]`: every item of a list, every value of a mapping."""

    def __repr__(self) -> str:
        return "[*]"


EVERY: Final = _Every()
Path: TypeAlias = tuple[str | int | _Every, ...]

_STEP = re.compile(
    r"""\.(?P<name>[^\W\d][\w\-]*)|\.(?P<every_name>\*)|\[(?:(?P<index>-?\d{1,9})|(?P<every>\*)"""
    r"""|'(?P<single>(?:[^'\\]|\\.)*)'|"(?P<double>(?:[^"\\]|\\.)*)")\]"""
)


def parse_path(text: str, start: str) -> Path:
    """Parse a path that begins with `start` (`$` or `root`); raises `ValueError` that shows where it goes wrong."""
    if not text.startswith(start):
        raise ValueError(f"{text!r} is not a path: it begins with {start!r}")
    steps: list[str | int | _Every] = []
    position = len(start)
    while position < len(text):
        if not (match := _STEP.match(text, position)):
            raise ValueError(f"{text!r} is not a path: {text[position:]!r} is not .name, ['name'], [0], [-1] or [*]")
        steps.append(_step(match))
        position = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> str | int | _Every:
    if match["index"] is not None:
        return int(match["index"])
    if match["every"] or match["every_name"]:
        return EVERY
    quoted = match["single"] if match["single"] is not None else match["double"]
    return str(match["name"]) if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def find(value: Any, path: Path) -> list[Any]:
    """Everything in `value` that `path` names, in document order, at most `MAX_FOUND`."""
    found = [value]
    for step in path:
        found = [below for item in found for below in _below(item, step)][:MAX_FOUND]
    return found


def _below(item: Any, step: str | int | _Every) -> Iterator[Any]:
    if isinstance(step, _Every):
        yield from item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
    elif isinstance(step, int):
        if isinstance(item, list) and -len(item) <= step < len(item):
            yield item[step]
    elif isinstance(item, dict) and step in item:
        yield item[step]


def without(value: Any, paths: list[Path]) -> Any:
    """A copy of `value` without what `paths` name; other parts are shared, not copied."""
    if not paths:
        return value
    here = [path for path in paths if path]
    if isinstance(value, dict):
        pairs = ((key, item, _tails(here, key, key)) for key, item in value.items())
        return {key: without(item, tails) for key, item, tails in pairs if () not in tails}
    if isinstance(value, list):
        size = len(value)
        items = ((item, _tails(here, at, at - size)) for at, item in enumerate(value))
        return [without(item, tails) for item, tails in items if () not in tails]
    return value


def _tails(paths: list[Path], key: str | int, other: str | int) -> list[Path]:
    return [path[1:] for path in paths if isinstance(path[0], _Every) or path[0] in (key, other)]
