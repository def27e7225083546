"""`fixtures/<judge>/labels.jsonl`: what people said of outputs, one a line; every problem at once, with its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from promptops.core.digest import sha256_of
from promptops.core.json_text import parse_strictly
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.formats import CASE_ID_PATTERN
from promptops.models import Case, Json
from promptops.project.files import read_text

if TYPE_CHECKING:
    from promptops.project.root import Project

GRADES: Final = ("pass", "fail")
CHOICES: Final = ("first", "second", "tie")
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_PROBLEMS: Final = 50
_KEYS: Final = ("id", "inputs", "output", "expected", "first", "second", "label", "by", "note")
_JUDGED: Final = ("inputs", "output", "expected", "first", "second")
_EXAMPLE: Final = '{"id": "l1", "output": "…", "label": "pass"}'
_COMPARED: Final = '{"id": "l1", "first": "…", "second": "…", "label": "tie"}'
_ID = re.compile(CASE_ID_PATTERN.removesuffix("$"))


class Label(Struct, frozen=True):
    """One output, or two to compare, and what a person said of it: a grade, a choice, or nothing (`label` is empty).

    `case` has the inputs and what was expected; of two outputs the second stands there.
    """

    case: Case
    output: str
    label: str
    line: int


class Labels(Struct, frozen=True):
    """The labels of a judge; `compares`: pairs of outputs. `digest` covers all of them, in their order."""

    path: str
    compares: bool
    rows: tuple[Label, ...]
    digest: str


def labels_path(project: Project, judge: str) -> Path:
    return project.fixtures_dir / judge / "labels.jsonl"


def load_labels(project: Project, judge: str) -> Labels | None:
    """The labels of a judge; None where there are none. Raises `ProblemsError` with every problem."""
    path = labels_path(project, judge)
    if not path.exists() and not path.is_symlink():
        return None
    shown = project.relative(path)
    return parse_labels(read_text(project.root, path, shown, limit=MAX_BYTES), path=shown)


def parse_labels(text: str, *, path: str) -> Labels:
    """Read the text of a labels file; raises `ProblemsError` with every problem, each with its line."""
    rows: list[tuple[int, dict[str, Any]]] = []
    problems: list[Problem] = []
    seen: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        data = _object(line)
        wrong = [(data, _EXAMPLE)] if isinstance(data, str) else list(_wrong(data, seen))
        problems += [Problem(path, number, message, hint) for message, hint in wrong]
        if isinstance(data, dict) and not wrong:
            seen[data["id"]] = number
            same = sha256_of({key: data.get(key) for key in _JUDGED})
            if same in outputs:
                problems.append(Problem(path, number, f"is the same as line {outputs[same]}", "a label counts once"))
            outputs[same] = number
            rows.append((number, data))
    kinds = {"first" in data for _, data in rows}
    if len(kinds) > 1:
        other = next(number for number, data in rows if ("first" in data) != ("first" in rows[0][1]))
        problems.append(Problem(path, other, "grades one output, and the lines before compare two", "use two judges"))
    if not rows and not problems:
        problems.append(Problem(path, 0, "holds no label", _EXAMPLE))
    if problems:
        raise ProblemsError(problems[:MAX_PROBLEMS])
    labels = tuple(_label(data, number, path) for number, data in rows)
    return Labels(path, True in kinds, labels, sha256_of([data for _, data in rows]))


def _object(line: str) -> dict[str, Any] | str:
    try:
        found = parse_strictly(line.strip())
    except (ValueError, RecursionError) as error:
        return f"is not JSON: {error}"[:200]
    if found.repairs:
        return found.repairs[0]
    return found.value if isinstance(found.value, dict) else "is not a mapping"


def _wrong(data: Mapping[str, Any], seen: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    for key in data:
        if key not in _KEYS:
            yield f"unknown key {key[:80]!r}{did_you_mean(key, _KEYS)}", "known keys: " + ", ".join(_KEYS)
    name = data.get("id")
    if not isinstance(name, str) or not _ID.fullmatch(name) or len(name) > 200:
        yield f"id {name!r:.80} is not an id", _EXAMPLE
    elif name in seen:
        yield f"id {name!r} is taken by line {seen[name]}", "ids are unique"
    if "inputs" in data and not isinstance(data["inputs"], dict):
        yield "inputs is not a mapping", _EXAMPLE
    yield from _outputs(data)
    known = CHOICES if "first" in data else GRADES
    label = data.get("label")
    if label is not None and label not in known:
        yield f"label {label!r:.80} is none of {', '.join(known)}", "leave it out where nobody has looked yet"


def _outputs(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    pair = [key for key in ("first", "second") if key in data]
    if pair and ("output" in data or "expected" in data):
        yield "has both an output to grade and two to compare", f"{_EXAMPLE} or {_COMPARED}"
    elif not pair and not isinstance(data.get("output"), str):
        yield "has no output: a text", f"{_EXAMPLE} or {_COMPARED}"
    elif pair and not all(isinstance(data.get(key), str) for key in ("first", "second")):
        yield "compares two texts: first and second", _COMPARED


def _label(data: Mapping[str, Any], line: int, path: str) -> Label:
    compares = "first" in data
    has_expected = compares or "expected" in data
    expected: Json = data["second"] if compares else data.get("expected")
    if not compares and has_expected and not isinstance(expected, str):
        expected = json.dumps(expected, ensure_ascii=False)
    case = Case(data["id"], data.get("inputs") or {}, expected, has_expected, path=path, line=line)
    return Label(case, data["first"] if compares else data["output"], data.get("label") or "", line)
