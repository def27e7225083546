from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.core.wire.endpoints import KNOWN
from promptops.testing import TemporaryProject
from tests.release.conftest import Releases


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Releases:
    found = Releases(tmp_path / "project")
    for version, wrong in (("v1", ("c7", "c8")), ("v2", ("c8",)), ("v3", ("c1", "c8"))):
        found.record(version, wrong=wrong)
    found.kit.git_init()
    monkeypatch.chdir(found.kit.path)
    return found


def document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert run([*arguments, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_whole_way_in_json(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    adopted = document(capsys, "adopt", "count@v1", "--reason", "first of all")
    assert (adopted["served"]["how"], adopted["served"]["reason"], adopted["replaced"]) == (
        "adopted",
        "first of all",
        None,
    )
    releases.canary("v3", "v1")
    dry = document(capsys, "promote", "count@v3", "--to", "production", "--ack", "c1", "--dry-run")
    assert (dry["commit"], dry["broken"]) == (None, ["c1"])
    promoted = document(capsys, "promote", "count@v3", "--to", "production", "--ack", "c1")
    assert (promoted["served"]["version"], promoted["replaced"], promoted["attempts"]) == ("v3", "v1", 1)
    assert document(capsys, "promote", "count@v3", "--to", "production")["already"] is True
    past = document(capsys, "history", "count")["served"]
    assert [(item["version"], item["now"]) for item in past] == [("v3", True), ("v1", False)]
    assert past[0]["commit"]["sha"] == promoted["commit"]
    assert past[1]["commit"]["sha"] == adopted["commit"]
    assert document(capsys, "rollback", "count")["served"]["version"] == "v1"
    assert document(capsys, "verify")["ok"] is True


def test_the_whole_way_in_words(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["adopt", "count@v1", "--message", "Take it in"]) == 0
    assert releases.kit.git("log", "-1", "--format=%s") == "Take it in\n"
    assert run(["promote", "count@v2", "--to", "production"]) == 1
    assert capsys.readouterr().err == (
        "production does not take count@v2 (require: no-regression); it needs\n"
        "  - a canary of count@v2 against v1: there is none yet\n"
        "Next: promptops canary count@v2\n"
    )
    releases.canary("v2", "v1")
    assert run(["promote", "count@v2", "--to", "production"]) == 0
    shown = capsys.readouterr().out
    assert "production now serves count v2 (test/model-1) instead of v1" in shown
    assert "80 cases detect a drop of" in shown
    assert run(["history", "count"]) == 0
    assert "* production  v2  " in capsys.readouterr().out
    assert run(["rollback", "count"]) == 0
    assert "production serves count v1 again, instead of v2" in capsys.readouterr().out


def test_accept_shows_what_changed_and_commits_when_asked(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["adopt", "count@v1"])
    releases.record("v1", wrong=("c7", "c9"))
    assert run(["accept", "count", "--dry-run"]) == 0
    assert run(["accept", "count", "--commit"]) == 0
    shown = capsys.readouterr().out
    assert "c8: fail -> pass" in shown
    assert "accepted 80 outcomes, 2 of them known failures: 0 new, 2 changed" in shown
    assert releases.status() == ""


def test_accept_names_a_diff_that_shows_a_new_file_too(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    """`git diff` alone shows nothing of a file that git does not know."""
    path = "prompts/count/evidence/v2.json"
    assert run(["accept", "count@v2"]) == 0
    command = f"git add -- {path} && git diff --cached -- {path}"
    assert f"review and commit it: {command}" in capsys.readouterr().err
    releases.commit()
    releases.record("v2", wrong=("c9",))
    assert run(["accept", "count@v2"]) == 0
    assert f"review and commit it: git diff -- {path}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda e: e["accepted"]["cases"]["c3"].update(outcome="fail", passes=0), "recordings do not give: c3"),
        (lambda e: e["canaries"][0].update(verdict="pass"), "canaries are not the committed ones, continued"),
        (lambda e: e["canaries"].clear(), "canaries are not the committed ones, continued"),
    ],
)
def test_accept_sweeps_no_other_edit_of_the_evidence_into_its_commit(
    releases: Releases, capsys: pytest.CaptureFixture[str], edit: Any, words: str
) -> None:
    run(["adopt", "count@v1"])
    releases.canary("v3", "v1", verdict="inconclusive")
    assert run(["accept", "count@v3", "--commit"]) == 0
    releases.canary("v3", "v1")  # a further record is no edit
    releases.record("v3", wrong=("c9",))
    path = releases.kit.path / "prompts/count/evidence/v3.json"
    evidence = json.loads(path.read_text())
    edit(evidence)
    path.write_text(json.dumps(evidence))
    before = (path.read_bytes(), releases.kit.git("rev-parse", "HEAD"))
    assert run(["accept", "count@v3", "--case", "c9", "--commit"]) == 1
    assert words in capsys.readouterr().err
    assert (path.read_bytes(), releases.kit.git("rev-parse", "HEAD")) == before


def test_accept_commits_no_edited_recording_and_nothing_where_nothing_changed(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["adopt", "count@v1"])
    head = releases.kit.git("rev-parse", "HEAD")
    assert run(["accept", "count", "--commit"]) == 0
    assert releases.kit.git("rev-parse", "HEAD") == head
    releases.edit("fixtures/count/recordings/v1/test%2Fmodel-1.jsonl", '{\\"n\\": 3}', '{\\"n\\": 4}')
    assert run(["accept", "count", "--commit"]) == 1
    assert "was edited after it was recorded" in capsys.readouterr().err


def test_lint_checks_every_provider_and_the_name_in_every_pin(
    releases: Releases, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.kit.provider("acme", "http://llm.example/v1")
    releases.kit.provider("evil", "https://llm.example/v1", api_key_env="OPENAI_API_KEY")
    assert run(["lint"]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    pyproject = releases.kit.read("pyproject.toml").splitlines()
    where = [pyproject.index(f"[tool.promptops.providers.{name}]") + 1 for name in ("acme", "evil")]
    known = ", ".join(sorted({"acme", "evil", "local", *KNOWN}))
    assert lines[:3] == [f"prompts/count/v{n}.j2:2: no provider is called 'test' (known: {known})" for n in (1, 2, 3)]
    assert [line.split(": ")[0] for line in lines[3:]] == [f"pyproject.toml:{line}" for line in where]
    assert "is not encrypted" in lines[3]
    assert "OPENAI_API_KEY goes to api.openai.com only" in lines[4]


def test_diff_shows_template_messages_and_outputs(releases: Releases, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["diff", "count@v1", "count@v2"]) == 0
    assert "-{% user %}Version 1: {{ text }}{% enduser %}" in capsys.readouterr().out
    first = releases.kit.read("prompts/count/v1.j2")
    for version, params in (("v3", "{temperature: 0.0, max_tokens: 8}"), ("v4", "{max_tokens: 8, temperature: 0.0}")):
        releases.kit.write(f"prompts/count/{version}.j2", first.replace("---\n{%", f"params: {params}\n---\n{{%"))
    assert run(["diff", "count@v3", "count@v4"]) == 0
    assert "max_tokens" not in capsys.readouterr().out  # an order that nobody sends is no difference
    assert run(["diff", "count@v1", "count@v2", "--rendered", "--case", "c5"]) == 0
    assert "+Version 2: the number 5" in capsys.readouterr().out
    rows = document(capsys, "diff", "count@v1", "count@v2", "--outputs")["cases"]
    assert [(row["case"], row["old"], row["new"]) for row in rows] == [("c7", "fail", "pass")]
    assert rows[0]["differences"][0]["path"] == "root['n']"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["diff", "count@v1", "other@v1"], "no prompt named 'other'"),
        (["diff", "count", "count@v1"], ""),
        (["diff", "count@v1", "count@v2", "--rendered"], "--rendered needs --case ID"),
        (["diff", "count@v1", "count@v2", "--rendered", "--case", "c999"], "has no case 'c999'"),
        (["history", "cout"], "no prompt named 'cout', did you mean 'count'"),
        (["verify", "cout"], "no prompt named 'cout', did you mean 'count'"),
        (["accept", "all"], "does not name one prompt"),
        (["promote", "count@v2", "--to", "production", "--override", " "], "--override needs a reason"),
        (["bump", "cout"], "did you mean 'count'"),
        (["new", "build"], "cannot be the name of a prompt"),
        (["new", "count"], "exists already: a further version is promptops bump count"),
    ],
)
def test_what_makes_no_sense_is_told(
    releases: Releases, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if words:
        assert run(arguments) == 2
        assert words in capsys.readouterr().err


def test_init_makes_a_project_that_lints_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "mine"')
    (tmp_path / ".gitignore").write_text("*.log")
    assert run(["init", "--name", "reviews"]) == 0
    assert (tmp_path / "pyproject.toml").read_text().startswith('[project]\nname = "mine"\n\n[tool.promptops]\n')
    assert (tmp_path / ".gitignore").read_text() == "*.log\n.promptops/\n"
    assert "fixtures/**/recordings/** text eol=lf linguist-generated" in (tmp_path / ".gitattributes").read_text()
    assert "pytest --promptops --promptops-mode new" in capsys.readouterr().err
    assert run(["lint"]) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert run(["init"]) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "wrote" not in capsys.readouterr().out


def test_init_keeps_a_virtual_environment_out_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/pyvenv.cfg").write_text("")
    subprocess.run(["git", "init", "-q"], check=True)
    assert run(["init"]) == 0
    subprocess.run(["git", "add", "."], check=True)
    staged = subprocess.run(["git", "diff", "--cached", "--name-only"], check=True, capture_output=True, text=True)
    assert ".venv" not in staged.stdout
    assert "prompts/sentiment/v1.j2" in staged.stdout


def test_new_and_bump_write_the_next_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kit = TemporaryProject(tmp_path)
    kit.write("prompts/.keep", "")
    monkeypatch.chdir(tmp_path)
    assert document(capsys, "new", "summary")["written"] == [
        "prompts/summary/v1.j2", "prompts/summary/prompt.yaml", "fixtures/summary/cases.jsonl",
    ]  # fmt: skip
    assert document(capsys, "bump", "summary")["version"] == "v2"
    assert kit.read("prompts/summary/v2.j2") == kit.read("prompts/summary/v1.j2")
    (tmp_path / "prompts/summary/v2.j2").unlink()
    kit.write("prompts/summary/released/v7.json", "{}")
    assert document(capsys, "bump", "summary")["version"] == "v8"
    assert run(["lint"]) == 0


MALFORMED = ["", "[", "format: 1\nenvironments: []\n", "format: 1\nfoo: 1\n", "\x00", "a: *b\n", "- 1\n", "[" * 300]


@pytest.mark.parametrize("text", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("command", ["verify", "rollback count", "history count", "promote count@v1 --to production"])
def test_a_malformed_manifest_ends_no_command_in_a_traceback(
    releases: Releases, text: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    releases.kit.write("prompts/manifest.yaml", text)
    assert run(command.split()) == (1 if command == "verify" else 2)
    captured = capsys.readouterr()
    assert "prompts/manifest.yaml" in captured.out + captured.err
    assert "bug" not in captured.err
