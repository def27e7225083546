"""Server-sent events out of bytes that may be cut anywhere.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream

httpx-sse says what an event is. It reads text without a bound, which somebody else decoded, so what it gets are
whole events: lines are cut, counted and decoded here, and broken UTF-8 is an error, not mended in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from promptops.errors import ProviderError
from promptops.providers.bodies import MAX_BODY, too_large

if TYPE_CHECKING:
    import httpx

MAX_STREAM = 64 * 1024 * 1024  # bytes: each token has a frame of a few hundred


class Chunks(Protocol):
    """Puts the events of one streamed reply together."""

    @property
    def pieces(self) -> int:
        """How many events brought something that the model wrote."""
        ...

    @property
    def begun(self) -> bool:
        """Whether the first token is in."""
        ...

    @property
    def complete(self) -> bool:
        """Whether the last event is in, by its own word."""
        ...

    def add(self, event: str, data: str) -> None:
        """Take the next event (its name empty where it has none); raises `ProviderError` for what must not be."""
        ...

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be; raises `ProviderError` where the stream ended before it did."""
        ...


class Cutter:
    """Takes the bytes of a stream as they come, cuts them into events, and hands these to `chunks`.

    A subclass writes `_cut`; nothing is cut past the last event, by its own word.
    """

    limit = MAX_STREAM

    def __init__(self, chunks: Chunks) -> None:
        self.chunks = chunks
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
        """Take the next bytes; raises `ProviderError` past `limit`, and for what is no such stream."""
        self._taken += len(piece)
        if self._taken > self.limit:
            raise too_large(self.limit)
        if not self.complete:
            self._cut(piece)

    def finish(self) -> None:
        """Hand on what is left: here, what is no whole event is none."""

    def document(self) -> Mapping[str, Any]:
        """Return what an unstreamed reply would be."""
        return self.chunks.document()

    def _cut(self, piece: bytes) -> None:
        raise NotImplementedError


class Events(Cutter):
    """Server-sent events."""

    def __init__(self, chunks: Chunks) -> None:
        super().__init__(chunks)
        self._lines = Lines()
        self._block: list[bytes] = []
        self._ready: list[bytes] = []
        self._marked = False
        self._held = 0

    def finish(self) -> None:
        """Hand on the last event, which some servers end without the empty line."""
        if not self.complete:
            for line in (*self._lines.finish(), b""):
                self._take(line)
            self._hand_on()

    def _cut(self, piece: bytes) -> None:
        for line in self._lines.feed(piece):
            self._take(line)
        self._hand_on()

    def _take(self, line: bytes) -> None:
        if not line:
            if self._block:
                self._ready.append(b"\n".join(self._block))
                self._block, self._held = [], 0
            return
        if not self._marked:  # only the first line may begin with a mark
            line, self._marked = line.removeprefix(b"\xef\xbb\xbf"), True
        if line.startswith(b":"):  # a comment: some servers send nothing else for minutes
            return
        self._held += len(line)
        if self._held > MAX_BODY:
            raise too_large(MAX_BODY)
        self._block.append(line)

    def _hand_on(self) -> None:
        """Hand on what is ready, up to the last event by its own word."""
        if not self._ready:
            return
        from httpx_sse import EventSource

        ready, self._ready = self._ready, []
        for text in _decoded(ready):
            for found in EventSource(cast("httpx.Response", _Text(text))).iter_sse():
                if found.data:
                    self.chunks.add("" if found.event == "message" else found.event, found.data)
                if self.complete:
                    return


def _decoded(events: list[bytes]) -> Iterator[str]:
    """All events as one text, which is quicker; one by one where a byte is wrong, so that those before it count."""
    try:
        yield b"\n\n".join(events).decode("utf-8")
    except UnicodeDecodeError:
        for event in events:
            try:
                yield event.decode("utf-8")
            except UnicodeDecodeError as error:
                where = event[error.start :][:40]
                raise ProviderError("bad_reply", f"the stream is not UTF-8: {where!r}") from None


class _Text:
    """Stands for the response that httpx-sse reads: the text of whole events."""

    headers = {"content-type": "text/event-stream"}  # noqa: RUF012 - as httpx has it

    def __init__(self, text: str) -> None:
        self._text = text

    def iter_text(self) -> Iterator[str]:
        yield self._text + "\n\n"


class Lines:
    """Lines that end in LF, CR or CRLF, out of bytes cut anywhere, without their ends."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._after_cr = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Yield the lines that `piece` ends; raises `ProviderError` for one past 16 MB."""
        if self._after_cr and piece:
            piece, self._after_cr = piece.removeprefix(b"\n"), False
        if b"\n" not in piece and b"\r" not in piece:
            self._rest += piece
        else:
            self._after_cr = piece.endswith(b"\r")
            *lines, last = bytes(self._rest + piece).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            self._rest = bytearray(last)
            yield from lines
        if len(self._rest) > MAX_BODY:
            raise too_large(MAX_BODY)

    def finish(self) -> Iterator[bytes]:
        """Yield the line that has no end."""
        if self._rest:
            yield bytes(self._rest)
            self._rest.clear()
