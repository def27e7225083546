"""Recordings files that are wrong: every line is named, and nothing odd is read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from promptops.errors import ProblemsError, StoreError
from promptops.store.recordings import load, write
from tests.store.recorded import NEW, NOW, OLD, a_path, sample


def a_line(**changes: Any) -> str:
    line: dict[str, Any] = {
        "case": "c1", "sample": 0, "request": OLD, "text": "hi", "latency": 0.1, "recorded_at": NOW, "digest": NEW,
    }  # fmt: skip
    return json.dumps({k: v for k, v in {**line, **changes}.items() if v is not ...})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "is not JSON"),
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object but list"),
        ("null", "is not a JSON object but NoneType"),
        ("<<<<<<< HEAD", "is a merge conflict"),
        ("=======", "is a merge conflict"),
        ('{"case": "c1", "case": "c2"}', "a key is written twice"),
        (a_line(case=...), "case: Field required"),
        (a_line(case=7), "case: Input should be a valid string"),
        (a_line(case="../x"), "case: String should match pattern"),
        (a_line(case="c1\n"), "case: String should match pattern"),
        (a_line(case="x" * 201), "case: String should have at most 200"),
        (a_line(sample=-1), "sample: Input should be greater than or equal to 0"),
        (a_line(sample=True), "sample: Input should be a valid integer"),
        (a_line(sample=1.0), "sample: Input should be a valid integer"),
        (a_line(sample="0"), "sample: Input should be a valid integer"),
        (a_line(request="sha256:short"), "request: String should match pattern"),
        (a_line(digest=None), "digest: Input should be a valid string"),
        (a_line(text=None), "text: Input should be a valid string"),
        (a_line(latency="fast"), "latency: Input should be a valid number"),
        (a_line(latency=None), "latency: Input should be a valid number"),
        (a_line().replace("0.1", "NaN"), "is not JSON"),
        (a_line().replace("0.1", "1e999"), "is not JSON"),
        (a_line().replace("0.1", "9" * 5000), "is not JSON"),
        (a_line().replace("0.1", "1" + "0" * 400), "latency"),
        (a_line(cost="1"), "cost: Input should be a valid number"),
        (a_line(tool_calls={}), "tool_calls: Input should be a valid list"),
        (a_line(tool_calls=["x"]), "tool_calls.0: Input should be a valid dictionary"),
        (a_line(txt="x"), "unknown key 'txt', did you mean 'text'?"),
        (a_line(text="\ud800"), "half a character"),
        (a_line(tool_calls=[{"a": "\udfff"}]), "half a character"),
        ("[" * 100_000, "nested too deeply"),
        (a_line(tool_calls=[{"a": 0}]).replace('"a": 0', '"a": ' + "[" * 100 + "]" * 100), "nested too deeply"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_reported_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(f"{a_line(case='good')}\n{line}\n")
    with pytest.raises(ProblemsError) as caught:
        load(path, root=tmp_path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (path.relative_to(tmp_path).as_posix(), 2)
    assert says in problem.message


def test_every_malformed_line_is_reported_at_once(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["bad", a_line(), a_line(txt=1, sample="x", case="c2"), a_line(), ""]))
    with pytest.raises(ProblemsError) as caught:
        load(path)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 3, 4]
    assert "case 'c1', sample 0 is already in line 2" in str(caught.value)


def test_a_file_that_is_something_else_is_not_listed_line_by_line_for_ever(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("x\n" * 100_000)
    with pytest.raises(ProblemsError) as caught:
        load(path)
    assert len(caught.value.problems) == 101


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"PK\x03\x04\x00", "is binary"),
        (a_line(text="x").encode().replace(b'"x"', b'"\xff"'), "is not UTF-8"),
    ],
)
def test_bytes_that_are_not_text_are_reported(tmp_path: Path, data: bytes, says: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(ProblemsError, match=says):
        load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate((1 << 34) + 1)
    with pytest.raises(ProblemsError, match="larger than 16 GB"):
        load(path)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_not_a_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    else:
        os.mkfifo(path)
    with pytest.raises(StoreError, match="not a plain file"):
        load(path)


def test_files_whose_names_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample()])
    path.with_name(path.name.replace("gpt", "GPT")).write_text("")
    with pytest.raises(StoreError, match="differ only in upper and lower case"):
        load(path)
    with pytest.raises(StoreError, match="differ only in upper and lower case"):
        write(path, [sample()])
