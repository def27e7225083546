"""A real HTTP server on loopback that speaks OpenAI chat completions, and misbehaves on demand.

Only the standard library: sockets, keep-alive and streaming are real, nothing is mocked. The server has a thread and
an event loop of its own, so that it serves synchronous and asynchronous tests alike.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from promptops.testing.answers import Answer
from promptops.testing.connection import Connection, Received, Served

Answering = Callable[[dict[str, Any]], "Answer | str"]
Watching = Callable[[Served], None]


class LoopbackServer:
    """Serves `POST …/chat/completions` and `GET …/models` on 127.0.0.1 while the `with` block lasts.

    ::

        with LoopbackServer(lambda asked: Answer("hi", delay=0.2), latency=0.05) as server:
            project.provider("acme", server.base_url)

    `answer` is a text, an `Answer`, or a function of the request's JSON body that returns one of them (it runs in the
    server's thread). `latency` is seconds before each answer, `port` 0 takes a free one, `models` are the ids (or
    whole entries) that `GET /models` lists; with `record=False` requests are counted, not kept. `watch` is called (in
    the server's thread) for each request once it is answered, or its client has left. `paths` are the ends of the paths
    that are answered: for another wire format give its paths, and each `Answer` its `body` or `raw`.
    """

    def __init__(
        self,
        answer: Answering | Answer | str = "ok",
        *,
        latency: float = 0.0,
        port: int = 0,
        models: tuple[str | Mapping[str, Any], ...] = ("model-1",),
        record: bool = True,
        watch: Watching | None = None,
        paths: tuple[str, ...] = ("/chat/completions",),
    ) -> None:
        self._desk = _Desk(answer, latency, models, watch, paths, record=record)
        self._port = port
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
        with self._desk.lock:
            return list(self._desk.received)

    @property
    def count(self) -> int:
        """How many requests came in."""
        return self._desk.count

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""
        return self._desk.in_flight

    @property
    def peak(self) -> int:
        """The most requests that were in flight at once."""
        return self._desk.peak

    @property
    def connections(self) -> int:
        """How many connections were opened."""
        return self._desk.connections

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
        server = await self._loop.create_server(lambda: Connection(self._desk), "127.0.0.1", self._port, backlog=1024)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        with suppress(NotImplementedError):
            # Not server.close() at once: it fails a connection that was accepted in this very turn of the loop.
            self._loop.remove_reader(server.sockets[0].fileno())
        await self._desk.shut()
        server.close()


class _Desk:
    """What the connections share; used in the server's thread, read from others."""

    def __init__(
        self,
        answer: Answering | Answer | str,
        latency: float,
        models: tuple[str | Mapping[str, Any], ...],
        watch: Watching | None,
        paths: tuple[str, ...],
        *,
        record: bool,
    ) -> None:
        self.lock = threading.Lock()
        self.received: list[Received] = []
        self.count = self.in_flight = self.peak = self.connections = 0
        self._answer, self._latency, self._models, self._record = answer, latency, models, record
        self._watch, self._paths = watch, paths
        self._open: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, connection: Connection) -> None:
        self.connections += 1
        self._open.add(connection)

    def closed(self, connection: Connection) -> None:
        self._open.discard(connection)

    def receive(self, received: Received) -> tuple[Answer, float]:
        with self.lock:
            self.count += 1
            self.in_flight += 1
            self.peak = max(self.peak, self.in_flight)
            if self._record:
                self.received.append(received)
        answer = self._answer_to(received)
        return answer, self._latency if answer.delay is None else answer.delay

    def answered(self, served: Served) -> None:
        with self.lock:
            self.in_flight -= 1
        if self._watch is not None:
            self._watch(served)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def shut(self) -> None:
        for _ in range(3):  # a connection that was just accepted gets its transport in the loop's next turns
            await asyncio.sleep(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._open):
            connection.abort()
        await asyncio.sleep(0)  # aborted transports close their sockets in the next turn

    def _answer_to(self, received: Received) -> Answer:
        if received.method == "GET" and received.path.endswith("/models"):
            entries = [{"id": model} if isinstance(model, str) else model for model in self._models]
            listed = [{"object": "model", "owned_by": "loopback", **entry} for entry in entries]
            return Answer(delay=0.0, body=json.dumps({"object": "list", "data": listed}).encode())
        if received.method != "POST" or not received.path.split("?")[0].endswith(self._paths):
            return Answer(status=404, error=f"no such path: {received.method} {received.path}")
        if not received.json:
            return Answer(status=400, error="the body is not a JSON object")
        try:
            answer = self._answer(received.json) if callable(self._answer) else self._answer
        except Exception as error:  # a mistake in the test's function must not hang its client
            return Answer(status=500, error=f"the answer function raised {error!r}")
        return Answer(answer) if isinstance(answer, str) else answer
