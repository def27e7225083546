"""What a batch endpoint may say: every lie ends in a classified error, and the key goes to one host."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from promptops.config import Config, ProviderConfig
from promptops.errors import ConfigError, ProviderError, UsageError
from promptops.models import Message, Pin, Request
from promptops.providers.batches import BatchApi, BatchStatus, Parcel, batch_api_for
from promptops.providers.batches.anthropic import AnthropicBatches
from promptops.providers.batches.calls import Calls
from promptops.providers.batches.openai import OpenAIBatches
from promptops.testing import Answer, BatchServer, LoopbackServer

FORMATS = ("openai-chat", "openai-responses", "anthropic-messages")
REQUEST = Request(Pin("acme", "m"), (Message("user", "hi"),), {"max_tokens": 5})


def api_at(url: str, format_name: str = "openai-chat", environ: dict[str, str] | None = None, **more: Any) -> BatchApi:
    settings = {"base_url": url, "format": format_name, **more}
    config = Config(providers={"acme": ProviderConfig.model_validate(settings)})
    return batch_api_for(Pin("acme", "m"), config, environ or {}, sleep=lambda _: None)


def parcel(api: BatchApi) -> Parcel:
    data = api.head + api.line("r", REQUEST, None) + api.tail
    return Parcel(io.BytesIO(data), len(data), "mark", 1)


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer("hi") as server:
        yield server


def entries(server: BatchServer, format_name: str, lines: list[bytes], **counts: Any) -> list[tuple[str, str]]:
    """What is read in results that consist of `lines`: custom ids, with text or kind of error."""
    server.files["f"] = b"\n".join(lines)
    api = api_at(server.base_url, format_name)
    status = BatchStatus("b", "ended", ended=True, sources=("/files/f/content",), **counts)
    return [
        (entry.custom_id, entry.error.kind if entry.error else (entry.reply.text if entry.reply else ""))
        for entry in api.results(status)
    ]


MESSAGE = {"content": [{"type": "text", "text": "hi"}], "model": "m"}


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ({"custom_id": "r", "result": {"type": "succeeded", "message": MESSAGE}}, ("r", "hi")),
        ({"custom_id": "r", "result": {"type": "succeeded", "message": None}}, ("r", "server")),
        ({"custom_id": "r", "result": {"type": "succeeded", "message": {}}}, ("r", "bad_reply")),
        ({"custom_id": "r", "result": {"type": "expired"}}, ("r", "timeout")),
        ({"custom_id": "r", "result": {"type": "canceled"}}, ("r", "cancelled")),
        ({"custom_id": "r", "result": {"type": "what"}}, ("r", "server")),
        ({"custom_id": "r", "result": None}, ("r", "bad_reply")),
        ({"custom_id": "r"}, ("r", "bad_reply")),
        ({"result": {"type": "expired"}}, ("", "timeout")),
        (
            {"custom_id": "r", "result": {"type": "errored", "error": {"type": "error", "error": {"type": "x"}}}},
            ("r", "server"),
        ),
        (
            {
                "custom_id": "r",
                "result": {"type": "errored", "error": {"error": {"type": "invalid_request_error", "message": "no"}}},
            },
            ("r", "request"),
        ),
        (
            {"custom_id": "r", "result": {"type": "errored", "error": {"error": {"type": "overloaded_error"}}}},
            ("r", "server"),
        ),
        ({"custom_id": "r", "result": {"type": "errored"}}, ("r", "server")),
    ],
)
def test_each_line_of_anthropics_results_is_read(server: BatchServer, line: Any, read: tuple[str, str]) -> None:
    assert entries(server, "anthropic-messages", [json.dumps(line).encode()]) == [read]


CHAT = {"model": "m", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ({"custom_id": "r", "response": {"status_code": 200, "body": CHAT}, "error": None}, ("r", "hi")),
        ({"custom_id": "r", "response": {"status_code": 200, "body": {}}}, ("r", "bad_reply")),
        ({"custom_id": "r", "response": {"status_code": 200, "body": None}}, ("r", "bad_reply")),
        ({"custom_id": "r", "response": {"status_code": "200", "body": CHAT}}, ("r", "bad_reply")),
        (
            {"custom_id": "r", "response": {"status_code": 429, "body": {"error": {"message": "x"}}}},
            ("r", "rate_limit"),
        ),
        ({"custom_id": "r", "response": {"status_code": 500, "body": {}}}, ("r", "server")),
        ({"custom_id": "r", "response": {"status_code": 400, "body": {}}}, ("r", "request")),
        ({"custom_id": "r", "response": None, "error": {"code": "batch_expired", "message": "x"}}, ("r", "timeout")),
        (
            {"custom_id": "r", "response": None, "error": {"code": "batch_cancelled", "message": "x"}},
            ("r", "cancelled"),
        ),
        ({"custom_id": "r", "response": None, "error": None}, ("r", "server")),
        ({"custom_id": 7, "response": None, "error": "what"}, ("7", "server")),
    ],
)
def test_each_line_of_openais_files_is_read(server: BatchServer, line: Any, read: tuple[str, str]) -> None:
    assert entries(server, "openai-chat", [json.dumps(line).encode()]) == [read]


@pytest.mark.parametrize("format_name", FORMATS)
def test_lines_that_cannot_be_read_are_left_out(server: BatchServer, format_name: str) -> None:
    broken = [b"", b"   ", b"[]", b"{", b"\xff\xfe", b'"text"', b"null", b'{"a": NaN}', b"{" * 10_000]
    assert entries(server, format_name, [*broken, b""]) == []


GOOD = [json.dumps({"custom_id": name, "error": {"message": "no"}}).encode() for name in ("a", "b", "c")]


@pytest.mark.parametrize("counts", [{"answered": 3}, {"answered": 1, "failed": 2}, {}])
def test_all_lines_that_the_vendor_counts_are_the_whole_file(server: BatchServer, counts: dict[str, int]) -> None:
    for end in ([b""], []):
        assert [name for name, _ in entries(server, "openai-chat", [*GOOD, *end], **counts)] == ["a", "b", "c"]


@pytest.mark.parametrize("counts", [{"answered": 4}, {"answered": 1, "failed": 3}])
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_file_that_was_cut_between_two_lines_is_not_taken_for_the_whole(
    server: BatchServer, format_name: str, counts: dict[str, int]
) -> None:
    with pytest.raises(ProviderError, match="3 of 4 results came: the file is not complete") as caught:
        entries(server, format_name, [*GOOD, b""], **counts)
    assert caught.value.kind == "bad_reply"


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_file_that_was_cut_in_a_line_is_not_taken_for_the_whole(server: BatchServer, format_name: str) -> None:
    with pytest.raises(ProviderError, match="break off in the middle of a line"):
        entries(server, format_name, [*GOOD, GOOD[0][:-5]])


def test_results_that_trickle_are_not_waited_for(server: BatchServer) -> None:
    server.files["f"] = b"x" * 5000
    api = api_at(server.base_url)
    assert isinstance(api, OpenAIBatches)
    moments = iter([0.0, 61.0])
    api.calls.clock = lambda: next(moments)
    with pytest.raises(ProviderError, match="only 5,000 bytes of the reply came in 61 s") as caught:
        list(api.calls.lines("/files/f/content"))
    assert caught.value.kind == "timeout"


def test_results_that_never_end_are_not_waited_for(server: BatchServer) -> None:
    server.files["f"] = b"{}\n" * 300_000
    api = api_at(server.base_url)
    assert isinstance(api, OpenAIBatches)
    moments = itertools.count(0.0, 6 * 3600.0)
    api.calls.clock = lambda: next(moments)
    with pytest.raises(ProviderError, match="of the reply came in"):
        list(api.calls.lines("/files/f/content"))


@pytest.mark.parametrize("piece", [64, 100, 1000, 100_000])
def test_a_line_that_is_too_long_is_not_held_and_keeps_no_other_from_coming(
    server: BatchServer, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr("promptops.providers.batches.calls.MAX_LINE", 1000)
    monkeypatch.setattr(Calls, "_pieces", lambda _, reply: reply.iter_bytes(piece))
    good = [json.dumps({"custom_id": name, "error": {"message": "no"}}).encode() for name in ("a", "b")]
    found = entries(server, "openai-chat", [good[0], b"x" * 10_000, good[1], b"y" * 10_000, b""])
    assert [name for name, _ in found] == ["a", "b"]


def test_a_line_without_end_is_not_waited_for(server: BatchServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"MAX_LINE": 1000, "MOST_LEFT_OUT": 5000}.items():
        monkeypatch.setattr(f"promptops.providers.batches.calls.{name}", value)
    monkeypatch.setattr(Calls, "_pieces", lambda _, reply: reply.iter_bytes(100))
    with pytest.raises(ProviderError, match="a line of the results has no end"):
        entries(server, "openai-chat", [b"x" * 10_000])


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"not JSON", b'{"id": 5, "status": "completed"}', b'{"id": "", "status": "x"}', b'{"id": "b"}', b""],
)
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_reply_that_is_no_batch_is_a_bad_reply(body: bytes, format_name: str) -> None:
    with LoopbackServer(Answer(body=body), paths=("",)) as server:
        api = api_at(server.base_url, format_name)
        with pytest.raises(ProviderError) as caught:
            api.create(parcel(api), "file")
    assert caught.value.kind == "bad_reply"


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "request"), (401, "auth"), (404, "not_found"), (429, "rate_limit"), (503, "server")]
)
def test_a_create_is_sent_once_whatever_comes_of_it(status: int, kind: str) -> None:
    with LoopbackServer(Answer(status=status, error="no"), paths=("",)) as server:
        api = api_at(server.base_url)
        with pytest.raises(ProviderError) as caught:
            api.create(parcel(api), "file")
        assert (caught.value.kind, server.count) == (kind, 1)


@pytest.mark.parametrize(("refused", "calls"), [(0, 1), (2, 3), (9, 5)])
def test_what_costs_nothing_is_tried_again(server: BatchServer, refused: int, calls: int) -> None:
    server.fault = lambda _, times: "refuse" if times <= refused else None
    api = api_at(server.base_url)
    if refused < 5:
        assert api.upload(parcel(api)) == "file-1"
        assert server.files["file-1"] == api.line("r", REQUEST, None) + b"\n", "the whole file, each time"
    else:
        with pytest.raises(ProviderError, match="overloaded"):
            api.upload(parcel(api))
    assert server.calls == ["POST /files"] * calls


def test_a_redirect_is_not_followed() -> None:
    with BatchServer() as stranger:
        elsewhere = Answer(status=307, headers={"Location": f"{stranger.base_url}/batches"})
        with LoopbackServer(elsewhere, paths=("",)) as server:
            api = api_at(server.base_url)
            with pytest.raises(ProviderError, match="redirects are not followed"):
                api.create(parcel(api), "file")
        assert stranger.calls == []


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://127.0.0.1:1/v1/messages/batches/b/results", "/messages/batches/b/results"),
        ("http://127.0.0.1:1/v1/x?token=1", "/x?token=1"),
        ("https://127.0.0.1:1/v1/messages/batches/b/results", None),
        ("http://127.0.0.1:2/v1/messages/batches/b/results", None),
        ("http://127.0.0.1/v1/messages/batches/b/results", None),
        ("http://evil.example/v1/messages/batches/b/results", None),
        ("http://127.0.0.1:1@evil.example/v1/x", None),
        ("http://user@127.0.0.1:1/v1/x", None),
        ("http://127.0.0.1:1/v2/x", None),
        ("http://127.0.0.1:99999/v1/x", None),
        ("/v1/messages/batches/b/results", None),
        ("", None),
    ],
)
def test_results_are_only_where_the_key_may_go(url: str, path: str | None) -> None:
    api = api_at("http://127.0.0.1:1/v1", "anthropic-messages")
    assert isinstance(api, AnthropicBatches)
    assert api.calls.path_of(url) == path


def test_a_missing_key_is_told_before_anything_is_sent(server: BatchServer) -> None:
    api = api_at(server.base_url, api_key_env="ACME_API_KEY")
    with pytest.raises(ProviderError, match=r"\$ACME_API_KEY is not set"):
        api.upload(parcel(api))
    assert server.calls == []


def test_a_vendors_key_goes_to_the_vendor_only() -> None:
    with pytest.raises(ConfigError, match="OPENAI_API_KEY goes to"):
        api_at("https://evil.example/v1", api_key_env="OPENAI_API_KEY")


@pytest.mark.parametrize("format_name", ["gemini", "mistral", "azure-openai"])
def test_other_formats_have_no_batches_here(format_name: str) -> None:
    with pytest.raises(UsageError, match="leave --batch out"):
        api_at("http://127.0.0.1:1/v1", format_name)


@pytest.mark.parametrize(("takes", "seed"), [(True, 7), (False, None)])
def test_a_seed_is_sent_where_the_endpoint_takes_one(takes: bool, seed: int | None) -> None:
    api = api_at("http://127.0.0.1:1/v1", seed=takes)
    assert json.loads(api.line("r", REQUEST, 7))["body"].get("seed") == seed
