"""Anthropic's own SDK beside us: the same body for the same call, the same reading of a reply."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from promptops.core.wire.claude_schema import claude_schema
from promptops.errors import ProviderError
from promptops.models import Message, Pin, Request
from promptops.providers.formats import format_for
from tests.providers.oracles.calls import (
    BOOKED,
    FILE,
    IMAGE,
    PDF,
    PNG,
    TEXT_FILE,
    Booking,
    looking,
    structured,
    two_calls,
)
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
    closed_later,
    conversation,
    events,
    read,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
)

anthropic: Any = pytest.importorskip("anthropic")

# The SDK warns of models whose end is near, by the date of today.
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

MODEL = "claude-sonnet-4-5-20250929"
NEWER = "claude-opus-4-7"
WIRE = format_for("anthropic-messages", "api.anthropic.com")
TURNS: Any = [
    {"role": "user", "content": "7 pm"},
    {"role": "assistant", "content": '{"time": "19:00"}'},
    {"role": "user", "content": "half past two 😀"},
]
FUNCTION = TOOL["function"]
THEIR_TOOL = {"name": "book", "description": "Books a table.", "input_schema": FUNCTION["parameters"]}
MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 6},
}
CALLS: dict[str, tuple[Request, dict[str, Any]]] = {
    "a conversation": (
        conversation(MODEL, max_tokens=300),
        {"system": "Be brief.", "messages": TURNS},
    ),
    # The SDK has no arguments for these any more, since newer models do not take them; older ones do.
    "sampling": (
        conversation(MODEL, max_tokens=300, temperature=0.2, top_k=20, stop="\n\n"),
        {
            "system": "Be brief.",
            "messages": TURNS,
            "stop_sequences": ["\n\n"],
            "extra_body": {"temperature": 0.2, "top_k": 20},
        },
    ),
    "effort": (
        conversation(NEWER, max_tokens=300, reasoning_effort="xhigh"),
        {"model": NEWER, "system": "Be brief.", "messages": TURNS, "output_config": {"effort": "xhigh"}},
    ),
    "an image and files": (
        looking(MODEL, IMAGE, FILE, TEXT_FILE, max_tokens=300),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {
                            "type": "image",
                            "source": {
                                "type": "base64",
                                "media_type": "image/png",
                                "data": base64.b64encode(PNG).decode(),
                            },
                        },
                        {
                            "type": "document",
                            "title": "menu.pdf",
                            "source": {
                                "type": "base64",
                                "media_type": "application/pdf",
                                "data": base64.b64encode(PDF).decode(),
                            },
                        },
                        {
                            "type": "document",
                            "title": "menu.txt",
                            "source": {"type": "text", "media_type": "text/plain", "data": "Suppe 4 €\n"},
                        },
                        {"type": "text", "text": "Be brief."},
                    ],
                }
            ]
        },
    ),
    "two calls": (
        two_calls(MODEL, TOOL, max_tokens=300, tool_choice="required", parallel_tool_calls=False),
        {
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "two tables"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "text", "text": "At once."},
                        {"type": "tool_use", "id": "call_a", "name": "book", "input": {"time": "19:00"}},
                        {"type": "tool_use", "id": "call_b", "name": "book", "input": {"time": "20:00"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "call_a", "content": '{"booked": true}'},
                        {"type": "tool_result", "tool_use_id": "call_b", "content": "full"},
                    ],
                },
                {"role": "user", "content": "and one at nine"},
            ],
            "tools": [THEIR_TOOL],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        },
    ),
    "one tool": (
        two_calls(MODEL, TOOL, max_tokens=300, tool_choice="book"),
        {
            "tool_choice": {"type": "tool", "name": "book"},
        },
    ),
}
CALLS["one tool"] = (CALLS["one tool"][0], {**CALLS["two calls"][1], **CALLS["one tool"][1]})


def client(url: str) -> Any:
    return closed_later(anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0))


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_the_same_body(name: str) -> None:
    request, call = CALLS[name]
    given = {"model": MODEL, "max_tokens": 300, **call}
    theirs = sent_by(lambda url: client(url).messages.create(**given), served(MESSAGE))
    answer = served({**MESSAGE, "model": request.pin.model})
    ours, _ = sent_by_us("anthropic-messages", request, answer, below="/v1", seed=7)
    assert ours.path == theirs.path == "/v1/messages"
    assert ours.json == theirs.json
    # The newest version of the API takes no sampling params; keys go in either header.
    expected = "2023-06-01" if name == "sampling" else theirs.headers["anthropic-version"]
    assert ours.headers["anthropic-version"] == expected
    assert theirs.headers["authorization"] == f"Bearer {ours.headers['x-api-key']}"


def test_a_schema_is_sent_as_the_sdk_makes_it_of_the_model() -> None:
    content = BOOKED
    answer = {**MESSAGE, "content": [{"type": "text", "text": content}]}
    request = structured(MODEL, max_tokens=300)
    theirs = sent_by(
        lambda url: client(url).messages.parse(
            model=MODEL,
            max_tokens=300,
            system="Be brief.",
            messages=[{"role": "user", "content": "half past two, two of us"}],
            output_format=Booking,
        ),
        served(answer),
    )
    assert WIRE.body(request, None) == theirs.json


SCHEMAS: list[dict[str, Any]] = [
    Booking.model_json_schema(),
    {"type": "array", "items": {"type": "string", "format": "email"}, "minItems": 1},
    {"type": "array", "items": {"type": "string", "format": "regex"}, "minItems": 3, "description": "some"},
    {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}], "title": "Maybe"},
    {"type": "object", "properties": {"a": {"const": 1}, "b": {"enum": ["x", None]}}, "additionalProperties": True},
    {"$ref": "#/$defs/Node", "$defs": {"Node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}}},
]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_schema_is_transformed_as_the_sdk_does(schema: dict[str, Any]) -> None:
    assert claude_schema(schema) == anthropic.transform_schema(schema)


def test_a_model_from_before_schemas_gets_it_in_words() -> None:
    body = WIRE.body(structured("claude-3-haiku-20240307", "auto", max_tokens=300), None)
    assert "output_config" not in body
    assert body["system"].startswith("Be brief.\n\nAnswer with one JSON value that satisfies this JSON Schema")
    with pytest.raises(ProviderError, match="cannot be native"):
        WIRE.body(structured("claude-3-haiku-20240307", "native", max_tokens=300), None)


REPLIES: dict[str, dict[str, Any]] = {
    "text": MESSAGE,
    "blocks": {
        **MESSAGE,
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
            {"type": "text", "text": "one, "},
            {"type": "text", "text": "two"},
        ],
    },
    "calls": {
        **MESSAGE,
        "stop_reason": "tool_use",
        "content": [
            {"type": "text", "text": "At once."},
            {"type": "tool_use", "id": "toolu_1", "name": "book", "input": {"time": "é", "people": 2}},
            {"type": "tool_use", "id": "toolu_2", "name": "book", "input": {}},
        ],
    },
    "counts": {
        **MESSAGE,
        "usage": {
            "input_tokens": 21,
            "cache_creation_input_tokens": 188086,
            "cache_read_input_tokens": 7,
            "cache_creation": {"ephemeral_5m_input_tokens": 188086, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 393,
            "output_tokens_details": {"thinking_tokens": 300},
            "service_tier": "standard",
        },
    },
    "cut": {**MESSAGE, "stop_reason": "max_tokens"},
    "stopped": {**MESSAGE, "stop_reason": "stop_sequence", "stop_sequence": "\n\n"},
    "refused": {**MESSAGE, "content": [], "stop_reason": "refusal"},
    "full": {**MESSAGE, "stop_reason": "model_context_window_exceeded"},
    "paused": {**MESSAGE, "stop_reason": "pause_turn"},
}
REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause_turn",
}


def compare(ours: Any, theirs: Any) -> None:
    assert ours.text == "".join(block.text for block in theirs.content if block.type == "text")
    assert ours.finish_reason == REASONS[theirs.stop_reason]
    assert ours.served_model == theirs.model
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])) for call in ours.tool_calls
    ]
    assert calls == [(block.id, block.name, block.input) for block in theirs.content if block.type == "tool_use"]
    usage = theirs.usage
    cached, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    assert ours.usage.input_tokens == usage.input_tokens + (cached or 0) + (written or 0)
    assert (ours.usage.cached_tokens, ours.usage.cache_write_tokens) == (cached, written)
    assert ours.usage.output_tokens == usage.output_tokens
    details = usage.output_tokens_details
    assert ours.usage.reasoning_tokens == (details and details.thinking_tokens)


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_alike(name: str) -> None:
    read_by_them: list[Any] = []
    sent_by(
        lambda url: read_by_them.append(client(url).messages.create(model=MODEL, max_tokens=9, messages=TURNS)),
        served(REPLIES[name]),
    )
    _, ours = sent_by_us("anthropic-messages", conversation(MODEL, max_tokens=9), served(REPLIES[name]))
    compare(ours, read_by_them[0])


def stream_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one message: each block in two pieces, pings between them."""
    usage = document["usage"]
    head = {**document, "content": [], "stop_reason": None, "stop_sequence": None}
    made: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**head, "usage": {**usage, "output_tokens": 1}}}
    ]
    for index, block in enumerate(document["content"]):
        start, deltas = pieces_of(block)
        made.append({"type": "content_block_start", "index": index, "content_block": start})
        made.append({"type": "ping"})
        made += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        made.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": document["stop_reason"], "stop_sequence": document["stop_sequence"]}
    made.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}})
    return [*made, {"type": "message_stop"}]


