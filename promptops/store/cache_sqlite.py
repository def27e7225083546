"""A cache of replies in one SQLite file, for all processes of a project; or in a private one that ends with its run."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from promptops.errors import StoreError
from promptops.store.atomic import locked
from promptops.store.cache import CacheStats
from promptops.store.cache_entries import MAX_ENTRY

logger = logging.getLogger("promptops")

T = TypeVar("T")

APPLICATION_ID: Final = 0x50525043  # "PRPC" in the file's header: whose database it is
VERSION: Final = 1
BUSY_SECONDS: Final = 5.0
LOCK_SECONDS: Final = 5.0
TOUCHED_AFTER = 60.0  # seconds between two notes that an entry was used: a note is a write
_FULL_AT = 0.9  # of the size, to which it is cut back when it is over it
_NOTES = 256  # uses that are noted at once
_KEYS = 500  # keys in one statement
_OVERHEAD = 200  # bytes of an entry beside its value, about
_AHEAD = 60.0  # seconds that another process's clock may be ahead
_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}
_ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the file or its folder is read-only",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened: look at the permissions of the file and its folder",
    sqlite3.SQLITE_PERM: "it cannot be opened: look at the permissions of the file and its folder",
    sqlite3.SQLITE_BUSY: f"another process has it locked for more than {BUSY_SECONDS:g} s",
}
_TABLES: Final = (
    """CREATE TABLE replies (
        key BLOB NOT NULL PRIMARY KEY, stored REAL NOT NULL, used REAL NOT NULL, value BLOB NOT NULL)""",
    "CREATE INDEX replies_by_use ON replies (used)",
    "CREATE INDEX replies_by_age ON replies (stored)",
)


class SqliteCache:
    """Entries in `path`, which is made when it is first used; None: in a temporary file that nobody else can open.

    Entries are found for `ttl` seconds. Where the file holds more than `max_bytes`, the least recently used entries go,
    to a tenth below it. Safe between processes. A damaged file is made anew: it is only a cache. `now` is the time in
    seconds since the epoch.
    """

    def __init__(self, path: Path | None, *, ttl: float, max_bytes: int, now: Callable[[], float] = time.time) -> None:
        self._path, self._ttl, self._max_bytes, self._now = path, ttl, max_bytes, now
        self._connection: sqlite3.Connection | None = None
        self._touched: set[bytes] = set()
        self.where = "a temporary file" if path is None else str(path)

    def get_many(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """The entries that there are and that are not too old."""
        return self._do(lambda connection: self._get(connection, keys))

    def put_many(self, entries: Mapping[bytes, bytes]) -> None:
        """Keep entries, and let go of the least recently used ones where they are too many."""
        self._do(lambda connection: self._put(connection, entries))

    def stats(self) -> CacheStats:
        """What is in the file; it is not made for that."""
        if self._path is not None and not self._path.exists():
            return CacheStats(0, 0)
        return self._do(_stats)

    def clear(self) -> int:
        """Remove every entry and return how many there were; the file shrinks."""
        if self._path is not None and not self._path.exists():
            return 0
        return self._do(_clear)

    def close(self) -> None:
        """Close the file; which entries were used is noted first."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._note_uses(connection)
            connection.close()

    def _get(self, connection: sqlite3.Connection, keys: Collection[bytes]) -> dict[bytes, bytes]:
        now = self._now()
        found: dict[bytes, bytes] = {}
        listed = list(keys)
        for some in (listed[begin : begin + _KEYS] for begin in range(0, len(listed), _KEYS)):
            rows = connection.execute(
                f"SELECT key, value, used FROM replies WHERE key IN ({','.join('?' * len(some))}) "  # noqa: S608 - marks
                "AND stored > ? AND stored <= ? AND typeof(value) = 'blob' AND length(value) <= ?",
                (*some, now - self._ttl, now + _AHEAD, MAX_ENTRY),
            )
            for key, value, used in rows:
                found[key] = value
                if not now - TOUCHED_AFTER < used <= now + _AHEAD:
                    self._touched.add(key)
        if len(self._touched) >= _NOTES:
            self._note_uses(connection)
        return found

    def _put(self, connection: sqlite3.Connection, entries: Mapping[bytes, bytes]) -> None:
        self._note_uses(connection)
        now = self._now()
        rows = [(key, now, now, value) for key, value in entries.items() if len(value) <= MAX_ENTRY]
        with _writing(connection):
            connection.executemany("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", rows)
            over = _size(connection) > self._max_bytes
        if over:
            self._shrink(connection, now)

    def _shrink(self, connection: sqlite3.Connection, now: float) -> None:
        with _writing(connection):
            connection.execute("DELETE FROM replies WHERE stored <= ? OR stored > ?", (now - self._ttl, now + _AHEAD))
            surplus = _size(connection) - _FULL_AT * self._max_bytes
            gone = []
            for row, length in connection.execute("SELECT rowid, length(value) FROM replies ORDER BY used, rowid"):
                if surplus <= 0:
                    break
                gone.append((row,))
                surplus -= length + _OVERHEAD
            connection.executemany("DELETE FROM replies WHERE rowid = ?", gone)
        _give_back(connection)

    def _note_uses(self, connection: sqlite3.Connection) -> None:
        """Say which entries were used; a file that cannot be written can still be read."""
        touched, self._touched = self._touched, set()
        if not touched:
            return
        now = self._now()
        with contextlib.suppress(sqlite3.OperationalError), _writing(connection):
            connection.executemany("UPDATE replies SET used = ? WHERE key = ?", [(now, key) for key in touched])

    # --- the file

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do something with the file, which is opened, or made anew where it turns out to be damaged."""
        try:
            return work(self._opened())
        except sqlite3.Error as error:
            self._drop()
            if self._path is None or not _is_damaged(error):
                raise _worded(self.where, error) from error
            logger.warning("%s is damaged (%s): it is made anew, and what was in it is gone", self.where, error)
        try:
            self._make_anew(self._path)
            return work(self._opened())
        except (sqlite3.Error, OSError) as error:
            self._drop()
            raise _worded(self.where, error) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = _temporary() if self._path is None else self._open(self._path)
        return self._connection

    def _open(self, path: Path) -> sqlite3.Connection:
        from promptops.store.run_tables import make_folder

        if path.is_symlink():
            raise StoreError(f"{path} is a symbolic link: promptops only writes files of its own; remove the link")
        make_folder(path.parent)
        with locked(path, timeout=LOCK_SECONDS):  # one process makes it, the others find it made
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            try:
                _prepare(connection, path)
            except BaseException:
                connection.close()
                raise
        return connection

    def _make_anew(self, path: Path) -> None:
        """Remove the file, unless somebody has done so meanwhile and it is whole again."""
        with locked(path, timeout=LOCK_SECONDS):
            if not _is_whole(path):
                for name in (f"{path.name}-wal", f"{path.name}-shm", path.name):
                    path.with_name(name).unlink(missing_ok=True)

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._touched.clear()
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()


def _temporary() -> sqlite3.Connection:
    """A database that is in memory while it is small, and else in a file without a name."""
    connection = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1024"):
        connection.execute(f"PRAGMA {pragma}").close()
    for statement in _TABLES:
        connection.execute(statement)
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new file; raises `StoreError` for another program's, or another version's."""
    connection.execute("PRAGMA trusted_schema = OFF").close()
    connection.execute("PRAGMA synchronous = NORMAL").close()
    owner, version, tables = (
        connection.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if owner == APPLICATION_ID and version == VERSION:
        return
    if owner or version or tables:
        whose = "another version of promptops" if owner == APPLICATION_ID else "another program"
        raise StoreError(f"{path} is a database of {whose}: remove it, it is only a cache, or name another store")
    for pragma in ("auto_vacuum = INCREMENTAL", "journal_mode = WAL", "journal_size_limit = 1000000"):
        connection.execute(f"PRAGMA {pragma}").close()
    with _writing(connection):
        for statement in _TABLES:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


@contextlib.contextmanager
def _writing(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _size(connection: sqlite3.Connection) -> int:
    """Bytes of the pages in use."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _stats(connection: sqlite3.Connection) -> CacheStats:
    count, oldest, newest = connection.execute("SELECT count(*), min(stored), max(stored) FROM replies").fetchone()
    return CacheStats(count, _size(connection), oldest, newest)


def _clear(connection: sqlite3.Connection) -> int:
    with _writing(connection):
        count = connection.execute("DELETE FROM replies").rowcount
    _give_back(connection)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return int(count)


def _give_back(connection: sqlite3.Connection) -> None:
    """Shorten the file by the pages that nothing is on; a script runs the pragma to its end, `execute` does not."""
    connection.executescript("PRAGMA incremental_vacuum")


def _is_damaged(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


def _is_whole(path: Path) -> bool:
    """Whether every page of the file and every entry of its indexes is as it must be."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("SELECT 1 FROM replies LIMIT 1").fetchall()
            return bool(connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


def _worded(where: str, error: Exception) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return StoreError(f"{where} cannot be used as a cache: {_ADVICE.get(code, str(error)[:200])}")
