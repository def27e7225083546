from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptops.core.digest import version_digest
from promptops.errors import ProblemsError
from promptops.formats import Closure, ClosureFile, Evidence
from promptops.project.evidence import parse_evidence, render_evidence
from promptops.project.released import parse_closure, render_closure
from promptops.project.stored import parse_json, read_text

CLOSURE = Closure(prompt="booking", version="v2", model="a/b", template="Hello {{ text }}")
PATH = "prompts/booking/released/v2.json"


def closure_text(**changes: Any) -> str:
    document = json.loads(render_closure(CLOSURE))
    document["closure"].update(changes)
    return json.dumps(document, indent=2)


def problems(text: str) -> str:
    with pytest.raises(ProblemsError) as caught:
        parse_closure(text, path=PATH, prompt="booking", version="v2")
    return str(caught.value)


def test_a_closure_reads_back_with_its_digest() -> None:
    file = parse_closure(render_closure(CLOSURE), path=PATH, prompt="booking", version="v2")
    assert (file.closure, file.digest) == (CLOSURE, version_digest(CLOSURE))


def test_the_layout_of_a_closure_file_may_change_its_content_may_not() -> None:
    compact = json.dumps(json.loads(render_closure(CLOSURE)))
    assert parse_closure(compact, path=PATH, prompt="booking", version="v2").closure == CLOSURE
    assert "was edited: its content has digest" in problems(closure_text(template="Hi"))


MALFORMED = [
    ("", 1, "is empty"),
    ("{", 1, "is not JSON"),
    ('{\n"digest": 1 }}', 2, "is not JSON"),
    ("[]", 1, "the file"),
    ("null", 1, "the file"),
    ('{\n"digest": "sha256:0",\n"closure": {}}', 2, "digest"),
    ('{\n"digest": NaN}', 0, "NaN"),
    ('{\n"digest": "a",\n"digest": "b"}', 3, "has the key 'digest' twice"),
    ("[" * 100_000, 0, "nested"),
    ('{"digest": 1' + "1" * 5000 + "}", 0, "is not JSON"),
    ("<<<<<<< HEAD\n{}\n", 1, "unsettled merge"),
    (closure_text(templat="x"), 13, "unknown key, did you mean 'template'"),
    (closure_text(template=1), 10, "closure.template"),
    (closure_text(version="2"), 12, "closure.version"),
    (closure_text(version="v3"), 0, "is the closure of booking@v3, not of booking@v2"),
    (closure_text(prompt="other"), 0, "is the closure of other@v2"),
    (closure_text(params=[]), 0, "closure.params"),
    (closure_text(tools={}), 0, "closure.tools"),
    (closure_text(format=2), 0, "closure.format"),
    (closure_text(output_schema=[]), 0, "closure.output_schema"),
    ('{"digest": "\\ud800"}', 0, ""),
]


@pytest.mark.parametrize(("text", "line", "words"), MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_closure_is_a_problem_with_file_line_and_what_to_do(text: str, line: int, words: str) -> None:
    told = problems(text)
    assert words in told
    assert told.startswith(f"{PATH}:{line}: " if line else PATH)
    assert "git checkout" in told


EVIDENCE_CHANGES = [
    {"format": 2},
    {"prompt": "x/y"},
    {"version": "v0"},
    {"runs": {}},
    {"runs": [1]},
    {"runs": [{}]},
    {"canaries": [{"verdict": "pass"}]},
    {"canary": []},
    {"accepted": []},
    {"accepted": {"cases": {"../x": {}}}},
]


@pytest.mark.parametrize("change", EVIDENCE_CHANGES, ids=range(len(EVIDENCE_CHANGES)))
def test_malformed_evidence_is_a_problem_with_its_file(change: dict[str, Any]) -> None:
    document = json.loads(render_evidence(Evidence(prompt="booking", version="v2"))) | change
    with pytest.raises(ProblemsError, match=r"^prompts/booking/evidence/v2.json"):
        parse_evidence(json.dumps(document), path="prompts/booking/evidence/v2.json", prompt="booking", version="v2")


def test_every_problem_of_a_file_is_told_at_once() -> None:
    with pytest.raises(ProblemsError) as caught:
        parse_json(ClosureFile, closure_text(template=1, model=2, extra=3), path=PATH)
    assert len(caught.value.problems) == 3
    assert all(problem.line > 1 for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\xff", "f.json:1: is not UTF-8"),
        (b"\n\xff", "f.json:2: is not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
    ],
)
def test_a_file_that_is_not_plain_utf8_is_a_problem(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "f.json").write_bytes(data)
    with pytest.raises(ProblemsError, match=words):
        read_text(tmp_path / "f.json", "f.json")


def test_a_missing_file_and_a_folder_are_problems(tmp_path: Path) -> None:
    with pytest.raises(ProblemsError, match="is missing"):
        read_text(tmp_path / "none.json", "none.json")
    with pytest.raises(ProblemsError, match=r"is not a plain file|cannot be read"):
        read_text(tmp_path, "folder")
