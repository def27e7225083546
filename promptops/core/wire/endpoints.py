"""From the provider of a pin to what its endpoint takes: as `[tool.promptops.providers]` says, or as is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final
from urllib.parse import urlsplit

from promptops.config import Config, ProviderConfig
from promptops.core.wire.dialects import SPECS, spec_for
from promptops.core.wire.openai_chat import EMBEDDED
from promptops.core.wire.spec import Spec
from promptops.core.wire.vendors import VENDORS
from promptops.models import Pin


class _Known(Mapping[str, ProviderConfig]):
    """The settings of each vendor, made when they are asked for: most never are, and pydantic takes its time."""

    def __getitem__(self, name: str) -> ProviderConfig:
        return _made(name)

    def __iter__(self) -> Iterator[str]:
        return iter(VENDORS)

    def __len__(self) -> int:
        return len(VENDORS)


@cache
def _made(name: str) -> ProviderConfig:
    vendor = VENDORS[name]
    settings = {"format": vendor.format, "base_url": vendor.base_url, "api_key_env": vendor.key}
    return ProviderConfig.model_validate(settings)


KNOWN: Final[Mapping[str, ProviderConfig]] = _Known()
"""What needs no configuration. An entry of the same name in pyproject.toml replaces it whole."""


def settings_of(provider: str, config: Config) -> ProviderConfig | None:
    """Return the settings of a provider, as configured or as known; None for a name that nobody knows."""
    return config.providers.get(provider) or KNOWN.get(provider)


def spec_of(pin: Pin, config: Config) -> Spec | None:
    """Return what the endpoint of `pin` takes; None where nobody knows. `local/` models are those of the catalog."""
    if pin.provider == "local":
        return EMBEDDED
    settings = settings_of(pin.provider, config)
    if settings is None or settings.format not in SPECS:
        return None
    try:
        host = (urlsplit(settings.base_url).hostname or "").lower()
    except ValueError:
        host = ""
    return spec_for(settings.format, host)
