"""A provider's list of models: what it says, and what is no list."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from promptops.config import Config, ProviderConfig
from promptops.errors import ProviderError
from promptops.providers import once
from promptops.providers.model_list import ListedModel, ask_models


@contextmanager
def serving(body: bytes, status: int = 200, **headers: str) -> Iterator[tuple[Config, list[str]]]:
    """A server with one answer for every GET; yields a configuration for it, and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        asked_paths: ClassVar[list[str]] = asked

        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('authorization')}")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        yield Config(providers={"acme": ProviderConfig(base_url=url, api_key_env="ACME_API_KEY")}), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


KEY = {"ACME_API_KEY": "sk-123"}


def test_the_fields_of_every_vendor_are_read_and_the_key_goes_along() -> None:
    rows = [
        {"id": "a", "shutdown_date": "2027-01-14"},
        {"id": "b", "shutdown_date": None, "max_input_tokens": 200_000},
        {"id": "c", "deprecation": "2026-10-01T00:00:00Z", "deprecation_replacement_model": "d"},
        {"id": "e", "expiration_date": "2026-12-01", "context_length": 8_192},
        {"id": "f", "shutdown_date": "soon", "context_window": "long"},
        {"id": 7},
        "nonsense",
    ]
    with serving(json.dumps({"object": "list", "data": rows}).encode()) as (config, asked):
        found = ask_models("acme", config, KEY)
    assert asked == ["/v1/models Bearer sk-123"]
    assert list(found.values()) == [
        ListedModel("a", shutdown=date(2027, 1, 14)),
        ListedModel("b", context_window=200_000),
        ListedModel("c", deprecated=date(2026, 10, 1), replacement="d"),
        ListedModel("e", shutdown=date(2026, 12, 1), context_window=8_192),
        ListedModel("f"),
    ]


def test_a_list_that_is_the_document_itself_is_read() -> None:
    with serving(b' [{"id": "a", "context_length": 5}]') as (config, _):
        assert ask_models("acme", config, KEY) == {"a": ListedModel("a", context_window=5)}


def test_geminis_own_list_is_read() -> None:
    body = json.dumps({"models": [{"name": "models/gemini-2.5-pro", "inputTokenLimit": 1_048_576}]}).encode()
    with serving(body) as (config, _):
        assert ask_models("acme", config, KEY) == {
            "gemini-2.5-pro": ListedModel("gemini-2.5-pro", context_window=1_048_576)
        }


@pytest.mark.parametrize(
    ("body", "status", "headers", "kind"),
    [
        (b"<html>", 200, {}, "bad_reply"),
        (b"[]", 200, {}, "bad_reply"),
        (b'{"data": {}}', 200, {}, "bad_reply"),
        (b'{"data": []}', 200, {}, "bad_reply"),
        (b"[" * 100_000, 200, {}, "bad_reply"),
        (b"{}", 200, {"content_encoding": "gzip"}, "bad_reply"),
        (b'{"error": {"message": "no"}}', 401, {}, "auth"),
        (b"", 500, {}, "server"),
        (b"", 302, {"location": "http://127.0.0.1:1/elsewhere"}, None),
    ],
)
def test_what_is_no_list_is_a_classified_failure(
    body: bytes, status: int, headers: dict[str, str], kind: str | None
) -> None:
    with serving(body, status, **headers) as (config, asked), pytest.raises(ProviderError) as caught:
        ask_models("acme", config, KEY)
    assert len(asked) == 1
    assert kind in (None, caught.value.kind)
    assert "sk-123" not in str(caught.value)


def test_a_list_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "MAX_BODY", 1_000)
    with serving(b" " * 2_000) as (config, _), pytest.raises(ProviderError, match="more than"):
        ask_models("acme", config, KEY)


def test_a_missing_key_and_an_unknown_provider_ask_nobody() -> None:
    with serving(b"{}") as (config, asked):
        for provider in ("acme", "nobody"):
            with pytest.raises(ProviderError):
                ask_models(provider, config, {})
    assert asked == []
