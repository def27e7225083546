"""One keep-alive connection of the loopback server: just enough HTTP/1.1 for a client library."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from typing import Any, Protocol

from msgspec import Struct

from promptops.testing.answers import Answer, render_response, render_stream

MAX_REQUEST = 64 * 1024 * 1024  # bytes


class Received(Struct, frozen=True):
    """One request as it came. Header names are lower-case; `json` is the body, `{}` where it is no JSON object."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: dict[str, Any]


class Served(Struct, frozen=True):
    """What became of one request: `whole` where the complete answer was written to a client that was still there."""

    received: Received
    answer: Answer
    whole: bool


class Desk(Protocol):
    """Who decides what a connection answers, and keeps count."""

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...

    def receive(self, received: Received) -> tuple[Answer, float]:
        """Return the answer, and how many seconds to wait before it."""
        ...

    def answered(self, served: Served) -> None: ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None: ...


class Connection(asyncio.Protocol):
    """One keep-alive connection: a request is read whole, answered, and only then the next one is looked at."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._close_after = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._asked: tuple[Received, Answer] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._desk.opened(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None
        self._writable.set()
        self._desk.closed(self)
        if self._timer is not None:
            self._timer.cancel()
        self._done(whole=False)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > 65_536:
                self.abort()
            return
        line, *rest = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (item.partition(":") for item in rest)}
        length = headers.get("content-length", "0")
        method, _, tail = line.partition(" ")
        if not length.isdigit() or int(length) > MAX_REQUEST or "transfer-encoding" in headers or not tail:
            self._send(
                render_response(Answer(status=400, error="unreadable request", headers={"Connection": "close"}), {})
            )
            self._finish("close")
            return
        total = end + 4 + int(length)
        if len(self._buffer) < total:
            return
        body = bytes(self._buffer[end + 4 : total])
        del self._buffer[:total]
        self._busy = True
        self._close_after = headers.get("connection", "").lower() == "close"
        self._handle(Received(method, tail.rsplit(" ", 1)[0], headers, body, _object(body)))

    def _handle(self, received: Received) -> None:
        answer, delay = self._desk.receive(received)
        self._asked, self._timer = (received, answer), None
        loop = asyncio.get_running_loop()
        if is_streamed(answer, received.json) or answer.drip or callable(answer.raw):
            self._desk.spawn(self._slowly(answer, received.json, delay))
        elif delay > 0:
            self._timer = loop.call_later(delay, self._at_once, answer, received.json)
        else:
            self._at_once(answer, received.json)

    def _at_once(self, answer: Answer, asked: dict[str, Any]) -> None:
        response = render_response(answer, asked)
        sent = response if answer.drop is None else response[: answer.drop]
        self._done(whole=len(sent) == len(response))
        self._send(sent)
        self._finish(answer.ending)

    async def _slowly(self, answer: Answer, asked: dict[str, Any], delay: float) -> None:
        try:
            await asyncio.sleep(delay)
            sent = 0
            for piece in _pieces(answer, asked):
                if sent:
                    await asyncio.sleep(answer.drip)
                await self._writable.wait()
                if self._transport is None:
                    break
                if answer.drop is not None and sent + len(piece) > answer.drop:
                    self._send(piece[: answer.drop - sent])
                    break
                self._send(piece)
                sent += len(piece)
            else:
                self._done(whole=True)
        finally:
            self._done(whole=False)
            self._finish(answer.ending)

    def _done(self, *, whole: bool) -> None:
        """Tell what became of the request, once; a client that left waits for nothing any more."""
        asked, self._asked = self._asked, None
        if asked is not None:
            self._desk.answered(Served(*asked, whole))

    def _send(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def _finish(self, ending: str) -> None:
        if self._transport is None or ending == "hang":
            return
        self._busy = False
        if ending == "reset":
            self._reset(self._transport)
        elif ending == "close" or self._close_after:
            self._transport.close()
        elif self._buffer:
            self._next()

    def _reset(self, transport: asyncio.Transport) -> None:
        """Close so that the other side gets an error in place of an end."""
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def is_streamed(answer: Answer, asked: Mapping[str, Any]) -> bool:
    """Whether `answer` is given as a stream, because the request body `asked` wants one."""
    return bool(asked.get("stream")) and answer.status < 400 and answer.raw is answer.body is None


def _pieces(answer: Answer, asked: dict[str, Any]) -> Iterable[bytes]:
    if is_streamed(answer, asked):
        return render_stream(answer, asked)
    return answer.raw() if callable(answer.raw) else _bytes(render_response(answer, asked))


def _bytes(response: bytes) -> Iterator[bytes]:
    """Yield the head whole, then the body byte by byte."""
    end = response.find(b"\r\n\r\n") + 4
    yield response[:end]
    for position in range(end, len(response)):
        yield response[position : position + 1]


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
