"""The lines of `fixtures/<prompt>/recordings/<version>/<pin>.jsonl`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from promptops.formats.base import CaseId, Digest, Strict


class RecordedTurn(Strict):
    """An answer of a recorded sample after which the model was asked again; `asked` is the digest of that request."""

    text: str
    problems: list[str]
    asked: Digest
    finish_reason: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    latency: float
    cost: float | None = None


class RecordingLine(Strict):
    """One sample in `fixtures/<prompt>/recordings/<version>/<pin>.jsonl`.

    `request` is the request digest, `latency` seconds, `cost` US dollars, `recorded_at` ISO 8601 UTC. `cached` stands
    only in the line of a copy, whose reply, latency, cost and time are those of the sample that it copies;
    `cached_tokens`, `cache_write_tokens` and `reasoning_tokens` only where the provider counted them; `batch` only
    where a vendor's batch answered, whose latency nobody measured (it is 0). `earlier` are the answers that broke the
    output contract before this one; the line's tokens, latency and cost have theirs. `digest` is the sha256 of the
    canonical JSON of the other fields, so that an edited line is found.
    """

    case: CaseId
    sample: Annotated[int, Field(ge=0)]
    request: Digest
    text: str
    tool_calls: list[dict[str, Any]] = []
    finish_reason: str | None = None
    served_model: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    logprobs: list[dict[str, Any]] | None = None
    latency: float
    cost: float | None = None
    recorded_at: str
    cached: Literal[True] | None = None
    batch: Literal[True] | None = None
    earlier: list[RecordedTurn] | None = None
    digest: Digest
