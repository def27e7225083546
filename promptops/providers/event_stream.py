"""Amazon's binary event streams, out of bytes that may be cut anywhere. botocore checks and reads the frames.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.bodies import too_large
from promptops.providers.events import MAX_STREAM, Chunks


class EventStream:
    """Takes the bytes of a stream as they come, and hands its events to `chunks`."""

    limit = MAX_STREAM

    def __init__(self, chunks: Chunks) -> None:
        try:
            from botocore.eventstream import EventStreamBuffer
        except ImportError:  # an endpoint of another format says that it sends one
            raise ProviderError("bad_reply", "an event stream of Amazon came, which only botocore can read") from None
        self.chunks = chunks
        self._frames = EventStreamBuffer()
        self._taken = 0

    @property
    def pieces(self) -> int:
        """How many events brought something that the model wrote."""
        return self.chunks.pieces

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.chunks.begun

    @property
    def complete(self) -> bool:
        """Whether the last event is in, by its own word."""
        return self.chunks.complete

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; raises `ProviderError` for a frame whose checksums or lengths are wrong."""
        from botocore.eventstream import ParserError

        self._taken += len(piece)
        if self._taken > self.limit:
            raise too_large(self.limit)
        self._frames.add_data(piece)
        try:
            for frame in self._frames:
                if self.complete:
                    return
                self._take(frame.headers, frame.payload)
        except (ParserError, KeyError, ValueError, struct.error) as error:  # the latter for headers of no known type
            raise ProviderError("bad_reply", f"the stream is no event stream: {error}") from None

    def finish(self) -> None:
        """Nothing is left to do: what is no whole frame is no event."""

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be."""
        return self.chunks.document()

    def _take(self, headers: Mapping[str, Any], payload: bytes) -> None:
        kind = headers.get(":message-type")
        if kind == "error":
            said = f"{headers.get(':error-code')}: {headers.get(':error-message')}"
            raise ProviderError("server", f"an error in the middle of the reply: {said[:300]}")
        name = headers.get(":exception-type" if kind == "exception" else ":event-type")
        try:
            self.chunks.add(str(name), payload.decode("utf-8"))
        except UnicodeDecodeError:
            raise ProviderError("bad_reply", f"the stream is not UTF-8: {payload[:40]!r}") from None
