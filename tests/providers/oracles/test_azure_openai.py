"""OpenAI's SDK for Azure beside us: the same path, header and body for the same call, the same reading of a reply."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.config import Config, ProviderConfig
from promptops.errors import ConfigError, ProviderError
from promptops.models import Message, Pin, Request
from promptops.providers.azure_openai import AzureOpenAI
from promptops.providers.registry import check_providers
from tests.providers.oracles.chat import CALLED, MESSAGES
from tests.providers.oracles.oracle import (
    KEY,
    TOOL,
    conversation,
    events,
    same_wherever_it_is_cut,
    sent_by,
    sent_by_us,
    served,
    streamed,
    with_calls,
)

openai = pytest.importorskip("openai")

MODEL = "gpt-4.1-2025-04-14"
DEPLOYMENT = "team a/gpt"
NAMES = {MODEL: DEPLOYMENT}
VERSION = "2024-10-21"
FILTERED = {"hate": {"filtered": False, "severity": "safe"}, "violence": {"filtered": False, "severity": "safe"}}
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 9,
    "total_tokens": 1209,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
}


def answer(message: dict[str, Any], reason: str = "stop", **more: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "finish_reason": reason,
        "logprobs": None,
        "content_filter_results": FILTERED,
        "message": {"role": "assistant", "refusal": None, "annotations": [], **message},
    }
    made = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1763800000, "model": MODEL, "choices": [choice]}
    before = [{"prompt_index": 0, "content_filter_results": FILTERED}]
    return {**made, "usage": USAGE, "system_fingerprint": "fp_07e9", "prompt_filter_results": before, **more}


def dated(url: str, *, stream: bool = False, **call: Any) -> Any:
    with openai.AzureOpenAI(azure_endpoint=url, api_version=VERSION, api_key=KEY, max_retries=0) as client:
        reply = client.chat.completions.create(model=DEPLOYMENT, stream=stream, **call)
        return list(reply) if stream else reply


def current(url: str, **call: Any) -> Any:
    with openai.OpenAI(base_url=f"{url}/openai/v1/", api_key=KEY, max_retries=0) as client:
        return client.chat.completions.create(model=DEPLOYMENT, **call)


SAMPLING: dict[str, Any] = {
    "temperature": 0.2,
    "top_p": 0.9,
    "frequency_penalty": 0.5,
    "logprobs": True,
    "top_logprobs": 2,
}


def test_a_dated_version_has_the_deployment_in_its_path_and_the_key_in_a_header_of_its_own() -> None:
    canned = served(answer({"content": "14:30"}))
    theirs = sent_by(
        lambda url: dated(url, messages=MESSAGES, **SAMPLING, max_completion_tokens=300, seed=7, stop=["\n"]), canned
    )
    request = conversation(MODEL, **SAMPLING, max_tokens=300, stop=["\n"])
    settings: dict[str, Any] = {"format_settings": {"api_version": VERSION}, "names": NAMES}
    ours, reply = sent_by_us("azure-openai", request, canned, below="/openai", seed=7, **settings)
    assert ours.path == theirs.path == "/openai/deployments/team%20a%2Fgpt/chat/completions?api-version=2024-10-21"
    assert ours.headers["api-key"] == theirs.headers["api-key"] == KEY
    assert "authorization" not in ours.headers
    assert "authorization" not in theirs.headers
    assert {**theirs.json, "stream": None} == {**ours.json, "stream": None}
    assert reply.served_model == MODEL


def test_the_v1_api_has_it_in_the_body() -> None:
    canned = served(answer({"content": "14:30"}))
    theirs = sent_by(lambda url: current(url, messages=MESSAGES, **SAMPLING), canned)
    ours, _ = sent_by_us("azure-openai", conversation(MODEL, **SAMPLING), canned, below="/openai/v1", names=NAMES)
    assert ours.path == theirs.path == "/openai/v1/chat/completions"
    assert ours.headers["api-key"] == KEY
    assert ours.json == theirs.json


def test_tools_and_a_schema() -> None:
    canned = served(answer({"content": "14:30"}))
    chosen = {"type": "function", "function": {"name": "book"}}
    theirs = sent_by(lambda url: current(url, messages=CALLED, tools=[TOOL], tool_choice=chosen), canned)
    ours, _ = sent_by_us("azure-openai", with_calls(MODEL, tool_choice="book"), canned, below="/openai/v1", names=NAMES)
    assert ours.json == theirs.json
    schema: dict[str, Any] = {
        "title": "B",
        "type": "object",
        "properties": {"t": {"type": "string"}},
        "required": ["t"],
    }
    asked = Request(Pin("acme", MODEL), (Message("user", "hi"),), output_schema=schema)
    strict = {"name": "B", "schema": {**schema, "additionalProperties": False}, "strict": True}
    wanted = {"type": "json_schema", "json_schema": strict}
    user = [{"role": "user", "content": "hi"}]
    theirs = sent_by(lambda url: current(url, messages=user, response_format=wanted), canned)
    ours, _ = sent_by_us("azure-openai", asked, canned, below="/openai/v1", names=NAMES)
    assert ours.json == theirs.json


CALL = {"id": "call_2", "type": "function", "function": {"name": "book", "arguments": '{"time": "14:30"}'}}
REPLIES = {
    "text": answer({"content": "14:30 😀"}),
    "calls": answer({"content": None, "tool_calls": [CALL]}, "tool_calls"),
    "filtered": answer({"content": None}, "content_filter"),
    "cut": answer({"content": "14"}, "length"),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_is_read_as_the_sdk_reads_it(name: str) -> None:
    found: list[Any] = []
    sent_by(lambda url: found.append(dated(url, messages=MESSAGES)), served(REPLIES[name]))
    (theirs,) = found
    _, ours = sent_by_us("azure-openai", conversation(MODEL), served(REPLIES[name]), names=NAMES)
    message = theirs.choices[0].message
    assert (ours.text, ours.finish_reason) == (message.content or "", theirs.choices[0].finish_reason)
    assert ours.served_model == theirs.model
    assert [call["function"] for call in ours.tool_calls] == [
        {"name": call.function.name, "arguments": call.function.arguments} for call in message.tool_calls or ()
    ]
    usage = theirs.usage
    assert (ours.usage.input_tokens, ours.usage.output_tokens) == (usage.prompt_tokens, usage.completion_tokens)
    assert ours.usage.cached_tokens == usage.prompt_tokens_details.cached_tokens


def chunk(choices: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": MODEL, "choices": choices, **more}


def piece(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return chunk([{"index": 0, "delta": delta, "finish_reason": reason, "content_filter_results": FILTERED}])


STREAM = events(
    [
        {**chunk([]), "id": "", "model": "", "prompt_filter_results": [{"prompt_index": 0}]},
        piece({"role": "assistant", "content": "", "refusal": None}),
        piece({"content": "14:"}),
        piece({"content": "30 é😀"}),
        piece({}, "stop"),
        chunk([], usage=USAGE),
        "[DONE]",
    ]
)


def test_a_stream_is_read_as_the_sdk_reads_it_wherever_it_is_cut() -> None:
    found: list[Any] = []
    counted = {"include_usage": True}
    theirs = sent_by(
        lambda url: found.extend(dated(url, messages=MESSAGES, stream=True, stream_options=counted)), streamed(STREAM)
    )
    ours = same_wherever_it_is_cut(AzureOpenAI(), STREAM)
    assert ours.text == "".join(one.choices[0].delta.content or "" for one in found if one.choices)
    assert ours.served_model == MODEL
    assert ours.usage.output_tokens == found[-1].usage.completion_tokens
    settings: dict[str, Any] = {"format_settings": {"api_version": VERSION}, "names": NAMES}
    sent, reply = sent_by_us(
        "azure-openai", conversation(MODEL), streamed(STREAM), below="/openai", stream=True, **settings
    )
    assert (sent.path, sent.json) == (theirs.path, theirs.json)
    assert (reply.text, reply.usage) == (ours.text, ours.usage)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, "content_filter", "request"), (404, "DeploymentNotFound", "not_found"), (429, "429", "rate_limit")],
)
def test_an_error_says_what_azure_says(status: int, code: str, kind: str) -> None:
    error = {"error": {"code": code, "message": "what Azure says", "innererror": {"code": "x"}}}
    with pytest.raises(ProviderError, match="what Azure says") as caught:
        sent_by_us("azure-openai", conversation(MODEL), served(error, status=status))
    assert caught.value.kind == kind


def test_another_model_behind_the_deployment_is_no_sample_of_the_pin() -> None:
    other = answer({"content": "x"}, model="gpt-4o-2024-11-20")
    with pytest.raises(ProviderError, match="gpt-4o-2024-11-20") as caught:
        sent_by_us("azure-openai", conversation(MODEL), served(other), names=NAMES)
    assert caught.value.kind == "identity"


def test_a_version_is_for_azure_alone() -> None:
    config = Config(providers={"acme": ProviderConfig(base_url="https://acme.example/v1", api_version=VERSION)})
    with pytest.raises(ConfigError, match="api_version is for the format 'azure-openai' alone"):
        check_providers(config)
