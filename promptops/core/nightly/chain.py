"""The watch's log as lines of text: each numbered, bound to the one before it and to its own content by digests.

An edited line, one that is missing, or an end that is missing is found, because the *head* (how many lines there are,
and the digest of the last) is kept beside the log.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from promptops.core.digest import canonical_json, sha256_of
from promptops.core.nightly.events import EVENTS, AnyEvent

FORMAT: Final = 1
START: Final = ""
MOST_LINE: Final = 4_000_000  # characters


class Damaged(Exception):
    """The log is not what was written: `str()` says where and how."""


class Newer(Damaged):
    """Another version of promptops wrote it: nothing is wrong with the log."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} is of another version of promptops: install the one that wrote it, "
            "or a newer one (pip install -U pytest-promptops)"
        )


@dataclass(frozen=True, slots=True)
class Head:
    """How many lines a log has, and the digest of the last (empty: none)."""

    count: int = 0
    digest: str = START

    def text(self) -> str:
        """The head as it is kept."""
        return canonical_json({"format": FORMAT, "count": self.count, "digest": self.digest}).decode() + "\n"


def parse_head(text: str) -> Head:
    """Read a head; raises `Damaged`."""
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise Newer(f"its head has the format {found['format']!r} (here {FORMAT}), which")
        return Head(int(found["count"]), str(found["digest"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise Damaged("its head cannot be read") from None


def lines_for(events: Iterable[AnyEvent], head: Head) -> tuple[list[str], Head]:
    """Return the lines that append `events` behind `head`, without line ends, and the head after them."""
    lines = []
    for event in events:
        fields: dict[str, Any] = {
            "format": FORMAT,
            "n": head.count + 1,
            "before": head.digest,
            "event": event.model_dump(mode="json", exclude_defaults=True) | {"kind": event.kind},
        }
        digest = sha256_of(fields)
        lines.append(canonical_json({**fields, "digest": digest}).decode())
        head = Head(head.count + 1, digest)
    return lines, head


def parse_lines(lines: Sequence[str], head: Head | None) -> list[AnyEvent]:
    """Read a log; raises `Damaged` for the first line that is not what was written, or where the end is missing.

    `head` None: nobody kept how long the log is.
    """
    events, last = [], Head()
    for number, line in enumerate(lines, start=1):
        event, digest = _parsed(line, number, last)
        events.append(event)
        last = Head(number, digest)
    if head is None:
        raise Damaged("its head is missing: whether its end is, too, cannot be told")
    if last.count < head.count:
        raise Damaged(f"it ends after line {last.count}, and {head.count} were written: the end was cut off")
    if last != head:
        raise Damaged("its head belongs to another log")
    return events


def digest_of(line: str) -> str:
    """Return what a line says its digest is; raises `Damaged` where it says nothing."""
    return str(_fields(line, 0).get("digest"))


def _parsed(line: str, number: int, last: Head) -> tuple[AnyEvent, str]:
    fields = _fields(line, number)
    digest = fields.pop("digest", None)
    if fields.get("format") != FORMAT:
        raise Newer(f"line {number} has the format {fields.get('format')!r} (here {FORMAT}), which")
    try:
        honest = digest == sha256_of(fields)
    except ValueError:
        honest = False
    if not honest:
        raise Damaged(f"line {number} was edited: it does not match its own digest")
    if fields.get("n") != number or fields.get("before") != last.digest:
        raise Damaged(f"line {number} does not follow the line before it: lines are missing, or were moved")
    try:
        return EVENTS.validate_python(fields.get("event")), str(digest)
    except ValidationError as error:  # it matches its digest, so that it is what somebody wrote
        raise Newer(f"line {number} is no event known here ({str(error.errors()[0]['msg'])[:200]}), which") from None


def _fields(line: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line) if len(line) <= MOST_LINE else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, Mapping):
        raise Damaged(f"line {number} is no JSON object: it was cut off or overwritten")
    return dict(found)
