from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from promptops.cli.commands._shared import colour, say_lines
from promptops.cli.main import run
from promptops.cli.table import COMMANDS
from promptops.reporting.lines import Line
from promptops.testing import TemporaryProject

PROMPTOPS = [sys.executable, "-m", "promptops.cli.main"]
HEAVY = ["httpx", "pydantic", "git", "deepdiff", "jinja2", "rich", "yaml", "pytest"]


def call(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROMPTOPS, *arguments], cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"]])
def test_starting_up_imports_nothing_heavy(arguments: list[str], tmp_path: Path) -> None:
    code = f"import sys; from promptops.cli.main import run; run({arguments!r}); "
    code += f"print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("entry", COMMANDS, ids=[entry.name for entry in COMMANDS])
def test_every_command_is_there_and_its_help_shows_an_example(
    entry: object, capsys: pytest.CaptureFixture[str]
) -> None:
    name = entry.name  # type: ignore[attr-defined]
    for option in ("--help", "-h"):
        assert run([name, option]) == 0
        shown = capsys.readouterr().out
        assert f"promptops {name}" in shown
        assert f"$ promptops {name}" in shown or "Commands:" in shown


BELOW: dict[str, tuple[str, ...]] = {
    "cache": ("stats", "clear"),
    "drift": ("check", "accept", "calibrate", "status", "history"),
    "judge": ("calibrate", "list"),
    "models": ("pull", "list"),
}
EVERY = [[entry.name] for entry in COMMANDS] + [[name, inner] for name, found in BELOW.items() for inner in found]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_help_fits_80_columns_and_shows_an_example(
    words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*words, "--help"]) == 0
    shown = capsys.readouterr().out
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    assert f"$ promptops {words[0]}" in shown


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert [entry.name for entry in COMMANDS if f"  {entry.name} " not in shown] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["promot"], "No such command 'promot'. Did you mean 'promote'?"),
        (["promote"], "Missing argument 'NAME@vN'"),
        (["promote", "booking@v1", "--too", "x"], "No such option"),
        (["promote", "booking", "--to", "production"], "'booking' does not name one version: write promptops promote"),
    ],
)
def test_a_wrong_command_line_is_told_and_ends_in_2(
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["list", "verify", "lint", "history booking", "rollback booking"])
def test_outside_a_project_it_says_how_to_start_one(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(name.split()) == 2
    captured = capsys.readouterr()
    assert "promptops init" in captured.err
    assert captured.out == ""


def test_a_bug_ends_in_70_with_a_report_that_holds_no_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kit = TemporaryProject(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACME_API_KEY", "sk-planted-0123456789")

    def explode(*_: object) -> None:
        raise RuntimeError("it broke near sk-planted-0123456789 \x1b[31m")

    monkeypatch.setattr("promptops.release.verify.verify", explode)
    monkeypatch.setattr("promptops.cli.commands._shared.current_project", lambda: kit.project)
    assert run(["verify", "sk-planted-0123456789"]) == 70
    error = capsys.readouterr().err
    report = next((tmp_path / ".promptops/bugs").glob("*.txt"))
    assert str(report) in error
    text = report.read_text()
    assert "Traceback" in text
    assert "RuntimeError" in text
    assert "sk-planted" not in text + error
    assert "\x1b" not in error


def test_ctrl_c_ends_in_130_quietly(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    TemporaryProject(tmp_path)
    monkeypatch.chdir(tmp_path)

    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr("promptops.release.verify.verify", interrupted)
    assert run(["verify"]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away_is_neither_an_error_nor_a_regression(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*PROMPTOPS, "--help"], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.stderr, done.returncode) == (b"", 141)


def test_json_is_one_document_on_standard_output_and_the_rest_is_elsewhere(tmp_path: Path) -> None:
    kit = TemporaryProject(tmp_path)
    kit.prompt("booking", versions={"v1": "Hello {{ name }}"})
    done = call(tmp_path, "verify", "--json")
    assert json.loads(done.stdout)["ok"] is True
    assert (done.returncode, done.stderr) == (0, "")


def test_hostile_text_of_a_file_is_harmless_in_an_error(tmp_path: Path) -> None:
    kit = TemporaryProject(tmp_path)
    kit.write("prompts/manifest.yaml", "format: 1\n'\\e[31mred\x07': 1\n")
    done = call(tmp_path, "rollback", "booking")
    assert done.returncode == 2
    assert "\x1b" not in done.stderr + done.stdout
    assert "\x07" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["show", "{key}"], ["run", "a@v1", "--mode", "{key}"], ["--{key}"], ["{key}"]])
def test_a_key_among_the_arguments_is_not_shown_again(
    arguments: list[str], in_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder).prompt("a", versions={"v1": "{{ text }}"})
    key = "sk-planted-0123456789"
    monkeypatch.setenv("ACME_API_KEY", key)
    assert run([argument.format(key=key) for argument in arguments]) == 2
    assert key not in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_can_and_people_who_want_it(
    environ: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TERM": "xterm", "NO_COLOR": "", **environ}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert colour() is coloured
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert colour() is False


def test_lines_of_a_report_are_broken_where_a_terminal_is_narrower(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = [Line("  " + "word " * 20, "good"), Line("   CHANGED ┤▃  █")]
    say_lines(report)
    assert capsys.readouterr().out.count("\n") == 2
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    say_lines(report)
    lines = capsys.readouterr().out.splitlines()
    assert [len(line) <= 60 for line in lines] == [True, True, True]
    assert lines[1].startswith("      word")
    assert lines[2] == "   CHANGED ┤▃  █"
