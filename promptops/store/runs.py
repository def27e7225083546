"""The run store: the journal of what runs measure, as they go, in `<store_dir>/store.db`.

What was appended is in the file before anybody is told of it, so a run that was killed can be gone on with. Evidence
is what git holds: once a run has ended, the file is only a cache.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from promptops.errors import FailureKind, StoreError
from promptops.models import Json, Sample, SampleKey, Spent
from promptops.store import run_tables
from promptops.store.batch_rows import WAITING, BatchRows, delete_batches
from promptops.store.run_locks import RunLocks
from promptops.store.sample_rows import SELECT, dump, row_of, sample_of, upsert
from promptops.times import timestamp

if TYPE_CHECKING:
    from typing import Self

RUNNING, INTERRUPTED, STOPPED, UNMEASURABLE = "running", "interrupted", "stopped", "unmeasurable"
ABANDONED = "abandoned"  # left before it came to its end, and counted as an attempt: nobody goes on with it
KEPT_RUNS = 50  # with their samples; records of older runs, and the drift history, stay for good
KEPT_FOR = timedelta(hours=24)  # that long a run that has not ended is gone on with, and keeps its samples
PASSING: Final[frozenset[FailureKind]] = frozenset(
    {"connection", "timeout", "rate_limit", "server", "outage", "auth", "budget", "cancelled"}
)
"""Failures after which the same sample may well be measured: a run that ended in one of them is worth going on with."""

_CASES_AT_ONCE = 1000  # SQLite takes 32,766 variables in a statement
_ROWS_AT_ONCE = 500
_SEEN_EVERY = 10.0  # seconds between two notes that a run measures
_TO_DISK_EVERY = 0.5  # seconds: what a power cut may cost; a kill costs nothing
_RECORD: Final = (
    *("id", "kind", "status", "started", "finished", "environment", "command", "plan", "plan_digest"),
    *("round", "seen", "concluded", "host", "pid"),
)
_WITH_SAMPLES: Final = """WITH RECURSIVE have (run) AS (
    SELECT min(run) FROM samples UNION ALL
    SELECT (SELECT min(run) FROM samples WHERE run > have.run) FROM have WHERE have.run IS NOT NULL
) SELECT run FROM have WHERE run IS NOT NULL"""
"""The runs that have samples, each found by one step in the index: not by a look at every row."""
_RUNS: Final = f"SELECT {', '.join(_RECORD)} FROM runs"  # noqa: S608 - our names


class RunRecord(Struct, frozen=True):
    """One run. Moments are ISO 8601 in UTC; `status` is `running` until `finish_run` says more.

    `round` counts how often the run was begun or gone on with, `seen` is when it last measured something, `concluded`
    the moment that its evidence names.
    """

    id: str
    kind: str
    status: str
    started: str
    finished: str | None = None
    environment: str = ""
    command: str = ""
    plan: Mapping[str, Json] = field(default_factory=dict)
    plan_digest: str = ""
    round: int = 1
    seen: str = ""
    concluded: str | None = None
    host: str = ""
    pid: int = 0


class DriftNight(Struct, frozen=True):
    """What one night's check of one served version said. `night` is an ISO date, `agreement` a share in [0, 1]."""

    prompt: str
    version: str
    pin: str
    night: str
    state: str
    agreement: float | None = None
    endpoint: str = ""
    run: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)


