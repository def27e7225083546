"""Runs that did not come to their end: who may take one over, and until when its samples are kept."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from promptops.errors import FailureKind, StoreError
from promptops.models import Failure, Reply, Sample, SampleKey
from promptops.store import run_locks, runs
from promptops.store.run_locks import RunLocks
from promptops.store.runs import RunRecord, RunStore

PLAN = "sha256:p"
MORNING = datetime(2026, 11, 22, 7, 15, tzinfo=UTC)


def sample(case: str = "c1", failure: FailureKind | None = None) -> Sample:
    key = SampleKey("booking", "v2", "acme/x", case)
    if failure is not None:
        return Sample(key, "sha256:a", failure=Failure(failure, "no"))
    return Sample(key, "sha256:a", Reply("hi"))


class Clock:
    def __init__(self) -> None:
        self.moment = MORNING

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(tmp_path: Path, clock: Clock) -> Iterator[Callable[[], RunStore]]:
    """Opens the store as often as a test wants: each time like another process."""
    opened: list[RunStore] = []

    def another() -> RunStore:
        opened.append(RunStore(tmp_path / "store.db", now=clock))
        return opened[-1]

    yield another
    for store in opened:
        store.close()


def begun(store: RunStore, status: str = "", *samples: Sample, plan: str = PLAN) -> str:
    """A run with these samples (one reply), ended as `status`; killed where that is empty."""
    run = store.start_run("run", plan_digest=plan)
    store.append(run, samples or [sample()])
    if status:
        store.finish_run(run, status)
    else:
        store._locks.close()
    return run


def claimed(record: RunRecord | None) -> str | None:
    return record.id if record else None


@pytest.mark.parametrize(
    ("status", "taken", "demanded"),
    [
        ("", True, True),
        ("interrupted", True, True),
        ("stopped", False, True),
        ("pass", False, False),
        ("regress", False, False),
        ("inconclusive", False, False),
    ],
)
def test_a_run_that_did_not_come_to_its_end_is_gone_on_with(
    open_store: Callable[[], RunStore], status: str, taken: bool, demanded: bool
) -> None:
    run = begun(open_store(), status)
    other = open_store()
    assert [record.id for record in other.unended("run")] == [run] * demanded
    assert claimed(other.claim(PLAN)) == (run if taken else None)
    if not taken:
        assert claimed(other.claim(PLAN, within=None)) == (run if demanded else None)


@pytest.mark.parametrize("kind", ["outage", "budget", "server", "request", "identity", "bad_reply", "template"])
def test_an_unmeasurable_run_is_gone_on_with_where_its_failures_may_have_passed(
    open_store: Callable[[], RunStore], kind: FailureKind
) -> None:
    run = begun(open_store(), "unmeasurable", sample(), sample("c2", kind), sample("c3", "request"))
    assert claimed(open_store().claim(PLAN)) == (run if kind in runs.PASSING else None)
    if kind not in runs.PASSING:
        assert claimed(open_store().claim(PLAN, within=None)) == run, "whoever demands it gets it"


def test_a_run_without_a_reply_is_begun_anew(open_store: Callable[[], RunStore]) -> None:
    store = open_store()
    begun(store, "", sample("c1", "outage"))
    begun(store, "unmeasurable", sample("c1", "outage"))
    assert store.claim(PLAN, within=None) is None


def test_only_the_newest_run_of_the_same_plan_counts(open_store: Callable[[], RunStore]) -> None:
    store = open_store()
    killed = begun(store)
    begun(store, "interrupted", plan="sha256:other")
    ended = begun(store, "pass")
    assert store.claim(PLAN) is None, "it was measured since"
    assert store.claim("", within=None) is None, "a run without a plan is none"
    assert claimed(store.claim(PLAN, run=killed, within=None)) == killed, "whoever names it gets it"
    assert store.claim(PLAN, run=ended, within=None) is None


def test_the_newest_is_the_one_begun_last_whatever_the_clock_said(
    open_store: Callable[[], RunStore], clock: Clock
) -> None:
    store = open_store()
    begun(store)
    clock.moment -= timedelta(hours=3)
    begun(store, "pass")
    assert store.claim(PLAN) is None


def test_what_is_gone_on_with_lives_again(open_store: Callable[[], RunStore]) -> None:
    run = begun(open_store(), "interrupted")
    first, second = open_store(), open_store()
    record = first.claim(PLAN)
    assert record is not None
    assert (record.status, record.finished, record.round, record.pid) == ("running", None, 2, os.getpid())
    assert second.claim(PLAN) is None
    assert second.claim(PLAN, run=run, within=None) is None
    assert second.unended("run") == []
    first.close()
    assert claimed(second.claim(PLAN)) == run


def test_a_younger_run_that_lives_does_not_hide_one_that_was_killed(open_store: Callable[[], RunStore]) -> None:
    killed = begun(open_store())
    other = open_store()
    other.append(other.start_run("run", plan_digest=PLAN), [sample()])
    assert claimed(open_store().claim(PLAN)) == killed


@pytest.mark.parametrize(("hours", "taken"), [(0, True), (23, True), (25, False)])
def test_what_was_measured_long_ago_is_gone_on_with_on_demand_only(
    open_store: Callable[[], RunStore], clock: Clock, hours: int, taken: bool
) -> None:
    run = begun(open_store())
    clock.moment += timedelta(hours=hours)
    store = open_store()
    assert claimed(store.claim(PLAN)) == (run if taken else None)
    if not taken:
        assert claimed(store.claim(PLAN, within=None)) == run


def test_a_failure_that_comes_again_does_not_keep_a_run_young(
    open_store: Callable[[], RunStore], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_SEEN_EVERY", 0.0)
    store = open_store()
    run = begun(store, "unmeasurable", sample(), sample("c2", "server"))
    clock.moment += timedelta(hours=20)
    assert claimed(store.claim(PLAN)) == run
    store.append(run, [sample("c2", "server")])
    store.finish_run(run, "unmeasurable")
    clock.moment += timedelta(hours=5)
    assert store.claim(PLAN) is None


def test_a_worker_sees_only_what_the_present_round_has_handed_on(open_store: Callable[[], RunStore]) -> None:
    store = open_store()
    run = begun(store, "", sample("c1"), sample("c2", "server"))
    record = store.claim(PLAN)
    assert record is not None
    keys = [sample("c1").key, sample("c2").key]
    assert store.get_many(run, keys, round_=record.round) == {}
    assert len(store.get_many(run, keys)) == 2
    store.append(run, [sample("c2")], round_=record.round)
    assert store.get_many(run, keys, round_=record.round) == {keys[1]: sample("c2")}


def test_evidence_of_a_run_that_was_killed_keeps_its_moment(open_store: Callable[[], RunStore], clock: Clock) -> None:
    store = open_store()
    run = begun(store)
    assert store.claim(PLAN)
    assert store.conclude(run) == "2026-11-22T07:15:00Z"
    clock.moment += timedelta(minutes=5)
    store._locks.close()
    assert store.claim(PLAN)
    assert store.conclude(run) == "2026-11-22T07:15:00Z", "it may stand in a file already"
    store.finish_run(run, "interrupted")
    assert store.claim(PLAN)
    assert store.conclude(run) == "2026-11-22T07:20:00Z", "it ended, and this is more than it was"


def test_samples_of_an_old_run_that_can_be_gone_on_with_are_kept(
    open_store: Callable[[], RunStore], clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(runs, "KEPT_RUNS", 1)
    store, other = open_store(), open_store()
    killed, living = begun(store), other.start_run("run", plan_digest="sha256:q")
    other.append(living, [sample()])
    ended = [begun(store, "pass", plan="sha256:z") for _ in range(3)][-1]
    assert [store.replies(run) for run in (killed, living, ended)] == [1, 1, 1]
    assert {path.name for path in (tmp_path / "running").iterdir()} == {living}, "a lock that nobody holds is swept up"
    clock.moment += timedelta(hours=25)
    begun(store, "pass", plan="sha256:z")
    assert [store.replies(run) for run in (killed, living)] == [0, 1]
    assert store.claim(PLAN, run=killed, within=None) is None, "what it measured is gone"


# --- processes --------------------------------------------------------------------------------------------------------

CLAIM = """
import sys
from pathlib import Path
from promptops.store.runs import RunStore
with RunStore(Path(sys.argv[1])) as store:
    print("ready", flush=True)
    sys.stdin.readline()
    record = store.claim("sha256:p")
    print(record.id if record else None, flush=True)
    sys.stdin.readline()
