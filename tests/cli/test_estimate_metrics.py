"""`promptops estimate` says of each metric of the canary what the suite can decide."""

from __future__ import annotations

import json

import pytest

from promptops.cli.main import run
from tests.cli.world import CASES, World

YAML = (
    "inputs: {text: string}\nchecks: [{contains: answer}]\ncanary: {guardrails: {tokens: {}, score: {margin: 0.1}}}\n"
)


def test_a_line_for_each_metric_and_the_same_in_json(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.files.prompt("greet", versions={}, yaml=YAML)
    assert run(["estimate", "greet@v2"]) == 0
    out = capsys.readouterr().out
    assert "tokens: beyond its margin of 10%: REGRESS from " in out
    assert "score: finds a drop of " in out
    assert "PASS by 10 points takes about " in out
    assert run(["estimate", "greet@v2", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert [metric["name"] for metric in found["canary"]["metrics"]] == ["pass_rate", "tokens", "score"]
    assert 0.5 < found["canary"]["metrics"][1]["finds"] < 0.9


def test_clusters_are_the_units(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": f"c{n}", "inputs": {"text": str(n)}, "cluster": f"d{n % 12}"} for n in range(CASES)]
    world.files.dataset("greet", rows)
    assert run(["estimate", "greet@v2"]) == 0
    said = "12 clusters: each counts once, as if its cases all came out alike, and fewer than 20 show no PASS"
    assert said in capsys.readouterr().out


def test_without_guardrails_it_is_as_it_was(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["estimate", "greet@v2", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["canary"]["metrics"], found["canary"]["clusters"]) == ([], 0)


def test_the_canary_against_what_is_served_is_estimated_with_its_must_pass_cases(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    yaml = "inputs: {text: string}\nchecks: [{contains: answer}]\ncanary: {must_pass: ['tag:quick']}\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    world.serve()
    capsys.readouterr()
    assert run(["estimate", "greet@v2"]) == 0
    out = capsys.readouterr().out
    assert "canary against v1: asking 125 requests, up to 10 more where must-pass cases fail" in out
    assert "canary (125 requests): REGRESS finds" in out
    assert run(["estimate", "greet@v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["canary"]["asks"]["requests"] == 125
    assert run(["canary", "greet@v2", "--no-evidence"]) == 0
    assert "asking 125 requests, up to 10 more where must-pass cases fail" in capsys.readouterr().err
