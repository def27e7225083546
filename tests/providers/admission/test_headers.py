from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.providers.admission.headers import Reading, read, seconds_until

TODAY = 1_800_000_000.0


def readings(headers: Mapping[str, str]) -> list[Reading]:
    return read(headers, today=lambda: TODAY)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {
                "x-ratelimit-limit-requests": "60",
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            [Reading("requests", False, 59, 60, 1.0), Reading("tokens", True, 149984, 150000, 360.0)],
        ),
        (
            {
                "date": "Sat, 25 Oct 2025 11:59:30 GMT",
                "anthropic-ratelimit-requests-limit": "50",
                "anthropic-ratelimit-requests-remaining": "49",
                "anthropic-ratelimit-requests-reset": "2025-10-25T12:00:00Z",
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2025-10-25T12:00:10Z",
            },
            [Reading("requests", False, 49, 50, 30.0), Reading("input-tokens", True, 0, 40000, 40.0)],
        ),
        (
            {"x-ratelimit-limit-req-minute": "720", "x-ratelimit-remaining-req-minute": "717"},
            [Reading("req-minute", False, 717, 720, None)],
        ),
        (  # Mistral
            {
                "x-ratelimit-limit-req-minute": "23",
                "x-ratelimit-remaining-req-minute": "0",
                "x-ratelimit-limit-tokens-minute": "356250",
                "x-ratelimit-remaining-tokens-minute": "354950",
                "x-ratelimit-tokens-query-cost": "1300",
            },
            [Reading("req-minute", False, 0, 23, None), Reading("tokens-minute", True, 354950, 356250, None)],
        ),
        (  # Mistral, as it was
            {
                "ratelimitbysize-limit": "500000",
                "ratelimitbysize-remaining": "499000",
                "ratelimitbysize-reset": "17",
                "ratelimitbysize-query-cost": "1000",
                "x-ratelimitbysize-limit-minute": "500000",
                "x-ratelimitbysize-remaining-minute": "499000",
                "x-ratelimitbysize-limit-month": "1000000000",
                "x-ratelimitbysize-remaining-month": "999000000",
            },
            [
                Reading("tokens-by-size", True, 499000, 500000, 17.0),
                Reading("tokens-by-size-minute", True, 499000, 500000, None),
                Reading("tokens-by-size-month", True, 999000000, 1000000000, None),
            ],
        ),
        (  # Cohere, with a trial key
            {
                "x-endpoint-monthly-call-limit": "1000",
                "x-trial-endpoint-call-limit": "20",
                "x-trial-endpoint-call-remaining": "19",
            },
            [Reading("trial calls", False, 19, 20, None)],
        ),
        ({"x-trial-endpoint-call-remaining": "0"}, [Reading("trial calls", False, 0, None, None)]),
        ({"x-trial-endpoint-call-limit": "20"}, []),
        ({"x-trial-endpoint-call-remaining-ever": "0"}, []),
        ({"x-ratelimitbysize-remaining-apples": "0"}, []),
        (
            {"x-ratelimit-remaining-tokens-per-minute": "9", "x-ratelimit-reset-tokens-per-minute": "1800000007"},
            [Reading("tokens-per-minute", True, 9, None, 7.0)],
        ),
        (
            {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "3", "x-ratelimit-reset": "1800000002500"},
            [Reading("requests", False, 3, 10, 2.5)],
        ),
        (
            {"ratelimit-limit": "10, 10;w=1, 50;w=60", "ratelimit-remaining": "4", "ratelimit-reset": "5"},
            [Reading("requests", False, 4, 10, 5.0)],
        ),
        ({"ratelimit": "limit=100, remaining=50, reset=30"}, [Reading("requests", False, 50, 100, 30.0)]),
        (
            {
                "ratelimit-policy": '"burst";q=100;w=60, "day";q=1000;w=86400, "bytes";q=9;qu="content-bytes"',
                "ratelimit": '"burst";r=50;t=30,"day";r=90;t=4000, "bytes";r=0;t=9',
            },
            [Reading("requests burst", False, 50, 100, 30.0), Reading("requests day", False, 90, 1000, 4000.0)],
        ),
    ],
    ids=[
        *("openai", "anthropic", "mistral", "mistral's tokens", "mistral by size", "cohere", "cohere at its end"),
        *("cohere's limit alone", "cohere, unknown", "mistral, unknown"),
        *("digitalocean", "plain", "draft-03", "draft-07", "draft-10"),
    ],
)
def test_what_vendors_say_is_understood(headers: dict[str, str], expected: list[Reading]) -> None:
    assert readings(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json"},
        {"x-ratelimit-remaining-requests": "-1", "x-ratelimit-limit-requests": "-1"},
        {"x-ratelimit-remaining-requests": "NaN"},
        {"x-ratelimit-remaining-requests": "inf"},
        {"x-ratelimit-remaining-requests": "1e99"},
        {"x-ratelimit-remaining-requests": "٣"},
        {"x-ratelimit-remaining-requests": "7", "x-ratelimit-limit-requests": "5"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-limit-requests": "0"},
        {"x-ratelimit-remaining-requests": "9" * 500},
        {"x-ratelimit-remaining-images": "0"},
        {"x-ratelimit-limit-requests": "5", "x-ratelimit-reset-requests": "5s"},
        {"ratelimit": "0" * 10_000},
        {"ratelimit": '"a";t=5'},
    ],
)
def test_nonsense_and_limits_of_something_else_say_nothing(headers: dict[str, str]) -> None:
    assert readings(headers) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("12", 12.0),
        ("0.25", 0.25),
        ("1800000030", 30.0),
        ("1800000030000", 30.0),
        ("1700000000", 0.0),
        ("2027-01-15T08:00:30Z", 30.0),
        ("2027-01-15T08:00:30", 30.0),
        ("2027-01-15T10:00:30+02:00", 30.0),
        ("Fri, 15 Jan 2027 08:00:30 GMT", 30.0),
        ("-5", None),
        ("5x", None),
        ("1s2", None),
        ("soon", None),
        ("", None),
        ("NaN", None),
        ("9" * 40, None),
    ],
)
def test_a_reset_is_a_duration_or_a_moment(text: str, seconds: float | None) -> None:
    assert seconds_until(text, lambda: TODAY) == (None if seconds is None else pytest.approx(seconds))


def test_a_moment_is_compared_with_the_clock_of_the_reply() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "Wed, 01 Jan 2020 00:00:09 GMT"}
    assert readings(headers)[0].reset == 0.0
    assert readings({**headers, "date": "Wed, 01 Jan 2020 00:00:00 GMT"})[0].reset == 9.0


_NAMES = st.sampled_from(
    [
        "date",
        "ratelimit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-requests-remaining",
        "x-ratelimit-",
    ]
)
_VALUES = st.one_of(st.text(max_size=40), st.from_regex(r'[-"0-9a-z;=,.:TZ ]{0,40}', fullmatch=True))


@given(st.dictionaries(_NAMES, _VALUES))
def test_whatever_is_sent_is_read_without_an_error_and_gives_plain_numbers(headers: dict[str, str]) -> None:
    for reading in readings(headers):
        assert 0 <= reading.remaining < math.inf
        assert reading.limit is None or reading.remaining <= reading.limit < math.inf
        assert reading.reset is None or 0 <= reading.reset < math.inf


def test_names_made_up_anew_every_time_are_not_kept() -> None:
    for number in range(2000):
        assert readings({f"x-ratelimit-remaining-{number}": "0"}) == []
