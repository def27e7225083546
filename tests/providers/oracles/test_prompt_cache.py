"""Marks for the vendor's cache, as the vendors' own SDKs send them."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.models import Message, Pin, Request
from promptops.providers.anthropic import Anthropic
from promptops.providers.bedrock import Bedrock
from tests.providers.oracles.oracle import KEY, TOOL, closed_later, sent_by, sent_by_us, served

anthropic: Any = pytest.importorskip("anthropic")
pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

MODEL = "claude-sonnet-4-5-20250929"
LONG = "word " * 3000
MESSAGES = (
    Message("system", LONG),
    Message("user", "7 pm"),
    Message("assistant", "19:00"),
    Message("user", "half past two"),
)
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "hi"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 12,
        "output_tokens": 6,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 3000,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 2000},
    },
}


def asked(stable: int = 3, **params: Any) -> Request:
    return Request(Pin("acme", MODEL), MESSAGES, {"max_tokens": 50, **params}, stable=stable)


def theirs(mark: dict[str, str]) -> dict[str, Any]:
    return {
        "model": MODEL,
        "max_tokens": 50,
        "system": [{"type": "text", "text": LONG, "cache_control": mark}],
        "messages": [
            {"role": "user", "content": "7 pm"},
            {"role": "assistant", "content": [{"type": "text", "text": "19:00", "cache_control": mark}]},
            {"role": "user", "content": "half past two"},
        ],
    }


@pytest.mark.parametrize(
    ("params", "settings", "mark"),
    [
        ({}, {}, {"type": "ephemeral"}),
        ({"prompt_cache": "1h"}, {}, {"type": "ephemeral", "ttl": "1h"}),
        ({}, {"prompt_cache": "1h"}, {"type": "ephemeral", "ttl": "1h"}),
    ],
)
def test_anthropic_gets_the_marks_that_its_sdk_sends(
    params: dict[str, Any], settings: dict[str, Any], mark: dict[str, str]
) -> None:
    def call(url: str) -> object:
        return closed_later(anthropic.Anthropic(api_key=KEY, base_url=url)).messages.create(**theirs(mark))

    ours, reply = sent_by_us(
        "anthropic-messages", asked(**params), served(MESSAGE), below="/v1", format_settings=settings
    )
    assert ours.json == sent_by(call, served(MESSAGE)).json
    usage = reply.usage
    assert (usage.input_tokens, usage.cached_tokens) == (3112, 100)
    assert (usage.cache_write_tokens, usage.cache_write_1h_tokens) == (3000, 2000)


def body(request: Request, **settings: Any) -> dict[str, Any]:
    return Anthropic(**settings).body(request, None)


def marks(value: Any) -> int:
    """How many marks are anywhere in a body."""
    if isinstance(value, dict):
        return ("cache_control" in value) + ("cachePoint" in value) + sum(map(marks, value.values()))
    return sum(map(marks, value)) if isinstance(value, list) else 0


@pytest.mark.parametrize(
    ("request_", "settings", "count"),
    [
        (asked(), {}, 2),
        (asked(stable=1), {}, 1),
        (asked(stable=0), {}, 0),
        (asked(prompt_cache="off"), {}, 0),
        (asked(), {"prompt_cache": "off"}, 0),
        (asked(extra_body={"cache_control": {"type": "ephemeral"}}), {}, 1),
        (Request(Pin("acme", MODEL), (Message("user", LONG),), {"max_tokens": 5}, stable=0), {}, 0),
    ],
)
def test_marks_stand_where_something_stable_ends(request_: Request, settings: dict[str, Any], count: int) -> None:
    assert marks(body(request_, **settings)) == count


def test_there_are_at_most_four_marks_with_tools_too() -> None:
    tool = {**TOOL, "function": {**TOOL["function"], "description": LONG}}
    request = Request(Pin("acme", MODEL), MESSAGES, {"max_tokens": 5}, (TOOL, tool), stable=3)
    made = body(request)
    assert marks(made) == 3
    assert "cache_control" not in made["tools"][0]
    assert made["tools"][1]["cache_control"] == {"type": "ephemeral"}


def test_several_system_messages_have_one_mark_behind_the_last() -> None:
    messages = (Message("system", LONG), Message("system", "Be brief."), Message("user", "hi"))
    made = body(Request(Pin("acme", MODEL), messages, {"max_tokens": 5}, stable=2))
    assert [sorted(block) for block in made["system"]] == [["text", "type"], ["cache_control", "text", "type"]]


def test_the_text_that_is_sent_is_the_same_with_and_without_marks() -> None:
    def texts(value: Any) -> str:
        if isinstance(value, str):
            return value
        return "".join(block["text"] for block in value)

    kept, plain = body(asked()), body(asked(prompt_cache="off"))
    assert texts(kept["system"]) == texts(plain["system"])
    for one, other in zip(kept["messages"], plain["messages"], strict=True):
        assert (one["role"], texts(one["content"])) == (other["role"], texts(other["content"]))


BEDROCK = "anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_bedrock_gets_cache_points_that_botocore_takes() -> None:
    session = pytest.importorskip("botocore.session")
    from botocore.validate import ParamValidator

    request = Request(Pin("acme", BEDROCK), MESSAGES, {"max_tokens": 50}, (TOOL,), stable=3)
    made = Bedrock(environ={}, prompt_cache="5m").body(request, None)
    point = {"cachePoint": {"type": "default"}}
    assert made["system"] == [{"text": LONG}, point]
    assert made["messages"][1] == {"role": "assistant", "content": [{"text": "19:00"}, point]}
    model = session.get_session().get_service_model("bedrock-runtime")
    shape = model.operation_model("Converse").input_shape
    assert not ParamValidator().validate({"modelId": BEDROCK, **made}, shape).has_errors()
    hour = Bedrock(environ={}, prompt_cache="1h").body(request, None)
    assert hour["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert not ParamValidator().validate({"modelId": BEDROCK, **hour}, shape).has_errors()


def test_bedrock_gets_none_unless_it_is_wanted() -> None:
    request = Request(Pin("acme", BEDROCK), MESSAGES, {"max_tokens": 50}, stable=3)
    assert marks(Bedrock(environ={}).body(request, None)) == 0
    assert marks(Bedrock(environ={}, prompt_cache="5m").body(request, None)) == 2


@pytest.mark.parametrize(
    ("details", "hour"),
    [
        ([{"ttl": "1h", "inputTokens": 20}, {"ttl": "5m", "inputTokens": 4}], 20),
        ([{"ttl": "5m", "inputTokens": 24}], None),
        ([{"ttl": "1h", "inputTokens": "many"}, None], None),
        (None, None),
    ],
)
def test_bedrock_says_what_was_written_for_an_hour(details: Any, hour: int | None) -> None:
    usage = {"inputTokens": 30, "outputTokens": 2, "cacheWriteInputTokens": 24, "cacheDetails": details}
    message = {"role": "assistant", "content": [{"text": "hi"}]}
    reply = Bedrock(environ={}).reply({"output": {"message": message}, "stopReason": "end_turn", "usage": usage})
    assert (reply.usage.cache_write_tokens, reply.usage.cache_write_1h_tokens) == (24, hour)
