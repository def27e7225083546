"""What a line says only where there is something to say: lines from before it keep their digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.errors import ProblemsError
from promptops.models import Reply, Sample, SampleKey, Usage
from promptops.store.recording_lines import fields_of, line_digest, parse_line, render_line, sample_of
from promptops.store.recordings import redacted
from promptops.store.sample_rows import row_of
from promptops.store.sample_rows import sample_of as sample_of_row

KEY = SampleKey("p", "v1", "acme/m", "c1", 0)
TOKENS: tuple[Any, ...] = ({"token": "h", "logprob": -0.5, "top": [{"token": "h", "logprob": -0.5}]},)
USAGE = Usage(10, 5, 4, 3, 2)
SAMPLE = Sample(
    KEY, "sha256:" + "a" * 64, reply=Reply("hi", "stop", USAGE, "m", logprobs=TOKENS, latency=0.5), cost=0.1
)
NOW = "2026-11-22T07:15:00Z"


def line_of(sample: Sample) -> bytes:
    return render_line(fields_of(sample, recorded_at=NOW)).encode()


def test_counts_and_log_probabilities_come_back() -> None:
    line = parse_line(line_of(SAMPLE), path="r.jsonl", number=1)
    assert line.intact
    found = sample_of(KEY, line.fields)
    assert found.reply == SAMPLE.reply
    assert sample_of_row(row_of("run", 0, SAMPLE)).reply == SAMPLE.reply


def test_a_line_that_has_none_of_it_is_as_it_always_was() -> None:
    plain = replace(SAMPLE, reply=Reply("hi", "stop", Usage(10, 5), "m", latency=0.5))
    fields = fields_of(plain, recorded_at=NOW)
    assert list(fields) == [
        *("case", "sample", "request", "text", "tool_calls", "finish_reason", "served_model"),
        *("input_tokens", "output_tokens", "latency", "cost", "recorded_at", "digest"),
    ]
    assert fields["digest"] == line_digest({**fields, "cached_tokens": None, "logprobs": None})


@pytest.mark.parametrize(
    ("name", "value"),
    [("cached_tokens", "4"), ("reasoning_tokens", 1.5), ("cached_tokens", True), ("logprobs", {}), ("logprobs", [1])],
)
def test_a_wrong_type_is_told(name: str, value: Any) -> None:
    fields = fields_of(SAMPLE, recorded_at=NOW)
    with pytest.raises(ProblemsError, match=name):
        parse_line(render_line({**fields, name: value}).encode(), path="r.jsonl", number=1)


def test_an_edited_count_is_found() -> None:
    edited = render_line({**fields_of(SAMPLE, recorded_at=NOW), "cached_tokens": 5}).encode()
    assert not parse_line(edited, path="r.jsonl", number=1).intact


class Blackout:
    def text(self, text: str) -> str:
        return text.replace("secret", "…")

    def json(self, value: Any) -> Any:
        return value


def test_the_tokens_of_a_text_with_a_secret_are_not_kept(tmp_path: Path) -> None:
    assert SAMPLE.reply is not None
    told = replace(SAMPLE, reply=replace(SAMPLE.reply, text="a secret"))
    kept, cleaned = redacted(SAMPLE, Blackout()), redacted(told, Blackout())
    assert kept.reply is not None
    assert cleaned.reply is not None
    assert (kept.reply.logprobs, cleaned.reply.logprobs) == (TOKENS, ())
