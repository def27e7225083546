from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.errors import ProviderError
from promptops.providers import events
from promptops.providers.events import Events


class Notes:
    """Notes the events; `[DONE]` completes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.begun = self.complete = False
        self.pieces = 0

    def add(self, event: str, data: str) -> None:
        self.events.append((event, data))
        self.complete = data == "[DONE]"

    def document(self) -> Mapping[str, Any]:
        return {}


def read(*pieces: bytes) -> list[tuple[str, str]]:
    notes = Notes()
    own = Events(notes)
    for piece in pieces:
        own.feed(piece)
    own.finish()
    return notes.events


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")]),
        (b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")]),
        (b"data:a\n\ndata:  b\n\n", [("", "a"), ("", " b")]),
        (b"data: a\ndata: b\ndata\n\n", [("", "a\nb\n")]),
        (b"event: error\ndata: a\n\ndata: b\n\n", [("error", "a"), ("", "b")]),
        (b": hello\n\ndata: a\n: there\n\n:\n\n", [("", "a")]),
        (b"id: 7\nretry: 1\nother: x\ndata: a\n\nid: 8\n\n", [("", "a")]),
        (b"\n\n\r\n\r\n", []),
        (b"", []),
        (b"\xef\xbb\xbfdata: a\n\n", [("", "a")]),
        (b"data: a", [("", "a")]),
        (b"data: a\n", [("", "a")]),
        (b"event: error\n\n", []),
        ("data: é😀\u2028\x85\n\n".encode(), [("", "é😀\u2028\x85")]),
        (b"data: a\n\ndata: [DONE]\n\ndata: more\n\n", [("", "a"), ("", "[DONE]")]),
        (b"data: [DONE]\n\ndata: \xff\n\n", [("", "[DONE]")]),
    ],
)
def test_a_stream_is_events_wherever_it_is_cut(stream: bytes, expected: list[tuple[str, str]]) -> None:
    assert read(stream) == expected
    assert read(*(stream[place : place + 1] for place in range(len(stream)))) == expected
    for place in range(len(stream)):
        assert read(stream[:place], stream[place:]) == expected


@given(
    lines=st.lists(st.sampled_from(["data: é", "data:", "event: x", ": c", "", "", "id: 1", "data: [x]"]), max_size=12),
    end=st.sampled_from(["\n", "\r", "\r\n"]),
    cuts=st.lists(st.integers(0, 120), max_size=6),
)
def test_neither_the_ends_of_lines_nor_the_cuts_change_the_events(lines: list[str], end: str, cuts: list[int]) -> None:
    stream = "".join(line + end for line in lines).encode()
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(places)]
    assert read(*pieces) == read("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize("stream", [b"data: \xff\n\n", b"event: \xc3\n\n", b"data: \xed\xa0\x80\n\n"])
def test_what_is_not_utf_8_is_refused(stream: bytes) -> None:
    with pytest.raises(ProviderError, match="not UTF-8") as caught:
        read(stream)
    assert caught.value.kind == "bad_reply"


@pytest.mark.parametrize("piece", [b"x" * 100, b"data: " + b"x" * 90 + b"\n", b"\n" * 100, b": busy\n\n"])
def test_a_stream_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(events, "MAX_BODY", 1000)
    monkeypatch.setattr(Events, "limit", 5000)
    own, taken = Events(Notes()), 0
    with pytest.raises(ProviderError, match="larger than"):
        while True:
            own.feed(piece)
            taken += len(piece)
    assert taken <= 5000
