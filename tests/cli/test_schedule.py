"""`promptops schedule` and `promptops estimate`."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
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
    assert found[True]["schedule"] == [{"cron": "5 4 * * *"}, {"cron": "35 * * * *"}]  # YAML 1.1 reads `on` as true
    assert step["env"]["ACME_API_KEY"] == "${{ secrets.ACME_API_KEY }}"
    assert "promptops drift --env staging" in step["run"]
    assert all(re.fullmatch(r"actions/\w+([-/]\w+)*@v\d+", s["uses"]) for s in job["steps"] if "uses" in s)
    assert found["permissions"] == {"contents": "read", "issues": "write", "actions": "read"}


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
    *comments, line, hourly = capsys.readouterr().out.splitlines()
    assert all(comment.startswith("# ") for comment in comments)
    assert hourly.startswith("29 * * * * cd ")
    assert line.startswith("59 23 * * * cd ")
    words = shlex.split(line.replace("\\%", "%"))
    assert words[6] == str(folder)
    assert "flock" in words
    assert re.search(r"(?<!\\)%", line) is None  # cron takes a bare % for a line feed


def documents(capsys: pytest.CaptureFixture[str], *options: str) -> list[Any]:
    assert run(["schedule", *options]) == 0
    return [document for document in yaml.safe_load_all(capsys.readouterr().out) if document]


@pytest.mark.parametrize("keep", ["cache", "branch", "artifact"])
def test_a_workflow_keeps_the_log_and_its_shell_parses(
    in_folder: Path, capsys: pytest.CaptureFixture[str], keep: str
) -> None:
    TemporaryProject(in_folder)
    steps = workflow(capsys, "--keep", keep)["jobs"]["drift"]["steps"]
    names = " ".join(json.dumps(step) for step in steps)
    assert {"cache": "actions/cache/save", "branch": "git push", "artifact": "upload-artifact"}[keep] in names
    for step in steps:
        if "run" in step:
            done = subprocess.run(["bash", "-n"], input=step["run"], text=True, capture_output=True, check=False)
            assert (done.returncode, done.stderr) == (0, "")
    (step,) = [step for step in steps if step.get("id") == "drift"]
    assert "--require-state" in step["run"]
    assert "0|1|10|11) ;;" in step["run"]


@pytest.mark.parametrize("keep", ["cache", "artifact"])
def test_a_gitlab_job_keeps_the_log_and_opens_one_issue(
    in_folder: Path, capsys: pytest.CaptureFixture[str], keep: str
) -> None:
    TemporaryProject(in_folder)
    (found,) = documents(capsys, "gitlab", "--keep", keep)
    job = found["promptops-drift"]
    assert ("cache" in job) == (keep == "cache")
    script = "\n".join(job["script"])
    assert "labels=promptops-drift" in script
    assert ("jobs/artifacts" in script) == (keep == "artifact")
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_cron_jobs_of_kubernetes_share_a_volume_and_never_fail_for_an_outage(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder)
    claim, night, hourly = documents(capsys, "kubernetes", "--at", "04:05", "--image", "registry.example/prompts:1")
    assert (claim["kind"], night["kind"], hourly["kind"]) == ("PersistentVolumeClaim", "CronJob", "CronJob")
    assert (night["spec"]["schedule"], hourly["spec"]["schedule"]) == ("5 4 * * *", "35 * * * *")
    (container,) = night["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/prompts:1"
    (script,) = container["args"]
    for code, ends in ((0, 0), (1, 0), (10, 0), (11, 0), (2, 2), (70, 70)):
        stub = f"promptops() {{ return {code}; }}\n{script}"
        assert subprocess.run(["sh", "-c", stub], check=False).returncode == ends


def test_cron_jobs_read_their_keys_from_a_file_and_run_in_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = TemporaryProject(tmp_path / "my 50% project").path
    monkeypatch.chdir(folder)
    assert run(["schedule", "cron"]) == 0
    command = capsys.readouterr().out.splitlines()[-1].split(" ", 5)[5].replace("\\%", "%")
    (folder / ".promptops").mkdir(exist_ok=True)
    (folder / ".promptops/drift.env").write_text("ACME_API_KEY='a b'\n")
    told = 'flock() { printf %s "$2: "; env | grep ACME_API_KEY; }'
    before = command.partition(" >> ")[0]
    done = subprocess.run(["sh", "-c", f"{told}\n{before}"], text=True, capture_output=True, check=True)
    assert done.stdout == f"{folder}/.promptops/drift.lock: ACME_API_KEY=a b\n"


def test_units_of_systemd_count_an_outage_as_success(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TemporaryProject(in_folder)
    assert run(["schedule", "systemd", "--at", "04:05"]) == 0
    out = capsys.readouterr().out
    assert "OnCalendar=*-*-* 04:05:00" in out
    assert out.count("SuccessExitStatus=1 10 11") == 2
    assert f"WorkingDirectory={in_folder}" in out


@pytest.mark.parametrize("where", ["github", "gitlab"])
def test_a_job_keeps_a_folder_where_the_project_keeps_the_log_in_its_run_store(
    in_folder: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    TemporaryProject(in_folder).config('[tool.promptops.drift]\nstate = "store"')
    assert run(["schedule", where]) == 0
    assert "PROMPTOPS_DRIFT_STATE: .promptops/drift\n" in capsys.readouterr().out


def test_the_secrets_of_the_webhook_are_named(in_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    TemporaryProject(in_folder).config('[tool.promptops.drift.webhook]\nkind = "slack"\nurl_env = "SLACK_URL"')
    (step,) = [s for s in workflow(capsys)["jobs"]["drift"]["steps"] if s.get("id") == "drift"]
    assert step["env"]["SLACK_URL"] == "${{ secrets.SLACK_URL }}"


@pytest.mark.parametrize(
    "arguments",
    [["jenkins"], ["cron", "--keep", "branch"], ["cron", "--at", "25:00"], ["cron", "--write"], ["cron", "--at", "x"]],
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
