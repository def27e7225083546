from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from promptops.config import Price
from promptops.core.price_list import edition, listed
from promptops.core.pricing import UNSTATED_OUTPUT, cost, input_bound, saved, worst_case
from promptops.models import Message, Pin, Request, Usage

ACME = Pin("acme", "m-1")
PRICES = {
    "acme/m-1": Price(input=2.0, output=8.0),
    "openai/gpt-4.1-mini-2025-04-14": Price(input=1.0, output=1.0),
    "acme/full": Price(input=2.0, output=8.0, cached=0.5, cache_write=3.0, reasoning=10.0, batch=0.5),
}
WHEN = datetime(2026, 1, 1, tzinfo=UTC)
AUTUMN = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pin", "usage", "expected"),
    [
        (ACME, Usage(1_000_000, 500_000), 6.0),
        (ACME, Usage(0, 0), 0.0),
        (ACME, Usage(None, 5), None),
        (ACME, Usage(5, None), None),
        (Pin("acme", "m-2"), Usage(1, 1), None),
        (Pin("local", "smollm2"), Usage(100, 100), 0.0),
        (Pin("local", "smollm2"), Usage(), 0.0),
        (Pin("openai", "gpt-4.1-mini-2025-04-14"), Usage(1_000_000, 0), 1.0),
        (Pin("openai", "nobody-knows-this-model"), Usage(1, 1), None),
        (Pin("openrouter", "agentica-org/deepcoder-14b-preview:free"), Usage(1, 1), None),  # listed without a price
        (Pin("cohere", "embed-v4.0"), Usage(1, 1), None),  # listed without a price for what it writes
        (Pin("acme", "m-1"), Usage(1_000_000, 0, cached_tokens=500_000), 2.0),
        (Pin("acme", "full"), Usage(1_000_000, 0, cached_tokens=500_000), 1.25),
        (Pin("acme", "full"), Usage(1_000_000, 0, cached_tokens=500_000, cache_write_tokens=500_000), 1.75),
        (Pin("acme", "full"), Usage(0, 1_000_000, reasoning_tokens=500_000), 9.0),
        (Pin("acme", "full"), Usage(10, 10, cached_tokens=11), None),
        (Pin("acme", "full"), Usage(10, 10, cached_tokens=6, cache_write_tokens=6), None),
        (Pin("acme", "full"), Usage(10, 10, reasoning_tokens=11), None),
        (Pin("openai", "gpt-4o-2024-08-06"), Usage(10, 10, cached_tokens=11), None),
    ],
)
def test_cost_follows_the_projects_prices_and_is_none_where_nothing_is_known(
    pin: Pin, usage: Usage, expected: float | None
) -> None:
    assert cost(pin, usage, PRICES) == expected


@pytest.mark.parametrize(
    ("pin", "expected"),
    [
        ("openai/gpt-4.1-mini-2025-04-14", 0.40 + 1.60),
        ("openai/gpt-4o-2024-08-06", 2.50 + 10.0),
        ("anthropic/claude-sonnet-4-20250514", 3.0 + 15.0),
    ],
)
def test_a_known_vendors_price_comes_from_the_dated_table(pin: str, expected: float) -> None:
    per_million = (
        cost(Pin.parse(pin), Usage(1_000_000, 0), {}, at=WHEN),
        cost(Pin.parse(pin), Usage(0, 1_000_000), {}, at=WHEN),
    )
    assert None not in per_million
    assert sum(filter(None, per_million)) == pytest.approx(expected, rel=1e-6)


def test_the_worst_case_counts_bytes_in_and_max_tokens_out() -> None:
    request = Request(ACME, (Message("user", "é" * 100),), {"max_tokens": 50})
    assert input_bound(request) == 216
    assert worst_case(request, PRICES) == pytest.approx((216 * 2 + 50 * 8) / 1e6)


def test_without_max_tokens_the_answer_is_taken_to_be_long() -> None:
    request = Request(ACME, (Message("user", "hi"),))
    assert worst_case(request, PRICES) == pytest.approx((18 * 2 + UNSTATED_OUTPUT * 8) / 1e6)


def test_the_worst_case_of_an_unknown_price_is_unknown() -> None:
    assert worst_case(Request(Pin("acme", "x"), ()), {}) is None


