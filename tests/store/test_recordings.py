"""Recordings: found by case, sample and request digest, or said to be missing, stale or edited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from promptops.formats import RecordingLine
from promptops.models import Failure, Reply, Usage
from promptops.store import recordings
from promptops.store.recordings import load, recordings_path, write
from tests.store.recorded import NEW, NOW, OLD, a_path, key, lines_of, planned, sample


def test_the_path_spells_out_prompt_version_and_pin(tmp_path: Path) -> None:
    path = recordings_path(tmp_path, "booking", "v2", "local/org/model:q4@abc")
    assert path == tmp_path / "booking/recordings/v2/local%2Forg%2Fmodel%3Aq4%40abc.jsonl"


def test_a_recorded_sample_comes_back_as_it_was_marked_as_recorded(tmp_path: Path) -> None:
    live = sample(text='{"time": "14:30:00"}', tool_calls=({"name": "book", "arguments": "{}"},))
    write(a_path(tmp_path), [live], recorded_at=NOW)
    found = load(a_path(tmp_path)).find(planned())
    assert found == replace(live, source="recorded", recorded_at=NOW, digest=found.digest)
    assert found.digest == lines_of(a_path(tmp_path))[0]["digest"]


def test_counted_tokens_are_written_where_there_are_any_and_come_back(tmp_path: Path) -> None:
    usage = Usage(12, 3, 8, 0, 2)
    counted = replace(sample(), reply=replace(sample().reply or Reply(""), usage=usage))
    recordings.write(a_path(tmp_path), [counted, sample("c2")])
    first, second = lines_of(a_path(tmp_path))
    assert (first["cached_tokens"], first["cache_write_tokens"], first["reasoning_tokens"]) == (8, 0, 2)
    assert "cached_tokens" not in second
    found = load(a_path(tmp_path))
    assert not found.edited()
    assert [s.reply.usage for s in found.samples() if s.reply] == [usage, Usage(12, 3)]


def test_a_line_on_disk_is_what_the_file_format_says_and_its_digest_holds(tmp_path: Path) -> None:
    write(a_path(tmp_path), [sample()], recorded_at=NOW)
    raw = a_path(tmp_path).read_text("utf-8")
    line = RecordingLine.model_validate_json(raw)
    assert recordings.line_digest(line) == line.digest
    assert raw == (
        f'{{"case": "c1", "sample": 0, "request": "{OLD}", "text": "hi", "tool_calls": [], "finish_reason": "stop", '
        '"served_model": "gpt-4.1-mini", "input_tokens": 12, "output_tokens": 3, "latency": 0.25, "cost": 1e-05, '
        f'"recorded_at": "{NOW}", "digest": "{line.digest}"}}\n'
    )


NEW_MODE = "pytest --promptops --promptops-mode new --promptops-select booking@v2"
ACCEPT = "pytest --promptops --promptops-mode record --promptops-select booking@v2 --promptops-accept"


@pytest.mark.parametrize("released", [False, True])
def test_what_is_not_recorded_is_missing_with_the_command_that_asks_for_it(tmp_path: Path, released: bool) -> None:
    failure = load(a_path(tmp_path)).find(planned("c9", released=released)).failure
    message = "case 'c9' of booking@v2 is not recorded with openai/gpt-4.1-mini-2025-04-14"
    assert failure == Failure("missing_recording", message, NEW_MODE)


def test_a_missing_further_sample_of_a_recorded_case_is_named(tmp_path: Path) -> None:
    write(a_path(tmp_path), [sample()], recorded_at=NOW)
    failure = load(a_path(tmp_path)).find(planned("c1", 2)).failure
    assert failure is not None
    assert failure.message.startswith("sample 2 of case 'c1' of booking@v2 is not recorded")


def test_a_hint_repeats_the_options_it_needs(tmp_path: Path) -> None:
    found = load(a_path(tmp_path)).find(planned(), options="--promptops-model openai/x")
    assert found.failure is not None
    assert found.failure.hint == f"{NEW_MODE} --promptops-model openai/x"


def test_a_changed_request_of_a_released_version_is_stale_and_the_hint_accepts(tmp_path: Path) -> None:
    write(a_path(tmp_path), [sample()], recorded_at=NOW)
    found = load(a_path(tmp_path), root=tmp_path).find(planned(digest=NEW, released=True))
    where = "fixtures/booking/recordings/v2/openai%2Fgpt-4.1-mini-2025-04-14.jsonl:1"
    message = (
        f"{where}: the request changed since it was recorded on {NOW} (aaaaaaaaaaaa then, bbbbbbbbbbbb now); "
        "its version is frozen, so its case changed, or it was recorded before the release"
    )
    assert found.failure == Failure("stale_recording", message, ACCEPT)
    assert (found.request, found.reply) == (NEW, None)


def test_a_changed_request_of_a_candidate_is_only_missing(tmp_path: Path) -> None:
    write(a_path(tmp_path), [sample()], recorded_at=NOW)
    failure = load(a_path(tmp_path)).find(planned(digest=NEW)).failure
    assert failure is not None
    assert failure.kind == "missing_recording"
    assert "the request changed since it was recorded" in failure.message
    assert failure.hint == NEW_MODE


@pytest.mark.parametrize(
    "change", [("hi", "ho"), ('"cost": 1e-05', '"cost": null'), ("stop", "length"), ("a" * 64, "b" * 64)]
)
def test_an_edited_line_is_named_with_file_and_line(tmp_path: Path, change: tuple[str, str]) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c0"), sample()], recorded_at=NOW)
    first, second, _ = path.read_text().split("\n")
    path.write_text(f"{first}\n{second.replace(*change)}\n")
    recorded = load(path, root=tmp_path)
    failure = recorded.find(planned(released=True)).failure
    shown = path.relative_to(tmp_path).as_posix()
    message = f"{shown}:2: the line was edited: it does not match its own digest"
    assert failure == Failure("edited_recording", message, f"git restore -- {shown}   or   {ACCEPT}")
    assert [(p.path, p.line) for p in recorded.edited()] == [(shown, 2)]
    assert [s.failure and s.failure.kind for s in recorded.samples()] == [None, "edited_recording"]
    assert recorded.find(planned("c0")).failure is None


def test_other_white_space_and_line_ends_are_no_edit(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample(), sample("c2")], recorded_at=NOW)
    path.write_text("\r\n".join(json.dumps(line, separators=(",", ":"), sort_keys=True) for line in lines_of(path)))
    assert load(path).edited() == []


def test_all_samples_are_listed_by_case_and_index_with_names_from_the_path(tmp_path: Path) -> None:
    write(a_path(tmp_path), [sample("c2"), sample("c1", 1), sample("c1")], recorded_at=NOW)
    assert [s.key for s in load(a_path(tmp_path)).samples()] == [key("c1", 0), key("c1", 1), key("c2", 0)]
