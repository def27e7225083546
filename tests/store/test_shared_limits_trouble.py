"""The file or its folder is not as it should be: limits hold at least within the process, and nothing fails."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptops.store.limits import file as limits_file
from promptops.store.limits.keeper import LOCKED_LONG, LOCKED_PAUSE, RETRY
from promptops.store.shared_limits import SharedLimits

Open = Callable[[], SharedLimits]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "limits"


@pytest.fixture
def participant(folder: Path, clock: Clock) -> Iterator[Open]:
    opened = []

    def open_one() -> SharedLimits:
        opened.append(SharedLimits(folder, clock=clock))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def file_in(folder: Path) -> Path:
    (file,) = folder.glob("limits-*.db")
    return file


def remove(folder: Path, files: str = "limits-*") -> None:
    for file in folder.glob(files):
        file.unlink()


def share_out(one: SharedLimits, two: SharedLimits) -> list[int]:
    """Whether two share: 8 places each of 16, and 10 of a minute's 10 together."""
    answers = [one.places("b", limit=16, using=0, wanted=16) for one in (one, two, one, two)]
    taken = sum(not who.take("b", limit=10, amount=1) for who in (one, two) * 10)
    return [*answers, taken]


TOGETHER = [16, 0, 8, 8, 10]
EACH_FOR_ITSELF = [16, 16, 16, 16, 20]


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_without_trouble_two_share_and_nothing_is_said(participant: Open, caplog: pytest.LogCaptureFixture) -> None:
    assert share_out(participant(), participant()) == TOGETHER
    assert not warnings_in(caplog)


# --- what is mended


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_a_damaged_file_is_put_aside(participant: Open, folder: Path, content: bytes) -> None:
    share_out(participant(), participant())
    path = file_in(folder)
    remove(folder)
    path.write_bytes(content)
    assert share_out(participant(), participant()) == TOGETHER


def test_a_file_of_another_program_is_left_alone(participant: Open, folder: Path) -> None:
    share_out(participant(), participant())
    path = file_in(folder)
    remove(folder)
    with closing(sqlite3.connect(path)) as theirs:
        theirs.execute("CREATE TABLE theirs (x)")
        theirs.commit()
    before = path.read_bytes()
    assert share_out(participant(), participant()) == TOGETHER
    assert path.read_bytes() == before


def test_a_folder_in_place_of_the_file_is_left_alone(participant: Open, folder: Path) -> None:
    share_out(participant(), participant())
    path = file_in(folder)
    remove(folder)
    path.mkdir()
    assert share_out(participant(), participant()) == TOGETHER