def test_the_price_table_is_loaded_only_for_a_known_vendor() -> None:
    code = (
        "import sys; from promptops.core.pricing import cost; from promptops.models import Pin, Usage;"
        "cost(Pin('acme','x'), Usage(1,1), {}); cost(Pin('local','x'), Usage(1,1), {});"
        "sys.exit('genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("pin", "usage", "batch", "expected"),
    [
        ("openai/gpt-4.1-mini-2025-04-14", Usage(MILLION, 0, cached_tokens=MILLION), False, 0.10),
        ("openai/gpt-4.1-mini-2025-04-14", Usage(MILLION, 0, cached_tokens=MILLION // 2), False, 0.25),
        ("anthropic/claude-sonnet-4-5-20250929", Usage(100_000, 0, cache_write_tokens=100_000), False, 0.375),
        ("anthropic/claude-sonnet-4-5-20250929", Usage(100_000, 0, cached_tokens=100_000), False, 0.03),
        ("anthropic/claude-sonnet-4-5-20250929", Usage(100_000, 0, cached_tokens=60_000), False, 0.018 + 0.12),
        ("anthropic/claude-sonnet-4-5-20250929", Usage(100_000, 10_000), True, 0.15 + 0.075),
        ("bedrock/amazon.titan-embed-text-v2:0", Usage(1, 1), False, None),
    ],
)
def test_cached_written_and_batched_tokens_have_the_listed_prices(
    pin: str, usage: Usage, batch: bool, expected: float | None
) -> None:
    found = cost(Pin.parse(pin), usage, {}, at=AUTUMN, batch=batch)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-9))


def test_a_prompt_past_a_tier_pays_the_tiers_price() -> None:
    pin = Pin("anthropic", "claude-sonnet-4-5-20250929")
    short, long = (cost(pin, Usage(tokens, 0), {}, at=WHEN) for tokens in (200_000, 200_001))
    assert short == pytest.approx(0.6)
    assert long is not None
    assert long > 1.19


def test_a_price_is_that_of_the_day_of_the_request() -> None:
    found = {
        cost(Pin("openai", "o3-2025-04-16"), Usage(MILLION, 0), {}, at=datetime(2025, month, 1, tzinfo=UTC))
        for month in (5, 12)
    }
    assert found == {10.0, 2.0}


@pytest.mark.parametrize(
    ("pin", "tier", "factor"),
    [
        ("openai/gpt-5-2025-08-07", "flex", 0.5),
        ("openai/gpt-5-2025-08-07", "priority", 2.0),
        ("openai/gpt-5-2025-08-07", None, 1.0),
        ("anthropic/claude-sonnet-4-5-20250929", "priority", 1.0),  # no other price is stated
        ("anthropic/claude-opus-4-8", "fast", 2.0),
    ],
)
def test_a_service_tier_has_the_price_that_is_listed_for_it(pin: str, tier: str | None, factor: float) -> None:
    usual = cost(Pin.parse(pin), Usage(10_000, 1_000), {}, at=AUTUMN)
    assert usual is not None
    assert cost(Pin.parse(pin), Usage(10_000, 1_000, tier=tier), {}, at=AUTUMN) == pytest.approx(usual * factor)


def test_a_batch_whose_price_nobody_states_is_unknown() -> None:
    assert cost(ACME, Usage(1, 1), PRICES, batch=True) is None
    assert cost(Pin("acme", "full"), Usage(MILLION, MILLION), PRICES, batch=True) == 5.0
    assert cost(Pin("cohere", "command-r"), Usage(1, 1), {}, batch=True) is None


@pytest.mark.parametrize(
    ("pin", "usage", "expected"),
    [
        (Pin("acme", "full"), Usage(MILLION, 7, cached_tokens=MILLION), 1.5),
        (Pin("acme", "full"), Usage(MILLION, 7, cache_write_tokens=MILLION), -1.0),
        (Pin("acme", "full"), Usage(MILLION, 7), 0.0),
        (Pin("acme", "nobody"), Usage(MILLION, 7, cached_tokens=5), None),
        (Pin("local", "smollm2"), Usage(MILLION, 7, cached_tokens=5), 0.0),
    ],
)
def test_what_a_cache_saved_is_the_price_without_it_less_the_price(
    pin: Pin, usage: Usage, expected: float | None
) -> None:
    assert saved(pin, usage, PRICES) == expected


def test_the_table_says_what_it_knows_of_a_model() -> None:
    found = listed(Pin("anthropic", "claude-sonnet-4-5-20250929"), at=AUTUMN)
    assert found is not None
    assert (found.input, found.output, found.cached, found.cache_write) == (3.0, 15.0, 0.3, 3.75)
    assert (found.batch_input, found.batch_output) == (1.5, 7.5)
    assert found.context_window is not None
    assert listed(Pin("acme", "m-1")) is None
    assert edition().startswith("genai-prices 0.")
