"""A canary that looks after every case: it stops early, drops what is in flight, and its evidence recomputes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.cli.main import run
from tests.cli.world import CASES, World

EVERYTHING = {f"c{n}" for n in range(CASES)}


def canary(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["canary", "greet@v2", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_a_candidate_that_fails_everything_is_stopped_after_a_few_cases(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": EVERYTHING}
    world.behaviour.delay = 0.05
    before = world.server.count
    code, found = canary(capsys, "--concurrency", "2")
    assert (code, found["verdict"]) == (1, "regress")
    assert found["looks"]["used"] < 15
    assert world.server.count - before < CASES  # of 120
    (record,) = world.evidence("v2")["canaries"]
    assert record["test"] == "sequential"
    assert found["looks"]["used"] <= record["asked"] < CASES
    assert set(record["order"]) == set(record["outcomes"]) == EVERYTHING
    behind = [record["outcomes"][case] for case in record["order"][record["asked"] + 4 :]]
    assert behind.count({"baseline": "unmeasurable", "candidate": "unmeasurable"}) > len(behind) / 2
    assert not [case for case in found["missing"] if case not in record["order"][: record["asked"]]]


def test_it_stops_as_soon_as_not_worse_is_shown_and_can_be_promoted(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.files.prompt(
        "greet",
        versions={},
        yaml="inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n  delta: 0.3\n",
    )
    world.files.commit("A wide margin")
    world.serve()
    world.behaviour.delay = 0.03
    code, found = canary(capsys, "--concurrency", "2")
    assert (code, found["verdict"], found["looks"]["shown"]) == (0, "pass", "at any time")
    assert found["looks"]["used"] < CASES / 2
    world.files.commit("Evidence")
    assert run(["promote", "greet@v2", "--to", "production"]) == 0
    assert run(["verify"]) == 0


def test_a_cap_on_samples_stops_it_without_evidence_and_says_so(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    before = world.server.count
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--max-samples", "21"]) == 11
    out = capsys.readouterr().out
    assert world.server.count - before == 20
    assert "stopped after 10 of 60 cases" in out
    assert "no evidence was written: it was stopped before it knew" in out
    assert not world.evidence("v2")


def test_asked_again_after_a_cap_it_goes_on_with_its_sequence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise one could ask a little, again and again, until it looks good."""
    world.serve()
    before = world.server.count
    canary(capsys, "--max-samples", "20")
    code, found = canary(capsys, "--max-samples", "40")
    assert (code, found["asked"], world.server.count - before) == (11, 20, 40)
    code, whole = canary(capsys)
    assert (code, whole["verdict"], world.server.count - before) == (0, "pass", 2 * CASES)
    assert (whole["seed"], whole["attempt"]) == (found["seed"], 1)


def test_a_cap_on_cost_stops_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.files.config('[tool.promptops.prices]\n"test/model-1" = [1000.0, 1000.0]')
    world.files.commit("Prices")
    world.serve()
    world.behaviour.delay = 0.03
    before = world.server.count
    code, found = canary(capsys, "--max-cost", "0.0001", "--concurrency", "1")
    assert (code, found["verdict"]) == (11, "inconclusive")
    assert world.server.count - before < CASES
    assert found["evidence"] is None


def test_a_verdict_that_falls_before_the_cap_is_evidence(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": EVERYTHING}
    code, found = canary(capsys, "--max-samples", "60")
    assert (code, found["verdict"]) == (1, "regress")
    assert world.evidence("v2")["canaries"]


def test_a_cap_below_one_case_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--max-samples", "3", "--samples", "2"]) == 2
    assert "one case takes 4 samples" in capsys.readouterr().err


def test_a_replay_reads_every_case(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.behaviour.wrong = {"v2": EVERYTHING}
    world.serve()
    assert run(["run", "greet@v2", "--no-evidence"]) == 1
    code, found = canary(capsys, "--mode", "replay")
    assert (code, found["measured"], found["asked"]) == (1, CASES, CASES)
    assert found["looks"]["used"] < 15


def test_the_report_says_how_far_it_went_and_what_was_spent(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 0
    out = capsys.readouterr().out
    assert "exact sequential sign test: error spent 0 of 0.05 in 60 of 60 cases" in out
    assert "shown, not worse by 5 points (at full N)" in out
    assert "95% interval" in out


def test_single_cases_are_named_where_enough_samples_show_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": {"c7"}}
    capsys.readouterr()
    run(["canary", "greet@v2", "--samples", "5", "--limit", "20", "--seed", "1"])
    assert "beyond chance, case by case: c7 (p = 0.004)" in capsys.readouterr().out
    _, found = canary(capsys, "--limit", "20", "--seed", "1")
    assert (found["broke"], found["broken_beyond_chance"]) == (["c7"], {})  # one sample a side proves nothing
    assert found["samples"] == {"done": 40, "planned": 40}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"asked": 61}, "says that 61 of 60 cases were asked"),
        ({"asked": 5, "verdict": "inconclusive"}, "without a verdict, and licenses nothing"),
        ({"test": "fixed", "asked": None}, "says"),
    ],
)
def test_edited_evidence_of_a_sequence_is_found(
    world: World, capsys: pytest.CaptureFixture[str], edit: dict[str, Any], told: str
) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": EVERYTHING}
    canary(capsys)
    assert run(["verify"]) == 0
    path = world.files.path / "prompts/greet/evidence/v2.json"
    evidence = json.loads(path.read_text())
    evidence["canaries"][0].update(edit)
    if edit.get("test") == "fixed":
        del evidence["canaries"][0]["test"], evidence["canaries"][0]["asked"]
    path.write_text(json.dumps(evidence))
    capsys.readouterr()
    assert run(["verify"]) == 1
    shown = capsys.readouterr()
    assert told in shown.out + shown.err
