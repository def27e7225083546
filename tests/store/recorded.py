"""Samples and recordings files of one prompt, for the tests of recordings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from promptops.models import Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.store.recordings import recordings_path

PIN = Pin.parse("openai/gpt-4.1-mini-2025-04-14")
NOW = "2026-11-22T07:15:00Z"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def a_path(folder: Path) -> Path:
    return recordings_path(folder / "fixtures", "booking", "v2", PIN)


def key(case: str = "c1", index: int = 0) -> SampleKey:
    return SampleKey("booking", "v2", str(PIN), case, index)


def sample(case: str = "c1", index: int = 0, *, text: str = "hi", request: str = OLD, **reply: Any) -> Sample:
    usage = Usage(12, 3)
    return Sample(
        key(case, index), request, Reply(text, "stop", usage, "gpt-4.1-mini", latency=0.25, **reply), cost=1e-5
    )


def planned(case: str = "c1", index: int = 0, *, digest: str = OLD, released: bool = False) -> PlannedSample:
    return PlannedSample(key(case, index), Request(PIN, (Message("user", "hi"),)), digest, released=released)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").split("\n")[:-1]]
