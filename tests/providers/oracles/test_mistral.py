"""Mistral's own SDK beside us: the same body for the same call, the same reading of a reply."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Media, Message, Pin, Request
from promptops.providers.mistral import Mistral
from tests.providers.oracles.chat import CALLED, MESSAGES
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
    broken_wherever_it_is_cut,
    conversation,
    events,
    posted,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
    with_calls,
)

client = pytest.importorskip("mistralai.client")

MODEL = "mistral-small-2506"
USAGE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
ANSWER = {
    "id": "cmpl-1",
    "object": "chat.completion",
    "created": 1763800000,
    "model": MODEL,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "14:30"}}],
    "usage": USAGE,
}
SAMPLING = {
    "temperature": 0.2,
    "top_p": 0.9,
    "top_k": 20,
    "max_tokens": 300,
    "stop": ["\n\n"],
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "logprobs": True,
    "top_logprobs": 2,
}
SCHEMA: dict[str, Any] = {
    "title": "Booking",
    "type": "object",
    "properties": {"time": {"type": "string"}},
    "required": ["time"],
}
STRICT = {
    "type": "json_schema",
    "json_schema": {"name": "Booking", "schema": {**SCHEMA, "additionalProperties": False}, "strict": True},
}


def chat(url: str, **call: Any) -> Any:
    with client.Mistral(api_key=KEY, server_url=url) as sdk:
        return sdk.chat.complete(model=MODEL, **call)


def their_body(**call: Any) -> dict[str, Any]:
    received = sent_by(lambda url: chat(url, **call), served(ANSWER))
    return without_defaults(posted(received, "/v1/chat/completions"))


def our_body(request: Request, *, seed: int | None = None) -> dict[str, Any]:
    received, _ = sent_by_us("mistral", request, served(ANSWER), below="/v1", seed=seed)
    return posted(received, "/v1/chat/completions")


def without_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """What the SDK's records always write: a `prefix` of false, and roles and types that are so already."""
    for message in body["messages"]:
        message.pop("prefix", None) if message.get("prefix") is False else None
        for call in message.get("tool_calls") or ():
            call.pop("index", None)
    return body


def test_a_conversation_and_the_sampling() -> None:
    ours = our_body(conversation(MODEL, **SAMPLING, reasoning_effort="high"), seed=7)
    theirs = their_body(messages=MESSAGES, **SAMPLING, random_seed=7, reasoning_effort="high")
    assert ours == theirs


def test_tools_calls_and_their_results() -> None:
    chosen = {"type": "function", "function": {"name": "book"}}
    for ours, theirs in (("auto", "auto"), ("none", "none"), ("required", "required"), ("book", chosen)):
        params: dict[str, Any] = {"tool_choice": ours, "parallel_tool_calls": False}
        sent = their_body(messages=CALLED, tools=[TOOL], tool_choice=theirs, parallel_tool_calls=False)
        assert our_body(with_calls(MODEL, **params)) == sent


def test_a_schema_is_asked_for_in_the_strict_mode() -> None:
    request = Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=SCHEMA)
    assert our_body(request) == their_body(messages=[{"role": "user", "content": "hi"}], response_format=STRICT)


def test_images_and_files() -> None:
    image = Media("image", "image/png", b"\x89PNG", "sha256:1", "a.png")
    paper = Media("file", "application/pdf", b"%PDF-1.7", "sha256:2", "terms.pdf")
    request = Request(Pin("acme", MODEL), (Message("user", "read", ("read", image, paper)),))
    urls = [f"data:{media.media_type};base64,{base64.b64encode(media.data).decode()}" for media in (image, paper)]
    content = [
        {"type": "text", "text": "read"},
        {"type": "image_url", "image_url": {"url": urls[0]}},
        {"type": "document_url", "document_url": urls[1], "document_name": "terms.pdf"},
    ]
    assert our_body(request) == their_body(messages=[{"role": "user", "content": content}])


CALLS = [
    {"id": "D681PevKs", "function": {"name": "book", "arguments": '{"time": "14:30"}'}, "index": 0},
    {"id": "null", "function": {"name": "book", "arguments": {"time": "é"}}, "index": 1},
]
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "half past two is …"}]}
MESSAGES_BACK: dict[str, dict[str, Any]] = {
    "text": {"role": "assistant", "content": "14:30 😀", "tool_calls": None, "prefix": False},
    "parts": {
        "role": "assistant",
        "content": [THOUGHT, {"type": "text", "text": "14:"}, {"type": "text", "text": "30"}],
    },
    "calls": {"role": "assistant", "content": "", "tool_calls": CALLS},
}


