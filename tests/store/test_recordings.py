"""Recordings: found by case, sample and request digest; merged, sorted, whole; wrong lines named one by one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from promptops.errors import ProblemsError, StoreError
from promptops.formats import RecordingLine
from promptops.models import Failure, Message, Pin, PlannedSample, Reply, Request, Sample, SampleKey, Usage
from promptops.store import recordings
from promptops.store.recordings import load, recordings_path, redacted, write

PIN = Pin.parse("openai/gpt-4.1-mini-2025-04-14")
NOW = "2026-11-22T07:15:00Z"
OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


class Blackout:
    """Redacts the word it is given, as a `redact:` pattern would."""

    def __init__(self, word: str) -> None:
        self.word = word

    def text(self, text: str) -> str:
        return text.replace(self.word, "[redacted]")

    def json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(key): self.json(item) for key, item in value.items()}
        return [self.json(item) for item in value] if isinstance(value, list | tuple) else value


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


# --- finding ----------------------------------------------------------------------------------------------------------


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


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_partial_write_merges_by_case_and_sample_and_sorts(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c2", text="old"), sample("c1", 10), sample("c1", 2)], recorded_at=NOW)
    write(path, [sample("c2", text="new"), sample("c0")], recorded_at=NOW)
    found = [(line["case"], line["sample"], line["text"]) for line in lines_of(path)]
    assert found == [("c0", 0, "hi"), ("c1", 2, "hi"), ("c1", 10, "hi"), ("c2", 0, "new")]


def test_a_full_write_drops_what_was_not_asked_for_and_keeps_what_failed(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c1"), sample("c2"), sample("gone")], recorded_at=NOW)
    down = Sample(key("c2"), NEW, failure=Failure("server", "503"))
    write(path, [sample("c1", text="new", request=NEW), down], replace=True, recorded_at=NOW)
    assert [(line["case"], line["request"]) for line in lines_of(path)] == [("c1", NEW), ("c2", OLD)]


def test_an_outage_writes_nothing_and_keeps_the_file(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    down = Sample(key(), OLD, failure=Failure("connection", "refused"))
    assert write(path, [down], replace=True) == ()
    assert not path.exists()
    write(path, [sample()], recorded_at=NOW)
    before = path.read_bytes()
    assert write(path, [down], replace=True) == ()
    assert path.read_bytes() == before


def test_writing_returns_the_samples_as_they_stand_in_the_file(tmp_path: Path) -> None:
    written = write(a_path(tmp_path), [sample("c2"), sample("c1")], recorded_at=NOW)
    assert written == tuple(load(a_path(tmp_path)).samples())


def test_writing_the_same_again_changes_no_byte(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c1"), sample("c2")], recorded_at=NOW)
    before = path.read_bytes()
    write(path, load(path).samples())
    assert path.read_bytes() == before


def test_an_edited_line_that_is_not_rewritten_stays_edited(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c1"), sample("c2")], recorded_at=NOW)
    path.write_text(path.read_text().replace("hi", "ho", 1))
    write(path, [sample("c3")], recorded_at=NOW)
    assert [p.line for p in load(path).edited()] == [1]


def test_lines_that_stay_keep_every_byte(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample("c1"), sample("c3")], recorded_at=NOW)
    compact = json.dumps(lines_of(path)[0], separators=(",", ":"))
    path.write_text(f"{compact}\r\n{path.read_text().splitlines()[1]}")
    before = path.read_text().splitlines()
    write(path, [sample("c2")], recorded_at=NOW)
    assert [path.read_text().split("\n")[n] for n in (0, 2)] == before


def test_a_merge_into_a_broken_file_is_refused_and_a_full_record_mends_it(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("broken\n")
    with pytest.raises(ProblemsError):
        write(path, [sample()])
    assert path.read_text() == "broken\n"
    write(path, [sample()], replace=True)
    assert len(load(path)) == 1


def test_samples_of_another_version_are_refused(tmp_path: Path) -> None:
    other = replace(sample(), key=replace(key(), version="v3"))
    with pytest.raises(ValueError, match="does not belong"):
        write(a_path(tmp_path), [other])


def test_a_line_holds_no_character_that_acts_on_a_terminal_and_reads_back_the_same(tmp_path: Path) -> None:
    text = "\x1b[31m\x9b\x07\r\n\u2028\u202e\u2066\ufeff end"
    write(a_path(tmp_path), [sample(text=text)], recorded_at=NOW)
    raw = a_path(tmp_path).read_text("utf-8")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", raw)
    assert raw.count("\n") == 1
    found = load(a_path(tmp_path)).find(planned())
    assert found.reply is not None
    assert found.reply.text == text


def test_a_secret_is_gone_before_digest_and_write_and_live_judging_sees_the_same(tmp_path: Path) -> None:
    secret = sample(text="key sk-123!", tool_calls=({"name": "sk-123", "n": [1, "sk-123"]},))
    redactor = Blackout("sk-123")
    live = redacted(secret, redactor)
    write(a_path(tmp_path), [secret], redactor=redactor, recorded_at=NOW)
    assert "sk-123" not in a_path(tmp_path).read_text()
    replayed = load(a_path(tmp_path)).find(planned())
    assert replayed.failure is None
    assert replayed.reply == live.reply
    assert live.reply is not None
    assert live.reply.text == "key [redacted]!"


@pytest.mark.parametrize("text", ["\ud800 half", "\udc00", "whole \ud83d\ude00"])
def test_half_characters_are_replaced_in_live_and_replay_alike(tmp_path: Path, text: str) -> None:
    live = redacted(sample(text=text))
    write(a_path(tmp_path), [sample(text=text)], recorded_at=NOW)
    replayed = load(a_path(tmp_path)).find(planned())
    assert replayed.reply == live.reply
    assert live.reply is not None
    live.reply.text.encode("utf-8")


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(text=st.text(st.characters(exclude_categories=())), call=anything, latency=st.floats(0, 1e6))
def test_whatever_a_model_says_replay_equals_live(text: str, call: Any, latency: float) -> None:
    raw = sample(text=text, tool_calls=({"arguments": call},), request=OLD)
    assert raw.reply is not None
    live = redacted(replace(raw, reply=replace(raw.reply, latency=latency)), Blackout("a"))
    with tempfile.TemporaryDirectory() as folder:
        written = write(a_path(Path(folder)), [live], recorded_at=NOW)
        if live.reply is None:
            assert written == ()
        else:
            recorded = load(a_path(Path(folder)))
            assert recorded.find(planned()).reply == live.reply
            assert tuple(recorded.samples()) == written


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object()])
def test_a_reply_that_json_cannot_hold_is_a_bad_reply_and_not_written(tmp_path: Path, value: Any) -> None:
    broken = sample(tool_calls=({"x": value},))
    failure = redacted(broken).failure
    assert failure is not None
    assert failure.kind == "bad_reply"
    assert write(a_path(tmp_path), [broken]) == ()


def test_a_deeply_nested_tool_call_is_a_bad_reply() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    failure = redacted(sample(tool_calls=({"x": deep},))).failure
    assert failure is not None
    assert failure.kind == "bad_reply"


def test_latency_is_rounded_where_live_is_judged_as_in_the_file(tmp_path: Path) -> None:
    noisy = sample()
    assert noisy.reply is not None
    noisy = replace(noisy, reply=replace(noisy.reply, latency=0.12345678912))
    write(a_path(tmp_path), [noisy], recorded_at=NOW)
    live = redacted(noisy).reply
    assert live is not None
    assert live.latency == lines_of(a_path(tmp_path))[0]["latency"] == 0.123457


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "fixtures").write_text("a file")
    with pytest.raises(StoreError, match="a part of the path is a file"):
        write(a_path(tmp_path), [sample()])


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from test_recordings import a_path, sample
from promptops.store.recordings import write
for n in range(15):
    write(a_path(Path(sys.argv[1])), [sample(f"{sys.argv[2]}{n}")])
    print(n, flush=True)
"""


