"""JSON files as they have to be: no key twice, no NaN, no endless nesting; what is wrong is a problem with a line."""

from __future__ import annotations

import json
from typing import Any

from promptops.errors import Problem


class DuplicateKey(ValueError):
    """An object has `key` twice."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"the key {key!r} is there twice")


def decode_strictly(text: str) -> Any:
    """The value of `text`.

    Raises `ValueError` (`DuplicateKey`, `json.JSONDecodeError`), and `RecursionError` where it nests by the thousands;
    `json_problem` words them.
    """
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)


def json_problem(error: ValueError | RecursionError, text: str, path: str, hint: str = "") -> Problem:
    """What is wrong with `text`, by the error that reading it ended in."""
    if isinstance(error, json.JSONDecodeError):
        message = "is empty" if not text.strip() else f"is not JSON: {error.msg} (column {error.colno})"
        return Problem(path, error.lineno, message, hint)
    if isinstance(error, RecursionError):
        return Problem(path, 0, "is nested too deeply", hint)
    return Problem(path, 0, f"is not JSON: {error}"[:300], hint)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DuplicateKey(key)
        found[key] = value
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")
