"""Prices in pyproject.toml: two numbers, or a table."""

from __future__ import annotations

import pytest

from promptops.config import Price, parse_config
from promptops.errors import ConfigError


def prices(text: str) -> str:
    return f'[tool.promptops.prices]\n"a/b" = {text}\n'


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("[1, 2.5]", Price(input=1.0, output=2.5)),
        ("{ input = 1, output = 2.5 }", Price(input=1.0, output=2.5)),
        ("{ input = 1, output = 2, cached = 0, batch = 0.5 }", Price(input=1.0, output=2.0, cached=0.0, batch=0.5)),
    ],
)
def test_a_price_is_two_numbers_or_a_table(text: str, price: Price) -> None:
    assert parse_config(prices(text)).prices == {"a/b": price}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[1]", "input, output"),
        ("[1, 2, 3]", "input, output"),
        ('["1", 2]', "a/b.input"),
        ("[-1, 2]", "a/b.input"),
        ("{ input = 1 }", "a/b: the key 'output' is missing"),
        ("{ input = 1, output = 2, cache = 3 }", "unknown key, did you mean 'cached'?"),
        ("{ input = 1, output = 2, batch = 2 }", "a/b.batch"),
        ("[nan, 2]", "a/b.input"),
        ("3", "a/b"),
    ],
)
def test_a_price_that_is_none_is_told_with_its_line(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(prices(text))
    assert says in str(caught.value)
    assert str(caught.value).startswith("pyproject.toml:2: ")
