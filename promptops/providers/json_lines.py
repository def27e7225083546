"""Streams of JSON objects, one a line, out of bytes that may be cut anywhere.

Sources: https://docs.ollama.com/api/streaming, https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptops.errors import ProviderError
from promptops.providers.bodies import too_large
from promptops.providers.events import MAX_STREAM, Chunks, Lines


class JsonLines:
    """Takes the bytes of a stream as they come, and hands its lines to `chunks`."""

    limit = MAX_STREAM

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
        self._lines = Lines()
        self._taken = 0

    @property
    def pieces(self) -> int:
        """How many lines brought something that the model wrote."""
        return self.chunks.pieces

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        return self.chunks.begun

    @property
    def complete(self) -> bool:
        """Whether the last line is in, by its own word."""
        return self.chunks.complete

    def feed(self, piece: bytes) -> None:
        """Take the next bytes; lines after the last one are not looked at."""
        self._taken += len(piece)
        if self._taken > self.limit:
            raise too_large(self.limit)
        for line in self._lines.feed(piece):
            if self.complete:
                return
            self._take(line)

    def finish(self) -> None:
        """Hand on the last line, which need not end in a line break."""
        if not self.complete:
            for line in self._lines.finish():
                self._take(line)

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be."""
        return self.chunks.document()

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            self.chunks.add("", line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ProviderError("bad_reply", f"the stream is not UTF-8: {line[error.start :][:40]!r}") from None
