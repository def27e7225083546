"""What tokens cost: the project's own `prices` first, then the dated price table (`core.price_list`).

A price that is not known is None, never taken for free; `local/` models cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from msgspec.structs import replace

from promptops.config import Price
from promptops.core.price_list import listed_cost
from promptops.core.prompt_cache import Keep, written_bound
from promptops.models import Message, Pin, Request, Usage

Prices = Mapping[str, Price]
"""Pin → what its tokens cost: `[tool.promptops.prices]`."""

UNSTATED_OUTPUT = 32_768  # tokens an answer is taken to have at worst where `max_tokens` is not set
_LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens")
# Tokens of one image at most. Source: https://platform.claude.com/docs/en/build-with-claude/vision (4,784 at high
# resolution); OpenAI and Gemini count fewer.
_IMAGE = 6_000
_MESSAGE_OVERHEAD = 16  # tokens at most that a chat template writes around one message


def cost(pin: Pin, usage: Usage, prices: Prices, *, at: datetime | None = None, batch: bool = False) -> float | None:
    """Return the US dollars that `usage` costs, or None where the price or a token count is unknown.

    Cached, cache-write and reasoning tokens have their own price where there is one; they are parts of the input and
    the output, and counts that cannot be parts of it are no known price. `at` is when it was asked, for models whose
    price has changed (default: now); `batch` asks for the price of a batch.
    """
    if pin.provider == "local":
        return 0.0
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    if (own := prices.get(str(pin))) is not None:
        return _own(own, usage, batch=batch)
    return listed_cost(pin, usage, at=at, batch=batch)


def saved(pin: Pin, usage: Usage, prices: Prices, *, at: datetime | None = None, batch: bool = False) -> float | None:
    """Return the US dollars that the provider's cache saved: what `usage` had cost without it, less what it cost.

    Both at the price of a batch where it was one. Negative where writing to the cache cost more than reading from it
    saved; None where the price is unknown.
    """
    if not usage.cached_tokens and not usage.cache_write_tokens:
        return 0.0
    real = cost(pin, usage, prices, at=at, batch=batch)
    plain = replace(usage, cached_tokens=None, cache_write_tokens=None, cache_write_1h_tokens=None)
    without = cost(pin, plain, prices, at=at, batch=batch)
    return None if real is None or without is None else without - real


def _own(price: Price, usage: Usage, *, batch: bool) -> float | None:
    tokens_in, tokens_out = usage.input_tokens or 0, usage.output_tokens or 0
    cached, written, reasoning = usage.cached_tokens or 0, usage.cache_write_tokens or 0, usage.reasoning_tokens or 0
    hour = usage.cache_write_1h_tokens or 0
    if cached + written > tokens_in or hour > written or reasoning > tokens_out or (batch and price.batch is None):
        return None
    total = (
        price.input * (tokens_in - cached - written)
        + _or(price.cached, price.input) * cached
        + _or(price.cache_write, price.input) * (written - hour)
        + _or(price.cache_write_1h, 2 * price.input) * hour
        + price.output * (tokens_out - reasoning)
        + _or(price.reasoning, price.output) * reasoning
    )
    return total * (price.batch if batch and price.batch is not None else 1) / 1_000_000


def _or(price: float | None, otherwise: float) -> float:
    return otherwise if price is None else price


def worst_case(
    request: Request, prices: Prices, *, at: datetime | None = None, batch: bool = False, keep: Keep = "off"
) -> float | None:
    """Return the most US dollars that one attempt at `request` can cost, or None where no price is known.

    A token is at least one byte, so the prompt has at most as many tokens as bytes; the answer has `max_tokens`, or
    32,768 where the request sets no limit. In a `batch` it costs at most what it costs alone, where only that is known.
    `keep` says for how long its beginning is kept in the provider's cache: writing it may cost more than reading it.
    """
    usage = Usage(input_bound(request), output_bound(request))
    return dearest(request.pin, usage, prices, written=written_bound(request, keep), at=at, batch=batch, keep=keep)


def dearest(
    pin: Pin,
    usage: Usage,
    prices: Prices,
    *,
    written: int = 0,
    at: datetime | None = None,
    batch: bool = False,
    keep: Keep = "off",
) -> float | None:
    """Return what `usage` costs at most where up to `written` tokens of its input may be written to a cache."""
    ways = [usage]
    if written := min(written, usage.input_tokens or 0):
        hour = written if keep == "1h" else None
        ways.append(replace(usage, cache_write_tokens=written, cache_write_1h_tokens=hour))
    found = [cost(pin, way, prices, at=at, batch=batch) for way in ways]
    if batch and None in found:
        return dearest(pin, usage, prices, written=written, at=at, keep=keep)
    return None if None in found else max(price for price in found if price is not None)


def input_bound(request: Request) -> int:
    """Return the most input tokens that `request` can have: bytes of messages, tools and schemas, and a little each."""
    text = sum([_bytes(message) + _MESSAGE_OVERHEAD for message in request.messages])
    structured = [value for value in request.params.values() if isinstance(value, (Mapping, list, tuple))]
    schemas = [request.output_schema] if request.output_schema is not None else []
    return text + sum([len(repr(part).encode("utf-8", "replace")) for part in (*request.tools, *structured, *schemas)])


def _bytes(message: Message) -> int:
    """The bytes of text and calls; of an image no more than any vendor counts, of a file all."""
    media = [part for part in message.parts if not isinstance(part, str)]
    size = sum(min(len(part.data), _IMAGE) if part.kind == "image" else len(part.data) for part in media)
    calls = sum(len(repr(call).encode("utf-8", "replace")) for call in message.tool_calls)
    return len(message.content.encode("utf-8", "replace")) + size + calls


def output_bound(request: Request) -> int:
    """Return the most output tokens of `request`: its `max_tokens`, or 32,768 where it sets no limit.

    What `extra_body` sets instead goes before, and `n` answers are n times as long.
    """
    extra = request.params.get("extra_body")
    params = {**request.params, **extra} if isinstance(extra, Mapping) else request.params
    named = [limit for name in _LIMIT_NAMES if (limit := _count(params.get(name)))]
    return (max(named) if named else UNSTATED_OUTPUT) * (_count(params.get("n")) or 1)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
