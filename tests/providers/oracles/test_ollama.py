"""Ollama's own SDK beside us: the same body for the same call, the same reading of a reply."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Media, Message, Pin, Request
from promptops.providers.ollama import Ollama
from tests.providers.oracles.chat import MESSAGES, SCHEMA
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
    broken_wherever_it_is_cut,
    conversation,
    lines,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
    with_calls,
)

ollama = pytest.importorskip("ollama")

NDJSON = "application/x-ndjson"
MODEL = "llama3.2:3b-instruct-q4_K_M"
COUNTS = {
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_count": 282,
    "eval_duration": 4535599000,
}
LOGPROB = {"token": "14", "logprob": -0.1, "bytes": [49, 52], "top_logprobs": [{"token": "15", "logprob": -2.5}]}
OPTIONS = {"temperature": 0.2, "top_p": 0.9, "top_k": 20, "frequency_penalty": 0.5, "presence_penalty": -0.5}


def answer(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = {"model": MODEL, "created_at": "2025-11-22T10:00:00.1Z", "message": {"role": "assistant", **message}}
    return {**made, "done": True, "done_reason": "stop", **COUNTS, **more}


def chat(url: str, **call: Any) -> Any:
    with ollama.Client(host=url, headers={"authorization": f"Bearer {KEY}"}) as client:
        reply = client.chat(model=MODEL, **call)
        return list(reply) if call.get("stream") else reply


def their_body(**call: Any) -> dict[str, Any]:
    received = sent_by(lambda url: chat(url, **call), served(answer({"content": "hi"})))
    assert (received.path, received.headers["authorization"]) == ("/api/chat", f"Bearer {KEY}")
    for tool in received.json["tools"]:
        for known in tool["function"]["parameters"].get("properties", {}).values():
            known.setdefault("type", "string")
    return {name: value for name, value in received.json.items() if value != []}


def our_body(request: Request, *, seed: int | None = None) -> dict[str, Any]:
    """What we send; two switches are ours, since the server otherwise cuts a prompt and says nothing."""
    received, _ = sent_by_us("ollama", request, served(answer({"content": "hi"})), seed=seed)
    assert (received.path, received.headers["authorization"]) == ("/api/chat", f"Bearer {KEY}")
    body = received.json
    assert (body.pop("truncate"), body.pop("shift")) == (False, False)
    return body


def test_a_conversation_and_the_sampling() -> None:
    params = {**OPTIONS, "max_tokens": 300, "stop": "\n\n", "logprobs": True, "top_logprobs": 2}
    ours = our_body(conversation(MODEL, **params, reasoning_effort="high"), seed=7)
    options = {**OPTIONS, "num_predict": 300, "stop": ["\n\n"], "seed": 7}
    assert ours == their_body(messages=MESSAGES, options=options, think="high", logprobs=True, top_logprobs=2)


def test_what_only_the_server_knows_goes_into_the_options_beside_the_sampling() -> None:
    ours = our_body(conversation(MODEL, temperature=0.2, extra_body={"options": {"num_ctx": 8192}, "keep_alive": "5m"}))
    options = {"temperature": 0.2, "num_ctx": 8192}
    assert ours == their_body(messages=MESSAGES, options=options, keep_alive="5m")


def test_thinking_is_switched_off_by_a_word() -> None:
    assert our_body(conversation(MODEL, reasoning_effort="none")) == their_body(messages=MESSAGES, think=False)


def test_tools_calls_and_their_results() -> None:
    call = {"function": {"name": "book", "arguments": {"time": "19:00", "people": 2}}}
    messages = [
        {"role": "user", "content": "a table at seven"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": '{"booked": true}', "tool_name": "book"},
        {"role": "user", "content": "thanks, and one at eight"},
    ]
    ours = our_body(with_calls(MODEL))
    # The server knows ids of calls (api/types.go); the SDK does not write them yet.
    assert ours["messages"][1]["tool_calls"][0].pop("id") == ours["messages"][2].pop("tool_call_id") == "call_1"
    assert ours == their_body(messages=messages, tools=[TOOL])


def test_a_schema_and_plain_json() -> None:
    user = [{"role": "user", "content": "hi"}]
    asked = Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=SCHEMA)
    assert our_body(asked) == their_body(messages=user, format=SCHEMA)
    plain = Request(Pin("acme", MODEL), (Message("user", "hi"),), {"response_format": {"type": "json_object"}})
    assert our_body(plain) == their_body(messages=user, format="json")


def test_images_stand_beside_the_text() -> None:
    image = Media("image", "image/png", b"\x89PNG", "sha256:1", "a.png")
    request = Request(Pin("acme", MODEL), (Message("user", "read", ("read", image)),))
    message = {"role": "user", "content": "read", "images": [b"\x89PNG"]}
    assert our_body(request) == their_body(messages=[message])
    assert our_body(request)["messages"][0]["images"] == [base64.b64encode(b"\x89PNG").decode()]


CALLS = [
    {"id": "call_x", "function": {"index": 0, "name": "book", "arguments": {"time": "14:30"}}},
    {"function": {"name": "book", "arguments": {"time": "é", "people": 2}}},
]
REPLIES = {
    "text": answer({"content": "14:30 😀", "images": None}),
    "thoughts": answer({"content": "14:30", "thinking": "half past two is …"}),
    "calls": answer({"content": "", "tool_calls": CALLS}),
    "cut": answer({"content": "14"}, done_reason="length"),
    "nothing counted": {name: value for name, value in answer({"content": "hi"}).items() if name not in COUNTS},
    "log probabilities": answer({"content": "14"}, logprobs=[LOGPROB]),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_the_sdk_reads_it(name: str) -> None:
    found: list[Any] = []
    sent_by(lambda url: found.append(chat(url, messages=MESSAGES)), served(REPLIES[name]))
    (theirs,) = found
    _, ours = sent_by_us("ollama", conversation(MODEL), served(REPLIES[name]))
    assert (ours.text, ours.served_model) == (theirs.message.content, theirs.model)
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (theirs.prompt_eval_count, theirs.eval_count)
    assert [call_of(call) for call in ours.tool_calls] == [
        (call.function.name, dict(call.function.arguments)) for call in theirs.message.tool_calls or ()
    ]
    assert ours.finish_reason == ("tool_calls" if ours.tool_calls else theirs.done_reason)
    assert [(entry["token"], entry["logprob"]) for entry in ours.logprobs] == [
        (entry.token, entry.logprob) for entry in theirs.logprobs or ()
    ]


def call_of(call: Any) -> tuple[str, Any]:
    assert call["id"]
    return call["function"]["name"], json.loads(call["function"]["arguments"])


def part(message: dict[str, Any], **more: Any) -> dict[str, Any]:
    made = {"model": MODEL, "created_at": "2025-11-22T10:00:00.1Z", "message": {"role": "assistant", **message}}
    return {**made, "done": False, **more}


STREAM = lines(
    [
        part({"content": "", "thinking": "half past"}),
        part({"content": "14:"}, logprobs=[LOGPROB]),
        part({"content": "30 é😀", "images": None}),
        part({"content": "", "tool_calls": CALLS[:1]}),
        part({"content": "", "tool_calls": CALLS[1:]}),
        answer({"content": ""}),
    ]
)


def test_a_stream_is_read_as_the_sdk_reads_it_wherever_it_is_cut() -> None:
    found: list[Any] = []
    theirs = sent_by(lambda url: found.extend(chat(url, messages=MESSAGES, stream=True)), streamed(STREAM, NDJSON))
    ours = same_wherever_it_is_cut(Ollama(), STREAM, NDJSON)
    assert ours.text == "".join(line.message.content for line in found)
    assert [call_of(call) for call in ours.tool_calls] == [
        (call.function.name, dict(call.function.arguments)) for line in found for call in line.message.tool_calls or ()
    ]
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (found[-1].prompt_eval_count, found[-1].eval_count)
    assert len(ours.logprobs) == 1
    sent, reply = sent_by_us("ollama", conversation(MODEL), streamed(STREAM, NDJSON), stream=True)
    assert sent.json["stream"] is theirs.json["stream"] is True
    assert sent.headers["accept"].startswith(NDJSON)
    assert (reply.text, reply.tool_calls, reply.usage) == (ours.text, ours.tool_calls, ours.usage)
    assert reply.first_token is not None


@pytest.mark.parametrize(
    ("last", "kind"),
    [
        ({"error": "an error was encountered while running the model"}, "server"),
        ({"error": "too many requests", "status": 429}, "rate_limit"),
        (None, "connection"),
        (part({"content": "x"}, model="other"), "identity"),
    ],
)
def test_a_stream_that_breaks_off_is_no_reply(last: dict[str, Any] | None, kind: str) -> None:
    body = lines([part({"content": "14:"}), *([last] if last else [])])
    assert broken_wherever_it_is_cut(Ollama(), body, NDJSON) == kind


@pytest.mark.parametrize(
    "document",
    [
        part({"content": "14"}),
        answer({"content": ""}, done_reason="load"),
        {"error": "the model failed to generate a response"},
        {"done": True},
        answer({"content": 7}),
        answer({"tool_calls": [{"function": {"name": "f", "arguments": "no object"}}]}),
        answer({"content": "x"}, eval_count=-1),
    ],
)
def test_what_is_no_reply_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        Ollama().reply(document)
