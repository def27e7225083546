from __future__ import annotations

import asyncio
import http.client
import json
import queue
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal

import aiohttp
import pytest
from msgspec.structs import replace

from promptops.testing import Answer, LoopbackServer, Served
from promptops.testing.answers import render_response

ASK = {"model": "acme-1", "messages": [{"role": "user", "content": "one two three"}]}


REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 14\r\n\r\n" + b'{"model": "m"}'


def ask_raw(server: LoopbackServer) -> socket.socket:
    """A connection on which a request was sent."""
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(REQUEST)
    return raw


def post(server: LoopbackServer, asked: object = ASK, path: str = "/v1/chat/completions") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request("POST", path, json.dumps(asked), {"Authorization": "Bearer x", "X-Mine": "1"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def test_an_answer_is_a_chat_completion_that_names_the_model_asked_for() -> None:
    with LoopbackServer("hi there") as server:
        status, body = post(server)
    reply = json.loads(body)
    assert status == 200
    assert reply["model"] == "acme-1"
    assert reply["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "hi there"},
        "finish_reason": "stop",
        "logprobs": None,
    }
    assert reply["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_requests_are_kept_with_headers_and_body() -> None:
    with LoopbackServer() as server:
        post(server)
    (request,) = server.requests
    assert (request.method, request.path, request.json) == ("POST", "/v1/chat/completions", ASK)
    assert request.headers["x-mine"] == "1"


@pytest.mark.parametrize(
    ("answer", "asked", "whole"),
    [
        (Answer("hi"), ASK, True),
        (Answer("hi there"), {**ASK, "stream": True}, True),
        (Answer("hi", drip=0.001), ASK, True),
        (Answer("hi", status=500), ASK, True),
        (Answer("hi", drop=20), ASK, False),
        (Answer("hi there", drop=20), {**ASK, "stream": True}, False),
    ],
)
def test_who_watches_is_told_whether_the_whole_answer_was_sent(answer: Answer, asked: object, whole: bool) -> None:
    told: list[Served] = []
    with LoopbackServer(answer, watch=told.append) as server, suppress(http.client.HTTPException, ConnectionError):
        post(server, asked)
    (served,) = told
    assert (served.received.json, served.answer, served.whole) == (asked, answer, whole)


def test_a_client_that_left_is_not_in_flight_any_more_and_its_request_not_answered() -> None:
    told: queue.Queue[Served] = queue.Queue()
    with LoopbackServer(latency=600.0, watch=told.put) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("POST", "/v1/chat/completions", json.dumps(ASK))
        while not server.in_flight:
            time.sleep(0.01)
        connection.close()
        assert not told.get(timeout=60).whole
        assert (server.in_flight, server.peak, server.count) == (0, 1, 1)


def test_an_answer_may_depend_on_the_request() -> None:
    with LoopbackServer(lambda asked: asked["messages"][0]["content"].upper()) as server:
        assert json.loads(post(server)[1])["choices"][0]["message"]["content"] == "ONE TWO THREE"


def test_a_mistake_in_the_answer_function_is_an_error_reply_and_not_a_hang() -> None:
    with LoopbackServer(lambda asked: asked["nothing"]) as server:
        status, body = post(server)
    assert status == 500
    assert "KeyError" in json.loads(body)["error"]["message"]


def test_errors_have_status_headers_and_message() -> None:
    with LoopbackServer(Answer(status=429, error="slow down", code="rate", headers={"Retry-After": "7"})) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", "/v1/chat/completions", json.dumps(ASK))
        response = connection.getresponse()
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert json.loads(response.read())["error"]["message"] == "slow down"
        connection.close()


@pytest.mark.parametrize(
    ("asked", "path", "expected"),
    [(ASK, "/v1/other", 404), ([], "/v1/chat/completions", 400), ("x", "/v1/chat/completions", 400)],
)
def test_what_it_does_not_speak_is_refused(asked: object, path: str, expected: int) -> None:
    with LoopbackServer() as server:
        assert post(server, asked, path)[0] == expected


def test_a_request_that_is_not_http_gets_400_and_the_connection_closed() -> None:
    with LoopbackServer() as server, socket.create_connection(("127.0.0.1", server.port)) as raw:
        raw.sendall(b"hello\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_models_are_listed() -> None:
    with LoopbackServer(models=("a", "b")) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.port)
        connection.request("GET", "/v1/models")
        assert [model["id"] for model in json.loads(connection.getresponse().read())["data"]] == ["a", "b"]
        connection.close()


def test_a_stream_comes_in_pieces_and_ends_with_usage_and_done() -> None:
    asked = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    with LoopbackServer(Answer("hello big world")) as server:
        status, body = post(server, asked)
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert status == 200
    assert events.pop() == "[DONE]"
    chunks: list[dict[str, Any]] = [json.loads(event) for event in events]
    text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks[:-1])
    assert text == "hello big world"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]][-1] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] == 3


def test_a_connection_is_dropped_after_as_many_bytes_as_wanted() -> None:
    with LoopbackServer(Answer(drop=0)) as server, pytest.raises(http.client.RemoteDisconnected):
        post(server)
    with LoopbackServer(Answer("x" * 500, drop=300)) as server, pytest.raises(http.client.IncompleteRead):
        post(server)


