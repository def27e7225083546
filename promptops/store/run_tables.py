"""The run store's tables, its migrations and its connections, over the `sqlite3` of the standard library.

SQLite in WAL mode: readers never wait for the writer, and a transaction that was committed survives `kill -9`. Whether
it waits for the disk too, to survive a power cut, is said with each. Statements keep to what PostgreSQL knows as well.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from promptops.errors import StoreError

APPLICATION_ID: Final = 0x50524F50  # "PROP" in the file's header: whose database it is
BUSY_SECONDS: Final = 30.0

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            id TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, status TEXT NOT NULL, started TEXT NOT NULL,
            finished TEXT, environment TEXT NOT NULL, git_head TEXT NOT NULL, command TEXT NOT NULL,
            plan TEXT NOT NULL, plan_digest TEXT NOT NULL, host TEXT NOT NULL, pid INTEGER NOT NULL)""",
        "CREATE INDEX runs_by_plan ON runs (plan_digest, id)",
        """CREATE TABLE samples (
            run TEXT NOT NULL, prompt TEXT NOT NULL, version TEXT NOT NULL, pin TEXT NOT NULL, case_id TEXT NOT NULL,
            sample INTEGER NOT NULL, request TEXT NOT NULL, reply TEXT, failure TEXT, source TEXT NOT NULL, cost REAL,
            latency REAL, recorded_at TEXT, digest TEXT,
            PRIMARY KEY (run, prompt, version, pin, case_id, sample)) WITHOUT ROWID""",
        """CREATE TABLE result_rows (
            run TEXT NOT NULL, node TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (run, node)) WITHOUT ROWID""",
        """CREATE TABLE drift_nights (
            id INTEGER NOT NULL PRIMARY KEY, prompt TEXT NOT NULL, version TEXT NOT NULL, pin TEXT NOT NULL,
            endpoint TEXT NOT NULL, night TEXT NOT NULL, state TEXT NOT NULL, agreement REAL, run TEXT NOT NULL,
            data TEXT NOT NULL)""",
        "CREATE INDEX drift_by_endpoint ON drift_nights (prompt, pin, endpoint, night)",
    ),
    (
        "DROP TABLE result_rows",
        "ALTER TABLE runs ADD COLUMN round INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE runs ADD COLUMN seen TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE runs ADD COLUMN concluded TEXT",
        "ALTER TABLE samples ADD COLUMN round INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE samples ADD COLUMN attempts TEXT",
    ),
    (
        """CREATE TABLE batches (
            run TEXT NOT NULL, number INTEGER NOT NULL, pin TEXT NOT NULL, state TEXT NOT NULL, file TEXT NOT NULL,
            batch TEXT NOT NULL, begun TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (run, number)) WITHOUT ROWID""",
        """CREATE TABLE batch_items (
            run TEXT NOT NULL, number INTEGER NOT NULL, custom_id TEXT NOT NULL, prompt TEXT NOT NULL,
            version TEXT NOT NULL, pin TEXT NOT NULL, case_id TEXT NOT NULL, sample INTEGER NOT NULL,
            request TEXT NOT NULL,
            PRIMARY KEY (run, number, custom_id, prompt, version, pin, case_id, sample)) WITHOUT ROWID""",
    ),
    (
        "CREATE TABLE drift_log (n INTEGER NOT NULL PRIMARY KEY, line TEXT NOT NULL)",
        "CREATE TABLE drift_head (head TEXT NOT NULL)",
    ),
)


