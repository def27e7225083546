"""Which beginning of a prompt a provider is asked to keep, what it may cost, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest

from promptops.config import Price
from promptops.core import pricing
from promptops.core.digest import request_digest
from promptops.core.prompt_cache import Keep, Prefix, keep_of, least_tokens, prefix_of, written_bound
from promptops.models import Message, Pin, Request, Usage

LONG = "word " * 3000
TOOL: dict[str, Any] = {"type": "function", "function": {"name": "book", "description": LONG}}
SHORT_TOOL: dict[str, Any] = {"type": "function", "function": {"name": "book"}}
MODEL = "claude-sonnet-4-5-20250929"
ASKED = Message("user", "half past two")


def request(*messages: Message, stable: int = 1, tools: tuple[Any, ...] = (), **params: Any) -> Request:
    return Request(Pin("anthropic", MODEL), messages, {"max_tokens": 100, **params}, tools, stable=stable)


def system(text: str = LONG) -> Message:
    return Message("system", text)


SHOWN = (Message("user", "7 pm"), Message("assistant", "19:00"))


@pytest.mark.parametrize(
    ("asked", "prefix"),
    [
        (request(system(), ASKED), Prefix(system=True)),
        (request(system("Be brief."), ASKED), Prefix()),
        (request(system(), ASKED, stable=0), Prefix()),
        (request(system(), *SHOWN, ASKED, stable=3), Prefix(system=True, turns=2)),
        (request(system("Be brief."), Message("user", LONG), SHOWN[1], ASKED, stable=3), Prefix(turns=2)),
        (request(ASKED, stable=0, tools=(TOOL,)), Prefix(tools=True)),
        (request(system("Be brief."), ASKED, tools=(TOOL,)), Prefix(tools=True, system=True)),
        (request(system("Be brief."), ASKED, tools=(SHORT_TOOL,)), Prefix()),
        (request(system(), system("now: {{ date }}"), ASKED), Prefix()),
        (request(system(), system(""), ASKED, stable=2), Prefix()),
        (request(system(), SHOWN[0], Message("assistant", " "), ASKED, stable=3), Prefix(system=True, turns=1)),
        (request(Message("user", LONG), ASKED), Prefix(turns=1)),
    ],
)
def test_the_prefix_ends_where_something_varies(asked: Request, prefix: Prefix) -> None:
    assert prefix_of(asked, asked.messages) == prefix


def test_a_schema_in_words_before_all_is_part_of_it() -> None:
    asked = request(ASKED, stable=0)
    assert prefix_of(asked, (system(), ASKED)) == Prefix(system=True)


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-opus-4-5-20251101", 4096),
        ("claude-opus-4-6", 4096),
        ("claude-opus-4-7", 2048),
        ("claude-opus-4-8", 1024),
        ("claude-opus-4-1-20250805", 1024),
        ("claude-haiku-4-5-20251001", 4096),
        ("claude-3-5-haiku-20241022", 2048),
        ("claude-3-haiku-20240307", 2048),
        ("claude-3-7-sonnet-20250219", 1024),
        ("claude-sonnet-4-5-20250929", 1024),
        ("claude-sonnet-5", 1024),
        ("claude-opus-5", 512),
        ("claude-fable-5", 512),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", 4096),
        ("amazon.nova-lite-v1:0", 1024),
    ],
)
def test_the_least_length_is_the_models(model: str, least: int) -> None:
    assert least_tokens(model) == least


@pytest.mark.parametrize(
    ("param", "configured", "format_name", "keep"),
    [
        (None, None, "anthropic-messages", "5m"),
        (None, "1h", "anthropic-messages", "1h"),
        ("off", "1h", "anthropic-messages", "off"),
        ("1h", "off", "anthropic-messages", "1h"),
        (None, None, "bedrock-converse", "off"),
        (None, "5m", "bedrock-converse", "5m"),
        (None, None, "openai-chat", "off"),
    ],
)
def test_a_version_goes_before_the_settings_and_these_before_what_is_usual(
    param: str | None, configured: str | None, format_name: str, keep: Keep
) -> None:
    params: dict[str, Any] = {"prompt_cache": param} if param else {}
    assert keep_of(request(ASKED, **params), format_name, configured) == keep


def test_a_version_that_says_it_in_the_vendors_words_is_left_alone() -> None:
    asked = request(system(), ASKED, extra_body={"cache_control": {"type": "ephemeral"}})
    assert keep_of(asked, "anthropic-messages", "5m") == "off"


@pytest.mark.parametrize("keep", ["off", "5m", "1h"])
def test_recordings_stay_valid_whatever_is_kept(keep: str) -> None:
    assert request_digest(request(system(), ASKED, prompt_cache=keep)) == request_digest(request(system(), ASKED))
    assert request_digest(request(system(), ASKED, stable=0)) == request_digest(request(system(), ASKED))


def test_the_worst_case_writes_the_prefix_into_the_cache() -> None:
    prices = {f"anthropic/{MODEL}": Price(input=10.0, output=0.0, cached=1.0, cache_write=12.5, batch=0.5)}
    asked = request(system(), ASKED)
    bound, written = pricing.input_bound(asked), written_bound(asked, "5m")
    assert len(LONG) <= written <= bound
    plain = bound * 10.0 / 1e6
    worst = {keep: pricing.worst_case(asked, prices, keep=keep) for keep in ("off", "5m", "1h")}
    assert worst["off"] == pytest.approx(plain)
    assert worst["5m"] == pytest.approx(plain + written * 2.5 / 1e6)
    assert worst["1h"] == pytest.approx(plain + written * 10.0 / 1e6), "twice the price of the input"
    assert pricing.worst_case(asked, prices, keep="5m", batch=True) == pytest.approx((worst["5m"] or 0) / 2)
    short = request(system("Be brief."), ASKED)
    assert pricing.worst_case(short, prices, keep="1h") == pricing.worst_case(short, prices)


@pytest.mark.parametrize("keep", ["off", "5m", "1h"])
@pytest.mark.parametrize("batch", [False, True])
def test_no_usage_costs_more_than_the_worst_case(keep: Keep, batch: bool) -> None:
    asked = request(system(), *SHOWN, ASKED, stable=3)
    worst = pricing.worst_case(asked, {}, keep=keep, batch=batch)
    tokens = pricing.input_bound(asked) // 2
    for usage in (
        Usage(tokens, 100),
        Usage(tokens, 100, cached_tokens=tokens),
        *((Usage(tokens, 100, cache_write_tokens=tokens),) if keep != "off" else ()),
        *((Usage(tokens, 100, cache_write_tokens=tokens, cache_write_1h_tokens=tokens),) if keep == "1h" else ()),
    ):
        real = pricing.cost(asked.pin, usage, {}, batch=batch)
        assert real is not None
        assert worst is not None
        assert real <= worst


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(100_000, 0, cache_write_tokens=100_000), 0.375),
        (Usage(100_000, 0, cache_write_tokens=100_000, cache_write_1h_tokens=100_000), 0.6),
        (Usage(100_000, 0, cached_tokens=100_000), 0.03),
    ],
)
def test_writes_for_an_hour_have_their_own_price_in_the_table(usage: Usage, dollars: float) -> None:
    assert pricing.cost(Pin("anthropic", MODEL), usage, {}) == pytest.approx(dollars)


def test_more_written_for_an_hour_than_written_is_no_price() -> None:
    prices = {f"anthropic/{MODEL}": Price(input=1.0, output=1.0)}
    wrong = Usage(10, 1, cache_write_tokens=5, cache_write_1h_tokens=6)
    assert pricing.cost(Pin("anthropic", MODEL), wrong, prices) is None
