"""How a streamed body is cut into events, by what its content type says that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from promptops.providers.bodies import Receiver, Whole
from promptops.providers.event_stream import EventStream
from promptops.providers.events import Chunks, Events
from promptops.providers.json_lines import JsonLines
from promptops.providers.replies import parse_object


class Stream(Receiver, Protocol):
    """Takes a stream, and returns at its end what an unstreamed reply would be."""

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        ...


STREAMS: Mapping[str, Callable[[Chunks], Stream]] = {
    "text/event-stream": Events,
    "application/x-ndjson": JsonLines,
    "application/vnd.amazon.eventstream": EventStream,
}
"""Content type → what cuts it into the events that a format's `chunks` add up."""


_SAYS_NOTHING = frozenset({"", "text/plain", "application/octet-stream", "binary/octet-stream"})


def stream_for(content_type: str, chunks: Callable[[], Chunks], *, asked: str = "") -> Stream | None:
    """Return what takes a body of this content type; None where it is no stream.

    `asked` is the content type of the stream that was asked for: server-sent events are recognised where a proxy in
    between says nothing of them.
    """
    said = content_type.partition(";")[0].strip().lower()
    if said in _SAYS_NOTHING and asked == "text/event-stream":
        return Untyped(chunks)
    make = STREAMS.get(said)
    return None if make is None else make(chunks())


class Untyped:
    """A body of which nobody says what it is: a document if it begins as JSON or HTML do, else server-sent events."""

    def __init__(self, chunks: Callable[[], Chunks]) -> None:
        self._chunks = chunks
        self._found: Whole | Events | None = None

    @property
    def limit(self) -> int:
        """How many bytes it takes."""
        return Events.limit

    @property
    def pieces(self) -> int:
        """How many events brought something that the model wrote."""
        return 0 if self._found is None else self._found.pieces

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self._found is not None and self._found.begun

    @property
    def complete(self) -> bool:
        """Whether the last event is in, by its own word."""
        return self._found is not None and self._found.complete

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; the first that is no blank decides."""
        if self._found is None:
            start = piece.lstrip(b"\xef\xbb\xbf \r\n")
            if not start:
                return
            self._found = Whole() if start[:1] in (b"{", b"[", b"<") else Events(self._chunks())
        self._found.feed(piece)

    def finish(self) -> None:
        """Note that the body has ended."""
        if self._found is not None:
            self._found.finish()

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be."""
        if isinstance(self._found, Events):
            return self._found.document()
        return parse_object(b"" if self._found is None else self._found.body)
