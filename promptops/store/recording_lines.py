"""One line of a recordings file: bytes to checked fields and back, with a digest that shows an edit.

A file of 10,000 lines is read at every start of a test run, so a line is checked by hand first; pydantic only words
what is wrong with one that is not plain.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct
from pydantic import ValidationError

from promptops.core.digest import sha256_of
from promptops.core.harmless import BIDI, CONTROL
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.formats import CASE_ID_PATTERN, RecordedTurn, RecordingLine
from promptops.models import Reply, Sample, SampleKey, Turn, Usage

MAX_FILE: Final = 1 << 34  # bytes
MAX_LINE: Final = 1 << 26  # bytes; a reply is bounded at 16 MB, which JSON may write as four times that
MAX_DEPTH: Final = 64  # levels of lists and objects in tool calls
MAX_PROBLEMS: Final = 100  # a file that is something else altogether is not listed line by line

Fields = dict[str, Any]

_OPTIONAL: Final[Mapping[str, Any]] = {
    "tool_calls": (),
    "finish_reason": None,
    "served_model": None,
    "input_tokens": None,
    "output_tokens": None,
    "cost": None,
    "cached": None,
    "batch": None,
}
# What stands in a line only where there is something to say: lines that were written before it keep their digest.
_WHERE_SAID: Final[Mapping[str, type]] = {
    "cached_tokens": int,
    "cache_write_tokens": int,
    "reasoning_tokens": int,
    "cache_write_1h_tokens": int,
    "logprobs": list,
    "earlier": list,
}
_PARTS: Final = ("cached_tokens", "cache_write_tokens", "reasoning_tokens", "cache_write_1h_tokens")
_COUNTS: Final = ("input_tokens", "output_tokens", *_PARTS)
_KEYS: Final = frozenset(RecordingLine.model_fields)
_REQUIRED: Final = _KEYS - _OPTIONAL.keys() - _WHERE_SAID.keys()
_TEXT: Final = (str,)
_TEXT_OR_NOTHING: Final = (str, type(None))
_COUNT_OR_NOTHING: Final = (int, type(None))
_NUMBER: Final = (float, int)
_NUMBER_OR_NOTHING: Final = (float, int, type(None))
_TYPES: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("case", _TEXT),
    ("sample", (int,)),
    ("request", _TEXT),
    ("text", _TEXT),
    ("tool_calls", (list,)),
    ("finish_reason", _TEXT_OR_NOTHING),
    ("served_model", _TEXT_OR_NOTHING),
    ("input_tokens", _COUNT_OR_NOTHING),
    ("output_tokens", _COUNT_OR_NOTHING),
    ("latency", _NUMBER),
    ("cost", _NUMBER_OR_NOTHING),
    ("recorded_at", _TEXT),
    ("digest", _TEXT),
)
_CASE: Final = re.compile(CASE_ID_PATTERN.removesuffix("$"))
_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")
# Valid in JSON as they are, but a terminal or an editor that shows the file would act on them.
_UNSEEN: Final = re.compile(f"{CONTROL.pattern}|{BIDI.pattern}")
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_CONFLICT: Final = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")


class Line(Struct, frozen=True):
    """The fields of one line, complete and of the right types, its number (1-based) in the file, and its own text."""

    number: int
    fields: Fields
    raw: bytes

    @property
    def key(self) -> tuple[str, int]:
        return self.fields["case"], self.fields["sample"]

    @property
    def intact(self) -> bool:
        """Whether the line still matches its own digest."""
        return bool(_digest(self.fields) == self.fields["digest"])


def line_digest(line: RecordingLine | Mapping[str, Any]) -> str:
    """The sha256 of the canonical JSON of every field but `digest`, left-out ones at their defaults."""
    fields = line.model_dump() if isinstance(line, RecordingLine) else line
    return _digest(_normal(fields))


def _digest(normal: Fields) -> str:
    return sha256_of({key: value for key, value in normal.items() if key != "digest"})


def fields_of(sample: Sample, *, recorded_at: str) -> Fields:
    """The fields of the line that records `sample`, which must have a reply."""
    reply = sample.reply
    if reply is None:
        raise ValueError(f"{sample.key} has no reply to record")
    fields: Fields = {
        "case": sample.key.case,
        "sample": sample.key.index,
        "request": sample.request,
        "text": reply.text,
        "tool_calls": [dict(call) for call in reply.tool_calls],
        "finish_reason": reply.finish_reason,
        "served_model": reply.served_model,
        "input_tokens": reply.usage.input_tokens,
        "output_tokens": reply.usage.output_tokens,
        "latency": float(reply.latency),
        "cost": None if sample.cost is None else float(sample.cost),
        "recorded_at": sample.recorded_at or recorded_at,
    }
    for name in _PARTS:
        if (counted := getattr(reply.usage, name)) is not None:
            fields[name] = counted
    if reply.logprobs:
        fields["logprobs"] = [dict(token) for token in reply.logprobs]
    if sample.source == "cached":
        fields["cached"] = True
    if reply.batch:
        fields["batch"] = True
    if sample.earlier:
        fields["earlier"] = [turn_fields(turn) for turn in sample.earlier]
    return {**fields, "digest": line_digest(fields)}


def sample_of(key: SampleKey, fields: Mapping[str, Any]) -> Sample:
    """The sample that a line records, under `key`."""
    reply = Reply(
        text=fields["text"],
        finish_reason=fields["finish_reason"],
        usage=Usage(
            fields["input_tokens"],
            fields["output_tokens"],
            fields.get("cached_tokens"),
            fields.get("cache_write_tokens"),
            fields.get("reasoning_tokens"),
            cache_write_1h_tokens=fields.get("cache_write_1h_tokens"),
        ),
        served_model=fields["served_model"],
        tool_calls=tuple(fields["tool_calls"]),
        latency=fields["latency"],
        logprobs=tuple(fields.get("logprobs") or ()),
        batch="batch" in fields,
    )
    return Sample(
        key,
        fields["request"],
        reply=reply,
        source="cached" if "cached" in fields else "recorded",
        cost=fields["cost"],
        recorded_at=fields["recorded_at"],
        digest=fields["digest"],
        earlier=tuple(turn_from(turn) for turn in fields.get("earlier") or ()),
    )


def turn_fields(turn: Turn) -> Fields:
    """An earlier answer as it stands in a line: counts only where the provider counted."""
    counts = {name: count for name in _COUNTS if (count := getattr(turn.usage, name)) is not None}
    return {
        "text": turn.text,
        "problems": list(turn.problems),
        "asked": turn.asked,
        "finish_reason": turn.finish_reason,
        "served_model": turn.served_model,
        **counts,
        "latency": float(turn.latency),
        "cost": None if turn.cost is None else float(turn.cost),
    }


def turn_from(fields: Mapping[str, Any]) -> Turn:
    """Read what `turn_fields` wrote."""
    return Turn(
        fields["text"],
        tuple(fields["problems"]),
        fields["asked"],
        fields.get("finish_reason"),
        Usage(**{name: fields.get(name) for name in _COUNTS}),
        fields.get("served_model"),
        fields["latency"],
        fields.get("cost"),
    )


def render_line(fields: Mapping[str, Any]) -> str:
    """One line of JSON without its line end; characters that act on a terminal are written as escapes."""
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False, separators=(", ", ": "))
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def parse_lines(data: bytes, *, path: str) -> list[Line]:
    """Read all lines of a file, an edited one included.

    Raises `ProblemsError` with every malformed line and every second line for one case and sample.
    """
    if (damage := damage_of(data, path=path)) is not None:
        raise ProblemsError([damage])
    lines: list[Line] = []
    problems: list[Problem] = []
    first: dict[tuple[str, int], int] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw or raw.isspace():
            continue
        try:
            line = parse_line(raw, path=path, number=number)
        except ProblemsError as error:
            problems += error.problems
            if len(problems) >= MAX_PROBLEMS:
                problems.append(Problem(path, number + 1, "not read any further: too many problems above"))
                break
            continue
        if (earlier := first.setdefault(line.key, number)) != number:
            problems.append(duplicate_line(line.key, path=path, number=number, earlier=earlier))
        lines.append(line)
    if problems:
        raise ProblemsError(problems)
    return lines


def parse_line(raw: bytes, *, path: str, number: int) -> Line:
    """Read one line, an edited one too; raises `ProblemsError` where it is malformed."""
    return Line(number, _parse(raw, path, number), raw)


def damage_of(data: bytes, *, path: str, number: int = 1) -> Problem | None:
    """What shows that bytes which begin in line `number` are no text that promptops wrote."""
    if number == 1 and data.startswith(b"\xef\xbb\xbf"):
        return Problem(path, 1, "begins with a byte order mark", "save the file as UTF-8 without BOM")
    if b"\0" in data:
        return Problem(path, 0, "is binary, not recorded samples", "restore the file from git")
    return None


def duplicate_line(key: tuple[str, int], *, path: str, number: int, earlier: int) -> Problem:
    """The problem of a line whose case and sample an earlier one has."""
    message = f"case {key[0]!r}, sample {key[1]} is already in line {earlier}"
    return Problem(path, number, message, "keep one of the two lines (a merge may have kept both)")


def is_too_deep(value: Any, *, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects are nested more than `limit` levels deep."""
    level = [value]
    for _ in range(limit):
        level = [
            item
            for outer in level
            for item in (
                outer.values() if isinstance(outer, dict) else outer if isinstance(outer, list | tuple) else ()
            )
        ]
        if not level:
            return False
    return True