def pieces_of(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "tool_use":
        text = json.dumps(block["input"], ensure_ascii=False) if block["input"] else ""
        texts = ["", text[: len(text) // 2], text[len(text) // 2 :]]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in texts]
    name = "thinking" if block["type"] == "thinking" else "text"
    half = len(block[name]) // 2
    deltas = [{"type": f"{name}_delta", name: piece} for piece in (block[name][:half], block[name][half:])]
    if name == "thinking":
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    return {**block, name: "", **({"signature": ""} if name == "thinking" else {})}, deltas


@pytest.mark.parametrize("name", ["text", "blocks", "calls", "counts", "refused"])
def test_a_stream_is_read_alike_wherever_it_is_cut(name: str) -> None:
    body = events(stream_of(REPLIES[name]), named="type")
    read_by_them: list[Any] = []

    def ask(url: str) -> None:
        with client(url).messages.stream(
            model=MODEL,
            max_tokens=9,
            system="Be brief.",
            messages=TURNS,
        ) as stream:
            read_by_them.append(stream.get_final_message())

    theirs = sent_by(ask, streamed(body))
    compare(same_wherever_it_is_cut(WIRE, body), read_by_them[0])
    sent, _ = sent_by_us("anthropic-messages", conversation(MODEL, max_tokens=9), streamed(body), stream=True)
    assert sent.json == theirs.json


TEXT = stream_of(MESSAGE)
ERRORS: list[tuple[list[dict[str, Any]], str, str]] = [
    (
        [*TEXT[:4], {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}],
        "server",
        "Overloaded",
    ),
    ([*TEXT[:4], {"type": "error", "error": {"type": "rate_limit_error", "message": "slow"}}], "rate_limit", "slow"),
    ([{"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}], "request", "too long"),
    ([{"type": "error", "error": {"type": "authentication_error", "message": "no"}}], "auth", "no"),
    (TEXT[:5], "connection", "ended in the middle"),
    ([TEXT[0], {"type": "content_block_delta", "index": 3, "delta": {}}], "bad_reply", "did not begin"),
    ([*TEXT[:2], TEXT[1]], "bad_reply", "twice"),
]


@pytest.mark.parametrize(("sent", "kind", "words"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(sent: list[dict[str, Any]], kind: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words) as told:
        read(WIRE, [events(sent, named="type")], "text/event-stream")
    assert told.value.kind == kind


def test_a_call_that_the_limit_cut_is_the_text_that_there_is() -> None:
    """The SDK mends it; here whoever validates the call says that its arguments end in the middle."""
    sent = stream_of({**REPLIES["calls"], "stop_reason": "max_tokens"})
    cut = [event for event in sent if event.get("index") != 2 and '\\"people' not in json.dumps(event)]
    reply = read(WIRE, [events(cut, named="type")], "text/event-stream")
    call: Any = reply.tool_calls[0]
    assert (reply.finish_reason, call["function"]["arguments"]) == ("length", '{"time": "é",')


def test_a_system_message_in_the_middle_is_refused() -> None:
    messages = (Message("user", "a"), Message("system", "b"))
    with pytest.raises(ProviderError, match="must stand before all others"):
        WIRE.body(Request(Pin("anthropic", MODEL), messages, {"max_tokens": 9}), None)
