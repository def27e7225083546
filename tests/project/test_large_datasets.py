"""A large dataset is read again for its cases, and says the same as a small one."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import ProblemsError
from promptops.models import Case
from promptops.project.dataset_cases import StreamedCases, choose
from promptops.project.dataset_index import CaseIndex
from promptops.project.datasets import load_dataset

INPUTS: dict[str, dict[str, Any]] = {"text": {"type": "string"}, "count": {"type": "integer", "default": 1}}
COUNT = 30


def a_row(number: int) -> dict[str, Any]:
    row: dict[str, Any] = {"id": f"c{number}", "inputs": {"text": f"say {number}", "count": number}}
    if number % 3:
        row["expected"] = {"answer": number}
    if number % 2:
        row["tags"] = ["odd"]
    if number % 5 == 0:
        row["checks"] = [{"python": "checks.py:polite"}, {"contains": "hi"}]
    return row


def as_json(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_csv(rows: list[dict[str, Any]]) -> str:
    lines = ["id,inputs.text,inputs.count,expected.answer,tags,checks"]
    for row in rows:
        checks = json.dumps(row["checks"]).replace('"', '""') if "checks" in row else ""
        expected, tags = row.get("expected", {}).get("answer", ""), " ".join(row.get("tags", ()))
        lines.append(f'{row["id"]},{row["inputs"]["text"]},{row["inputs"]["count"]},{expected},{tags},"{checks}"')
    return "\n".join(lines)


FORMATS: dict[str, Callable[[list[dict[str, Any]]], str]] = {"jsonl": as_json, "yaml": json.dumps, "csv": as_csv}


def written(tmp_path: Path, ending: str = "jsonl", count: int = COUNT) -> Path:
    path = tmp_path / f"cases.{ending}"
    path.write_text(FORMATS[ending]([a_row(number) for number in range(count)]), encoding="utf-8")
    return path


@pytest.mark.parametrize("ending", FORMATS)
def test_cases_that_are_read_again_are_the_same_with_their_lines_and_digests(tmp_path: Path, ending: str) -> None:
    path = written(tmp_path, ending)
    small = load_dataset(path, root=tmp_path, inputs=INPUTS)
    large = load_dataset(path, root=tmp_path, inputs=INPUTS, hold=4)
    assert isinstance(small.cases, tuple)
    assert isinstance(large.cases, StreamedCases)
    assert list(large.cases) == list(large.cases) == list(small.cases)
    assert (large.digest, large.python, len(large.cases)) == (small.digest, frozenset({"checks.py:polite"}), COUNT)


def test_a_selection_of_a_large_dataset_is_the_same_and_held_where_it_is_small(tmp_path: Path) -> None:
    path = written(tmp_path)
    small = load_dataset(path, root=tmp_path).cases
    large = load_dataset(path, root=tmp_path, hold=4).cases
    for tags, limit in (((), 3), ((), 9), (("odd",), 0), (("odd",), 2), (("odd",), 7), (("none",), 0), ((), COUNT + 1)):
        found = choose(large, tags=tags, limit=limit)
        assert list(found) == list(choose(small, tags=tags, limit=limit))
        assert isinstance(found, tuple) == (len(found) <= 4)


def test_a_large_dataset_can_be_indexed(tmp_path: Path) -> None:
    cases = load_dataset(written(tmp_path), root=tmp_path, hold=4).cases
    assert [cases[0].id, cases[-1].id, *(case.id for case in cases[1:9:3])] == ["c0", "c29", "c1", "c4", "c7"]
    with pytest.raises(IndexError):
        cases[COUNT]
    with pytest.raises(ValueError, match="forwards"):
        cases[::-1]


def test_every_problem_of_a_large_dataset_is_told_at_once_ids_that_are_taken_with_their_first_line(
    tmp_path: Path,
) -> None:
    path = written(tmp_path)
    with path.open("a", encoding="utf-8") as stream:
        stream.write('{"id": "c29", "inputs": {"text": "a"}}\n{"id": "x"}\n{"id": "c1", "inputs": {"text": 1}}\n')
        stream.write('{"id": "c29", "inputs": {"text": "a"}}\n')
    with pytest.raises(ProblemsError) as caught:
        load_dataset(path, root=tmp_path, inputs=INPUTS, hold=4)
    assert [(problem.line, problem.message) for problem in caught.value.problems] == [
        (31, "id 'c29' is taken by the case at line 30"),
        (32, "input 'text' is missing"),
        (33, "id 'c1' is taken by the case at line 2"),
        (33, "input 'text' must be a string, not 1"),
        (34, "id 'c29' is taken by the case at line 30"),
    ]


@pytest.mark.parametrize(
    "edit",
    [
        lambda path: path.write_text("nonsense\n"),
        lambda path: path.unlink(),
        lambda path: path.write_text(path.read_text() + as_json([a_row(COUNT)])),
        lambda path: path.write_text(path.read_text().replace("say 3", "see 3")),
    ],
)
def test_a_large_dataset_that_is_written_to_while_it_is_in_use_is_refused(
    tmp_path: Path, edit: Callable[[Path], Any]
) -> None:
    path = written(tmp_path)
    os.utime(path, ns=(1, 1))  # a file may be written twice within one tick of the clock of its system
    cases = load_dataset(path, root=tmp_path, hold=4).cases
    reading = iter(cases)
    next(reading)
    edit(path)
    with pytest.raises(ProblemsError, match=r"cases\.jsonl.*was written to while it was in use"):
        list(reading)
    with pytest.raises(ProblemsError, match="was written to"):
        list(cases)


def test_the_index_finds_ids_in_memory_and_beyond() -> None:
    index = CaseIndex(at_once=3)
    assert [index.first(f"c{number}", number) for number in range(10)] == [None] * 10
    assert [index.first(f"c{number}", 99) for number in range(10)] == list(range(10))


def test_memory_does_not_grow_with_a_large_dataset(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path = written(tmp_path, count=count)
        tracemalloc.start()
        try:
            dataset = load_dataset(path, root=tmp_path, inputs=INPUTS, hold=100)
            assert sum(isinstance(case, Case) for case in dataset.cases) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # what is made once
    assert peak(3_000) < peak(1_000) + 100_000  # bytes; 2,000 cases in memory are 2 MB
