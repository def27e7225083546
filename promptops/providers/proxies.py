"""The way through an HTTP proxy: a tunnel for https, whole URLs for http.

Source: RFC 9110, 9.3.6 (CONNECT) and RFC 9112, 3.2.2 (absolute-form).
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from urllib.parse import unquote

import httpx
from msgspec import Struct

from promptops.providers.http1 import Http1


class Proxy(Struct, frozen=True):
    """Where a proxy listens, and the `Proxy-Authorization` it wants, if any."""

    host: str
    port: int
    secure: bool
    authorization: bytes | None = None

    @classmethod
    def of(cls, url: str) -> Proxy:
        """Read `http://user:password@host:port`; raises `httpx.InvalidURL`."""
        parsed = httpx.URL(url)
        secure = parsed.scheme == "https"
        login = f"{unquote(parsed.username)}:{unquote(parsed.password)}" if parsed.userinfo else ""
        authorization = b"Basic " + base64.b64encode(login.encode()) if login else None
        return cls(parsed.host, parsed.port or (443 if secure else 80), secure, authorization)


async def open_tunnel(link: Http1, proxy: Proxy, host: str, port: int, context: ssl.SSLContext) -> Http1:
    """Ask the proxy at the other end of `link` for a connection to `host`, and speak TLS with it.

    Raises `httpx.ProxyError` where the proxy says no.
    """
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = b"proxy-authorization: " + proxy.authorization + b"\r\n" if proxy.authorization else b""
    status, _ = await link.exchange(f"CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n".encode() + login + b"\r\n")
    if not 200 <= status < 300 or link.transport is None:
        raise httpx.ProxyError(f"the proxy answers {status}")
    loop = asyncio.get_running_loop()
    inner = Http1()
    transport = await loop.start_tls(link.transport, inner, context, server_hostname=host)
    if transport is None:
        raise httpx.ProxyError("the proxy closed the tunnel")
    inner.connection_made(transport)
    return inner
