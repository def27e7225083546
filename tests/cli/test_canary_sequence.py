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
    world.behaviour.enough = world.behaviour.asked.total() + 2 * 15
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
    told = "notice: attempt 1 at this comparison said pass already; the evidence of this one stands in its place"
    assert run(["canary", "greet@v2", "--no-evidence"]) == 0
    assert told in capsys.readouterr().err
    assert run(["canary", "greet@v2", "--limit", "5", "--no-evidence"]) == 11
    assert told not in capsys.readouterr().err
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
    assert "what would settle it: asking on: 50 cases of the dataset were not asked yet\n" in out
    assert "no evidence was written: it stopped before it knew" in out
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


def priced(world: World) -> None:
    """Each answer costs 2 cents, and 4 at most; it is served by v1, which a canary may compare with."""
    world.files.config('[tool.promptops.prices]\n"test/model-1" = [0.0, 1000.0]')
    world.behaviour.tokens = {"v1": lambda _: 20, "v2": lambda _: 20}
    head, user = (
        "---\nmodel: test/model-1\nparams: {max_tokens: 40}\n---\n",
        "{% user %}question {{ text }}{% enduser %}",
    )
    for version in ("v1", "v2"):
        world.files.write(f"prompts/greet/{version}.j2", f"{head}{{% system %}}{version}{{% endsystem %}}{user}")
    world.files.commit("Prices")
    world.serve()


@pytest.mark.parametrize("concurrency", ["1", "8"])
def test_a_cap_on_cost_holds_whatever_is_in_flight(
    world: World, capsys: pytest.CaptureFixture[str], concurrency: str
) -> None:
    priced(world)
    before = world.server.count
    code, found = canary(capsys, "--max-cost", "0.5", "--concurrency", concurrency)
    assert (code, found["verdict"], found["evidence"]) == (11, "inconclusive", None)
    assert found["reason"].startswith("the cap of $0.5 is reached")
    assert found["cost"] == pytest.approx(0.02 * (world.server.count - before))
    assert 0.4 < found["cost"] <= 0.5


@pytest.mark.parametrize(("cap", "verdict"), [("--max-cost", "inconclusive"), ("--budget", "unmeasurable")])
def test_more_money_takes_it_further_as_the_same_attempt(
    world: World, capsys: pytest.CaptureFixture[str], cap: str, verdict: str
) -> None:
    priced(world)
    before = world.server.count
    first = canary(capsys, cap, "0.5")[1]
    assert (first["verdict"], first["missing"], first["evidence"]) == (verdict, [], None)
    code, found = canary(capsys)
    assert (code, found["attempt"], found["seed"]) == (0, 1, first["seed"])
    assert world.server.count - before == 2 * CASES


