"""One private event loop in a thread, and one client in it: for `Prompt.run` wherever it is called from."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import selectors
import threading
from concurrent.futures import Future
from typing import TypeVar

from promptops.config import Config
from promptops.models import PlannedSample, Sample
from promptops.providers.client import Client
from promptops.runner.reasking import Rules, conversation

T = TypeVar("T")

_CLOSING = 5.0  # seconds that the end of the process waits for connections to close


class PrivateLoop:
    """Runs coroutines in a daemon thread; started with the first one, closed with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._selector: selectors.BaseSelector | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._clients: dict[int, tuple[Config, Client]] = {}

    def ask(self, config: Config, planned: PlannedSample, rules: Rules | None = None) -> Future[Sample]:
        """Ask for one sample, and again by `rules` where it says so; cancelling the future cancels the request."""
        return asyncio.run_coroutine_threadsafe(self._sample(config, planned, rules), self._running())

    async def _sample(self, config: Config, planned: PlannedSample, rules: Rules | None) -> Sample:
        client = self._client(config)
        if rules is None or not planned.reask:
            return await client.sample(planned)
        return await conversation(client.sample, planned, rules)

    def _client(self, config: Config) -> Client:
        """The client of a configuration; in the loop's thread only."""
        if id(config) not in self._clients:
            self._clients[id(config)] = (config, Client(config))
        return self._clients[id(config)][1]

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._selector = selectors.DefaultSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
                self._thread = threading.Thread(target=self._loop.run_forever, name="promptops", daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Close the connections and end the thread; a later `ask` starts anew."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is None or thread is None:
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._close_clients(), loop).result(_CLOSING)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_CLOSING)
        if not thread.is_alive():
            loop.close()

    async def _close_clients(self) -> None:
        clients, self._clients = [client for _, client in self._clients.values()], {}
        for client in clients:
            await client.aclose()

    def forget(self) -> None:
        """In a forked child: start anew, and never finalise what the parent still uses.

        Parent and child share what epoll watches: a connection that the child's garbage collector closed would no
        longer be watched in the parent, which would wait for ever. So the child gives up its handle and keeps the rest.
        """
        import ctypes

        if self._selector is not None:
            self._selector.close()
            for inherited in (self._loop, self._clients):
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))
        self.__init__()  # type: ignore[misc]


_private = PrivateLoop()
atexit.register(_private.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_private.forget)


def ask(config: Config, planned: PlannedSample, rules: Rules | None = None) -> Future[Sample]:
    """Ask for one sample in the private loop of this process."""
    return _private.ask(config, planned, rules)
