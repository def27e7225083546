"""The vendors' own SDKs beside us: the same calls for the same batch, and the same reading of what came of it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from promptops.config import Config, ProviderConfig
from promptops.models import Pin, Request
from promptops.providers.batches import BatchApi, Parcel, batch_api_for
from promptops.testing import Answer, BatchServer
from tests.providers.oracles.oracle import KEY, conversation, sent_by_us

openai: Any = pytest.importorskip("openai")
anthropic: Any = pytest.importorskip("anthropic")

pytestmark = pytest.mark.filterwarnings("ignore:The model .* is deprecated:DeprecationWarning")

CHAT, CLAUDE = "gpt-4.1-mini-2025-04-14", "claude-sonnet-4-5-20250929"


def api(server: BatchServer, format_name: str) -> BatchApi:
    settings = {"base_url": server.base_url, "format": format_name, "api_key_env": "ACME_API_KEY"}
    config = Config(providers={"acme": ProviderConfig.model_validate(settings)})
    return batch_api_for(Pin("acme", "m"), config, {"ACME_API_KEY": KEY}, sleep=lambda _: None)


def parcel(our: BatchApi, request: Request, count: int = 2) -> Parcel:
    lines = [our.line(f"r{n}", request, None) for n in range(count)]
    data = our.head + our.joint.join(lines) + our.tail
    return Parcel(io.BytesIO(data), len(data), "run-1", count, our.headers_for(request))


def answers(_: dict[str, Any]) -> Answer:
    return Answer("yes", usage=(20, 3))


@pytest.mark.parametrize(
    ("format_name", "route"), [("openai-chat", "chat/completions"), ("openai-responses", "responses")]
)
def test_openai_gets_the_same_file_and_the_same_batch(format_name: str, route: str) -> None:
    request = conversation(CHAT, max_tokens=50, temperature=0.2)
    with BatchServer(answers) as server:
        our = api(server, format_name)
        mine = parcel(our, request)
        ours = our.create(mine, our.upload(mine))
        mine.content.seek(0)
        client = openai.OpenAI(api_key=KEY, base_url=server.base_url)
        file = client.files.create(file=("run-1.jsonl", mine.content, "application/jsonl"), purpose="batch")
        theirs = client.batches.create(
            completion_window="24h",
            endpoint=f"/v1/{route}",
            input_file_id=file.id,
            metadata={"promptops": "run-1"},
        )
        client.close()
        first, second = server.batches[ours.batch], server.batches[theirs.id]
        assert server.uploads[0] == server.uploads[1] == {"purpose": "batch", "filename": "run-1.jsonl"}
        assert server.files[first.file] == server.files[second.file]
        assert (first.asked, first.url, first.metadata) == (second.asked, second.url, second.metadata)
        assert first.headers["authorization"] == second.headers["authorization"]
        lines = [json.loads(line) for line in server.files[first.file].splitlines()]
        assert [(line["custom_id"], line["method"], line["url"]) for line in lines] == [
            ("r0", "POST", f"/v1/{route}"),
            ("r1", "POST", f"/v1/{route}"),
        ]


def test_each_line_of_an_openai_file_has_the_body_that_is_posted_for_the_same_call_alone() -> None:
    request = conversation(CHAT, max_tokens=50, temperature=0.2)
    sent, _ = sent_by_us("openai-chat", request, Answer("yes", body=None), below="/v1", seed=7)
    with BatchServer() as server:
        line = json.loads(api(server, "openai-chat").line("r", request, 7))
    assert line["body"] == sent.json


@pytest.mark.parametrize("ending", ["completed", "expired", "cancelled", "failed"])
def test_an_openai_batch_is_read_as_its_sdk_reads_it(ending: Any) -> None:
    with BatchServer(answers, ending=ending, worked_on=1) as server:
        our = api(server, "openai-chat")
        mine = parcel(our, conversation(CHAT, max_tokens=50))
        name = our.create(mine, our.upload(mine)).batch
        client = openai.OpenAI(api_key=KEY, base_url=server.base_url)
        theirs, ours = client.batches.retrieve(name), our.status(name)
        found = {entry.custom_id: entry for entry in our.results(ours)}
        assert (ours.state, ours.total, ours.answered, ours.failed) == (
            theirs.status,
            theirs.request_counts.total,
            theirs.request_counts.completed,
            theirs.request_counts.failed,
        )
        lines: list[str] = []
        for file in (theirs.output_file_id, theirs.error_file_id):
            lines += client.files.content(file).text.splitlines() if file else []
        client.close()
    assert ours.ended
    assert {json.loads(line)["custom_id"] for line in lines} == set(found)
    kinds = {name: entry.error.kind if entry.error else "answered" for name, entry in found.items()}
    left = ours.left.kind if ours.left else ""
    assert (kinds, left) == {
        "completed": ({"r0": "answered", "r1": "answered"}, "bad_reply"),
        "expired": ({"r0": "answered", "r1": "timeout"}, "timeout"),
        "cancelled": ({"r0": "answered"}, "cancelled"),
        "failed": ({}, "bad_reply"),
    }[ending]
    assert (ours.problem is not None) == (ending == "failed")


def test_anthropic_gets_the_same_batch() -> None:
    with BatchServer(answers) as server:
        our = api(server, "anthropic-messages")
        mine = parcel(our, conversation(CLAUDE, max_tokens=50))
        ours = our.create(mine, our.upload(mine))
        client = anthropic.Anthropic(api_key=KEY, base_url=server.base_url.removesuffix("/v1"))
        params = {
            "model": CLAUDE,
            "max_tokens": 50,
            "system": "Be brief.",
            "messages": [
                {"role": "user", "content": "7 pm"},
                {"role": "assistant", "content": '{"time": "19:00"}'},
                {"role": "user", "content": "half past two 😀"},
            ],
        }
        rows = [{"custom_id": f"r{n}", "params": params} for n in range(2)]
        theirs = client.messages.batches.create(requests=rows)
        first, second = server.batches[ours.batch], server.batches[theirs.id]
        assert first.asked == second.asked
        assert first.headers["x-api-key"] == KEY
        assert "anthropic-version" in first.headers
        client.close()


@pytest.mark.parametrize("ending", ["completed", "expired", "cancelled"])
def test_an_anthropic_batch_is_read_as_its_sdk_reads_it(ending: Any) -> None:
    with BatchServer(answers, ending=ending, worked_on=1) as server:
        our = api(server, "anthropic-messages")
        mine = parcel(our, conversation(CLAUDE, max_tokens=50))
        name = our.create(mine, "").batch
        client = anthropic.Anthropic(api_key=KEY, base_url=server.base_url.removesuffix("/v1"))
        theirs, ours = client.messages.batches.retrieve(name), our.status(name)
        entries = {entry.custom_id: entry for entry in our.results(ours)}
        results = {row.custom_id: row.result for row in client.messages.batches.results(name)}
        client.close()
        assert server.calls[-1] == server.calls[-3] == f"GET /messages/batches/{name}/results"
    counts = theirs.request_counts
    assert (ours.state, ours.ended) == (theirs.processing_status, True)
    assert (ours.answered, ours.failed) == (counts.succeeded, counts.errored + counts.canceled + counts.expired)
    assert results.keys() == entries.keys() == {"r0", "r1"}
    for custom_id, result in results.items():
        reply, error = entries[custom_id].reply, entries[custom_id].error
        if result.type == "succeeded":
            assert reply is not None
            assert reply.text == result.message.content[0].text
            assert reply.usage.output_tokens == result.message.usage.output_tokens
        else:
            assert error is not None
            assert error.kind == {"expired": "timeout", "canceled": "cancelled"}[result.type]


@pytest.mark.parametrize(
    ("format_name", "model", "cancel"),
    [
        ("openai-chat", CHAT, lambda client, name: client.batches.cancel(name)),
        ("anthropic-messages", CLAUDE, lambda client, name: client.messages.batches.cancel(name)),
    ],
)
def test_a_cancel_is_the_sdks_call(format_name: str, model: str, cancel: Callable[[Any, str], Any]) -> None:
    with BatchServer(polls=None) as server:
        our = api(server, format_name)
        mine = parcel(our, conversation(model, max_tokens=50))
        name = our.create(mine, our.upload(mine)).batch
        assert not our.cancel(name).ended
        url = server.base_url
        client = (
            openai.OpenAI(api_key=KEY, base_url=url)
            if format_name == "openai-chat"
            else anthropic.Anthropic(api_key=KEY, base_url=url.removesuffix("/v1"))
        )
        cancel(client, name)
        client.close()
        assert server.calls[-1] == server.calls[-2]
        assert our.status(name).ended


@pytest.mark.parametrize("format_name", ["openai-chat", "anthropic-messages"])
def test_a_batch_is_found_again_among_others(format_name: str) -> None:
    with BatchServer(polls=None) as server:
        our = api(server, format_name)
        request = conversation(CLAUDE if format_name.startswith("anthropic") else CHAT, max_tokens=50)
        names = []
        for mark, count in (("run-0", 1), ("run-1", 2)):
            data = our.head + our.joint.join(our.line(f"r{n}", request, None) for n in range(count)) + our.tail
            mine = Parcel(io.BytesIO(data), len(data), mark, count, our.headers_for(request))
            names.append(our.create(mine, our.upload(mine)).batch)
        found = list(our.find("run-1", since=0.0, count=2))
        assert found == [(names[1], format_name == "openai-chat")], "only OpenAI's batches have a name of ours"
        assert list(our.find("run-2", since=0.0, count=3)) == []
