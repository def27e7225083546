"""Chunks that add up to what an unstreamed reply would be, and chunks that do not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from promptops.errors import FailureKind, ProviderError
from promptops.models import Reply, Usage
from promptops.providers.openai_chat import OpenAIChat


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **top: Any) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "x", "object": "chat.completion.chunk", "model": "m", "choices": choices, **top}


END = chunk({}, finish="stop")
CUT_CALL: list[dict[str, Any]] = [
    {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]},
    {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"x"'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}, {"index": 1, "function": {"arguments": "}"}}]},
]
CALLS = (
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
)


def read(*chunks: dict[str, Any] | str, done: bool = True) -> Reply:
    own = OpenAIChat()
    adding = own.chunks()
    for item in chunks:
        adding.add("", item if isinstance(item, str) else json.dumps(item))
    if done:
        adding.add("", "[DONE]")
    return own.reply(adding.document())


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([chunk({"role": "assistant", "content": ""}), chunk({"content": "a"}), chunk({"content": "b"}), END], "ab"),
        ([chunk({"content": ""}), END], ""),
        ([chunk({"content": "a"}, finish="length")], "a"),
        ([chunk({"content": [{"type": "text", "text": "a"}, {"type": "thinking"}]}), chunk({"content": "b"})], "ab"),
        ([chunk({"content": None, "refusal": "I will "}), chunk({"refusal": "not."}), END], "I will not."),
        ([chunk({"content": "a"}), {"choices": [{"index": 1, "delta": {"content": "X"}}]}, END], "a"),
        ([chunk({"content": "\ud83d"}), chunk({"content": "\ude00"}), END], "😀"),
        ([chunk({"content": "\ud83d"}), chunk({"content": "x"}), END], "\N{REPLACEMENT CHARACTER}x"),
        ([chunk({"reasoning_content": "hm"}), chunk({"content": "a"}), END], "a"),
        ([chunk(None, model=""), chunk({"content": "a"}, model="m"), END], "a"),
        ([{"choices": [{"delta": {"content": "a"}}], "model": "m"}, END], "a"),
        ([chunk({"content": "a"}), END, chunk(None, choices=None)], "a"),
    ],
)
def test_pieces_of_text_add_up(chunks: list[dict[str, Any]], expected: str) -> None:
    got = read(*chunks)
    assert (got.text, got.served_model) == (expected, "m")


@pytest.mark.parametrize(
    ("usages", "expected"),
    [
        ([None, {"prompt_tokens": 3, "completion_tokens": 4}], Usage(3, 4)),
        ([{"prompt_tokens": 3, "completion_tokens": 1}, {"prompt_tokens": 3, "completion_tokens": 4}], Usage(3, 4)),
        ([{"prompt_tokens": 3, "completion_tokens": 4}, None], Usage(3, 4)),
        ([None, None], Usage()),
    ],
)
def test_the_last_count_of_tokens_holds(usages: list[Any], expected: Usage) -> None:
    assert read(chunk({"content": "a"}, usage=usages[0]), chunk(None, usage=usages[1])).usage == expected


def test_tool_calls_add_up_by_their_index() -> None:
    got = read(*map(chunk, CUT_CALL), chunk({}, finish="tool_calls"))
    assert (got.tool_calls, got.text, got.finish_reason) == (CALLS, "", "tool_calls")


def test_calls_without_an_index_or_with_one_for_all_are_told_apart_by_their_ids() -> None:
    function = {"name": "f", "arguments": "{}"}
    calls = [{"id": name, "type": "function", "function": function} for name in ("a", "b")]
    for numbered in (calls, [{**call, "index": 0} for call in calls]):
        assert read(*(chunk({"tool_calls": [call]}) for call in numbered), END).tool_calls == tuple(calls)


@pytest.mark.parametrize(
    ("chunks", "kind", "words"),
    [
        ([chunk({"content": "a"}), {"error": {"message": "overloaded", "code": 503}}], "server", "overloaded"),
        ([{"error": {"message": "slow down", "code": 429}}], "rate_limit", "slow down"),
        ([{"error": {"message": "slow", "code": "rate_limit_exceeded"}}], "rate_limit", "slow"),
        ([{"error": {"message": "no money", "type": "insufficient_quota"}}], "auth", "no money"),
        ([{"error": {"message": "who?", "code": "401"}}], "auth", "who?"),
        ([{"error": "broken"}], "server", "broken"),
        ([chunk({"content": "a"}, finish="error")], "server", "failed midway"),
        ([{"choices": [{"delta": {}, "error": {"message": "gone", "code": 502}}]}], "server", "gone"),
        ([chunk({"content": "a"}), chunk({"content": "b"}, model="n")], "identity", "two models: 'm' and 'n'"),
        ([chunk({"content": "a"}, truncated=True)], "identity", "cut the prompt"),
        (["{"], "bad_reply", "not JSON"),
        (["[]"], "bad_reply", "no object"),
        (['{"usage": NaN}'], "bad_reply", "NaN"),
        ([chunk(None, choices="x")], "bad_reply", "choices must be a list"),
        ([chunk(None, choices=["x"])], "bad_reply", "choices[0] must be an object"),
        ([chunk(None, choices=[{"delta": "x"}])], "bad_reply", "choices[0].delta must be an object"),
        ([chunk({"content": 7})], "bad_reply", "choices[0].delta.content must be a text"),
        ([chunk({"tool_calls": "x"})], "bad_reply", "tool_calls must be a list"),
        ([chunk({"tool_calls": [{"index": "x"}]})], "bad_reply", "index must be a number"),
        ([chunk({"tool_calls": [{"index": 0, "function": "x"}]})], "bad_reply", "function must be an object"),
        (
            [chunk({"tool_calls": [{"index": 0, "function": {"arguments": {}}}]})],
            "bad_reply",
            "arguments must be a text",
        ),
        ([chunk({"content": "a"}, finish=7)], "bad_reply", "finish_reason must be a text"),  # type: ignore[arg-type]
        ([chunk({"content": "a"}, usage=[1])], "bad_reply", "usage must be an object"),
        ([chunk(None)], "bad_reply", "choices must be a list with one choice"),
        ([chunk({"role": "assistant"})], "bad_reply", "content must be a text, and is missing"),
    ],
)
def test_what_does_not_add_up_is_an_error(chunks: list[dict[str, Any] | str], kind: FailureKind, words: str) -> None:
    with pytest.raises(ProviderError) as caught:
        read(*chunks)
    assert (caught.value.kind, words in str(caught.value)) == (kind, True), caught.value


def test_an_error_event_is_an_error_whatever_is_in_it() -> None:
    adding = OpenAIChat().chunks()
    with pytest.raises(ProviderError, match="overloaded"):
        adding.add("error", '{"message": "overloaded", "type": "server_error"}')


def test_a_stream_that_ends_before_its_reply_is_a_lost_connection_and_not_half_a_reply() -> None:
    with pytest.raises(ProviderError, match="ended in the middle") as caught:
        read(chunk({"content": "a"}), done=False)
    assert caught.value.kind == "connection"
    assert read(chunk({"content": "a"}), END, done=False).text == "a"  # some servers say no [DONE]


def test_a_reply_has_begun_with_its_first_token_and_not_before() -> None:
    for first in ({"content": "a"}, {"refusal": "no"}, *CUT_CALL[:1], {"reasoning": "hm"}):
        adding = OpenAIChat().chunks()
        adding.add("", json.dumps(chunk({"role": "assistant", "content": ""})))
        assert not adding.begun
        adding.add("", json.dumps(chunk(first)))
        assert adding.begun
