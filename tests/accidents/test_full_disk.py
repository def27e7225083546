"""A full disk: a clear error, nothing corrupt, and the next run goes on from there."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from promptops.store import recordings
from tests.accidents.world import PROMPTOPS, PYTEST, TOTAL, Place, places
from tests.runs_there import run_records

RUN = (*PROMPTOPS, "run", "greet@v1", "--json", "--mode", "new")
LONG = "lorem ipsum " * 400


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], object]]:
    """A file system of 160 kB at `folder`; yields what makes it larger. Needs root."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def is_sound(path: Path) -> bool:
    connection = sqlite3.connect(path)
    try:
        return bool(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",))
    finally:
        connection.close()


def goes_on(place: Place, durable: int) -> None:
    """The next run asks for the rest, and everything is there."""
    before = place.counting.counts.total()
    code, out, err = place.run(RUN)
    assert code == 1, err
    assert f"{durable} of {TOTAL} samples are there" in err
    assert place.counting.counts.total() == before + TOTAL - durable
    assert json.loads(out)["versions"][0]["complete"]
    assert len(place.recorded()) == TOTAL
    assert [record.status for record in run_records(place.store)] == ["regress"], "some cases fail"


def test_the_disk_of_the_run_store_fills_up(tmp_path: Path) -> None:
    with places(tmp_path, text=LONG) as make, small_disk(tmp_path / "place/.promptops") as grow:
        place = make("place")
        code, _, err = place.run(RUN)
        assert code == 2
        assert "store.db cannot be written: the disk is full; free some space and run this again" in err
        assert "Traceback" not in err
        grow()
        durable = len(place.durable())
        assert 0 < durable < TOTAL
        assert is_sound(place.store)
        goes_on(place, durable)


def test_the_disk_of_the_recordings_fills_up(tmp_path: Path) -> None:
    with places(tmp_path, text=LONG) as make, small_disk(tmp_path / "place/fixtures/greet/recordings") as grow:
        place = make("place")
        code, _, err = place.run(RUN)
        assert code == 2
        assert "cannot be written: the disk is full: free some space and run this again; what was there is unch" in err
        recordings.load(place.recordings)  # whatever is there is whole
        grow()
        durable = len(place.durable())
        assert durable > 0
        goes_on(place, durable)


def test_a_file_that_may_not_grow_ends_pytest_in_one_red_line(tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    with places(tmp_path, text=LONG) as make:
        place = make("place")
        command = (*PYTEST, "--promptops-mode", "new")
        code, out, _ = place.run(command, preexec_fn=limited)
        assert code == 1
        assert out.count("promptops: the run ended early: ") == 1
        assert "store.db cannot be read or written (disk I/O error): look at the disk, its quota and `ulimit -f`" in out
        assert "BROKE" not in out.replace("BROKE: greet@v1 case c3\n", ""), "what was not measured is not red"
        assert is_sound(place.store)
        durable, before = len(place.durable()), place.counting.counts.total()
        assert 0 < durable < TOTAL
        code, out, _ = place.run(command)
        assert f"{durable} of {TOTAL} samples are there; --promptops-no-resume asks all again" in out
        assert place.counting.counts.total() == before + TOTAL - durable
    assert code == 1