"""


def python(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str], word: str = "") -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if word:
        process.stdin.write(word + "\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def test_of_many_processes_one_gets_the_run(tmp_path: Path) -> None:
    with RunStore(tmp_path / "store.db") as store:
        run = begun(store)
    processes = [python(CLAIM, tmp_path / "store.db") for _ in range(4)]
    try:
        for process in processes:
            assert said(process) == "ready"
        assert sorted(said(process, "go") for process in processes) == sorted([run, "None", "None", "None"])
        with RunStore(tmp_path / "store.db") as store:
            assert store.claim(PLAN, run=run, within=None) is None
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    with RunStore(tmp_path / "store.db") as store:
        assert claimed(store.claim(PLAN)) == run, "its process was killed"


FORK = """
import os, sys, time
from pathlib import Path
from promptops.store.runs import RunStore
store = RunStore(Path(sys.argv[1]))
store.start_run("run", plan_digest="sha256:p")
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_that_outlives_its_parent_does_not_keep_the_run_alive(tmp_path: Path) -> None:
    parent = python(FORK, tmp_path / "store.db")
    child = int(said(parent))
    try:
        (file,) = (tmp_path / "running").iterdir()
        locks = RunLocks(tmp_path / "running")
        assert locks.lives(file.name)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 20
        while locks.lives(file.name) and time.monotonic() < deadline:  # until the child has had its first turn
            time.sleep(0.01)
        assert not locks.lives(file.name)
    finally:
        os.kill(child, signal.SIGKILL)
        parent.communicate()