def test_a_file_of_another_version_has_another_name(
    participant: Open, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = participant()
    assert old.places("b", limit=4, using=0, wanted=4) == 4
    monkeypatch.setattr(limits_file, "VERSION", 2)
    assert participant().places("b", limit=4, using=0, wanted=4) == 4
    assert len(list(folder.glob("limits-*.db"))) == 2


def test_what_was_before_the_machine_started_is_forgotten(
    participant: Open, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    assert participant().places("b", limit=4, using=0, wanted=4) == 4
    monkeypatch.setattr(limits_file, "boot_id", lambda: "another")
    clock.now = 3.0
    assert participant().places("b", limit=4, using=0, wanted=4) == 4


def test_where_starts_of_the_machine_have_no_name_their_times_are_in_the_future(
    participant: Open, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr(limits_file, "boot_id", lambda: "unknown")
    old, new = participant(), participant()
    old.hold("b", 5000)
    assert (old.places("b", limit=4, using=0, wanted=4), old.take("b", limit=4, amount=4)) == (4, 0.0)
    clock.now = 3.0
    assert (new.places("b", limit=4, using=0, wanted=4), new.take("b", limit=4, amount=4)) == (4, 0.0)
    assert new.held("b") <= 4000


def test_files_of_earlier_starts_of_the_machine_go_in_time(participant: Open, folder: Path) -> None:
    folder.mkdir()
    old, young = folder / "limits-1-old.db", folder / "limits-1-young.db"
    for file in (old, young):
        file.touch()
    os.utime(old, (0, 0))
    share_out(participant(), participant())
    assert (old.exists(), young.exists()) == (False, True)


@pytest.mark.parametrize("how", [remove, lambda folder: remove(folder, "limits-*.db"), shutil.rmtree])
def test_a_file_that_is_deleted_while_it_is_open_is_made_anew_with_all_that_was_in_it(
    participant: Open, folder: Path, clock: Clock, how: Callable[[Path], None]
) -> None:
    one, two = participant(), participant()
    assert one.places("b", limit=16, using=0, wanted=10) == 10
    assert two.places("b", limit=16, using=0, wanted=6) == 6
    assert one.take("b", limit=10, amount=4) == two.take("b", limit=10, amount=4) == 0.0
    one.hold("b", 9)
    how(folder)
    clock.now += 1
    assert one.places("b", limit=16, using=10, wanted=10) == 10
    assert two.places("b", limit=16, using=6, wanted=6) == 6
    three = participant()
    three._salt = one._salt  # the names in the file are made with what was deleted, too
    assert three.places("b", limit=16, using=0, wanted=10) == 0
    assert three.held("b") == 8
    assert three.take("b", limit=10, amount=3) > 0
    assert three.take("b", limit=10, amount=2) == 0.0


def test_a_file_that_is_damaged_while_it_is_open_is_made_anew_with_all_that_was_in_it(
    participant: Open, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = participant(), participant()
    assert one.places("b", limit=16, using=0, wanted=10) == 10
    assert two.places("b", limit=16, using=0, wanted=6) == 6
    with closing(sqlite3.connect(file_in(folder))) as vandal:
        vandal.execute("DROP TABLE places")
        vandal.commit()
    assert one.places("b", limit=16, using=10, wanted=10) == 10
    assert two.places("b", limit=16, using=6, wanted=6) == 6
    assert participant().places("b", limit=16, using=0, wanted=10) == 0
    assert [file.suffix for file in folder.iterdir() if file.suffix == ".damaged"] == [".damaged"]
    assert not warnings_in(caplog)


# --- what is not mended


def a_file_in_its_way(folder: Path) -> None:
    folder.write_text("not a folder")


def only_files_of_others(folder: Path) -> None:
    with closing(SharedLimits(folder)) as one:
        one.places("b", limit=1, using=0, wanted=1)
    path = file_in(folder)
    remove(folder)
    for number in range(9):
        path.with_name(path.stem + (f"-{number}" if number else "") + ".db").mkdir()


@pytest.mark.parametrize("trouble", [a_file_in_its_way, only_files_of_others])
def test_an_unusable_folder_leaves_everybody_to_himself_with_one_warning(
    participant: Open, folder: Path, trouble: Callable[[Path], None], caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    trouble(folder)
    one, two = participant(), participant()
    assert share_out(one, two) == EACH_FOR_ITSELF
    one.hold("b", 5)
    clock.now += 2 * RETRY
    assert one.held("b") == 0.0
    assert one.places("b", limit=16, using=0, wanted=20) == 16
    said = warnings_in(caplog)
    assert len(said) == 2  # one of each
    assert all("not shared with other processes" in text and str(folder) in text for text in said)


def test_on_a_file_system_without_locks_everybody_is_left_to_himself(
    participant: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    connect = sqlite3.connect

    def without_locks(path: object, **options: object) -> sqlite3.Connection:
        if path == ":memory:":
            return connect(":memory:", **options)  # type: ignore[call-overload,no-any-return]
        return connect(f"file:{path}?nolock=1", uri=True, **options)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(sqlite3, "connect", without_locks)
    assert share_out(participant(), participant()) == EACH_FOR_ITSELF
    assert "file system" in warnings_in(caplog)[0]


@contextmanager
def full_disk(_: SharedLimits) -> Iterator[None]:
    """No file can grow: what a write gets on a full disk, but for the number of the error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def read_only(one: SharedLimits) -> Iterator[None]:
    """What a write gets on a file system that turned read-only."""
    assert one._keeper._file is not None
    one._keeper._file._connection.execute("PRAGMA query_only = ON")
    yield


@pytest.mark.parametrize("trouble", [full_disk, read_only])
def test_a_file_that_cannot_be_written_any_more_is_left_with_all_that_was_taken(
    participant: Open,
    trouble: Callable[[SharedLimits], AbstractContextManager[None]],
    caplog: pytest.LogCaptureFixture,
    clock: Clock,
) -> None:
    one = participant()
    assert one.places("b", limit=16, using=0, wanted=10) == 10
    assert one.take("b", limit=10, amount=4) == 0.0
    with trouble(one):
        assert one.places("b", limit=16, using=10, wanted=40) == 16
        assert one.take("b", limit=10, amount=7) > 0
        assert one.take("b", limit=10, amount=6) == 0.0
        one.settle("b", taken=4, used=0)
        clock.now += 1
        assert one.take("b", limit=10, amount=4) == 0.0
    assert len(warnings_in(caplog)) == 1
    clock.now += RETRY
    assert one.places("b", limit=16, using=8, wanted=8) == 8
    assert participant().places("b", limit=16, using=0, wanted=40) == 8


# --- locked


def test_a_locked_file_is_left_alone_and_the_answers_are_cautious(
    participant: Open, folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    one, new = participant(), participant()
    assert one.places("b", limit=16, using=0, wanted=4) == 4
    for _ in range(20):
        assert one.take("b", limit=1000, amount=1) == 0.0
    with closing(sqlite3.connect(file_in(folder), isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        assert one.places("b", limit=16, using=4, wanted=9) == 4
        assert one.places("b", limit=3, using=4, wanted=9) == 3
        assert new.places("b", limit=16, using=0, wanted=9) == 0
        assert one.take("b", limit=1000, amount=1) == 0.0  # taken ahead
        assert one.take("b", limit=1000, amount=999) == LOCKED_PAUSE
        one.hold("b", 5)
        assert one.held("b") == 5
    clock.now += LOCKED_PAUSE
    assert one.held("b") == pytest.approx(5 - LOCKED_PAUSE)
    assert one.places("b", limit=16, using=4, wanted=9) == 9
    assert new.places("b", limit=16, using=0, wanted=9) == 7
    assert new.held("b") == pytest.approx(5 - LOCKED_PAUSE)
    assert not warnings_in(caplog)


def test_a_file_that_stays_locked_is_left_and_taken_up_again(
    participant: Open, folder: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = participant(), participant()
    assert one.places("b", limit=16, using=0, wanted=4) == 4
    with closing(sqlite3.connect(file_in(folder), isolation_level=None)) as stopped:
        stopped.execute("BEGIN IMMEDIATE")
        assert one.places("b", limit=16, using=4, wanted=16) == 4
        clock.now += LOCKED_LONG
        assert one.places("b", limit=16, using=4, wanted=16) == 16
    assert len(warnings_in(caplog)) == 1
    clock.now += RETRY
    assert one.places("b", limit=16, using=16, wanted=16) == 16
    assert other.places("b", limit=16, using=0, wanted=16) == 0
    assert one.places("b", limit=16, using=8, wanted=16) == 8


def test_closing_while_it_is_locked_ends(participant: Open, folder: Path, clock: Clock) -> None:
    one = participant()
    assert one.places("b", limit=16, using=0, wanted=4) == 4
    with closing(sqlite3.connect(file_in(folder), isolation_level=None)) as somebody:
        somebody.execute("BEGIN IMMEDIATE")
        one.close()
