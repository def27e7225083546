"""What tokens cost: the project's own `prices` first, then the dated price table of the genai-prices package.

Prices are estimates: discounts, cached tokens and service tiers are not known here. No price is never taken for free:
it is None, except for `local/` models, which cost nothing.

Source: https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from promptops.models import Message, Pin, Request, Usage

Prices = Mapping[str, tuple[float, float]]
"""Pin → US dollars per million input tokens, and per million output tokens."""

UNSTATED_OUTPUT = 32_768  # tokens an answer is taken to have at worst where `max_tokens` is not set
# Tokens of one image at most. Source: https://platform.claude.com/docs/en/build-with-claude/vision (4,784 at high
# resolution); OpenAI and Gemini count fewer.
_IMAGE = 6_000
_MESSAGE_OVERHEAD = 16  # tokens at most that a chat template writes around one message

# Providers by the name promptops users give them → the id in genai-prices. A name that is not here is nobody's known
# vendor, and the table (3 MB) is not even loaded.
_VENDORS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "google": "google",
    "groq": "groq",
    "mistral": "mistral",
    "moonshotai": "moonshotai",
    "novita": "novita",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "x-ai": "x-ai",
    "xai": "x-ai",
}


def cost(pin: Pin, usage: Usage, prices: Prices, *, at: datetime | None = None) -> float | None:
    """Return the US dollars that `usage` costs, or None where the price or a token count is unknown.

    `prices` is `[tool.promptops.prices]`; `at` is when it was asked, for models whose price has changed (default: now).
    """
    if pin.provider == "local":
        return 0.0
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    if (own := prices.get(str(pin))) is not None:
        return (own[0] * usage.input_tokens + own[1] * usage.output_tokens) / 1_000_000
    return _listed(pin, usage, at)


def worst_case(request: Request, prices: Prices, *, at: datetime | None = None) -> float | None:
    """Return the most US dollars that one attempt at `request` can cost, or None where no price is known.

    A token is at least one byte, so the prompt has at most as many tokens as bytes; the answer has `max_tokens`, or
    32,768 where the request sets no limit.
    """
    return cost(request.pin, Usage(input_bound(request), output_bound(request)), prices, at=at)


def input_bound(request: Request) -> int:
    """Return the most input tokens that `request` can have: bytes of messages and tools, and a little per message."""
    text = sum(_bytes(message) + _MESSAGE_OVERHEAD for message in request.messages)
    text += len(repr(request.output_schema).encode("utf-8", "replace")) if request.output_schema is not None else 0
    return text + sum(len(repr(tool).encode("utf-8", "replace")) for tool in request.tools)


def _bytes(message: Message) -> int:
    """The bytes of text and calls; of an image no more than any vendor counts, of a file all."""
    media = [part for part in message.parts if not isinstance(part, str)]
    size = sum(min(len(part.data), _IMAGE) if part.kind == "image" else len(part.data) for part in media)
    calls = sum(len(repr(call).encode("utf-8", "replace")) for call in message.tool_calls)
    return len(message.content.encode("utf-8", "replace")) + size + calls


def output_bound(request: Request) -> int:
    """Return the most output tokens of `request`: its `max_tokens`, or 32,768 where it sets no limit."""
    limit = request.params.get("max_tokens")
    return limit if isinstance(limit, int) and not isinstance(limit, bool) and limit > 0 else UNSTATED_OUTPUT


def _listed(pin: Pin, usage: Usage, at: datetime | None) -> float | None:
    vendor = _VENDORS.get(pin.provider)
    if vendor is None:
        return None
    import genai_prices  # a quarter of a second: only where a vendor's price is needed

    tokens = genai_prices.Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        found = genai_prices.calc_price(tokens, model_ref=pin.model, provider_id=vendor, genai_request_timestamp=at)
    except (LookupError, ValueError):
        return None
    return float(found.total_price)
