"""OpenAI's own SDK beside us in chat completions: the same body for a call, the same reading of a reply."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.formats import format_for
from tests.providers.oracles.calls import BOOKED, FILE, IMAGE, Booking, looking, structured, two_calls
from tests.providers.oracles.chat import CALLED, MESSAGES
from tests.providers.oracles.openai_sdk import (
    FILE_URL,
    IMAGE_URL,
    LOGPROBS,
    MODEL,
    SAMPLING,
    client,
    their_call,
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
    with_calls,
)

CHAT = format_for("openai-chat", "api.openai.com")
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
            "messages": CALLED,
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
    answer = {**ANSWER, "choices": [{**ANSWER["choices"][0], "message": {"role": "assistant", "content": BOOKED}}]}
    request = structured(MODEL)
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    theirs = sent_by(
        lambda url: client(url).chat.completions.parse(model=MODEL, messages=messages, response_format=Booking),
        served(answer),
    )
    assert {**CHAT.body(request, None), "stream": False} == theirs.json


def chat_answer(message: dict[str, Any], reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", **message}, **more}
    return {**ANSWER, "choices": [choice]}


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


ERRORS: list[tuple[list[Any], str, str]] = [
    ([CHAT_STREAMS["text"][1]], "connection", "ended in the middle"),
    ([CHAT_STREAMS["text"][1], {"error": {"message": "bad key", "code": "invalid_api_key"}}], "auth", "bad key"),
]


@pytest.mark.parametrize(("documents", "kind", "words"), ERRORS)
def test_an_error_in_a_stream_is_an_error_of_its_kind(documents: list[Any], kind: str, words: str) -> None:
    with pytest.raises(ProviderError, match=words) as told:
        read(CHAT, [events(documents)], "text/event-stream")
    assert told.value.kind == kind
