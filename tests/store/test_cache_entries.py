"""Entries of a cache: what is kept comes back for the same request only, and whatever else is in there is ignored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.store.cache_entries import MAX_ENTRY, entry_key, pack, unpack
from promptops.store.recording_lines import line_digest

PIN = Pin.parse("acme/model-1")
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
REPLY = Reply("hi\u202e\0", "stop", Usage(12, 3), "model-1", ({"function": {"name": "f"}},), latency=0.25)


def planned(case: str = "c2", *, digest: str = DIGEST, index: int = 0) -> PlannedSample:
    request = Request(PIN, (Message("user", "hello"),))
    return PlannedSample(SampleKey("booking", "v2", str(PIN), case, index), request, digest)


def sample(**changes: Any) -> Sample:
    key = SampleKey("booking", "v1", str(PIN), "c1")
    return replace(Sample(key, DIGEST, REPLY, cost=1e-5, recorded_at="2026-11-22T07:15:00Z"), **changes)


def packed(**changes: Any) -> bytes:
    data = pack(sample(**changes))
    assert data is not None
    return data


def edited(**changes: Any) -> bytes:
    """An entry with other fields, and a digest that fits them: what somebody would write who knows how."""
    fields = {**json.loads(packed()), **changes}
    return json.dumps({**fields, "digest": line_digest(fields)}).encode()


def test_what_is_kept_comes_back_as_a_copy_under_the_key_that_asks() -> None:
    found = unpack(packed(), planned())
    assert found is not None
    assert found.key == planned().key
    assert (found.source, found.digest, found.request) == ("cached", None, DIGEST)
    assert (found.reply, found.cost, found.recorded_at) == (REPLY, 1e-5, "2026-11-22T07:15:00Z")


@pytest.mark.parametrize(
    "changes",
    [
        {"reply": None, "failure": Failure("timeout", "too slow")},
        {"recorded_at": None},
        {"reply": replace(REPLY, text="x" * MAX_ENTRY)},
        {"reply": replace(REPLY, text="half a character: \ud83d")},
        {"reply": replace(REPLY, tool_calls=({"n": float("nan")},))},
    ],
    ids=["a failure", "no time", "too long", "half a character", "not JSON"],
)
def test_what_is_no_whole_reply_is_not_kept(changes: dict[str, Any]) -> None:
    assert pack(sample(**changes)) is None


@pytest.mark.parametrize("asking", [planned(digest=OTHER), planned(index=1)], ids=["another request", "another sample"])
def test_an_entry_answers_its_own_request_and_sample_only(asking: PlannedSample) -> None:
    assert unpack(packed(), asking) is None


GOOD = packed()
FIELDS = json.loads(GOOD)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        GOOD[:-1],
        GOOD + b"\n" + GOOD,
        GOOD.replace(b'"hi', b'"ho'),
        b" " * (MAX_ENTRY + 1),
        b"[" * 100_000,
        json.dumps({**FIELDS, "extra": 1}).encode(),
        edited(text=7),
        edited(tool_calls=["no object"]),
        edited(latency=-1.0),
        edited(cost=-5.0),
        edited(output_tokens=-3),
        edited(cached=True),
        GOOD.replace(b"0.25", b"1e999"),
    ],
    ids=lambda data: repr(data[:20]),
)
def test_an_entry_that_was_poisoned_is_ignored(data: bytes) -> None:
    assert unpack(data, planned()) is None


def test_the_table_of_poisoned_entries_is_poisoned_by_what_it_changes_only() -> None:
    assert unpack(edited(text="ho"), planned()) is not None


def test_keys_tell_requests_samples_and_places_apart() -> None:
    keys = {entry_key(*parts) for parts in [(DIGEST, 0, "a"), (OTHER, 0, "a"), (DIGEST, 1, "a"), (DIGEST, 0, "b")]}
    assert len(keys) == 4
    assert entry_key(DIGEST, 0, "a") in keys
