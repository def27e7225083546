"""`promptops canary`, on a real HTTP server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import Any

import pytest

from promptops.cli.main import run
from promptops.core.canary import decide
from promptops.core.plan import case_order
from promptops.formats import CanarySettings
from tests.accidents.world import wait_until
from tests.cli.world import CASES, World


def canary(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run(["canary", "greet@v2", "--json", *options])
    return code, json.loads(capsys.readouterr().out)


def test_an_equal_candidate_passes_and_its_evidence_recomputes(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    asked = world.server.count
    assert run(["canary", "greet@v2", "--seed", "7"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-10].startswith("PASS") or "PASS" in out
    assert "asking 120 requests" in err
    assert "next: promptops promote greet@v2 --to production" in out
    assert world.server.count == asked + 2 * CASES
    (record,) = world.evidence("v2")["canaries"]
    assert record["order"] == case_order([f"c{n}" for n in range(CASES)], 7)
    pairs = {case: (pair["baseline"], pair["candidate"]) for case, pair in record["outcomes"].items()}
    settings = CanarySettings(alpha=record["alpha"], delta=record["delta"])
    again = decide(pairs, settings, attempt=record["attempt"], gates=record["gates"])
    assert (again.verdict, again.p_value) == (record["verdict"], record["p_value"])


def test_both_sides_of_a_case_are_asked_next_to_each_other_and_take_turns(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    before = world.server.count
    run(["canary", "greet@v2", "--seed", "3", "--concurrency", "1"])
    asked = [[m["content"] for m in received.json["messages"]] for received in world.server.requests[before:]]
    pairs = list(zip(asked[::2], asked[1::2], strict=True))
    assert all(one[1] == other[1] and {one[0], other[0]} == {"v1", "v2"} for one, other in pairs)
    assert [one[0] for one, _ in pairs[:4]] in (["v1", "v2", "v1", "v2"], ["v2", "v1", "v2", "v1"])


def test_a_worse_candidate_regresses_and_its_broken_cases_are_shown_harmlessly(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": {"c3", "c4", "c5", "c6", "c7", "c8"}}
    assert run(["canary", "greet@v2"]) == 1
    out = capsys.readouterr().out
    assert "REGRESS" in out
    assert "broke c3" in out
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line.lstrip().startswith("::")]
    assert "promote" not in out
    assert "next: mend greet@v2; nothing was changed, and v1 goes on being served" in out
    assert world.evidence("v2")["canaries"][0]["verdict"] == "regress"


def test_too_little_data_is_inconclusive_and_says_what_would_settle_it(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": {"c3", "c4"}}
    code, found = canary(capsys)
    assert (code, found["verdict"], found["broke"]) == (11, "inconclusive", ["c3", "c4"])
    assert "more cases" in found["settle"]


def test_an_outage_is_unmeasurable_and_never_green(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.behaviour.down = {f"c{n}" for n in range(CASES)}
    code, found = canary(capsys)
    assert (code, found["verdict"], found["measured"]) == (10, "unmeasurable", 0)
    world.behaviour.down = set()
    assert canary(capsys)[1]["attempt"] == 1


def test_attempts_are_counted_and_a_later_one_must_show_more(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    codes = [canary(capsys)[0] for _ in range(2)]
    assert codes == [0, 11]
    assert [record["attempt"] for record in world.evidence("v2")["canaries"]] == [1, 2]


@pytest.mark.parametrize("options", [("--tag", "quick"), ("--limit", "7")])
def test_a_canary_of_some_cases_is_labelled_and_licenses_nothing(
    world: World, capsys: pytest.CaptureFixture[str], options: tuple[str, str]
) -> None:
    world.serve()
    run(["canary", "greet@v2", *options])
    out = capsys.readouterr().out
    assert "partial" in out
    assert "no evidence was written" in out
    assert not world.evidence("v2")


def test_replies_of_the_candidate_are_recorded_where_none_were(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    baseline = world.recorded("v1")
    run(["canary", "greet@v2"])
    assert "60 replies of the candidate had no recording yet" in capsys.readouterr().out
    first = world.recorded("v2")
    assert len(first) == CASES
    world.behaviour.other_words = {"c9"}
    run(["canary", "greet@v2"])
    assert world.recorded("v2") == first
    assert world.recorded("v1") == baseline


def test_replay_compares_recordings_without_a_request(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    assert run(["run", "greet@v2"]) == 0
    before = world.server.count
    code, found = canary(capsys, "--mode", "replay")
    assert world.server.count == before
    assert (code, found["mode"], found["baseline_source"]) == (0, "replay", "recorded")


def test_a_recorded_baseline_is_not_asked(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    before = world.server.count
    code, found = canary(capsys, "--baseline", "recorded")
    assert world.server.count == before + CASES
    assert (code, found["mode"], found["baseline_source"]) == (0, "live", "recorded")


def test_two_pins_of_one_version_are_compared(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    capsys.readouterr()
    assert run(["canary", "greet", "--model", "test/model-2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["candidate"]["pin"], found["baseline"]["pin"]) == ("test/model-2", "test/model-1")
    assert found["candidate"]["digest"] == found["baseline"]["digest"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["greet@v1"], "nothing to compare"),
        (["greet@v2", "--against", "v9"], "v9"),
        (["greet@v2", "--against", "staging"], "staging"),
        (["nothing@v1"], "nothing"),
        (["greet@v2", "--mode", "new"], "--mode"),
        (["greet@v2", "--baseline", "old"], "--baseline"),
        (["greet@v2", "--model", "x"], "--model"),
        (["greet@v2", "--tag", "none"], "no case"),
        (["greet@v2", "--budget", "-1"], "--budget"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_asked(
    world: World, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    world.serve()
    before = world.server.count
    assert run(["canary", *options]) == 2
    assert said in capsys.readouterr().err
    assert world.server.count == before


def test_without_a_served_version_the_way_to_one_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["canary", "greet@v2"]) == 2
    assert "promptops adopt greet@v1" in capsys.readouterr().err
    assert run(["canary", "greet@v2", "--against", "v1", "--limit", "2"]) in (0, 11)


def test_a_replay_without_recordings_says_how_many_are_missing_and_the_command(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--mode", "replay"]) == 10
    told = capsys.readouterr().err
    assert "greet@v2: 60 samples have no recording; ask for what is missing with promptops run greet@v2" in told
    assert "nothing to ask: 60 samples are recorded" in told


def test_a_regress_is_told_until_a_later_attempt_passes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked again, the noisy candidate is merely inconclusive: that is no way in."""
    world.serve()
    world.behaviour.wrong["v2"] = {f"c{n}" for n in range(8)}
    assert run(["canary", "greet@v2"]) == 1
    world.behaviour.wrong["v2"] = {"c0"}
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 11
    shown = capsys.readouterr()
    assert "attempt 1 at this comparison said regress: it counts until a canary says pass" in shown.err
    assert "next: promptops promote" not in shown.out
    assert run(["promote", "greet@v2", "--to", "production", "--ack", "c0"]) == 1
    assert "Next: mend v2, then promptops canary greet@v2" in capsys.readouterr().err


def test_a_broken_budget_is_a_regression(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.files.prompt(
        "greet",
        versions={},
        yaml="inputs:\n  text: string\nchecks:\n  - contains: answer\nbudgets:\n  p95_latency: 1ms\n",
    )
    world.files.commit("Budget")
    world.serve()
    code, found = canary(capsys)
    assert (code, found["verdict"]) == (1, "regress")
    assert "p95 latency" in found["gates"][0]


def test_an_interrupt_keeps_what_is_done(world: World) -> None:
    world.serve()
    world.behaviour.enough = world.behaviour.asked.total() + 12
    program = [sys.executable, "-m", "promptops.cli.main", "canary", "greet@v2", "--concurrency", "2"]
    before = world.server.count
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: world.server.count == before + 14, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "stopped after" in err
    assert 1 <= len(world.recorded("v2")) < CASES
    assert not world.evidence("v2")
