"""The process that serves one model: `python -m promptops.providers.local.server`, started by `launcher`.

Beside llama.cpp's HTTP server there is a *door*: a loopback socket at which every user of the server keeps one
connection, its lease. A lease ends with its process, however that ends, because the system closes its sockets. When
no lease was there for `grace` seconds, the process ends itself; before the first one it waits `FIRST_GRACE` seconds at
least. It is a session of its own, so that Ctrl-C in the terminal of whoever started it does not reach the others'
server.

The door also hands out turns. llama.cpp answers one request at a time (one slot) and would queue the others where
their deadlines run; so a user asks for the turn first, and its deadline starts when it has it. Turns are first come,
first served, across processes; a turn ends with `done`, with its lease, or after `TURN_LIMIT` seconds.

One line each, ASCII: the user sends the token, the door answers `hello <pid>`; then `turn` → `go`, and `done`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hmac
import json
import os
import secrets
import signal
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins

from promptops.providers.local.locks import exclusive
from promptops.providers.local.settings import SETTINGS, Settings

LOAD_LIMIT = 600  # whole seconds
TURN_LIMIT = 900.0  # seconds
HELLO_LIMIT = 5.0  # seconds
FIRST_GRACE = 10.0  # seconds, at least, for whoever started the server to come
HOST = "127.0.0.1"


class State(Struct, frozen=True):
    """What a user needs to reach a running server; kept in a file that only its owner can read."""

    pid: int
    url: str
    door: int
    token: str
    model: str
    sha256: str


class Door:
    """Counts leases, hands out turns one at a time in the order of asking, and sets `ended` when nobody is left."""

    def __init__(self, token: str, *, grace: float, turn_limit: float = TURN_LIMIT) -> None:
        self.token, self.grace, self.turn_limit = token, grace, turn_limit
        self.leases = 0
        self.ended = asyncio.Event()
        self._vacant: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.StreamWriter] = deque()
        self._holder: asyncio.StreamWriter | None = None
        self._limit: asyncio.TimerHandle | None = None

    def watch(self, *, at_least: float = 0.0) -> None:
        """Begin to count the grace period, `at_least` so many seconds: nobody holds a lease."""
        seconds = max(self.grace, at_least)
        self._vacant = asyncio.get_running_loop().call_later(seconds, self.ended.set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one user until it leaves."""
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            offered = await asyncio.wait_for(reader.readline(), HELLO_LIMIT)
            if hmac.compare_digest(offered.strip(), self.token.encode()):
                await self._lease(reader, writer)
        writer.close()

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.leases += 1
        if self._vacant is not None:
            self._vacant.cancel()
        try:
            writer.write(f"hello {os.getpid()}\n".encode())
            while word := (await reader.readline()).strip():
                if word == b"turn":
                    self._waiting.append(writer)
                    self._next()
                elif word == b"done":
                    self._done(writer)
        finally:
            self._done(writer)
            self.leases -= 1
            if not self.leases:
                self.watch()

    def _next(self) -> None:
        if self._holder is None and self._waiting:
            self._holder = self._waiting.popleft()
            self._limit = asyncio.get_running_loop().call_later(self.turn_limit, self._done, self._holder)
            self._holder.write(b"go\n")

    def _done(self, writer: asyncio.StreamWriter) -> None:
        """End the turn of `writer`, or its waiting for one."""
        if writer in self._waiting:
            self._waiting.remove(writer)
        if self._holder is writer:
            if self._limit is not None:
                self._limit.cancel()
            self._holder = self._limit = None
        self._next()


def start_engine(path: Path, alias: str, token: str, settings: Settings) -> Any:
    """Load the model and serve it on a free loopback port; returns when it can answer (about 0.5 s)."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.model_alias = {alias}
    params.hostnames = [HOST]
    params.port = 0
    params.api_keys = [token]
    params.n_ctx = settings.context
    params.n_parallel = settings.slots
    params.cache_prompt = settings.cache_prompt
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.endpoint_metrics = True
    params.ui = False
    params.verbosity = 1
    return xllamacpp.Server(params)


async def open_door(door: Door, state_of: Callable[[int], State], state_file: Path) -> None:
    """Serve until there is no user left, or SIGTERM, SIGINT or SIGHUP comes."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, door.ended.set)
    listener = await asyncio.start_server(door.serve, HOST, 0)
    state = state_of(listener.sockets[0].getsockname()[1])
    write_state(state_file, state)
    door.watch(at_least=FIRST_GRACE)
    await door.ended.wait()
    listener.close()
    forget_state(state_file, state)


def write_state(path: Path, state: State) -> None:
    """Write atomically, readable by the owner only: it holds the token."""
    temporary = path.with_name(f"{path.name}.{state.pid}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(to_builtins(state), file)
    temporary.replace(path)


def read_state(path: Path) -> State | None:
    """The state as written, or None: nothing is there, or nothing of ours. Only the door proves that it still holds."""
    try:
        return State(**json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_state(path: Path, state: State) -> None:
    """Remove our own state; where somebody is just starting another server, they replace it anyway."""
    with contextlib.suppress(OSError, TimeoutError), exclusive(lock_of(path), timeout=0):
        if read_state(path) == state:
            path.unlink()


def lock_of(state_file: Path) -> Path:
    """Who starts a server holds this."""
    return state_file.with_suffix(".lock")


def main(arguments: list[str]) -> None:
    """Serve one model until nobody uses it."""
    parser = argparse.ArgumentParser(prog="promptops.providers.local.server")
    parser.add_argument("--model", type=Path, required=True, help="the gguf file")
    parser.add_argument("--alias", required=True, help="what replies call the model")
    parser.add_argument("--sha256", required=True, help="of the file, as the starter verified it")
    parser.add_argument("--state", type=Path, required=True, help="where to write how to be reached")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds without a user")
    options = parser.parse_args(arguments)
    token = secrets.token_hex(16)
    signal.alarm(LOAD_LIMIT)  # the system's own: whoever would end a load that hangs may be gone
    engine = start_engine(options.model, options.alias, token, SETTINGS)
    signal.alarm(0)

    def state_of(door_port: int) -> State:
        return State(os.getpid(), engine.listening_address, door_port, token, options.alias, options.sha256)

    async def run() -> None:
        await open_door(Door(token, grace=options.grace), state_of, options.state)

    asyncio.run(run())
    sys.stdout.flush()
    os._exit(0)  # not through llama.cpp's shutdown, which waits for the request in its slot


if __name__ == "__main__":
    main(sys.argv[1:])
