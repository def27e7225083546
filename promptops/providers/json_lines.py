"""Streams of JSON objects, one a line, out of bytes that may be cut anywhere.

Sources: https://docs.ollama.com/api/streaming, https://github.com/ndjson/ndjson-spec
"""

from __future__ import annotations

from promptops.errors import ProviderError
from promptops.providers.events import Chunks, Cutter, Lines


class JsonLines(Cutter):
    """Lines of JSON; those after the last one are not looked at."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks)
        self._lines = Lines()

    def finish(self) -> None:
        """Hand on the last line, which need not end in a line break."""
        if not self.complete:
            for line in self._lines.finish():
                self._take(line)

    def _cut(self, piece: bytes) -> None:
        for line in self._lines.feed(piece):
            if self.complete:
                return
            self._take(line)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            self.chunks.add("", line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ProviderError("bad_reply", f"the stream is not UTF-8: {line[error.start :][:40]!r}") from None
