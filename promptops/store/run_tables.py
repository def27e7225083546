"""The run store's tables, its migrations and its connections. Imports SQLAlchemy: import this module late.

SQLite in WAL mode: readers never wait for the writer, a transaction that was committed survives `kill -9`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from promptops.errors import StoreError

APPLICATION_ID: Final = 0x50524F50  # "PROP" in the file's header: whose database it is
BUSY_SECONDS: Final = 30.0
CASES_AT_ONCE: Final = 1000  # SQLite takes 32,766 variables in a statement

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
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
)

metadata = sa.MetaData()
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("kind", "status", "started", "finished", "environment", "git_head")),
    *(sa.Column(name, sa.Text) for name in ("command", "plan", "plan_digest", "host")),
    sa.Column("pid", sa.Integer),
)
samples = sa.Table(
    "samples",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("run", "prompt", "version", "pin", "case_id")),
    sa.Column("sample", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("request", "reply", "failure", "source")),
    *(sa.Column(name, sa.Float) for name in ("cost", "latency")),
    *(sa.Column(name, sa.Text) for name in ("recorded_at", "digest")),
)
result_rows = sa.Table(
    "result_rows",
    metadata,
    *(sa.Column(name, sa.Text, primary_key=True) for name in ("run", "node")),
    sa.Column("data", sa.Text),
)
drift_nights = sa.Table(
    "drift_nights",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.Text) for name in ("prompt", "version", "pin", "endpoint", "night", "state")),
    sa.Column("agreement", sa.Float),
    *(sa.Column(name, sa.Text) for name in ("run", "data")),
)


def upsert(table: sa.Table) -> sa.Insert:
    """An insert that replaces the row of the same primary key: a batch may be written again after a crash."""
    statement = sqlite_insert(table)
    changed = {c.name: statement.excluded[c.name] for c in table.columns if not c.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)


def totals(run: str) -> sa.Select[int, int, Any]:
    """How many samples a run has, how many of them failed, and what they cost."""
    columns = samples.c
    return sa.select(sa.func.count(), sa.func.count(columns.failure), sa.func.sum(columns.cost)).where(
        columns.run == run
    )


def older_than_the_newest(keep: int) -> sa.Select[Any]:
    """The ids of all runs but the newest `keep`."""
    return sa.select(runs.c.id).order_by(runs.c.id.desc()).limit(-1).offset(keep)


def of_cases(run: str, target: tuple[str, str, str], cases: list[str]) -> sa.Select[Any]:
    """The samples of some cases of one (prompt, version, pin), looked up by primary key.

    SQLite uses no index for a list of whole keys (`(a, b) IN (VALUES …)`): hence target by target.
    """
    c = samples.c
    prompt, version, pin = target
    where = (c.run == run, c.prompt == prompt, c.version == version, c.pin == pin, c.case_id.in_(cases))
    return samples.select().where(*where)


class Database:
    """Connections to one SQLite file, migrated; every error of SQLite leaves here as a `StoreError`."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        if read_only and not path.exists():
            raise StoreError(f"{path} does not exist: nothing was run here yet")
        self._engine = sa.create_engine(
            "sqlite://", creator=_creator(path, read_only=read_only), poolclass=sa.QueuePool
        )
        sa.event.listen(self._engine, "begin", _begin)
        try:
            self._prepare(read_only=read_only)
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is in the file afterwards, or nothing."""
        with self._translated(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view; it neither waits for a writer nor keeps one waiting."""
        with self._translated(), self._engine.connect().execution_options(promptops_reading=True) as connection:
            yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _prepare(self, *, read_only: bool) -> None:
        with self.reading() as connection:
            version = self._version(connection)
        if read_only or version == len(MIGRATIONS):
            return
        self._switch_to_wal()
        with self.writing() as connection:  # read again: another process may have migrated meanwhile
            for steps in MIGRATIONS[self._version(connection) :]:
                for step in steps:
                    connection.exec_driver_sql(step)
            connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _version(self, connection: sa.Connection) -> int:
        version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
        owner = int(connection.exec_driver_sql("PRAGMA application_id").scalar_one())
        tables = int(connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one())
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

    def _switch_to_wal(self) -> None:
        """SQLite does not wait for a lock here by itself where two processes make the file at once."""
        deadline = time.monotonic() + BUSY_SECONDS
        with self._translated():
            raw = self._engine.raw_connection()
            try:
                while True:
                    try:
                        raw.cursor().execute("PRAGMA journal_mode = WAL").close()
                    except sqlite3.OperationalError as error:
                        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                            raise
                        time.sleep(0.01)
                    else:
                        return
            finally:
                raw.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise _worded(self.path, error.orig) from error
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


def _creator(path: Path, *, read_only: bool) -> Callable[[], sqlite3.Connection]:
    uri = f"file:{quote(os.fspath(path.absolute()))}?mode={'ro' if read_only else 'rwc'}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )  # no implicit transactions: `_begin` opens them
        connection.execute("PRAGMA synchronous = NORMAL").close()  # in WAL mode durable against a kill
        return connection

    return connect


def _begin(connection: sa.Connection) -> None:
    """A writer takes its lock at once: one that upgraded later would fail instead of waiting for its turn."""
    reading = connection.get_execution_options().get("promptops_reading")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _worded(path: Path, error: BaseException | None) -> StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    advice = {
        sqlite3.SQLITE_NOTADB: "is not a database or is damaged: delete it, it is only a cache",
        sqlite3.SQLITE_CORRUPT: "is damaged: delete it, it is only a cache",
        sqlite3.SQLITE_FULL: "cannot be written: the disk is full",
        sqlite3.SQLITE_READONLY: "cannot be written: the file or its folder is read-only",
        sqlite3.SQLITE_CANTOPEN: "cannot be opened: look at the permissions of the file and its folder",
        sqlite3.SQLITE_PERM: "cannot be opened: look at the permissions of the file and its folder",
        sqlite3.SQLITE_BUSY: f"was locked by another process for more than {BUSY_SECONDS:g} s: try again",
    }.get(code, f"cannot be used ({error}): if that stays so, delete it: it is only a cache")
    return StoreError(f"{path} {advice}")
