"""The summary says what the provider's cache gave, by the usage of each reply."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from promptops.config import Price
from promptops.core.pricing import saved
from promptops.core.report import CaseRow, row_of, summarise
from promptops.models import Case, CaseResult, Judgement, Pin, Reply, Sample, SampleKey, Source, Usage
from promptops.reporting.summary import summary_lines

PIN = Pin("acme", "m-1")
PRICES = {str(PIN): Price(input=2.0, output=8.0, cached=0.5, cache_write=2.5)}


def row(number: int, usage: Usage, *, source: Source = "live", priced: bool = True, finish: str = "stop") -> CaseRow:
    key = SampleKey("p", "v1", str(PIN), f"c{number}")
    sample = Sample(key, "", reply=Reply("x", finish, usage, latency=1.0), source=source, cost=0.01)
    result = CaseResult(key.case, (Judgement(sample, "pass"),))
    prices = PRICES if priced else {}
    return row_of(result, Case(key.case, {}), standing="passed", saving=lambda found: saved(PIN, found.usage, prices))


def words(rows: Sequence[CaseRow]) -> list[str]:
    return [line.text.strip() for line in summary_lines(summarise([CaseRow.from_json(row.to_json()) for row in rows]))]


HIT = Usage(1_000_000, 10, cached_tokens=800_000)
WRITE = Usage(1_000_000, 10, cache_write_tokens=1_000_000)


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([row(1, HIT)], "provider's cache: 80% of the input tokens, $1.20 saved"),
        ([row(1, HIT), row(2, Usage(1_000_000, 10))], "provider's cache: 40% of the input tokens, $1.20 saved"),
        ([row(1, WRITE), row(2, HIT)], "provider's cache: 40% of the input tokens, $0.7000 saved"),
        ([row(1, WRITE)], "provider's cache: 0% of the input tokens, $0.5000 more than without it"),
        ([row(1, HIT, source="recorded")], "provider's cache: 80% of the input tokens, $1.20 saved"),
        ([row(1, HIT, priced=False)], "provider's cache: 80% of the input tokens, saving unknown"),
    ],
)
def test_cached_share_and_money_saved(rows: list[CaseRow], line: str) -> None:
    assert line in words(rows)


@pytest.mark.parametrize("rows", [[row(1, Usage(1_000, 10))], [row(1, HIT, source="cached")]])
def test_without_a_providers_cache_there_is_no_line(rows: list[CaseRow]) -> None:
    assert not any("provider's cache" in line for line in words(rows))


def test_replies_that_were_cut_are_counted() -> None:
    rows = [row(1, HIT, finish="length"), row(2, HIT, finish="MAX_TOKENS"), row(3, HIT)]
    assert "2 replies were cut: at max_tokens or at the end of the context" in words(rows)
