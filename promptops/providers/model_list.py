"""What an endpoint says of its models: `GET /models`. Asked only on request, bounded in time and size.

Sources: https://developers.openai.com/api/docs/api-reference/models/list (`shutdown_date`, a day or null),
https://docs.mistral.ai/api/endpoint/models (`deprecation`, `deprecation_replacement_model`, `max_context_length`),
https://platform.claude.com/docs/en/api/models-list (`max_input_tokens`), https://openrouter.ai/docs/api-reference/models
(`expiration_date`, `context_length`), https://ai.google.dev/api/models (`models`, `inputTokenLimit`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from promptops.config import Config
from promptops.errors import ProviderError
from promptops.providers.formats import format_for
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.once import ask_once
from promptops.providers.registry import KNOWN, check_settings
from promptops.providers.replies import parse_object

_SHUTDOWN: Final = ("shutdown_date", "expiration_date")
_CONTEXT: Final = ("context_window", "context_length", "max_context_length", "max_input_tokens", "inputTokenLimit")
_QUERIES: Final = {"anthropic": "?limit=1000", "gemini": "?pageSize=1000", "google": "?pageSize=1000"}
_DAY: Final = re.compile(r"(\d{4}-\d{2}-\d{2})(?:T.*)?")


class ListedModel(Struct, frozen=True):
    """One model of the list; whatever the endpoint does not say is None or empty."""

    model: str
    deprecated: date | None = None
    shutdown: date | None = None
    replacement: str = ""
    context_window: int | None = None


def ask_models(provider: str, config: Config, environ: Mapping[str, str]) -> Mapping[str, ListedModel]:
    """Return the models that a provider lists, by id.

    Raises `ProviderError` for whatever the endpoint does, a key that is missing and settings that may not be used.
    """
    settings = config.providers.get(provider) or KNOWN.get(provider)
    if settings is None:
        raise ProviderError("request", f"no provider is called {provider!r}")
    try:
        check_settings(provider, settings)
        endpoint = parse_endpoint(settings.base_url)
        wire = format_for(settings.format, endpoint.host)
    except (ValueError, KeyError) as error:
        raise ProviderError("request", f"{provider}: {error}") from None
    key = KeySource(settings.api_key_env, environ).read(provider) if settings.api_key_env else None
    family = provider if provider in _QUERIES else settings.format.partition("-")[0]
    path = "/models" if urlsplit(endpoint.url).path else "/v1/models"
    headers = {**wire.headers(key), "accept": "application/json", "accept-encoding": "identity"}
    body = ask_once(provider, endpoint, path + _QUERIES.get(family, ""), headers)
    return {model.model: model for model in _models(provider, body)}


def _models(provider: str, body: bytes) -> Iterator[ListedModel]:
    try:  # Together's list is the document itself
        document = parse_object(b'{"data":' + body + b"}" if body.lstrip()[:1] == b"[" else body)
    except ProviderError as error:
        raise ProviderError("bad_reply", f"{provider}: the list of models: {error}") from None
    rows = document.get("data", document.get("models"))
    if not isinstance(rows, list) or not rows:
        raise ProviderError("bad_reply", f"{provider}: the reply is no list of models, or an empty one")
    for row in rows:
        if isinstance(row, dict) and (name := row.get("id") or row.get("name")) and isinstance(name, str):
            yield _model(row, name.removeprefix("models/"))


def _model(row: Mapping[str, Any], name: str) -> ListedModel:
    context = next((row[key] for key in _CONTEXT if type(row.get(key)) is int and row[key] > 0), None)
    other = row.get("deprecation_replacement_model")
    return ListedModel(
        name,
        _day(row.get("deprecation")),
        next((day for key in _SHUTDOWN if (day := _day(row.get(key)))), None),
        other[:200] if isinstance(other, str) else "",
        context,
    )


def _day(value: Any) -> date | None:
    match = _DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
