"""Scratch tables: as many rows as there is disk, in little memory, gone with their owner."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.scratch import Scratch

TABLE = "CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT NOT NULL)"


def test_what_is_written_is_found_and_comes_back_in_order() -> None:
    scratch = Scratch(TABLE)
    scratch.write("INSERT INTO rows VALUES (?, ?)", ((number, f"row {number}") for number in reversed(range(1_200))))
    assert scratch.one("SELECT text FROM rows WHERE number = ?", (7,)) == ("row 7",)
    assert scratch.one("SELECT text FROM rows WHERE number = ?", (1_200,)) is None
    assert [number for (number,) in scratch.all("SELECT number FROM rows ORDER BY number")] == list(range(1_200))
    scratch.close()
    with pytest.raises(StoreError):
        scratch.one("SELECT 1")


def test_a_full_disk_is_told_with_what_to_do() -> None:
    scratch = Scratch(TABLE)
    scratch.one("PRAGMA max_page_count = 8")
    with pytest.raises(StoreError, match=r"disk is full.*free some space.*SQLITE_TMPDIR"):
        scratch.write("INSERT INTO rows VALUES (?, ?)", ((number, "x" * 1_000) for number in range(1_000)))


def test_threads_may_share_one() -> None:
    scratch = Scratch(TABLE)

    def write(first: int) -> None:
        for number in range(first, first + 200):
            scratch.write("INSERT INTO rows VALUES (?, ?)", [(number, "x")])

    threads = [threading.Thread(target=write, args=(first,)) for first in (0, 200, 400)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert scratch.one("SELECT count(*) FROM rows") == (600,)


def test_nothing_is_left_open_or_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    scratch = Scratch(TABLE)
    scratch.write("INSERT INTO rows VALUES (?, ?)", ((number, "x" * 100_000) for number in range(100)))  # beyond 4 MB
    del scratch
    gc.collect()
    assert not list(tmp_path.iterdir())


GROWS = """
import resource
from promptops.scratch import Scratch
scratch = Scratch("CREATE TABLE rows (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
text = "x" * 10_000
scratch.write("INSERT INTO rows VALUES (?, ?)", ((number, text) for number in range(500)))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scratch.write("INSERT INTO rows VALUES (?, ?)", ((number, text) for number in range(500, 5_000)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_what_is_beyond_its_cache_is_not_in_memory() -> None:
    done = subprocess.run([sys.executable, "-c", GROWS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < (10_000 if sys.platform != "darwin" else 10_000_000)  # 10 MB more for 45 MB of rows
