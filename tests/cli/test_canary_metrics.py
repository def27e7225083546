"""`promptops canary` with guardrails, several samples and clusters, on a real HTTP server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from promptops.cli.main import run
from tests.accidents.world import all_counted, wait_until
from tests.cli.world import CASES, World
from tests.runs_there import kept_there


def settle(world: World, canary: str, *, extra: str = "") -> None:
    """Write prompt.yaml with these canary settings, and serve v1."""
    yaml = f"inputs:\n  text: string\nchecks:\n  - contains: answer\n{extra}canary:\n"
    world.files.prompt("greet", versions={}, yaml=yaml + "".join(f"  {line}\n" for line in canary.splitlines()))
    world.files.commit("Settings")
    world.serve()


def canary(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["canary", "greet@v2", "--json", "--seed", "1", *options])
    return code, json.loads(capsys.readouterr().out)


def finding(found: dict[str, Any], name: str) -> dict[str, Any]:
    (one,) = [metric for metric in found["metric_findings"] if metric["name"] == name]
    return dict(one)


def test_a_candidate_that_needs_many_more_tokens_regresses_although_every_answer_is_right(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "guardrails:\n  tokens: {margin: 10%}")
    world.behaviour.tokens = {"v1": lambda _: 50, "v2": lambda _: 80}
    world.behaviour.enough = world.behaviour.asked.total() + 2 * 11 + 2
    code, found = canary(capsys, "--concurrency", "2")
    assert (code, found["verdict"]) == (1, "regress")
    assert "tokens is more than 10% above the baseline's in 11 of 11 cases" in found["reason"]
    assert finding(found, "tokens")["worse"]
    assert found["asked"] < CASES
    assert run(["verify"]) == 0


def test_within_its_margins_it_passes_and_can_be_promoted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settle(world, "delta: 0.1\nguardrails:\n  tokens: {margin: 10%}\n  length: {margin: 25%}")
    world.behaviour.tokens = {"v1": lambda _: 50, "v2": lambda _: 54}
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 0
    out = capsys.readouterr().out
    for said in ("PASS", "shown, by 10% (at any time)", "length, up", "length, down", "1.07x", "Holm"):
        assert said in out
    world.files.commit("Evidence")
    assert run(["promote", "greet@v2", "--to", "production"]) == 0
    assert run(["verify"]) == 0


def test_rare_large_values_do_not_raise_the_alarm(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal versions, but one answer in ten is a thousand times as long, on either side at random."""

    def lottery(version: str) -> Callable[[str], int]:
        return lambda case: 60_000 if random.Random(f"{version} {case}").random() < 0.1 else 60

    settle(world, "guardrails:\n  tokens: {margin: 10%}")
    world.behaviour.tokens = {"v1": lottery("v1"), "v2": lottery("v2")}
    code, found = canary(capsys)
    assert (code, found["verdict"]) == (0, "pass")


def test_what_is_not_critical_warns_and_decides_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settle(world, "guardrails:\n  tokens: {margin: 10%, critical: false}")
    world.behaviour.tokens = {"v1": lambda _: 50, "v2": lambda _: 500}
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 0
    out = capsys.readouterr().out
    assert "tokens (warns)" in out
    assert "warning: tokens is more than 10% above the baseline's in 60 of 60 cases: beyond chance, and not" in out


def test_a_guardrail_that_cannot_be_measured_is_told_before_anything_is_asked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "guardrails:\n  validation: {}")
    before = world.server.count
    assert run(["canary", "greet@v2"]) == 2
    assert "validation is measured by an output contract" in capsys.readouterr().err
    assert world.server.count == before


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("guardrails:\n  score: {margin: 10%}", "the margin of score is in points"),
        ("guardrails:\n  score: {margin: 5.0}", "the margin of score is in points"),
        ("guardrails:\n  pass_rate: {}", "pass_rate is the primary metric already"),
        ("guardrails:\n  speed: {}", "speed"),
        ("guardrails:\n  cost: {margin: 5000%}", "the margin of cost is more than 0% and at most 1000%"),
        ("guardrails:\n  cost: {direction: up}", "direction"),
        ("primary: cost", "primary"),
    ],
)
def test_settings_that_make_no_sense_are_problems_of_the_file(
    world: World, capsys: pytest.CaptureFixture[str], settings: str, told: str
) -> None:
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n"
    world.files.prompt("greet", versions={}, yaml=yaml + "".join(f"  {line}\n" for line in settings.splitlines()))
    assert run(["lint"]) == 1
    shown = capsys.readouterr()
    assert told in shown.out + shown.err


