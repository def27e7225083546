"""Picking the cheapest of several models that are shown to be not worse: false claims stay below alpha."""

from __future__ import annotations

from itertools import chain
from random import Random

import pytest
from msgspec.structs import replace

from promptops.core.statistics.against import Plan, stand_against
from proof.choosing import (
    ALPHA,
    MIXED,
    WORSE,
    Truth,
    by_holm,
    draw,
    from_the_cheapest,
    from_the_dearest,
    page,
    simulate,
    single,
    uncorrected,
)


@pytest.mark.parametrize("truth", [WORSE[2], WORSE[5], MIXED[1]], ids=lambda truth: truth.name)
def test_false_claims_stay_below_alpha(truth: Truth) -> None:
    assert simulate(truth, 150).false["Holm"].within(ALPHA)


def test_without_a_correction_they_do_not() -> None:
    """Five models that are all worse by the margin: the test would see what Holm is there for."""
    cell = simulate(WORSE[1], 400)
    assert cell.false["uncorrected"].low > ALPHA
    assert cell.false["Holm"].within(ALPHA)


def test_a_dear_bad_model_hides_nothing() -> None:
    """The fixed sequences find nothing there, which is why they were not taken."""
    cell = simulate(replace(MIXED[1], alike=0.9), 60)
    assert cell.found["Holm"].low > 0.5
    assert cell.found["dearest first"].high < 0.2
    assert cell.found["cheapest first"].count == 0


def test_what_is_simulated_is_what_a_comparison_says() -> None:
    """The rule "Holm" over single p values, and `stand_against` on the same scores, make the same claims."""
    rng, truth = Random("the same"), replace(MIXED[0], alike=0.9)
    claims = []
    for _ in range(25):
        current, *others = draw(truth, rng)
        names = [str(place) for place in range(len(others))]
        judged = stand_against(current, dict(zip(names, others, strict=True)), Plan(truth.cases))
        claims.append([judged[name].p_not_worse <= ALPHA for name in names])
        assert claims[-1] == list(by_holm(single([current, *others], truth)))
    assert {True, False} <= set(chain(*claims))


@pytest.mark.parametrize(
    ("p_values", "claims"),
    [
        ((0.01, 0.01, 0.01), ("TTT", "TTT", "TTT", "TTT")),
        ((0.04, 0.2, 0.01), ("TFT", "FFT", "FFT", "TFF")),
        ((0.2, 0.01, 0.03), ("FTT", "FTF", "FTT", "FFF")),
        ((0.02, 0.02, 0.9), ("TTF", "FFF", "FFF", "TTF")),
    ],
)
def test_the_rules_are_what_they_say(p_values: tuple[float, ...], claims: tuple[str, ...]) -> None:
    rules = (uncorrected, by_holm, from_the_dearest, from_the_cheapest)
    assert tuple("".join("FT"[claim] for claim in rule(p_values)) for rule in rules) == claims


def test_the_page_has_every_row() -> None:
    text = page([simulate(truth, 2) for truth in (*WORSE, *MIXED)])
    assert all(f"| {truth.name} |" in text for truth in (*WORSE, *MIXED))
