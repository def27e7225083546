"""A provider that answers from a Python function: no sockets, for tests of what comes after a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Lock

from msgspec.structs import replace

from promptops.errors import ProviderError
from promptops.models import Reply, Request, Usage
from promptops.providers.base import Exchange, Limits

Script = Callable[[Request, int | None], "Reply | str"]


class ScriptedProvider:
    """Answers by `script(request, seed)`: a text, a whole `Reply`, or a raised `ProviderError`.

    `requests` holds each request with its seed in the order of asking, `peak` the most that were in flight at once.
    What the script leaves open is filled in: the served model is the pin's, tokens are words, latency is `latency`
    seconds (really waited).
    """

    def __init__(
        self, script: Script | str = "ok", *, name: str = "test", latency: float = 0.0, limits: Limits | None = None
    ) -> None:
        self.name = name
        self.requests: list[tuple[Request, int | None]] = []
        self.peak = 0
        self.closed = False
        self._script, self._latency, self._limits = script, latency, limits or Limits()
        self._flying = 0
        self._lock = Lock()

    def limits(self) -> Limits:
        """The limits given to the constructor."""
        return self._limits

    async def ask(
        self, request: Request, *, seed: int | None, deadline: float, exchange: Exchange | None = None
    ) -> Reply:
        """Answer by the script; a latency past the deadline is a `ProviderError("timeout")`."""
        with self._lock:
            self.requests.append((request, seed))
            self._flying += 1
            self.peak = max(self.peak, self._flying)
        try:
            async with asyncio.timeout_at(deadline):
                await asyncio.sleep(self._latency)
        except TimeoutError:
            raise ProviderError("timeout", f"{self.name} did not answer in time") from None
        finally:
            with self._lock:
                self._flying -= 1
        try:
            answer = self._script if isinstance(self._script, str) else self._script(request, seed)
        except ProviderError as error:
            if exchange is not None:
                exchange.status = error.status
            raise
        return self._reply(request, answer)

    async def aclose(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _reply(self, request: Request, answer: Reply | str) -> Reply:
        if isinstance(answer, Reply):
            return answer if answer.served_model else replace(answer, served_model=request.pin.model)
        words = sum(len(message.content.split()) for message in request.messages)
        usage = Usage(words, len(answer.split()))
        return Reply(answer, "stop", usage, request.pin.model, latency=self._latency)
