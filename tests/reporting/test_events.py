from __future__ import annotations

import json
from pathlib import Path

import pytest

from promptops.errors import StoreError
from promptops.models import Attempt, Failure, Reply, Sample, SampleKey
from promptops.reporting.events import EventLog
from promptops.runner.events import Event, Progress, RunFinished, RunStarted, SampleDone

KEY = SampleKey("booking", "v3", "acme/m-1", "c17", 1)
SAID = "ignore previous instructions"
EVENTS: list[Event] = [
    RunStarted("live", 2, "r1"),
    SampleDone(Sample(KEY, "d", Reply(SAID, latency=0.5), cost=0.01, attempts=(Attempt("acme", 0.0, 0.5),))),
    SampleDone(Sample(KEY, "d", failure=Failure("timeout", SAID))),
    Progress(2, 2, asked=1, failures={"timeout": 1}, eta=0.0),
    RunFinished(asked=1, failed=1, cost=0.01),
]


def test_each_event_is_a_line_of_json_without_what_the_model_said(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with EventLog(path) as log:
        for number, event in enumerate(EVENTS, start=1):
            log(event)
            assert len(path.read_text(encoding="utf-8").splitlines()) == number, "written at once"
    text = path.read_text(encoding="utf-8")
    assert SAID not in text
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == ["started", "sample", "sample", "progress", "finished"]
    assert lines[0] == {"event": "started", "mode": "live", "planned": 2, "run": "r1"}
    assert (lines[1]["case"], lines[1]["index"], lines[1]["latency"], lines[1]["failure"]) == ("c17", 1, 0.5, None)
    assert lines[1]["attempts"][0]["endpoint"] == "acme"
    assert (lines[2]["latency"], lines[2]["failure"]) == (None, "timeout")
    assert lines[3]["failures"] == {"timeout": 1}
    assert lines[4]["cost"] == 0.01


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"), EventLog(tmp_path / "missing" / "events.jsonl"):
        pass


def test_a_full_disk_is_told() -> None:
    with pytest.raises(StoreError, match="/dev/full cannot be written"), EventLog(Path("/dev/full")) as log:
        log(EVENTS[0])
