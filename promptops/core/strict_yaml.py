"""The one YAML reader and writer: YAML 1.2 core scalars, no surprises, every path with its line.

PyYAML's parser delivers events; what they mean is decided here, so that neither its YAML 1.1 types (`no`, `14:30:00`,
`2024-01-01`) nor its tags ever apply, and nesting costs no recursion.

Source: YAML 1.2.2, section 10.3 (core schema), https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

from promptops.core.document import Document, Path
from promptops.core.validation import validate
from promptops.core.yaml_writer import dump_yaml
from promptops.errors import Problem, ProblemsError
from promptops.models import Json

__all__ = ["Document", "dump_yaml", "parse_yaml", "validate"]

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 50
MAX_DIGITS: Final = 100
MAX_PROBLEMS: Final = 100

_NULL = re.compile(r"(?:~|null|Null|NULL)?\Z")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_LOADER: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


def parse_yaml(text: str, *, path: str, first_line: int = 1) -> Document:
    """Read one YAML document; an empty one is `None`.

    `path` and `first_line` (the line of the file at which `text` begins) go into the problems. Refused are duplicate
    keys, keys that are not text, anchors, aliases, tags, merge keys, directives, further documents, numbers that are
    not finite, more than 1 MiB and nesting deeper than 50.

    Raises `ProblemsError` with everything that was found.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ProblemsError([Problem(path, 0, "is larger than 1 MiB", "split the file")])
    builder = _Builder(path, first_line)
    try:
        for event in _events(text):
            builder.take(event)
    except _Enough:
        pass
    except yaml.MarkedYAMLError as error:
        builder.syntax_error(error)
    except (yaml.YAMLError, ValueError) as error:
        builder.problem(0, f"is not YAML: {_one_line(str(error))}")
    if builder.problems:
        raise ProblemsError(builder.problems)
    return Document(builder.root, builder.lines)


def _events(text: str) -> Iterator[Any]:
    loader = _LOADER(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


class _Enough(Exception):
    """Nothing after this is worth reading."""


class _Frame(Struct):
    """One open mapping or sequence: `key` is the mapping's key that waits for its value."""

    node: dict[str, Any] | list[Any]
    path: Path
    key: str | None = None
    waiting: bool = False
    skip: bool = False  # its key was refused: read on for further problems, keep nothing


class _Builder:
    """Turns events into data without recursion; problems are collected and reading goes on."""

    def __init__(self, path: str, first_line: int) -> None:
        self.path, self.first_line = path, first_line
        self.problems: list[Problem] = []
        self.lines: dict[Path, int] = {}
        self.root: Any = None
        self.stack: list[_Frame] = []
        self.documents = 0

    def problem(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(self.path, line, message, hint))
        if len(self.problems) == MAX_PROBLEMS:
            self.problems.append(Problem(self.path, line + 1, "not read any further: too many problems above"))
            raise _Enough

    def syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        mark = error.problem_mark or error.context_mark
        words = ", ".join(part for part in (error.context, error.problem) if part)
        self.problem(mark.line + self.first_line if mark else 0, f"is not YAML: {_one_line(words)}")

    def take(self, event: Any) -> None:
        line = event.start_mark.line + self.first_line
        if isinstance(event, yaml.DocumentStartEvent):
            self._document(event, line)
        elif isinstance(event, yaml.AliasEvent):
            self.problem(line, f"alias *{event.anchor} is not allowed", "write the value out")
            self._place(None, line)
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()

    def _document(self, event: Any, line: int) -> None:
        self.documents += 1
        if self.documents == 2:
            self.problem(line, "a second document begins here", "one file is one document: remove the ---")
        if event.version or event.tags:
            self.problem(line, "directives (%YAML, %TAG) are not allowed", "remove the line")

    def _node(self, event: Any, line: int) -> None:
        if event.anchor:
            self.problem(line, f"anchor &{event.anchor} is not allowed", "write the value out where it is needed")
        if event.tag is not None:
            self.problem(line, f"tag {event.tag} is not allowed", "plain text, numbers, lists and mappings only")
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
            return
        node: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        skip = self._awaits_key()
        if skip:
            self.problem(line, "a key must be text, not a list or a mapping")
        path = self._place(node, line)
        parent_skips = bool(self.stack) and self.stack[-1].skip
        self.stack.append(_Frame(node, path, skip=skip or parent_skips))
        if len(self.stack) > MAX_DEPTH:
            self.problem(line, f"is nested deeper than {MAX_DEPTH} levels", "flatten it")
            raise _Enough

    def _awaits_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].node, dict) and not self.stack[-1].waiting

    def _scalar(self, event: Any, line: int) -> None:
        plain = event.implicit[0] and event.style in (None, "")
        text: str = event.value
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            self.problem(line, "half a surrogate pair is not text", "write the character itself")
        if plain and self._awaits_key() and text == "<<":
            self.problem(line, "merge keys (<<) are not allowed", "write the keys out")
        value = self._resolve(text, line) if plain else text
        if self._awaits_key() and not isinstance(value, str):
            self.problem(line, f"the key {text or 'null'} is not text", f'quote it: "{text}"')
            value = text
        self._place(value, line)

    def _resolve(self, text: str, line: int) -> Json:
        try:
            return _core_scalar(text)
        except ValueError as error:
            self.problem(line, str(error), "quote it if it is meant as text")
            return None

    def _place(self, value: Any, line: int) -> Path:
        """Put a value where the document stands; return its path."""
        if not self.stack:
            if self.documents <= 1:
                self.root = value
            self.lines.setdefault((), line)
            return ()
        frame = self.stack[-1]
        if isinstance(frame.node, list):
            path = (*frame.path, len(frame.node))
            frame.node.append(value)
        elif not frame.waiting:
            frame.key, frame.waiting = value if isinstance(value, str) else None, True
            if frame.key is not None:
                self._key(frame, frame.key, line)
            return frame.path
        else:
            frame.waiting = False
            if frame.key is None:
                return frame.path
            path = (*frame.path, frame.key)
            frame.node[frame.key] = value
            return path
        if not frame.skip:
            self.lines[path] = line
        return path

    def _key(self, frame: _Frame, key: str, line: int) -> None:
        if key in frame.node:
            first = self.lines.get((*frame.path, key), 0)
            self.problem(line, f"the key {key!r} is here twice (first in line {first})", "remove one of them")
        elif not frame.skip:
            self.lines[*frame.path, key] = line


def _core_scalar(text: str) -> Json:
    """Return what a plain scalar means in the core schema; raises `ValueError` for what JSON cannot hold."""
    if _NULL.match(text):
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text) or _BASED.match(text):
        if len(text) > MAX_DIGITS:
            raise ValueError(f"a number of {len(text)} digits is too large")
        return int(text, 0) if _BASED.match(text) else int(text)
    if _NOT_FINITE.match(text):
        raise ValueError(f"{text} is not a finite number")
    if _FLOAT.match(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text[:40]} is not a finite number")
        return number
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())
