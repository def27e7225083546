"""Replies with any part replaced by anything: each is read, or refused in words; nothing else comes out of a format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from promptops.core.wire.dialects import SPECS
from promptops.errors import ProviderError
from promptops.models import Reply
from promptops.providers.formats import format_for
from promptops.providers.replies import parse_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
CALL = {"id": "c1", "type": "function", "function": {"name": "book", "arguments": '{"time": "14:30"}'}}
LOGPROB = {"token": "14", "logprob": -0.1, "top_logprobs": [{"token": "15", "logprob": -2}]}
CHAT: dict[str, Any] = {
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [LOGPROB]},
            "message": {"role": "assistant", "content": [{"type": "text", "text": "14"}], "tool_calls": [CALL]},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}
CHUNK: dict[str, Any] = {
    "model": "m",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [LOGPROB]},
            "delta": {"content": [{"type": "thinking", "thinking": []}], "tool_calls": [{**CALL, "index": 0}]},
        }
    ],
    "usage": {"prompt_tokens": 1},
}
BLOCKS = [
    {"text": "14"},
    {"reasoningContent": {"reasoningText": {"text": "x"}}},
    {"toolUse": {"toolUseId": "t1", "name": "book", "input": {"time": "14:30"}}},
]
REPLIES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("openai-chat", "azure-openai", "deepseek", "mistral"), CHAT),
    "cohere": {
        "finish_reason": "COMPLETE",
        "message": {"content": [{"type": "text", "text": "14"}], "tool_calls": [CALL]},
        "usage": {"billed_units": {"input_tokens": 1.0}, "tokens": {"output_tokens": 2}, "cached_tokens": 1},
        "logprobs": [{"text": "14", "token_ids": [1], "logprobs": [-0.5]}],
    },
    "ollama": {
        "model": "m",
        "done": True,
        "done_reason": "stop",
        "message": {"content": "14", "tool_calls": [{"function": {"name": "book", "arguments": {"time": "14:30"}}}]},
        "prompt_eval_count": 1,
        "eval_count": 2,
        "logprobs": [LOGPROB],
    },
    "bedrock-converse": {
        "output": {"message": {"role": "assistant", "content": BLOCKS}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 3},
        "trace": {"promptRouter": {"invokedModelId": "m"}},
    },
    "anthropic-messages": {
        "type": "message",
        "model": "m",
        "content": [{"type": "text", "text": "14"}, {"type": "tool_use", "id": "t", "name": "book", "input": {"a": 1}}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 3},
    },
    "gemini": {
        "candidates": [
            {
                "content": {"parts": [{"text": "14"}, {"functionCall": {"name": "book", "args": {"a": 1}}}]},
                "finishReason": "STOP",
                "logprobsResult": {
                    "chosenCandidates": [{"token": "14", "logProbability": -0.1}],
                    "topCandidates": [{"candidates": [{"token": "14", "logProbability": -0.1}]}],
                },
            }
        ],
        "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2, "thoughtsTokenCount": 3},
        "modelVersion": "m",
    },
    "openai-responses": {
        "status": "completed",
        "model": "m",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "content": [{"type": "output_text", "text": "14", "logprobs": [LOGPROB]}]},
            {"type": "function_call", "call_id": "c", "name": "book", "arguments": "{}"},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 1}},
    },
}
EVENTS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    **{name: [("", CHUNK), ("", CHUNK)] for name in ("openai-chat", "azure-openai", "deepseek", "mistral")},
    "cohere": [
        ("content-start", {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text"}}}}),
        ("content-delta", {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "14"}}}}),
        ("tool-call-start", {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": CALL}}}),
        ("message-end", {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": {"cached_tokens": 1}}}),
    ],
    "ollama": [("", {**REPLIES["ollama"], "done": False}), ("", REPLIES["ollama"])],
    "bedrock-converse": [
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "14"}}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "book"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{}"}}}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2}}),
    ],
    "anthropic-messages": [
        (
            "message_start",
            {"type": "message_start", "message": {"model": "m", "content": [], "usage": {"input_tokens": 1}}},
        ),
        ("", {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ("", {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "14"}}),
        ("", {"type": "content_block_stop", "index": 0}),
        ("", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
        ("", {"type": "message_stop"}),
    ],
    "gemini": [("", REPLIES["gemini"]), ("", REPLIES["gemini"])],
    "openai-responses": [
        ("", {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "14"}),
        ("response.completed", {"type": "response.completed", "response": REPLIES["openai-responses"]}),
    ],
}


def formats() -> list[str]:
    return [name for name in sorted(SPECS) if name != "bedrock-converse" or find_spec("botocore")]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every part of `value`, itself included."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield from places(below, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    if not path:
        return other
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], other)
    return copy


def only_a_reply_or_an_error(read: Any) -> None:
    try:
        assert isinstance(read(), Reply)
    except ProviderError as error:
        assert str(error)
        assert len(str(error)) < 2000


@pytest.mark.parametrize("name", formats())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_reply_with_any_part_replaced_is_read_or_refused(name: str, data: st.DataObject) -> None:
    wire = format_for(name, "api.acme.example")
    path = data.draw(st.sampled_from(list(places(REPLIES[name]))[1:]))
    document = replaced(REPLIES[name], path, data.draw(JSON))
    only_a_reply_or_an_error(lambda: wire.reply(parse_object(json.dumps(document))))


@pytest.mark.parametrize("name", formats())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_stream_with_any_part_replaced_is_read_or_refused(name: str, data: st.DataObject) -> None:
    wire = format_for(name, "api.acme.example")
    events = list(EVENTS[name])
    place = data.draw(st.integers(0, len(events) - 1))
    path = data.draw(st.sampled_from(list(places(events[place][1]))))
    events[place] = (events[place][0], replaced(events[place][1], path, data.draw(JSON)))

    def read() -> Reply:
        chunks = wire.chunks()
        for event, document in events:
            chunks.add(event, json.dumps(document))
        return wire.reply(chunks.document())

    only_a_reply_or_an_error(read)


@pytest.mark.parametrize("name", formats())
def test_what_is_mutated_is_a_reply_to_begin_with(name: str) -> None:
    wire = format_for(name, "api.acme.example")
    assert wire.reply(REPLIES[name]).text == "14"
    chunks = wire.chunks()
    for event, document in EVENTS[name]:
        chunks.add(event, json.dumps(document))
    assert isinstance(wire.reply(chunks.document()), Reply)
