"""Tables that live as long as their owner: in memory while they are small, in a temporary file beyond 4 MB.

What a run over a million cases has to remember (which ids it saw, where a recording stands, how a case came out) goes
here, so that memory stays flat. The file is SQLite's own, without a name, and gone when the process ends, however it
ends.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from promptops.errors import StoreError

if TYPE_CHECKING:
    import sqlite3

_CACHE: Final = -4096  # KiB, which SQLite wants negative
_AT_ONCE: Final = 500  # rows fetched under one lock


class Scratch:
    """A private SQLite database. Safe between threads; every method raises `StoreError` where the disk is full."""

    def __init__(self, *tables: str) -> None:
        """Make `tables`, each a CREATE TABLE statement."""
        import sqlite3

        self._lock, self._error = threading.Lock(), sqlite3.Error
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._closing = weakref.finalize(self, self._connection.close)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = {_CACHE}"):
            self._connection.execute(f"PRAGMA {setting}").close()
        for table in tables:
            self._connection.execute(table).close()
        self._connection.execute("BEGIN").close()  # never committed: nobody else reads it, and it dies with us

    def write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute `statement` for each of `rows`."""
        try:
            with self._lock:
                self._connection.executemany(statement, rows).close()
        except self._error as error:
            raise _worded(error) from error

    def one(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        """The first row of a query, None where there is none."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchone()
        except self._error as error:  # without a context manager: it is called for every case
            raise _worded(error) from error

    def all(self, statement: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        """Every row of a query, as they are needed. Nothing may be written before the last one is read."""
        try:
            with self._lock:
                cursor = self._connection.execute(statement, values)
            with contextlib.closing(cursor):
                while rows := self._fetched(cursor):
                    yield from rows
        except self._error as error:
            raise _worded(error) from error

    def _fetched(self, cursor: sqlite3.Cursor) -> list[Any]:
        with self._lock:
            return cursor.fetchmany(_AT_ONCE)

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closing()


def _worded(error: Exception) -> StoreError:
    return StoreError(
        f"a temporary file cannot be written ({error}): free some space, or name another folder in $SQLITE_TMPDIR"
    )
