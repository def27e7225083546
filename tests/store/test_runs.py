"""The run store: written batch by batch, durable at once, readable at any time by anybody."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.errors import StoreError
from promptops.models import Attempt, Failure, Reply, Sample, SampleKey, Usage
from promptops.store import run_tables, runs
from promptops.store.runs import DriftNight, RunRecord, RunStore
from tests.runs_there import run_records, samples_there

PIN = "openai/gpt-4.1-mini-2025-04-14"
MORNING = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)


def key(case: str = "c1", index: int = 0) -> SampleKey:
    return SampleKey("booking", "v2", PIN, case, index)


def sample(case: str = "c1", index: int = 0, *, text: str = "hi", cost: float | None = 0.5) -> Sample:
    reply = Reply(text, "stop", Usage(12, None), "gpt", ({"name": "book", "n": [1]},), 0.25, 2, 0.125, "azure")
    attempts = (Attempt("openai", 0.0, 0.5, "server", 503), Attempt("azure", 0.75, 0.25, hedge=True))
    return Sample(key(case, index), "sha256:" + "a" * 64, reply, cost=cost, attempts=attempts)


def failed(case: str) -> Sample:
    return Sample(key(case), "sha256:" + "a" * 64, failure=Failure("server", "503 \x1b", "try later"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RunStore]:
    with RunStore(tmp_path / ".promptops" / "store.db", now=lambda: MORNING) as opened:
        yield opened


def run_python(program: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


# --- what is kept -----------------------------------------------------------------------------------------------------


def test_the_folder_is_ignored_by_git(store: RunStore) -> None:
    assert (store.path.parent / ".gitignore").read_text() == "*\n"


def test_a_run_is_recorded_from_start_to_end(store: RunStore) -> None:
    run = store.start_run(
        "pytest", plan={"cases": 3}, plan_digest="sha256:p", environment="production", command="pytest \udcff"
    )
    assert re.fullmatch(r"20261122T071500-[0-9a-f]{6}", run)
    begun = RunRecord(
        *(run, "pytest", "running", "2026-11-22T07:15:00Z", None, "production", "pytest ?", {"cases": 3}, "sha256:p"),
        seen="2026-11-22T07:15:00Z",
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    assert store.run(run) == begun
    store.finish_run(run, "pass")
    ended = store.run(run)
    assert ended is not None
    assert (ended.status, ended.finished) == ("pass", "2026-11-22T07:15:00Z")


def test_an_unknown_run_is_none_or_an_error_that_names_it(store: RunStore) -> None:
    assert store.run("nope") is None
    with pytest.raises(StoreError, match="no run 'nope'"):
        store.finish_run("nope", "pass")


def test_a_sample_comes_back_as_it_was(store: RunStore) -> None:
    run = store.start_run("pytest")
    batch = [sample("c2"), sample("c1", 1, text="half \ud800 \x00 \u2028"), sample("c1", 0), failed("c3")]
    store.append(run, batch)
    assert samples_there(store.path, run) == sorted(batch, key=lambda s: s.key)
    assert store.get(run, key("c3")) == failed("c3")
    assert store.get(run, key("c4")) is None
    assert store.get("another run", key("c3")) is None
    assert store.replies(run) == 3


def test_many_samples_are_polled_by_key_at_once(store: RunStore) -> None:
    run = store.start_run("pytest")
    store.append(run, [sample(f"c{n}") for n in range(0, 5000, 2)])
    other = SampleKey("sentiment", "v1", PIN, "c0")
    store.append(run, [replace(sample(), key=other), sample("c0", 1)])
    found = store.get_many(run, [*(key(f"c{n}") for n in range(5000)), other])
    assert set(found) == {key(f"c{n}") for n in range(0, 5000, 2)} | {other}


def test_polling_uses_the_primary_key(store: RunStore) -> None:
    run = store.start_run("pytest")
    store.append(run, [sample(f"c{n}") for n in range(2000)])
    connection = sqlite3.connect(store.path)
    values = [run, "booking", "v2", PIN, "c1", "c2", 1]
    plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {runs.of_cases(2)}", values))
    connection.close()
    assert "SEARCH samples USING PRIMARY KEY (run=? AND prompt=? AND version=? AND pin=? AND case_id=?)" in plan


def test_a_batch_written_again_replaces_itself(store: RunStore) -> None:
    run = store.start_run("pytest")
    store.append(run, [sample(text="first")])
    store.append(run, [sample(text="second")])
    assert [s.reply and s.reply.text for s in samples_there(store.path, run)] == ["second"]


def test_an_empty_batch_writes_nothing(store: RunStore) -> None:
    store.append("no run at all", [])


def test_the_drift_history_is_oldest_first_and_cut_to_the_newest(store: RunStore) -> None:
    nights = [
        DriftNight("booking", "v2", PIN, f"2026-11-{day:02}", "STABLE", 0.98, "https://x/v1", f"r{day}", {"cases": day})
        for day in (20, 22, 21)
    ]
    other = DriftNight("sentiment", "v2", "local/x", "2026-11-21", "UNMEASURABLE")
    for night in [*nights, other]:
        store.add_night(night)
    assert store.nights() == [nights[0], nights[2], other, nights[1]]
    assert store.nights(1) == [nights[1]]


def test_a_night_that_a_run_says_again_is_there_once(store: RunStore) -> None:
    night = DriftNight("booking", "v2", PIN, "2026-11-22", "STABLE", run="r1")
    for said in (night, replace(night, state="CHANGED"), replace(night, run="r2"), replace(night, version="v1")):
        store.add_night(said)
    assert [(n.run, n.version, n.state) for n in store.nights()] == [
        ("r1", "v2", "CHANGED"),
        ("r2", "v2", "STABLE"),
        ("r1", "v1", "STABLE"),
    ]


def test_samples_of_old_runs_are_dropped_and_their_records_stay(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 2)
    ids = []
    for _ in range(4):
        ids.append(store.start_run("pytest"))
        store.append(ids[-1], [sample()])
        store.finish_run(ids[-1], "pass")
    assert [store.replies(run) for run in ids] == [0, 0, 1, 1]
    assert [record.id for record in run_records(store.path)] == ids


# --- processes --------------------------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from promptops.models import Reply, Sample, SampleKey
from promptops.store.runs import RunStore
with RunStore(Path(sys.argv[1])) as store:
    run = store.start_run("pytest", plan_digest="sha256:p")
    print(run, flush=True)
    for batch in range(int(sys.argv[2])):
        keys = [SampleKey("booking", "v2", "openai/x", f"c{batch}", n) for n in range(20)]
        store.append(run, [Sample(key, "sha256:a", Reply("hi")) for key in keys])
        print(batch, flush=True)
"""


