"""`promptops schedule` and `promptops estimate`."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptops.cli.main import run
from promptops.testing import TemporaryProject
from tests.cli.world import CASES, World


def workflow(capsys: pytest.CaptureFixture[str], *options: str) -> dict[Any, Any]:
    assert run(["schedule", "github", *options]) == 0
    return yaml.safe_load(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_the_workflow_is_yaml_that_asks_at_night_with_keys_from_secrets(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder).provider("acme", "https://acme.example/v1", api_key_env="ACME_API_KEY")
    found = workflow(capsys, "--at", "04:05", "--env", "staging")
    job = found["jobs"]["drift"]
    (step,) = [step for step in job["steps"] if step.get("id") == "drift"]
    assert found[True]["schedule"] == [{"cron": "5 4 * * *"}]  # YAML 1.1 reads `on` as true
    assert step["env"]["ACME_API_KEY"] == "${{ secrets.ACME_API_KEY }}"
    assert "promptops drift --env staging" in step["run"]
    assert all(re.fullmatch(r"actions/\w+(-\w+)*@v\d+", s["uses"]) for s in job["steps"] if "uses" in s)
    assert found["permissions"] == {"contents": "read", "issues": "write"}


def test_writing_does_not_overwrite_an_edited_workflow(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = TemporaryProject(in_folder)
    files.git_init()
    assert run(["schedule", "github", "--write"]) == 0
    path = in_folder / ".github/workflows/promptops-drift.yml"
    assert yaml.safe_load(path.read_text())
    assert run(["schedule", "github", "--write"]) == 0
    path.write_text("mine")
    assert run(["schedule", "github", "--write"]) == 2
    assert path.read_text() == "mine"


def test_the_cron_line_has_absolute_paths_and_a_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = TemporaryProject(tmp_path / "my 50% project").path
    monkeypatch.chdir(folder)
    assert run(["schedule", "cron", "--at", "23:59"]) == 0
    line = capsys.readouterr().out.strip()
    assert line.startswith("59 23 * * * cd ")
    words = shlex.split(line.replace("\\%", "%"))
    assert words[6] == str(folder)
    assert "flock" in words
    assert re.search(r"(?<!\\)%", line) is None  # cron takes a bare % for a line feed


@pytest.mark.parametrize(
    "arguments", [["jenkins"], ["cron", "--at", "25:00"], ["cron", "--write"], ["cron", "--at", "x"]]
)
def test_what_makes_no_sense_is_refused(in_folder: Path, arguments: list[str]) -> None:
    TemporaryProject(in_folder)
    assert run(["schedule", *arguments]) == 2


def test_an_estimate_says_cost_and_what_can_be_detected(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.files.config('[tool.promptops.prices]\n"test/model-1" = [1.0, 1.0]')
    assert run(["estimate", "greet@v1"]) == 0
    out = capsys.readouterr().out
    assert f"{CASES} requests" in out
    assert "at most $" in out
    assert "REGRESS finds a drop of" in out
    assert not world.server.count
    assert run(["estimate", "greet@v1", "--json", "--limit", "40"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["requests"], found["canary"]["cases"], found["canary"]["least_cases"]) == (40, 40, 59)
    assert found["worst_case"] > 0
    assert run(["estimate", "greet@v1", "--limit", "40"]) == 0
    assert "at least 59 cases are needed for any PASS: add 19" in capsys.readouterr().out


def test_an_unknown_price_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "greet@v1"]) == 0
    assert "no price for test/model-1" in capsys.readouterr().out
