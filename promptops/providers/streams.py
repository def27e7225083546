"""How a streamed body is cut into events, by what its content type says that it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from promptops.providers.bodies import Receiver
from promptops.providers.event_stream import EventStream
from promptops.providers.events import Chunks, Events
from promptops.providers.json_lines import JsonLines


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


def stream_for(content_type: str, chunks: Callable[[], Chunks]) -> Stream | None:
    """Return what takes a body of this content type; None where it is no stream."""
    make = STREAMS.get(content_type.partition(";")[0].strip().lower())
    return None if make is None else make(chunks())
