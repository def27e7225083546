"""`list`, `show`, `render` and `lint`: what stands in the files, without running any Python of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.core.digest import version_digest
from promptops.formats import Closure
from promptops.project.released import released_path, render_closure
from promptops.testing.project import TemporaryProject

YAML = """\
description: Table bookings
owner: front-desk
inputs:
  text: string
  people: {type: integer, default: 2}
  tags: {type: array, default: []}
output: schema.py:Booking
"""
V1 = "{% system %}Extract.{% endsystem %}\n{% user %}{{ text }}{% enduser %}"
V2 = "{% include '_shared/tone.j2' %}{% user %}{{ text }} for {{ people }}{{ tags|join }}{% enduser %}"
NEVER = "raise SystemExit('this must never run')\nclass Booking: ...\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TemporaryProject:
    made = TemporaryProject(tmp_path)
    made.prompt("booking", versions={"v1": V1, "v2": V2}, yaml=YAML, files={"schema.py": NEVER})
    made.write("prompts/_shared/tone.j2", "{% system %}Be kind.{% endsystem %}\n")
    made.dataset("booking", [{"id": "c1", "inputs": {"text": "a table", "people": 4}}])
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def served(project: TemporaryProject) -> TemporaryProject:
    """Production serves a v1 that was released with another template than its file has now."""
    closure = Closure(
        prompt="booking", version="v1", model="test/old-1", template="Old: {{ text }}", inputs={"text": {}}
    )
    path = released_path(project.project, "booking", "v1")
    path.parent.mkdir()
    path.write_text(render_closure(closure))
    project.write(
        "prompts/manifest.yaml",
        "format: 1\nenvironments:\n  production:\n    prompts:\n      booking:\n        version: v1\n"
        f'        digest: "{version_digest(closure)}"\n        pin: test/old-1\n        how: adopted\n'
        '        at: "2026-11-01T00:00:00Z"\n',
    )
    return project


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_says_who_serves_what(served: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list"]) == 0
    assert capsys.readouterr().out == (
        "booking  Table bookings\n  v1    test/model-1  served by production, released\n  v2    test/model-1\n"
    )
    (row,) = document(capsys, "list")["prompts"]
    assert row["versions"][0] == {"name": "v1", "pin": "test/model-1", "released": True, "served_by": ["production"]}


def test_list_goes_on_where_a_prompt_has_problems(
    project: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.write("prompts/booking/v3.j2", "{{ broken")
    assert run(["list"]) == 0
    assert capsys.readouterr().out == (
        "booking\n  v1    test/model-1\n  v2    test/model-1\n  v3    (does not load)\n"
        "  1 problem: promptops lint booking\n"
    )


def test_list_of_nothing_says_how_to_start(tmp_path: Path, in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TemporaryProject(in_folder)
    assert run(["list"]) == 0
    assert "promptops init" in capsys.readouterr().err


def test_show_has_everything_that_a_version_is(project: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["show", "booking"]) == 0
    assert capsys.readouterr().out == (
        "booking@v2  test/model-1\n"
        "  Table bookings\n"
        "  owner       front-desk\n"
        "  read from   prompts/booking/v2.j2\n"
        "  served by   no environment\n"
        "  params      the provider's own\n"
        "  tools       none\n"
        "  output      schema.py:Booking\n"
        "  inputs\n"
        '    people: {"type": "integer", "default": 2}\n'
        '    tags: {"type": "array", "default": []}\n'
        '    text: {"type": "string"}\n'
        "  template\n"
        f"    │ {V2}\n"
        "  include _shared/tone.j2\n"
        "    │ {% system %}Be kind.{% endsystem %}\n"
    )


def test_show_of_an_environment_is_what_was_released(
    served: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(capsys, "show", "booking@production")
    assert (found["template"], found["model"], found["served_by"]) == ("Old: {{ text }}", "test/old-1", ["production"])
    working = document(capsys, "show", "booking@v1")
    assert (working["template"], working["description"], working["owner"]) == (V1, "Table bookings", "front-desk")


def test_render_of_a_case(project: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["render", "booking@v2", "--case", "c1"]) == 0
    out = capsys.readouterr()
    assert out.out == "system\n  │ Be kind.\nuser\n  │ a table for 4\n"
    assert out.err == "booking@v2  test/model-1\n"


def test_render_of_inputs_by_hand_and_by_file(project: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write("in.json", '{"text": "from the file", "people": 1}')
    found = document(capsys, "render", "booking", "--inputs", "in.json", "--input", "people=7", "--input", 'tags=["!"]')
    assert found["messages"][1] == {"role": "user", "content": "from the file for 7!"}
    assert found["request"].startswith("sha256:")
    found = document(capsys, "render", "booking", "--input", "text=123")
    assert found["messages"][1]["content"] == "123 for 2"


def test_render_of_an_environment_uses_the_closure(
    served: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document(capsys, "render", "booking@production", "--input", "text=x")["messages"] == [
        {"role": "user", "content": "Old: x"}
    ]
    assert document(capsys, "render", "booking@production", "--case", "c1")["messages"][0]["content"] == "Old: a table"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["booking"], "booking@v2: input 'text' is missing"),
        (["booking", "--input", "txt=1"], "unknown input 'txt', did you mean 'text'?"),
        (["booking", "--input", "text"], "is not NAME=VALUE"),
        (["booking", "--input", "text=x", "--input", "people=many"], 'must be a whole number, not "many"'),
        (["booking", "--case", "c2"], "booking has no case 'c2' (there is: c1)"),
        (["booking", "--inputs", "missing.json"], "does not exist"),
        (["bookin"], "there is no prompt 'bookin', did you mean 'booking'?"),
        (["booking@v9"], "booking has no version 'v9' (there is: v1, v2)"),
        (["booking@production"], "production"),
        (["all"], "does not name one version"),
        (["Booking!"], "is not a selector"),
    ],
)
def test_render_tells_what_is_wrong(
    project: TemporaryProject, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert run(["render", *arguments]) == 2
    out = capsys.readouterr()
    assert (out.out, words in out.err) == ("", True), out.err


def test_what_is_rendered_can_neither_move_the_cursor_nor_look_like_a_role(
    project: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["render", "booking@v1", "--input", "text=hi\nsystem\n\x1b[2J::error::x"]) == 0
    assert capsys.readouterr().out == "system\n  │ Extract.\nuser\n  │ hi\n  │ system\n  │ \\x1b[2J::error::x\n"


def test_lint_of_a_clean_project(project: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.provider("test", "http://127.0.0.1:9/v1")
    assert run(["lint"]) == 0
    out = capsys.readouterr()
    assert out.out.startswith("fixtures/booking/cases.jsonl: warning: a canary on 1 case can say nothing at all")
    assert out.err == "1 prompt: no problem, 1 warning\n"
    found = document(capsys, "lint", "booking")
    assert ([problem["level"] for problem in found["problems"]], found["prompts"]) == (["warning"], ["booking"])


def test_a_warning_of_lint_fails_only_where_that_is_asked_for(
    project: TemporaryProject, capsys: pytest.CaptureFixture[str]
) -> None:
    project.provider("test", "http://127.0.0.1:9/v1")
    project.config('[tool.promptops.prices]\n"test/model-1" = [1.0, 100.0]')
    project.dataset("booking", [{"id": "c1", "inputs": {"text": "hi"}}])
    project.write("prompts/booking/v3.j2", "---\nmodel: test/model-1\nparams: {max_tokens: 900}\n---\n{{ text }}")
    assert run(["lint"]) == 0
    out = capsys.readouterr()
    assert "prompts/booking/v3.j2:1: warning: a request can cost $0.0900 (max_tokens 900)" in out.out
    assert out.err == "1 prompt: no problem, 2 warnings\n"
    assert run(["lint", "--strict"]) == 1
    capsys.readouterr()
    assert document(capsys, "lint", "booking")["problems"][0]["level"] == "warning"


def test_lint_tells_everything_and_ends_in_1(project: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    project.write("prompts/booking/v3.j2", "---\nmodel: openai/gpt-4o\n---\n{{ text|uper }}")
    project.write("prompts/manifest.yaml", "format: 2\n")
    assert run(["lint"]) == 1
    out = capsys.readouterr()
    assert [line.split(": ")[0] for line in out.out.splitlines() if line.startswith("prompts")] == [
        "prompts/booking/v3.j2:2",
        "prompts/booking/v3.j2:4",
        "prompts/manifest.yaml:1",
    ]
    assert out.err == "1 prompt: 3 problems\n"
    assert run(["lint", "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 3
