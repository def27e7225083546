"""What commands say while they ask: an estimate and progress, events into a file, or nothing."""

from __future__ import annotations

import json

import pytest

from promptops.cli.main import run
from tests.cli.world import World


@pytest.mark.parametrize("command", [["run", "greet@v2"], ["canary", "greet@v2"]])
def test_events_are_appended_as_they_come(world: World, command: list[str]) -> None:
    world.serve("v1")
    run([*command, "--events", "events.jsonl"])
    events = [json.loads(line) for line in (world.files.path / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert (events[0]["event"], events[-1]["event"]) == ("started", "finished")
    samples = [event for event in events if event["event"] == "sample"]
    assert len(samples) == events[0]["planned"] == events[-2]["done"]
    assert all(sample["attempts"] for sample in samples)


@pytest.mark.parametrize("command", [["run", "greet@v2"], ["canary", "greet@v2"]])
def test_quietly_only_the_result_is_said(world: World, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    world.serve("v1")
    capsys.readouterr()
    run([*command, "--quiet"])
    said = capsys.readouterr()
    assert "asking" not in said.err
    assert said.out
