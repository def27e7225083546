from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Message, Pin, Reply, Request, Usage
from promptops.providers.deadlines import Waits
from promptops.providers.formats import format_for
from promptops.providers.http import HttpProvider
from promptops.providers.openai_chat import OpenAIChat
from promptops.testing import LoopbackServer
from tests.providers.kit import request

TOOL: dict[str, Any] = {"type": "function", "function": {"name": "book", "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("params", "seed", "extra"),
    [
        ({}, None, {}),
        ({}, 7, {"seed": 7}),
        ({"seed": 42}, 7, {"seed": 42}),
        ({"temperature": 0.0, "top_p": 0.9, "max_tokens": 300, "stop": ["\n"]}, None, None),
        (
            {"extra_body": {"provider": {"allow_fallbacks": False}}},
            7,
            {"seed": 7, "provider": {"allow_fallbacks": False}},
        ),
        ({"temperature": 1, "extra_body": {"temperature": 0}}, None, {"temperature": 0}),
        ({"response_format": {"type": "json_object"}}, None, None),
    ],
)
def test_params_go_under_their_own_names(
    params: dict[str, Any], seed: int | None, extra: dict[str, Any] | None
) -> None:
    body = OpenAIChat().body(request("hi", params=params), seed)
    assert body == {
        "model": "m-2025-01-01",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}],
        **(params if extra is None else extra),
    }


def test_tools_are_sent_and_left_out_where_there_are_none() -> None:
    with_tools = Request(Pin("acme", "m"), (Message("user", "x"),), tools=(TOOL,))
    assert OpenAIChat().body(with_tools, None)["tools"] == [TOOL]
    assert "tools" not in OpenAIChat().body(request(), None)


def test_openai_itself_calls_the_limit_by_its_newer_name() -> None:
    asked = request(params={"max_tokens": 5})
    assert format_for("openai-chat", "api.openai.com").body(asked, None)["max_completion_tokens"] == 5
    assert format_for("openai-chat", "gateway.example").body(asked, None)["max_tokens"] == 5


def test_the_body_is_utf_8_and_carries_text_unchanged() -> None:
    text = 'é 😀 "quoted" {% endsystem %}\n\x00'

    async def run(url: str) -> Reply:
        provider = HttpProvider("acme", url)
        deadline = asyncio.get_running_loop().time() + 60
        reply = await provider.ask(request(text), seed=1, deadline=deadline)
        await provider.aclose()
        return reply

    with LoopbackServer(lambda asked: str(asked["messages"][1]["content"])) as server:
        assert asyncio.run(run(server.base_url)).text == text
    assert "é 😀".encode() in server.requests[0].body
    assert server.requests[0].headers["content-type"] == "application/json"


def test_what_cannot_be_json_is_a_failed_request_and_no_crash() -> None:
    async def run() -> None:
        await HttpProvider("acme", "http://127.0.0.1:9/v1").ask(
            request(params={"temperature": float("nan")}), seed=None, deadline=0.0
        )

    with pytest.raises(ProviderError, match="cannot be written as JSON") as caught:
        asyncio.run(run())
    assert caught.value.kind == "request"


def test_a_whole_reply_is_read() -> None:
    document = json.loads(
        '{"id": "x", "model": "m", "choices": [{"index": 0, "finish_reason": "length", "message": {"role": "assistant",'
        '"content": "hi"}}], "usage": {"prompt_tokens": 3, "completion_tokens": null, "total_tokens": 3}}'
    )
    assert OpenAIChat().reply(document) == Reply("hi", "length", Usage(3, None), "m")


def ask_through_a_proxy(*, connect: float = 60.0) -> ProviderError:
    async def run() -> None:
        provider = HttpProvider("acme", "https://api.acme.invalid/v1", waits=Waits(connect=connect))
        try:
            await provider.ask(request(), seed=None, deadline=asyncio.get_running_loop().time() + 60)
        finally:
            await provider.aclose()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(run())
    return caught.value


def test_a_proxy_of_the_environment_is_asked_for_hosts_beyond_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{proxy.port}")
        error = ask_through_a_proxy()
        assert [(received.method, received.path) for received in proxy.requests] == [
            ("CONNECT", "api.acme.invalid:443")
        ]
        assert (error.kind, "the proxy answers 404" in str(error)) == ("connection", True)
        monkeypatch.setenv("NO_PROXY", "acme.invalid")
        ask_through_a_proxy(connect=0.5)
        assert proxy.count == 1


def test_the_password_of_a_proxy_goes_to_the_proxy_and_into_no_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer() as proxy:
        for kind, connect in (("http", 60.0), ("https", 0.5), ("socks5", 60.0)):  # a TLS handshake is not answered
            monkeypatch.setenv("HTTPS_PROXY", f"{kind}://me:secret%40@127.0.0.1:{proxy.port}")
            assert "secret" not in str(ask_through_a_proxy(connect=connect))
        (received,) = proxy.requests
    assert received.headers["proxy-authorization"] == f"Basic {base64.b64encode(b'me:secret@').decode()}"


def test_a_proxy_that_is_none_for_http_is_refused_before_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer() as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{proxy.port}")
        error = ask_through_a_proxy()
        assert proxy.connections == 0
    assert (error.kind, "only http and https proxies" in str(error)) == ("request", True)
