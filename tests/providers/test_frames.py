"""Streams that are no server-sent events: JSON lines and Amazon's frames, bounded whatever comes."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from collections.abc import Mapping
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.providers.bodies import MAX_BODY
from promptops.providers.event_stream import EventStream
from promptops.providers.events import MAX_STREAM
from promptops.providers.json_lines import JsonLines


class Kept:
    """Keeps what it is given; `last` is the event after which it is complete."""

    def __init__(self, last: str = "end") -> None:
        self.events: list[tuple[str, str]] = []
        self._last = last

    @property
    def pieces(self) -> int:
        return len(self.events)

    @property
    def begun(self) -> bool:
        return bool(self.events)

    @property
    def complete(self) -> bool:
        return bool(self.events) and self._last in self.events[-1]

    def add(self, event: str, data: str) -> None:
        self.events.append((event, data))

    def document(self) -> Mapping[str, Any]:
        return {"events": self.events}


def frame(payload: bytes, *, name: str = "chunk", headers: bytes | None = None) -> bytes:
    if headers is None:
        headers = header(":message-type", "event") + header(":event-type", name)
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack("!I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack("!I", zlib.crc32(whole))


def header(name: str, text: str) -> bytes:
    return bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(text)) + text.encode()


def error_of(stream: JsonLines | EventStream, *pieces: bytes) -> str:
    with pytest.raises(ProviderError) as caught:
        for piece in pieces:
            stream.feed(piece)
    assert caught.value.kind == "bad_reply"
    return str(caught.value)


def test_lines_are_handed_on_without_their_ends_and_without_empty_ones() -> None:
    kept = Kept()
    stream = JsonLines(kept)
    for piece in (b'\n\r\n{"a": 1}\r', b'\n  \n{"b"', b": 2}"):
        stream.feed(piece)
    assert kept.events == [("", '{"a": 1}')]
    stream.finish()
    assert kept.events == [("", '{"a": 1}'), ("", '{"b": 2}')]


def test_what_comes_after_the_last_line_is_not_looked_at() -> None:
    kept = Kept("last")
    stream = JsonLines(kept)
    stream.feed(b"last\n\xff\xfe no text\n")
    stream.feed(b"more\n")
    stream.finish()
    assert kept.events == [("", "last")]


def test_lines_that_are_no_text_are_no_reply() -> None:
    assert "not UTF-8" in error_of(JsonLines(Kept()), b'{"a": "\xff"}\n')


def test_a_line_without_end_is_bounded() -> None:
    assert "larger than 16 MB" in error_of(JsonLines(Kept()), *[b"x" * 2**20] * 17)


def test_lines_without_end_are_bounded() -> None:
    stream = JsonLines(Kept())
    assert f"larger than {MAX_STREAM // 2**20} MB" in error_of(stream, *[b"\n" * 2**20] * 65)


botocore = pytest.importorskip("botocore")


def test_frames_are_handed_on_by_their_names() -> None:
    kept = Kept("end")
    stream = EventStream(kept)
    body = frame(b'{"a": 1}') + frame(b"", name="end")
    for place in range(len(body)):
        stream.feed(body[place : place + 1])
    stream.feed(b"what is no frame, after the end")
    stream.finish()
    assert kept.events == [("chunk", '{"a": 1}'), ("end", "")]


def test_half_a_frame_is_no_event() -> None:
    kept = Kept()
    stream = EventStream(kept)
    stream.feed(frame(b"{}")[:-1])
    stream.finish()
    assert kept.events == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>502 Bad Gateway</html>", "no event stream"),
        (struct.pack("!II", 8, 0) + struct.pack("!I", zlib.crc32(struct.pack("!II", 8, 0))), "no event stream"),
        (struct.pack("!II", 2**31, 0) + struct.pack("!I", zlib.crc32(struct.pack("!II", 2**31, 0))), "16 MB"),
        (struct.pack("!II", 20, 99) + struct.pack("!I", zlib.crc32(struct.pack("!II", 20, 99))) + b"x" * 8, "no event"),
        (frame(b"{}", headers=b"\x01a\x63xx"), "no event stream"),
        (frame(b"{}", headers=b"\x01a\x07\x00\x02\xff\xfe"), "no event stream"),
        (frame(b"{}", headers=header("a", "1") + header("a", "2")), "no event stream"),
        (frame(b"\xff"), "not UTF-8"),
        (frame(b"{}", headers=header(":message-type", "error") + header(":error-message", "x")), "error"),
    ],
)
def test_a_frame_that_lies_is_no_reply(body: bytes, why: str) -> None:
    stream = EventStream(Kept())
    with pytest.raises(ProviderError, match=why):
        stream.feed(body)


def test_a_frame_that_drips_costs_its_own_size_and_no_more() -> None:
    body = frame(b" " * (MAX_BODY - 200))
    stream = EventStream(Kept())
    tracemalloc.start()
    for place in range(0, len(body), 4096):
        stream.feed(body[place : place + 4096])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stream.begun
    assert peak < 6 * MAX_BODY


def test_frames_without_end_are_bounded() -> None:
    body = frame(b" " * 2**20)
    assert f"larger than {MAX_STREAM // 2**20} MB" in error_of(EventStream(Kept()), *[body] * 65)
