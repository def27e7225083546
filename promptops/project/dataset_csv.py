"""A CSV dataset: what the columns mean and what type a cell has.

Columns are `id`, `inputs.<name>`, `expected` or `expected.<path>`, `tags`, `cluster` and `checks` (a JSON list).

A cell of `inputs.…` has the type of that input; where that is unknown it is text. A cell of `expected.…` is JSON where
it reads as JSON (`2`, `true`, `null`, `[1, 2]`, `"2"` for the text 2), else text; one of `expected` is text unless it
is a JSON object or list. (The output contract has no say: reading a dataset runs no Python.) An empty cell is left out;
for an input that must be text it is the empty text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from promptops.core.cases import KEYS, Row
from promptops.core.json_text import parse_strictly
from promptops.errors import Problem, did_you_mean

_TAGS = re.compile(r"[,|;\s]+")
_MISSING = object()


class Table:
    """The header of a CSV dataset; `problems` is what is wrong with it."""

    def __init__(
        self,
        header: list[str],
        path: str,
        line: int,
        schemas: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._header = [name.strip() for name in header]
        self._path, self._schemas = path, schemas
        self.problems = [Problem(path, line, message, hint) for message, hint in self._header_problems()]

    def _header_problems(self) -> Iterator[tuple[str, str]]:
        names = self._header
        if "id" not in names:
            hint = "the columns are id, inputs.<name>, expected.<name>, tags, cluster"
            separator = next((mark for mark in (";", "\t") if any(mark in name for name in names)), "")
            yield "the first row has no column `id`", "separate columns by commas" if separator else hint
            return
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f"column {name!r} stands twice", ""
            yield from self._column_problems(name)
        if "expected" in names and any(name.startswith("expected.") for name in names):
            yield "there is a column `expected` and one below it", "keep one of the two"
        for name in names:
            if any(other.startswith(f"{name}.") for other in names if name.startswith(("inputs.", "expected."))):
                yield f"there is a column {name!r} and one below it", "keep one of the two"

    def _column_problems(self, name: str) -> Iterator[tuple[str, str]]:
        top, dot, rest = name.partition(".")
        known = [*KEYS, *(f"inputs.{name}" for name in self._schemas)]
        if not name:
            yield "a column has no name", "remove it, or is a comma too many in the first row?"
        elif top not in ("inputs", "expected") and name not in ("id", "tags", "checks", "cluster"):
            near = f", did you mean 'inputs.{name}'?" if name in self._schemas else did_you_mean(name, known)
            yield (
                f"unknown column {name[:80]!r}{near}",
                "the columns are id, inputs.<name>, expected.<name>, tags, cluster, checks",
            )
        elif name == "inputs" or (dot and not all(rest.split("."))):
            yield (
                f"column {name!r} names no input" if top == "inputs" else f"column {name!r} ends in nothing",
                "inputs.text",
            )

    def rows(self, record: list[str], line: int) -> Iterator[Row | Problem]:
        """The row of one record, or what is wrong with its shape."""
        if len(record) != len(self._header):
            message = f"has {len(record)} columns, the first row has {len(self._header)}"
            yield Problem(self._path, line, message, "put a text with commas, quotes or line ends in double quotes")
            return
        data: dict[str, Any] = {}
        for name, cell in zip(self._header, record, strict=True):
            value = self._value(name, cell)
            if value is not _MISSING:
                _put(data, name.split("."), value)
        yield Row(data, line)

    def _value(self, name: str, cell: str) -> Any:
        top, _, rest = name.partition(".")
        if top in ("id", "cluster"):
            return cell
        if top == "tags":
            return [tag for tag in _TAGS.split(cell) if tag]
        if top == "checks":
            return json_or_text(cell) if cell.strip() else _MISSING
        if top == "inputs":
            return self._input(rest, cell)
        if not cell:
            return _MISSING
        return json_or_text(cell) if rest or cell.lstrip().startswith(("{", "[")) else cell

    def _input(self, name: str, cell: str) -> Any:
        schema = _below({"properties": dict(self._schemas)}, name.split("."))
        if not cell:
            return "" if _is_text(schema) and "default" not in (schema or {}) else _MISSING
        if schema is None or _is_text(schema) or "type" not in schema:
            return cell
        if "boolean" in _types(schema) and cell.strip().lower() in ("true", "false"):
            return cell.strip().lower() == "true"
        return json_or_text(cell)


def json_or_text(cell: str) -> Any:
    """The JSON value that `cell` is, else the cell itself."""
    try:
        found = parse_strictly(cell.strip())
    except (ValueError, RecursionError):
        return cell
    return cell if found.repairs else found.value


def _put(data: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        data = data.setdefault(part, {})
    data[path[-1]] = value


def _types(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema.get("type", [])
    return [kinds] if isinstance(kinds, str) else list(kinds) if isinstance(kinds, list) else []


def _is_text(schema: Mapping[str, Any] | None) -> bool:
    """Whether a value of `schema` may be text, and so a cell is text as it stands."""
    return schema is not None and ("string" in _types(schema) or any(map(_is_text, _choices(schema))))


def _choices(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = [*(schema.get("anyOf") or ()), *(schema.get("oneOf") or ())]
    return [choice for choice in found if isinstance(choice, Mapping)]


def _below(schema: Mapping[str, Any] | None, path: list[str]) -> Mapping[str, Any] | None:
    """The schema of the property at `path`, None where it is not known. References are followed one step."""
    root = schema
    for part in path:
        properties = _follow(root, schema).get("properties") if schema is not None else None
        schema = properties.get(part) if isinstance(properties, Mapping) else None
        if not isinstance(schema, Mapping):
            return None
    return _follow(root, schema) if schema is not None else None


def _follow(root: Mapping[str, Any] | None, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/$defs/") and root is not None:
        target = (root.get("$defs") or {}).get(reference.removeprefix("#/$defs/"))
        return target if isinstance(target, Mapping) else schema
    return schema
