"""OpenAI's own SDK beside us in responses: the same body for a call, the same reading of a reply."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.formats import format_for
from tests.providers.oracles.calls import BOOKED, FILE, IMAGE, Booking, looking, structured, two_calls
from tests.providers.oracles.chat import MESSAGES
from tests.providers.oracles.openai_sdk import (
    FILE_URL,
    FUNCTION,
    IMAGE_URL,
    LOGPROBS,
    MODEL,
    SAMPLING,
    client,
)
from tests.providers.oracles.oracle import (
    TOOL,
    conversation,
    events,
    read,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
)

RESPONSES = format_for("openai-responses", "api.openai.com")


def message_item(text: str, **more: Any) -> dict[str, Any]:
    content = {"type": "output_text", "text": text, "annotations": [], **more}
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [content]}


CALL_ITEM = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "book",
    "arguments": '{"time": "é"}',
}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1763800000,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "model": MODEL,
    "output": [message_item("hi")],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    },
}
RESPONSE_CALLS: dict[str, tuple[Request, dict[str, Any]]] = {
    "a conversation": (conversation(MODEL), {"input": MESSAGES}),
    "sampling": (
        conversation(MODEL, **SAMPLING),
        {
            "input": MESSAGES,
            "temperature": 0.2,
            "top_p": 0.9,
            "max_output_tokens": 300,
            "top_logprobs": 2,
            "include": ["message.output_text.logprobs"],
        },
    ),
    "effort": (
        conversation("o4-mini-2025-04-16", reasoning_effort="low"),
        {"input": MESSAGES, "model": "o4-mini-2025-04-16", "reasoning": {"effort": "low"}},
    ),
    "an image and a file": (
        looking(MODEL, IMAGE, FILE),
        {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "What is this?"},
                        {"type": "input_image", "detail": "auto", "image_url": IMAGE_URL},
                        {"type": "input_file", "filename": "menu.pdf", "file_data": FILE_URL},
                        {"type": "input_text", "text": "Be brief."},
                    ],
                }
            ]
        },
    ),
    "two calls": (
        two_calls(MODEL, TOOL, tool_choice="book", parallel_tool_calls=False),
        {
            "input": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "two tables"},
                {"role": "assistant", "content": "At once."},
                {"type": "function_call", "call_id": "call_a", "name": "book", "arguments": '{"time": "19:00"}'},
                {"type": "function_call", "call_id": "call_b", "name": "book", "arguments": '{"time": "20:00"}'},
                {"type": "function_call_output", "call_id": "call_a", "output": '{"booked": true}'},
                {"type": "function_call_output", "call_id": "call_b", "output": "full"},
                {"role": "user", "content": "and one at nine"},
            ],
            "tools": [{"type": "function", **FUNCTION, "strict": False}],
            "tool_choice": {"type": "function", "name": "book"},
            "parallel_tool_calls": False,
        },
    ),
}


def test_a_schema_is_sent_as_the_sdk_makes_it_of_the_model() -> None:
    request = structured(MODEL)
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    theirs = sent_by(
        lambda url: client(url).responses.parse(model=MODEL, input=messages, text_format=Booking),
        served({**RESPONSE, "output": [message_item(BOOKED)]}),
    )
    assert RESPONSES.body(request, None) == theirs.json


@pytest.mark.parametrize("name", RESPONSE_CALLS)
def test_a_call_of_responses_is_the_same_body(name: str) -> None:
    request, call = RESPONSE_CALLS[name]
    theirs = sent_by(lambda url: client(url).responses.create(**{"model": MODEL, **call}), served(RESPONSE))
    answer = served({**RESPONSE, "model": request.pin.model})
    ours, _ = sent_by_us("openai-responses", request, answer, below="/v1", seed=7)
    assert ours.path == theirs.path == "/v1/responses"
    assert ours.headers["authorization"] == theirs.headers["authorization"]
    assert ours.json == theirs.json


RESPONSE_REPLIES = {
    "text": RESPONSE,
    "several items": {
        **RESPONSE,
        "output": [{"id": "rs_1", "type": "reasoning", "summary": []}, message_item("one, "), message_item("two")],
    },
    "a call": {**RESPONSE, "output": [CALL_ITEM]},
    "text and calls": {**RESPONSE, "output": [message_item("At once."), CALL_ITEM, {**CALL_ITEM, "call_id": "call_2"}]},
    "cut": {**RESPONSE, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
    "log probabilities": {**RESPONSE, "output": [message_item("hi", logprobs=LOGPROBS["content"])]},
}
RESPONSE_REASONS = {"a call": "tool_calls", "text and calls": "tool_calls", "cut": "length"}


def compare_response(ours: Any, theirs: Any) -> None:
    assert ours.text == theirs.output_text
    assert ours.served_model == theirs.model
    calls = [item for item in theirs.output if item.type == "function_call"]
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in ours.tool_calls] == [
        (c.call_id, c.name, c.arguments) for c in calls
    ]
    usage = theirs.usage
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (usage.input_tokens, usage.output_tokens)
    assert ours.usage.cached_tokens == usage.input_tokens_details.cached_tokens
    assert ours.usage.cache_write_tokens == usage.input_tokens_details.cache_write_tokens
    assert ours.usage.reasoning_tokens == usage.output_tokens_details.reasoning_tokens
    parts = [part for item in theirs.output if item.type == "message" for part in item.content]
    tokens = [token for part in parts for token in part.logprobs or ()]
    assert [(t["token"], t["logprob"]) for t in ours.logprobs] == [(t.token, t.logprob) for t in tokens]


@pytest.mark.parametrize("name", RESPONSE_REPLIES)
def test_a_response_is_read_alike(name: str) -> None:
    document = RESPONSE_REPLIES[name]
    read_by_them: list[Any] = []
    sent_by(lambda url: read_by_them.append(client(url).responses.create(model=MODEL, input="x")), served(document))
    _, ours = sent_by_us("openai-responses", conversation(MODEL), served(document))
    compare_response(ours, read_by_them[0])
    assert ours.finish_reason == RESPONSE_REASONS.get(name, "stop")


def response_stream(document: dict[str, Any], last: str = "response.completed") -> list[dict[str, Any]]:
    """The events of one response: each text and each call in pieces."""
    empty = {**document, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    made: list[dict[str, Any]] = [{"type": "response.created", "response": empty}]
    for index, item in enumerate(document["output"]):
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress"}
        if item["type"] == "message":
            part = item["content"][0]
            at = {**place, "content_index": 0}
            made.append({"type": "response.output_item.added", "output_index": index, "item": {**begun, "content": []}})
            made.append({"type": "response.content_part.added", **at, "part": {**part, "text": ""}})
            half = len(part["text"]) // 2
            deltas = (part["text"][:half], part["text"][half:])
            made += [{"type": "response.output_text.delta", **at, "delta": delta, "logprobs": []} for delta in deltas]
            made.append({"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []})
            made.append({"type": "response.content_part.done", **at, "part": part})
        elif item["type"] == "function_call":
            made.append(
                {"type": "response.output_item.added", "output_index": index, "item": {**begun, "arguments": ""}}
            )
            made.append({"type": "response.function_call_arguments.delta", **place, "delta": item["arguments"]})
            done = {"name": item["name"], "arguments": item["arguments"]}
            made.append({"type": "response.function_call_arguments.done", **place, **done})
        made.append({"type": "response.output_item.done", "output_index": index, "item": item})
    made.append({"type": last, "response": document})
    return [{**event, "sequence_number": number} for number, event in enumerate(made)]


@pytest.mark.parametrize("name", ["text", "text and calls", "cut"])
def test_a_stream_of_responses_is_read_alike_wherever_it_is_cut(name: str) -> None:
    document = RESPONSE_REPLIES[name]
    last = "response.incomplete" if name == "cut" else "response.completed"
    body = events(response_stream(document, last), named="type")
    read_by_them: list[Any] = []

    def ask(url: str) -> None:
        read_by_them.extend(client(url).responses.create(model=MODEL, input=MESSAGES, stream=True))

    theirs = sent_by(ask, streamed(body))
    ours = same_wherever_it_is_cut(RESPONSES, body)
    compare_response(ours, read_by_them[-1].response)
    assert ours.finish_reason == RESPONSE_REASONS.get(name, "stop")
    sent, timed = sent_by_us("openai-responses", conversation(MODEL), streamed(body), stream=True)
    assert sent.json == theirs.json
    assert timed.first_token is not None


ERRORS: list[tuple[list[Any], str, str]] = [
    (
        [{"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}],
        "rate_limit",
        "slow down",
    ),
    (
        response_stream({**RESPONSE, "error": {"code": "server_error", "message": "oh"}}, "response.failed"),
        "server",
        "oh",
    ),
    (response_stream(RESPONSE)[:-1], "connection", "ended in the middle"),
]


@pytest.mark.parametrize(("documents", "kind", "words"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(documents: list[Any], kind: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words) as told:
        read(RESPONSES, [events(documents)], "text/event-stream")
    assert told.value.kind == kind


def test_a_refusal_in_place_of_a_response_is_its_text() -> None:
    content = [{"type": "refusal", "refusal": "I can't."}]
    reply = RESPONSES.reply({**RESPONSE, "output": [{**message_item(""), "content": content}]})
    assert (reply.text, reply.finish_reason) == ("I can't.", "stop")