def start_writer(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(Path(__file__).parent)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_writers_merge_and_lose_no_line(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, name) for name in ("a", "b")]
    for writer in writers:
        writer.communicate()
        assert writer.returncode == 0
    assert len(load(a_path(tmp_path))) == 30
    assert [p.name for p in a_path(tmp_path).parent.iterdir()] == [a_path(tmp_path).name]


def test_a_killed_writer_leaves_every_sample_it_reported(tmp_path: Path) -> None:
    writer = start_writer(tmp_path, "a")
    assert writer.stdout is not None
    for _ in range(5):
        writer.stdout.readline()
    writer.kill()
    reported = 5 + len(writer.communicate()[0].splitlines())
    assert len(load(a_path(tmp_path))) >= reported
    assert load(a_path(tmp_path)).edited() == []


# --- files that are wrong ---------------------------------------------------------------------------------------------


def a_line(**changes: Any) -> str:
    line: dict[str, Any] = {
        "case": "c1", "sample": 0, "request": OLD, "text": "hi", "latency": 0.1, "recorded_at": NOW, "digest": NEW,
    }  # fmt: skip
    return json.dumps({k: v for k, v in {**line, **changes}.items() if v is not ...})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "is not JSON"),
        ("{", "is not JSON"),
        ("[1]", "is not a JSON object but list"),
        ("null", "is not a JSON object but NoneType"),
        ("<<<<<<< HEAD", "is a merge conflict"),
        ("=======", "is a merge conflict"),
        ('{"case": "c1", "case": "c2"}', "a key is written twice"),
        (a_line(case=...), "case: Field required"),
        (a_line(case=7), "case: Input should be a valid string"),
        (a_line(case="../x"), "case: String should match pattern"),
        (a_line(case="c1\n"), "case: String should match pattern"),
        (a_line(case="x" * 201), "case: String should have at most 200"),
        (a_line(sample=-1), "sample: Input should be greater than or equal to 0"),
        (a_line(sample=True), "sample: Input should be a valid integer"),
        (a_line(sample=1.0), "sample: Input should be a valid integer"),
        (a_line(sample="0"), "sample: Input should be a valid integer"),
        (a_line(request="sha256:short"), "request: String should match pattern"),
        (a_line(digest=None), "digest: Input should be a valid string"),
        (a_line(text=None), "text: Input should be a valid string"),
        (a_line(latency="fast"), "latency: Input should be a valid number"),
        (a_line(latency=None), "latency: Input should be a valid number"),
        (a_line().replace("0.1", "NaN"), "is not JSON"),
        (a_line().replace("0.1", "1e999"), "is not JSON"),
        (a_line().replace("0.1", "9" * 5000), "is not JSON"),
        (a_line().replace("0.1", "1" + "0" * 400), "latency"),
        (a_line(cost="1"), "cost: Input should be a valid number"),
        (a_line(tool_calls={}), "tool_calls: Input should be a valid list"),
        (a_line(tool_calls=["x"]), "tool_calls.0: Input should be a valid dictionary"),
        (a_line(txt="x"), "unknown key 'txt', did you mean 'text'?"),
        (a_line(text="\ud800"), "half a character"),
        (a_line(tool_calls=[{"a": "\udfff"}]), "half a character"),
        ("[" * 100_000, "nested too deeply"),
        (a_line(tool_calls=[{"a": 0}]).replace('"a": 0', '"a": ' + "[" * 100 + "]" * 100), "nested too deeply"),
    ],
)  # fmt: skip
def test_a_malformed_line_is_reported_with_its_number(tmp_path: Path, line: str, says: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(f"{a_line(case='good')}\n{line}\n")
    with pytest.raises(ProblemsError) as caught:
        load(path, root=tmp_path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (path.relative_to(tmp_path).as_posix(), 2)
    assert says in problem.message


def test_every_malformed_line_is_reported_at_once(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(["bad", a_line(), a_line(txt=1, sample="x", case="c2"), a_line(), ""]))
    with pytest.raises(ProblemsError) as caught:
        load(path)
    assert [problem.line for problem in caught.value.problems] == [1, 3, 3, 4]
    assert "case 'c1', sample 0 is already in line 2" in str(caught.value)


def test_a_file_that_is_something_else_is_not_listed_line_by_line_for_ever(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text("x\n" * 100_000)
    with pytest.raises(ProblemsError) as caught:
        load(path)
    assert len(caught.value.problems) == 101


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"PK\x03\x04\x00", "is binary"),
        (a_line(text="x").encode().replace(b'"x"', b'"\xff"'), "is not UTF-8"),
    ],
)
def test_bytes_that_are_not_text_are_reported(tmp_path: Path, data: bytes, says: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    with pytest.raises(ProblemsError, match=says):
        load(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate((1 << 34) + 1)
    with pytest.raises(ProblemsError, match="larger than 16 GB"):
        load(path)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_what_is_not_a_plain_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = a_path(tmp_path)
    path.parent.mkdir(parents=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    else:
        os.mkfifo(path)
    with pytest.raises(StoreError, match="not a plain file"):
        load(path)


def test_files_whose_names_differ_only_in_case_are_refused(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample()])
    path.with_name(path.name.replace("gpt", "GPT")).write_text("")
    with pytest.raises(StoreError, match="differ only in upper and lower case"):
        load(path)
    with pytest.raises(StoreError, match="differ only in upper and lower case"):
        write(path, [sample()])


def test_ten_thousand_lines_load_and_are_found_quickly(tmp_path: Path) -> None:
    path = a_path(tmp_path)
    write(path, [sample(f"c{n}", text='{"time": "14:30:00"}' * 10) for n in range(10_000)])
    begin = time.perf_counter()
    recorded = load(path)
    loaded = time.perf_counter()
    assert all(recorded.find(planned(f"c{n}")).reply for n in range(10_000))
    found = time.perf_counter()
    assert loaded - begin < 2.0  # 0.2 s on an idle machine
    assert found - loaded < 4.0
