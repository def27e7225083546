"""A recordings file whose lines stay in it says the same as one that is held."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.errors import ProblemsError
from promptops.models import Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.store import recordings
from promptops.store.recording_index import IndexedLines
from promptops.store.recordings import Recordings, load, recordings_path, write

PIN = Pin.parse("openai/gpt-4.1-mini-2025-04-14")
NOW = "2026-11-22T07:15:00Z"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64
COUNT = 40


def a_path(folder: Path) -> Path:
    return recordings_path(folder / "fixtures", "booking", "v2", PIN)


def sample(number: int, index: int = 0, *, text: str = "hi") -> Sample:
    key = SampleKey("booking", "v2", str(PIN), f"c{number}", index)
    return Sample(key, OLD, Reply(f"{text} {number}", "stop", Usage(12, 3), "gpt-4.1-mini", latency=0.25), cost=1e-5)


def planned(number: int, index: int = 0, *, digest: str = OLD, released: bool = False) -> PlannedSample:
    return PlannedSample(sample(number, index).key, Request(PIN, (Message("user", "hi"),)), digest, released=released)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(a_path(tmp_path), [sample(number) for number in range(COUNT)], recorded_at=NOW)
    return a_path(tmp_path)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "HELD_BYTES", 0)


def both(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Recordings, Recordings]:
    held = load(path, root=path.parents[4])
    monkeypatch.setattr(recordings, "HELD_BYTES", 0)
    stored = load(path, root=path.parents[4])
    assert isinstance(stored.lines, IndexedLines)
    assert not isinstance(held.lines, IndexedLines)
    return held, stored


EDITS: dict[str, Callable[[list[str]], list[str]]] = {
    "as written": lambda lines: lines,
    "in another order": lambda lines: random.Random(1).sample(lines, len(lines)),
    "with empty lines and other line ends": lambda lines: [line + "\r\n" for line in lines],
    "in another form": lambda lines: [json.dumps(json.loads(line), sort_keys=True) for line in lines],
    "with an edit": lambda lines: [line.replace("hi 7", "ho 7") for line in lines],
    "with a case that is not ASCII": lambda lines: [line.replace('"c3"', '"cé"') for line in lines],
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_every_answer_is_the_same_whether_lines_are_held_or_not(
    path: Path, edit: Callable[[list[str]], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("\n".join(edit(path.read_text("utf-8").splitlines())) + "\n", encoding="utf-8", newline="")
    held, stored = both(path, monkeypatch)
    wanted = [
        *(planned(number) for number in range(COUNT + 1)),
        planned(3, 1),
        planned(5, digest=NEW),
        planned(6, digest=NEW, released=True),
        planned(7, released=True),
    ]
    assert [stored.find(item, options="-x") for item in wanted] == [held.find(item, options="-x") for item in wanted]
    assert list(stored.samples()) == list(held.samples())
    assert stored.edited() == held.edited()
    assert len(stored) == len(held) == COUNT
    assert list(stored.lines) == sorted(held.lines)
    assert [("c1", 0) in stored.lines, ("c1", 1) in stored.lines] == [True, False]


WRONG: dict[str, tuple[Callable[[list[str]], list[str]], list[tuple[int, str]]]] = {
    "a line that is cut off": (lambda lines: [*lines[:3], lines[3][:50], *lines[4:]], [(4, "is not JSON")]),
    "a merge conflict": (lambda lines: [*lines[:2], "<<<<<<< HEAD", *lines[2:]], [(3, "is a merge conflict")]),
    "a line that stands twice": (lambda lines: [*lines, lines[5], lines[5]], [(41, "line 6"), (42, "line 6")]),
    "several": (lambda lines: ["nonsense", *lines, lines[0]], [(1, "is not JSON"), (42, "already in line 2")]),
    "something else": (lambda lines: ["nonsense"] * 200, [(1, "is not JSON"), (101, "too many problems above")]),
    "a byte order mark": (lambda lines: ["\ufeff" + lines[0], *lines[1:]], [(1, "byte order mark")]),
    "no text": (lambda lines: [*lines, "a\0b"], [(0, "is binary")]),
}


@pytest.mark.parametrize(("edit", "told"), WRONG.values(), ids=WRONG)
def test_lines_that_are_wrong_are_told_as_those_of_a_small_file(
    path: Path,
    edit: Callable[[list[str]], list[str]],
    told: list[tuple[int, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path.write_text("\n".join(edit(path.read_text("utf-8").splitlines())), encoding="utf-8")
    found = []
    for held in (recordings.HELD_BYTES, 0):
        monkeypatch.setattr(recordings, "HELD_BYTES", held)
        with pytest.raises(ProblemsError) as caught:
            load(path)
        found.append(caught.value.problems)
    assert found[0] == found[1]
    for line, words in told:
        assert any(problem.line == line and words in problem.message for problem in found[1])


@pytest.mark.usefixtures("large")
def test_a_line_that_only_looks_right_is_found_out_when_it_is_asked_for(path: Path) -> None:
    path.write_text(path.read_text("utf-8").replace('"text": "hi 7"', '"text": "hi 7'), encoding="utf-8")
    stored = load(path)
    assert stored.find(planned(6)).reply is not None
    with pytest.raises(ProblemsError, match="is not JSON"):
        stored.find(planned(7))
    (problem,) = stored.edited()
    assert (problem.line, "is not JSON" in problem.message) == (38, True)


def test_a_large_file_is_merged_as_a_small_one_is(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    news = [sample(3, text="new"), sample(3, 1), sample(99), sample(0, 2)]
    for replaces in (False, True):
        found = []
        for held in (1 << 20, 0):
            monkeypatch.setattr(recordings, "HELD_BYTES", held)
            path.write_bytes(before)
            down = replace(sample(5), reply=None)
            write(path, [*news, down], replace=replaces, recorded_at=NOW)
            found.append(path.read_text("utf-8"))
        assert found[0] == found[1]
        assert len(found[0].splitlines()) == (5 if replaces else COUNT + 3)


@pytest.mark.usefixtures("large")
def test_what_was_loaded_stays_as_it_was_while_the_file_is_written(path: Path) -> None:
    stored = load(path)
    write(path, [sample(3, text="new"), sample(99)], recorded_at=NOW)
    found = stored.find(planned(3)).reply
    assert found is not None
    assert found.text == "hi 3"
    assert stored.find(planned(99)).failure is not None


@pytest.mark.usefixtures("large")
def test_a_large_file_that_is_written_into_while_it_is_in_use_gives_no_reply_of_another_case(path: Path) -> None:
    stored = load(path)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3], lines[4] = lines[4], lines[3]
    with path.open("r+b") as file:
        file.writelines(lines)
    for case in (11, 12):  # the fourth and the fifth line: c0, c1, c10, c11, c12
        with pytest.raises(ProblemsError, match="was written to while it was in use"):
            stored.find(planned(case))
    assert stored.find(planned(13)).reply is not None


@pytest.mark.usefixtures("large")
def test_memory_does_not_grow_with_a_large_file(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = a_path(tmp_path)
        write(path, [sample(number) for number in range(count)], recorded_at=NOW)
        tracemalloc.start()
        try:
            stored = load(path)
            assert all(stored.find(planned(number)).reply for number in range(count))
            write(path, [sample(0, 1)], recorded_at=NOW)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is made once
    assert peak(3_000) < peak(1_000) + 500_000  # bytes; 2,000 lines in memory are 4 MB
