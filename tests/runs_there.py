"""What the run store of a project holds, for tests that look from outside."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from promptops.models import Sample, SampleKey
from promptops.store.runs import RunRecord, RunStore


def run_records(path: Path) -> list[RunRecord]:
    """All runs of a `store.db`, in the order in which they were begun."""
    with RunStore(path, read_only=True) as store:
        found = [store.run(run) for (run,) in _rows(path, "SELECT id FROM runs ORDER BY rowid")]
    return [record for record in found if record is not None]


def samples_there(path: Path, run: str) -> list[Sample]:
    """All samples of a run, by key."""
    rows = _rows(path, "SELECT prompt, version, pin, case_id, sample FROM samples WHERE run = ?", run)
    with RunStore(path, read_only=True) as store:
        found = store.get_many(run, [SampleKey(*row) for row in rows])
    return [found[key] for key in sorted(found)]


def _rows(path: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()
