"""One reply in a cache: the line that a recording would have, checked as strictly when it is read.

A cache is a file or a server that others may write to. What is in it is never run, only parsed, and what does not fit
the request that it is looked up for is ignored.
"""

from __future__ import annotations

import hashlib
from typing import Final

from msgspec.structs import replace

from promptops.errors import ProblemsError
from promptops.models import PlannedSample, Sample
from promptops.store.recording_lines import Fields, fields_of, parse_lines, render_line, sample_of

MAX_ENTRY: Final = 1 << 20  # bytes; a longer reply is not kept


def entry_key(request: str, index: int, place: str) -> bytes:
    """The 32 bytes that a reply is kept under: its request digest, its sample index and who was asked.

    `place` says which endpoint answers, and whatever else makes two replies to one request differ; it holds no key.
    """
    return hashlib.sha256(f"{request}\0{index}\0{place}".encode("utf-8", "surrogatepass")).digest()


def pack(sample: Sample) -> bytes | None:
    """The entry of a redacted sample; None where it has no reply, no time, or is too long to be kept."""
    if sample.reply is None or sample.recorded_at is None:
        return None
    try:
        fields = fields_of(replace(sample, source="live"), recorded_at=sample.recorded_at)
        data = render_line(fields).encode("utf-8")
    except (ValueError, TypeError, RecursionError):  # half a character, NaN in a tool call
        return None
    return data if len(data) <= MAX_ENTRY else None


def unpack(data: bytes, planned: PlannedSample) -> Sample | None:
    """The copy for `planned` of the reply that an entry keeps; None where it is not what was kept for this request."""
    if len(data) > MAX_ENTRY:
        return None
    try:
        lines = parse_lines(data, path="the cache")
    except ProblemsError:
        return None
    if len(lines) != 1 or not lines[0].intact or not _fits(lines[0].fields, planned):
        return None
    return replace(sample_of(planned.key, lines[0].fields), source="cached", digest=None)


def _fits(fields: Fields, planned: PlannedSample) -> bool:
    counted = (fields["latency"], fields["cost"], fields["input_tokens"], fields["output_tokens"])
    return (
        fields["request"] == planned.digest
        and fields["sample"] == planned.key.index
        and "cached" not in fields
        and all(value is None or value >= 0 for value in counted)
    )
