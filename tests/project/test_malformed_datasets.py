"""Datasets that are wrong: each is told with its line, and none ends in a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from promptops.errors import ProblemsError
from promptops.project.datasets import MAX_SHOWN, load_dataset

INPUTS: dict[str, dict[str, Any]] = {"text": {"type": "string"}, "count": {"type": "integer", "default": 1}}
GOOD = '{"id": "ok", "inputs": {"text": "hi"}}\n'

JSONL: list[tuple[str | bytes, str]] = [
    ("", "0 holds no case"),
    ("\n\n \n", "0 holds no case"),
    ("{bad", "1 is not JSON: Expecting property name"),
    (GOOD + '{"id": "c2"', "2 is not JSON: Expecting ',' delimiter at column 12"),
    ('{"id": "c1"} {"id": "c2"}', "1 is not JSON: something follows the JSON"),
    ('[\n{"id": "c1"}\n]', "1 is not JSON: Expecting value"),
    ('{"id": "c1", "inputs": {"text": NaN}}', "1 is not JSON: NaN is not JSON"),
    ('{"id": "c1", "inputs": {"text": 1e999}}', "1 is not JSON: 1e999 is too large"),
    ('{"id": "c1", "id": "c2", "inputs": {"text": "a"}}', "1 key 'id' stands twice"),
    ('{"id": "c1", "inputs": {"text": "a", "text": "b"}}', "1 key 'text' stands twice"),
    ('{"id": "c1", "inputs": {"text": "\\ud800"}}', "1 is not JSON: \\ud800 is half of a character"),
    ('{"id": "c1", "inputs": ' + '{"a":' * 200 + "1" + "}" * 201, "1 is not JSON: the JSON nests deeper"),
    ("[" * 100_000, "1 is not JSON: it nests too deeply"),
    ("{'id': 'c1'}", "1 is not JSON: Expecting property name"),
    ("3", "1 a case is a mapping with `id` and `inputs`"),
    ("null", "1 a case is a mapping"),
    ('"c1"', "1 a case is a mapping"),
    ("[1, 2]", "1 a case is a mapping"),
    ("{}", "1 the case has no id"),
    ('{"inputs": {"text": "hi"}}', "1 the case has no id"),
    ('{"id": 1, "inputs": {"text": "hi"}}', "1 id 1 is not text"),
    ('{"id": null, "inputs": {"text": "hi"}}', "1 id None is not text"),
    ('{"id": "", "inputs": {"text": "hi"}}', "1 id '' cannot be a case id"),
    ('{"id": "a b", "inputs": {"text": "hi"}}', "1 id 'a b' cannot be a case id"),
    ('{"id": "a::b", "inputs": {"text": "hi"}}', "1 id 'a::b' cannot be a case id"),
    ('{"id": "../a", "inputs": {"text": "hi"}}', "1 id '../a' cannot be a case id"),
    ('{"id": "a\\n", "inputs": {"text": "hi"}}', "1 id 'a\\n' cannot be a case id"),
    ('{"id": "' + "a" * 201 + '", "inputs": {"text": "hi"}}', "has 201 characters"),
    (GOOD + GOOD, "2 id 'ok' is taken by the case at line 1"),
    ('{"id": "c1", "input": {"text": "hi"}}', "1 unknown key 'input', did you mean 'inputs'?"),
    ('{"id": "c1", "text": "hi"}', "1 unknown key 'text'"),
    ('{"id": "c1", "inputs": {"text": "hi"}, "expect": 1}', "1 unknown key 'expect', did you mean 'expected'?"),
    ('{"id": "c1"}', "1 input 'text' is missing"),
    ('{"id": "c1", "inputs": null}', "1 input 'text' is missing"),
    ('{"id": "c1", "inputs": {}}', "1 input 'text' is missing"),
    ('{"id": "c1", "inputs": "hi"}', "1 inputs is not a mapping"),
    ('{"id": "c1", "inputs": ["hi"]}', "1 inputs is not a mapping"),
    ('{"id": "c1", "inputs": {"text": 3}}', "1 input 'text' must be a string"),
    ('{"id": "c1", "inputs": {"text": "a", "count": "3"}}', "1 input 'count' must be a whole number"),
    ('{"id": "c1", "inputs": {"text": "a", "cuont": 3}}', "1 unknown input 'cuont', did you mean 'count'?"),
    ('{"id": "c1", "inputs": {"text": "a"}, "tags": "quick"}', "1 tags is not a list of texts"),
    ('{"id": "c1", "inputs": {"text": "a"}, "tags": [1]}', "1 tags is not a list of texts"),
    ('{"id": "c1", "inputs": {"text": "a"}, "tags": [""]}', "1 tags is not a list of texts"),
    ('{"id": "c1", "inputs": {"text": "a"}, "tags": [' + '"a",' * 100 + '"b"]}', "1 101 tags; at most 100"),
    ('{"id": "c1", "inputs": {"text": "a"}, "checks": "schema"}', "1 checks is not a list"),
    ('{"id": "c1", "inputs": {"text": "a"}, "checks": ["shema"]}', "1 unknown check 'shema', did you mean 'schema'?"),
    ('{"id": "c1", "inputs": {"text": "a"}, "checks": [{"regex": "("}]}', "1 regex: '(' is not a regular expression"),
    ("\ufeff" + GOOD, "1 begins with a byte order mark"),
    (GOOD.encode("utf-16"), "1 is UTF-16"),
    (GOOD.encode() + b'{"id": "c\xff"}', "2 is not UTF-8 at byte 10 of the line"),
    (b'{"id": "c1\x00"}', "1 holds a NUL byte"),
    (bytes(range(256)) * 20, "1 holds a NUL byte"),
    (GOOD.encode() + b'{"id": "' + b"x" * 10_485_760 + b'"}\n{bad', "2 the line is longer than 10 MiB"),
    (GOOD.encode() + b'{"id": "' + b"x" * 10_485_760 + b'"}\n{bad', "3 is not JSON"),
]

YAML: list[tuple[str | bytes, str]] = [
    ("", "0 holds no case"),
    ("[]", "0 holds no case"),
    ("cases: []", "0 holds no case"),
    ("cases:", "0 holds no case"),
    ("id: c1", "1 is a mapping without the one key `cases`"),
    ("cases: []\nmore: 1", "1 is a mapping without the one key `cases`"),
    ("hello", "1 is not a list of cases"),
    ("cases: {id: c1}", "1 is not a list of cases"),
    ("- id: c1\n  inputs: {text: hi}\n- c2", "3 a case is a mapping"),
    ("- id: c1\n  inputs:\n    text: hi\n  tag: [a]", "4 unknown key 'tag', did you mean 'tags'?"),
    ("- id: 17\n  inputs: {text: hi}", "1 id 17 is not text"),
    ("- id: c1\n  inputs: {text: hi}\n- id: c1\n  inputs: {text: ho}", "3 id 'c1' is taken by the case at line 1"),
    ("- id: c1\n  inputs: {text: hi}\n  checks:\n  - schema\n  - shema", "5 unknown check 'shema'"),
    ("- id: c1\n  id: c2", "2 "),
    ("- &a {id: c1}\n- *a", "1 "),
    ("- !!python/object/apply:os.system [ls]", "1 "),
    ("- id: [", "2 is not YAML"),
    ("\t- id: c1", "1 "),
    ("- id: c1\n  inputs: {text: .nan}", "2 "),
    ("[" * 1000, "1 "),
    ("- id: c1\n  inputs: {text: " + "x" * 1_100_000 + "}", "0 is larger than 1 MiB"),
    (b"- id: \xff", "1 is not UTF-8"),
    (b"- id: c1\x00", "1 holds a NUL byte"),
    ("- id: c1\n".encode("utf-16"), "1 is UTF-16"),
]

CSV: list[tuple[str | bytes, str]] = [
    ("", "0 holds no case"),
    ("id,inputs.text\n", "0 holds no case"),
    ("\n\n", "0 holds no case"),
    ("inputs.text\nhi\n", "1 the first row has no column `id`"),
    ("id;inputs.text\nc1;hi\n", "1 the first row has no column `id`"),
    ("c1,hi\n", "1 the first row has no column `id`"),
    ("id,inputs.text,inputs.text\nc1,a,b\n", "1 column 'inputs.text' stands twice"),
    ("id,inputs.text,id\nc1,a,b\n", "1 column 'id' stands twice"),
    ("id,text\nc1,hi\n", "1 unknown column 'text', did you mean 'inputs.text'?"),
    ("id,inputs.text,tag\nc1,hi,a\n", "1 unknown column 'tag', did you mean 'tags'?"),
    ("id,inputs.text,\nc1,hi,\n", "1 a column has no name"),
    ("id,inputs\nc1,hi\n", "1 column 'inputs' names no input"),
    ("id,inputs.\nc1,hi\n", "1 column 'inputs.' names no input"),
    ("id,inputs.text,expected.\nc1,hi,x\n", "1 column 'expected.' ends in nothing"),
    ("id,inputs.text,expected,expected.a\nc1,hi,x,y\n", "1 there is a column `expected` and one below it"),
    ("id,inputs.text,expected.a,expected.a.b\nc1,hi,x,y\n", "1 there is a column 'expected.a' and one below it"),
    ("id,inputs.text\nc1\n", "2 has 1 columns, the first row has 2"),
    ("id,inputs.text\nc1,hi, you\n", "2 has 3 columns, the first row has 2"),
    ('id,inputs.text\nc1,"hi\nc2,ho\n', "2 is not CSV: unexpected end of data"),
    ('id,inputs.text\nc1,"hi" there\n', "2 is not CSV: "),
    ("id,inputs.text\nc1," + "x" * 140_000 + "\n", "2 is not CSV: field larger than field limit"),
    ("id,inputs.text\na b,hi\n", "2 id 'a b' cannot be a case id"),
    ("id,inputs.text\n,hi\n", "2 id '' cannot be a case id"),
    ("id,inputs.text\nc1,hi\nc1,ho\n", "3 id 'c1' is taken by the case at line 2"),
    ("id,inputs.text,inputs.count\nc1,hi,many\n", "2 input 'count' must be a whole number"),
    ("id,inputs.count\nc1,3\n", "2 input 'text' is missing"),
    ("id,inputs.text,checks\nc1,hi,schema\n", "2 checks is not a list"),
    (b"id,inputs.text\nc1,\xff\n", "2 is not UTF-8 at byte 4 of the line"),
    (b"id,inputs.text\nc1,a\x00b\n", "2 holds a NUL byte"),
    ("id,inputs.text\nc1,hi\n".encode("utf-16"), "1 is UTF-16"),
]

TABLE = [
    (f"cases.{ending}", content, words)
    for ending, rows in (("jsonl", JSONL), ("yaml", YAML), ("csv", CSV))
    for content, words in rows
]


def problems_of(tmp_path: Path, name: str, content: str | bytes) -> list[str]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ProblemsError) as caught:
        load_dataset(path, root=tmp_path, inputs=INPUTS)
    assert all(problem.path == name for problem in caught.value.problems)
    return [f"{problem.line} {problem.message}" for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    TABLE,
    ids=[f"{name}-{words[:40]}-{number}" for number, (name, _, words) in enumerate(TABLE)],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, content: str | bytes, words: str) -> None:
    found = problems_of(tmp_path, name, content)
    assert any(problem.startswith(words) or (words[:1].isalpha() and words in problem) for problem in found), found


def test_every_bad_row_is_told_in_one_go(tmp_path: Path) -> None:
    rows = ["{bad", GOOD.strip(), '{"id": "a b", "tags": 3}', "3"]
    found = problems_of(tmp_path, "cases.jsonl", "\n".join(rows))
    assert [problem.split()[0] for problem in found] == ["1", "3", "3", "3", "4"]


def test_many_problems_are_counted_not_listed(tmp_path: Path) -> None:
    found = problems_of(tmp_path, "cases.jsonl", "{bad\n" * 12_445)
    assert len(found) == MAX_SHOWN + 1
    assert found[-1] == "101 and 12,345 more problems from here on"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cases.parquet", "Parquet is not supported yet; a dataset ends in .jsonl, .yaml, .yml, .csv"),
        ("cases.txt", "its format is not known; a dataset ends in .jsonl, .yaml, .yml, .csv"),
        ("cases", "its format is not known"),
        ("cases.json", "its format is not known"),
    ],
)
def test_other_endings_are_refused_with_those_that_are_known(tmp_path: Path, name: str, words: str) -> None:
    assert problems_of(tmp_path, name, b"PAR1")[0].startswith(f"0 {words}")


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for name, words in (("folder.jsonl", "is not a file"), ("gone.jsonl", "does not exist")):
        with pytest.raises(ProblemsError, match=words):
            load_dataset(tmp_path / name, root=tmp_path)


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text(GOOD, encoding="utf-8")
    (tmp_path / "project").mkdir()
    link = tmp_path / "project" / "cases.jsonl"
    link.symlink_to(tmp_path / "secret.jsonl")
    with pytest.raises(ProblemsError, match="lies outside of the project"):
        load_dataset(link, root=tmp_path / "project")
