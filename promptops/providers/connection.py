"""Sends one HTTP request: bounded in time and size, without redirects, cookies or surprises of the environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Generic, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct

from promptops.errors import ProviderError
from promptops.providers.base import Exchange
from promptops.providers.bodies import Receiver, Room, Unpacker, unpacker
from promptops.providers.deadlines import Waits, Watch
from promptops.providers.failures import of_exception
from promptops.providers.keys import Endpoint

if TYPE_CHECKING:
    import ssl

    import httpx

GRACE = 0.25  # seconds for the end of a stream that said that it is complete: then its connection can be used again

R = TypeVar("R", bound=Receiver)
_room = Room()


class Received(Struct, Generic[R], frozen=True):
    """What came back: `latency` is seconds from sending to the last byte, `first_token` to the first token.

    `token_gap` is the mean time from one piece to the next.
    """

    body: R
    latency: float
    first_token: float | None
    token_gap: float | None = None


class Connection:
    """A pool of connections to one endpoint, opened by the first request, for the event loop that sends it.

    The number of connections is not bounded here but by who asks. httpx's transport interface is used without its
    client: no redirects, no cookies, no log line for each request.
    """

    def __init__(self, provider: str, endpoint: Endpoint, *, waits: Waits | None = None) -> None:
        self._provider, self._endpoint, self._waits = provider, endpoint, waits or Waits()
        self._transport: httpx.AsyncBaseTransport | None = None
        self._urls: dict[str, httpx.URL] = {}
        self._headers = {
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": f"promptops/{version('pytest-promptops')}",
        }
        self._sent: tuple[Mapping[str, str], httpx.Headers] | None = None

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        deadline: float,
        exchange: Exchange,
        receive: Callable[[int, Mapping[str, str]], R],
    ) -> Received[R]:
        """Post `body` to `path` below the endpoint's URL; raises `ProviderError`, and nothing else.

        `deadline` is a time of the running loop's clock, and bounds everything from connecting to the last byte. What
        `receive` returns for status and headers of the reply (names lower-case) takes its body; `exchange` is filled
        in. The body of an error is read as far as it comes: its status says enough.
        """
        watch = Watch(self._waits, deadline=deadline, clock=asyncio.get_running_loop().time)
        receiver: R | None = None
        try:
            async with asyncio.timeout_at(watch.head()) as limit:
                response = await self._send(path, body, headers)
                stream = cast("httpx.AsyncByteStream", response.stream)
                try:
                    exchange.status, exchange.headers = response.status_code, _lower(response)
                    receiver = receive(exchange.status, exchange.headers)
                    packed = unpacker(exchange.headers, limit=receiver.limit)
                    if response.is_success:
                        await _read(stream, packed, receiver, watch, limit)
                    else:
                        limit.reschedule(watch.excuse())
                        await _read_excuse(stream, packed, receiver)
                finally:
                    await stream.aclose()
        except Exception as error:
            if receiver is None or 200 <= (exchange.status or 0) < 300:
                raise self._told(error, watch, exchange.status) from error
        return Received(receiver, watch.end(), watch.first_token, watch.token_gap)

    async def aclose(self) -> None:
        """Close all connections. May be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def _send(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        import httpx

        if (transport := self._transport) is None:
            transport = self._transport = self._open()
        if (url := self._urls.get(path)) is None:
            url = self._urls[path] = httpx.URL(self._endpoint.url + path)
        if self._sent is None or self._sent[0] != headers:  # mostly the same as the last time, and slow to make
            self._sent = headers, httpx.Headers({**self._headers, **headers})
        request = httpx.Request("POST", url, headers=self._sent[1], stream=httpx.ByteStream(body))
        return await transport.handle_async_request(request)

    def _open(self) -> httpx.AsyncBaseTransport:
        from promptops.providers.transport import PooledTransport

        endpoint = self._endpoint
        context = _trusted(trust_env=not endpoint.loopback) if endpoint.secure else None
        proxy = None if endpoint.loopback else _proxy_for(endpoint)
        return PooledTransport(context=context, proxy=proxy, connect_timeout=self._waits.connect)

    def _told(self, error: Exception, watch: Watch, status: int | None) -> ProviderError:
        """The error for anything that was raised on the way, in words that name the provider."""
        if isinstance(error, ProviderError):
            return ProviderError(error.kind, f"{self._provider}: {error}", status=status)
        where = f"{self._provider} at {self._endpoint.url}"
        if isinstance(error, TimeoutError):
            missing = watch.missing() or f"no connection within {self._waits.connect:.3g} s"
            return ProviderError("timeout", f"{where}: {missing}", status=status)
        told = of_exception(error, provider=self._provider, url=self._endpoint.url)
        return ProviderError(told.kind, str(told), status=status)


def preload() -> None:
    """Import what the first request needs: before its time is taken and its place in a minute booked."""
    import promptops.providers.transport  # noqa: F401


async def _read(
    stream: AsyncIterable[bytes], packed: Unpacker | None, receiver: Receiver, watch: Watch, limit: asyncio.Timeout
) -> None:
    """Hand the body to `receiver`, unpacked, and move `limit` from piece to piece."""
    if watch.has_steps:
        limit.reschedule(watch.piece())
    size = 0
    try:
        async for piece in stream:
            for part in packed.feed(piece) if packed else (piece,):
                size += len(part)
                _room.take(size - len(part), len(part))
                receiver.feed(part)
            if receiver.begun:
                watch.token(receiver.pieces)
            if receiver.complete:
                watch.end()
                limit.reschedule(None)
                await _drain(stream)
                return
            if watch.has_steps:
                limit.reschedule(watch.piece())
        if packed:
            packed.finish()
        receiver.finish()
    finally:
        _room.leave(size)


async def _read_excuse(stream: AsyncIterable[bytes], packed: Unpacker | None, receiver: Receiver) -> None:
    """Hand the body of an error to `receiver` until it has enough."""
    async for piece in stream:
        for part in packed.feed(piece) if packed else (piece,):
            receiver.feed(part)
        if receiver.complete:
            return


async def _drain(stream: AsyncIterable[bytes]) -> None:
    """Wait a moment for the end of a body of which everything is known."""
    with suppress(Exception):
        async with asyncio.timeout(GRACE):
            async for _ in stream:
                pass


def _lower(response: httpx.Response) -> dict[str, str]:
    """The headers, names lower-case; what is there more than once is one text with commas, as HTTP reads it."""
    raw = response.headers.raw
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}
    return found if len(found) == len(raw) else dict(response.headers)


@cache
def _trusted(*, trust_env: bool) -> ssl.SSLContext:
    """The certificates that are trusted, read once a process: that takes 20 ms."""
    import httpx

    return httpx.create_ssl_context(trust_env=trust_env)


def _proxy_for(endpoint: Endpoint) -> str | None:
    """The proxy that `HTTPS_PROXY` or `ALL_PROXY` name, unless `NO_PROXY` names the host; raises `ProviderError`."""
    proxies = getproxies()
    proxy = proxies.get("https" if endpoint.secure else "http") or proxies.get("all")
    if not proxy or proxy_bypass(endpoint.host):
        return None
    scheme, found, _ = proxy.partition("://")
    if found and scheme.lower() not in ("http", "https"):
        raise ProviderError("request", f"the proxy is {scheme[:20]}://: only http and https proxies can be used")
    return proxy if found else f"http://{proxy}"
