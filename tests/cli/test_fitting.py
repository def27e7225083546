"""What is longer than the model takes is not sent; what was cut is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from promptops.cli.main import run
from promptops.testing import Answer, LoopbackServer, TemporaryProject

CHECKS = "checks: [{contains: 'yes'}]\n"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(lambda asked: Answer("yes", finish_reason="length")) as running:
        yield running


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: LoopbackServer) -> TemporaryProject:
    files = TemporaryProject(tmp_path)
    files.config(
        f'[tool.promptops.providers.test]\nbase_url = "{server.base_url}"\nretries = 0\n'
        '[tool.promptops.providers.test.models."model-1"]\ncontext_window = 300\n'
    )
    version = "---\nmodel: test/model-1\nparams: {max_tokens: 100}\n---\n{{ text }}"
    files.prompt("p", versions={"v1": version}, yaml=CHECKS)
    rows = [{"id": "short", "inputs": {"text": "hello"}}, {"id": "long", "inputs": {"text": "word " * 500}}]
    files.dataset("p", rows)
    monkeypatch.chdir(tmp_path)
    return files


def test_a_prompt_that_is_too_long_is_a_failure_before_it_is_sent(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "p@v1", "--mode", "live", "--no-evidence"]) == 10
    out = capsys.readouterr().out
    assert server.count == 1
    assert "about 507 tokens in the prompt (estimate) and max_tokens 100 are more than the 300 that test/model-1" in out
    assert "1 reply was cut: at max_tokens or at the end of the context" in out


def test_estimate_says_how_long_the_prompts_are_and_which_are_too_long(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["estimate", "p@v1"]) == 0
    expected = (
        "prompts: about 8 tokens each, 8 in 1 (an estimate); the model takes 300; 1 longer than that are not sent"
    )
    assert expected in capsys.readouterr().out
    assert run(["estimate", "p@v1", "--online", "--json"]) == 0
    prompts = json.loads(capsys.readouterr().out)[0]["prompts"]
    assert (prompts["tokens"], prompts["exact"], prompts["by"], prompts["too_long"]) == (8, False, "estimate", 1)
    assert server.count == 0


def test_lint_finds_it_too(files: TemporaryProject, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lint"]) == 1
    assert "more than the 300 that test/model-1 takes (1 of the first 2 cases)" in capsys.readouterr().out


def test_what_is_recorded_is_replayed_whatever_its_length(
    files: TemporaryProject, server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    text = files.read("pyproject.toml")
    files.write("pyproject.toml", text.replace("context_window = 300", "context_window = 9000"))
    assert run(["run", "p@v1", "--no-evidence"]) == 0
    files.write("pyproject.toml", text)
    assert run(["run", "p@v1", "--mode", "replay", "--no-evidence"]) == 0
    assert "2 replies were cut" in capsys.readouterr().out
