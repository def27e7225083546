"""What no HTTP server would do: connections that are not taken, not read, not ended, or answered unasked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from promptops.providers.deadlines import Waits
from promptops.providers.http import HttpProvider
from promptops.testing import Answer, LoopbackServer
from tests.providers.attacks import Outcome, RawServer, Visit, ask, full_backlog

LARGE = "x" * 12_000_000  # characters: more than the system takes without a reader
PROMPTLY = Waits(connect=0.2)


def reply(text: str) -> bytes:
    body = b'{"model": "m-2025-01-01", "choices": [{"message": {"content": "%s"}, "finish_reason": "stop"}]}'
    whole = body % text.encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(whole), whole)


def open_files() -> int:
    return len(list(Path("/dev/fd").iterdir()))


def ask_all(
    url: str,
    *texts: str,
    seconds: float = 30.0,
    waits: Waits | None = None,
    between: Callable[[], object] = lambda: None,
) -> list[Outcome]:
    """The outcomes of one request after another over one provider; `between` is called a moment after each."""

    async def run() -> list[Outcome]:
        provider = HttpProvider("acme", url, waits=waits)
        outcomes = []
        try:
            for text in texts:
                outcomes.append(await ask(provider, text, seconds=seconds))
                await asyncio.sleep(0.05)
                await asyncio.to_thread(between)
                await asyncio.sleep(0.05)
        finally:
            await provider.aclose()
        return outcomes

    return asyncio.run(run())


def test_a_server_that_takes_no_connection_meets_the_time_for_connecting() -> None:
    with full_backlog() as url:
        (outcome,) = ask_all(url, "hi", waits=PROMPTLY)
    assert (outcome.kind, "no connection within 0.2 s" in outcome.words) == ("timeout", True), outcome


def test_a_server_that_never_answers_a_tls_handshake_meets_the_time_for_connecting() -> None:
    with RawServer(Visit.hold) as server:
        (outcome,) = ask_all(server.base_url.replace("http:", "https:"), "hi", waits=PROMPTLY)
    assert (outcome.kind, "no connection within 0.2 s" in outcome.words) == ("timeout", True), outcome


def test_a_plain_server_where_tls_is_wanted_is_no_connection() -> None:
    def refuse(visit: Visit) -> None:
        visit.request()
        visit.say(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with RawServer(refuse) as server:
        (outcome,) = ask_all(server.base_url.replace("http:", "https:"), "hi")
    assert (outcome.kind, "SSL" in outcome.words) == ("connection", True), outcome


def test_a_request_that_nobody_reads_meets_its_deadline_and_leaves_nothing_open() -> None:
    files: list[int] = []
    with RawServer(Visit.hold) as server:
        outcomes = ask_all(server.base_url, *[LARGE] * 5, seconds=0.5, between=lambda: files.append(open_files()))
        after = open_files()
    assert [outcome.kind for outcome in outcomes] == ["timeout"] * 5
    # The server's side of each connection stays open; ours goes when the next is opened, the last one with the pool.
    assert files[-1] - files[0] <= 6
    assert after < files[-1]


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\n{}", "request", 413),
        (b"HTTP/1.1 429 Slow\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000, "rate_limit", 429),
        (reply("early"), None, 200),
    ],
    ids=["an error", "half an error", "a reply"],
)
def test_an_answer_to_a_request_that_is_not_read_yet_is_taken(answer: bytes, kind: str | None, status: int) -> None:
    def hasty(visit: Visit) -> None:
        visit.request()
        visit.say(answer)
        visit.hold()

    with RawServer(hasty) as server:
        first, second = ask_all(server.base_url, LARGE, LARGE)
    assert [(outcome.kind, outcome.exchange.status) for outcome in (first, second)] == [(kind, status)] * 2


@pytest.mark.parametrize("unasked", [reply("unasked"), b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"junk", None])
def test_a_connection_on_which_something_came_unasked_is_not_used_again(unasked: bytes | None) -> None:
    now, said = threading.Event(), threading.Event()

    def serve(visit: Visit) -> None:
        visit.request()
        visit.say(reply("asked"))
        if visit.number == 1:
            now.wait(30)
            if unasked is None:
                visit.leave()
            else:
                visit.say(unasked)
            said.set()
        while unasked and visit.request():
            visit.say(reply("asked"))

    def between() -> None:
        now.set()
        said.wait(30)

    with RawServer(serve) as server:
        outcomes = ask_all(server.base_url, "one", "two", between=between)
        assert [outcome.reply and outcome.reply.text for outcome in outcomes] == ["asked", "asked"]
        assert server.connections == 2


@pytest.mark.parametrize("unasked", [reply("unasked"), b""], ids=["an answer", "the end"])
def test_what_came_while_nobody_looked_is_seen_before_a_connection_is_used_again(unasked: bytes) -> None:
    now, said = threading.Event(), threading.Event()

    def serve(visit: Visit) -> None:
        visit.request()
        visit.say(reply("asked"))
        if visit.number == 1:
            now.wait(30)
            visit.leave(unasked)
            said.set()
            visit.hold()

    async def run(url: str) -> list[Outcome]:
        provider = HttpProvider("acme", url)
        try:
            first = await ask(provider)
            now.set()
            said.wait(30)  # this loop sees nothing meanwhile
            return [first, await ask(provider)]
        finally:
            await provider.aclose()

    with RawServer(serve) as server:
        outcomes = asyncio.run(run(server.base_url))
        assert [outcome.reply and outcome.reply.text for outcome in outcomes] == ["asked", "asked"]
        assert server.connections == 2


def test_a_request_is_never_sent_twice_when_a_kept_connection_breaks_under_it() -> None:
    counted = []

    def breaking(visit: Visit) -> None:
        visit.request()
        visit.say(reply("asked"))
        if visit.request():
            counted.append(visit.number)

    with RawServer(breaking) as server:
        first, second, third = ask_all(server.base_url, "one", "two", "three")
    assert (first.kind, second.kind, third.kind) == (None, "connection", None)
    assert counted == [1]


def test_a_cancelled_request_leaves_no_connection_that_could_answer_another() -> None:
    async def run(server: LoopbackServer) -> Outcome:
        provider = HttpProvider("acme", server.base_url)
        slow = asyncio.create_task(ask(provider, "slow"))
        while not server.count:  # noqa: ASYNC110 - it is another thread's
            await asyncio.sleep(0.01)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        outcome = await ask(provider, "quick")
        await provider.aclose()
        return outcome

    def answer(asked: dict[str, object]) -> Answer:
        return Answer("late", delay=600) if "slow" in str(asked["messages"]) else Answer("prompt")

    with LoopbackServer(answer) as server:
        outcome = asyncio.run(run(server))
        assert outcome.reply is not None
        assert outcome.reply.text == "prompt"
        assert server.connections == 2


def test_closing_does_not_wait_for_a_server_that_reads_nothing() -> None:
    async def run(url: str) -> None:
        provider = HttpProvider("acme", url)
        asking = asyncio.create_task(ask(provider, LARGE))
        assert await asyncio.to_thread(server.visited.wait, 30)
        await asyncio.sleep(0.3)
        async with asyncio.timeout(20):
            await provider.aclose()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    with RawServer(Visit.hold) as server:
        asyncio.run(run(server.base_url))
