"""The proof in pieces: kept, not done twice, the same in one process and in two."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from proof import regress
from proof.__main__ import tasks
from proof.tasks import Task, run_all


@dataclass(frozen=True)
class Square:
    value: int


def square(value: int) -> Square:
    return Square(value * value)


def squares(value: int) -> list[Square]:
    return [Square(value), Square(value * value)]


def broken(value: int) -> Square:
    raise ZeroDivisionError(value)


def do(parts: dict[str, list[Task]], kept: Path | None, *, jobs: int = 1) -> tuple[dict[str, list[Square]], list[str]]:
    told: list[str] = []
    read = dict.fromkeys(parts, lambda item: Square(**item))
    return run_all(dict(parts), read=read, kept=kept, jobs=jobs, say=told.append), told


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_piece_is_told_and_the_order_is_that_of_the_pieces(jobs: int, tmp_path: Path) -> None:
    parts = {"a": [Task("three", square, (3,)), Task("two", squares, (2,))], "b": [Task("four", square, (4,))]}
    found, told = do(parts, tmp_path, jobs=jobs)
    assert found == {"a": [Square(9), Square(2), Square(4)], "b": [Square(16)]}
    assert sorted(line.split("] ")[1].split(":")[0] for line in told) == ["four", "three", "two"]
    assert told[-1].startswith("[3/3,")


def test_a_run_that_was_stopped_goes_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        do({"a": [Task("done", square, (3,)), Task("broken", broken, (1,))]}, tmp_path)
    found, told = do({"a": [Task("done", square, (3,)), Task("next", square, (5,))]}, tmp_path)
    assert found == {"a": [Square(9), Square(25)]}
    assert told[0] == "1 of 2 pieces are kept from before"
    assert [line for line in told if "done" in line] == []


def test_what_is_kept_is_what_was_found(tmp_path: Path) -> None:
    task = Task("three", square, (3,))
    do({"a": [task]}, tmp_path)
    (tmp_path / f"{task.digest}.json").write_text(json.dumps([{"value": 7}]), "utf-8")
    assert do({"a": [task]}, tmp_path)[0] == {"a": [Square(7)]}


def test_another_argument_or_another_source_is_another_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    task = Task("one", regress.binary, (10, 0.1, 5))
    assert task.digest == Task("another name", regress.binary, (10, 0.1, 5)).digest
    before = task.digest
    assert before != Task("one", regress.binary, (11, 0.1, 5)).digest
    monkeypatch.setattr("proof.tasks._source", lambda module: f"changed {module}")
    assert before != task.digest


def test_all_pieces_of_the_proof_are_different_and_named_the_same_in_every_process() -> None:
    digests = [task.digest for quick in (True, False) for part in tasks(quick=quick).values() for task in part]
    assert len(digests) > 400
    assert not any("0x" in repr(task.arguments) for part in tasks(quick=False).values() for task in part)
    full = [task.digest for part in tasks(quick=False).values() for task in part]
    assert len(set(full)) == len(full)