def _parse(raw: bytes, path: str, number: int) -> Fields:
    if len(raw) > MAX_LINE:
        raise ProblemsError([Problem(path, number, f"is longer than {MAX_LINE >> 20} MB", "restore the file from git")])
    try:
        fields = _decoder.decode(raw.decode("utf-8").strip())
        if _ESCAPED_SURROGATE.search(raw):
            json.dumps(fields, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise _problem(path, number, f"is not UTF-8 (byte {error.start + 1})") from error
    except UnicodeEncodeError as error:
        raise _problem(path, number, "holds half a character (an unpaired surrogate escape)") from error
    except RecursionError as error:
        raise _problem(path, number, "is nested too deeply") from error
    except ValueError as error:
        if raw.startswith(_CONFLICT):
            raise _problem(path, number, "is a merge conflict", "keep the lines of one side, then run again") from error
        raise _problem(path, number, f"is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise _problem(path, number, f"is not a JSON object but {type(fields).__name__}")
    if not _is_plain(fields):
        _explain(fields, path, number)
    if is_too_deep(fields.get("tool_calls")) or is_too_deep(fields.get("logprobs")):
        raise _problem(path, number, "is nested too deeply")
    try:
        return _normal(fields)
    except OverflowError as error:
        raise _problem(path, number, "latency or cost: the number is too large") from error


def _problem(
    path: str, number: int, message: str, hint: str = "restore the line from git, or record it again"
) -> ProblemsError:
    return ProblemsError([Problem(path, number, message, hint)])


def _is_plain(fields: Fields) -> bool:
    return (
        _has_plain_types(tuple(fields), tuple(map(type, fields.values())))
        and fields["sample"] >= 0
        and len(fields["case"]) <= 200
        and _CASE.fullmatch(fields["case"]) is not None
        and _DIGEST.fullmatch(fields["request"]) is not None
        and _DIGEST.fullmatch(fields["digest"]) is not None
        and all(type(call) is dict for call in fields.get("tool_calls", ()))
        and all(type(token) is dict for token in fields.get("logprobs", ()))
        and all(_is_turn(turn) for turn in fields.get("earlier", ()))
        and fields.get("cached", True) is True
        and fields.get("batch", True) is True
    )


def _is_turn(fields: Any) -> bool:
    try:
        RecordedTurn.model_validate(fields)
    except ValidationError:
        return False
    return True


@functools.lru_cache(maxsize=256)
def _has_plain_types(names: tuple[str, ...], types: tuple[type, ...]) -> bool:
    """Whether no field is missing, unknown or of another type: the lines of a file are alike in that."""
    of = dict(zip(names, types, strict=True))
    usual = {name: type(value) for name, value in _OPTIONAL.items()} | {"tool_calls": list}
    return (
        of.keys() <= _KEYS
        and of.keys() >= _REQUIRED
        and all((of.get(key) or usual[key]) in kinds for key, kinds in _TYPES)
        and all(of.get(key, kind) is kind for key, kind in _WHERE_SAID.items())
    )


def _explain(fields: Fields, path: str, number: int) -> None:
    """Let pydantic find what is wrong with fields that are not plain, and word it."""
    try:
        RecordingLine.model_validate(fields)
    except ValidationError as error:
        raise ProblemsError([_worded(item, path, number) for item in error.errors()]) from error


def _worded(item: Any, path: str, number: int) -> Problem:
    name = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        return Problem(path, number, f"unknown key {name!r}{did_you_mean(name, _KEYS)}", "")
    return Problem(path, number, f"{name}: {item['msg']}", "restore the line from git, or record it again")


def _normal(fields: Mapping[str, Any]) -> Fields:
    """All keys, in the order of the file, with floats where a float is meant; those of `_WHERE_SAID` only where set."""
    full: Fields = {key: fields[key] if key in fields else _OPTIONAL.get(key) for key, _ in _TYPES if key != "digest"}
    full["tool_calls"] = list(full["tool_calls"] or ())
    full["latency"] = float(full["latency"])
    if full["cost"] is not None:
        full["cost"] = float(full["cost"])
    full |= {key: fields[key] for key in _WHERE_SAID if fields.get(key) is not None}
    for name in ("cached", "batch"):
        if fields.get(name):
            full[name] = True
    if "digest" in fields:
        full["digest"] = fields["digest"]
    return full


def _object(pairs: list[tuple[str, Any]]) -> Fields:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is written twice")
    return found


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{text} is not a finite number")
    return number


def _constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)
