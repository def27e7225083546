"""`promptops schedule` and `promptops estimate`."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from promptops.cli.main import run
from promptops.cli.schedules.needs import needs_of
from promptops.config import Config
from promptops.models import Pin
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
    assert all(re.fullmatch(r"actions/\w+([-/]\w+)*@[0-9a-f]{40}", s["uses"]) for s in job["steps"] if "uses" in s)
    assert found["permissions"] == {"contents": "read", "issues": "write"}
    assert (job["timeout-minutes"], found["concurrency"]) == (90, "promptops-drift")


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
    assert line.startswith("59 23 * * * cd ")
    assert hourly.startswith("29 * * * * cd ")
    words = shlex.split(line.replace("\\%", "%"))
    assert words[6] == str(folder)
    assert re.search(r"(?<!\\)%", line) is None  # cron takes a bare % for a line feed


def documents(capsys: pytest.CaptureFixture[str], *options: str) -> list[Any]:
    assert run(["schedule", *options]) == 0
    return [document for document in yaml.safe_load_all(capsys.readouterr().out) if document]


def parses(script: str) -> bool:
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    return (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("keep", ["cache", "branch", "artifact", "store"])
def test_a_workflow_keeps_the_log_and_its_shell_parses(
    in_folder: Path, capsys: pytest.CaptureFixture[str], keep: str
) -> None:
    TemporaryProject(in_folder)
    found = workflow(capsys, "--keep", keep)
    steps = found["jobs"]["drift"]["steps"]
    names = " ".join(json.dumps(step) for step in steps)
    kept = {"cache": "actions/cache/save", "branch": "git push", "artifact": "upload-artifact", "store": "[postgres]"}
    assert kept[keep] in names
    assert all(parses(step["run"]) for step in steps if "run" in step)
    assert found["permissions"]["contents"] == ("write" if keep == "branch" else "read")
    assert found["permissions"].get("actions") == ("read" if keep == "artifact" else None)
    (step,) = [step for step in steps if step.get("id") == "drift"]
    assert "--require-state" in step["run"]
    assert "0|1|10|11) ;;" in step["run"]
    assert step["env"]["PROMPTOPS_ISSUES_TOKEN"] == "${{ github.token }}"
    assert ("secrets.PROMPTOPS_DRIFT_STATE" in names) == (keep == "store")


@pytest.mark.parametrize("keep", ["cache", "artifact", "store"])
def test_a_gitlab_job_keeps_the_log(in_folder: Path, capsys: pytest.CaptureFixture[str], keep: str) -> None:
    TemporaryProject(in_folder)
    (found,) = documents(capsys, "gitlab", "--keep", keep)
    job = found["promptops-drift"]
    assert (("cache" in job), ("artifacts" in job)) == (keep == "cache", keep == "artifact")
    assert job["allow_failure"] == {"exit_codes": [10, 11]}
    assert all(parses("\n".join(job[part])) for part in ("before_script", "script"))
    assert ("jobs/artifacts" in "\n".join(job["script"])) == (keep == "artifact")
    assert ("variables" in job) == (keep != "store")


def _bash(script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **variables}
    return subprocess.run(
        ["bash", "-e", "-c", script], env=env, cwd=folder, text=True, capture_output=True, check=False
    )


_STUBS = """\
pip() { return "$PIP"; }
sleep() { echo "slept $1"; }
promptops() { echo "promptops $*"; return "$CODE"; }
"""


@pytest.mark.parametrize(("code", "ends"), [("0", 0), ("1", 0), ("10", 10), ("11", 11), ("2", 2), ("70", 70)])
def test_a_gitlab_job_is_red_for_a_mistake_and_a_warning_for_an_outage(
    in_folder: Path, capsys: pytest.CaptureFixture[str], code: str, ends: int
) -> None:
    TemporaryProject(in_folder)
    (found,) = documents(capsys, "gitlab")
    job = found["promptops-drift"]
    script = "\n".join([_STUBS, *job["before_script"], *job["script"]])
    assert _bash(script, in_folder, PIP="0", CODE=code, PROMPTOPS_DRIFT="night").returncode == ends
    out = _bash(script, in_folder, PIP="1", CODE=code, PROMPTOPS_DRIFT="night")
    assert out.returncode == 10
    assert "the package mirror is out" in out.stdout
    assert out.stdout.count("slept") == 3
    assert "promptops" not in out.stdout.replace("pytest-promptops", "")


@pytest.mark.parametrize(("code", "kept", "ends"), [("10", True, 0), ("10", False, 10), ("1", True, 0), ("2", True, 2)])
def test_a_gitlab_job_whose_artifact_is_lost_shows_it(
    in_folder: Path, capsys: pytest.CaptureFixture[str], code: str, kept: bool, ends: int
) -> None:
    TemporaryProject(in_folder).write(".promptops/drift/state.jsonl" if kept else "other", "")
    (found,) = documents(capsys, "gitlab", "--keep", "artifact")
    script = f"{_STUBS}{found['promptops-drift']['script'][-1]}"
    state = found["promptops-drift"]["variables"]["PROMPTOPS_DRIFT_STATE"]
    assert _bash(script, in_folder, CODE=code, PROMPTOPS_DRIFT="night", PROMPTOPS_DRIFT_STATE=state).returncode == ends


@pytest.mark.parametrize(("code", "ends"), [("0", 0), ("1", 0), ("10", 0), ("11", 0), ("2", 2), ("70", 70)])
def test_a_workflow_is_red_for_a_mistake_and_never_for_an_outage(
    in_folder: Path, capsys: pytest.CaptureFixture[str], code: str, ends: int
) -> None:
    TemporaryProject(in_folder)
    steps = workflow(capsys)["jobs"]["drift"]["steps"]
    (install,) = [step for step in steps if step.get("id") == "install"]
    (step,) = [step for step in steps if step.get("id") == "drift"]
    assert install["continue-on-error"] is True
    assert "steps.install.outcome == 'success'" in step["if"]
    assert _bash(_STUBS + install["run"], in_folder, PIP="1", CODE="0").returncode == 1
    assert _bash(_STUBS + install["run"], in_folder, PIP="0", CODE="0").returncode == 0
    files = {name: str(in_folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    done = _bash(_STUBS + step["run"], in_folder, CODE=code, CALIBRATE="false", **files)
    assert done.returncode == ends
    assert (in_folder / "GITHUB_OUTPUT").read_text() == f"code={code}\n"
    assert "promptops drift --env production --require-state" in (in_folder / "GITHUB_STEP_SUMMARY").read_text()


def test_a_log_in_a_branch_of_its_own_is_begun_kept_and_never_overwritten(
    in_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = TemporaryProject(in_folder)
    files.git_init()
    steps = workflow(capsys, "--keep", "branch")["jobs"]["drift"]["steps"]
    (fetch,) = [step["run"] for step in steps if step.get("id") == "log"]
    (keep,) = [step["run"] for step in steps if step.get("name") == "Keep the log"]
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "--quiet", "--bare", str(in_folder), str(remote)], check=True)

    def job(number: int, between: str = "", line: str = "") -> subprocess.CompletedProcess[str]:
        work, temp = tmp_path / f"work{number}", tmp_path / f"temp{number}"
        temp.mkdir()
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", f"file://{remote}", str(work)], check=True)
        change = f'echo "{line}" >> "$RUNNER_TEMP/promptops-drift/state.jsonl"\n' if line else ""
        steps = f"{_STUBS}( {fetch}\n)\n{change}{between}\n( {keep}\n)"
        return _bash(steps, work, RUNNER_TEMP=str(temp), GITHUB_RUN_ID=str(number), HOME=str(tmp_path))

    def kept() -> str:
        show = ["git", "--git-dir", str(remote), "show", "promptops-drift:state.jsonl"]
        return subprocess.run(show, text=True, capture_output=True, check=False).stdout

    assert job(1).returncode == 0  # nothing to keep yet
    refs = subprocess.run(["git", "--git-dir", str(remote), "branch"], text=True, capture_output=True, check=True)
    assert "promptops-drift" not in refs.stdout
    assert job(2, line="one").returncode == 0
    assert job(3, line="two").returncode == 0
    assert kept() == "one\ntwo\n"
    listed = ["git", "--git-dir", str(remote), "ls-tree", "-r", "--name-only", "promptops-drift"]
    assert subprocess.run(listed, text=True, capture_output=True, check=True).stdout == "state.jsonl\n"
    racer = tmp_path / "racer"
    race = (
        f"git clone -q -b promptops-drift file://{remote} {racer}; "
        f"git -C {racer} -c user.name=a -c user.email=a@a.example commit -q --allow-empty -m race; "
        f"git -C {racer} push -q"
    )
    lost = job(4, between=race, line="three")
    assert (lost.returncode, kept()) == (0, "one\ntwo\n")
    assert "::warning title=promptops drift::somebody else pushed" in lost.stdout
    out = job(5, between=f"mv {remote} {remote}.away", line="three")
    assert out.returncode == 0
    assert "::warning title=promptops drift::git is out" in out.stdout
    Path(f"{remote}.away").rename(remote)
    hook = remote / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    refused = job(6, line="three")
    assert refused.returncode == 1
    assert "::error title=promptops drift::the branch promptops-drift cannot be pushed" in refused.stdout


def ends_in(script: str, code: int, state: Path | None) -> int:
    """What the script of a container ends in where the check ends in `code`, and its log is in a folder, or lost."""
    if state is not None:
        (state / "state.jsonl").touch()
    env = {**os.environ, "PROMPTOPS_DRIFT_STATE": str(state or "/nowhere")}
    return subprocess.run(["sh", "-c", f"promptops() {{ return {code}; }}\n{script}"], env=env, check=False).returncode


def test_cron_jobs_of_kubernetes_share_a_volume_and_never_fail_for_an_outage(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder)
    claim, night, hourly = documents(capsys, "kubernetes", "--at", "04:05", "--image", "registry.example/prompts:1")
    assert (claim["kind"], night["kind"], hourly["kind"]) == ("PersistentVolumeClaim", "CronJob", "CronJob")
    assert (night["spec"]["schedule"], hourly["spec"]["schedule"]) == ("5 4 * * *", "35 * * * *")
    (container,) = night["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example/prompts:1"
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert night["spec"]["concurrencyPolicy"] == "Forbid"
    assert {"name": "PROMPTOPS_DRIFT_STATE", "value": "/work/.promptops/drift"} in container["env"]
    (mount, _) = container["volumeMounts"]
    assert mount == {"name": "store", "mountPath": "/work/.promptops"}
    (script,) = container["args"]
    assert (ends_in(script, 10, in_folder), ends_in(script, 10, None)) == (0, 10)  # an outage; a log that is lost
    for code, ends in ((0, 0), (1, 0), (10, 0), (11, 0), (2, 2), (70, 70)):
        assert ends_in(script, code, in_folder) == ends


@pytest.mark.parametrize(("code", "mails"), [("0", False), ("1", False), ("10", False), ("11", False), ("2", True)])
def test_cron_jobs_read_their_keys_from_a_file_and_mail_only_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: str, mails: bool
) -> None:
    folder = TemporaryProject(tmp_path / "my 50% project's").path
    monkeypatch.chdir(folder)
    program = folder / "bin" / "promptops"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*: $ACME_API_KEY" && exit {code}\n')
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program.with_name("python")))
    assert run(["schedule", "cron"]) == 0
    night = capsys.readouterr().out.splitlines()[-2].split(" ", 5)[5].replace("\\%", "%")
    (folder / ".promptops").mkdir(exist_ok=True)
    (folder / ".promptops/drift.env").write_text("ACME_API_KEY='a b'\n")
    done = subprocess.run(
        ["sh", "-c", night], env={"PATH": "/usr/bin:/bin"}, text=True, capture_output=True, check=True
    )
    said = "drift --env production --require-state: a b\n"
    assert (folder / ".promptops/drift.log").read_text() == said
    assert (done.stdout, done.stderr) == (f"promptops drift ended in {code}\n{said}" if mails else "", "")


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


def test_a_cron_job_of_kubernetes_needs_no_volume_where_the_log_is_in_a_postgresql(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder)
    night, _ = documents(capsys, "kubernetes", "--keep", "store")
    pod = night["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["volumes"][0] == {"name": "store", "emptyDir": {}}
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "promptops-keys"}}]


def test_an_address_in_pyproject_is_where_a_job_keeps_the_log(
    in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TemporaryProject(in_folder).config('[tool.promptops.drift]\nstate = "postgresql://u@db.example/x"')
    (step,) = [s for s in workflow(capsys)["jobs"]["drift"]["steps"] if s.get("id") == "drift"]
    assert step["env"]["PGPASSWORD"] == "${{ secrets.PGPASSWORD }}"
    assert "PROMPTOPS_DRIFT_STATE" not in step["env"]


def test_a_job_names_the_keys_of_what_is_served_and_of_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.files.provider("unused", "https://unused.example/v1", api_key_env="UNUSED_API_KEY")
    assert run(["run", "greet@v1", "--no-evidence"]) == 0
    world.files.commit("Recordings")
    assert run(["adopt", "greet@v1"]) == 0
    capsys.readouterr()
    (step,) = [s for s in workflow(capsys)["jobs"]["drift"]["steps"] if s.get("id") == "drift"]
    assert [name for name in step["env"] if name.endswith("_API_KEY")] == []


def test_local_models_are_installed_and_pulled() -> None:
    pins = [
        Pin.parse("local/smollm2-135m-instruct@b179c9523d0e"),
        Pin.parse("anthropic/claude"),
        Pin.parse("bedrock/x"),
    ]
    bedrock = {"format": "bedrock-converse", "base_url": "https://bedrock-runtime.eu-central-1.amazonaws.com"}
    config = Config.model_validate({"providers": {"bedrock": bedrock}})
    needs = needs_of(pins, config, url_kept=False)
    assert needs.models == ("smollm2-135m-instruct",)
    assert needs.requirement.startswith("pytest-promptops[bedrock,local]==")
    assert {"ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} <= set(needs.keys)
    assert "OPENAI_API_KEY" not in needs.keys


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
    assert "under 59 cases only a candidate that does better on them can PASS: add 19" in capsys.readouterr().out


def test_an_unknown_price_is_said(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "greet@v1"]) == 0
    assert "no price for test/model-1" in capsys.readouterr().out
