"""httpx's transport interface over aiohttp's connections, which take a quarter of the processor time of httpx's own.

Written here because httpx-aiohttp, which does the same, takes a fifth more time for each request, waits for a request
body that nobody reads although the reply is there, and calls every lost connection a time-out of connecting.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import AsyncIterator, Callable
from io import BytesIO
from typing import Any

import aiohttp
import httpx
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

KEEP_ALIVE = 30.0  # seconds; servers that close earlier cost a retry, so this is on the short side
LARGE = 1024 * 1024  # bytes of a body from which on aiohttp wants it as a file, and warns otherwise


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends requests over a pool of connections that has no limit: who asks bounds how many are open.

    `connect_timeout` is seconds for name, TCP and TLS together. Nothing else is bounded here, no redirect is followed,
    no cookie kept, nothing unpacked and no POST sent twice. Raises aiohttp's exceptions.
    """

    def __init__(
        self, *, connect_timeout: float, context: ssl.SSLContext | None = None, proxy: str | None = None
    ) -> None:
        connector = _Connector(limit=0, ssl=context or True, keepalive_timeout=KEEP_ALIVE)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            # A threshold, since aiohttp lets longer times end on a whole second of the clock.
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_timeout, ceil_threshold=connect_timeout),
        )
        self._proxy = proxy

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; returns when the head of the reply is here."""
        headers = CIMultiDict(
            [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
        )
        body = request.read()
        response = await self._session.request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=headers,
            data=body if len(body) < LARGE else BytesIO(body),
            allow_redirects=False,
            proxy=self._proxy,
        )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


class _Connector(aiohttp.TCPConnector):
    """A pool that trusts nobody.

    No connection is used again that the other side has closed, or on which something came that nobody asked for: it
    would be taken for the next reply. And no closed one waits, for ever and in memory, until the other side has read
    what it was sent.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._opened: set[asyncio.Transport] = set()

    async def connect(self, req: aiohttp.ClientRequest, *how: Any, **named: Any) -> Connection:
        while True:
            connection = await super().connect(req, *how, **named)
            transport = connection.transport
            if transport is not None and transport not in self._opened:
                self._abort(lambda transport: transport.is_closing())
                self._opened.add(transport)
                return connection
            if connection.protocol is not None and not connection.protocol.should_close and _is_quiet(transport):
                return connection
            connection.close()

    async def close(self, *, abort_ssl: bool = False) -> None:
        self._abort(lambda transport: transport.is_closing() or transport.get_write_buffer_size() > 0)
        await super().close(abort_ssl=abort_ssl)

    def _abort(self, lost: Callable[[asyncio.Transport], bool]) -> None:
        for transport in [transport for transport in self._opened if lost(transport)]:
            self._opened.discard(transport)
            transport.abort()


def _is_quiet(transport: asyncio.Transport | None) -> bool:
    """Whether nothing is there to read yet: no end of the connection, and no answer to what was not asked."""
    if transport is None:
        return False
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return not waiting.poll(0)


class _Body(httpx.AsyncByteStream):
    """The body as it arrives. Closing it before its end closes the connection, which nobody can use any more."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._response.content
        while piece := await content.readany():
            yield piece

    async def aclose(self) -> None:
        self._response.close()
