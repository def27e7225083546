"""Written jobs, run: the shell of each, with the command itself, over nights on one of which the model is another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml

from promptops.cli.main import run
from tests.cli.night import Model, Night
from tests.runner.nightly.tracker import Tracker, tracking

COMMAND = """\
promptops() { "$PYTHON" -c 'import sys; from promptops.cli.main import run; sys.exit(run(sys.argv[1:]))' "$@"; }
pip() { :; }
"""


@pytest.fixture
def tracker() -> Iterator[Tracker]:
    with tracking() as found:
        yield found


def _gitlab(found: Any) -> tuple[str, dict[str, str]]:
    job = found["promptops-drift"]
    return "\n".join([*job["before_script"], *job["script"]]), {"PROMPTOPS_DRIFT": "night", **job["variables"]}


def _github(found: Any) -> tuple[str, dict[str, str]]:
    (step,) = [step for step in found["jobs"]["drift"]["steps"] if step.get("id") == "drift"]
    files = dict.fromkeys(("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"), "/dev/null")
    return step["run"], {"CALIBRATE": "false", **files, "PROMPTOPS_DRIFT_STATE": step["env"]["PROMPTOPS_DRIFT_STATE"]}


@pytest.mark.parametrize(("where", "script_of", "outage"), [("gitlab", _gitlab, 10), ("github", _github, 0)])
def test_a_job_over_nights_keeps_its_log_and_opens_one_issue(
    night: Night,
    model: Model,
    tracker: Tracker,
    capsys: pytest.CaptureFixture[str],
    where: str,
    script_of: Callable[[Any], tuple[str, dict[str, str]]],
    outage: int,
) -> None:
    night.begin()
    capsys.readouterr()
    assert run(["schedule", where]) == 0
    script, variables = script_of(yaml.safe_load(capsys.readouterr().out))
    env = {**os.environ, "PYTHON": sys.executable, **getattr(tracker, where)(), **variables}
    said = []

    def ends() -> int:
        night.now += timedelta(days=1)
        job = ["bash", "-eo", "pipefail", "-c", f"{COMMAND}{script}"]
        now = {"PROMPTOPS_NOW": night.now.isoformat()}
        done = subprocess.run(
            job, env={**env, **now}, cwd=night.files.path, text=True, capture_output=True, check=False
        )
        said.append(done.stdout + done.stderr)
        return done.returncode

    assert ends() == 0
    model.down = True
    assert ends() == outage
    model.down, model.shift = False, -2.0
    assert [ends(), ends()] == [0, 0]
    assert [issue["title"] for issue in tracker.issues] == ["promptops: test/model-1 answers differently"]
    assert tracker.comments == []
    assert ["1 night;" in said[0], "UNMEASURABLE" in said[1], "opened issue 1" in said[2]] == [True] * 3
    night.state.unlink()
    night.state.with_name("state.head").unlink()
    assert ends() == outage
    assert "its state was lost" in said[-1]
    assert not any(f"{where}-token" in text for text in said)
