"""The log of the nightly watch: appended in one piece, and whatever happened to it is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.core.nightly.events import AnyEvent, Missed
from promptops.store.drift_log import DamagedLog, DriftLog, FolderLog, NewerLog, StoreLog


def missed(number: int) -> Missed:
    return Missed(endpoint="test/model-1", epoch=1, at="2026-11-01T00:00:00Z", reason=f"reason {number}", cost=0.1)


def fill(log: DriftLog, count: int = 5) -> None:
    for number in range(count):
        log.append(lambda _, n=number: [missed(n)])  # type: ignore[misc]


@pytest.fixture(params=["folder", "store"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> DriftLog:
    return FolderLog(tmp_path / "drift") if request.param == "folder" else StoreLog(tmp_path / "store" / "store.db")


def test_what_was_appended_is_read_back(log: DriftLog) -> None:
    assert (log.begun(), log.read()) == (False, [])
    fill(log)
    assert log.begun()
    assert log.read() == [missed(number) for number in range(5)]


def test_who_decides_sees_everything_before_it(log: DriftLog) -> None:
    """Twenty threads that each append only what is not there yet: nothing twice, nothing lost."""

    def next_one(events: list[AnyEvent]) -> list[AnyEvent]:
        return [missed(len(events))]

    threads = [threading.Thread(target=lambda: log.append(next_one)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.read() == [missed(number) for number in range(20)]


def test_nothing_is_appended_where_nothing_is_decided(log: DriftLog) -> None:
    fill(log, 1)
    assert log.append(lambda _: []) == []
    assert len(log.read()) == 1


def _edited(lines: list[str]) -> list[str]:
    return [*lines[:2], lines[2].replace("reason 2", "reason X"), *lines[3:]]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_edited, "line 3 was edited"),
        (lambda lines: lines[:-1], "the end was cut off"),
        (lambda lines: [], "the end was cut off"),
        (lambda lines: [*lines[:1], *lines[2:]], "line 2 does not follow"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1 does not follow"),
        (lambda lines: [*lines[:4], lines[4][:40]], "line 5 is no JSON object"),
        (lambda lines: [*lines, "[]"], "is no JSON object"),
        (lambda lines: [*lines, lines[4]], "line 6 does not follow"),
    ],
)
def test_a_damaged_log_is_found(tmp_path: Path, damage: Callable[[list[str]], list[str]], said: str) -> None:
    log = FolderLog(tmp_path)
    fill(log)
    file = tmp_path / "state.jsonl"
    file.write_text("".join(f"{line}\n" for line in damage(file.read_text().splitlines())))
    for use in (log.read, lambda: log.append(lambda _: [missed(9)])):
        with pytest.raises(DamagedLog, match=said) as caught:
            use()
        assert caught.value.exit_code == 10


@pytest.mark.parametrize(
    ("lost", "said"), [("state.jsonl", "the state was lost"), ("state.head", "its head is missing")]
)
def test_a_lost_file_is_found(tmp_path: Path, lost: str, said: str) -> None:
    log = FolderLog(tmp_path)
    fill(log)
    (tmp_path / lost).unlink()
    assert log.begun()
    with pytest.raises(DamagedLog, match=said):
        log.read()


def test_a_last_line_that_was_cut_is_found(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    fill(log)
    file = tmp_path / "state.jsonl"
    file.write_text(file.read_text()[:-1])
    with pytest.raises(DamagedLog, match="its last line was cut off"):
        log.read()


def test_a_process_killed_between_log_and_head_loses_nothing(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    fill(log, 2)
    head = (tmp_path / "state.head").read_text()
    fill(log, 1)
    (tmp_path / "state.head").write_text(head)
    assert len(log.read()) == 3
    fill(log, 1)
    assert len(log.read()) == 4


def test_rows_that_are_gone_from_the_store_are_found(tmp_path: Path) -> None:
    import sqlite3

    log = StoreLog(tmp_path / "store.db")
    fill(log)
    with sqlite3.connect(tmp_path / "store.db") as connection:
        connection.execute("DELETE FROM drift_log WHERE n = 5")
    connection.close()
    with pytest.raises(DamagedLog, match="the end was cut off"):
        log.read()


def test_a_damaged_log_is_put_aside_whole(log: DriftLog) -> None:
    fill(log)
    where = Path(log.put_aside("20261101"))
    assert len(where.read_text().splitlines()) == 5
    assert log.read() == []


def test_a_log_of_another_format_says_so(tmp_path: Path) -> None:
    log = FolderLog(tmp_path)
    fill(log)
    file = tmp_path / "state.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("".join(json.dumps({**json.loads(line), "format": 2}) + "\n" for line in lines))
    with pytest.raises(NewerLog, match=r"has the format 2 \(here 1\), which is of another version of promptops"):
        log.read()
