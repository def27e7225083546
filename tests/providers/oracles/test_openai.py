"""OpenAI's own SDK beside us: chat completions and responses, the same body for a call, the same reading of a reply."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.formats import format_for
from tests.providers.oracles.calls import BOOKED, FILE, IMAGE, PDF, PNG, Booking, looking, structured, two_calls
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
    with_calls,
)

openai: Any = pytest.importorskip("openai")

MODEL = "gpt-4.1-mini-2025-04-14"
CHAT = format_for("openai-chat", "api.openai.com")
RESPONSES = format_for("openai-responses", "api.openai.com")
IMAGE_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
FILE_URL = f"data:application/pdf;base64,{base64.b64encode(PDF).decode()}"
SAMPLING = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 300, "logprobs": True, "top_logprobs": 2}
MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "7 pm"},
    {"role": "assistant", "content": '{"time": "19:00"}'},
    {"role": "user", "content": "half past two 😀"},
]
FUNCTION = TOOL["function"]


def their_call(name: str, identifier: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}


# --- chat completions -----------------------------------------------------------------------------

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763800000,
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
    "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
}
CHAT_CALLS: dict[str, tuple[Request, dict[str, Any]]] = {
    "a conversation": (conversation(MODEL), {"messages": MESSAGES}),
    "sampling": (
        conversation(MODEL, **SAMPLING, stop=["\n\n"], seed=7, frequency_penalty=0.5, presence_penalty=-0.5),
        {
            "messages": MESSAGES,
            "temperature": 0.2,
            "top_p": 0.9,
            "max_completion_tokens": 300,
            "logprobs": True,
            "top_logprobs": 2,
            "stop": ["\n\n"],
            "seed": 7,
            "frequency_penalty": 0.5,
            "presence_penalty": -0.5,
        },
    ),
    "effort": (
        conversation("o4-mini-2025-04-16", reasoning_effort="high"),
        {"messages": MESSAGES, "model": "o4-mini-2025-04-16", "reasoning_effort": "high"},
    ),
    "an image and a file": (
        looking(MODEL, IMAGE, FILE),
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is this?"},
                        {"type": "image_url", "image_url": {"url": IMAGE_URL}},
                        {"type": "file", "file": {"filename": "menu.pdf", "file_data": FILE_URL}},
                        {"type": "text", "text": "Be brief."},
                    ],
                }
            ]
        },
    ),
    "a tool that must be called": (
        with_calls(MODEL, tool_choice="book", parallel_tool_calls=False),
        {
            "messages": [
                {"role": "user", "content": "a table at seven"},
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [their_call("book", "call_1", {"time": "19:00", "people": 2})],
                },
                {"role": "tool", "content": '{"booked": true}', "tool_call_id": "call_1"},
                {"role": "user", "content": "thanks, and one at eight"},
            ],
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "book"}},
            "parallel_tool_calls": False,
        },
    ),
    "two calls": (
        two_calls(MODEL, TOOL, tool_choice="required"),
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "two tables"},
                {
                    "role": "assistant",
                    "content": "At once.",
                    "tool_calls": [
                        their_call("book", "call_a", {"time": "19:00"}),
                        their_call("book", "call_b", {"time": "20:00"}),
                    ],
                },
                {"role": "tool", "content": '{"booked": true}', "tool_call_id": "call_a"},
                {"role": "tool", "content": "full", "tool_call_id": "call_b"},
                {"role": "user", "content": "and one at nine"},
            ],
            "tools": [TOOL],
            "tool_choice": "required",
        },
    ),
}


def client(url: str) -> Any:
    return closed_later(openai.OpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0))


@pytest.mark.parametrize("name", CHAT_CALLS)
def test_a_chat_call_is_the_same_body(name: str) -> None:
    request, call = CHAT_CALLS[name]
    theirs = sent_by(lambda url: client(url).chat.completions.create(**{"model": MODEL, **call}), served(ANSWER))
    ours, _ = sent_by_us("openai-chat", request, served({**ANSWER, "model": request.pin.model}), below="/v1")
    assert ours.path == theirs.path == "/v1/chat/completions"
    assert ours.headers["authorization"] == theirs.headers["authorization"]
    assert CHAT.body(request, None) == theirs.json
    expected = dict(theirs.json)
    if "max_completion_tokens" in expected:  # only api.openai.com calls it so
        expected["max_tokens"] = expected.pop("max_completion_tokens")
    assert ours.json == expected


def test_a_schema_is_sent_as_the_sdk_makes_it_of_the_model() -> None:
    content = BOOKED
    answer = {**ANSWER, "choices": [{**ANSWER["choices"][0], "message": {"role": "assistant", "content": content}}]}
    request = structured(MODEL)
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    theirs = sent_by(
        lambda url: client(url).chat.completions.parse(model=MODEL, messages=messages, response_format=Booking),
        served(answer),
    )
    assert {**CHAT.body(request, None), "stream": False} == theirs.json
    theirs = sent_by(
        lambda url: client(url).responses.parse(model=MODEL, input=messages, text_format=Booking),
        served({**RESPONSE, "output": [message_item(content)]}),
    )
    assert RESPONSES.body(request, None) == theirs.json


def chat_answer(message: dict[str, Any], reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", **message}, **more}
    return {**ANSWER, "choices": [choice]}


LOGPROBS: Any = {
    "content": [
        {
            "token": "h",
            "logprob": -0.1,
            "bytes": [104],
            "top_logprobs": [{"token": "h", "logprob": -0.1, "bytes": [104]}],
        },
        {"token": "i", "logprob": -2.5, "bytes": [105], "top_logprobs": []},
    ],
    "refusal": None,
}
CHAT_REPLIES = {
    "text": ANSWER,
    "counts": {
        **ANSWER,
        "usage": {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0, "cache_write_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 256, "accepted_prediction_tokens": 0},
        },
    },
    "calls": chat_answer({"content": None, "tool_calls": [their_call("book", "call_1", {"time": "é"})]}, "tool_calls"),
    "cut": chat_answer({"content": "one, two, th"}, "length"),
    "filtered": chat_answer({"content": ""}, "content_filter"),
    "log probabilities": chat_answer({"content": "hi"}, logprobs=LOGPROBS),
}


@pytest.mark.parametrize("name", CHAT_REPLIES)
def test_a_chat_reply_is_read_alike(name: str) -> None:
    document = CHAT_REPLIES[name]
    read_by_them: list[Any] = []
    sent_by(
        lambda url: read_by_them.append(client(url).chat.completions.create(model=MODEL, messages=MESSAGES)),
        served(document),
    )
    (theirs,) = read_by_them
    _, ours = sent_by_us("openai-chat", conversation(MODEL), served(document))
    compare_chat(ours, theirs)


def compare_chat(ours: Any, theirs: Any) -> None:
    choice, usage = theirs.choices[0], theirs.usage
    assert ours.text == (choice.message.content or "")
    assert ours.finish_reason == choice.finish_reason
    assert ours.served_model == theirs.model
    assert list(ours.tool_calls) == [call.to_dict() for call in choice.message.tool_calls or ()]
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)
    inputs, outputs = usage.prompt_tokens_details, usage.completion_tokens_details
    assert ours.usage.cached_tokens == (inputs and inputs.cached_tokens)
    assert ours.usage.cache_write_tokens == (inputs and inputs.cache_write_tokens)
    assert ours.usage.reasoning_tokens == (outputs and outputs.reasoning_tokens)
    tokens = (choice.logprobs.content or ()) if choice.logprobs else ()
    assert [(t["token"], t["logprob"], len(t["top"])) for t in ours.logprobs] == [
        (t.token, t.logprob, len(t.top_logprobs)) for t in tokens
    ]


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, **more}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1763800000, "model": MODEL}
    return {**head, "choices": [choice]}


CHAT_STREAMS: dict[str, list[Any]] = {
    "text": [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "halb "}),
        chunk({"content": "drei 😀é"}),
        chunk({}, "stop"),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        "[DONE]",
    ],
    "calls": [
        chunk({"role": "assistant", "content": None}),
        chunk(
            {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "book", "arguments": ""}}]}
        ),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"time":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": ' "7 ☕"}'}}]}),
        chunk(
            {
                "tool_calls": [
                    {"index": 1, "id": "b", "type": "function", "function": {"name": "book", "arguments": "{}"}}
                ]
            }
        ),
        chunk({}, "tool_calls"),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        "[DONE]",
    ],
    "log probabilities": [
        chunk({"content": "h"}, logprobs={"content": LOGPROBS["content"][:1], "refusal": None}),
        chunk({"content": "i"}, logprobs={"content": LOGPROBS["content"][1:], "refusal": None}),
        chunk({}, "stop"),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}},
        "[DONE]",
    ],
}


@pytest.mark.parametrize("name", CHAT_STREAMS)
def test_a_chat_stream_is_read_alike_wherever_it_is_cut(name: str) -> None:
    body = events(CHAT_STREAMS[name])
    read_by_them: list[Any] = []

    def ask(url: str) -> None:
        with client(url).chat.completions.stream(
            model=MODEL,
            messages=MESSAGES,
            stream_options={"include_usage": True},
        ) as stream:
            read_by_them.append(stream.get_final_completion())

    theirs = sent_by(ask, streamed(body))
    compare_streamed(same_wherever_it_is_cut(CHAT, body), read_by_them[0])
    ours, _ = sent_by_us("openai-chat", conversation(MODEL), streamed(body), stream=True)
    assert ours.json == theirs.json


def compare_streamed(ours: Any, theirs: Any) -> None:
    """Their final completion has what they parsed besides."""
    for call in theirs.choices[0].message.tool_calls or ():
        for name in ("index", "parsed_arguments"):
            (call.function.__dict__ if name == "parsed_arguments" else call.__dict__).pop(name, None)
            (call.__pydantic_extra__ or {}).pop(name, None)
    compare_chat(ours, theirs)


# --- responses ------------------------------------------------------------------------------------


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


# --- what goes wrong ------------------------------------------------------------------------------

ERRORS: list[tuple[Callable[[], bytes], str, str, str]] = [
    (
        lambda: events([{"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}]),
        "responses",
        "rate_limit",
        "slow down",
    ),
    (
        lambda: events(
            response_stream({**RESPONSE, "error": {"code": "server_error", "message": "oh"}}, "response.failed")
        ),
        "responses",
        "server",
        "oh",
    ),
    (lambda: events(response_stream(RESPONSE)[:-1]), "responses", "connection", "ended in the middle"),
    (lambda: events([{**CHAT_STREAMS["text"][1]}]), "chat", "connection", "ended in the middle"),
    (
        lambda: events([CHAT_STREAMS["text"][1], {"error": {"message": "bad key", "code": "invalid_api_key"}}]),
        "chat",
        "auth",
        "bad key",
    ),
]


@pytest.mark.parametrize(("body", "which", "kind", "words"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(
    body: Callable[[], bytes], which: str, kind: str, words: str
) -> None:
    wire = CHAT if which == "chat" else RESPONSES
    with pytest.raises(ProviderError, match=words) as told:
        read(wire, [body()], "text/event-stream")
    assert told.value.kind == kind


def test_a_refusal_in_place_of_a_response_is_its_text() -> None:
    content = [{"type": "refusal", "refusal": "I can't."}]
    reply = RESPONSES.reply({**RESPONSE, "output": [{**message_item(""), "content": content}]})
    assert (reply.text, reply.finish_reason) == ("I can't.", "stop")
