"""From a pin to the provider that answers for it: `local/`, known vendors, and `[tool.promptops.providers]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptops.config import Config, ProviderConfig, line_of
from promptops.core.wire.endpoints import KNOWN, settings_of
from promptops.errors import ConfigError, Problem, UsageError, did_you_mean
from promptops.models import Pin
from promptops.providers.base import Limits, Provider
from promptops.providers.deadlines import Waits
from promptops.providers.http import HttpProvider
from promptops.providers.keys import KeySource, check_header, check_key_goes_home, parse_endpoint
from promptops.times import parse_duration

__all__ = ["KNOWN", "bucket_of", "check_providers", "known_providers", "limits_of", "provider_for"]


def provider_for(pin: Pin, config: Config, environ: Mapping[str, str]) -> Provider:
    """Return a new provider for `pin`; it connects to nothing before it is asked.

    Raises `UsageError` for an unknown provider, `ConfigError` where its settings would send a key to a stranger or
    anything unencrypted.
    """
    if pin.provider == "local":
        return _local(pin, environ)
    settings = settings_of(pin.provider, config)
    if settings is None:
        known = known_providers(config)
        raise UsageError(
            f"{pin}: no provider is called {pin.provider!r}{did_you_mean(pin.provider, known)} "
            f"(known: {', '.join(known)}); add [tool.promptops.providers.{pin.provider}] with its base_url "
            "to pyproject.toml"
        )
    return _remote(pin.provider, settings, environ)


def check_providers(config: Config, *, text: str = "", path: str = "pyproject.toml") -> None:
    """Check every configured provider without asking any; raises `ConfigError` with all problems at once.

    `text` is that of pyproject.toml, for the lines.
    """
    problems = []
    for name, settings in config.providers.items():
        try:
            check_settings(name, settings)
            _check_failover(name, settings, config)
        except ValueError as error:
            line = line_of(text, ["providers", name])
            problems.append(Problem(path, line, f"tool.promptops.providers.{name}: {error}"))
    if problems:
        raise ConfigError(problems)


def known_providers(config: Config) -> list[str]:
    """Return the names that a pin may begin with, sorted."""
    return sorted({"local", *KNOWN, *config.providers})


def check_settings(name: str, settings: ProviderConfig) -> None:
    """Raise `ValueError` where a provider's settings must not be used."""
    if name == "local":
        raise ValueError("the name 'local' is taken by the models on this machine; choose another")
    endpoint = parse_endpoint(settings.base_url)
    for header in settings.headers:
        check_header(header)
    if settings.prompt_cache not in (None, "off") and settings.format not in ("anthropic-messages", "bedrock-converse"):
        raise ValueError("prompt_cache is for the formats 'anthropic-messages' and 'bedrock-converse' alone")
    if settings.api_version and settings.format != "azure-openai":
        raise ValueError("api_version is for the format 'azure-openai' alone")
    if settings.api_key_env:
        check_key_goes_home(settings.api_key_env, endpoint)
    elif settings.format == "bedrock-converse" and not endpoint.loopback:
        check_key_goes_home("AWS_SECRET_ACCESS_KEY", endpoint)


def _check_failover(name: str, settings: ProviderConfig, config: Config) -> None:
    known = {*KNOWN, *config.providers} - {name}
    for other in settings.failover:
        if other not in known:
            raise ValueError(f"failover names {other!r}, which is no other provider{did_you_mean(other, known)}")


def limits_of(settings: ProviderConfig) -> Limits:
    """The limits as configured, durations in seconds."""
    return Limits(
        concurrency=settings.concurrency,
        rpm=settings.rpm,
        tpm=settings.tpm,
        timeout=parse_duration(settings.timeout),
        retries=settings.retries,
        adaptive=settings.adaptive,
        models=settings.models,
        breaker=settings.breaker,
        breaker_patience=parse_duration(settings.breaker_patience),
        failover=tuple(settings.failover),
        latency_budget=_seconds(settings.latency_budget),
        hedge_after=_seconds(settings.hedge_after),
        hedge_share=settings.hedge_share,
    )


def bucket_of(pin: Pin, config: Config, environ: Mapping[str, str], fingerprint: Callable[[str], str]) -> str:
    """Name what limits are counted for: an endpoint and a key, the key by its `fingerprint` only."""
    settings = settings_of(pin.provider, config)
    if settings is None:
        return str(pin)
    key = environ.get(settings.api_key_env or "", "").strip()
    return f"{settings.base_url.rstrip('/')} {fingerprint(key) if key else '-'}"


def _seconds(duration: str | None) -> float | None:
    return None if duration is None else parse_duration(duration)


def _remote(name: str, settings: ProviderConfig, environ: Mapping[str, str]) -> Provider:
    try:
        check_settings(name, settings)
    except ValueError as error:
        raise ConfigError([Problem("pyproject.toml", 0, f"tool.promptops.providers.{name}: {error}")]) from None
    limits = limits_of(settings)
    key = KeySource(settings.api_key_env, environ) if settings.api_key_env else None
    return HttpProvider(
        name,
        settings.base_url,
        format_name=settings.format,
        key=key,
        limits=limits,
        takes_seed=settings.seed,
        stream=settings.stream,
        waits=Waits(
            connect=parse_duration(settings.connect_timeout),
            first_token=_seconds(settings.first_token_timeout),
            idle=_seconds(settings.idle_timeout),
        ),
        names={model: limits.name for model, limits in settings.models.items() if limits.name},
        idempotency_header=settings.idempotency_header,
        drop_unsupported=settings.drop_unsupported,
        format_settings=format_settings(settings, environ),
        headers=settings.headers,
    )


def format_settings(settings: ProviderConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return what only this format wants to know."""
    if settings.format == "bedrock-converse":
        return {"environ": environ, "prompt_cache": settings.prompt_cache}
    if settings.format == "anthropic-messages":
        return {"prompt_cache": settings.prompt_cache}
    return {"api_version": settings.api_version} if settings.format == "azure-openai" else {}


def _local(pin: Pin, environ: Mapping[str, str]) -> Provider:
    from promptops.providers.local import open_local

    return open_local(pin, environ)
