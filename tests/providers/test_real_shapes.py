"""Shapes of chat completions that vendors, gateways and servers of open models really send, each with who does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from promptops.errors import FailureKind, ProviderError
from promptops.models import Reply, Usage
from promptops.providers.formats import format_for
from promptops.providers.openai_chat import OpenAIChat
from promptops.providers.streams import stream_for

COUNTS = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def whole(message: Mapping[str, Any], reason: str | None = "stop", **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": reason}], **more}


def chunk(delta: Mapping[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], **more}


def streamed(*parts: Mapping[str, Any] | str) -> Reply:
    """What is read in a stream of `parts`: a text is written as it stands."""
    stream = stream_for("text/event-stream", OpenAIChat().chunks)
    assert stream is not None
    for part in parts:
        stream.feed((part if isinstance(part, str) else f"data: {json.dumps(part)}\n\n").encode())
    stream.finish()
    return OpenAIChat().reply(stream.document())


DONE = "data: [DONE]\n\n"
REFUSED_CALL = (
    'event: error\ndata: {"error": {"message": "no such call", "type": "invalid_request_error", '
    '"code": "tool_use_failed", "status_code": 400}}\n\n'
)
STREAMED = f"data: {json.dumps(chunk({'content': 'hi'}, 'stop'))}\n\n{DONE}".encode()
SAID = chunk({"role": "assistant", "content": "hi"})


@pytest.mark.parametrize(
    ("parts", "usage"),
    [
        ((SAID, chunk({}, "stop", x_groq={"id": "r", "usage": COUNTS}), DONE), Usage(7, 5)),
        ((SAID, {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": COUNTS}]}, DONE), Usage(7, 5)),
        ((SAID, chunk({}, "stop"), {"model": "m", "choices": [], "usage": COUNTS}, DONE), Usage(7, 5)),
        ((SAID, chunk({}, "stop"), {"model": "m", "choices": None, "usage": COUNTS}), Usage(7, 5)),
        ((SAID, chunk({}, "stop", usage=None, x_groq={"id": "r"}), DONE), Usage()),
    ],
    ids=["Groq", "Moonshot", "OpenAI", "without choices or an end", "nobody counts"],
)
def test_tokens_are_counted_wherever_a_stream_counts_them(parts: tuple[Any, ...], usage: Usage) -> None:
    reply = streamed(*parts)
    assert (reply.text, reply.finish_reason, reply.usage) == ("hi", "stop", usage)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        ({"object": "error", "message": "too long", "type": "BadRequestError", "code": 400}, "request", "too long"),
        (chunk({}, x_groq={"id": "r", "error": "over capacity"}), "server", "over capacity"),
        (REFUSED_CALL, "request", "no such call"),
        (chunk({}, "error", error={"code": 429, "message": "slow"}, provider="x"), "rate_limit", "slow"),
        ({"error": {"code": 400, "message": "context", "type": "exceed_context_size_error"}}, "request", "context"),
        ({"error": {"message": "filtered", "code": "content_filter"}}, "request", "filtered"),
        (
            {"error": {"message": "later", "type": "service_tier_capacity_exceeded", "code": "3505"}},
            "rate_limit",
            "later",
        ),
        ({"error": "unexpected EOF"}, "server", "unexpected EOF"),
        ({"error": {"message": {"a": 1}, "code": [1], "type": 5}}, "server", '{"a": 1}'),
    ],
    ids=["vLLM", "Groq", "Groq's event", "OpenRouter", "llama.cpp", "Azure", "Mistral", "Ollama", "nobody"],
)
def test_an_error_in_the_middle_of_a_stream_has_its_own_kind(error: Any, kind: FailureKind, said: str) -> None:
    with pytest.raises(ProviderError) as caught:
        streamed(": PROCESSING\n\n", SAID, error, DONE)
    assert (caught.value.kind, said in str(caught.value)) == (kind, True)


def test_an_error_may_be_the_whole_document() -> None:
    with pytest.raises(ProviderError, match="overloaded"):
        OpenAIChat().reply({"object": "error", "message": "overloaded", "code": 503})


def test_a_model_that_thought_and_then_said_nothing_has_said_nothing() -> None:
    for name in ("reasoning_content", "reasoning"):
        assert OpenAIChat().reply(whole({"content": None, name: "hm"}, usage=COUNTS)).text == ""
        assert streamed(chunk({"content": None, name: "hm"}), chunk({}, "stop"), DONE).text == ""


@pytest.mark.parametrize("message", [{"content": None}, {}, {"content": None, "reasoning": ""}])
def test_nothing_at_all_is_no_reply(message: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="content") as caught:
        OpenAIChat().reply(whole(message))
    assert caught.value.kind == "bad_reply"


def test_a_choice_without_a_number_is_the_first() -> None:
    said = {"model": "m", "choices": [{"index": None, "delta": {"content": "hi"}, "finish_reason": "stop"}]}
    assert streamed(said, DONE).text == "hi"


def test_a_reason_that_is_empty_is_none() -> None:
    assert OpenAIChat().reply(whole({"content": "hi"}, "")).finish_reason is None


@pytest.mark.parametrize(
    ("counts", "cached"),
    [
        ({"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 3}, 4),
        ({"prompt_cache_hit_tokens": 4, "prompt_tokens_details": {"cached_tokens": 4}}, 4),
        ({"prompt_tokens_details": {"cached_tokens": 4}}, 4),
        ({}, None),
    ],
)
def test_deepseek_counts_what_its_cache_held_by_a_name_of_its_own(counts: dict[str, Any], cached: int | None) -> None:
    """Source: https://api-docs.deepseek.com/api/create-chat-completion."""
    wire = format_for("deepseek", "api.deepseek.com")
    assert wire.reply(whole({"content": "hi"}, usage={**COUNTS, **counts})).usage.cached_tokens == cached


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("openai-chat", whole({"content": "hi"}, usage=COUNTS, service_tier="flex")),
        ("openai-responses", {"status": "completed", "output": [], "usage": {}, "service_tier": "flex"}),
        ("gemini", {"candidates": [{"content": {"parts": []}}], "usageMetadata": {"serviceTier": "flex"}}),
        ("anthropic-messages", {"content": [], "usage": {"input_tokens": 1, "speed": "flex"}}),
    ],
)
def test_a_tier_with_prices_of_its_own_is_a_part_of_what_is_counted(name: str, document: dict[str, Any]) -> None:
    assert format_for(name, "x").reply(document).usage.tier == "flex"


