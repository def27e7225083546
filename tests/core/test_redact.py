from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptops.core.redact import REPLACEMENT, TOO_SLOW, Redactor, secrets_of
from promptops.errors import UsageError

KEY = 'sk-proj/ä"b+c\\d-0123456789'


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY),
        json.dumps(KEY)[1:-1],
        json.dumps(KEY, ensure_ascii=False)[1:-1],
    ],
)
def test_a_key_is_removed_in_every_form_an_error_may_quote_it(form: str) -> None:
    assert Redactor((), [KEY]).text(f"bad key: {form}!") == f"bad key: {REPLACEMENT}!"


@pytest.mark.parametrize("user", ["", "u:", "us:", "use:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_basic_authentication_shows_no_part_of_a_key_worth_having(user: str, encode: Callable[[bytes], bytes]) -> None:
    header = encode(f"{user}{KEY}".encode()).decode()
    shown = Redactor((), [KEY]).text(f"Basic {header}")
    assert REPLACEMENT in shown
    assert len(shown.replace("Basic ", "").replace(REPLACEMENT, "")) <= 12


def test_a_short_value_is_no_secret() -> None:
    assert Redactor((), ["abc", "", "1234567"]).text("abc 1234567") == "abc 1234567"


def test_a_longer_key_is_removed_whole_although_a_shorter_one_begins_it() -> None:
    assert Redactor((), ["sk-12345", "sk-12345-67890"]).text("sk-12345-67890") == REPLACEMENT


def test_patterns_match_in_order_and_keep_the_rest() -> None:
    redactor = Redactor([r"\b\d{4}\b", r"[\w.]+@[\w.]+"])
    assert redactor.text("pin 1234 of a.b@c.de") == f"pin {REPLACEMENT} of {REPLACEMENT}"


def test_a_pattern_that_matches_nothing_writes_nothing() -> None:
    assert Redactor(["x*"]).text("abxxc") == f"ab{REPLACEMENT}c"


def test_a_pattern_that_backtracks_hides_the_whole_text_in_time() -> None:
    began = time.monotonic()
    assert Redactor([r"^(?:\w|[a-z])+$"]).text("a" * 60 + "!") == TOO_SLOW
    assert time.monotonic() - began < 5


def test_a_broken_pattern_is_named_when_the_redactor_is_made() -> None:
    with pytest.raises(UsageError, match=r"redact: '\(' is not a regular expression"):
        Redactor(["("])


def test_json_is_redacted_in_keys_values_and_depth_and_keeps_its_numbers() -> None:
    value: dict[str, Any] = {"a": [KEY, 1, 2.5, None, True], KEY: {"x": f"-{KEY}-"}}
    assert Redactor((), [KEY]).json(value) == {
        "a": [REPLACEMENT, 1, 2.5, None, True],
        REPLACEMENT: {"x": f"-{REPLACEMENT}-"},
    }


def test_secrets_are_the_values_of_api_keys_only() -> None:
    assert secrets_of({"B_API_KEY": "b" * 9, "A_API_KEY": "a" * 9, "HOME": "/home/x", "C_API_KEY": ""}) == (
        "a" * 9,
        "b" * 9,
    )


def test_the_secrets_of_a_drift_job_are_secrets() -> None:
    assert secrets_of({"PROMPTOPS_ISSUES_TOKEN": "t" * 9, "PGPASSWORD": "p" * 9, "PGUSER": "me"}) == ("p" * 9, "t" * 9)


@given(st.text(alphabet=st.characters()), st.text(min_size=8, alphabet=st.characters()))
def test_weird_text_never_fails_and_never_keeps_the_secret(around: str, secret: str) -> None:
    redactor = Redactor([r"\d{16}"], [secret])
    shown = redactor.text(around + secret + around)
    if len(secret.strip()) >= 8 and secret.strip() not in REPLACEMENT:
        assert secret.strip() not in shown.replace(REPLACEMENT, "\0\0")
    assert redactor.text(shown) == shown or "[redacted]" in secret