@pytest.mark.parametrize("name", MESSAGES_BACK)
@pytest.mark.parametrize("reason", ["stop", "length", "model_length", "tool_calls"])
def test_a_reply_is_read_as_the_sdk_reads_it(name: str, reason: str) -> None:
    choice = {"index": 0, "finish_reason": reason, "message": MESSAGES_BACK[name]}
    document = {**ANSWER, "choices": [choice]}
    found: list[Any] = []
    sent_by(lambda url: found.append(chat(url, messages=MESSAGES)), served(document))
    (theirs,) = found
    _, ours = sent_by_us("mistral", conversation(MODEL), served(document))
    message = theirs.choices[0].message
    assert ours.text == text_of(message.content)
    assert ours.served_model == theirs.model
    assert ours.finish_reason == {"model_length": "length"}.get(reason, theirs.choices[0].finish_reason)
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (
        theirs.usage.prompt_tokens,
        theirs.usage.completion_tokens,
    )
    assert [call_of(call) for call in ours.tool_calls] == [sdk_call(call) for call in message.tool_calls or ()]


def text_of(content: Any) -> str:
    if not isinstance(content, list):
        return str(content)
    return "".join(part.text for part in content if part.type == "text")


def call_of(call: Any) -> tuple[str, Any]:

    return call["function"]["name"], json.loads(call["function"]["arguments"])


def sdk_call(call: Any) -> tuple[str, Any]:

    arguments = call.function.arguments
    return call.function.name, json.loads(arguments) if isinstance(arguments, str) else arguments


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {
        "id": "cmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [choice],
        **more,
    }


STREAM = events(
    [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [THOUGHT]}),
        chunk({"content": "14:"}),
        chunk({"content": [{"type": "text", "text": "30 é😀"}]}),
        chunk({"content": "", "tool_calls": CALLS}, "tool_calls", usage=USAGE),
        "[DONE]",
    ]
)


def test_a_stream_is_read_as_the_sdk_reads_it_wherever_it_is_cut() -> None:
    found: list[Any] = []

    def call(url: str) -> None:
        with (
            client.Mistral(api_key=KEY, server_url=url) as sdk,
            sdk.chat.stream(model=MODEL, messages=MESSAGES) as stream,
        ):
            found.extend(event.data for event in stream)

    theirs = sent_by(call, streamed(STREAM))
    ours = same_wherever_it_is_cut(Mistral(), STREAM)
    deltas = [data.choices[0].delta for data in found]
    assert ours.text == "".join(text_of(delta.content) for delta in deltas if delta.content)
    assert [call_of(one) for one in ours.tool_calls] == [
        sdk_call(one) for delta in deltas for one in delta.tool_calls or ()
    ]
    assert ours.finish_reason == found[-1].choices[0].finish_reason
    assert ours.usage.output_tokens == found[-1].usage.completion_tokens
    sent, reply = sent_by_us("mistral", conversation(MODEL), streamed(STREAM), below="/v1", stream=True)
    assert sent.json == without_defaults(theirs.json)
    assert (reply.text, reply.tool_calls, reply.usage) == (ours.text, ours.tool_calls, ours.usage)
    assert reply.first_token is not None


def test_a_reply_that_the_vendor_broke_off_is_none() -> None:
    choice = {"index": 0, "finish_reason": "error", "message": {"role": "assistant", "content": "14"}}
    with pytest.raises(ProviderError) as caught:
        Mistral().reply({**ANSWER, "choices": [choice]})
    assert caught.value.kind == "server"


FAILED = {"object": "error", "message": "Service tier capacity exceeded", "type": "service_tier", "code": "3505"}


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (None, "connection"),
        (FAILED, "server"),
        ({"error": {"message": "the model failed", "code": 429}}, "rate_limit"),
        ({**chunk({"content": "x"}), "model": "other"}, "identity"),
        (chunk({"content": "x"}, "error"), "server"),
        ('{"object": "error"', "bad_reply"),
    ],
)
def test_a_stream_that_breaks_off_is_no_reply(last: dict[str, Any] | str | None, kind: str) -> None:
    body = events([chunk({"content": 'an "error" in the text'}), *([last] if last else [])])
    assert broken_wherever_it_is_cut(Mistral(), body) == kind


def test_an_error_in_place_of_a_reply_has_the_vendors_words() -> None:
    with pytest.raises(ProviderError, match="capacity exceeded"):
        Mistral().reply(FAILED)
