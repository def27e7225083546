"""From a pin to the batch API that answers for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from promptops.config import Config
from promptops.core.wire.endpoints import settings_of
from promptops.errors import ConfigError, Problem, UsageError
from promptops.models import Pin
from promptops.providers.batches.anthropic import AnthropicBatches
from promptops.providers.batches.base import BatchApi
from promptops.providers.batches.calls import Calls
from promptops.providers.batches.openai import OpenAIBatches
from promptops.providers.formats import format_for
from promptops.providers.keys import KeySource, parse_endpoint
from promptops.providers.registry import check_settings, format_settings

_APIS: Final[Mapping[str, type[OpenAIBatches] | type[AnthropicBatches]]] = {
    "anthropic-messages": AnthropicBatches,
    "openai-chat": OpenAIBatches,
    "openai-responses": OpenAIBatches,
}
"""By wire format; a new one is a class over `BatchApi` and a line here."""


def has_batches(pin: Pin, config: Config) -> bool:
    """Whether the endpoint of `pin` speaks a format of which batches are known."""
    settings = settings_of(pin.provider, config)
    return settings is not None and settings.format in _APIS


def batch_api_for(
    pin: Pin, config: Config, environ: Mapping[str, str], *, sleep: Callable[[float], object] = time.sleep
) -> BatchApi:
    """Return the batch API for `pin`; it connects to nothing before it is asked.

    Raises `UsageError` where there is none, `ConfigError` for settings that may not be used.
    """
    settings = settings_of(pin.provider, config)
    if settings is None or settings.format not in _APIS:
        raise UsageError(f"{pin}: batches are made at OpenAI's and Anthropic's endpoints only: leave --batch out")
    try:
        check_settings(pin.provider, settings)
        endpoint = parse_endpoint(settings.base_url)
    except ValueError as error:
        text = f"tool.promptops.providers.{pin.provider}: {error}"
        raise ConfigError([Problem("pyproject.toml", 0, text)]) from None
    more_settings = format_settings(settings, environ)
    wire = format_for(settings.format, endpoint.host, drop_unsupported=settings.drop_unsupported, **more_settings)
    key = KeySource(settings.api_key_env, environ) if settings.api_key_env else None
    more = {name.lower(): value for name, value in settings.headers.items()}
    calls = Calls(pin.provider, endpoint, key, wire.headers, sleep=sleep, more=more)
    names = {model: limits.name for model, limits in settings.models.items() if limits.name}
    return _APIS[settings.format](calls, wire, names, takes_seed=settings.seed)
