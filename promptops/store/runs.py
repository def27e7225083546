"""The run store: what runs measured, as they go, in `<store_dir>/store.db`. A cache: evidence is what git holds.

Importing this module is light; SQLAlchemy is imported when a store is opened.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptops.errors import StoreError
from promptops.models import Failure, Json, Reply, Sample, SampleKey, Usage
from promptops.times import timestamp

if TYPE_CHECKING:
    from typing import Self

RUNNING, INTERRUPTED = "running", "interrupted"
KEPT_RUNS = 50  # with their samples and rows; records of older runs, and the drift history, stay for good


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run. `started` and `finished` are ISO 8601 in UTC; `status` is `running` until `finish_run` says more."""

    id: str
    kind: str
    status: str
    started: str
    finished: str | None = None
    environment: str = ""
    git_head: str = ""
    command: str = ""
    plan: Mapping[str, Json] = field(default_factory=dict)
    plan_digest: str = ""


@dataclass(frozen=True, slots=True)
class RunTotals:
    """Counts of samples, and their cost in US dollars (None: no sample has a known price)."""

    samples: int
    failures: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class DriftNight:
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
    """Runs, samples, result rows and drift history of one project. Safe between threads and processes.

    `path` is the database file; its folder is made, with a `.gitignore` of its own. A `read_only` store (xdist
    workers) must exist. Every method raises `StoreError` where the file cannot be used.
    """

    def __init__(
        self, path: Path, *, read_only: bool = False, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        from promptops.store.run_tables import Database, make_folder

        self.path = path
        self._now = now
        if not read_only:
            make_folder(path.parent)
        self._database = Database(path, read_only=read_only)

    @classmethod
    def in_folder(cls, store_dir: Path, *, read_only: bool = False) -> Self:
        """Open `store.db` in a project's store folder."""
        return cls(store_dir / "store.db", read_only=read_only)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give all connections back; what was appended is in the file already."""
        self._database.close()

    # --- runs

    def start_run(
        self,
        kind: str,
        *,
        plan: Mapping[str, Json] | None = None,
        plan_digest: str = "",
        environment: str = "",
        git_head: str = "",
        command: str = "",
    ) -> str:
        """Begin a run and return its id, `20261122T071500-ab12cd`: ids sort by time.

        `plan` is a summary for people and reports; runs with an equal `plan_digest` can be resumed from each other. So
        that the file does not grow for ever, samples and rows of all but the newest `KEPT_RUNS` runs are dropped.
        """
        from promptops.store import run_tables as t

        moment = self._now()
        run = f"{moment:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        values = {
            "id": run,
            "kind": kind,
            "status": RUNNING,
            "started": timestamp(moment),
            "environment": environment,
            "git_head": git_head,
            "command": command.encode("utf-8", "replace").decode("utf-8"),
            "plan": _dump(plan or {}),
            "plan_digest": plan_digest,
            "host": platform.node(),
            "pid": os.getpid(),
        }
        with self._database.writing() as connection:
            connection.execute(t.runs.insert(), values)
            for table in (t.samples, t.result_rows):
                connection.execute(table.delete().where(table.c.run.in_(t.older_than_the_newest(KEPT_RUNS))))
        return run

    def append(self, run: str, samples: Iterable[Sample] = (), rows: Mapping[str, Json] | None = None) -> None:
        """Write one batch in one transaction: samples by key, and result rows by node. The same again replaces."""
        from promptops.store import run_tables as t

        sample_values = [_values(run, sample) for sample in samples]
        row_values = [{"run": run, "node": node, "data": _dump(data)} for node, data in (rows or {}).items()]
        if not sample_values and not row_values:
            return
        with self._database.writing() as connection:
            if sample_values:
                connection.execute(t.upsert(t.samples), sample_values)
            if row_values:
                connection.execute(t.upsert(t.result_rows), row_values)

    def finish_run(self, run: str, status: str) -> None:
        """End a run with a verdict or one word: `pass`, `regress`, `interrupted`, …

        Raises `StoreError` where there is no such run.
        """
        from promptops.store import run_tables as t

        update = t.runs.update().where(t.runs.c.id == run).values(status=status, finished=timestamp(self._now()))
        with self._database.writing() as connection:
            if not connection.execute(update).rowcount:
                raise StoreError(f"there is no run {run!r} in {self.path}")

    def run(self, run: str) -> RunRecord | None:
        """One run, or None where there is no such run."""
        from promptops.store import run_tables as t

        with self._database.reading() as connection:
            found = connection.execute(t.runs.select().where(t.runs.c.id == run)).mappings().first()
        return None if found is None else _record(found)

    def runs(self, limit: int = 20, *, kind: str | None = None) -> list[RunRecord]:
        """The newest runs first, of one kind or of all."""
        from promptops.store import run_tables as t

        select = t.runs.select().order_by(t.runs.c.id.desc()).limit(limit)
        if kind is not None:
            select = select.where(t.runs.c.kind == kind)
        with self._database.reading() as connection:
            return [_record(found) for found in connection.execute(select).mappings()]

    def resumable(self, plan_digest: str) -> str | None:
        """The newest run of the same plan if it was interrupted or killed: its samples need not be asked again."""
        from promptops.store import run_tables as t

        select = t.runs.select().where(t.runs.c.plan_digest == plan_digest).order_by(t.runs.c.id.desc()).limit(1)
        with self._database.reading() as connection:
            found = connection.execute(select).mappings().first()
        if found is None or not plan_digest:
            return None
        killed = found["status"] == RUNNING and found["host"] == platform.node() and not _lives(found["pid"])
        return str(found["id"]) if killed or found["status"] == INTERRUPTED else None

    def totals(self, run: str) -> RunTotals:
        """Counts and cost of a run's samples so far."""
        from promptops.store import run_tables as t

        with self._database.reading() as connection:
            return RunTotals(*connection.execute(t.totals(run)).one())

    # --- samples and rows

    def samples_of(self, run: str) -> Iterator[Sample]:
        """All samples of a run, sorted by key, as of the moment of the call."""
        from promptops.store import run_tables as t

        c = t.samples.c
        order = (c.prompt, c.version, c.pin, c.case_id, c.sample)
        with self._database.reading() as connection:
            found = connection.execute(t.samples.select().where(c.run == run).order_by(*order)).mappings().all()
        return map(_sample, found)

    def get(self, run: str, key: SampleKey) -> Sample | None:
        """One sample by its key; None while it is not there."""
        return self.get_many(run, [key]).get(key)

    def get_many(self, run: str, keys: Iterable[SampleKey]) -> dict[SampleKey, Sample]:
        """Those of `keys` that are there: what an xdist worker polls with."""
        from promptops.store import run_tables as t

        wanted = set(keys)
        cases: dict[tuple[str, str, str], dict[str, None]] = {}
        for key in wanted:
            cases.setdefault((key.prompt, key.version, key.pin), {})[key.case] = None
        found: dict[SampleKey, Sample] = {}
        with self._database.reading() as connection:
            for target, names in cases.items():
                for batch in _chunks(list(names), t.CASES_AT_ONCE):
                    rows = connection.execute(t.of_cases(run, target, batch)).mappings()
                    found.update((sample.key, sample) for sample in map(_sample, rows) if sample.key in wanted)
        return found

    def rows_of(self, run: str) -> dict[str, Json]:
        """The result rows of a run by node."""
        from promptops.store import run_tables as t

        select = t.result_rows.select().where(t.result_rows.c.run == run).order_by(t.result_rows.c.node)
        with self._database.reading() as connection:
            return {found["node"]: json.loads(found["data"]) for found in connection.execute(select).mappings()}

    # --- drift

    def add_night(self, night: DriftNight) -> None:
        """Add one night to the drift history."""
        from promptops.store import run_tables as t

        with self._database.writing() as connection:
            connection.execute(t.drift_nights.insert(), _night_values(night))

    def nights(self, prompt: str | None = None, *, pin: str | None = None, limit: int = 400) -> list[DriftNight]:
        """The drift history, oldest first, cut to the newest `limit` nights."""
        from promptops.store import run_tables as t

        c = t.drift_nights.c
        select = t.drift_nights.select().order_by(c.night.desc(), c.id.desc()).limit(limit)
        for column, wanted in ((c.prompt, prompt), (c.pin, pin)):
            if wanted is not None:
                select = select.where(column == wanted)
        with self._database.reading() as connection:
            found = connection.execute(select).mappings().all()
        return [_night(row) for row in reversed(found)]


def _chunks(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[begin : begin + size] for begin in range(0, len(names), size))


def _dump(value: Any) -> str:
    """ASCII only: half a character in a reply must not keep the batch from being written."""
    return json.dumps(value, separators=(",", ":"), default=_plain)


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple | set) else str(value)


