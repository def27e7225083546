"""Cohere's own SDK beside us: the same body for the same call, the same reading of a reply."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from promptops.errors import ProviderError
from promptops.models import Media, Message, Pin, Request
from promptops.providers.cohere import Cohere
from tests.providers.oracles.chat import CALLED, MESSAGES, SCHEMA
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

cohere = pytest.importorskip("cohere")

MODEL = "command-a-03-2025"
USAGE = {
    "billed_units": {"input_tokens": 17, "output_tokens": 12},
    "tokens": {"input_tokens": 215.0, "output_tokens": 13.0},
    "cached_tokens": 16,
}
LOGPROBS = [
    {"text": "14", "token_ids": [7], "logprobs": [-0.25]},
    {"text": ":30", "token_ids": [8, 9], "logprobs": [-1, -0.5]},
]


def answer(message: dict[str, Any], reason: str = "COMPLETE", **more: Any) -> dict[str, Any]:
    made = {"id": "c14c80c3", "message": {"role": "assistant", **message}, "finish_reason": reason, "usage": USAGE}
    return {**made, **more}


TEXT = [{"type": "text", "text": "14:30 😀"}]


def chat(url: str, *, stream: bool = False, **call: Any) -> Any:
    with httpx.Client() as sockets:
        client = cohere.ClientV2(api_key=KEY, base_url=url, httpx_client=sockets)
        return list(client.chat_stream(model=MODEL, **call)) if stream else client.chat(model=MODEL, **call)


def their_body(**call: Any) -> dict[str, Any]:
    received = sent_by(lambda url: chat(url, **call), served(answer({"content": TEXT})))
    return posted(received, "/v2/chat")


def our_body(request: Request, *, seed: int | None = None) -> dict[str, Any]:
    received, _ = sent_by_us("cohere", request, served(answer({"content": TEXT})), seed=seed)
    return posted(received, "/v2/chat")


def test_a_conversation_and_the_sampling() -> None:
    same: dict[str, Any] = {
        "temperature": 0.2,
        "max_tokens": 300,
        "frequency_penalty": 0.5,
        "presence_penalty": 0.25,
        "logprobs": True,
    }
    ours = our_body(conversation(MODEL, **same, top_p=0.9, top_k=20, stop="\n\n", reasoning_effort="none"), seed=7)
    thinking = {"type": "disabled"}
    assert ours == their_body(
        messages=MESSAGES, **same, p=0.9, k=20, stop_sequences=["\n\n"], seed=7, thinking=thinking
    )


@pytest.mark.parametrize(
    ("choice", "sent"), [("auto", {}), ("none", {"tool_choice": "NONE"}), ("required", {"tool_choice": "REQUIRED"})]
)
@pytest.mark.parametrize("strict", [False, True])
def test_tools_calls_and_their_results(choice: str, sent: dict[str, str], strict: bool) -> None:
    messages = [{key: value for key, value in message.items() if value is not None} for message in CALLED]
    asked = with_calls(MODEL, tool_choice=choice)
    if strict:
        tool = {**TOOL, "function": {**TOOL["function"], "strict": True}}
        asked = Request(asked.pin, asked.messages, asked.params, (tool,))
        sent = {**sent, "strict_tools": True}  # type: ignore[dict-item]
    assert our_body(asked) == their_body(messages=messages, tools=[TOOL], **sent)


def test_a_tool_cannot_be_chosen_by_its_name() -> None:
    with pytest.raises(ProviderError, match="tool_choice must be one of auto, none, required"):
        our_body(with_calls(MODEL, tool_choice="book"))


def test_a_schema_is_asked_for_as_json() -> None:
    request = Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=SCHEMA)
    wanted = {"type": "json_object", "json_schema": SCHEMA}
    assert our_body(request) == their_body(messages=[{"role": "user", "content": "hi"}], response_format=wanted)


def test_images_are_parts_of_the_content() -> None:
    image = Media("image", "image/png", b"\x89PNG", "sha256:1", "a.png")
    request = Request(Pin("acme", MODEL), (Message("user", "read", ("read", image)),))
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}}
    assert our_body(request) == their_body(
        messages=[{"role": "user", "content": [{"type": "text", "text": "read"}, url]}]
    )


CALLS = [
    {"id": "book_0", "type": "function", "function": {"name": "book", "arguments": '{"time": "14:30"}'}},
    {"id": "book_1", "type": "function", "function": {"name": "book", "arguments": '{"time": "é"}'}},
]
REPLIES = {
    "text": answer({"content": TEXT}),
    "thoughts": answer({"content": [{"type": "thinking", "thinking": "half past two is …"}, *TEXT]}, "STOP_SEQUENCE"),
    "cut": answer({"content": [{"type": "text", "text": "14"}]}, "MAX_TOKENS"),
    "calls": answer({"tool_plan": "I will book.", "tool_calls": CALLS}, "TOOL_CALL"),
    "nothing counted": answer({"content": TEXT}, usage=None),
    "nothing billed": answer({"content": TEXT}, usage={"tokens": {"input_tokens": 215.0, "output_tokens": 13}}),
    "log probabilities": answer({"content": TEXT}, logprobs=LOGPROBS),
}
REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_the_sdk_reads_it(name: str) -> None:
    found: list[Any] = []
    sent_by(lambda url: found.append(chat(url, messages=MESSAGES)), served(REPLIES[name]))
    (theirs,) = found
    _, ours = sent_by_us("cohere", conversation(MODEL), served(REPLIES[name]))
    assert ours.text == "".join(part.text for part in theirs.message.content or () if part.type == "text")
    assert ours.finish_reason == REASONS[theirs.finish_reason]
    assert [call["function"] for call in ours.tool_calls] == [
        {"name": call.function.name, "arguments": call.function.arguments} for call in theirs.message.tool_calls or ()
    ]
    counted = theirs.usage and (theirs.usage.billed_units or theirs.usage.tokens)
    assert ours.usage.input_tokens == (counted and counted.input_tokens)
    assert ours.usage.output_tokens == (counted and counted.output_tokens)
    assert ours.usage.cached_tokens == (theirs.usage and theirs.usage.cached_tokens)
    assert [(one["token"], one["logprob"]) for one in ours.logprobs] == [
        (one.text, sum(one.logprobs)) for one in theirs.logprobs or ()
    ]
    assert ours.served_model is None  # no field of a reply names it


def said(kind: str, index: int | None = None, delta: Any = None, **more: Any) -> dict[str, Any]:
    made = {"type": kind, **({} if index is None else {"index": index}), **({} if delta is None else {"delta": delta})}
    return {**made, **more}


def content(**fields: str) -> dict[str, Any]:
    return {"message": {"content": fields}}


def call_delta(**fields: Any) -> dict[str, Any]:
    return {"message": {"tool_calls": fields}}


BEGIN = said("message-start", None, {"message": {"role": "assistant", "content": [], "tool_plan": ""}}, id="c14c80c3")
END = said("message-end", None, {"finish_reason": "COMPLETE", "usage": USAGE})
STREAMS = {
    "text": [
        BEGIN,
        said("content-start", 0, content(type="thinking", thinking="")),
        said("content-delta", 0, content(thinking="half past …")),
        said("content-end", 0),
        said("content-start", 1, content(type="text", text="")),
        said("content-delta", 1, content(text="14:"), logprobs=LOGPROBS[0]),
        said("content-delta", 1, content(text="30 é😀")),
        said("citation-start", 0, {"message": {"citations": {"start": 0, "end": 2, "text": "14"}}}),
        said("citation-end", 0),
        said("content-end", 1),
        END,
    ],
    "calls": [
        BEGIN,
        said("tool-plan-delta", None, {"message": {"tool_plan": "I will"}}),
        said(
            "tool-call-start", 0, call_delta(id="book_0", type="function", function={"name": "book", "arguments": ""})
        ),
        said("tool-call-delta", 0, call_delta(function={"arguments": '{"time"'})),
        said("tool-call-delta", 0, call_delta(function={"arguments": ': "14:30"}'})),
        said("tool-call-end", 0),
        said(
            "tool-call-start", 1, call_delta(id="book_1", type="function", function={"name": "book", "arguments": "{"})
        ),
        said("tool-call-delta", 1, call_delta(function={"arguments": "}"})),
        said("tool-call-end", 1),
        said("message-end", None, {"finish_reason": "TOOL_CALL", "usage": USAGE}),
    ],
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_read_as_the_sdk_reads_it_wherever_it_is_cut(name: str) -> None:
    body = events(STREAMS[name], named="type")
    found: list[Any] = []
    theirs = sent_by(lambda url: found.extend(chat(url, messages=MESSAGES, stream=True)), streamed(body))
    ours = same_wherever_it_is_cut(Cohere(), body)
    assert ours.text == "".join(
        event.delta.message.content.text or "" for event in found if event.type == "content-delta"
    )
    assert [arguments_of(call) for call in ours.tool_calls] == their_arguments(found)
    assert [call["id"] for call in ours.tool_calls] == [
        event.delta.message.tool_calls.id for event in found if event.type == "tool-call-start"
    ]
    assert ours.finish_reason == REASONS[found[-1].delta.finish_reason]
    assert ours.usage.input_tokens == found[-1].delta.usage.billed_units.input_tokens
    sent, reply = sent_by_us("cohere", conversation(MODEL), streamed(body), stream=True)
    assert sent.json == theirs.json
    assert (reply.text, reply.tool_calls, reply.usage) == (ours.text, ours.tool_calls, ours.usage)
    assert reply.first_token is not None


def arguments_of(call: Any) -> str:
    return str(call["function"]["arguments"])


def their_arguments(found: list[Any]) -> list[str]:
    texts: dict[int, str] = {}
    for event in found:
        if event.type in ("tool-call-start", "tool-call-delta"):
            texts[event.index] = texts.get(event.index, "") + event.delta.message.tool_calls.function.arguments
    return [texts[index] for index in sorted(texts)]


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        (None, "connection"),
        (said("message-end", None, {"finish_reason": "ERROR", "error": "out of memory"}), "server"),
        (said("message-end", None, {"finish_reason": "ERROR"}), "server"),
        (said("message-end", None, {"finish_reason": "TIMEOUT"}), "timeout"),
        ({"type": "error", "message": "the model failed"}, "server"),
        ({"message": "the model failed"}, "server"),
    ],
)
def test_a_stream_that_breaks_off_is_no_reply(last: dict[str, Any] | None, kind: str) -> None:
    body = events([BEGIN, said("content-delta", 0, content(text="14")), *([last] if last else [])])
    assert broken_wherever_it_is_cut(Cohere(), body) == kind


@pytest.mark.parametrize(
    "document",
    [
        {},
        answer({"content": "a text"}),
        answer({"content": [{"type": "text"}]}),
        answer({"tool_calls": [{"id": "1"}]}),
        answer({"content": TEXT}, usage={"billed_units": {"input_tokens": 1.5}}),
        answer({"content": TEXT}, "ERROR"),
    ],
)
def test_what_is_no_reply_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        Cohere().reply(document)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"top_p": 1.0}, "at most 0.99"),
        ({"top_logprobs": 2}, "is not taken"),
        ({"stop": list("abcdef")}, "at most 5"),
        ({"presence_penalty": -1}, "at least 0"),
    ],
)
def test_what_is_not_taken_is_refused_before_anything_is_sent(params: dict[str, Any], why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        our_body(conversation(MODEL, **params))
    assert caught.value.kind == "request"
