"""When a pin ends: by the dated table, and what a day makes of it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from promptops.core.aliases import ALIASES, snapshot_note
from promptops.core.life_table import PAGES
from promptops.core.model_life import Life, days, life_of
from promptops.models import Pin

TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("pin", "shutdown", "replacement"),
    [
        ("openai/gpt-4.1-mini-2025-04-14", "2027-01-14", "openai/gpt-6-luna"),
        ("openai/GPT-4.1-mini-2025-04-14", "2027-01-14", "openai/gpt-6-luna"),
        ("anthropic/claude-sonnet-4-5-20250929", "2026-11-30", "anthropic/claude-sonnet-5-5"),
        ("openrouter/openai/gpt-4o-2024-08-06", "2027-01-14", "openrouter/openai/gpt-6-luna"),
        ("acme/gpt-4o-2024-08-06", "2027-01-14", "acme/gpt-6-luna"),
        ("groq/qwen/qwen3-32b", "2026-07-17", "groq/openai/gpt-oss-120b"),
        ("azure/gpt-4.1", "2026-10-14", ""),
        ("cohere/command-r-03-2024", None, "cohere/command-r-08-2024"),
        ("openai/claude-sonnet-4-5-20250929", None, ""),
        ("acme/parrot-2026-01-01", None, ""),
        ("local/gpt-4o-2024-08-06", None, ""),
    ],
)
def test_the_table_knows_a_pins_end_whoever_sells_it(pin: str, shutdown: str | None, replacement: str) -> None:
    life = life_of(Pin.parse(pin))
    assert (life.shutdown and str(life.shutdown), life.replacement) == (shutdown, replacement)


@pytest.mark.parametrize(
    ("life", "status", "due"),
    [
        (Life(), "unknown", False),
        (Life(source="x"), "listed", False),
        (Life(deprecated=TODAY, source="x"), "deprecated", False),
        (Life(shutdown=TODAY + timedelta(days=61), source="x"), "ending", False),
        (Life(shutdown=TODAY + timedelta(days=60), source="x"), "ending", True),
        (Life(shutdown=TODAY, source="x"), "gone", True),
        (Life(shutdown=TODAY - timedelta(days=900), source="x"), "gone", True),
        (Life(served=False, source="x"), "gone", True),
        (Life(served=True, source="x"), "listed", False),
    ],
)
def test_a_day_makes_a_status_of_a_life(life: Life, status: str, due: bool) -> None:
    assert (life.status(TODAY), life.due(TODAY, timedelta(days=60))) == (status, due)


@pytest.mark.parametrize(("text", "expected"), [("60d", 60), ("0d", 0), ("8w", 56), ("3660d", 3660)])
def test_days_and_weeks_are_read(text: str, expected: int) -> None:
    assert days(text) == timedelta(days=expected)


@pytest.mark.parametrize("text", ["", "60", "d", "-1d", "1.5d", "60h", "²d", "9999d", "600w", "60 d"])
def test_what_is_no_time_in_days_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"days|years"):
        days(text)


def test_every_row_has_a_page_and_days_that_can_be() -> None:
    for vendor, pages in PAGES.items():
        for page in pages:
            assert page.source.startswith("https://"), vendor
            read = date.fromisoformat(page.read)
            assert read <= date(2026, 11, 22)
            names = [row[0] for row in page.rows]
            assert len(names) == len(set(names))
            for model, deprecated, shutdown, _ in page.rows:
                assert model == model.lower()
                if deprecated and shutdown:
                    assert date.fromisoformat(deprecated) < date.fromisoformat(shutdown)
                assert not deprecated or date.fromisoformat(deprecated) <= read


def test_every_alias_has_a_page_and_the_day_on_which_it_was_read() -> None:
    for source, read in ALIASES:
        assert source.startswith("https://")
        assert date.fromisoformat(read) <= TODAY


def test_a_snapshot_that_ends_is_recommended_with_its_end() -> None:
    note = snapshot_note(Pin("openai", "gpt-4o"))
    assert note == (
        "https://github.com/pydantic/genai-prices, read 2026-11-22; it is shut down on 2027-01-14, "
        "openai/gpt-6-luna is recommended after it"
    )
    assert snapshot_note(Pin("acme", "anything-latest")) == ""