@pytest.mark.parametrize("said", [None, "default", "standard", "on_demand", "auto", 5, {}])
def test_a_tier_at_the_usual_price_is_none(said: Any) -> None:
    assert OpenAIChat().reply(whole({"content": "hi"}, usage=COUNTS, service_tier=said)).usage.tier is None
    assert streamed(SAID, {**chunk({}, "stop"), "service_tier": "priority"}, DONE).usage.tier == "priority"


@pytest.mark.parametrize("said", ["", "text/plain; charset=utf-8", "application/octet-stream"])
def test_a_stream_is_one_where_a_proxy_does_not_say_so(said: str) -> None:
    stream = stream_for(said, OpenAIChat().chunks, asked="text/event-stream")
    assert stream is not None
    for byte in b"\xef\xbb\xbf\n: wait\n\n" + STREAMED:
        stream.feed(bytes((byte,)))
    stream.finish()
    assert (OpenAIChat().reply(stream.document()).text, stream.complete) == ("hi", True)


@pytest.mark.parametrize(("body", "words"), [(b"<html>oops</html>", "oops"), (b"", "not JSON"), (b"\n\n", "not JSON")])
def test_what_is_no_stream_is_read_as_the_document_that_it_is(body: bytes, words: str) -> None:
    stream = stream_for("", OpenAIChat().chunks, asked="text/event-stream")
    assert stream is not None
    stream.feed(body)
    stream.finish()
    with pytest.raises(ProviderError, match=words) as told:
        stream.document()
    assert told.value.kind == "bad_reply"


def test_a_document_without_a_type_is_read_where_a_stream_was_asked_for() -> None:
    stream = stream_for("text/plain", OpenAIChat().chunks, asked="text/event-stream")
    assert stream is not None
    stream.feed(json.dumps(whole({"content": "hi"})).encode())
    stream.finish()
    assert OpenAIChat().reply(stream.document()).text == "hi"


@pytest.mark.parametrize("said", ["", "text/plain"])
def test_where_no_stream_was_asked_for_nothing_is_guessed(said: str) -> None:
    assert stream_for(said, OpenAIChat().chunks) is None
