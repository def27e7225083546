"""Copies in recordings: a line says so, and lines that are no copies are what they always were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.errors import ProblemsError
from promptops.formats import RecordingLine
from promptops.models import Pin, Reply, Sample, SampleKey, Usage
from promptops.store.recording_lines import line_digest, parse_lines
from promptops.store.recordings import load, recordings_path, write

PIN = Pin.parse("acme/model-1")
REQUEST = "sha256:" + "a" * 64
ORDINARY = {
    "case": "c1",
    "sample": 0,
    "request": REQUEST,
    "text": "hi",
    "tool_calls": [],
    "finish_reason": "stop",
    "served_model": "model-1",
    "input_tokens": 12,
    "output_tokens": 3,
    "latency": 0.25,
    "cost": 1e-05,
    "recorded_at": "2026-11-22T07:15:00Z",
}
ITS_DIGEST = (
    "sha256:1864b575c0a297f5330e76598b06d91401c8af6b83b8ed2f28bf895a0b989280"  # as it was before there were copies
)


def sample(case: str = "c1") -> Sample:
    reply = Reply("hi", "stop", Usage(12, 3), "model-1", latency=0.25)
    key = SampleKey("booking", "v2", str(PIN), case)
    return Sample(key, REQUEST, reply, cost=1e-5, recorded_at="2026-11-22T07:15:00Z")


def written(folder: Path, *samples: Sample) -> list[dict[str, Any]]:
    path = recordings_path(folder, "booking", "v2", PIN)
    write(path, samples)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_that_is_no_copy_is_what_it_was_before_there_were_copies(tmp_path: Path) -> None:
    (line,) = written(tmp_path, sample())
    assert line == {**ORDINARY, "digest": ITS_DIGEST}


def test_a_copy_says_so_in_its_line_and_comes_back_as_one(tmp_path: Path) -> None:
    original, copy = written(tmp_path, sample(), replace(sample("c2"), source="cached"))
    assert "cached" not in original
    assert copy["cached"] is True
    found = {s.key.case: s for s in load(recordings_path(tmp_path, "booking", "v2", PIN)).samples()}
    assert found["c1"].source == "recorded"
    assert found["c2"].source == "cached"
    assert found["c2"].recorded_at == "2026-11-22T07:15:00Z"
    assert found["c2"].reply == found["c1"].reply


def test_whether_a_sample_is_a_copy_is_covered_by_the_digest_of_its_line(tmp_path: Path) -> None:
    (copy,) = written(tmp_path, replace(sample(), source="cached"))
    path = recordings_path(tmp_path, "booking", "v2", PIN)
    del copy["cached"]
    path.write_text(json.dumps(copy) + "\n")
    assert [problem.line for problem in load(path).edited()] == [1]


@pytest.mark.parametrize("value", [False, "true", "yes", {}])
def test_a_line_says_that_it_is_a_copy_in_one_way_only(value: Any) -> None:
    line = {**ORDINARY, "cached": value, "digest": ITS_DIGEST}
    with pytest.raises(ProblemsError, match="cached"):
        parse_lines(json.dumps(line).encode(), path="x.jsonl")


def test_the_model_of_a_line_digests_as_its_fields_do() -> None:
    line = {**ORDINARY, "cached": True, "digest": ITS_DIGEST}
    assert line_digest(RecordingLine.model_validate(line)) == line_digest(line) != ITS_DIGEST