class RunStore:
    """Runs, samples and drift history of one project. Safe between threads and processes.

    `path` is the database file; its folder is made, with a `.gitignore` of its own. A `read_only` store (xdist
    workers) must exist. Every method raises `StoreError` where the file cannot be used.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self._now = now
        self._locks = RunLocks(path.parent / "running")
        self._noted: dict[str, float] = {}
        self._to_disk_at = 0.0
        if not read_only:
            run_tables.make_folder(path.parent)
        self._database = run_tables.Database(path, read_only=read_only)
        self.batches = BatchRows(self._database)

    @classmethod
    def in_folder(cls, store_dir: Path, *, read_only: bool = False) -> Self:
        """Open `store.db` in a project's store folder."""
        return cls(store_dir / "store.db", read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. A run that was not finished counts as killed from now on."""
        self._locks.close()
        self._database.close()

    # --- runs

    def start_run(
        self,
        kind: str,
        *,
        plan: Mapping[str, Json] | None = None,
        plan_digest: str = "",
        environment: str = "",
        command: str = "",
    ) -> str:
        """Begin a run and return its id, `20261122T071500-ab12cd`.

        `plan` is a summary for people and reports; of runs with an equal `plan_digest` one can be gone on with. The run
        lives until it is finished, this store is closed or this process ends.
        """
        moment = self._now()
        run = f"{moment:%Y%m%dT%H%M%S}-{os.urandom(3).hex()}"
        at = timestamp(moment)
        values = {
            "id": run,
            "kind": kind,
            "status": RUNNING,
            "started": at,
            "environment": environment,
            "git_head": "",
            "command": command.encode("utf-8", "replace").decode("utf-8"),
            "plan": dump(plan or {}),
            "plan_digest": plan_digest,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "seen": at,
        }
        insert = f"INSERT INTO runs ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
        with self._database.writing() as db:
            db.execute(insert, list(values.values()))
            self._locks.take(run)
        return run

    def claim(self, plan_digest: str, *, run: str = "", within: timedelta | None = KEPT_FOR) -> RunRecord | None:
        """Take over the newest run of a plan if it has not ended: from now on it is this process's, and it lives.

        That is a run that measured something `within` so long and was killed, interrupted or ended in failures that may
        have passed. Without a limit it is demanded: any run that did not come to its end, with `run` that one. Never
        one that lives: of two processes that want the same run one gets it.
        """
        with self._database.writing() as db:
            for record in self._newest(db, "plan_digest", plan_digest):
                if run in ("", record.id) and not self._lives(record):
                    unended = self._unended(db, record, within) and self._locks.take(record.id)
                    return self._begun_again(db, record) if unended else None
        return None

    def alone(self, plan_digest: str) -> bool:
        """Take the lock of a plan until this store is closed; False where another process or another store has it."""
        return self._locks.take(f"plan-{plan_digest.removeprefix('sha256:')}")

    def living(self, plan_digest: str) -> RunRecord | None:
        """The newest run of a plan that is asking now."""
        with self._database.writing() as db:  # nobody else looks at the locks meanwhile
            found = self._newest(db, "plan_digest", plan_digest)
            return next((record for record in found if self._lives(record)), None)

    def left(self, plan_digest: str) -> RunRecord | None:
        """The newest run of a plan that can be demanded, however old."""
        with self._database.writing() as db:  # nobody else looks at the locks meanwhile
            found = self._newest(db, "plan_digest", plan_digest)
            return next(
                (record for record in found if not self._lives(record) and self._unended(db, record, None)), None
            )

    def unended(self, kind: str, *, limit: int = 5) -> list[RunRecord]:
        """The newest runs of a kind that can be demanded, of whatever plan."""
        with self._database.writing() as db:  # nobody else looks at the locks meanwhile
            found = self._newest(db, "kind", kind)
            open_ = (record for record in found if not self._lives(record) and self._unended(db, record, None))
            return list(itertools.islice(open_, limit))

    def append(self, run: str, samples: Iterable[Sample], *, round_: int = 1) -> None:
        """Write one batch; a sample of the same key is replaced.

        No kill can take it back when this returns, and a power cut what was written half a second before.
        """
        rows = [row_of(run, round_, sample) for sample in samples]
        noted = any(row[7] is not None for row in rows) and self._is_to_be_noted(run)
        if to_disk := time.monotonic() >= self._to_disk_at:
            self._to_disk_at = time.monotonic() + _TO_DISK_EVERY
        for begin in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[begin : begin + _ROWS_AT_ONCE]
            self._database.write(upsert(len(some)), [*itertools.chain.from_iterable(some)], to_disk=to_disk)
        if noted:
            self._database.write("UPDATE runs SET seen = ? WHERE id = ?", [timestamp(self._now()), run], to_disk=False)

    def conclude(self, run: str) -> str:
        """Return the moment that the run's evidence names: now, or what was said before the run was killed."""
        with self._database.writing() as db:
            at = timestamp(self._now())
            db.execute("UPDATE runs SET concluded = COALESCE(concluded, ?) WHERE id = ?", [at, run])
            found = db.execute("SELECT concluded FROM runs WHERE id = ?", [run]).fetchone()
        return str(found[0]) if found else at

    def finish_run(self, run: str, status: str) -> None:
        """End a run with a verdict or one word: `pass`, `regress`, `interrupted`, …

        So that the file does not grow for ever, samples of all but the newest `KEPT_RUNS` runs are dropped, those that
        can be gone on with apart. Raises `StoreError` where there is no such run.
        """
        with self._database.writing() as db:
            update = "UPDATE runs SET status = ?, finished = ? WHERE id = ?"
            if not db.execute(update, [status, timestamp(self._now()), run]).rowcount:
                raise StoreError(f"there is no run {run!r} in {self.path}")
            self._prune(db)
            self._locks.release(run)

    def run(self, run: str) -> RunRecord | None:
        """One run, or None where there is no such run."""
        with self._database.reading() as db:
            return next(_records(db.execute(f"{_RUNS} WHERE id = ?", [run])), None)

    def replies(self, run: str) -> int:
        """How many samples of a run have a reply so far."""
        with self._database.reading() as db:
            return int(db.execute("SELECT count(reply) FROM samples WHERE run = ?", [run]).fetchone()[0])

    def begun(self, run: str) -> bool:
        """Whether samples of a run failed after the model had been asked again: they have answers, and no reply."""
        asked = "SELECT 1 FROM samples WHERE run = ? AND reply IS NULL AND failure LIKE '%\"earlier\":[%' LIMIT 1"
        with self._database.reading() as db:
            return db.execute(asked, [run]).fetchone() is not None

    def spent(self, run: str) -> Spent:
        """What the samples of a run have cost so far; what failed cost requests, and nobody knows what else."""
        dollars, tokens, requests = 0.0, 0, 0
        with self._database.reading() as db:
            rows = db.execute(f"{SELECT} WHERE run = ? AND source = 'live'", [run])
            for sample in map(sample_of, rows):
                dollars += sample.cost or 0.0
                requests += len(sample.attempts) or int(sample.reply is not None and sample.reply.batch)
                used = [sample.reply.usage] if sample.reply is not None else [turn.usage for turn in sample.earlier]
                tokens += sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in used)
        return Spent(dollars, tokens, requests)

    # --- samples

    def get(self, run: str, key: SampleKey) -> Sample | None:
        """One sample by its key; None while it is not there."""
        return self.get_many(run, [key]).get(key)

    def get_many(self, run: str, keys: Iterable[SampleKey], *, round_: int = 1) -> dict[SampleKey, Sample]:
        """Those of `keys` that are there, written in round `round_` or later: what an xdist worker polls with."""
        wanted = set(keys)
        cases: dict[tuple[str, str, str], dict[str, None]] = {}
        for key in wanted:
            cases.setdefault((key.prompt, key.version, key.pin), {})[key.case] = None
        found: dict[SampleKey, Sample] = {}
        with self._database.reading() as db:
            for target, names in cases.items():
                for batch in _chunks(list(names), _CASES_AT_ONCE):
                    rows = db.execute(of_cases(len(batch)), [run, *target, *batch, round_])
                    found.update((sample.key, sample) for sample in map(sample_of, rows) if sample.key in wanted)
        return found

    # --- drift

    def add_night(self, night: DriftNight) -> None:
        """Add one night to the drift history; a run that was killed meanwhile and says it again replaces it."""
        values = {name: getattr(night, name) for name in night.__struct_fields__} | {"data": dump(night.data)}
        insert = f"INSERT INTO drift_nights ({', '.join(values)}) VALUES ({', '.join('?' * len(values))})"  # noqa: S608
        same = "run = ? AND run != '' AND prompt = ? AND version = ? AND pin = ?"
        with self._database.writing() as db:
            db.execute(
                f"DELETE FROM drift_nights WHERE {same}",  # noqa: S608
                [night.run, night.prompt, night.version, night.pin],
            )
            db.execute(insert, list(values.values()))

    def nights(self, limit: int = 400) -> list[DriftNight]:
        """The drift history, oldest first, cut to the newest `limit` nights."""
        names = DriftNight.__struct_fields__
        query = f"SELECT {', '.join(names)} FROM drift_nights ORDER BY night DESC, id DESC LIMIT ?"  # noqa: S608
        with self._database.reading() as db:
            found = [dict(zip(names, row, strict=True)) for row in db.execute(query, [limit])]
        return [DriftNight(**{**row, "data": json.loads(row["data"])}) for row in reversed(found)]

    # --- what has not ended

    def _newest(self, db: sqlite3.Connection, column: str, value: str) -> Iterator[RunRecord]:
        """The runs with that value, in the order in which they were begun, whatever the clock said; newest first."""
        query = f"{_RUNS} WHERE {column} = ? AND plan_digest != '' ORDER BY rowid DESC"
        return _records(db.execute(query, [value]))

    def _lives(self, record: RunRecord) -> bool:
        return record.status == RUNNING and self._locks.lives(record.id)

    def _unended(self, db: sqlite3.Connection, record: RunRecord, within: timedelta | None) -> bool:
        """Whether a run that does not live can be gone on with: it has replies, and did not come to its end.

        One whose batch a provider has can, however old it is.
        """
        if record.status not in (RUNNING, INTERRUPTED, UNMEASURABLE, *((STOPPED,) if within is None else ())):
            return False
        if db.execute(WAITING, [record.id]).fetchone():
            return True
        if within is not None and record.seen < timestamp(self._now() - within):
            return False
        if not db.execute("SELECT 1 FROM samples WHERE run = ? AND reply IS NOT NULL LIMIT 1", [record.id]).fetchone():
            return False
        if within is None or record.status != UNMEASURABLE:
            return True
        failures = db.execute("SELECT DISTINCT failure FROM samples WHERE run = ? AND reply IS NULL", [record.id])
        return any(json.loads(failure)["kind"] in PASSING for (failure,) in failures)

    def _begun_again(self, db: sqlite3.Connection, record: RunRecord) -> RunRecord:
        """A run that was killed keeps the moment of its evidence: it may be written already."""
        db.execute(
            "UPDATE runs SET status = ?, finished = NULL, round = round + 1, host = ?, pid = ?, "
            "concluded = CASE WHEN status = ? THEN concluded END WHERE id = ?",
            [RUNNING, socket.gethostname(), os.getpid(), RUNNING, record.id],
        )
        return next(_records(db.execute(f"{_RUNS} WHERE id = ?", [record.id])))

    def _is_to_be_noted(self, run: str) -> bool:
        now = time.monotonic()
        due = now >= self._noted.get(run, 0.0)
        if due:
            self._noted[run] = now + _SEEN_EVERY
        return due

    def _prune(self, db: sqlite3.Connection) -> None:
        newest = {run for (run,) in db.execute("SELECT id FROM runs ORDER BY rowid DESC LIMIT ?", [KEPT_RUNS])}
        for run in [run for (run,) in db.execute(_WITH_SAMPLES) if run not in newest]:
            record = next(_records(db.execute(f"{_RUNS} WHERE id = ?", [run])), None)
            if record is None or not (self._lives(record) or self._unended(db, record, KEPT_FOR)):
                db.execute("DELETE FROM samples WHERE run = ?", [run])
                delete_batches(db, run)
        self._locks.sweep(newest.__contains__)


def of_cases(count: int) -> str:
    """The samples of `count` cases of one (prompt, version, pin), looked up by primary key.

    SQLite uses no index for a list of whole keys (`(a, b) IN (VALUES …)`): hence target by target.
    """
    names = ", ".join("?" * count)
    return f"{SELECT} WHERE run = ? AND prompt = ? AND version = ? AND pin = ? AND case_id IN ({names}) AND round >= ?"


def _chunks(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[begin : begin + size] for begin in range(0, len(names), size))


def _records(rows: Iterable[Sequence[object]]) -> Iterator[RunRecord]:
    for row in rows:
        values = dict(zip(_RECORD, row, strict=True))
        yield RunRecord(**{**values, "plan": json.loads(str(values["plan"]))})
