"""Amazon's binary event streams, out of bytes that may be cut anywhere. botocore checks and reads the frames.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.bodies import MAX_BODY, too_large
from promptops.providers.events import Chunks, Cutter

_PRELUDE = 12  # bytes: length of the frame, length of its headers, checksum of both


class EventStream(Cutter):
    """Frames of an event stream."""

    def __init__(self, chunks: Chunks) -> None:
        try:
            from botocore.eventstream import EventStreamBuffer, ParserError
        except ImportError:  # an endpoint of another format says that it sends one
            raise ProviderError("bad_reply", "an event stream of Amazon came, which only botocore can read") from None
        super().__init__(chunks)
        self._frames, self._error = EventStreamBuffer(), ParserError
        self._rest = bytearray()

    def _cut(self, piece: bytes) -> None:
        self._rest += piece
        while not self.complete and (frame := self._next()) is not None:
            self._take(*self._read(frame))

    def _next(self) -> bytes | None:
        """Return the next frame that is there whole: the length in its prelude, which has a checksum of its own."""
        if len(self._rest) < _PRELUDE:
            return None
        total, _, checksum = struct.unpack_from("!III", self._rest)
        if zlib.crc32(self._rest[:8]) != checksum or total < _PRELUDE:
            raise ProviderError("bad_reply", "the stream is no event stream: its prelude has another checksum")
        if total > MAX_BODY:
            raise too_large(MAX_BODY)
        if len(self._rest) < total:
            return None
        frame = bytes(self._rest[:total])
        del self._rest[:total]
        return frame

    def _read(self, frame: bytes) -> tuple[Mapping[str, Any], bytes]:
        try:
            self._frames.add_data(frame)
            read = next(self._frames)
        except (self._error, KeyError, ValueError, struct.error, StopIteration) as error:  # headers of no known type
            raise ProviderError("bad_reply", f"the stream is no event stream: {error}") from None
        return read.headers, read.payload

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
