"""The log of the nightly watch in PostgreSQL, for jobs on machines that keep nothing. Needs the extra `postgres`.

One row a line, and beside them how many there must be, as in the files of `store.drift_log`. A transaction holds an
advisory lock from the first look at the log to its last line, so that of two runs at once the second decides on what
the first wrote.
Sources: https://www.postgresql.org/docs/current/libpq-connect.html (the address),
https://www.postgresql.org/docs/current/explicit-locking.html (the lock).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

from promptops.core.nightly.chain import Damaged, Head, lines_for, parse_head, parse_lines
from promptops.core.nightly.events import AnyEvent
from promptops.errors import MissingExtra, StoreError, UsageError
from promptops.store.drift_log import MOST_BYTES, Decide, UnreachableLog, damaged

if TYPE_CHECKING:
    from psycopg import Connection

SCHEMES: Final = ("postgresql://", "postgres://")
ATTEMPTS: Final = 3
PAUSE: Final = 2.0  # seconds before the second attempt to connect; twice as long before the third
CONNECTING: Final = 10  # seconds that one attempt may take
WAITING: Final = "60s"  # for another run's transaction, and for one statement
_LOOPBACK: Final = frozenset({"", "localhost", "127.0.0.1", "::1"})
_SETTINGS_ARE_WRONG: Final = (
    "authentication failed",
    "no password supplied",
    "does not exist",
    "pg_hba.conf",
    "permission denied",
    "not permitted to log in",
    "does not support SSL",
    "certificate",
    "sslmode",
)
"""In what a server says: no retry and no later night mends it. Everything else is taken for an outage."""

_TABLES: Final = (
    "CREATE TABLE promptops_drift_log (log TEXT NOT NULL, n BIGINT NOT NULL, line TEXT NOT NULL, PRIMARY KEY (log, n))",
    "CREATE TABLE promptops_drift_head (log TEXT NOT NULL PRIMARY KEY, head TEXT NOT NULL)",
)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('promptops drift'), hashtext(current_schema()))"


class PostgresLog:
    """Two tables of a database: `promptops_drift_log` and `promptops_drift_head`.

    `url` is what libpq takes; one that came from a file or a command line (`secret` False) may hold no password.
    Raises `UsageError` for one that is no address, `MissingExtra` where psycopg is not installed.
    """

    def __init__(self, url: str, *, secret: bool = False, sleep: Callable[[float], None] = time.sleep) -> None:
        self._settings, self._where = _parsed(url, secret=secret)
        self._sleep = sleep

    @property
    def place(self) -> str:
        return f"{self._where} (promptops_drift_log)"

    def begun(self) -> bool:
        with self._transaction(writing=False) as db:
            return _there(db) and _kept_head(db) is not None

    def read(self) -> list[AnyEvent]:
        with self._transaction(writing=False) as db:
            return self._events(db)[0] if _there(db) else []

    def append(self, decide: Decide) -> list[AnyEvent]:
        with self._transaction(writing=True) as db:
            events, head = self._events(db)
            fresh = list(decide(events))
            lines, after = lines_for(fresh, head)
            if lines:
                rows = [(head.count + place, line) for place, line in enumerate(lines, start=1)]
                with db.cursor() as cursor:
                    cursor.executemany("INSERT INTO promptops_drift_log (log, n, line) VALUES ('', %s, %s)", rows)
                db.execute(
                    "INSERT INTO promptops_drift_head (log, head) VALUES ('', %s) "
                    "ON CONFLICT (log) DO UPDATE SET head = EXCLUDED.head",
                    [after.text()],
                )
        return fresh

    def put_aside(self, name: str) -> str:
        with self._transaction(writing=True) as db:
            db.execute("UPDATE promptops_drift_log SET log = %s WHERE log = ''", [name])
            db.execute("UPDATE promptops_drift_head SET log = %s WHERE log = ''", [name])
        return f"{self.place}, rows with log = {name!r}"

    def _events(self, db: Connection[Any]) -> tuple[list[AnyEvent], Head]:
        size = db.execute(
            "SELECT coalesce(sum(octet_length(line)), 0) FROM promptops_drift_log WHERE log = ''"
        ).fetchone()
        if size is not None and size[0] > MOST_BYTES:
            raise StoreError(f"{self.place} is larger than {MOST_BYTES:,} bytes: that is no log of promptops")
        rows = db.execute("SELECT line FROM promptops_drift_log WHERE log = '' ORDER BY n").fetchall()
        lines, kept = [str(row[0]) for row in rows], _kept_head(db)
        if not lines and kept is None:
            return [], Head()
        try:
            head = parse_head(kept) if kept is not None else None
            return parse_lines(lines, head), head or Head()
        except Damaged as error:
            raise damaged(self.place, error) from None

    @contextlib.contextmanager
    def _transaction(self, *, writing: bool) -> Iterator[Connection[Any]]:
        """One consistent view, or one change of everything at once, with whoever else writes held off."""
        import psycopg

        with contextlib.closing(self._connected()) as db, self._translated():
            db.prepare_threshold = None  # poolers hand each transaction to another connection
            db.read_only = not writing
            db.isolation_level = (
                psycopg.IsolationLevel.READ_COMMITTED if writing else psycopg.IsolationLevel.REPEATABLE_READ
            )
            with db.transaction():
                for setting in ("lock_timeout", "statement_timeout"):
                    db.execute("SELECT set_config(%s, %s, true)", [setting, WAITING])
                if writing:
                    db.execute(_LOCK)
                    if not _there(db):
                        for table in _TABLES:
                            db.execute(table)
                yield db

    def _connected(self) -> Connection[Any]:
        import psycopg

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return psycopg.connect(**self._settings)
            except psycopg.Error as error:
                failed = self._worded(error)
                if attempt == ATTEMPTS or not isinstance(failed, UnreachableLog):
                    raise failed from None
            self._sleep(PAUSE * 2 ** (attempt - 1))
        raise AssertionError

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        import psycopg

        try:
            yield
        except psycopg.Error as error:
            raise self._worded(error) from None

    def _worded(self, error: Exception) -> StoreError:
        """What went wrong, without the password, which libpq never says but a proxy might."""
        said = " ".join(str(error).split())[:300]
        if password := str(self._settings.get("password") or os.environ.get("PGPASSWORD") or ""):
            said = said.replace(password, "***")
        state = getattr(error, "sqlstate", None) or ""
        if state[:2] in {"28", "3D", "3F", "42"} or any(words in said for words in _SETTINGS_ARE_WRONG):
            return StoreError(f"{self.place} cannot be used: {said}")
        return UnreachableLog(f"{self.place} cannot be reached: {said}")


def _there(db: Connection[Any]) -> bool:
    """Whether the tables exist: who may not make tables may still use those that somebody else made."""
    found = db.execute("SELECT to_regclass('promptops_drift_log'), to_regclass('promptops_drift_head')").fetchone()
    return found is not None and None not in found


def _kept_head(db: Connection[Any]) -> str | None:
    found = db.execute("SELECT head FROM promptops_drift_head WHERE log = ''").fetchone()
    return None if found is None else str(found[0])


def _parsed(url: str, *, secret: bool) -> tuple[dict[str, Any], str]:
    """The settings of a connection, and how messages name the database: without user, password or options.

    What goes to another machine is encrypted, unless `sslmode` in the address or `$PGSSLMODE` says something else.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or int(os.environ.get("PGPORT") or 5432)
        asked = parse_qs(parts.query)
    except ValueError:
        raise UsageError(_MALFORMED) from None
    if not secret and (parts.password is not None or "password" in asked):
        raise UsageError(
            "the address of the drift log holds a password: put it into $PGPASSWORD, or the whole address "
            "into $PROMPTOPS_DRIFT_STATE, and take it out"
        )
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ImportError:
        raise MissingExtra("postgres", "a drift log in PostgreSQL") from None
    try:
        settings = conninfo_to_dict(url)
    except ProgrammingError:
        raise UsageError(_MALFORMED) from None
    settings = {"connect_timeout": CONNECTING, "application_name": "promptops drift", **settings}
    if host not in _LOOPBACK and not os.environ.get("PGSSLMODE"):
        settings.setdefault("sslmode", "require")
    return settings, f"postgresql://{host or 'localhost'}:{port}/{parts.path.strip('/')}"


_MALFORMED: Final = "the address of the drift log is no PostgreSQL: write postgresql://user@host:5432/database"