def _values(run: str, sample: Sample) -> dict[str, Any]:
    key, reply, failure = sample.key, sample.reply, sample.failure
    return {
        "run": run,
        "prompt": key.prompt,
        "version": key.version,
        "pin": key.pin,
        "case_id": key.case,
        "sample": key.index,
        "request": sample.request,
        "reply": None if reply is None else _dump(_reply_fields(reply)),
        "failure": None if failure is None else _dump(asdict(failure)),
        "source": sample.source,
        "cost": sample.cost,
        "latency": None if reply is None else reply.latency,
        "recorded_at": sample.recorded_at,
        "digest": sample.digest,
    }


def _sample(row: Mapping[Any, Any]) -> Sample:
    return Sample(
        key=SampleKey(row["prompt"], row["version"], row["pin"], row["case_id"], row["sample"]),
        request=row["request"],
        reply=_reply(row["reply"]),
        failure=None if row["failure"] is None else Failure(**json.loads(row["failure"])),
        source=row["source"],
        cost=row["cost"],
        recorded_at=row["recorded_at"],
        digest=row["digest"],
    )


def _reply_fields(reply: Reply) -> dict[str, Any]:
    """Like `asdict`, which would copy every tool call."""
    fields = {name: getattr(reply, name) for name in Reply.__dataclass_fields__}
    return {**fields, "usage": asdict(reply.usage)}


def _reply(text: str | None) -> Reply | None:
    if text is None:
        return None
    fields = json.loads(text)
    return Reply(**{**fields, "usage": Usage(**fields["usage"]), "tool_calls": tuple(fields["tool_calls"])})


def _record(row: Mapping[Any, Any]) -> RunRecord:
    names = [name for name in RunRecord.__dataclass_fields__ if name != "plan"]
    return RunRecord(**{name: row[name] for name in names}, plan=json.loads(row["plan"]))


def _night_values(night: DriftNight) -> dict[str, Any]:
    return {name: getattr(night, name) for name in DriftNight.__dataclass_fields__} | {"data": _dump(night.data)}


def _night(row: Mapping[Any, Any]) -> DriftNight:
    names = [name for name in DriftNight.__dataclass_fields__ if name != "data"]
    return DriftNight(**{name: row[name] for name in names}, data=json.loads(row["data"]))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
