"""The words of a comparison of models, and its drawing, without anything asked."""

from __future__ import annotations

import pytest

from promptops.core.statistics.against import Plan, stand_against
from promptops.reporting.compare import against_words, clipped_name, dollars


def words(before: str, after: str) -> str:
    scores = [[float(letter) for letter in side] for side in (before, after)]
    return against_words(stand_against(scores[0], {"c": scores[1]}, Plan(len(before)))["c"], 0.05)


def test_a_drop_within_the_margin_that_is_beyond_chance_is_said_to_be_both() -> None:
    told = words("1" * 1000, "0" * 10 + "1" * 990)
    assert "-1.0 points" in told
    assert told.endswith("within the margin, and still worse beyond chance: a canary would say REGRESS")


def test_one_case_is_one_case() -> None:
    assert "of 1 case 0 worse and 0 better" in words("1", "1")


def test_what_no_number_holds_is_said_to_be_smaller() -> None:
    assert "p < 1e-300" in words("1" * 1100, "0" * 1100)


@pytest.mark.parametrize(
    ("cost", "said"),
    [(None, "unknown"), (0.0, "0"), (0.00185, "0.0019"), (0.42, "0.4200"), (12.5, "12.50"), (1234.5, "1,234.50")],
)
def test_dollars_are_never_nought_by_rounding_alone(cost: float | None, said: str) -> None:
    assert dollars(cost) == said


def test_a_tiny_cost_keeps_its_digits() -> None:
    assert dollars(0.000012) == "0.000012"


def test_a_long_name_keeps_both_ends() -> None:
    name = clipped_name("openrouter/" + "a" * 60 + "-2026-01-01", 44)
    assert len(name) <= 44
    assert name.startswith("openrouter/")
    assert name.endswith("-2026-01-01")
