"""Connections of our own: kept, given up, tunnelled, and never used for what they are not good for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import trustme

from promptops.providers.transport import PooledTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What came in, connection by connection; answers every request with `answer`."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.requests: list[list[bytes]] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine: list[bytes] = []
        self.requests.append(mine)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                mine.append(head + await reader.readexactly(length))
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


@asynccontextmanager
async def listening(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    writers: list[asyncio.StreamWriter] = []
    tasks: list[asyncio.Task[None]] = []

    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    server = await asyncio.start_server(visited, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)
        await asyncio.sleep(0)


@asynccontextmanager
async def transport(
    *, context: ssl.SSLContext | None = None, proxy: str | None = None, connect_timeout: float = 60.0
) -> AsyncIterator[PooledTransport]:
    pool = PooledTransport(connect_timeout=connect_timeout, context=context, proxy=proxy)
    try:
        yield pool
    finally:
        await pool.aclose()


async def post(pool: PooledTransport, url: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> bytes:
    request = httpx.Request("POST", url, headers=headers or {}, stream=httpx.ByteStream(body))
    response = await pool.handle_async_request(request)
    try:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return b"".join([piece async for piece in response.stream])
    finally:
        await response.aclose()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def serving(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_a_connection_is_used_again_and_the_request_is_whole() -> None:
    async def run() -> None:
        server = Server()
        async with listening(server) as port, transport() as pool:
            for number in range(3):
                body = f"body {number}".encode()
                assert await post(pool, f"http://127.0.0.1:{port}/v1/chat?x=1", body, {"X-A": "b"}) == b"hi"
            ((first, *others),) = server.requests
            assert len(others) == 2
            assert first.startswith(b"POST /v1/chat?x=1 HTTP/1.1\r\n")
            assert f"host: 127.0.0.1:{port}\r\n".encode() in first.lower()
            assert b"x-a: b\r\n" in first.lower()
            assert first.endswith(b"content-length: 6\r\n\r\nbody 0")

    asyncio.run(run())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    ],
    ids=["it says that it closes", "an old protocol"],
)
def test_a_connection_that_ends_with_its_reply_is_not_used_again(answer: bytes) -> None:
    async def run() -> None:
        server = Server(answer)
        async with listening(server) as port, transport() as pool:
            assert [await post(pool, f"http://127.0.0.1:{port}/") for _ in range(3)] == [b"hi"] * 3
            assert [len(requests) for requests in server.requests] == [1, 1, 1]

    asyncio.run(run())


def test_a_reply_that_was_given_up_takes_its_connection_with_it() -> None:
    async def run() -> None:
        server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\nonly this")
        async with listening(server) as port, transport() as pool:
            request = httpx.Request("POST", f"http://127.0.0.1:{port}/", content=b"")
            response = await pool.handle_async_request(request)
            await response.aclose()
            server.answer = OK
            assert await post(pool, f"http://127.0.0.1:{port}/") == b"hi"
            assert [len(requests) for requests in server.requests] == [1, 1]

    asyncio.run(run())


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0b"])
def test_a_header_that_would_be_two_is_never_sent(value: str) -> None:
    async def run() -> None:
        server = Server()
        async with listening(server) as port, transport() as pool:
            with pytest.raises(httpx.LocalProtocolError, match="line break or a zero byte"):
                await post(pool, f"http://127.0.0.1:{port}/", headers={"X-A": value})
            assert server.requests == []

    asyncio.run(run())


def test_https_is_spoken_with_whom_the_context_trusts_and_nobody_else(authority: trustme.CA) -> None:
    async def run() -> None:
        server = Server()
        async with listening(server, serving(authority, "localhost")) as port:
            async with transport(context=trusting(authority)) as pool:
                assert [await post(pool, f"https://localhost:{port}/") for _ in range(2)] == [b"hi"] * 2
                with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
                    await post(pool, f"https://127.0.0.1:{port}/")
            async with transport(context=ssl.create_default_context()) as pool:
                with pytest.raises(httpx.ConnectError, match=r"(?i)certificate"):
                    await post(pool, f"https://localhost:{port}/")
            async with transport() as pool:
                with pytest.raises(httpx.UnsupportedProtocol):
                    await post(pool, f"https://localhost:{port}/")
        assert [len(requests) for requests in server.requests] == [2]

    asyncio.run(run())


class TunnelProxy:
    """An HTTP proxy that opens tunnels, to wherever it is told, and remembers what it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(inner_writer)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65_536):
                sink.write(data)
            sink.close()

        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer), return_exceptions=True)


@pytest.mark.parametrize("secure", [False, True], ids=["an http proxy", "an https proxy"])
def test_https_goes_through_a_tunnel_of_the_proxy(authority: trustme.CA, *, secure: bool) -> None:
    async def run() -> None:
        server = Server()
        async with listening(server, serving(authority, "api.example.com")) as port:
            proxy = TunnelProxy(port)
            async with listening(proxy, serving(authority, "localhost") if secure else None) as proxy_port:
                url = f"http{'s' * secure}://me:p%40ss@localhost:{proxy_port}"
                async with transport(context=trusting(authority), proxy=url) as pool:
                    assert [await post(pool, "https://api.example.com/v1") for _ in range(2)] == [b"hi"] * 2
                for writer in proxy.writers:
                    writer.transport.abort()
        (head,) = proxy.heads
        assert head.startswith(b"CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n")
        assert b"proxy-authorization: Basic bWU6cEBzcw==\r\n" in head
        ((first, _),) = server.requests
        assert first.startswith(b"POST /v1 HTTP/1.1")
        assert b"proxy-authorization" not in first.lower()

    asyncio.run(run())


def test_http_goes_through_a_proxy_by_its_whole_url() -> None:
    async def run() -> None:
        proxy = Server()
        async with listening(proxy) as port, transport(proxy=f"http://me:secret@127.0.0.1:{port}") as pool:
            assert await post(pool, "http://example.com/v1?x=1") == b"hi"
        ((head,),) = proxy.requests
        assert head.startswith(b"POST http://example.com/v1?x=1 HTTP/1.1\r\n")
        assert b"proxy-authorization: Basic bWU6c2VjcmV0" in head

    asyncio.run(run())


def test_a_proxy_that_says_no_is_named() -> None:
    async def run() -> None:
        proxy = Server(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        context = ssl.create_default_context()
        async with listening(proxy) as port, transport(context=context, proxy=f"http://127.0.0.1:{port}") as pool:
            with pytest.raises(httpx.ProxyError, match="the proxy answers 407"):
                await post(pool, "https://api.example.com/v1")

    asyncio.run(run())


def test_a_proxy_that_never_answers_meets_the_time_of_connecting() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def run() -> None:
        context = ssl.create_default_context()
        async with listening(silent) as port:
            proxy = f"http://127.0.0.1:{port}"
            async with transport(context=context, proxy=proxy, connect_timeout=0.1) as pool:
                asking = post(pool, "https://api.example.com/v1")
                with pytest.raises(httpx.ConnectTimeout):
                    await asking

    asyncio.run(run())


def test_closing_ends_what_is_on_its_way() -> None:
    async def run() -> None:
        came = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            came.set()
            await reader.read()
            writer.close()

        async with listening(silent) as port, transport() as pool:
            asking = asyncio.create_task(post(pool, f"http://127.0.0.1:{port}/"))
            await came.wait()
            await pool.aclose()
            with pytest.raises(httpx.ReadError):
                await asking

    asyncio.run(run())