def test_raw_bytes_are_sent_as_they_are() -> None:
    with LoopbackServer(Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")) as server:
        assert post(server) == (200, b"hi")


def test_raw_pieces_may_come_without_end_and_stop_when_the_client_leaves() -> None:
    sent = []

    def pieces() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            sent.append(1)
            yield b"x" * 65_536

    with LoopbackServer(Answer(raw=pieces)) as server:
        with ask_raw(server) as raw:
            while len(sent) < 100:
                raw.recv(65_536)
            held = 0
            while len(sent) > held:  # until the buffers of the kernel are full
                held = len(sent)
                assert held < 4_000, "what nobody reads is not piled up"
                time.sleep(0.3)
        while server.in_flight:
            time.sleep(0.01)


@pytest.mark.parametrize("answer", [Answer(), Answer(body=b"{}"), Answer(raw=b"HTTP/1.1 204 No Content\r\n\r\n")])
@pytest.mark.parametrize("end", ["keep", "close", "reset", "hang"])
def test_a_connection_ends_as_the_answer_says(answer: Answer, end: Literal["keep", "close", "reset", "hang"]) -> None:
    with LoopbackServer(replace(answer, end=end)) as server, ask_raw(server) as raw:
        raw.settimeout(60)
        assert raw.recv(65_536).startswith(b"HTTP/1.1 20")
        raw.settimeout(0.2 if end == "hang" else 60)
        if end == "keep":
            raw.sendall(REQUEST)
            assert raw.recv(65_536).startswith(b"HTTP/1.1 20")
        elif end == "close":
            assert raw.recv(1) == b""
        else:
            with pytest.raises(TimeoutError if end == "hang" else ConnectionResetError):
                raw.sendall(REQUEST)
                raw.recv(1)


@pytest.mark.parametrize(
    ("answer", "deltas"),
    [
        (Answer(None, refusal="I will"), [{"content": None}, {"refusal": "I "}, {"refusal": "will"}]),
        (
            Answer(None, tool_calls=[{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]),
            [
                {"content": None},
                {
                    "tool_calls": [
                        {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                },
                {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]},
                {"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]},
            ],
        ),
        (Answer("a b", done=False), [{"content": ""}, {"content": "a "}, {"content": "b"}]),
    ],
)
def test_a_stream_says_everything_in_pieces(answer: Answer, deltas: list[dict[str, Any]]) -> None:
    with LoopbackServer(answer) as server:
        _, body = post(server, {**ASK, "stream": True})
    events = [line[6:] for line in body.decode().splitlines() if line.startswith("data: ")]
    assert ("[DONE]" in events) is answer.done
    found = [json.loads(event)["choices"][0]["delta"] for event in events if event != "[DONE]"]
    assert found == [{"role": "assistant", **deltas[0]}, *deltas[1:], {}]


def test_a_drip_takes_its_time() -> None:
    with LoopbackServer(Answer(body=b"0123456789", drip=0.01)) as server:
        began = time.monotonic()
        assert post(server)[1] == b"0123456789"
        assert time.monotonic() - began > 0.1


def test_connections_are_kept_and_256_requests_fly_at_once() -> None:
    async def ask_all(url: str) -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=256)) as session:

            async def one() -> None:
                for _ in range(2):
                    async with session.post(f"{url}/chat/completions", json=ASK) as response:
                        assert (await response.json())["model"] == "acme-1"

            await asyncio.gather(*(one() for _ in range(256)))

    whole = render_response(Answer(), ASK)

    def held() -> Iterator[bytes]:
        """An answer that does not end before all of them fly."""
        yield whole[:1]
        while server.peak < 256:
            yield b""
        yield whole[1:]

    with LoopbackServer(Answer(raw=held, drip=0.1, end="keep")) as server:
        asyncio.run(ask_all(server.base_url))
        assert (server.count, server.connections, server.peak) == (512, 256, 256)


def test_closing_drops_what_is_in_flight_and_frees_the_port() -> None:
    server = LoopbackServer(latency=30).start()
    raw = socket.create_connection(("127.0.0.1", server.port))
    raw.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")
    began = time.monotonic()
    server.close()
    server.close()
    assert time.monotonic() - began < 20
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", server.port))
    raw.close()


def test_a_taken_port_is_an_os_error() -> None:
    with LoopbackServer() as server, pytest.raises(OSError, match="in use"):
        LoopbackServer(port=server.port).start()


def test_as_a_process_it_prints_its_url_first_and_ends_by_sigterm() -> None:
    command = [sys.executable, "-m", "promptops.testing", "--latency", "10ms", "--answer", "yes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        connection = http.client.HTTPConnection(url.removeprefix("http://").removesuffix("/v1"))
        connection.request("POST", "/v1/chat/completions", json.dumps(ASK))
        assert json.loads(connection.getresponse().read())["choices"][0]["message"]["content"] == "yes"
        connection.close()
        process.terminate()
        assert process.wait(60) == 0


@pytest.mark.parametrize("arguments", [["--latency", "soon"], ["--port", "99999999"]])
def test_a_wrong_option_is_a_usage_error(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "promptops.testing", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_other_paths_are_answered_where_a_test_names_them() -> None:
    with LoopbackServer(Answer(body=b'{"done": true}'), paths=("/api/chat", "/v2/chat")) as server:
        assert post(server, path="/api/chat") == (200, b'{"done": true}')
        assert post(server, path="/v2/chat?x=1") == (200, b'{"done": true}')
        assert post(server)[0] == 404
        assert server.count == 3
    with LoopbackServer(paths=("",)) as server:
        assert post(server, path="/anything")[0] == 200
