"""The providers' own counts of a prompt's tokens: one interface over their endpoints. Asked only on request.

Sources: https://platform.claude.com/docs/en/api/messages-count-tokens (`POST /v1/messages/count_tokens`, answers
`input_tokens`), https://ai.google.dev/api/tokens (`POST /v1beta/models/{model}:countTokens`, answers `totalTokens`).
Neither costs anything; both have limits of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from msgspec import Struct

from promptops.config import Config
from promptops.core.tokens import Count
from promptops.errors import ProviderError
from promptops.models import Message, Request
from promptops.providers.formats import format_for
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.once import ask_once
from promptops.providers.registry import KNOWN, check_settings
from promptops.providers.replies import parse_object


class CountEndpoint(Struct, frozen=True):
    """How one vendor counts: the version in its path, what is posted where, and where the answer stands."""

    by: str
    version: str
    path: Callable[[str], str]
    headers: Callable[[str], dict[str, str]]
    body: Callable[[Request, str], dict[str, Any]]
    answer: str


def counts_itself(provider: str, config: Config) -> bool:
    """Whether the provider of that name has an endpoint that counts."""
    return _endpoint(provider, config) is not None


def count_at(request: Request, config: Config, environ: Mapping[str, str]) -> Count:
    """Ask the provider of a request's pin how many input tokens the request has.

    Raises `ProviderError` where it has no such endpoint, for a request that it cannot count (images and files), and
    for whatever the endpoint does.
    """
    provider = request.pin.provider
    found = _endpoint(provider, config)
    settings = config.providers.get(provider) or KNOWN.get(provider)
    if found is None or settings is None:
        raise ProviderError("request", f"{provider} has no endpoint that counts tokens")
    if any(getattr(message, "parts", ()) for message in request.messages):
        raise ProviderError("request", "images and files are not counted beforehand")
    try:
        check_settings(provider, settings)
        endpoint = parse_endpoint(settings.base_url)
    except ValueError as error:
        raise ProviderError("request", f"{provider}: {error}") from None
    limits = settings.models.get(request.pin.model)
    model = (limits.name if limits else None) or request.pin.model
    key = KeySource(settings.api_key_env, environ).read(provider) if settings.api_key_env else ""
    versioned = any(part.startswith("v1") for part in urlsplit(endpoint.url).path.split("/"))
    path = ("" if versioned else found.version) + found.path(model)
    headers = _headers(found, settings.format, endpoint.host, key)
    document = parse_object(ask_once(provider, endpoint, path, headers, post=found.body(request, model)))
    tokens = document.get(found.answer)
    if type(tokens) is not int or not 0 <= tokens < 2**40:
        raise ProviderError("bad_reply", f"{provider}: the reply has no count of tokens in {found.answer!r}")
    return Count(tokens, exact=True, by=found.by)


def _headers(found: CountEndpoint, format_name: str, host: str, key: str) -> dict[str, str]:
    """Those of the wire format where there is one, so that both speak of the same version."""
    try:
        return format_for(format_name, host).headers(key or None)
    except KeyError:
        return found.headers(key) if key else {}


def _endpoint(provider: str, config: Config) -> CountEndpoint | None:
    settings = config.providers.get(provider) or KNOWN.get(provider)
    if settings is None:
        return None
    return next((found for start, found in _ENDPOINTS.items() if settings.format.startswith(start)), None)


def _anthropic(request: Request, model: str) -> dict[str, Any]:
    system = "\n\n".join(message.content for message in request.messages if message.role == "system")
    body: dict[str, Any] = {"model": model, "messages": [_turn(m, "assistant") for m in _talk(request)]}
    if system:
        body["system"] = system
    if request.tools:
        body["tools"] = [
            {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "input_schema": tool.get("parameters") or {"type": "object"},
            }
            for tool in _functions(request)
        ]
    return body


def _gemini(request: Request, model: str) -> dict[str, Any]:
    contents = [
        {"role": turn["role"], "parts": [{"text": turn["content"]}]}
        for turn in (_turn(message, "model") for message in _talk(request))
    ]
    asked: dict[str, Any] = {"model": f"models/{model}", "contents": contents}
    system = [{"text": message.content} for message in request.messages if message.role == "system"]
    if system:
        asked["systemInstruction"] = {"parts": system}
    if request.tools:
        asked["tools"] = [{"functionDeclarations": [dict(tool) for tool in _functions(request)]}]
    # What is more than contents is counted only as a part of a whole request.
    return {"generateContentRequest": asked} if len(asked) > 2 else {"contents": contents}


def _talk(request: Request) -> list[Message]:
    return [message for message in request.messages if message.role != "system"]


def _turn(message: Message, assistant: str) -> dict[str, str]:
    return {"role": assistant if message.role == "assistant" else "user", "content": message.content}


def _functions(request: Request) -> list[Mapping[str, Any]]:
    found = [tool.get("function", tool) for tool in request.tools]
    return [tool for tool in found if isinstance(tool, Mapping) and isinstance(tool.get("name"), str)]


_ENDPOINTS: Final[Mapping[str, CountEndpoint]] = {
    "anthropic": CountEndpoint(
        "Anthropic's count_tokens",
        "/v1",
        lambda _: "/messages/count_tokens",
        lambda key: {"x-api-key": key, "anthropic-version": "2023-06-01"},
        _anthropic,
        "input_tokens",
    ),
    "gemini": CountEndpoint(
        "Gemini's countTokens",
        "/v1beta",
        lambda model: f"/models/{quote(model, safe='')}:countTokens",
        lambda key: {"x-goog-api-key": key},
        _gemini,
        "totalTokens",
    ),
}
