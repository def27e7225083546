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
from typing import Any, Final

from promptops.errors import StoreError

_CACHE: Final = -4096  # KiB, which SQLite wants negative
_AT_ONCE: Final = 500  # rows fetched under one lock


class Scratch:
    """A private SQLite database. Safe between threads; every method raises `StoreError` where the disk is full."""

    def __init__(self, *tables: str) -> None:
        """Make `tables`, each a CREATE TABLE statement."""
        import sqlite3

        self._lock = threading.Lock()
        self._connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._closing = weakref.finalize(self, self._connection.close)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = {_CACHE}"):
            self._connection.execute(f"PRAGMA {setting}").close()
        for table in tables:
            self._connection.execute(table).close()
        self._connection.execute("BEGIN").close()  # never committed: nobody else reads it, and it dies with us

    def write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute `statement` for each of `rows`."""
        with self._lock, _worded():
            self._connection.executemany(statement, rows).close()

    def one(self, statement: str, values: tuple[Any, ...] = ()) -> Any:
        """The first row of a query, None where there is none."""
        with self._lock, _worded():
            return self._connection.execute(statement, values).fetchone()

    def all(self, statement: str, values: tuple[Any, ...] = ()) -> Iterator[Any]:
        """Every row of a query, as they are needed. Nothing may be written before the last one is read."""
        with self._lock, _worded():
            cursor = self._connection.execute(statement, values)
        with contextlib.closing(cursor):
            while True:
                with self._lock, _worded():
                    rows = cursor.fetchmany(_AT_ONCE)
                if not rows:
                    return
                yield from rows

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._closing()


@contextlib.contextmanager
def _worded() -> Iterator[None]:
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(
            f"a temporary file cannot be written ({error}): free some space, or name another folder in $SQLITE_TMPDIR"
        ) from error
