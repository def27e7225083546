"""Where the log of the nightly watch is kept: a folder that a job can keep or push, the run store, or PostgreSQL.

All are appended to and nothing else, all hold off a second writer, and all know how long the log must be: an edited
line, a missing one or a missing end is `DamagedLog`, and never a new start. PostgreSQL is in `store.drift_postgres`.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

from promptops.core.nightly.chain import Damaged, Head, Newer, digest_of, lines_for, parse_head, parse_lines
from promptops.core.nightly.events import AnyEvent
from promptops.errors import StoreError
from promptops.store.atomic import locked, write_text
from promptops.store.run_tables import Database, make_folder

STATE: Final = "state.jsonl"
HEAD: Final = "state.head"
MOST_BYTES: Final = 256 * 1024 * 1024

Decide = Callable[[list[AnyEvent]], Sequence[AnyEvent]]
"""From what the log holds now to what is appended: called while nobody else can write."""


class DamagedLog(StoreError):
    """The log is not what was written. Exit code 10: nothing can be said about the model."""

    exit_code = 10


class NewerLog(StoreError):
    """The log is of another version of promptops. Exit code 10: it is left alone, and nothing can be said."""

    exit_code = 10


def damaged(place: str, error: Damaged) -> DamagedLog | NewerLog:
    """What is wrong with the log at `place`, for people."""
    return (NewerLog if isinstance(error, Newer) else DamagedLog)(f"{place}: {error}")


class UnreachableLog(StoreError):
    """What keeps the log does not answer. Exit code 10: an outage says nothing about the model."""

    exit_code = 10


class DriftLog(Protocol):
    """The log, wherever it is."""

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    def begun(self) -> bool:
        """Whether anything was ever kept here."""
        ...

    def read(self) -> list[AnyEvent]:
        """All events, oldest first; raises `DamagedLog`, and `StoreError` where it cannot be read."""
        ...

    def append(self, decide: Decide) -> list[AnyEvent]:
        """Append what `decide` makes of the events so far, in one piece; returns what was appended."""
        ...

    def put_aside(self, name: str) -> str:
        """Move a damaged log out of the way, so that a new one can begin; returns where it is now."""
        ...


class FolderLog:
    """`state.jsonl` and `state.head` in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def place(self) -> str:
        return str(self.folder / STATE)

    def begun(self) -> bool:
        return (self.folder / STATE).exists() or (self.folder / HEAD).exists()

    def read(self) -> list[AnyEvent]:
        if not self.folder.exists():
            return []
        with locked(self.folder / STATE):
            return self._read()[0]

    def append(self, decide: Decide) -> list[AnyEvent]:
        with locked(self.folder / STATE):
            events, head, text = self._read()
            fresh = list(decide(events))
            lines, head = lines_for(fresh, head)
            if lines:
                write_text(self.folder / STATE, text + "".join(f"{line}\n" for line in lines))
                write_text(self.folder / HEAD, head.text())
        return fresh

    def put_aside(self, name: str) -> str:
        with locked(self.folder / STATE):
            for file in (STATE, HEAD):
                with contextlib.suppress(FileNotFoundError):
                    (self.folder / file).rename(self.folder / f"{file}.{name}")
        return str(self.folder / f"{STATE}.{name}")

    def _read(self) -> tuple[list[AnyEvent], Head, str]:
        text, kept = _text(self.folder / STATE), _text(self.folder / HEAD)
        if text is None and kept is None:
            return [], Head(), ""
        try:
            if text is None:
                raise Damaged("it is gone, and its head is there: the state was lost")
            head = parse_head(kept) if kept is not None else None
            if text and not text.endswith("\n"):
                raise Damaged("its last line was cut off")
            lines = text.splitlines()
            if head is not None and len(lines) > head.count:
                head = self._mended(lines, head)
            return parse_lines(lines, head), head or Head(), text
        except Damaged as error:
            raise damaged(self.place, error) from None

    def _mended(self, lines: list[str], head: Head) -> Head:
        """A process that was killed between the log and its head: what follows the head is bound to it, and whole."""
        parse_lines(lines[: head.count], head)
        return Head(len(lines), digest_of(lines[-1]))


class StoreLog:
    """Two tables of the run store: one row a line, and how many there were."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        return f"{self.path} (drift_log)"

    def begun(self) -> bool:
        if not self.path.exists():
            return False
        with self._open() as database, database.reading() as db:
            return db.execute("SELECT 1 FROM drift_head LIMIT 1").fetchone() is not None

    def read(self) -> list[AnyEvent]:
        if not self.path.exists():
            return []
        with self._open() as database, database.reading() as db:
            return self._events(db)[0]

    def append(self, decide: Decide) -> list[AnyEvent]:
        with self._open() as database, database.writing() as db:
            events, head = self._events(db)
            fresh = list(decide(events))
            lines, head = lines_for(fresh, head)
            first = head.count - len(lines)
            for place, line in enumerate(lines, start=1):
                db.execute("INSERT INTO drift_log (n, line) VALUES (?, ?)", [first + place, line])
            if lines:
                db.execute("DELETE FROM drift_head")
                db.execute("INSERT INTO drift_head (head) VALUES (?)", [head.text()])
        return fresh

    def put_aside(self, name: str) -> str:
        with self._open() as database, database.writing() as db:
            rows = db.execute("SELECT line FROM drift_log ORDER BY n").fetchall()
            write_text(self.path.parent / f"{STATE}.{name}", "".join(f"{row[0]}\n" for row in rows))
            db.execute("DELETE FROM drift_log")
            db.execute("DELETE FROM drift_head")
        return str(self.path.parent / f"{STATE}.{name}")

    @contextlib.contextmanager
    def _open(self) -> Iterator[Database]:
        make_folder(self.path.parent)
        database = Database(self.path)
        try:
            yield database
        finally:
            database.close()

    def _events(self, db: sqlite3.Connection) -> tuple[list[AnyEvent], Head]:
        lines = [str(row[0]) for row in db.execute("SELECT line FROM drift_log ORDER BY n")]
        kept = db.execute("SELECT head FROM drift_head").fetchone()
        if not lines and kept is None:
            return [], Head()
        try:
            head = parse_head(str(kept[0])) if kept is not None else None
            return parse_lines(lines, head), head or Head()
        except Damaged as error:
            raise damaged(self.place, error) from None


def _text(path: Path) -> str | None:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise StoreError(f"{path} is larger than {MOST_BYTES:,} bytes: that is no log of promptops")
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error