def test_a_lock_whose_file_is_removed_while_it_is_taken_is_taken_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its holder would be alone with it: the next one makes a file of the same name."""
    folder, lock, removed = tmp_path / "running", run_locks._lock, list[str]()

    def late(descriptor: int) -> None:
        if not removed:
            removed.append("once")
            (folder / "plan-x").unlink()  # another process ends its run and sweeps
        lock(descriptor)

    monkeypatch.setattr(run_locks, "_lock", late)
    mine, other = RunLocks(folder), RunLocks(folder)
    assert mine.take("plan-x")
    assert removed
    assert other.lives("plan-x")
    monkeypatch.setattr(run_locks, "_PATIENCE", 0.0)
    assert not other.take("plan-x")
    mine.close()
    assert other.take("plan-x")
    other.close()


def test_a_sweep_removes_what_does_not_live_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "running"
    mine, other = RunLocks(folder), RunLocks(folder)
    assert mine.take("lives")
    assert mine.take("kept")
    assert other.take("own")
    for name in ("dead", "kept"):
        (folder / name).touch()
    other.sweep(lambda name: name == "kept")
    assert {file.name for file in folder.iterdir()} == {"lives", "kept", "own"}
    mine.close()
    other.sweep(lambda name: name == "kept")
    assert {file.name for file in folder.iterdir()} == {"kept", "own"}
    other.close()


def test_who_waits_for_a_lock_while_it_is_swept_makes_it_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sweep holds the lock while it removes the file, so nobody takes it in between."""
    folder, unlink, seen = tmp_path / "running", Path.unlink, list[bool]()
    folder.mkdir()
    (folder / "plan-x").touch()
    sweeper, other = RunLocks(folder), RunLocks(folder)
    monkeypatch.setattr(run_locks, "_PATIENCE", 0.0)

    def watched(self: Path, missing_ok: bool = False) -> None:
        seen.append(other.take("plan-x"))
        unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    sweeper.sweep(lambda _: False)
    monkeypatch.undo()
    assert seen == [False]
    assert not (folder / "plan-x").exists()
    assert other.take("plan-x")
    other.close()


def test_a_lock_that_cannot_be_made_is_a_clear_error_and_no_run(tmp_path: Path) -> None:
    (tmp_path / "running").write_text("")
    with RunStore(tmp_path / "store.db") as store, pytest.raises(StoreError, match=r"running.* cannot be made"):
        store.start_run("run")
    connection = sqlite3.connect(tmp_path / "store.db")
    assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    connection.close()
