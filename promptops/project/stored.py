"""JSON files that promptops writes and people can edit: closures and evidence. Each problem has a line."""

from __future__ import annotations

import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.project.strict_json import DuplicateKey, decode_strictly, json_problem

M = TypeVar("M", bound=BaseModel)

MAX_BYTES = 64 * 1024 * 1024
RESTORE = "promptops wrote this file: restore it with `git checkout -- {path}`, or see `git log -p -- {path}`"


def read_text(path: Path, shown: str) -> str:
    """Read UTF-8 text of at most `MAX_BYTES`; raises `ProblemsError` naming the file as `shown`."""
    data = read_bytes(path, shown)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ProblemsError([Problem(shown, line, "is not UTF-8", RESTORE.format(path=shown))]) from error
    if text.startswith("\ufeff"):
        raise ProblemsError([Problem(shown, 1, "begins with a byte order mark", "save it as UTF-8 without BOM")])
    return text


def read_bytes(path: Path, shown: str) -> bytes:
    """Read a plain file of at most `MAX_BYTES`; raises `ProblemsError` naming the file as `shown`."""
    hint = RESTORE.format(path=shown)
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):  # a pipe or a device would never end
            raise ProblemsError([Problem(shown, 0, "is not a plain file", hint)])
        if found.st_size > MAX_BYTES:
            raise ProblemsError([Problem(shown, 0, f"is larger than {MAX_BYTES // 2**20} MB", hint)])
        return path.read_bytes()
    except FileNotFoundError:
        raise ProblemsError([Problem(shown, 0, "is missing", hint)]) from None
    except OSError as error:
        raise ProblemsError([Problem(shown, 0, f"cannot be read: {error.strerror or error}")]) from error


def parse_json(model: type[M], text: str, *, path: str) -> M:
    """Read `text` as `model`; raises `ProblemsError` with every problem, its line and what to do."""
    refuse_conflict(text, path)
    _check_json(text, path)
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise ProblemsError(_problems(error, text, path, model)) from error


def refuse_conflict(text: str, path: str) -> None:
    """Raise `ProblemsError` where git left the marks of a merge that nobody settled."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(("<<<<<<< ", ">>>>>>> ")):
            hint = (
                f"settle it: `git checkout --ours -- {path}` (or --theirs), then promote or roll back what is missing"
            )
            raise ProblemsError([Problem(path, number, "has the marks of an unsettled merge", hint)])


def render_json(model: BaseModel) -> str:
    """The text of a file: sorted keys, one value a line, so that git merges and shows it well."""
    value = model.model_dump(mode="json")
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _check_json(text: str, path: str) -> None:
    """What pydantic's own parser would let pass or word badly: syntax, duplicate keys, NaN, endless depth."""
    hint = RESTORE.format(path=path)
    try:
        decode_strictly(text)
    except DuplicateKey as error:
        line = _nth_line(text, f'"{error.key}"', 2)
        raise ProblemsError([Problem(path, line, f"has the key {error.key!r} twice", hint)]) from error
    except (ValueError, RecursionError) as error:
        raise ProblemsError([json_problem(error, text, path, hint)]) from error


def _nth_line(text: str, needle: str, count: int) -> int:
    position = -1
    for _ in range(count):
        position = text.find(needle, position + 1)
        if position < 0:
            return 0
    return text.count("\n", 0, position) + 1


def _problems(error: ValidationError, text: str, path: str, model: type[BaseModel]) -> list[Problem]:
    lines = _lines(text)
    found = []
    for item in error.errors():
        where = ".".join(str(part) for part in item["loc"]) or "the file"
        message = f"{where}: {item['msg']}"
        if item["type"] == "extra_forbidden":
            message = f"{where}: unknown key{did_you_mean(str(item['loc'][-1]), _keys(model))}"
        found.append(Problem(path, _line_of(lines, item["loc"]), message, RESTORE.format(path=path)))
    return found


def _keys(model: type[BaseModel]) -> set[str]:
    """The keys that occur anywhere in `model`, for the nearest match of an unknown one."""
    schema = model.model_json_schema()
    tables = [schema, *schema.get("$defs", {}).values()]
    return {key for table in tables for key in table.get("properties", {})}


def _line_of(lines: dict[tuple[str | int, ...], int], location: Sequence[str | int]) -> int:
    """The line of the longest known beginning of `location`."""
    for length in range(len(location), 0, -1):
        if (line := lines.get(tuple(location[:length]))) is not None:
            return line
    return lines.get((), 0)


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """The line of every value, by its path: JSON is walked once more, and only when something was wrong with it."""
    decoder = json.JSONDecoder()
    lines: dict[tuple[str | int, ...], int] = {}
    space = " \t\r\n"

    def skip(at: int) -> int:
        while at < len(text) and text[at] in space:
            at += 1
        return at

    def walk(at: int, path: tuple[str | int, ...]) -> int:
        at = skip(at)
        lines.setdefault(path, text.count("\n", 0, at) + 1)
        opening = text[at : at + 1]
        if opening not in ("{", "["):
            return decoder.raw_decode(text, at)[1]
        at, index = skip(at + 1), 0
        while text[at] not in "}]":
            key: str | int = index
            if opening == "{":
                key, end = decoder.raw_decode(text, at)
                lines[*path, key] = text.count("\n", 0, at) + 1
                at = skip(end) + 1
            at, index = skip(walk(at, (*path, key))), index + 1
            at = skip(at + 1) if text[at] == "," else at
        return at + 1

    walk(0, ())
    return lines
