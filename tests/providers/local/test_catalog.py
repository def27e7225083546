from __future__ import annotations

import pytest

from promptops.errors import UsageError
from promptops.models import Pin
from promptops.providers.local.catalog import CATALOG, find_model, model_of

SMOL = CATALOG[0]


@pytest.mark.parametrize(
    "name",
    [
        "smollm2-135m-instruct",
        "local/smollm2-135m-instruct",
        "smollm2-135m-instruct@b179c9523d0e",
        "local/smollm2-135m-instruct@b179c9523d0e",
    ],
)
def test_a_model_is_found_by_name_and_by_pin(name: str) -> None:
    assert find_model(name) is SMOL


def test_the_pin_names_the_first_twelve_digits_of_the_file() -> None:
    assert str(SMOL.pin) == "local/smollm2-135m-instruct@b179c9523d0e"
    assert model_of(SMOL.pin) is SMOL


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("smollm2-135m-instrukt", "did you mean 'smollm2-135m-instruct'?"),
        ("gpt-4o", "known: smollm2-135m-instruct"),
        ("smollm2-135m-instruct@000000000000", "its pin is local/smollm2-135m-instruct@b179c9523d0e"),
    ],
)
def test_an_unknown_name_and_another_digest_say_what_is_known(name: str, words: str) -> None:
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        find_model(name)


def test_a_pin_without_digest_would_float() -> None:
    with pytest.raises(UsageError, match="write local/smollm2-135m-instruct@b179c9523d0e"):
        model_of(Pin("local", "smollm2-135m-instruct"))
