"""`promptops drift`, on a real HTTP server that changes."""

from __future__ import annotations

import json

import pytest

from promptops.cli.main import run
from tests.cli.world import CASES, World


def serve_three(world: World) -> None:
    """v1 is served, with three recorded samples of every case."""
    world.serve("v1", "--samples", "3")


def test_a_model_that_answers_as_recorded_is_stable(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    serve_three(world)
    before = world.server.count
    assert run(["drift"]) == 0
    out = capsys.readouterr().out
    assert "STABLE: greet@v1" in out
    assert "cases answer in a text never seen" in out
    assert world.server.count == before + CASES


def test_a_model_that_answers_in_other_words_has_changed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    serve_three(world)
    world.behaviour.other_words = {f"c{n}" for n in range(10)}
    capsys.readouterr()
    assert run(["drift", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    (endpoint,) = found["endpoints"]
    assert (found["state"], endpoint["state"], len(endpoint["differing"])) == ("changed", "changed", 10)
    assert endpoint["p_texts"] == pytest.approx(0.25**10)


def test_a_single_other_text_of_a_recording_with_one_sample_is_watched(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.other_words = {"c3"}
    assert run(["drift"]) == 11
    out = capsys.readouterr().out
    assert "WATCH" in out
    assert "promptops run greet@v1 --mode new --samples 3" in out


def test_worse_outcomes_are_a_change_even_where_texts_cannot_tell(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.serve()
    world.behaviour.wrong = {"v1": {f"c{n}" for n in range(20)}}
    assert run(["drift"]) == 1
    out = capsys.readouterr().out
    assert "outcomes changed beyond chance" in out
    assert "fails now and passed before: c0" in out


def test_an_outage_is_unmeasurable(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    serve_three(world)
    world.behaviour.down = {f"c{n}" for n in range(CASES)}
    assert run(["drift"]) == 10
    assert "UNMEASURABLE" in capsys.readouterr().out


def test_the_nights_are_kept_and_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift", "history"]) == 0
    assert "no night yet" in capsys.readouterr().out
    serve_three(world)
    run(["drift"])
    world.behaviour.other_words = {f"c{n}" for n in range(10)}
    run(["drift"])
    capsys.readouterr()
    before = world.server.count
    assert run(["drift", "history"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["STABLE" in lines[0], "CHANGED" in lines[1]] == [True, True]
    assert run(["drift", "history", "greet", "--json"]) == 0
    assert [night["state"] for night in json.loads(capsys.readouterr().out)["datasets"]] == ["stable", "changed"]
    assert world.server.count == before


def test_settings_bound_what_a_night_asks(world: World) -> None:
    yaml = "inputs:\n  text: string\nchecks:\n  - contains: answer\ndrift:\n  cases: 7\n  samples: 2\n"
    world.files.prompt("greet", versions={}, yaml=yaml)
    world.files.commit("Bound the night")
    serve_three(world)
    before = world.server.count
    assert run(["drift"]) == 0
    assert world.server.count == before + 14


def test_nothing_is_recorded(world: World) -> None:
    serve_three(world)
    before = world.recorded("v1")
    world.behaviour.other_words = {"c1"}
    run(["drift", "--samples", "5"])
    assert world.recorded("v1") == before


def test_without_anything_served_there_is_nothing_to_watch(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["drift"]) == 2
    assert "serves nothing" in capsys.readouterr().err
    world.serve()
    assert run(["drift", "greet@v2"]) == 2
