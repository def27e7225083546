"""One provider against one server that misbehaves once and then is well: what the attack came to, and what followed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from promptops.errors import FailureKind, ProviderError
from promptops.models import Reply
from promptops.providers.base import Exchange
from promptops.providers.deadlines import Waits
from promptops.providers.http import HttpProvider
from promptops.testing import Answer, LoopbackServer
from tests.providers.kit import request

PLENTY = 60.0  # seconds, for what must not depend on how busy this machine is
PIECE = 65_536  # bytes

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@dataclass(frozen=True)
class Outcome:
    """What one request came to: exactly one of `reply` and `error` is there."""

    reply: Reply | None
    error: ProviderError | None
    exchange: Exchange

    @property
    def kind(self) -> FailureKind | None:
        return self.error.kind if self.error else None

    @property
    def words(self) -> str:
        return str(self.error) if self.error else ""


async def ask(provider: HttpProvider, text: str = "hi", *, seconds: float = PLENTY, seed: int | None = None) -> Outcome:
    exchange = Exchange()
    deadline = asyncio.get_running_loop().time() + seconds
    try:
        reply = await provider.ask(request(text), seed=seed, deadline=deadline, exchange=exchange)
    except ProviderError as error:
        return Outcome(None, error, exchange)
    return Outcome(reply, None, exchange)


def attack(answer: Answer, *, seconds: float = PLENTY, **settings: Any) -> tuple[Outcome, Outcome]:
    """The outcome of the attacked request, and of the one after it, which is answered well."""

    async def run(url: str) -> tuple[Outcome, Outcome]:
        provider = HttpProvider("acme", url, **settings)
        try:
            first = await ask(provider, "attack", seconds=seconds)
            provider._connection._waits = Waits()  # whoever answers well may be late
            second = await ask(provider, "again")
            # A server may promise to keep a connection and close it: that costs an attempt, and never two.
            return first, (await ask(provider, "again") if second.kind == "connection" else second)
        finally:
            await provider.aclose()

    with LoopbackServer(lambda asked: answer if asked["messages"][1]["content"] == "attack" else "well") as server:
        return asyncio.run(run(server.base_url))


def endless(head: bytes, piece: bytes) -> Callable[[], Iterable[bytes]]:
    """A response that never ends: `head`, then `piece` again and again."""

    def pieces() -> Iterator[bytes]:
        yield head
        yield from repeat(piece)

    return pieces


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@dataclass(frozen=True)
class Visit:
    """One connection to a `RawServer`; numbers count from 1."""

    connection: socket.socket
    number: int
    over: threading.Event

    def hold(self) -> None:
        """Keep the connection open, and do nothing with it."""
        self.over.wait()

    def request(self) -> bool:
        """Read one small request; whether there was one."""
        return bool(self.connection.recv(PIECE))

    def say(self, response: bytes) -> None:
        self.connection.sendall(response)

    def leave(self, word: bytes = b"") -> None:
        """Say a last word, and end this side of the connection."""
        self.say(word)
        self.connection.shutdown(socket.SHUT_WR)


class RawServer:
    """Sockets and nothing else: `serve` has each connection to itself, which is closed when it returns."""

    def __init__(self, serve: Callable[[Visit], None]) -> None:
        self._serve = serve
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"
        self.connections = 0
        self.visited = threading.Event()

    def __enter__(self) -> RawServer:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self.visited.set()
                self._start(self._handle, Visit(connection, self.connections, self._over))

    def _handle(self, visit: Visit) -> None:
        with visit.connection, suppress(OSError):
            visit.connection.settimeout(30)
            self._serve(visit)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


@contextmanager
def full_backlog() -> Iterator[str]:
    """A port that is listened on, where no further connection is taken; yields the base URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        waiting = [socket.socket() for _ in range(4)]
        try:
            for connection in waiting:
                connection.setblocking(False)
                with suppress(BlockingIOError):
                    connection.connect(listener.getsockname())
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        finally:
            for connection in waiting:
                connection.close()