def test_with_several_samples_the_share_that_passes_decides(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Every case of the candidate fails one time in three; no case fails always."""
    world.serve()
    world.behaviour.coin = lambda version, _, count: version == "v1" or count % 3 != 0
    code, found = canary(capsys, "--samples", "3")
    assert (code, found["verdict"]) == (1, "regress")
    rate = finding(found, "pass_rate")
    assert (rate["baseline"], rate["candidate"]) == (1.0, pytest.approx(0.667, abs=0.1))
    assert "pass rate fell by " in found["reason"]
    (record,) = world.evidence("v2")["canaries"]
    before, after = record["figures"]["pass_rate"][record["order"][0]]
    assert before == 1.0
    assert after in (pytest.approx(0.667, abs=0.001), 1.0)
    assert run(["verify"]) == 0


def test_cases_of_one_document_count_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve broken cases of one document of twelve are one flip; without clusters they are a REGRESS."""
    rows = [{"id": f"c{n}", "inputs": {"text": str(n)}, "cluster": f"document-{n // 12}"} for n in range(CASES)]
    world.files.dataset("greet", rows)
    world.files.commit("Clusters")
    world.serve()
    world.behaviour.wrong = {"v2": {f"c{n}" for n in range(12)}}
    code, found = canary(capsys)
    assert (code, found["verdict"]) == (11, "inconclusive")
    assert "5 clusters are too few for a PASS" in found["warnings"][0]
    (record,) = world.evidence("v2")["canaries"]
    documents = [record["clusters"][case] for case in record["order"]]
    assert all(len(set(documents[start : start + 12])) == 1 for start in range(0, CASES, 12))
    assert run(["verify"]) == 0


def test_warn_only_ends_in_zero_and_says_so_loudly(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": {f"c{n}" for n in range(CASES)}}
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--warn-only"]) == 0
    shown = capsys.readouterr()
    assert "WARN ONLY: the verdict is REGRESS, and this ends in 0 instead of 1" in shown.err
    assert "verdict: REGRESS" in shown.out
    assert world.evidence("v2")["canaries"][0]["verdict"] == "regress"
    assert run(["promote", "greet@v2", "--to", "production"]) == 1


@pytest.mark.parametrize("ending", ["md", "html", "json"])
def test_a_report_file_says_what_the_terminal_says(
    world: World, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    settle(world, "guardrails:\n  tokens: {margin: 10%}")
    world.behaviour.wrong = {"v2": {"c3"}}
    path = world.files.path / f"out/canary.{ending}"
    run(["canary", "greet@v2", "--report", str(path)])
    text = path.read_text("utf-8")
    assert "tokens" in text
    assert "c3" in text
    assert "\x1b" not in text
    if ending == "html":
        assert "<script" not in text
    assert run(["canary", "greet@v2", "--report", "x.pdf"]) == 2


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ({"metrics": []}, "its figures are not those of its metrics"),
        ({"verdict": "pass"}, "says verdict pass, and its outcomes give regress"),
        ({"clusters": {"c1": "x", "c2": "x"}}, "its order is not the one that seed"),
        ({"clusters": {"other": "x"}}, "has figures or clusters of cases that it does not have: other"),
    ],
)
def test_edited_evidence_of_several_metrics_is_found(
    world: World, capsys: pytest.CaptureFixture[str], edit: dict[str, Any], told: str
) -> None:
    settle(world, "guardrails:\n  tokens: {margin: 10%}")
    world.behaviour.tokens = {"v1": lambda _: 50, "v2": lambda _: 80}
    canary(capsys)
    path = world.files.path / "prompts/greet/evidence/v2.json"
    evidence = json.loads(path.read_text())
    evidence["canaries"][0].update(edit)
    path.write_text(json.dumps(evidence))
    capsys.readouterr()
    assert run(["verify"]) == 1
    shown = capsys.readouterr()
    assert told in shown.out + shown.err


def test_other_margins_than_it_was_decided_with_license_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "guardrails:\n  tokens: {margin: 50%}")
    assert canary(capsys)[0] == 0
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n  guardrails:\n    tokens: {margin: 10%}\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    world.files.commit("Stricter")
    assert run(["promote", "greet@v2", "--to", "production"]) == 1
    assert "a canary with the metrics, margins and directions that prompt.yaml says" in capsys.readouterr().err


