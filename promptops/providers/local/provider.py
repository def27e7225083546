"""Asks a model on this machine: a lease of the shared server, a turn at its one slot, then a chat completion.

Parallel processes wait for their turn at the server's door and not inside the request, and the time that a request may
take is counted from when it has its turn: a deadline never fires because others are asking.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from msgspec import Struct

from promptops.errors import ProviderError
from promptops.models import Pin, Reply, Request
from promptops.providers.base import Exchange, Limits, Provider
from promptops.providers.http import HttpProvider
from promptops.providers.keys import KeySource
from promptops.providers.local.catalog import LocalModel, model_of
from promptops.providers.local.files import is_pulled, verified
from promptops.providers.local.launcher import Launcher, Lease
from promptops.providers.local.server import State
from promptops.providers.local.settings import engine_version

#: One slot: batching would change what the model answers. A long prompt takes seconds on a busy machine.
LIMITS = Limits(concurrency=1, timeout=120.0, retries=2, fixed=True)

Connect = Callable[[State], Provider]


def open_model(pin: Pin, environ: Mapping[str, str]) -> LocalProvider:
    """Find the model of `pin` and see that this machine can serve it; see `open_local`."""
    model = model_of(pin)
    engine_version()
    launcher = Launcher.from_environ(environ)
    if not is_pulled(model, launcher.cache):
        verified(model, launcher.cache)  # says what is wrong, and what to do
    return LocalProvider(model, launcher, connect)


def connect(state: State) -> Provider:
    """The server speaks chat completions, and wants the token that only users of this machine's state file know."""
    key = KeySource("PROMPTOPS_LOCAL_API_KEY", {"PROMPTOPS_LOCAL_API_KEY": state.token})
    return HttpProvider("local", f"{state.url}/v1", key=key, limits=LIMITS)


class DoorClosedError(Exception):
    """The server went away before the request was sent."""


class Session(Struct, frozen=True):
    """One lease in this event loop: the connection to the door, and the provider that asks the server behind it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    chat: Provider

    @classmethod
    async def open(cls, lease: Lease, connect: Connect) -> Session:
        reader, writer = await asyncio.open_connection(sock=lease.door)
        return cls(reader, writer, connect(lease.state))

    @property
    def is_closed(self) -> bool:
        return self.reader.at_eof() or self.writer.is_closing()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the server's slot; raises `DoorClosedError` where there is no server any more."""
        try:
            self.writer.write(b"turn\n")
            word = await self.reader.readline()
        except OSError as error:
            raise DoorClosedError from error
        except asyncio.CancelledError:
            self.writer.close()  # an answer that is under way would be taken for the next turn's
            raise
        if word != b"go\n":
            raise DoorClosedError
        try:
            yield
        finally:
            self.writer.write(b"done\n")

    async def aclose(self) -> None:
        self.writer.close()
        await self.chat.aclose()


class LocalProvider:
    """A model of the catalog, served on this machine: free, without a key, one request at a time."""

    name = "local"

    def __init__(self, model: LocalModel, launcher: Launcher, connect: Connect) -> None:
        self.model, self._launcher, self._connect = model, launcher, connect
        self._session: Session | None = None
        self._one = asyncio.Lock()

    def limits(self) -> Limits:
        return LIMITS

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        """Ask once; what is left until `deadline` is counted from when this request has its turn.

        Raises `ProviderError`; `ModelFileError` and `MissingExtra` where this machine is not set up for the model.
        """
        clock = asyncio.get_running_loop().time
        allowed = deadline - clock()
        async with self._one:
            for attempt in (1, 2):
                session = await self._open()
                try:
                    async with session.turn():
                        return await session.chat.ask(request, seed=seed, deadline=clock() + allowed, exchange=exchange)
                except DoorClosedError:
                    await self._close()
                    if attempt == 2:
                        break
        raise ProviderError("connection", f"the server of {self.model.pin} went away twice before it was asked")

    async def aclose(self) -> None:
        """Give the lease back; the server ends when it was the last one. May be called twice."""
        await self._close()

    async def _open(self) -> Session:
        if self._session is not None and self._session.is_closed:
            await self._close()
        if self._session is None:
            self._session = await Session.open(await self._lease(), self._connect)
        return self._session

    async def _close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.aclose()

    async def _lease(self) -> Lease:
        """Wait for a lease in a thread: starting a server takes half a second, and the loop has other work."""
        starting = asyncio.get_running_loop().run_in_executor(None, self._launcher.lease, self.model)
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_give_back)
            raise


def _give_back(starting: asyncio.Future[Lease]) -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().close()
