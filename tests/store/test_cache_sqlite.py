"""The cache file: what is kept, for how long, how much of it, and what becomes of a file that is broken."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.store import cache_sqlite
from promptops.store.cache import CacheStats
from promptops.store.cache_entries import MAX_ENTRY
from promptops.store.cache_sqlite import TOUCHED_AFTER, SqliteCache

HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "cache.db"


@pytest.fixture
def opened(path: Path, clock: Clock) -> Iterator[Callable[..., SqliteCache]]:
    with ExitStack() as stack:

        def make(*, ttl: float = HOUR, max_bytes: int = 10_000_000) -> SqliteCache:
            return stack.enter_context(closing(SqliteCache(path, ttl=ttl, max_bytes=max_bytes, now=clock)))

        yield make


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def filled(cache: SqliteCache, count: int, size: int = 10) -> None:
    for number in range(count):
        cache.put_many({name(number): b"x" * size})


def numbers(cache: SqliteCache, count: int) -> list[int]:
    return [int.from_bytes(key, "big") for key in cache.get_many([name(n) for n in range(count)])]


def test_what_was_put_is_found_after_opening_it_again(opened: Callable[..., SqliteCache]) -> None:
    first = opened()
    first.put_many({name(1): b"one", name(2): b"two"})
    first.put_many({name(2): b"TWO"})
    first.close()
    second = opened()
    assert second.get_many([name(1), name(2), name(3)]) == {name(1): b"one", name(2): b"TWO"}
    second.close()


def test_many_keys_are_looked_up_at_once(opened: Callable[..., SqliteCache]) -> None:
    cache = opened()
    cache.put_many({name(n): b"v" for n in range(2000)})
    assert len(cache.get_many([name(n) for n in range(5000)])) == 2000
    cache.close()


def test_an_entry_is_found_until_its_time_is_over(opened: Callable[..., SqliteCache], clock: Clock) -> None:
    cache = opened(ttl=HOUR)
    filled(cache, 1)
    clock.time += HOUR - 1
    assert numbers(cache, 1) == [0]
    clock.time += 1
    assert numbers(cache, 1) == []
    cache.close()


def test_using_an_entry_makes_it_no_younger(opened: Callable[..., SqliteCache], clock: Clock) -> None:
    cache = opened(ttl=HOUR)
    filled(cache, 1)
    found = []
    for _ in range(4):
        clock.time += HOUR / 4
        found.append(numbers(cache, 1))
    assert found == [[0], [0], [0], []]
    cache.close()


def test_an_entry_from_the_future_is_not_found(opened: Callable[..., SqliteCache], clock: Clock) -> None:
    cache = opened()
    clock.time += 10 * HOUR
    filled(cache, 1)
    clock.time -= 10 * HOUR
    assert numbers(cache, 1) == []
    cache.close()


def test_over_its_size_it_lets_go_of_what_was_used_least_recently(
    opened: Callable[..., SqliteCache], clock: Clock, path: Path
) -> None:
    cache = opened(ttl=1e9, max_bytes=1_000_000)
    for number in range(600):
        clock.time += TOUCHED_AFTER
        cache.put_many({name(number): b"x" * 4000})
        assert cache.get_many([name(0)]), "an entry in use stays"
    kept = numbers(cache, 600)
    assert kept[0] == 0
    assert kept[1:] == list(range(600 - len(kept) + 1, 600))
    assert 150 < len(kept) < 260
    cache.close()
    assert path.stat().st_size <= 1_200_000


def test_an_expired_entry_goes_before_one_that_is_still_good(opened: Callable[..., SqliteCache], clock: Clock) -> None:
    cache = opened(ttl=HOUR, max_bytes=1_000_000)
    filled(cache, 100, 4000)
    clock.time += HOUR
    cache.put_many({name(1000 + n): b"x" * 4000 for n in range(150)})
    assert cache.stats().entries == 150
    cache.close()


def test_a_value_too_long_for_an_entry_is_neither_kept_nor_found(
    opened: Callable[..., SqliteCache], path: Path, clock: Clock
) -> None:
    cache = opened()
    cache.put_many({name(1): b"x" * (MAX_ENTRY + 1), name(2): b"fine"})
    cache.close()
    with sqlite3.connect(path) as other:
        row = (name(3), clock.time, clock.time, b"x" * (MAX_ENTRY + 1))
        other.execute("INSERT INTO replies VALUES (?, ?, ?, ?)", row)
        other.execute("INSERT INTO replies VALUES (?, ?, ?, ?)", (name(4), clock.time, clock.time, "text"))
    other.close()
    again = opened()
    assert numbers(again, 5) == [2]
    again.close()


def test_stats_and_clear(opened: Callable[..., SqliteCache], clock: Clock, path: Path) -> None:
    cache = opened()
    assert cache.stats() == CacheStats(0, 0)
    assert cache.clear() == 0
    assert not path.exists(), "looking makes no file"
    filled(cache, 2, 100_000)
    clock.time += 5
    cache.put_many({name(7): b"x"})
    stats = cache.stats()
    assert (stats.entries, stats.oldest, stats.newest) == (3, clock.time - 5, clock.time)
    assert stats.size is not None
    assert stats.size > 200_000
    assert cache.clear() == 3
    assert cache.stats().entries == 0
    cache.close()
    assert path.stat().st_size < 100_000


def test_its_folder_is_ignored_by_git(opened: Callable[..., SqliteCache], path: Path) -> None:
    filled(opened(), 1)
    assert (path.parent / ".gitignore").read_text() == "*\n"


# --- files that are broken, or somebody else's


@pytest.mark.parametrize("content", [b"this is not a database at all" * 200, b"SQLite format 3\0" + b"\xff" * 8000])
def test_a_damaged_file_is_made_anew_and_the_log_says_so(
    opened: Callable[..., SqliteCache], path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    cache = opened()
    with caplog.at_level(logging.WARNING, "promptops"):
        assert numbers(cache, 1) == []
        filled(cache, 1)
    assert numbers(cache, 1) == [0]
    assert [record.getMessage().split(" is damaged")[0] for record in caplog.records] == [str(path)]
    cache.close()


def test_a_file_that_is_damaged_while_it_is_open_is_made_anew(
    opened: Callable[..., SqliteCache], path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = opened()
    filled(first, 300, 3000)
    first.close()
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(bytes(data))
    cache = opened()
    with caplog.at_level(logging.WARNING, "promptops"):
        cache.put_many({name(n): b"new" for n in range(300)})
        assert len(numbers(cache, 300)) == 300
    assert caplog.records
    cache.close()


def test_a_damaged_file_that_another_process_has_replaced_is_not_removed_again(
    opened: Callable[..., SqliteCache], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage " * 1000)
    late = opened()
    make_anew = SqliteCache._make_anew

    def after_another(self: SqliteCache, where: Path) -> None:
        if self is late:
            filled(opened(), 3)
        make_anew(self, where)

    monkeypatch.setattr(SqliteCache, "_make_anew", after_another)
    assert numbers(late, 3) == [0, 1, 2]
    late.close()


def test_a_database_of_another_program_is_left_alone(opened: Callable[..., SqliteCache], path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE theirs (x)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a database of another program"):
        opened().get_many([name(1)])
    assert path.read_bytes() == before


def test_a_link_is_not_followed(opened: Callable[..., SqliteCache], path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StoreError, match="symbolic link"):
        filled(opened(), 1)
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_full_disk_is_a_store_error(opened: Callable[..., SqliteCache], monkeypatch: pytest.MonkeyPatch) -> None:
    cache = opened()
    filled(cache, 1)
    assert cache._connection is not None
    pages = cache._connection.execute("PRAGMA page_count").fetchone()[0]
    cache._connection.execute(f"PRAGMA max_page_count = {pages}").fetchone()  # SQLite reports it as a full disk
    with pytest.raises(StoreError, match="the disk is full"):
        cache.put_many({name(5): b"x" * 100_000})
    assert numbers(cache, 1) == [0], "what was there is still there"
    cache.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_folder_that_cannot_be_written_is_a_store_error(opened: Callable[..., SqliteCache], path: Path) -> None:
    path.parent.mkdir()
    path.parent.chmod(0o500)
    with pytest.raises(StoreError):
        filled(opened(), 1)


def test_a_file_that_stays_locked_is_a_store_error(
    opened: Callable[..., SqliteCache], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_sqlite, "BUSY_SECONDS", 0.05)
    filled(opened(), 1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StoreError, match="another process has it locked"):
            filled(opened(), 1)
    finally:
        other.close()


def test_several_processes_fill_one_file_that_none_of_them_has_made(path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from promptops.store.cache_sqlite import SqliteCache
        cache = SqliteCache(Path(sys.argv[1]), ttl=3600.0, max_bytes=10_000_000)
        first = int(sys.argv[2])
        for number in range(first, first + 200, 10):
            cache.put_many({n.to_bytes(32, "big"): str(n).encode() for n in range(number, number + 10)})
        cache.close()
    """)
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(path), str(first)], stderr=subprocess.PIPE, text=True)
        for first in (0, 200, 400)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")
    cache = SqliteCache(path, ttl=3600.0, max_bytes=10_000_000)
    found = cache.get_many([name(n) for n in range(600)])
    assert {int.from_bytes(key, "big"): int(value) for key, value in found.items()} == {n: n for n in range(600)}
    cache.close()


# --- the temporary one


def test_a_temporary_cache_keeps_its_size_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    cache = SqliteCache(None, ttl=1e9, max_bytes=2_000_000)
    for begin in range(0, 2000, 50):
        cache.put_many({name(n): b"x" * 4000 for n in range(begin, begin + 50)})
    kept = numbers(cache, 2000)
    assert kept == list(range(2000 - len(kept), 2000))
    assert 300 < len(kept) < 500
    assert list(tmp_path.iterdir()) == []
    cache.close()
