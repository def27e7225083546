"""`promptops run` over more cases than are held or named in evidence."""

from __future__ import annotations

import json

import pytest

from promptops.cli.main import run
from promptops.project import datasets
from promptops.runner import versions
from promptops.store import recordings
from tests.cli.world import CASES, World
from tests.runs_there import run_records, samples_there


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST_EVIDENCE", CASES - 1)
    monkeypatch.setattr(datasets, "HELD", 10)
    monkeypatch.setattr(recordings, "HELD_BYTES", 1_000)


def test_a_large_run_is_judged_told_and_recorded_and_is_no_evidence(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.behaviour.wrong = {"v1": {f"c{number}" for number in range(20, 55)}}
    assert run(["run", "greet@v1"]) == 1
    out = capsys.readouterr().out
    assert out.count("BROKE: greet@v1") == 10
    assert "25 more broke: v1 c30, v1 c31" in out
    assert "60 cases: 25 passed, 35 broke" in out
    assert "greet@v1: evidence names the outcome of each case, and 60 are too many for that (at most 59)" in out
    assert not world.evidence("v1")
    assert len(world.recorded("v1")) == world.server.count == CASES
    assert run(["run", "greet@v1", "--mode", "replay"]) == 1
    assert "60 cases: 25 passed, 35 broke" in capsys.readouterr().out


def test_a_large_run_as_json_has_every_case(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["run", "greet@v1"])
    capsys.readouterr()
    assert run(["run", "greet@v1", "--mode", "replay", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (version,) = document["versions"]
    assert [row["case"] for row in version["cases"]] == [f"c{number}" for number in range(CASES)]
    assert (version["complete"], version["evidence"], version["summary"]["passed"]) == (True, None, CASES)
    assert list(document) == sorted(document)


def test_a_large_run_goes_on_from_what_is_recorded(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "greet@v1", "--limit", "40"]) == 0
    assert run(["run", "greet@v1", "--tag", "quick"]) == 0
    assert run(["run", "greet@v1"]) == 0
    assert "asking 20 requests" in capsys.readouterr().err
    assert world.server.count == CASES


def test_so_many_outcomes_are_not_accepted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "greet@v1", "--accept"]) == 2
    assert "greet@v1 has 60 cases, and the outcome of each would be kept in git: at most 59" in capsys.readouterr().err
    assert not world.server.count


def test_a_replay_leaves_no_samples_in_the_store(world: World) -> None:
    run(["run", "greet@v1"])
    run(["run", "greet@v1", "--mode", "replay"])
    there = {record.plan["mode"]: len(samples_there(world.store, record.id)) for record in run_records(world.store)}
    assert there == {"new": CASES, "replay": 0}
