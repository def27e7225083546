"""`promptops run`, on a real HTTP server."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from tests.cli.world import CASES, World
from tests.runs_there import run_records, samples_there


def ran(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["run", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_new_asks_what_is_missing_and_records_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "greet@v1", "--limit", "10"]) == 0
    out, err = capsys.readouterr()
    assert "asking 10 requests" in err
    assert "this is no evidence" in out
    assert run(["run", "greet@v1"]) == 0
    out, err = capsys.readouterr()
    assert "asking 50 requests, 10 are recorded" in err
    assert world.server.count == len(world.recorded("v1")) == CASES
    assert "60 cases: 60 passed" in out
    (record,) = world.evidence("v1")["runs"]
    assert (record["verdict"], record["mode"], len(record["outcomes"])) == ("pass", "new", CASES)


def test_replay_asks_nobody(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["run", "greet@v1"])
    world.server.close()
    assert run(["run", "greet@v1", "--mode", "replay"]) == 0
    code, found = ran(capsys, "greet@v2", "--mode", "replay")
    assert (code, found["verdict"]) == (10, "unmeasurable")
    assert found["versions"][0]["cases"][0]["hint"].startswith("pytest --promptops --promptops-mode new")


def test_what_broke_and_what_was_fixed_is_told_against_the_accepted_baseline(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.behaviour.wrong = {"v1": {"c1", "c2"}}
    world.serve()
    world.behaviour.wrong = {"v2": {"c2", "c7"}}
    code, found = ran(capsys, "greet@v2")
    assert code == 1
    standings = {row["case"]: row["standing"] for row in found["versions"][0]["cases"]}
    assert (standings["c1"], standings["c2"], standings["c7"], standings["c9"]) == ("fixed", "known", "broke", "passed")
    run(["run", "greet@v2", "--mode", "replay"])
    out = capsys.readouterr().out
    assert "BROKE: greet@v2 case c7" in out
    assert "fixed: greet@v2 c1" in out
    assert "\x1b" not in out


def test_live_writes_no_recording(world: World) -> None:
    assert run(["run", "greet@v1", "--mode", "live", "--limit", "3"]) == 0
    assert world.server.count == 3
    assert not world.recorded("v1")


def test_record_does_not_replace_a_served_version_in_passing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    before = world.recorded("v1")
    world.behaviour.wrong = {"v1": {"c5"}}
    capsys.readouterr()
    assert run(["run", "greet@v1", "--mode", "record"]) == 1
    assert "60 replies of served versions were not recorded" in capsys.readouterr().err
    assert world.recorded("v1") == before
    run(["run", "greet@v1", "--mode", "record", "--accept"])
    assert "accepted greet@v1: 0 new, 1 changed" in capsys.readouterr().err
    assert world.recorded("v1") != before
    assert world.evidence("v1")["accepted"]["cases"]["c5"]["outcome"] == "fail"
    assert run(["run", "greet@v1", "--mode", "replay"]) == 0


def test_an_outage_is_not_measured(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.behaviour.down = {"c3"}
    code, found = ran(capsys, "greet@v1")
    assert (code, found["verdict"]) == (10, "unmeasurable")
    assert len(world.recorded("v1")) == CASES - 1


def test_samples_of_a_case_are_asked_and_recorded_apart(world: World) -> None:
    assert run(["run", "greet@v1", "--samples", "3", "--limit", "4"]) == 0
    assert [(line["case"], line["sample"]) for line in world.recorded("v1")[:4]] == [
        ("c0", 0),
        ("c0", 1),
        ("c0", 2),
        ("c1", 0),
    ]


def test_the_budget_stops_before_it_is_spent_and_the_rest_follows_later(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.files.config('[tool.promptops.prices]\n"test/model-1" = [1000.0, 1.0]')
    code, found = ran(capsys, "greet@v1", "--budget", "0.20", "--concurrency", "1")
    assert code == 10
    asked = world.server.count
    assert 1 <= asked < CASES
    kinds = {row["failure"] for row in found["versions"][0]["cases"]}
    assert kinds == {"", "budget"}
    assert sum(row["cost"] for row in found["versions"][0]["cases"]) <= 0.20
    assert not world.evidence("v1")
    assert len(world.recorded("v1")) == asked
    assert run(["run", "greet@v1"]) == 0
    assert world.server.count == CASES


def test_a_broken_promise_of_the_suite_is_red_and_no_evidence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\nbudgets:\n  p95_latency: 1ms\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    code, found = ran(capsys, "greet@v1")
    assert (code, found["verdict"]) == (1, "regress")
    assert found["versions"][0]["suite"][0]["status"] == "fail"
    assert not world.evidence("v1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["greet@v1", "--mode", "again"], "--mode"),
        (["greet@v7"], "v7"),
        (["gret"], "did you mean 'greet'"),
        (["greet", "--tag", "none"], "no case is selected"),
        (["greet", "--model", "x"], "--model"),
        (["greet@v1", "--mode", "live", "--accept"], "--accept"),
    ],
)
def test_what_makes_no_sense_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(["run", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert not world.server.count


def test_an_edited_released_version_is_that_prompts_problem(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.files.prompt("greet", versions={"v1": "{% system %}v1!{% endsystem %}{% user %}{{ text }}{% enduser %}"})
    assert run(["run", "greet@v1", "--mode", "replay"]) == 2
    err = capsys.readouterr().err
    assert "released and frozen" in err
    assert "an uncommitted change" in err
    world.files.commit("Oops, I edited v1")
    assert run(["run", "greet@v1", "--mode", "replay"]) == 2
    assert "Oops, I edited v1" in capsys.readouterr().err


def test_the_run_store_has_what_was_measured(world: World) -> None:
    run(["run", "greet@v1"])
    (record,) = run_records(world.store)
    assert (record.kind, record.status) == ("run", "pass")
    assert len(samples_there(world.store, record.id)) == CASES
