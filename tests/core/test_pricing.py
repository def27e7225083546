from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest

from promptops.core.pricing import UNSTATED_OUTPUT, cost, input_bound, worst_case
from promptops.models import Message, Pin, Request, Usage

ACME = Pin("acme", "m-1")
PRICES = {"acme/m-1": (2.0, 8.0), "openai/gpt-4.1-mini-2025-04-14": (1.0, 1.0)}
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


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
