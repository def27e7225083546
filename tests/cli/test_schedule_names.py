"""What stands in a job by its name only: a folder, an environment or an image is never a command of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptops.cli.main import run
from promptops.testing import TemporaryProject

CI = ("github", "gitlab", "kubernetes")
HOSTILE = ("$(touch ran)", "a; touch ran", "`touch ran`", "${{ github.token }}", "a: b", "a #b", "'x", "a\nb", "{a, b}")


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, toml: str = "") -> TemporaryProject:
    files = TemporaryProject(folder)
    files.config(toml)
    monkeypatch.chdir(files.path)
    return files


def written(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    assert run(["schedule", *options]) == 0
    (found,) = [each for each in yaml.safe_load_all(capsys.readouterr().out) if each]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", CI)
def test_a_log_in_a_folder_that_a_shell_or_yaml_reads_otherwise_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str, name: str
) -> None:
    project(tmp_path, monkeypatch, f"[tool.promptops.drift]\nstate = {yaml.safe_dump(name, default_style=chr(34))}")
    assert run(["schedule", where]) == 2
    said = capsys.readouterr()
    assert ("is to have letters, digits, blanks" in said.err, said.out) == (True, "")


@pytest.mark.parametrize("where", CI)
def test_a_project_in_such_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    (tmp_path / ".git").mkdir()
    project(tmp_path / "my $(touch ran)", monkeypatch)
    assert run(["schedule", where]) == 2
    assert "the project's folder, 'my $(touch ran)'" in capsys.readouterr().err


@pytest.mark.parametrize("where", [*CI, "cron", "systemd"])
def test_an_environment_is_no_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    project(tmp_path, monkeypatch)
    assert run(["schedule", where, "--env", "production; touch ran"]) == 2
    assert "'production; touch ran' is no name of an environment" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["gitlab", "kubernetes"])
def test_an_image_is_the_name_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    project(tmp_path, monkeypatch)
    assert run(["schedule", where, "--image", "x: [ #"]) == 2
    assert run(["schedule", where, "--image", "registry.example:5000/a/b:1@sha256:0a"]) == 0


@pytest.mark.parametrize("where", ["github", "cron", "systemd"])
def test_an_image_for_a_job_without_a_container_is_said_to_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    project(tmp_path, monkeypatch)
    assert run(["schedule", where, "--image", "prompts:1"]) == 2
    assert "--image is for gitlab and kubernetes" in capsys.readouterr().err


@pytest.mark.parametrize("state", ["/var/lib/drift", "../drift"])
def test_what_a_job_keeps_is_below_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    project(tmp_path, monkeypatch, f'[tool.promptops.drift]\nstate = "{state}"')
    assert run(["schedule", "github"]) == 2
    assert "is not below the project" in capsys.readouterr().err
    assert run(["schedule", "github", "--keep", "branch"]) == 0


def test_a_folder_with_a_blank_is_one_folder_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".git").mkdir()
    project(tmp_path / "my prompts", monkeypatch, '[tool.promptops.drift]\nstate = "the log"')
    github = written(capsys, "github", "--keep", "artifact")["jobs"]["drift"]
    assert github["defaults"]["run"]["working-directory"] == "my prompts"
    steps = {step.get("id"): step for step in github["steps"]}
    assert steps["drift"]["env"]["PROMPTOPS_DRIFT_STATE"] == "the log"
    assert "--dir 'the log'; fi" in steps["log"]["run"]
    gitlab = written(capsys, "gitlab")["promptops-drift"]
    assert gitlab["cache"]["paths"] == ["my prompts/the log"]
    enter = ["bash", "-c", f"{gitlab['before_script'][0]} && pwd"]
    done = subprocess.run(enter, cwd=tmp_path, text=True, capture_output=True, check=True)
    assert done.stdout.strip() == os.path.realpath(tmp_path / "my prompts")


@pytest.mark.parametrize("state", ["1.5", "null", "yes", "- x", "@x"])
def test_a_folder_is_text_whatever_yaml_takes_it_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    project(tmp_path, monkeypatch, f'[tool.promptops.drift]\nstate = "{state}"')
    job = written(capsys, "gitlab")["promptops-drift"]
    assert job["variables"]["PROMPTOPS_DRIFT_STATE"] == state


def test_a_line_for_cron_has_less_than_the_thousand_characters_that_crontabs_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project(tmp_path / ("a-folder-with-a-long-name" * 8), monkeypatch)
    monkeypatch.setattr("sys.executable", f"/{'opt/' * 30}python")
    assert run(["schedule", "cron"]) == 0
    lines = capsys.readouterr().out.splitlines()[-2:]
    assert all(line[0].isdigit() and len(line) < 1000 for line in lines)
