"""The dated price table of the genai-prices package: what a known vendor's model costs, and how long a prompt it takes.

The table is 1.6 MB and takes a third of a second to load, so nothing here is imported before a known vendor's pin is
looked up. It is the one that is installed: nothing is ever fetched.

Source: https://github.com/pydantic/genai-prices (MIT); each price there names the vendor's page and its date.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from promptops.models import Pin, Usage

if TYPE_CHECKING:
    from decimal import Decimal

    from genai_prices.types import ModelInfo, ModelPrice, Provider

# Providers by the name promptops users give them → the id in genai-prices. A name that is not here is nobody's known
# vendor, and the table is not even loaded.
VENDORS: Final = {
    "anthropic": "anthropic",
    "aws": "aws",
    "azure": "azure",
    "azure-openai": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "google": "google",
    "groq": "groq",
    "minimax": "minimax",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openai-responses": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "google",
    "x-ai": "x-ai",
    "xai": "x-ai",
    "zai": "zai",
}
_BATCH: Final = {"processing": "batch"}


class Listed(Struct, frozen=True):
    """What the table says of one model: its prices in US dollars per million tokens (None: none stated).

    A price that depends on the length of the prompt is that of a short one, and `tiered` is true. `context_window` is
    in tokens; `deprecated` means that the vendor advises against it already; `name` is the table's entry.
    """

    name: str
    input: float | None
    output: float | None
    cached: float | None
    cache_write: float | None
    batch_input: float | None
    batch_output: float | None
    tiered: bool
    context_window: int | None
    deprecated: bool


def listed_cost(pin: Pin, usage: Usage, *, at: datetime | None = None, batch: bool = False) -> float | None:
    """Return the US dollars of `usage` by the table as of `at` (None: now); None where it has no such price.

    `batch` asks for the vendor's batch rates. Both token counts must be known.
    """
    found = _find(pin)
    if found is None:
        return None
    import genai_prices

    provider, model = found
    if not _prices(model, at, batch=batch):
        return None
    tokens = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
    )
    context = _BATCH if batch else _tier(model, usage.tier, at)
    try:
        found_price = model.calc_price(tokens, provider, genai_request_timestamp=at, price_context=context)
    except (LookupError, ValueError):  # more cached tokens than there are, say
        return None
    return float(found_price.total_price)


def listed(pin: Pin, *, at: datetime | None = None) -> Listed | None:
    """Return what the table says of a model as of `at` (None: now); None where it does not know it."""
    found = _find(pin)
    if found is None:
        return None
    model = found[1]
    now = model.get_prices(at or datetime.now(UTC))
    batch = _prices(model, at, batch=True)
    values = [now.input_mtok, now.output_mtok, now.cache_read_mtok, now.cache_write_mtok]
    return Listed(
        model.id,
        input=_dollars(now.input_mtok),
        output=_dollars(now.output_mtok),
        cached=_dollars(now.cache_read_mtok),
        cache_write=_dollars(now.cache_write_mtok),
        batch_input=_dollars(batch.input_mtok) if batch else None,
        batch_output=_dollars(batch.output_mtok) if batch else None,
        tiered=any(hasattr(value, "tiers") for value in values),
        context_window=model.context_window,
        deprecated=bool(model.deprecated),
    )


def edition() -> str:
    """Return which table is installed: `genai-prices 0.2.3`."""
    from importlib.metadata import version

    return f"genai-prices {version('genai_prices')}"


def _prices(model: ModelInfo, at: datetime | None, *, batch: bool) -> ModelPrice | None:
    """The prices in force; None where the table does not price text in and out, or has no batch rates."""
    when = at or datetime.now(UTC)
    if batch and not any(
        variant.when == _BATCH and (variant.constraint is None or variant.constraint.active(when))
        for variant in model.price_variants or ()
    ):
        return None
    found = model.get_prices(when, _BATCH if batch else None)
    return None if found.input_mtok is None or found.output_mtok is None else found


def _tier(model: ModelInfo, tier: str | None, at: datetime | None) -> dict[str, str] | None:
    """What the table calls the prices of a tier; None where it has none, and the usual ones hold."""
    when = at or datetime.now(UTC)
    wanted = ({"service_tier": tier}, {"speed": tier})
    return next(
        (
            dict(variant.when)
            for variant in (model.price_variants if tier else None) or ()
            if variant.when in wanted and (variant.constraint is None or variant.constraint.active(when))
        ),
        None,
    )


def _dollars(value: Any) -> float | None:
    base: Decimal | None = getattr(value, "base", value)
    return None if base is None else float(base)


@functools.lru_cache(maxsize=512)
def _find(pin: Pin) -> tuple[Provider, ModelInfo] | None:
    vendor = VENDORS.get(pin.provider)
    if vendor is None:
        return None
    from genai_prices.data_snapshot import get_snapshot

    try:
        return get_snapshot().find_provider_model(pin.model, None, vendor, None)
    except (LookupError, ValueError):
        return None
