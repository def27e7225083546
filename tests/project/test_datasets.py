"""Datasets that are right: found, read, typed, streamed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import ProblemsError
from promptops.models import Case, CheckSpec
from promptops.project.datasets import find_dataset, iter_dataset, load_dataset
from promptops.testing import TemporaryProject

INPUTS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "count": {"type": "integer", "default": 1},
    "flag": {"type": "boolean", "default": False},
    "list": {"type": "array", "default": []},
}


def load(tmp_path: Path, name: str, text: str, inputs: Any = INPUTS) -> Sequence[Case]:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    return load_dataset(path, root=tmp_path, inputs=inputs).cases


SAME = {
    "cases.jsonl": '{"id": "c1", "inputs": {"text": "hi, you"}, "expected": {"time": "14:30:00", "n": 2}, '
    '"tags": ["a", "b"]}\n'
    '{"id": "c2", "inputs": {"text": "ho"}}\n',
    "cases.yaml": "- id: c1\n  inputs: {text: 'hi, you'}\n  expected: {time: 14:30:00, n: 2}\n  tags: [a, b]\n"
    "- id: c2\n  inputs: {text: ho}\n",
    "cases.yml": "cases:\n- {id: c1, inputs: {text: 'hi, you'}, expected: {time: 14:30:00, n: 2}, tags: [a, b]}\n"
    "- {id: c2, inputs: {text: ho}}\n",
    "cases.csv": 'id,inputs.text,expected.time,expected.n,tags\nc1,"hi, you",14:30:00,2,"a, b"\nc2,ho,,,\n',
}


@pytest.mark.parametrize("name", SAME)
def test_every_format_says_the_same(tmp_path: Path, name: str) -> None:
    first, second = load(tmp_path, name, SAME[name])
    assert (first.id, first.inputs, first.expected) == ("c1", {"text": "hi, you"}, {"time": "14:30:00", "n": 2})
    assert (first.has_expected, first.tags, first.path) == (True, ("a", "b"), name)
    assert (second.id, second.has_expected, second.expected, second.tags) == ("c2", False, None, ())
    assert [first.digest, second.digest] == [case.digest for case in load(tmp_path, "x.jsonl", SAME["cases.jsonl"])]


@pytest.mark.parametrize(
    ("name", "lines"), [("cases.jsonl", (1, 2)), ("cases.yaml", (1, 5)), ("cases.yml", (2, 3)), ("cases.csv", (2, 3))]
)
def test_cases_know_their_line(tmp_path: Path, name: str, lines: tuple[int, int]) -> None:
    assert tuple(case.line for case in load(tmp_path, name, SAME[name])) == lines


def test_a_null_that_is_expected_is_not_a_missing_one(tmp_path: Path) -> None:
    row = '{"id": "c1", "inputs": {"text": ""}, "expected": null}'
    assert load(tmp_path, "cases.jsonl", row)[0].has_expected


def test_blank_lines_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    text = '\r\n{"id": "c1", "inputs": {"text": "a"}}\r\n\r\n{"id": "c2", "inputs": {"text": "b"}}'
    assert [case.line for case in load(tmp_path, "cases.jsonl", text)] == [2, 4]


def test_a_case_has_checks_of_its_own(tmp_path: Path) -> None:
    text = '{"id": "c1", "inputs": {"text": "a"}, "checks": ["schema", {"not": {"contains": "x"}}]}'
    assert load(tmp_path, "cases.jsonl", text)[0].checks == (
        CheckSpec("schema", None, False, 1),
        CheckSpec("contains", "x", True, 1),
    )


CELLS: list[tuple[str, str, Any]] = [
    ("inputs.text", "42", {"text": "42"}),
    ("inputs.text", "true", {"text": "true"}),
    ("inputs.text", '"[1, 2]"', {"text": "[1, 2]"}),
    ("inputs.text", '"say ""hi"""', {"text": 'say "hi"'}),
    ("inputs.text", '"two\nlines"', {"text": "two\nlines"}),
    ("inputs.text", "", {"text": ""}),
    ("inputs.count", "42", {"count": 42}),
    ("inputs.count", "", {}),
    ("inputs.flag", "TRUE", {"flag": True}),
    ("inputs.list", '"[1, ""a""]"', {"list": [1, "a"]}),
]


@pytest.mark.parametrize(("column", "cell", "inputs"), CELLS)
def test_a_cell_of_an_input_has_the_type_of_the_input(tmp_path: Path, column: str, cell: str, inputs: Any) -> None:
    more, value = ("", "") if column == "inputs.text" else ("inputs.text,", "hi,")
    (case,) = load(tmp_path, "cases.csv", f"id,{more}{column}\nc1,{value}{cell}\n")
    assert case.inputs == (inputs if not more else {"text": "hi", **inputs})


