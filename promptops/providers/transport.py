"""httpx's transport interface over connections of our own, for a fraction of the processor time of httpx's pool.

No pool that exists was right: httpx's own takes ten times the time at 128 requests in flight. aiohttp's is quick, but
takes long to import, reads the system's certificates then even where nothing is encrypted, and hands a connection out
again on which an answer came that nobody asked for.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import httpx

from promptops.providers.http1 import Http1
from promptops.providers.proxies import Proxy, open_tunnel

KEEP_ALIVE = 30.0  # seconds; servers that close earlier cost a retry, so this is on the short side

_Origin = tuple[bool, str, int]  # https, host, port


class PooledTransport(httpx.AsyncBaseTransport):
    """Sends requests over connections that are kept; who asks bounds how many there are.

    `connect_timeout` is seconds for name, TCP, proxy and TLS together; `context` is what TLS trusts (None: nothing,
    https is refused). Nothing else is bounded here, no redirect is followed, no cookie kept, nothing unpacked and no
    request sent twice. Raises httpx's exceptions.
    """

    def __init__(
        self, *, connect_timeout: float, context: ssl.SSLContext | None = None, proxy: str | None = None
    ) -> None:
        self._connect_timeout, self._context = connect_timeout, context
        self._proxy = Proxy.of(proxy) if proxy else None
        self._idle: dict[_Origin, list[tuple[Http1, float]]] = {}
        self._busy: set[Http1] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request`; returns when the head of the reply is here."""
        url = request.url
        secure = url.scheme == "https"
        origin = (secure, url.raw_host.decode("ascii"), url.port or (443 if secure else 80))
        message = self._message(request, secure=secure)
        link = self._take(origin) or await self._connect(origin)
        self._busy.add(link)
        try:
            status, headers = await link.exchange(message)
        except BaseException:
            self._drop(link)
            raise
        return httpx.Response(status, headers=headers, stream=_Body(link, origin, self))

    async def aclose(self) -> None:
        """Close every connection."""
        links = [*self._busy, *(link for links in self._idle.values() for link, _ in links)]
        self._busy.clear()
        self._idle.clear()
        for link in links:
            link.abort()
        await asyncio.sleep(0)  # a connection is closed in the next round of the loop, and there may be none

    def give_back(self, link: Http1, origin: _Origin) -> None:
        """Keep a connection whose reply was read to its end; close any other."""
        if link in self._busy and link.reusable:
            self._busy.discard(link)
            self._idle.setdefault(origin, []).append((link, asyncio.get_running_loop().time()))
        else:
            self._drop(link)

    def _drop(self, link: Http1) -> None:
        self._busy.discard(link)
        link.abort()

    def _take(self, origin: _Origin) -> Http1 | None:
        """The connection that was used last, of those that can still be used."""
        idle = self._idle.get(origin)
        oldest = asyncio.get_running_loop().time() - KEEP_ALIVE
        while idle:
            link, since = idle.pop()
            if link.reusable and since > oldest and link.is_quiet():
                return link
            link.abort()
        return None

    async def _connect(self, origin: _Origin) -> Http1:
        try:
            async with asyncio.timeout(self._connect_timeout):
                return await self._opened(origin)
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {self._connect_timeout:.3g} s") from error
        except (OSError, ssl.SSLError) as error:
            raise httpx.ConnectError(str(error) or type(error).__name__) from error

    async def _opened(self, origin: _Origin) -> Http1:
        secure, host, port = origin
        if secure and self._context is None:
            raise httpx.UnsupportedProtocol("https without certificates to trust")
        if self._proxy is None:
            return await _dial(host, port, self._context if secure else None)
        trusted = self._context or ssl.create_default_context() if self._proxy.secure else None
        link = await _dial(self._proxy.host, self._proxy.port, trusted)
        if not secure or self._context is None:
            return link
        try:
            return await open_tunnel(link, self._proxy, host, port, self._context)
        except BaseException:
            link.abort()
            raise

    def _message(self, request: httpx.Request, *, secure: bool) -> bytes:
        """Head and body as they go over the wire; raises `httpx.LocalProtocolError` for a header that breaks it."""
        body = request.read()
        target = request.url.raw_path
        lines = [b": ".join(field) for field in request.headers.raw]
        if self._proxy is not None and not secure:
            target = str(request.url.copy_with(fragment=None)).encode("ascii")
            if self._proxy.authorization:
                lines.append(b"proxy-authorization: " + self._proxy.authorization)
        if "host" not in request.headers:
            lines.insert(0, b"host: " + request.url.netloc)
        if "content-length" not in request.headers:
            lines.append(b"content-length: %d" % len(body))
        head = b"\r\n".join((request.method.encode("ascii") + b" " + target + b" HTTP/1.1", *lines))
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
            raise httpx.LocalProtocolError("a header holds a line break or a zero byte")
        return b"%b\r\n\r\n%b" % (head, body)


async def _dial(host: str, port: int, context: ssl.SSLContext | None) -> Http1:
    loop = asyncio.get_running_loop()
    # asyncio's race between addresses loses the socket of its winner where it is cancelled in that very turn of the
    # loop. An address has nobody to race against.
    delay = None if ":" in host or host.replace(".", "").isdigit() else 0.25
    _, link = await loop.create_connection(
        Http1, host, port, ssl=context, server_hostname=host if context else None, happy_eyeballs_delay=delay
    )
    return link


class _Body(httpx.AsyncByteStream):
    """The body as it arrives. Closing it before its end closes the connection, which nobody can use any more."""

    def __init__(self, link: Http1, origin: _Origin, pool: PooledTransport) -> None:
        self._link, self._origin, self._pool = link, origin, pool
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._link.read():
            yield piece

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._pool.give_back(self._link, self._origin)
