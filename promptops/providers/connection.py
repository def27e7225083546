"""Sends one HTTP request: bounded in time and size, without redirects, cookies or surprises of the environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, cast
from urllib.request import getproxies, proxy_bypass

from promptops.errors import ProviderError
from promptops.providers.failures import of_exception
from promptops.providers.keys import Endpoint
from promptops.providers.replies import read_body

if TYPE_CHECKING:
    import httpx

KEEP_ALIVE = 30.0  # seconds; servers that close earlier cost a retry, so this is on the short side


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: header names are lower-case, `latency` is seconds from sending to the last byte."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    latency: float


class Connection:
    """A pool of connections to one endpoint, opened by the first request, for the event loop that sends it.

    The number of connections is not bounded here but by who asks. httpx's transport layer is used without its client:
    no redirects, no cookies, no log line for each request. The transport is aiohttp's, which takes a quarter of the
    processor time of httpx's own with 32 requests in flight.
    """

    def __init__(self, provider: str, endpoint: Endpoint) -> None:
        self._provider, self._endpoint = provider, endpoint
        self._transport: httpx.AsyncBaseTransport | None = None
        self._urls: dict[str, httpx.URL] = {}
        self._headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": f"promptops/{version('pytest-promptops')}",
        }

    async def post(self, path: str, body: bytes, headers: Mapping[str, str], *, deadline: float) -> Response:
        """Post `body` to `path` below the endpoint's URL; raises `ProviderError`, and nothing else.

        `deadline` is a time of the running loop's clock, and bounds everything from connecting to the last byte.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout_at(deadline):
                transport = self._transport = self._transport or self._open()
                response = await transport.handle_async_request(self._request(path, body, headers))
                found = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw
                }
                try:
                    stream = cast("AsyncIterable[bytes]", response.stream)
                    content = await read_body(stream, found.get("content-encoding", ""))
                finally:
                    await response.aclose()
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self._provider}: {error}") from None
        except Exception as error:
            if isinstance(error, TimeoutError) and loop.time() >= deadline:
                waited = f"no complete reply within {deadline - began:.3g} s"
                raise ProviderError("timeout", f"{self._provider} at {self._endpoint.url}: {waited}") from None
            raise of_exception(error, provider=self._provider, url=self._endpoint.url) from error
        return Response(response.status_code, found, content, loop.time() - began)

    async def aclose(self) -> None:
        """Close all connections. May be called twice."""
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    def _request(self, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Request:
        import httpx

        if (url := self._urls.get(path)) is None:
            url = self._urls[path] = httpx.URL(self._endpoint.url + path)
        return httpx.Request("POST", url, content=body, headers={**self._headers, **headers})

    def _open(self) -> httpx.AsyncBaseTransport:
        import aiohttp
        import httpx
        from httpx_aiohttp import AiohttpTransport

        endpoint = self._endpoint
        context = httpx.create_ssl_context(verify=endpoint.secure, trust_env=not endpoint.loopback)
        proxy = None if endpoint.loopback else _proxy_for(endpoint)
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=KEEP_ALIVE)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )
        chosen = httpx.Proxy(proxy) if proxy else None
        return AiohttpTransport(verify=context, trust_env=False, proxy=chosen, client=session)


def _proxy_for(endpoint: Endpoint) -> str | None:
    """The proxy that `HTTPS_PROXY` or `ALL_PROXY` name, unless `NO_PROXY` names the host."""
    if proxy_bypass(endpoint.host):
        return None
    proxies = getproxies()
    return proxies.get("https" if endpoint.secure else "http") or proxies.get("all")
