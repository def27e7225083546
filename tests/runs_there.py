"""What a run leaves, for tests that look from outside: in the run store, in reports."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

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


def kept_there(path: Path) -> int:
    """How many samples with a reply are in a `store.db`, in whatever run."""
    return sum(sample.reply is not None for run in run_records(path) for sample in samples_there(path, run.id))


def timeless(value: Any) -> Any:
    """Plain data without what depends on the moment."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if not _TIMES.fullmatch(key)}
    return [timeless(item) for item in value] if isinstance(value, list) else value


def junit_cases(path: Path) -> list[tuple[str, list[str]]]:
    """The test cases of a JUnit file and what is inside them, sorted, without times."""
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return sorted((case.attrib["name"], [_MOMENTS.sub("#", part) for part in case.itertext()]) for case in cases)


_TIMES = re.compile(r"finished_at|finished|recorded_at|latencies|latency|p50|p95|slowest|command")
_MOMENTS = re.compile(r"[0-9.]+ m?s\b|\d{4}-\d\d-\d\dT[\d:]+Z")


def _rows(path: Path, query: str, *values: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()
