"""The batches of a run in the run store: what was handed to a provider, under which name, and what has come back.

A batch is written down before the provider hears of it, and its id as soon as the provider has said it. So a kill at
any moment leaves one of four states: `made` (nobody heard of it), `creating` (the provider may have it), `open` (it has
it, and this is its id), `taken` (its results are among the run's samples).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct, field

from promptops.models import Json, SampleKey
from promptops.store.run_tables import Database
from promptops.store.sample_rows import dump

BatchPhase = Literal["made", "creating", "open", "taken"]

_AT_ONCE: Final = 400  # rows of a statement: SQLite takes 32,766 variables
_FIELDS: Final = ("run", "number", "pin", "state", "file", "batch", "begun", "data")
_ITEM: Final = ("run", "number", "custom_id", "prompt", "version", "pin", "case_id", "sample", "request")
# What this process began and did not bring to its end.
WAITING: Final = "SELECT 1 FROM batches WHERE run = ? AND state IN ('creating', 'open') LIMIT 1"


class BatchRecord(Struct, frozen=True):
    """One batch: `number` counts from 1 within its run, `begun` is ISO 8601 in UTC.

    `file` is the provider's name of what was uploaded, `batch` that of the batch; empty while it has none. `data` is
    what else has to be remembered of it.
    """

    run: str
    number: int
    pin: str
    state: BatchPhase
    begun: str
    file: str = ""
    batch: str = ""
    data: Mapping[str, Json] = field(default_factory=dict)


class BatchItem(Struct, frozen=True):
    """One sample in a batch. Samples that ask the same have one `custom_id`: they are asked once."""

    custom_id: str
    key: SampleKey
    request: str


class BatchRows:
    """The batches of all runs of one project; every method raises `StoreError` where the file cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, record: BatchRecord, items: Iterable[BatchItem]) -> None:
        """Write a batch down with everything that is in it, on the disk when this returns."""
        with self._database.writing() as db:
            values = [*(getattr(record, name) for name in _FIELDS[:-1]), dump(record.data)]
            marks = ", ".join("?" * len(_FIELDS))
            db.execute(f"INSERT INTO batches ({', '.join(_FIELDS)}) VALUES ({marks})", values)  # noqa: S608
            _insert(db, record.run, record.number, items)

    def join(self, run: str, number: int, items: Iterable[BatchItem]) -> None:
        """Note samples that ask what the batch already asks."""
        with self._database.writing() as db:
            _insert(db, run, number, items)

    def update(self, record: BatchRecord) -> None:
        """Write what became of a batch, on the disk when this returns."""
        with self._database.writing() as db:
            db.execute(
                "UPDATE batches SET state = ?, file = ?, batch = ?, data = ? WHERE run = ? AND number = ?",
                [record.state, record.file, record.batch, dump(record.data), record.run, record.number],
            )

    def drop(self, run: str, number: int) -> None:
        """Forget a batch that the provider never had."""
        with self._database.writing() as db:
            for table in ("batch_items", "batches"):
                db.execute(f"DELETE FROM {table} WHERE run = ? AND number = ?", [run, number])  # noqa: S608

    def of(self, run: str) -> list[BatchRecord]:
        """All batches of a run, in the order in which they were made."""
        with self._database.reading() as db:
            rows = db.execute(
                f"SELECT {', '.join(_FIELDS)} FROM batches WHERE run = ? ORDER BY number",  # noqa: S608
                [run],
            )
            found = [dict(zip(_FIELDS, row, strict=True)) for row in rows]
        return [BatchRecord(**{**values, "data": json.loads(values["data"])}) for values in found]

    def ids(self, batches: Sequence[str]) -> set[str]:
        """Those of the providers' names of batches that any run of this project has."""
        with self._database.reading() as db:
            return {name for name in batches if db.execute("SELECT 1 FROM batches WHERE batch = ?", [name]).fetchone()}

    def custom_ids(self, run: str, number: int) -> set[str]:
        """What a batch asks."""
        with self._database.reading() as db:
            rows = db.execute("SELECT DISTINCT custom_id FROM batch_items WHERE run = ? AND number = ?", [run, number])
            return {custom_id for (custom_id,) in rows}

    def items(self, run: str, number: int, custom_ids: Sequence[str]) -> dict[str, list[BatchItem]]:
        """The samples of some requests of a batch, by their `custom_id`."""
        found: dict[str, list[BatchItem]] = {}
        with self._database.reading() as db:
            for begin in range(0, len(custom_ids), _AT_ONCE):
                some = custom_ids[begin : begin + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                query = (
                    f"SELECT {', '.join(_ITEM[2:])} FROM batch_items "  # noqa: S608
                    f"WHERE run = ? AND number = ? AND custom_id IN ({marks})"
                )
                for custom_id, *key, request in db.execute(query, [run, number, *some]):
                    found.setdefault(custom_id, []).append(BatchItem(custom_id, SampleKey(*key), request))
        return found


def delete_batches(db: sqlite3.Connection, run: str) -> None:
    """Forget what the batches of a run asked; that there were some stays known."""
    db.execute("DELETE FROM batch_items WHERE run = ?", [run])


def _insert(db: sqlite3.Connection, run: str, number: int, items: Iterable[BatchItem]) -> None:
    statement = f"INSERT OR IGNORE INTO batch_items ({', '.join(_ITEM)}) VALUES ({', '.join('?' * len(_ITEM))})"  # noqa: S608
    keys = ((item, item.key) for item in items)
    db.executemany(
        statement,
        (
            (run, number, item.custom_id, key.prompt, key.version, key.pin, key.case, key.index, item.request)
            for item, key in keys
        ),
    )
