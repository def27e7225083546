"""Whole files or none, whoever writes and whenever it is killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.store import atomic


def test_text_is_written_as_utf8_with_lf_and_the_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.txt"
    atomic.write_text(path, "grüße\n")
    assert path.read_bytes() == "grüße\n".encode()


def test_half_a_character_does_not_keep_the_rest_from_being_written(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "file.txt", "a\ud800b")
    assert (tmp_path / "file.txt").read_text() == "a?b"


def test_an_existing_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    path.chmod(0o640)
    atomic.write_text(path, "new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_nothing_but_the_file_is_left_in_the_folder(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "file.txt", "x")
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_write_that_fails_half_way_leaves_the_old_file_and_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the disk is full"):
        atomic.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]


def test_a_real_full_disk_is_worded() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert "the disk is full" in str(atomic.cannot_write(Path("f"), caught.value))


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.txt"
    target.write_text("theirs")
    (tmp_path / "file.txt").symlink_to(target)
    with pytest.raises(StoreError, match="symbolic link"):
        atomic.write_text(tmp_path / "file.txt", "x")
    assert target.read_text() == "theirs"


@pytest.mark.parametrize("blocked", ["a folder of that name", "a part of the path is a file"])
def test_a_path_that_is_taken_is_a_clear_error(tmp_path: Path, blocked: str) -> None:
    if blocked == "a folder of that name":
        path = tmp_path / "file.txt"
        path.mkdir()
    else:
        (tmp_path / "plain").write_text("")
        path = tmp_path / "plain" / "file.txt"
    with pytest.raises(StoreError, match=blocked):
        atomic.write_text(path, "x")


def test_a_name_that_is_too_long_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="too long"):
        atomic.write_text(tmp_path / ("x" * 300), "x")


def test_the_longest_possible_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 255)
    atomic.write_text(path, "x")
    assert path.read_text() == "x"


def test_the_leftover_of_a_killed_writer_is_swept_and_a_living_one_stays(tmp_path: Path) -> None:
    dead, young = tmp_path / ".promptops-dead.tmp", tmp_path / ".promptops-young.tmp"
    for leftover in (dead, young):
        leftover.write_text("half")
    hour_ago = time.time() - 3600
    os.utime(dead, (hour_ago, hour_ago))
    atomic.write_text(tmp_path / "file.txt", "x")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".promptops-young.tmp", "file.txt"]


def test_a_temporary_file_whose_writer_lives_is_never_swept(tmp_path: Path) -> None:
    leftover = tmp_path / ".promptops-slow.tmp"
    with leftover.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        os.utime(leftover, (0, 0))
        atomic.write_text(tmp_path / "file.txt", "x")
        assert leftover.exists()


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    program = (
        "import sys; from pathlib import Path; from promptops.store.atomic import write_text\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; write_text(Path(sys.argv[1]), f'{n}\\n' * 50_000)\n"
    )
    for wait in (0.0, 0.03, 0.07):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)])
        while not path.exists():
            time.sleep(0.005)
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
        process.wait()
        lines = path.read_text().splitlines()
        assert len(lines) == 50_000
        assert len(set(lines)) == 1


def test_the_lock_keeps_threads_apart_and_leaves_no_file(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        with atomic.locked(tmp_path / "file.txt"):
            inside += 1
            most = max(most, inside)
            time.sleep(0.005)
            inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_is_not_free_in_time_says_who_to_wait_for(tmp_path: Path) -> None:
    with (
        atomic.locked(tmp_path / "file.txt"),
        pytest.raises(StoreError, match="another promptops process"),
        atomic.locked(tmp_path / "file.txt", timeout=0.05),
    ):
        raise AssertionError("both hold the lock")


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from promptops.store.atomic import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "file.txt")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    with atomic.locked(tmp_path / "file.txt", timeout=60):
        pass


def test_where_a_folder_cannot_be_locked_a_file_elsewhere_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = tmp_path / "tmp"
    places.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(places))
    flock = fcntl.flock

    def refuse_folders(descriptor: int, operation: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EBADF, "Bad file descriptor")
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", refuse_folders)
    target = tmp_path / "project" / "file.txt"
    with atomic.locked(target), pytest.raises(StoreError), atomic.locked(target, timeout=0.02):
        raise AssertionError("both hold the lock")
    assert len(list(places.iterdir())) == 1
    assert list(target.parent.iterdir()) == []