def test_a_must_pass_case_that_fails_twice_of_three_ends_it_before_anything_is_compared(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "must_pass: [c7, 'tag:quick']")
    world.behaviour.coin = lambda version, case, count: not (version == "v2" and case == "c7" and count != 2)
    before = world.server.count
    code, found = canary(capsys)
    assert (code, found["verdict"]) == (1, "regress")
    assert found["gates"] == ["must-pass case c7 failed 2 of 3 times"]
    assert world.server.count - before == 6 + 2
    assert world.evidence("v2")["canaries"][0]["verdict"] == "regress"
    assert run(["verify"]) == 0
    world.behaviour.coin = lambda *_: True
    assert canary(capsys)[1]["attempt"] == 2


def test_a_must_pass_case_that_fails_once_of_three_is_let_pass(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "must_pass: [c7]")
    world.behaviour.coin = lambda version, case, count: not (version == "v2" and case == "c7" and count == 1)
    before = world.server.count
    assert canary(capsys)[0] == 0
    assert world.server.count - before == 3 + 2 * CASES


def test_a_must_pass_case_that_nobody_could_see_is_no_pass(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settle(world, "must_pass: [c7]")
    world.behaviour.down = {"c7"}
    code, found = canary(capsys)
    assert (code, found["verdict"], found["must_pass_unmeasured"]) == (10, "unmeasurable", ["c7"])


def test_a_must_pass_case_that_is_not_there_is_refused(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    settle(world, "must_pass: [c700]")
    assert run(["canary", "greet@v2"]) == 2
    assert "no case of greet is called 'c700'" in capsys.readouterr().err


def test_replayed_must_pass_cases_are_judged_by_their_recordings(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "must_pass: [c7]")
    world.behaviour.wrong = {"v2": {"c7"}}
    run(["run", "greet@v2", "--no-evidence"])
    code, found = canary(capsys, "--mode", "replay")
    assert (code, found["gates"]) == (1, ["must-pass case c7 failed 1 of 1 times"])
    assert run(["verify"]) == 0


def test_killed_at_any_moment_it_goes_on_with_its_sequence_and_asks_nothing_twice(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "delta: 0.1\nguardrails:\n  tokens: {margin: 10%}\nmust_pass: [c3]", extra="samples: 2\n")
    world.behaviour.delay = 0.03
    program = [sys.executable, "-m", "promptops.cli.main", "canary", "greet@v2", "--concurrency", "4"]
    asked = world.behaviour.asked
    before = asked.total()

    def almost_all_kept(sent: int, kept: int) -> bool:
        return asked.total() - sent - (kept_there(world.store) - kept) <= 16

    for enough in (20, 60):
        world.behaviour.enough = before + enough  # so that it cannot end before it is killed
        here = asked.total(), kept_there(world.store)
        with subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            wait_until(lambda enough=enough: asked.total() >= before + enough)  # type: ignore[misc]
            wait_until(lambda here=here: almost_all_kept(*here))  # type: ignore[misc]
            process.kill()
        all_counted(world.server)
    world.behaviour.delay, world.behaviour.enough = 0.0, None
    capsys.readouterr()
    code = run(["canary", "greet@v2", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (code, found["verdict"], found["attempt"]) == (0, "pass", 1)
    assert asked.total() - before <= 1 + 4 * CASES + 2 * 16  # what was in flight, or not yet in the journal
    assert len(world.evidence("v2")["canaries"]) == 1
    assert run(["verify"]) == 0


@pytest.mark.parametrize(("critical", "code"), [("true", 2), ("false", 0)])
def test_latency_of_a_recorded_baseline_decides_nothing(
    world: World, capsys: pytest.CaptureFixture[str], critical: str, code: int
) -> None:
    yaml = "inputs: {text: string}\nchecks: [{contains: answer}]\ncanary: {guardrails: {latency: {critical: %s}}}\n"
    world.files.prompt("greet", versions={}, yaml=yaml % critical)
    world.serve()
    before = world.server.count
    assert run(["canary", "greet@v2", "--baseline", "recorded"]) == code
    if code:
        assert "its latency is of another hour" in capsys.readouterr().err
        assert world.server.count == before


def test_distance_to_nothing_is_refused_before_anything_is_asked(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    settle(world, "primary: distance")
    before = world.server.count
    assert run(["canary", "greet@v2"]) == 2
    assert "no case expects anything" in capsys.readouterr().err
    assert world.server.count == before
