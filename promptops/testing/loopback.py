"""A real HTTP server on loopback that speaks OpenAI chat completions, and misbehaves on demand.

Only the standard library: sockets, keep-alive and streaming are real, nothing is mocked. The server has a thread and
an event loop of its own, so that it serves synchronous and asynchronous tests alike.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from promptops.testing.answers import Answer, render_response, render_stream

MAX_REQUEST = 64 * 1024 * 1024  # bytes
Answering = Callable[[dict[str, Any]], "Answer | str"]


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. Header names are lower-case; `json` is the body, `{}` where it is no JSON object."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    json: dict[str, Any]


class LoopbackServer:
    """Serves `POST …/chat/completions` and `GET …/models` on 127.0.0.1 while the `with` block lasts.

    ::

        with LoopbackServer(lambda asked: Answer("hi", delay=0.2), latency=0.05) as server:
            project.provider("acme", server.base_url)

    `answer` is a text, an `Answer`, or a function of the request's JSON body that returns one of them (it runs in the
    server's thread). `latency` is seconds before each answer. `requests` lists what came in (not with `record=False`),
    `count` how many, `peak` how many were in flight at most, `connections` how many were opened. `port` 0 takes a free
    one. `models` are the ids that `GET /models` lists.
    """

    def __init__(
        self,
        answer: Answering | Answer | str = "ok",
        *,
        latency: float = 0.0,
        port: int = 0,
        models: tuple[str, ...] = ("model-1",),
        record: bool = True,
    ) -> None:
        self.latency, self.models, self.record = latency, models, record
        self.count = self.peak = self.connections = self.in_flight = 0
        self._answer, self._port = answer, port
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._open: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread: threading.Thread | None = None
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` must be: `http://127.0.0.1:<port>/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def requests(self) -> list[Received]:
        """The requests so far, oldest first."""
        with self._lock:
            return list(self._received)

    def start(self) -> Self:
        """Listen, if not yet; returns when requests can be served. Raises `OSError` where the port is taken."""
        if self._thread is not None:
            return self
        self._thread = threading.Thread(target=self._run, name="promptops-loopback", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread = None
            raise self._failure
        return self

    def close(self) -> None:
        """Drop every connection and stop; returns when the thread has ended. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # handed to the thread that called start()
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port, backlog=1024)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        for connection in list(self._open):
            connection.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the loop's next turn

    def _note(self, received: Received) -> None:
        with self._lock:
            self.count += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            if self.record:
                self._received.append(received)

    def _done(self) -> None:
        with self._lock:
            self.in_flight -= 1

    def _answer_to(self, received: Received) -> Answer:
        if received.method == "GET" and received.path.endswith("/models"):
            listed = [{"id": model, "object": "model", "owned_by": "loopback"} for model in self.models]
            return Answer(delay=0.0, body=json.dumps({"object": "list", "data": listed}).encode())
        if received.method != "POST" or not received.path.split("?")[0].endswith("/chat/completions"):
            return Answer(status=404, error=f"no such path: {received.method} {received.path}")
        if not received.json:
            return Answer(status=400, error="the body is not a JSON object")
        try:
            answer = self._answer(received.json) if callable(self._answer) else self._answer
        except Exception as error:  # a mistake in the test's function must not hang its client
            return Answer(status=500, error=f"the answer function raised {error!r}")
        return Answer(answer) if isinstance(answer, str) else answer


class _Connection(asyncio.Protocol):
    """One keep-alive connection: a request is read whole, answered, and only then the next one is looked at."""

    def __init__(self, server: LoopbackServer) -> None:
        self._server = server
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._busy = False
        self._close_after = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections += 1
        self._server._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's signature)
        self._transport = None
        self._server._open.discard(self)

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
            self._finish(close=True)
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
        self._server._note(received)
        answer = self._server._answer_to(received)
        delay = self._server.latency if answer.delay is None else answer.delay
        loop = asyncio.get_running_loop()
        streamed = bool(received.json.get("stream")) and answer.status < 400 and answer.raw is answer.body is None
        if streamed or answer.drip:
            task = loop.create_task(self._slowly(answer, received.json, delay, streamed=streamed))
            self._server._tasks.add(task)
            task.add_done_callback(self._server._tasks.discard)
        elif delay > 0:
            loop.call_later(delay, self._at_once, answer, received.json)
        else:
            self._at_once(answer, received.json)

    def _at_once(self, answer: Answer, asked: dict[str, Any]) -> None:
        response = render_response(answer, asked)
        self._server._done()
        self._send(response if answer.drop is None else response[: answer.drop])
        self._finish(close=answer.drop is not None or answer.raw is not None)

    async def _slowly(self, answer: Answer, asked: dict[str, Any], delay: float, *, streamed: bool) -> None:
        try:
            await asyncio.sleep(delay)
            sent = 0
            for piece in render_stream(answer, asked) if streamed else _bytes(render_response(answer, asked)):
                if answer.drop is not None and sent + len(piece) > answer.drop:
                    self._send(piece[: answer.drop - sent])
                    break
                self._send(piece)
                sent += len(piece)
                await asyncio.sleep(answer.drip)
        finally:
            self._server._done()
            self._finish(close=answer.drop is not None or answer.raw is not None)

    def _send(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def _finish(self, *, close: bool) -> None:
        self._busy = False
        if self._transport is None:
            return
        if close or self._close_after:
            self._transport.close()
        elif self._buffer:
            self._next()


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
