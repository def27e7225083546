"""One connection that speaks HTTP/1.1: a request goes out, and its reply comes in, one at a time.

httptools (llhttp, the parser of Node.js) reads the bytes. It bounds nothing, so that the size of a head is bounded
here, and a body that nobody reads stops the other side from sending more.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from typing import cast

import httptools
import httpx

MAX_HEAD = 64 * 1024  # bytes of headers, of trailers, and of anything else that is no body, one after the other
HIGH_WATER = 256 * 1024  # bytes of a body that wait to be read, from which on no more is taken from the socket

Headers = list[tuple[bytes, bytes]]
_NO_BODY = frozenset({204, 304})


class Http1(asyncio.Protocol):
    """A connection, made by `loop.create_connection`; `exchange` begins, `read` goes on until `done`.

    Errors are httpx's: `ReadError` and `RemoteProtocolError`, the latter for what is not HTTP or ends too early.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._poll: select.poll | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._pieces: deque[bytes] = deque()
        self._held = self._framing = 0
        self._status: int | None = None
        self._fields: Headers = []
        self._error: Exception | None = None
        self._asked = self._paused = self._until_close = self._keep = self._spoiled = self.done = False
        self._progress = False

    # --- for who asks

    async def exchange(self, request: bytes) -> tuple[int, Headers]:
        """Send `request`, head and body, without waiting until it is sent; returns status and headers of the reply."""
        self._begin()
        if self._error is None and self._transport is not None:
            self._transport.write(request)
        while self._status is None:
            await self._more()
        return self._status, self._fields

    def _begin(self) -> None:
        self._pieces.clear()
        self._held = self._framing = 0
        self._status, self._fields = None, []
        self._asked, self._until_close, self.done = True, False, False

    async def read(self) -> bytes:
        """Return what has come of the body since the last call, at least a byte; nothing at its end."""
        while not self._pieces:
            if self.done and not self._spoiled:
                return b""
            if self.done:
                raise httpx.RemoteProtocolError("more came than the length of the reply tells")
            await self._more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def open(self) -> bool:
        """Whether the other side has not closed it, as far as anybody knows."""
        return self._error is None and self._transport is not None and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: this one and its reply have ended, and nothing came unasked."""
        if self._transport is None or self._transport.get_write_buffer_size():
            return False
        return self.done and self._keep and not self._spoiled and self.open

    def is_quiet(self) -> bool:
        """Whether nothing is there to read: no end of the connection, and no answer to what was not asked."""
        return self._poll is None or not self._poll.poll(0)

    @property
    def transport(self) -> asyncio.Transport | None:
        """What carries the bytes, None before it is connected."""
        return self._transport

    def abort(self) -> None:
        """Close at once: what was not sent or read is nobody's any more."""
        if self._transport is not None:
            self._transport.abort()

    async def _more(self) -> None:
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._wake()

    # --- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if (socket := transport.get_extra_info("socket")) is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._asked or self.done:
            self._spoiled = True
            self.abort()
            return
        self._progress, framing = False, self._framing + len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._broken("it changes to another protocol")
        except httptools.HttpParserError as error:
            self._broken(str(error))
        self._framing = 0 if self._progress else framing
        if self._framing > MAX_HEAD and not self.done:
            self._broken(f"headers, or what divides the body, are longer than {MAX_HEAD // 1024} KiB")
        elif self._held > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._asked and not self.done:
            if exc is not None:
                lost = httpx.ReadError(str(exc) or type(exc).__name__)
                lost.__cause__ = exc
                self._fail(lost)
            elif self._until_close and self._status is not None:
                self.done = True
            else:
                self._fail(httpx.ReadError(_too_early(self._status)))
        self._error = self._error or httpx.ReadError("the connection was closed")
        self._wake()

    def _broken(self, why: str) -> None:
        """What follows is not HTTP. A reply that has ended is none the worse for it, but the connection is."""
        self._spoiled = True
        if not self.done:
            self._fail(httpx.RemoteProtocolError(why))
        self.abort()

    # --- for the parser

    def on_message_begin(self) -> None:
        if self.done:
            self._spoiled = True

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.done:
            return
        self._framing += len(name) + len(value)
        if self._status is None:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        if self.done:
            return
        if self._framing > MAX_HEAD:
            self._broken(f"the headers are longer than {MAX_HEAD // 1024} KiB")
            return
        self._framing, self._progress = 0, True
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != 101:  # announces the reply that follows
            self._fields = []
            return
        self._status = status
        names = {name.lower() for name, _ in self._fields}
        bounded = b"content-length" in names or b"transfer-encoding" in names or status in _NO_BODY
        self._until_close = not bounded

    def on_body(self, body: bytes) -> None:
        if not self.done:
            self._progress = True
            self._pieces.append(body)
            self._held += len(body)

    def on_message_complete(self) -> None:
        if self._status is not None and not self.done:
            self.done, self._keep = True, self._parser.should_keep_alive()


def _too_early(status: int | None) -> str:
    return "the connection was closed before the reply" if status is None else "the reply ends in the middle"
