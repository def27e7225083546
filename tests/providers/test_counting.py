"""The providers' own counts: what is asked of whom, and what is no count."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from msgspec.structs import replace

from promptops.config import Config, ModelLimits, ProviderConfig
from promptops.core.tokens import Count
from promptops.errors import ProviderError
from promptops.models import Json, Message, Pin, Request
from promptops.providers.counting import count_at, counts_itself
from promptops.providers.formats import format_for
from promptops.providers.media import base64_of
from tests.providers.oracles.calls import IMAGE, looking
from tests.providers.oracles.oracle import with_calls

TOOL: dict[str, Json] = {
    "type": "function",
    "function": {"name": "book", "description": "Books.", "parameters": {"type": "object"}},
}
MESSAGES = (
    Message("system", "Be kind."),
    Message("user", "hi"),
    Message("assistant", "hello"),
    Message("user", "book"),
)


@contextmanager
def counting(answer: Any, format_name: str, path: str = "", status: int = 200) -> Iterator[tuple[Config, list[Any]]]:
    """A server that answers every POST; yields a configuration for it, and (path, headers, body) of what was asked."""
    asked: list[Any] = []
    reply = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        settings = ProviderConfig.model_construct(
            format=format_name,
            base_url=f"http://127.0.0.1:{server.server_port}{path}",
            api_key_env="ACME_API_KEY",
            models={"m-1": ModelLimits(name="model-one")},
        )
        yield Config.model_construct(providers={"acme": settings}), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


KEY = {"ACME_API_KEY": "sk-123"}


@pytest.mark.parametrize("path", ["", "/v1"])
def test_anthropic_is_asked_as_its_reference_says(path: str) -> None:
    request = Request(Pin("acme", "m-1"), MESSAGES, {"max_tokens": 5, "temperature": 0.0}, (TOOL,))
    with counting({"input_tokens": 42}, "anthropic-messages", path) as (config, asked):
        assert counts_itself("acme", config)
        assert count_at(request, config, KEY) == Count(42, exact=True, by="Anthropic's count_tokens")
    where, headers, body = asked[0]
    assert (where, headers["x-api-key"]) == ("/v1/messages/count_tokens", "sk-123")
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", headers["anthropic-version"])
    assert body == {
        "model": "model-one",
        "system": "Be kind.",
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "hello"},
            {"role": "user", "content": "book"},
        ],
        "tools": [{"name": "book", "description": "Books.", "input_schema": {"type": "object"}}],
    }


@pytest.mark.parametrize("path", ["", "/v1beta"])
def test_gemini_is_asked_as_its_reference_says(path: str) -> None:
    request = Request(Pin("acme", "m-1"), MESSAGES[:3], tools=(TOOL,))
    with counting({"totalTokens": 7, "cachedContentTokenCount": 0}, "gemini", path) as (config, asked):
        assert count_at(request, config, KEY) == Count(7, exact=True, by="Gemini's countTokens")
    where, headers, body = asked[0]
    assert (where, headers["x-goog-api-key"]) == ("/v1beta/models/model-one:countTokens", "sk-123")
    assert body["generateContentRequest"] == {
        "model": "models/model-one",
        "systemInstruction": {"parts": [{"text": "Be kind."}], "role": "user"},
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}, {"role": "model", "parts": [{"text": "hello"}]}],
        "tools": [
            {
                "functionDeclarations": [
                    {"name": "book", "description": "Books.", "parametersJsonSchema": {"type": "object"}}
                ]
            }
        ],
    }


def test_gemini_is_asked_for_contents_alone_where_there_is_nothing_else() -> None:
    with counting({"totalTokens": 1}, "gemini") as (config, asked):
        count_at(Request(Pin("acme", "m-1"), (Message("user", "hi"),)), config, KEY)
    assert asked[0][2] == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def test_responses_are_counted_too() -> None:
    params: dict[str, Json] = {"max_tokens": 5, "temperature": 0.0, "reasoning_effort": "low"}
    request = Request(Pin("acme", "m-1"), MESSAGES[:2], params, (TOOL,))
    with counting({"object": "response.input_tokens", "input_tokens": 11}, "openai-responses", "/v1") as (
        config,
        asked,
    ):
        assert count_at(request, config, KEY) == Count(11, exact=True, by="OpenAI's input_tokens")
    where, headers, body = asked[0]
    assert (where, headers["authorization"]) == ("/v1/responses/input_tokens", "Bearer sk-123")
    assert body == {
        "model": "model-one",
        "input": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
        "tools": [
            {
                "type": "function",
                "name": "book",
                "description": "Books.",
                "parameters": {"type": "object"},
                "strict": False,
            }
        ],
        "reasoning": {"effort": "low"},
    }


@pytest.mark.parametrize("format_name", ["anthropic-messages", "gemini", "openai-responses"])
def test_images_calls_and_schemas_are_counted_as_they_are_sent(format_name: str) -> None:
    schema: dict[str, Json] = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
    messages = (looking("m").messages[0], looking("m", IMAGE).messages[0], *with_calls("m").messages[1:])
    request = Request(Pin("acme", "m-1"), messages, {"structured_output": "native"}, (TOOL,), schema)
    with counting({"totalTokens": 7, "input_tokens": 7}, format_name) as (config, asked):
        assert count_at(request, config, KEY).tokens == 7
    counted = asked[0][2].get("generateContentRequest", asked[0][2])
    sent = format_for(format_name, "127.0.0.1").body(replace(request, params={**request.params, "max_tokens": 1}), None)
    known = {name: value for name, value in sent.items() if name in counted}
    assert {**known, "model": 0} == {**counted, "model": 0}
    assert base64_of(IMAGE) in json.dumps(counted)
    assert "call_1" in json.dumps(counted)
    assert '"at"' in json.dumps(counted)


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        ({}, 200, "bad_reply"),
        ({"input_tokens": -1}, 200, "bad_reply"),
        ({"input_tokens": True}, 200, "bad_reply"),
        ({"input_tokens": "9"}, 200, "bad_reply"),
        ([], 200, "bad_reply"),
        ({"error": {"message": "slow down"}}, 429, "rate_limit"),
        ({"error": {"message": "who are you"}}, 401, "auth"),
    ],
)
def test_what_is_no_count_is_a_classified_failure(answer: Any, status: int, kind: str) -> None:
    with (
        counting(answer, "anthropic-messages", status=status) as (config, _),
        pytest.raises(ProviderError) as caught,
    ):
        count_at(Request(Pin("acme", "m-1"), MESSAGES), config, KEY)
    assert caught.value.kind == kind


def test_a_provider_without_such_an_endpoint_is_not_asked() -> None:
    with counting({}, "openai-chat") as (config, asked):
        assert not counts_itself("acme", config)
        assert not counts_itself("nobody", config)
        with pytest.raises(ProviderError, match="no endpoint that counts"):
            count_at(Request(Pin("acme", "m-1"), MESSAGES), config, KEY)
    assert asked == []