def test_must_pass_cases_are_paid_from_the_same_budget(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    priced(world)
    world.files.write(
        "prompts/greet/prompt.yaml",
        "inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n  must_pass: ['tag:quick']\n",
    )
    before = world.server.count
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--budget", "0.5"]) == 10
    out, err = capsys.readouterr()
    assert 0.02 * (world.server.count - before) <= 0.5
    assert "asking 125 requests, up to 10 more where must-pass cases fail" in err
    assert "and 5 of must-pass cases before them" in out
    assert f"spent       ${0.02 * (world.server.count - before):.4f} of at most $5.4000" in out


def test_a_cap_on_cost_needs_a_price(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    capsys.readouterr()
    assert run(["canary", "greet@v2", "--max-cost", "1"]) == 2
    assert "the price of test/model-1 is not known" in capsys.readouterr().err


def test_evidence_that_says_it_looked_on_after_its_end_is_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.wrong = {"v2": EVERYTHING}
    canary(capsys)
    assert run(["verify"]) == 0
    path = world.files.path / "prompts/greet/evidence/v2.json"
    evidence = json.loads(path.read_text())
    evidence["canaries"][0]["asked"] = CASES
    path.write_text(json.dumps(evidence))
    capsys.readouterr()
    assert run(["verify"]) == 1
    assert "says that 60 cases were looked at, and its outcomes ended it after" in capsys.readouterr().out


def test_what_a_must_pass_case_answered_is_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n  must_pass: [c3]\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    world.serve()
    world.behaviour.wrong = {"v2": {"c3"}}
    capsys.readouterr()
    assert run(["canary", "greet@v2"]) == 1
    out = capsys.readouterr().out
    assert "REGRESS: must-pass case c3 failed 3 of 3 times" in out
    assert "must-pass c3: " in out
    assert "contains: the output does not contain 'answer'" in out
    assert "used        0 of 120 samples, and 3 of must-pass cases before them" in out
    world.behaviour.down = {"c3"}
    assert run(["canary", "greet@v2"]) == 10
    assert "must-pass c3 not measured: " in capsys.readouterr().out


@pytest.mark.parametrize("again", [["--no-resume"], ["--seed", "5"]])
def test_a_sequence_that_was_left_counts_as_an_attempt(
    world: World, capsys: pytest.CaptureFixture[str], again: list[str]
) -> None:
    """Otherwise one could begin anew, again and again, until the first cases look good."""
    world.serve()
    canary(capsys, "--max-samples", "40")
    capsys.readouterr()
    run(["canary", "greet@v2", "--json", *again])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert "1 canary of this comparison was left without a verdict" in err
    assert found["attempt"] == 2
    assert [record["abandoned"] for record in world.evidence("v2")["canaries"]] == [1]
    assert run(["verify"]) == 0
    assert canary(capsys)[1]["attempt"] == 3  # it is counted once


def test_what_was_left_is_counted_in_no_other_comparison(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    canary(capsys, "--max-samples", "40")
    world.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": str(n)}} for n in range(CASES - 1)])
    found = canary(capsys)[1]
    assert (found["attempt"], "abandoned" in found) == (1, False)


def test_an_outage_in_the_middle_is_no_attempt(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.serve()
    world.behaviour.down = {f"c{n}" for n in range(20)}
    assert run(["canary", "greet@v2"]) == 10
    out = capsys.readouterr().out
    assert not world.evidence("v2")
    assert "used        120 of 120 samples, 40 of them without a reply\n" in out
    assert out.count("c0 and 19 more: baseline not measured: ") == 1
    assert "no evidence was written: not enough was measured; the same command asks again for what is missing" in out


def test_of_two_at_once_the_second_shows_more_or_goes_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """What passed after a part of the cases as the first attempt is no evidence as the second."""
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\ncanary:\n  delta: 0.2\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    world.serve()
    canary(capsys)
    path = world.files.path / "prompts/greet/evidence/v2.json"
    other = path.read_text()
    path.unlink()

    def meanwhile(*_: object) -> bool:
        if not path.exists():  # at the first answer: whoever reads it later finds it whole
            path.write_text(other)
        return True

    world.behaviour.coin = meanwhile
    world.behaviour.delay = 0.02
    code = run(["canary", "greet@v2", "--json", "--concurrency", "1"])
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (code, found["verdict"], found["attempt"], found["evidence"]) == (11, "inconclusive", 2, None)
    assert "another canary of this comparison ended meanwhile" in err
    assert path.read_text() == other
    code, again = canary(capsys)
    assert (code, again["verdict"], again["attempt"], again["seed"]) == (0, "pass", 2, found["seed"])
    assert run(["verify"]) == 0


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


def test_a_dataset_with_copies_is_warned_of_beside_the_verdict(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.files.dataset("greet", [{"id": f"c{n}", "inputs": {"text": str(n % 12)}} for n in range(CASES)])
    world.serve()
    code, found = canary(capsys, "--no-evidence")
    assert (code, found["verdict"]) == (0, "pass")
    assert found["warnings"][-1].startswith("48 of 60 cases are others once more, and a canary counts each: c12 (c0), ")
