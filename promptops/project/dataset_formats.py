"""The file formats of datasets: each turns a binary stream into rows and problems, line by line."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, Protocol

from promptops.core.cases import Row
from promptops.core.json_text import parse_strictly
from promptops.core.strict_yaml import parse_yaml
from promptops.errors import Problem, ProblemsError
from promptops.project.dataset_csv import Table

MAX_LINE = 10 * 1024 * 1024  # bytes
MAX_YAML = 1024 * 1024  # bytes; the YAML reader's own limit

Schemas = Mapping[str, Mapping[str, Any]]
Rows = Iterator[Row | Problem]


class Reader(Protocol):
    """Reads the rows of a stream; `fine`: they were read before, and nothing was wrong with them."""

    def __call__(self, stream: BinaryIO, path: str, schemas: Schemas, /, *, fine: bool = False) -> Rows: ...


_WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def jsonl_rows(stream: BinaryIO, path: str, _schemas: Schemas, *, fine: bool = False) -> Rows:
    """One JSON object a line; empty lines are skipped."""
    for number, line in _lines(stream, path):
        if isinstance(line, Problem):
            yield line
        elif text := line.strip():
            yield Row(json.loads(text), number) if fine else _json_row(text, path, number)


def _json_row(text: str, path: str, number: int) -> Row | Problem:
    try:
        found = parse_strictly(text)
    except json.JSONDecodeError as error:
        hint = (
            "one JSON object a line" if text[:1] not in ("[",) else "one JSON object a line, without a list around them"
        )
        return Problem(path, number, f"is not JSON: {error.msg} at column {error.colno}", hint)
    except RecursionError:
        return Problem(path, number, "is not JSON: it nests too deeply")
    except ValueError as error:
        return Problem(path, number, f"is not JSON: {error}", "one JSON object a line")
    if found.repairs:
        return Problem(path, number, found.repairs[0].split(";", maxsplit=1)[0], "a key stands once in an object")
    return Row(found.value, number)


def yaml_rows(stream: BinaryIO, path: str, _schemas: Schemas, *, fine: bool = False) -> Rows:  # noqa: ARG001
    """A list of cases, or a mapping with the one key `cases`."""
    parts = []
    for _, line in _lines(stream, path):
        if isinstance(line, Problem):
            yield line
            return
        parts.append(line)
        if stream.tell() > MAX_YAML:
            yield Problem(path, 0, "is larger than 1 MiB", "write large datasets as JSON lines: cases.jsonl")
            return
    try:
        document = parse_yaml("".join(parts), path=path)
    except ProblemsError as error:
        yield from error.problems
        return
    data: Any = document.data
    at: tuple[str, ...] = ()
    if isinstance(data, dict):
        if set(data) != {"cases"}:
            yield Problem(path, 1, "is a mapping without the one key `cases`", "write a list of cases, or cases: [...]")
            return
        data, at = data["cases"], ("cases",)
    if not isinstance(data, list):
        if data is not None:
            yield Problem(path, 1, "is not a list of cases", "begin each case with `- id: …`")
        return
    for index, item in enumerate(data):
        yield Row(item, document.lines.get((*at, index), 0), document.lines, (*at, index))


def csv_rows(stream: BinaryIO, path: str, schemas: Schemas, *, fine: bool = False) -> Rows:  # noqa: ARG001
    """A header, then one case a record; cells are typed as `dataset_csv` says."""
    broken: list[Problem] = []
    reader = csv.reader(_texts(stream, path, broken), strict=True)
    table: Table | None = None
    start = 1
    while True:
        try:
            record = next(reader, None)
        except csv.Error as error:
            yield from broken
            hint = "nothing after this line was read; is a quote left open? Texts over 128 KiB belong into cases.jsonl"
            yield Problem(path, start, f"is not CSV: {error}", hint)
            return
        yield from broken
        broken.clear()
        if record is None:
            return
        if any(record) and table is None:
            table = Table(record, path, start, schemas)
            yield from table.problems
            if table.problems:
                return
        elif any(record) and table is not None:
            yield from table.rows(record, start)
        start = reader.line_num + 1


def _texts(stream: BinaryIO, path: str, broken: list[Problem]) -> Iterator[str]:
    for number, line in _lines(stream, path, bom=True):
        if isinstance(line, Problem):
            broken.append(line)
            yield "\n" * (number > 1)
        else:
            yield line


def _lines(stream: BinaryIO, path: str, *, bom: bool = False) -> Iterator[tuple[int, str | Problem]]:
    """The lines of a UTF-8 stream, with their ends; a line that is none is a problem. `bom`: a BOM is skipped."""
    number = 0
    while raw := stream.readline(MAX_LINE + 1):
        number += 1
        if number == 1 and raw.startswith(_WIDE):
            yield 1, Problem(path, 1, "is UTF-16", "save it as UTF-8")
            return
        if number == 1 and raw.startswith(codecs.BOM_UTF8):
            if not bom:
                yield 1, Problem(path, 1, "begins with a byte order mark", "save it as UTF-8 without BOM")
            raw = raw[len(codecs.BOM_UTF8) :]
        yield number, _text(raw, path, number)
        if len(raw) > MAX_LINE and b"\0" in raw:  # no text at all: there may be gigabytes of it
            return
        while len(raw) > MAX_LINE and not raw.endswith(b"\n") and (raw := stream.readline(MAX_LINE + 1)):
            pass


def _text(raw: bytes, path: str, number: int) -> str | Problem:
    if b"\0" in raw:
        return Problem(path, number, "holds a NUL byte", "is this a text file?")
    if len(raw) > MAX_LINE:
        return Problem(path, number, f"the line is longer than {MAX_LINE // 1024 // 1024} MiB")
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        return Problem(path, number, f"is not UTF-8 at byte {error.start + 1} of the line", "save it as UTF-8")


READERS: dict[str, Reader] = {".jsonl": jsonl_rows, ".yaml": yaml_rows, ".yml": yaml_rows, ".csv": csv_rows}