class Database:
    """Two connections to one SQLite file, migrated: one writes, one reads; any thread may use either.

    Every error of SQLite leaves here as a `StoreError`.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.exists():
            raise StoreError(f"{path} does not exist: nothing was run here yet")
        self._writer: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._to_disk = True
        try:
            with self._translated():
                if not read_only:
                    self._writer = _connect(path, "rwc")
                self._reader = _connect(path, "ro")
                self._prepare()
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def writing(self, *, to_disk: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is in the file afterwards, or nothing.

        `to_disk`: this and all before it are on the disk, too, and not only with the kernel.
        """
        with self._writing, self._translated():
            writer = self._writer_for(to_disk=to_disk)
            with _transaction(writer, "BEGIN IMMEDIATE"):
                # Immediately: a transaction that upgraded later would fail instead of waiting for its turn.
                yield writer

    def write(self, statement: str, values: Sequence[object], *, to_disk: bool) -> None:
        """One statement that is a transaction of its own."""
        with self._writing, self._translated():
            self._writer_for(to_disk=to_disk).execute(statement, values)

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view; it neither waits for a writer nor keeps one waiting."""
        if self._reader is None:
            raise StoreError(f"{self.path} cannot be read: it is closed")
        with self._reading, self._translated(), _transaction(self._reader, "BEGIN"):
            yield self._reader

    def close(self) -> None:
        """Close both connections, the writer last: it tidies up."""
        with self._reading:
            reader, self._reader = self._reader, None
            if reader is not None:
                reader.close()
        with self._writing:
            writer, self._writer = self._writer, None
            if writer is not None:
                writer.close()

    def _writer_for(self, *, to_disk: bool) -> sqlite3.Connection:
        if self._writer is None:
            raise StoreError(f"{self.path} cannot be written: it is closed, or was opened read-only")
        if self._to_disk != to_disk:
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if to_disk else 'NORMAL'}")
            self._to_disk = to_disk
        return self._writer

    def _prepare(self) -> None:
        assert self._reader is not None
        with _transaction(self._reader, "BEGIN"):
            current = self._version(self._reader) == len(MIGRATIONS)
        if current or self._writer is None:
            return
        _switch_to_wal(self._writer)
        with _transaction(self._writer, "BEGIN IMMEDIATE"):
            # Read again: another process may have migrated meanwhile.
            for steps in MIGRATIONS[self._version(self._writer) :]:
                for step in steps:
                    self._writer.execute(step)
            self._writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._writer.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self, connection: sqlite3.Connection) -> int:
        """Within a transaction: a file that another process makes between two of the queries looks like nobody's."""
        version, owner, tables = (
            int(connection.execute(query).fetchone()[0])
            for query in ("PRAGMA user_version", "PRAGMA application_id", "SELECT count(*) FROM sqlite_master")
        )
        if owner != APPLICATION_ID and (tables or version or owner):
            raise StoreError(
                f"{self.path} is a database of another program: move it away, or name another folder with "
                "`store` in [tool.promptops]"
            )
        if version > len(MIGRATIONS):
            raise StoreError(
                f"{self.path} was written by a newer promptops (format {version}, this one knows {len(MIGRATIONS)}): "
                "upgrade pytest-promptops, or delete the file: it is only a cache"
            )
        return version

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _worded(self.path, error) from error


def make_folder(folder: Path) -> None:
    """Make the store's folder, which git ignores by a `.gitignore` of its own.

    Raises `StoreError` where it cannot be made or written.
    """
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            with contextlib.suppress(FileExistsError), ignore.open("x", encoding="utf-8") as file:
                file.write("*\n")
    except OSError as error:
        why = "it is a file" if error.errno in (errno.EEXIST, errno.ENOTDIR) else error.strerror or str(error)
        raise StoreError(
            f"{folder} cannot be used for the run store: {why}; make it writable, or name another folder with "
            "`store` in [tool.promptops]"
        ) from error


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"file:{quote(os.fspath(path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -512")  # KiB; rows are written once, and four times that would be held
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """The connection has no transactions of its own (`isolation_level=None`)."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # SQLite itself rolls back after some errors, a full disk among them
            connection.execute("ROLLBACK")
        raise


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """SQLite does not wait for a lock here by itself where two processes make the file at once."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _worded(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_NOTADB: "is not a database or is damaged: delete it, it is only a cache",
        sqlite3.SQLITE_CORRUPT: "is damaged: delete it, it is only a cache",
        sqlite3.SQLITE_FULL: "cannot be written: the disk is full; free some space and run this again",
        sqlite3.SQLITE_IOERR: f"cannot be read or written ({error}): look at the disk, its quota and `ulimit -f`",
        sqlite3.SQLITE_READONLY: "cannot be written: the file or its folder is read-only",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: look at the permissions of the file and its folder",
        sqlite3.SQLITE_PERM: "cannot be opened: look at the permissions of the file and its folder",
        sqlite3.SQLITE_BUSY: f"was locked by another process for more than {BUSY_SECONDS:g} s: try again",
    }.get(code, f"cannot be used ({error}): if that stays so, delete it: it is only a cache")
    return StoreError(f"{path} {advice}")
