"""The providers' own counts of a prompt's tokens: one interface over their endpoints. Asked only on request.

What is counted is what would be sent: the body of the wire format, without what says how to answer.

Sources: https://platform.claude.com/docs/en/api/messages-count-tokens (`POST /v1/messages/count_tokens`, answers
`input_tokens`), https://ai.google.dev/api/tokens (`POST /v1beta/models/{model}:countTokens`, answers `totalTokens`),
https://developers.openai.com/api/reference/resources/responses/subresources/input_tokens/methods/count
(`POST /v1/responses/input_tokens`, answers `input_tokens`). None costs anything; all have limits of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from promptops.config import Config
from promptops.core.tokens import Count
from promptops.errors import ProviderError
from promptops.models import Request
from promptops.providers.formats import format_for
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.once import ask_once
from promptops.providers.registry import KNOWN, check_settings
from promptops.providers.replies import parse_object


class CountEndpoint(Struct, frozen=True):
    """How one wire format counts: the version in its path, where it is (of where it answers), what it takes of the body
    and where the count stands. `body` makes what is posted of that part and the model's name.
    """

    by: str
    version: str
    path: Callable[[str], str]
    takes: frozenset[str]
    answer: str
    body: Callable[[dict[str, Any], str], dict[str, Any]] = lambda body, _: body


def counts_itself(provider: str, config: Config) -> bool:
    """Whether the provider of that name has an endpoint that counts."""
    return _endpoint(provider, config) is not None


def count_at(request: Request, config: Config, environ: Mapping[str, str]) -> Count:
    """Ask the provider of a request's pin how many input tokens the request has, its images and files among them.

    Raises `ProviderError` where it has no such endpoint, for a request that it does not take, and for whatever the
    endpoint does.
    """
    provider = request.pin.provider
    found = _endpoint(provider, config)
    settings = config.providers.get(provider) or KNOWN.get(provider)
    if found is None or settings is None:
        raise ProviderError("request", f"{provider} has no endpoint that counts tokens")
    try:
        check_settings(provider, settings)
        endpoint = parse_endpoint(settings.base_url)
    except ValueError as error:
        raise ProviderError("request", f"{provider}: {error}") from None
    limits = settings.models.get(request.pin.model)
    model = (limits.name if limits else None) or request.pin.model
    key = KeySource(settings.api_key_env, environ).read(provider) if settings.api_key_env else None
    wire = format_for(settings.format, endpoint.host, drop_unsupported=True)
    versioned = any(part.startswith("v1") for part in urlsplit(endpoint.url).path.split("/"))
    path = ("" if versioned else found.version) + found.path(wire.path(model))
    answerable = replace(request, params={"max_tokens": 1, **request.params})  # some formats cannot do without
    whole = wire.body(answerable, None, called=model)
    post = found.body({name: value for name, value in whole.items() if name in found.takes}, model)
    document = parse_object(ask_once(provider, endpoint, path, wire.headers(key), post=post))
    tokens = document.get(found.answer)
    if type(tokens) is not int or not 0 <= tokens < 2**40:
        raise ProviderError("bad_reply", f"{provider}: the reply has no count of tokens in {found.answer!r}")
    return Count(tokens, exact=True, by=found.by)


def _endpoint(provider: str, config: Config) -> CountEndpoint | None:
    settings = config.providers.get(provider) or KNOWN.get(provider)
    return _ENDPOINTS.get(settings.format) if settings is not None else None


def _gemini(body: dict[str, Any], model: str) -> dict[str, Any]:
    """What is more than contents is counted only as a part of a whole request."""
    if "responseJsonSchema" not in body.get("generationConfig", {}):
        body.pop("generationConfig", None)
    return body if body.keys() == {"contents"} else {"generateContentRequest": {"model": f"models/{model}", **body}}


_ENDPOINTS: Final[Mapping[str, CountEndpoint]] = {
    "anthropic-messages": CountEndpoint(
        "Anthropic's count_tokens",
        "/v1",
        lambda path: f"{path}/count_tokens",
        frozenset(
            {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
        ),
        "input_tokens",
    ),
    "gemini": CountEndpoint(
        "Gemini's countTokens",
        "/v1beta",
        lambda path: path.replace(":generateContent", ":countTokens"),
        frozenset({"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "cachedContent"}),
        "totalTokens",
        _gemini,
    ),
    "openai-responses": CountEndpoint(
        "OpenAI's input_tokens",
        "/v1",
        lambda path: f"{path}/input_tokens",
        frozenset(
            {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"}
        ),
        "input_tokens",
    ),
}
