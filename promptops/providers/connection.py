"""Sends one HTTP request: bounded in time and size, without redirects, cookies or surprises of the environment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from typing import TYPE_CHECKING
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

    The number of connections is not bounded here but by who asks. Requests go through aiohttp: with 32 in flight it
    takes a quarter of the processor time of httpx's own transport (benchmarks/engine.py).
    """

    def __init__(self, provider: str, endpoint: Endpoint) -> None:
        self._provider, self._endpoint = provider, endpoint
        self._client: httpx.AsyncClient | None = None
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
        loop, url = asyncio.get_running_loop(), self._endpoint.url + path
        began = loop.time()
        try:
            async with asyncio.timeout_at(deadline):
                client = self._client = self._client or self._open()
                request = client.build_request("POST", url, content=body, headers={**self._headers, **headers})
                response = await client.send(request, stream=True, follow_redirects=False)
                try:
                    encoding = response.headers.get("content-encoding", "")
                    content = await read_body(response.aiter_raw(), encoding)
                finally:
                    await response.aclose()
        except ProviderError as error:
            raise ProviderError(error.kind, f"{self._provider}: {error}") from None
        except Exception as error:
            if isinstance(error, TimeoutError) and loop.time() >= deadline:
                waited = f"no complete reply within {deadline - began:.3g} s"
                raise ProviderError("timeout", f"{self._provider} at {self._endpoint.url}: {waited}") from None
            raise of_exception(error, provider=self._provider, url=self._endpoint.url) from error
        return Response(response.status_code, response.headers, content, loop.time() - began)

    async def aclose(self) -> None:
        """Close all connections. May be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _open(self) -> httpx.AsyncClient:
        import aiohttp
        import httpx
        from httpx_aiohttp import AiohttpTransport

        _quiet()
        endpoint = self._endpoint
        context = httpx.create_ssl_context(verify=endpoint.secure, trust_env=not endpoint.loopback)
        proxy = None if endpoint.loopback else _proxy_for(endpoint)
        connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=KEEP_ALIVE)
        session = aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )
        transport = AiohttpTransport(
            verify=context, trust_env=False, proxy=httpx.Proxy(proxy) if proxy else None, client=session
        )
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
        return httpx.AsyncClient(transport=transport, timeout=None, trust_env=False, cookies=no_cookies)  # noqa: S113


def _proxy_for(endpoint: Endpoint) -> str | None:
    """The proxy that `HTTPS_PROXY` or `ALL_PROXY` name, unless `NO_PROXY` names the host."""
    if proxy_bypass(endpoint.host):
        return None
    proxies = getproxies()
    return proxies.get("https" if endpoint.secure else "http") or proxies.get("all")


def _quiet() -> None:
    """A line for each request would land in a random test's captured log; whoever has set a level keeps it."""
    for name in ("httpx", "httpcore"):
        if (logger := logging.getLogger(name)).level == logging.NOTSET:
            logger.setLevel(logging.WARNING)
