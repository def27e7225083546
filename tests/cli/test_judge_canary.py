"""Judges in a canary: both sides are judged live, and what was said of the candidate is recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from promptops.cli.commands._drift_options import endpoints_of
from promptops.cli.main import run
from promptops.project.root import load_project
from promptops.runner.session import Session
from promptops.testing import Answer, LoopbackServer, TemporaryProject

CASES = 70
MUMBLED: set[str] = set()
"""What the judge gives no verdict of."""


LOCKED_OUT: set[str] = set()
"""What the judge is not reached about."""


def model(body: dict[str, Any]) -> str | Answer:
    """Polite as v1, rude to every third guest as v2; a judge that sees it."""
    system, user = body["messages"][0]["content"], body["messages"][-1]["content"]
    if system == "judge" and user in LOCKED_OUT:
        return Answer(status=401, error="no")
    if system == "judge" and user in MUMBLED:
        return "PASS, I think"
    if system == "judge":
        return json.dumps({"pass": "please" in user, "reason": "says please or not"})
    rude = system == "v2" and int(user) % 3 == 0
    return f"{'go' if rude else 'please wait'} {user}"


@pytest.fixture
def server(in_folder: Path) -> Iterator[LoopbackServer]:
    MUMBLED.clear()
    LOCKED_OUT.clear()
    with LoopbackServer(model) as server:
        files = TemporaryProject(in_folder)
        files.provider("test", server.base_url)
        judge = "{% system %}judge{% endsystem %}{% user %}{{ output }}{% enduser %}"
        files.write("prompts/polite/v1.j2", f"---\nmodel: test/judge-1\n---\n{judge}\n")
        body = "{{% system %}}{}{{% endsystem %}}{{% user %}}{{{{ text }}}}{{% enduser %}}"
        versions = {name: body.format(name) for name in ("v1", "v2")}
        files.prompt("greet", versions=versions, yaml="checks:\n  - judge: polite\n")
        files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": str(n)}} for n in range(CASES)])
        rows = [
            {"id": f"l{n}", "output": f"{'please' if n % 2 else 'no'} {n}", "label": "pass" if n % 2 else "fail"}
            for n in range(60)
        ]
        files.write("fixtures/polite/labels.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        files.git_init()
        assert run(["judge", "calibrate", "polite"]) == 0
        assert run(["run", "greet@v1"]) == 0
        files.commit("Recordings")
        assert run(["adopt", "greet@v1", "--env", "production"]) == 0
        yield server


def test_a_candidate_that_the_judge_dislikes_regresses_and_what_it_said_is_replayed(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["canary", "greet@v2", "--seed", "5"]) == 1
    assert "REGRESS" in capsys.readouterr().out
    asked = server.count
    run(["run", "greet@v2", "--mode", "replay", "--json"])
    (version,) = json.loads(capsys.readouterr().out)["versions"]
    outcomes = [row["outcome"] for row in version["cases"]]
    assert "fail" in outcomes
    assert outcomes.count("pass") > outcomes.count("fail")
    assert server.count == asked


def test_a_judge_without_a_verdict_is_named_as_the_reason_and_as_what_to_mend(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    MUMBLED.update(f"please wait {n}" for n in range(CASES))
    assert run(["canary", "greet@v2", "--seed", "5"]) == 10
    out = capsys.readouterr().out
    assert "c0 and 69 more: baseline not measured: judge: polite@v1 gave no verdict: " in out
    assert "it said 'PASS, I think'" in out
    assert "a check or a judge raised; mend that first: the same canary, asked again, is another attempt" in out
    MUMBLED.clear()
    run(["canary", "greet@v2", "--seed", "5"])
    assert "(attempt 2); commit it" in capsys.readouterr().out


def test_an_estimate_counts_what_judges_have_still_to_say_of_samples_that_are_there(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    LOCKED_OUT.update({"please wait 1", "please wait 2"})
    assert run(["run", "greet@v1", "--mode", "live", "--no-evidence"]) == 10
    LOCKED_OUT.clear()
    asked = server.count
    capsys.readouterr()
    assert run(["run", "greet@v1", "--mode", "live", "--no-evidence"]) == 0
    assert "\nasking 2 requests, " in capsys.readouterr().err
    assert server.count == asked + 2


def test_the_pins_of_judges_are_watched_for_drift_beside_those_of_what_is_served(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(load_project(Path.cwd()), "replay", {})
    assert [(end.name, end.serves) for end in endpoints_of(session, ())] == [
        ("test/judge-1", ("polite@v1",)),
        ("test/model-1", ("greet@v1",)),
    ]


def test_accepted_outcomes_of_a_judge_verify_as_far_as_they_can(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["verify"]) == 0
    assert "a check asks a judge" in "".join(capsys.readouterr())


@pytest.mark.parametrize("canary", ["{primary: judge}", "{guardrails: {judge: {margin: 0.1}}}"])
def test_a_judge_that_only_advises_is_no_metric_and_nothing_is_asked_for_it(
    server: LoopbackServer, capsys: pytest.CaptureFixture[str], canary: str
) -> None:
    files = TemporaryProject(Path.cwd())
    files.prompt("greet", versions={}, yaml=f"checks:\n  - judge: polite\ncanary: {canary}\n")
    assert run(["canary", "greet@v2", "--seed", "5", "--no-evidence"]) == 1
    asked = server.count
    Path("prompts/polite/calibration/v1.json").unlink()
    assert run(["canary", "greet@v2", "--seed", "5", "--no-evidence"]) == 2
    assert "polite@v1 only advises (not calibrated" in capsys.readouterr().err
    files.prompt("greet", versions={}, yaml=f"canary: {canary}\nchecks:\n  - contains: please\n")
    assert run(["canary", "greet@v2", "--seed", "5", "--no-evidence"]) == 2
    assert "no check names one" in capsys.readouterr().err
    assert server.count == asked
