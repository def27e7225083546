"""Make cases of the rows of a dataset: every problem of a row at once, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct, field

from promptops.core.checks import read_checks
from promptops.core.measurement import case_digest
from promptops.errors import Problem, did_you_mean
from promptops.formats import CASE_ID_PATTERN
from promptops.models import Case, CheckSpec

KEYS = ("id", "inputs", "expected", "tags", "checks", "cluster")
MAX_ID = 200
MAX_TAGS = 100

_ID = re.compile(CASE_ID_PATTERN.removesuffix("$"))
InputCheck = Callable[[Mapping[str, Any]], list[str]]


class Row(Struct, frozen=True):
    """One row as read: `data`, the line where it begins, and lines of paths below it (those known)."""

    data: Any
    line: int
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict)
    at: tuple[str | int, ...] = ()

    def line_of(self, *path: str | int) -> int:
        """The line of `path` in this row, or of the row."""
        return self.lines.get((*self.at, *path), self.line)


class Seen(Protocol):
    """Remembers ids, so that each is taken once."""

    def first(self, case: str, line: int, /) -> int | None:
        """The line of an earlier row with the id `case`; None where there is none, then it is this one."""
        ...


class RowReader:
    """Reads rows one after the other; ids are unique over all that `seen` has met.

    `check_inputs` returns what is wrong with a row's inputs (None: anything goes), `names` are the prompt's inputs.
    """

    def __init__(
        self, path: str, seen: Seen, *, check_inputs: InputCheck | None = None, names: frozenset[str] = frozenset()
    ) -> None:
        self._path, self._seen, self._check_inputs, self._names = path, seen, check_inputs, names

    def read(self, row: Row) -> tuple[Case | None, list[Problem]]:
        """Return the case of `row`, or every problem of it."""
        if not isinstance(row.data, dict):
            return None, [Problem(self._path, row.line, "a case is a mapping with `id` and `inputs`", _EXAMPLE)]
        problems = [
            Problem(self._path, line, message, hint)
            for line, message, hint in (
                *self._unknown(row),
                *self._id(row),
                *self._inputs(row),
                *_tags(row),
                *_cluster(row),
            )
        ]
        checks, wrong = self._checks(row)
        if problems or wrong:
            return None, [*problems, *wrong]
        return self._case(row, checks), []

    def again(self, row: Row) -> Case:
        """The case of a row that was read before, and was fine."""
        return self._case(row, self._checks(row)[0])

    def _checks(self, row: Row) -> tuple[tuple[CheckSpec, ...], list[Problem]]:
        at, raw = (*row.at, "checks"), row.data.get("checks")
        return read_checks(raw, path=self._path, lines=row.lines, at=at, line=row.line)

    def _case(self, row: Row, checks: tuple[CheckSpec, ...]) -> Case:
        data: dict[str, Any] = row.data
        has_expected, expected, inputs = "expected" in data, data.get("expected"), data.get("inputs") or {}
        digest = case_digest(inputs, checks, *([expected] if has_expected else []))
        tags = tuple(dict.fromkeys(data.get("tags") or ()))
        cluster = data.get("cluster") or ""
        return Case(data["id"], inputs, expected, has_expected, tags, checks, self._path, row.line, digest, cluster)

    def _unknown(self, row: Row) -> Iterator[tuple[int, str, str]]:
        for key in row.data:
            if key not in KEYS:
                hint = f"put it under inputs: {{{key}: …}}" if key in self._names else "known keys: " + ", ".join(KEYS)
                near = "" if key in self._names else did_you_mean(str(key), KEYS)
                yield row.line_of(key), f"unknown key {str(key)[:80]!r}{near}", hint

    def _id(self, row: Row) -> Iterator[tuple[int, str, str]]:
        value, line = row.data.get("id"), row.line_of("id")
        if "id" not in row.data:
            yield line, "the case has no id", "add one that never changes: " + _EXAMPLE
        elif not isinstance(value, str):
            yield line, f"id {value!r:.80} is not text", f'write "{value}"' if isinstance(value, int) else _EXAMPLE
        elif not _ID.fullmatch(value):
            hint = "letters, digits, `_`, `.` and `-`, beginning with an ASCII letter or a digit"
            yield line, f"id {value[:80]!r} cannot be a case id", hint
        elif len(value) > MAX_ID:
            yield line, f"id {value[:40]!r}… has {len(value)} characters", f"at most {MAX_ID}"
        elif (earlier := self._seen.first(value, line)) is not None:
            yield line, f"id {value!r} is taken by the case at line {earlier}", "ids are unique in a dataset"

    def _inputs(self, row: Row) -> Iterator[tuple[int, str, str]]:
        inputs, line = row.data.get("inputs"), row.line_of("inputs")
        if inputs is not None and not isinstance(inputs, dict):
            yield line, "inputs is not a mapping of names to values", _EXAMPLE
        elif self._check_inputs is not None:
            for message in self._check_inputs(inputs or {}):
                yield line, message, ""


_EXAMPLE = '{"id": "c1", "inputs": {"text": "…"}}'


def _tags(row: Row) -> Iterator[tuple[int, str, str]]:
    tags = row.data.get("tags")
    if tags is None:
        return
    if not isinstance(tags, list) or not all(isinstance(tag, str) and tag.strip() for tag in tags):
        yield row.line_of("tags"), "tags is not a list of texts", 'such as ["quick", "german"]'
    elif len(tags) > MAX_TAGS:
        yield row.line_of("tags"), f"{len(tags)} tags; at most {MAX_TAGS}", ""


def _cluster(row: Row) -> Iterator[tuple[int, str, str]]:
    cluster = row.data.get("cluster")
    if cluster is not None and (not isinstance(cluster, str) or len(cluster) > MAX_ID):
        hint = f'the name of what its cases come from, at most {MAX_ID} characters, such as "contract-17.pdf"'
        yield row.line_of("cluster"), "cluster is not a short text", hint
