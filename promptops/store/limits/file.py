"""The SQLite file of the shared limits: opened, or made anew; short transactions; errors told apart.

It is about the last minute, not about keeping: nothing waits for the disk. It belongs to one start of the machine,
because the times in it are those of a clock that begins anew with every start.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from promptops.errors import StoreError
from promptops.store.atomic import locked
from promptops.store.limits.folder import make_private
from promptops.store.limits.processes import boot_id

APPLICATION_ID: Final = 0x504F4C4D  # "POLM" in the file's header: whose database it is
VERSION: Final = 1
LOCK_SECONDS = 0.02  # how long one lock is waited for: an event loop waits with it
_NAMES = 5  # files of another program that are left alone before giving up
_OLD = 7 * 86_400.0  # seconds after which a file of an earlier start of the machine is removed
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}

_TABLES: Final = (
    "CREATE TABLE origin (id BLOB NOT NULL)",
    """CREATE TABLE places (
        bucket BLOB NOT NULL, who BLOB NOT NULL, pid INTEGER NOT NULL, started TEXT NOT NULL, space TEXT NOT NULL,
        at_most INTEGER NOT NULL, taken INTEGER NOT NULL, wanted INTEGER NOT NULL, odd INTEGER NOT NULL,
        since REAL NOT NULL, heard REAL NOT NULL, PRIMARY KEY (bucket, who)) WITHOUT ROWID""",
    """CREATE TABLE spent (
        bucket BLOB NOT NULL, slot INTEGER NOT NULL, amount INTEGER NOT NULL,
        PRIMARY KEY (bucket, slot)) WITHOUT ROWID""",
    """CREATE TABLE queue (
        bucket BLOB NOT NULL, who BLOB NOT NULL, amount INTEGER NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
        PRIMARY KEY (bucket, who)) WITHOUT ROWID""",
    "CREATE TABLE pauses (bucket BLOB NOT NULL PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID",
)


class Locked(Exception):
    """Another process is at it: the file was not touched."""


class Unusable(Exception):
    """The file cannot be used; `damaged` where a new one in its place could be."""

    def __init__(self, message: str, *, damaged: bool = False) -> None:
        self.damaged = damaged
        super().__init__(message)


class _Foreign(Exception):
    """There is something else under the file's name."""


class LimitsFile:
    """One connection. `origin` names what is in it: two files with one origin are one file."""

    def __init__(self, connection: sqlite3.Connection, path: Path | None) -> None:
        self.path = path
        self._connection = connection
        self._place = _place(path)
        self.origin = self.read("SELECT id FROM origin")[0][0]

    @classmethod
    def in_folder(cls, folder: Path, *, instead_of: LimitsFile | None = None) -> LimitsFile:
        """Open the file of this start of the machine, and make it where it is not there.

        `instead_of` is a closed file that turned out to be damaged: it is moved aside, unless somebody did so already.
        Raises `Locked` and `Unusable`.
        """
        try:
            make_private(folder)
            with contextlib.ExitStack() as stack:
                _lock(stack, folder / "limits")
                if instead_of is not None and instead_of.path is not None and not instead_of.moved:
                    _set_aside(instead_of.path)
                return _first_of_ours(folder)
        except StoreError as error:
            raise Unusable(str(error)) from error
        except OSError as error:
            raise Unusable(f"{folder} cannot be used: {error.strerror or error}") from error

    @classmethod
    def in_memory(cls) -> LimitsFile:
        """A file for this process alone, which is gone with it."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _make_tables(connection)
        return cls(connection, None)

    @property
    def moved(self) -> bool:
        """Whether it is no longer where others find it."""
        return self.path is not None and _place(self.path) != self._place

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is in the file afterwards, or nothing. Raises `Locked` and `Unusable`."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise _told(error, self.path) from error
            raise

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """Rows of one consistent view. Raises `Locked` and `Unusable`."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise _told(error, self.path) from error

    def close(self) -> None:
        """Close the connection; what was written is in the file already."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()


def _first_of_ours(folder: Path) -> LimitsFile:
    for number in range(_NAMES):
        path = folder / f"limits-{VERSION}-{boot_id()}{f'-{number}' if number else ''}.db"
        try:
            return _opened(path)
        except _Foreign:
            continue
        except Unusable as error:
            if not error.damaged:
                raise
            _set_aside(path)
            return _opened(path)
    raise Unusable(f"{folder} is full of files of another program")


def _opened(path: Path) -> LimitsFile:
    if not os.path.lexists(path):
        _sweep(path)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    elif not stat.S_ISREG(path.lstat().st_mode):
        raise _Foreign
    connection = sqlite3.connect(path, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
        return LimitsFile(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise _told(error, path) from error
        raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    owner, version, tables = (
        connection.execute(sql).fetchone()[0]
        for sql in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if (owner, version) != (APPLICATION_ID, VERSION) and (owner, version, tables) != (0, 0, 0):
        raise _Foreign
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Unusable(f"{path} is on a file system that processes cannot share a database on")
    connection.execute("PRAGMA synchronous = OFF")
    if not tables:
        _make_tables(connection)


def _make_tables(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table in _TABLES:
        connection.execute(table)
    connection.execute("INSERT INTO origin VALUES (?)", (secrets.token_bytes(8),))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _lock(stack: contextlib.ExitStack, path: Path) -> None:
    try:
        stack.enter_context(locked(path, timeout=LOCK_SECONDS))
    except StoreError as error:
        raise Locked from error


def _place(path: Path | None) -> tuple[int, int] | None:
    """What file is at `path` now."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + ending) for ending in ("-wal", "-shm")]


def _set_aside(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.replace(path.with_suffix(".damaged"))
    for file in _beside(path):
        file.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what belonged to a file that was deleted, and files of earlier starts of the machine."""
    for file in _beside(path):
        file.unlink(missing_ok=True)
    for old in path.parent.glob("limits-*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _OLD:
                old.unlink()


def _told(error: sqlite3.Error, path: Path | None) -> Locked | Unusable:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return Locked(str(error))
    return Unusable(f"{path or 'memory'} cannot be used: {error}", damaged=code in _DAMAGED)
