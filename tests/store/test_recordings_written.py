"""Recordings are merged, sorted and whole, whoever else writes and whatever a model says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from promptops.errors import ProblemsError, StoreError
from promptops.models import Failure, Sample
from promptops.store.recordings import load, redacted, write
from tests.store.recorded import NEW, NOW, OLD, a_path, key, lines_of, planned, sample


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
from recorded import a_path, sample
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
