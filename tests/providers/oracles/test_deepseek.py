"""OpenAI's SDK, which is the one that DeepSeek's reference names, beside us: same bodies, same reading of a reply."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.errors import ProviderError
from promptops.models import Message, Pin, Request
from promptops.providers.deepseek import DeepSeek
from tests.providers.oracles.chat import CALLED, MESSAGES
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
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

openai = pytest.importorskip("openai")

MODEL = "deepseek-v4-pro"
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 45,
    "total_tokens": 1245,
    "prompt_tokens_details": {"cached_tokens": 1152},
    "completion_tokens_details": {"reasoning_tokens": 35},
    "prompt_cache_hit_tokens": 1152,
    "prompt_cache_miss_tokens": 48,
}
NO_THINKING = {"extra_body": {"thinking": {"type": "disabled"}}}


def answer(message: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": reason, "logprobs": None, "message": {"role": "assistant", **message}}
    made = {"id": "f1a2", "object": "chat.completion", "created": 1763800000, "model": MODEL, "choices": [choice]}
    return {**made, "usage": USAGE, "system_fingerprint": "fp_eaab8d114b_prod0820_fp8_kvcache"}


def chat(url: str, *, stream: bool = False, **call: Any) -> Any:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
        if not stream:
            return client.chat.completions.create(model=MODEL, **call)
        return list(client.chat.completions.create(model=MODEL, stream=True, **call))


def their_body(**call: Any) -> dict[str, Any]:
    received = sent_by(lambda url: chat(url, **call), served(answer({"content": "hi"})))
    return posted(received, "/chat/completions")


def our_body(request: Request, *, seed: int | None = None) -> dict[str, Any]:
    received, _ = sent_by_us("deepseek", request, served(answer({"content": "hi"})), seed=seed)
    return posted(received, "/chat/completions")


SAMPLING: dict[str, Any] = {
    "temperature": 0.2,
    "top_p": 0.9,
    "max_tokens": 300,
    "frequency_penalty": 0.5,
    "presence_penalty": -0.5,
    "stop": ["\n"],
    "logprobs": True,
    "top_logprobs": 2,
}


def test_without_thinking_the_sampling_is_sent_and_no_seed_of_the_sample() -> None:
    ours = our_body(conversation(MODEL, **SAMPLING, reasoning_effort="none"), seed=7)
    assert ours == their_body(messages=MESSAGES, **SAMPLING, **NO_THINKING)


def test_with_thinking_an_effort_is_sent() -> None:
    ours = our_body(conversation(MODEL, max_tokens=300, reasoning_effort="high"))
    thinking = {"extra_body": {"thinking": {"type": "enabled"}}}
    assert ours == their_body(messages=MESSAGES, max_tokens=300, reasoning_effort="high", **thinking)


@pytest.mark.parametrize("param", ["temperature", "frequency_penalty", "presence_penalty"])
def test_what_has_no_effect_while_it_thinks_is_refused(param: str) -> None:
    for effort in ({}, {"reasoning_effort": "high"}):
        with pytest.raises(
            ProviderError, match=rf"{param} is not taken by {MODEL} \(but with reasoning_effort: none\)"
        ):
            our_body(conversation(MODEL, **{param: 0.5}, **effort))


@pytest.mark.parametrize("param", [{"seed": 7}, {"top_k": 20}, {"grammar": "root ::= x"}])
def test_what_the_reference_does_not_know_is_refused(param: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="is not taken"):
        our_body(conversation(MODEL, **param))


def test_tools_calls_and_their_results() -> None:
    assert our_body(with_calls(MODEL, tool_choice="required")) == their_body(
        messages=CALLED, tools=[TOOL], tool_choice="required"
    )


def test_a_schema_is_asked_for_in_words_and_in_json_mode() -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"time": {"type": "string"}}}
    body = our_body(Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=schema))
    assert body["response_format"] == {"type": "json_object"}
    assert '"time"' in body["messages"][0]["content"]
    assert "JSON" in body["messages"][0]["content"]  # the vendor wants the word in the prompt


CALL = {"index": 0, "id": "call_2", "type": "function", "function": {"name": "book", "arguments": '{"time": "14:30"}'}}
REPLIES = {
    "text": answer({"content": "14:30 😀"}),
    "thoughts": answer({"content": "14:30", "reasoning_content": "half past two is …"}),
    "calls": answer({"content": "", "reasoning_content": "I book.", "tool_calls": [CALL]}, "tool_calls"),
    "cut while thinking": answer({"content": "", "reasoning_content": "half"}, "length"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_the_sdk_reads_it(name: str) -> None:
    found: list[Any] = []
    sent_by(lambda url: found.append(chat(url, messages=MESSAGES)), served(REPLIES[name]))
    (theirs,) = found
    _, ours = sent_by_us("deepseek", conversation(MODEL), served(REPLIES[name]))
    message = theirs.choices[0].message
    assert (ours.text, ours.finish_reason) == (message.content, theirs.choices[0].finish_reason)
    assert [call["function"] for call in ours.tool_calls] == [
        {"name": call.function.name, "arguments": call.function.arguments} for call in message.tool_calls or ()
    ]
    usage = theirs.usage
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)
    assert ours.usage.cached_tokens == usage.prompt_tokens_details.cached_tokens
    assert ours.usage.reasoning_tokens == usage.completion_tokens_details.reasoning_tokens


def test_empty_lines_before_a_reply_are_no_part_of_it() -> None:
    """Sources: https://api-docs.deepseek.com/quick_start/rate_limit."""
    canned = served(answer({"content": "14:30"}))
    waiting = streamed(b"\n\n\n" + (canned.body or b""), "application/json")
    assert sent_by_us("deepseek", conversation(MODEL), waiting)[1].text == "14:30"


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason, "logprobs": None}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": [choice], **more}


STREAM = b": keep-alive\n\n: keep-alive\n\n" + events(
    [
        chunk({"role": "assistant", "content": None, "reasoning_content": ""}),
        chunk({"content": None, "reasoning_content": "half past …"}),
        chunk({"content": "14:", "reasoning_content": None}),
        chunk({"content": "30 é😀"}),
        chunk({"tool_calls": [CALL]}),
        chunk({"content": ""}, "tool_calls", usage=USAGE),
        "[DONE]",
    ]
)


def test_a_stream_is_read_as_the_sdk_reads_it_wherever_it_is_cut() -> None:
    found: list[Any] = []
    counted = {"include_usage": True}
    theirs = sent_by(
        lambda url: found.extend(chat(url, messages=MESSAGES, stream=True, stream_options=counted)), streamed(STREAM)
    )
    ours = same_wherever_it_is_cut(DeepSeek(), STREAM)
    assert ours.text == "".join(one.choices[0].delta.content or "" for one in found if one.choices)
    assert ours.finish_reason == "tool_calls"
    assert ours.usage.reasoning_tokens == found[-1].usage.completion_tokens_details.reasoning_tokens
    sent, reply = sent_by_us("deepseek", conversation(MODEL), streamed(STREAM), stream=True)
    assert sent.json == theirs.json
    assert (reply.text, reply.tool_calls, reply.usage) == (ours.text, ours.tool_calls, ours.usage)


def test_a_reply_that_was_broken_off_for_want_of_resources_is_none() -> None:
    with pytest.raises(ProviderError, match="insufficient_system_resource") as caught:
        DeepSeek().reply(answer({"content": "14"}, "insufficient_system_resource"))
    assert caught.value.kind == "server"