@pytest.mark.parametrize(
    ("column", "cell", "expected"),
    [
        ("expected.time", "14:30:00", {"time": "14:30:00"}),
        ("expected.n", "2", {"n": 2}),
        ("expected.n", '"""2"""', {"n": "2"}),
        ("expected.n", "007", {"n": "007"}),
        ("expected.n", "NaN", {"n": "NaN"}),
        ("expected.ok", "true", {"ok": True}),
        ("expected.none", "null", {"none": None}),
        ("expected.place.city", "Rome", {"place": {"city": "Rome"}}),
        ("expected.list", '"[1, 2]"', {"list": [1, 2]}),
        ("expected", "positive", "positive"),
        ("expected", "42", "42"),
        ("expected", '"{""a"": 1}"', {"a": 1}),
    ],
)
def test_a_cell_of_expected_is_json_where_it_reads_as_json(
    tmp_path: Path, column: str, cell: str, expected: Any
) -> None:
    (case,) = load(tmp_path, "cases.csv", f"id,inputs.text,{column}\nc1,hi,{cell}\n")
    assert case.expected == expected


def test_an_empty_cell_expects_nothing(tmp_path: Path) -> None:
    (case,) = load(tmp_path, "cases.csv", "id,inputs.text,expected.time\nc1,hi,\n")
    assert not case.has_expected


@pytest.mark.parametrize("cell", ["quick|german", '"quick, german"', "quick german", "quick;german"])
def test_tags_of_a_csv_are_separated_as_people_do(tmp_path: Path, cell: str) -> None:
    assert load(tmp_path, "cases.csv", f"id,inputs.text,tags\nc1,hi,{cell}\n")[0].tags == ("quick", "german")


def test_the_byte_order_mark_of_a_spreadsheet_is_skipped_in_csv(tmp_path: Path) -> None:
    assert load(tmp_path, "cases.csv", "\ufeffid,inputs.text\nc1,hi\n")[0].id == "c1"


def test_a_csv_row_has_the_line_where_it_begins(tmp_path: Path) -> None:
    cases = load(tmp_path, "cases.csv", 'id,inputs.text\nc1,"a\nb\nc"\n\nc2,d\n')
    assert [case.line for case in cases] == [2, 6]


def test_without_known_inputs_nothing_is_checked(tmp_path: Path) -> None:
    assert load(tmp_path, "cases.jsonl", '{"id": "c1", "inputs": {"anything": [1]}}', None)[0].inputs


def test_the_digest_does_not_depend_on_order_or_format(tmp_path: Path) -> None:
    digests = set()
    for name, text in SAME.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        digests.add(load_dataset(tmp_path / name, root=tmp_path).digest)
    lines = SAME["cases.jsonl"].splitlines()
    (tmp_path / "back.jsonl").write_text("\n".join(lines[::-1]), encoding="utf-8")
    digests.add(load_dataset(tmp_path / "back.jsonl", root=tmp_path).digest)
    assert len(digests) == 1


def test_a_large_dataset_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    with path.open("w", encoding="utf-8") as stream:
        for number in range(20_000):
            stream.write(json.dumps({"id": f"c{number}", "inputs": {"text": "x" * 500}}) + "\n")
    tracemalloc.start()
    try:
        count = sum(isinstance(item, Case) for item in iter_dataset(path, root=tmp_path, inputs=INPUTS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < path.stat().st_size  # only the ids are held


def test_the_dataset_of_a_prompt_is_found(tmp_path: Path) -> None:
    kit = TemporaryProject(tmp_path)
    kit.write("prompts/booking/v1.j2", "hi")
    assert find_dataset(kit.project, "booking") is None
    path = kit.write("fixtures/booking/cases.csv", "id\nc1\n")
    assert find_dataset(kit.project, "booking") == path
    other = kit.write("shared/all.yaml", "- id: c1\n")
    assert find_dataset(kit.project, "booking", "shared/all.yaml") == other


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("nothing.jsonl", "dataset 'nothing.jsonl' does not exist"),
        ("../secret.jsonl", "lies outside of the project"),
        ("/etc/passwd", "lies outside of the project"),
        ("link.jsonl", "lies outside of the project"),
        ("a\0b", "lies outside of the project"),
    ],
)
def test_a_dataset_that_is_not_in_the_project_is_refused(tmp_path: Path, written: str, words: str) -> None:
    kit = TemporaryProject(tmp_path / "project")
    kit.write("prompts/booking/v1.j2", "hi")
    (tmp_path / "secret.jsonl").write_text('{"id": "c1"}', encoding="utf-8")
    (kit.path / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(ProblemsError, match=words):
        find_dataset(kit.project, "booking", written)


def test_two_datasets_of_one_prompt_are_told(tmp_path: Path) -> None:
    kit = TemporaryProject(tmp_path)
    kit.write("prompts/booking/v1.j2", "hi")
    kit.write("fixtures/booking/cases.csv", "id\nc1\n")
    kit.write("fixtures/booking/cases.jsonl", '{"id": "c1"}\n')
    with pytest.raises(ProblemsError, match="has several datasets"):
        find_dataset(kit.project, "booking")