def test_a_killed_run_leaves_every_whole_batch_and_can_be_resumed(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer = run_python(WRITER, path, 100_000)
    assert writer.stdout is not None
    run = writer.stdout.readline().strip()
    for _ in range(5):
        writer.stdout.readline()
    writer.kill()
    reported = 5 + len([line for line in writer.communicate()[0].split("\n") if line])
    with RunStore(path) as store:
        there = store.replies(run)
        assert there % 20 == 0
        assert there >= 20 * (reported - 1)
        claimed = store.claim("sha256:p")
        assert claimed is not None
        assert (claimed.id, claimed.round) == (run, 2)


def test_many_processes_make_and_write_one_store_at_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writers = [run_python(WRITER, path, 30) for _ in range(4)]
    for writer in writers:
        assert writer.communicate()[1] == ""
        assert writer.returncode == 0
    with RunStore(path) as store:
        assert [store.replies(record.id) for record in run_records(path)] == [600] * 4


def test_threads_share_one_store(store: RunStore) -> None:
    run = store.start_run("pytest")
    failures: list[BaseException] = []

    def work(name: str) -> None:
        try:
            for n in range(20):
                store.append(run, [sample(f"{name}{n}")])
                assert store.get(run, key(f"{name}{n}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.replies(run) == 80


def test_a_reader_sees_each_batch_as_soon_as_it_is_written(store: RunStore) -> None:
    run = store.start_run("pytest")
    with RunStore(store.path, read_only=True) as reader:
        assert reader.get(run, key()) is None
        store.append(run, [sample()])
        assert reader.get(run, key()) == sample()


def test_a_reader_cannot_write(store: RunStore) -> None:
    with RunStore(store.path, read_only=True) as reader, pytest.raises(StoreError, match="read-only"):
        reader.start_run("pytest")


def test_a_store_needs_little_beside_the_standard_library(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; before = set(sys.modules); from promptops.store.run_tables import *;"
        "Database(Path(sys.argv[1])).close();"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    assert run_python(program, tmp_path / "store.db").communicate() == (
        "['msgspec', 'promptops', 'typing_extensions']\n",
        "",
    )


# --- files that are wrong ---------------------------------------------------------------------------------------------


def test_a_reader_of_no_store_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing was run here yet"):
        RunStore(tmp_path / "store.db", read_only=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"no database " * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_named_and_may_be_deleted(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"store\.db is .*delete it, it is only a cache"):
        RunStore(path)


def test_damage_in_the_middle_is_found_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with RunStore(path) as store:
        run = store.start_run("pytest")
        store.append(run, [sample(f"c{n}", text="x" * 200) for n in range(500)])
    damaged = bytearray(path.read_bytes())
    damaged[20_000:60_000] = b"\xff" * 40_000
    path.write_bytes(damaged)
    with RunStore(path) as store, pytest.raises(StoreError, match="only a cache"):
        store.get_many(run, [key(f"c{n}") for n in range(500)])


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a database of another program"):
        RunStore(path)
    assert path.read_bytes() == before


def test_a_store_that_another_makes_meanwhile_is_no_strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose file it is takes three questions, and they are about one moment."""
    path = tmp_path / "store.db"
    other = threading.Thread(target=lambda: run_tables.Database(path).close())
    connect = run_tables._connect

    class Interrupted(sqlite3.Connection):
        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql.startswith("SELECT count"):  # the last of the three
                other.start()
                other.join(0.5)  # by then it has made the tables, or waits until we have asked everything
            return super().execute(sql, *values)

    def interrupted(path: Path, mode: str) -> sqlite3.Connection:
        if mode == "rwc" or other.ident is not None:
            return connect(path, mode)
        return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, factory=Interrupted, isolation_level=None)

    monkeypatch.setattr(run_tables, "_connect", interrupted)
    run_tables.Database(path).close()
    other.join()
    with RunStore(path, read_only=True) as store:
        assert store.nights() == []


def test_a_store_of_a_newer_promptops_is_refused(store: RunStore) -> None:
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(
        StoreError, match=rf"newer promptops \(format 99, this one knows {len(run_tables.MIGRATIONS)}\)"
    ):
        RunStore(store.path)


def test_an_older_store_is_migrated_and_keeps_what_it_holds(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.start_run("pytest")
    more = (*run_tables.MIGRATIONS, ("CREATE TABLE later (x TEXT)", "INSERT INTO later VALUES ('new')"))
    monkeypatch.setattr(run_tables, "MIGRATIONS", more)
    with RunStore(store.path) as migrated:
        assert migrated.run(run) == store.run(run)
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT x FROM later").fetchall() == [("new",)]
    assert connection.execute("PRAGMA user_version").fetchone() == (len(more),)
    connection.close()


def test_a_migration_that_fails_leaves_the_store_as_it_was(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = (*run_tables.MIGRATIONS, ("CREATE TABLE later (x TEXT)", "INSERT INTO nowhere VALUES (1)"))
    with monkeypatch.context() as patch:
        patch.setattr(run_tables, "MIGRATIONS", broken)
        with pytest.raises(StoreError, match="nowhere"):
            RunStore(store.path)
    connection = sqlite3.connect(store.path)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)
    connection.close()
    with RunStore(store.path):
        pass


def test_a_store_of_the_first_format_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.db"
    with monkeypatch.context() as patch:
        patch.setattr(run_tables, "MIGRATIONS", run_tables.MIGRATIONS[:1])
        run_tables.Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute(
        "INSERT INTO runs VALUES ('20261122T071500-abcdef', 'pytest', 'pass', '2026-11-22T07:15:00Z', NULL, "
        "'production', '', 'pytest', '{}', '', 'host', 1)"
    )
    reply = json.dumps({"text": "hi", "usage": {"input_tokens": 1, "output_tokens": 2}, "tool_calls": []})
    connection.execute(
        "INSERT INTO samples VALUES ('20261122T071500-abcdef', 'booking', 'v2', ?, 'c1', 0, 'sha256:a', ?, NULL, "
        "'live', 0.5, 0.25, NULL, NULL)",
        [PIN, reply],
    )
    connection.commit()
    connection.close()
    with RunStore(path) as store:
        record = store.run("20261122T071500-abcdef")
        assert record is not None
        assert (record.status, record.round, record.concluded) == ("pass", 1, None)
        old = Sample(key(), "sha256:a", Reply("hi", usage=Usage(1, 2)), cost=0.5)
        assert store.get(record.id, key()) == old


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / ".promptops").write_text("")
    with pytest.raises(StoreError, match="cannot be used for the run store: it is a file"):
        RunStore.in_folder(tmp_path / ".promptops")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / ".promptops"
    folder.mkdir(mode=0o555)
    with pytest.raises(StoreError, match="make it writable"):
        RunStore.in_folder(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="nobody may write in /proc, root included")
def test_a_folder_that_nobody_may_make_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match=r"/proc/promptops cannot be used for the run store: .*`store` in"):
        RunStore.in_folder(Path("/proc/promptops"))


def test_a_folder_where_the_file_should_be_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        RunStore(tmp_path / "store.db")


def test_a_full_disk_is_a_clear_error_and_what_was_written_stays(store: RunStore) -> None:
    run = store.start_run("pytest")
    store.append(run, [sample()])
    with store._database.writing() as connection:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="the disk is full"):
        store.append(run, [sample(f"c{n}", text="x" * 1000) for n in range(100)])
    assert samples_there(store.path, run) == [sample()]


@pytest.mark.parametrize("name", ["with space", "per%cent", "hash#mark", "question?mark", "grüße"])
def test_a_folder_of_any_name_will_do(tmp_path: Path, name: str) -> None:
    with RunStore(tmp_path / name / "store.db") as store:
        assert store.run(store.start_run("pytest"))
    assert (tmp_path / name / "store.db").exists()
