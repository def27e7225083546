from __future__ import annotations

import pytest

from promptops.models import Caps
from promptops.reporting.estimates import asking_words
from promptops.runner.estimates import Estimate

ALL = Estimate(60, input_tokens=41_200, output_tokens=30_000, worst_case=0.42)


@pytest.mark.parametrize(
    ("estimate", "caps", "words"),
    [
        (Estimate(0, recorded=66), Caps(), "nothing to ask: 66 samples are recorded"),
        (Estimate(1), Caps(), "asking 1 request, at most 0 tokens in and 0 out, at no cost"),
        (
            ALL,
            Caps(dollars=5, tokens=100_000, requests=70),
            (
                "asking 60 requests, at most 41,200 tokens in and 30,000 out, at most $0.4200, "
                "$0.5460 with 30% retries, capped at $5 and 100,000 tokens and 70 requests"
            ),
        ),
        (
            Estimate(60, recorded=6, worst_case=None, unpriced=("acme/m",)),
            Caps(),
            ("asking 60 requests, 6 are recorded, at most 0 tokens in and 0 out, cost unknown (no price for acme/m)"),
        ),
        (
            ALL.scaled(10),
            Caps(),
            (
                "asking 600 requests, at most about 412,000 tokens in and 300,000 out, at most about $4.2000, "
                "$5.4600 with 30% retries"
            ),
        ),
    ],
)
def test_what_is_about_to_be_asked(estimate: Estimate, caps: Caps, words: str) -> None:
    assert asking_words(estimate, caps) == words


def test_an_estimate_of_the_whole_plan_stays_exact() -> None:
    assert ALL.scaled(1) is ALL
