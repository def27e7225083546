"""Judged cases of every standing, some of them hostile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from promptops.core.report import CaseRow, row_of
from promptops.models import (
    Case,
    CaseResult,
    CheckResult,
    Difference,
    Failure,
    Judgement,
    Reply,
    Sample,
    SampleKey,
    Usage,
)

PIN = "acme/parrot-2026-01-01"
HOSTILE = "\x1b[31mred\x1b[0m\n::error::boom\n<script>alert(1)</script>\n```\n\u202e=1+1"


def _sample(case: str, text: str | None, *, version: str = "v2", index: int = 0, latency: float = 0.5) -> Sample:
    key = SampleKey("booking", version, PIN, case, index)
    if text is None:
        return Sample(key, "sha256:0", failure=Failure("timeout", "no answer in 60 s", "try again later"))
    reply = Reply(text, "stop", Usage(40, 5), latency=latency)
    return Sample(key, "sha256:0", reply=reply, source="recorded", cost=0.25, recorded_at="2026-11-22T07:00:00Z")


def _row(case: str, standing: str, text: str | None = "{}", **other: object) -> CaseRow:
    version = str(other.pop("version", "v2"))
    outcome = {"passed": "pass", "fixed": "pass", "broke": "fail", "known": "fail"}.get(standing, standing)
    checks = (
        CheckResult(
            "matches",
            "fail",
            "1 path differs",
            (Difference("root['time']", "values_changed", "14:30:00", HOSTILE),),
        ),
    )
    judgement = Judgement(
        _sample(case, text, version=version),
        outcome,  # type: ignore[arg-type]
        value={"time": HOSTILE},
        valid=outcome == "pass" if text else None,
        repairs=("took the JSON out of a fence",) if outcome == "fail" else (),
        checks=checks if outcome == "fail" else (),
    )
    return row_of(
        CaseResult(case, (judgement,)),
        Case(case, {"text": "at 2:30pm"}, path="fixtures/booking/cases.jsonl", line=17),
        standing=standing,  # type: ignore[arg-type]
        against="v1, accepted 2026-11-01",
        asked="Book me in\nat 2:30pm",
        **other,  # type: ignore[arg-type]
    )


@pytest.fixture
def sample() -> Callable[..., Sample]:
    return _sample


@pytest.fixture
def row() -> Callable[..., CaseRow]:
    return _row


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def rows() -> list[CaseRow]:
    return [
        _row("c1", "passed"),
        _row("c2", "fixed"),
        _row("c3", "broke", HOSTILE),
        _row("c4", "known"),
        _row("c5", "unmeasurable", None),
        _row("c6", "error", None),
        _row("c1", "passed", version="v10"),
        _row("c1", "passed", version="v9"),
    ]
