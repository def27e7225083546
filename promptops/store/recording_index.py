"""The lines of a large recordings file, which stay in it: a temporary table says where each stands.

Once through the file, every line is looked at for the form in which it was written; one of another form is parsed at
once, as all lines of a small file are. A line is parsed, and its digest compared, when it is asked for.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from promptops.errors import Problem, ProblemsError
from promptops.scratch import Scratch
from promptops.store.recording_lines import (
    MAX_LINE,
    MAX_PROBLEMS,
    Line,
    damage_of,
    duplicate_line,
    parse_line,
)

Key = tuple[str, int]

_AT_ONCE: Final = 5_000  # lines
_TABLE: Final = (
    "CREATE TABLE lines (name TEXT NOT NULL, sample INTEGER NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, "
    "size INTEGER NOT NULL, PRIMARY KEY (name, sample)) WITHOUT ROWID"
)
_CONTAINS: Final = "SELECT 1 FROM lines WHERE name = ? AND sample = ?"
_WRITTEN: Final = re.compile(
    rb'\{"case": "([A-Za-z0-9][A-Za-z0-9_.\-]{0,199})", "sample": (0|[1-9]\d{0,8}), "request": "sha256:[0-9a-f]{64}", '
    rb'"text": ".*", "digest": "sha256:[0-9a-f]{64}"\}\s*',
    re.DOTALL,
)


class IndexedLines(Mapping[Key, Line]):
    """(case, sample index) to the line, sorted. Looking one up raises `ProblemsError` where it is malformed after all.

    The file may be replaced meanwhile: what is read is what stood there. Writing into it is found out.
    """

    def __init__(self, path: Path, *, shown: str) -> None:
        """Index the lines of a file, which messages call `shown`.

        Raises `ProblemsError` with every line that has no case and sample of its own, `OSError`, and `StoreError`
        where there is no room for the table.
        """
        self._shown, self._scratch = shown, Scratch(_TABLE)
        self._file = os.open(path, os.O_RDONLY)
        self._closing = weakref.finalize(self, os.close, self._file)
        self._count = _fill(self._scratch, self._file, shown)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Key]:
        return self._scratch.all("SELECT name, sample FROM lines ORDER BY name, sample")

    def __getitem__(self, key: Key) -> Line:
        found = self._scratch.one("SELECT number, start, size FROM lines WHERE name = ? AND sample = ?", key)
        if found is None:
            raise KeyError(key)
        number, start, size = found
        line = parse_line(os.pread(self._file, size, start), path=self._shown, number=number)
        if line.key != key:
            raise ProblemsError([Problem(self._shown, number, "was written to while it was in use", "run this again")])
        return line

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and self._scratch.one(_CONTAINS, key) is not None

    def raw(self) -> Iterator[tuple[Key, bytes]]:
        """Every line as it stands in the file, without its end, sorted."""
        for name, sample, start, size in self._scratch.all(
            "SELECT name, sample, start, size FROM lines ORDER BY name, sample"
        ):
            yield (name, sample), os.pread(self._file, size, start).strip()

    def close(self) -> None:
        """Forget the table, let go of the file."""
        self._scratch.close()
        self._closing()


def _fill(scratch: Scratch, file: int, shown: str) -> int:
    """Index all lines and return how many there are."""
    waiting: list[tuple[str, int, int, int, int]] = []
    problems: list[Problem] = []
    count = 0
    for number, start, raw in _lines(file):
        if (damage := damage_of(raw, path=shown, number=number)) is not None:
            raise ProblemsError([damage])
        try:
            waiting.append((*_key_of(raw, shown, number), number, start, len(raw)))
        except ProblemsError as error:
            problems += error.problems
            if len(problems) >= MAX_PROBLEMS:
                problems.append(Problem(shown, number + 1, "not read any further: too many problems above"))
                raise ProblemsError(problems) from error
        if len(waiting) >= _AT_ONCE:
            count += _flush(scratch, waiting)
    count += _flush(scratch, waiting)
    if scratch.one("SELECT count(*) FROM lines")[0] != count:
        problems += _duplicates(scratch, file, shown)
    if problems:
        raise ProblemsError(sorted(problems))
    return count


def _flush(scratch: Scratch, waiting: list[tuple[str, int, int, int, int]]) -> int:
    scratch.write("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?)", waiting)
    written = len(waiting)
    waiting.clear()
    return written


def _lines(file: int) -> Iterator[tuple[int, int, bytes]]:
    """Number, place and bytes of every line that is not empty; of one that is too long, its beginning."""
    start = number = 0
    with open(file, "rb", buffering=1 << 20, closefd=False) as stream:
        stream.seek(0)
        while raw := stream.readline(MAX_LINE + 1):
            number += 1
            if not raw.isspace():
                yield number, start, raw
            start += len(raw)
            while len(raw) > MAX_LINE and not raw.endswith(b"\n") and (raw := stream.readline(MAX_LINE + 1)):
                start += len(raw)


def _key_of(raw: bytes, shown: str, number: int) -> Key:
    if (match := _WRITTEN.fullmatch(raw)) is not None:
        return match[1].decode("ascii"), int(match[2])
    return parse_line(raw, path=shown, number=number).key


def _duplicates(scratch: Scratch, file: int, shown: str) -> Iterator[Problem]:
    """Every line whose case and sample an earlier one has."""
    found = 0
    for number, _, raw in _lines(file):
        try:
            key = _key_of(raw, shown, number)
        except ProblemsError:
            continue
        (earlier,) = scratch.one("SELECT number FROM lines WHERE name = ? AND sample = ?", key)
        if earlier != number and (found := found + 1) <= MAX_PROBLEMS:
            yield duplicate_line(key, path=shown, number=number, earlier=earlier)
