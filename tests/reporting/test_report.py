from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from promptops.core.report import CaseRow, row_of, summarise
from promptops.models import Case, CaseResult, CheckResult, Difference, Json, Judgement, Sample
from promptops.reporting.failure import failure_text, sides
from promptops.reporting.lines import Line, painted
from promptops.reporting.summary import money, seconds, summary_lines

MakeRow = Callable[..., CaseRow]
MakeSample = Callable[..., Sample]


def test_a_row_survives_the_way_through_json(rows: list[CaseRow]) -> None:
    for each in rows:
        assert CaseRow.from_json(json.loads(json.dumps(each.to_json()))) == each


def test_versions_are_summed_up_apart_and_in_numeric_order(rows: list[CaseRow]) -> None:
    assert [summary.version for summary in summarise(rows)] == ["v2", "v9", "v10"]


def test_a_summary_keeps_broken_contracts_apart_from_missing_answers(rows: list[CaseRow]) -> None:
    summary = summarise(rows)[0]
    assert (summary.cases, summary.passed, summary.measured, summary.rate) == (6, 2, 4, 0.5)
    assert summary.interval == pytest.approx((0.150, 0.850), abs=0.001)
    assert (summary.invalid, summary.network, summary.other) == (2, {"timeout": 2}, {})
    assert (summary.input_tokens, summary.output_tokens, summary.cost) == (160, 20, 1.0)
    assert summary.sources == {"recorded": 4}


def test_a_cost_that_is_not_known_for_one_sample_is_not_known_for_all(row: MakeRow, sample: MakeSample) -> None:
    unknown = Judgement(sample("c1", "hi"), "pass")
    free = row("c2", "passed")
    other = row_of(CaseResult("c1", (unknown,)), Case("c1", {}), standing="passed")
    assert summarise([free, CaseRow.from_json({**other.to_json(), "cost": None})])[0].cost is None


def test_the_sample_shown_is_one_that_failed(sample: MakeSample) -> None:
    result = CaseResult(
        "c1", (Judgement(sample("c1", "good"), "pass"), Judgement(sample("c1", "bad", index=1), "fail"))
    )
    shown = row_of(result, Case("c1", {}), standing="broke")
    assert (shown.answered, shown.passes, shown.of) == ("bad", 1, 2)


def test_a_failure_reads_like_a_code_review(row: MakeRow) -> None:
    text = failure_text(row("c3", "broke", '{"time": "2:30 am"}', reason="passed in v1, fails in v2"))
    assert text.splitlines()[:-1] == [
        "BROKE: booking@v2 case c3",
        "  acme/parrot-2026-01-01",
        "  where      fixtures/booking/cases.jsonl:17",
        "  baseline   v1, accepted 2026-11-01",
        "  because    passed in v1, fails in v2",
        "  asked      Book me in",
        "             at 2:30pm",
        '  answered   {"time": "2:30 am"}',
        "             recorded 2026-11-22T07:00:00Z",
        "  repaired   took the JSON out of a fence",
        "  matches    1 path differs",
        "             root['time']",
        '             - expected "14:30:00"',
    ]
    assert text.splitlines()[-1].startswith('             + got      "\\u001b[31mred')


@pytest.mark.parametrize(
    ("expected", "actual", "told"),
    [
        ("caf\u00e9", "cafe\u0301", ('"caf\\u00e9"', '"cafe\\u0301"')),
        ("a b", "a\u00a0b", ('"a b"', '"a\\u00a0b"')),
        ("ab", "a\u200bb", ('"ab"', '"a\\u200bb"')),
        ("\u65e5\u672c", "\u4e2d\u56fd", ('"\u65e5\u672c"', '"\u4e2d\u56fd"')),
        ("x", 1, ('"x"', "1")),
    ],
)
def test_texts_that_look_the_same_are_told_apart(expected: Json, actual: Json, told: tuple[str, str]) -> None:
    assert sides(Difference("root", "values_changed", expected, actual)) == told


@pytest.mark.parametrize(("one", "other"), [("here", "there"), ("\u00e9", "e\u0301")])
def test_of_long_texts_the_part_that_differs_is_shown(one: str, other: str) -> None:
    before, after = "\u00fc" * 1_500, "y" * 400
    told = sides(Difference("root", "values_changed", f"{before}{one}{after}", f"{before}{other}{after}"))
    assert told[0] != told[1]
    assert max(map(len, told)) <= 230
    assert json.dumps(one, ensure_ascii=one.isascii() is False).strip('"') in told[0]


def test_keys_that_look_the_same_are_told_apart(row: MakeRow) -> None:
    keys = ("root['\u00e9']", "root['e\u0301']")
    told = [Difference(key, "dictionary_item_added", None, 1) for key in keys]
    shown = failure_text(replace(row("c3", "broke", "{}"), checks=(CheckResult("equals", "fail", "", tuple(told)),)))
    assert "root['\\xe9']" in shown
    assert "root['e\\u0301']" in shown


def test_a_failure_without_answer_says_what_to_do(row: MakeRow) -> None:
    assert failure_text(row("c5", "unmeasurable", None)).endswith(
        "  no answer  timeout: no answer in 60 s\n  next       try again later"
    )


def test_hostile_output_cannot_reach_the_terminal(rows: list[CaseRow]) -> None:
    for each in rows:
        text = failure_text(each)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert not any(line.startswith("::") for line in text.splitlines())


def test_long_output_is_cut_and_says_how_much(row: MakeRow) -> None:
    text = failure_text(row("c3", "broke", "line\n" * 100))
    assert "… and 88 more lines" in text


def test_the_summary_of_a_version(row: MakeRow) -> None:
    lines = summary_lines(
        summarise([row("c1", "passed"), row("c2", "fixed"), row("c3", "broke"), row("c5", "unmeasurable", None)])
    )
    assert [line.text for line in lines] == [
        "booking@v2  acme/parrot-2026-01-01",
        "  4 cases: 1 passed, 1 broke, 1 fixed, 1 unmeasurable",
        "  pass rate 66.7% (95% interval 20.8% to 93.9%, 3 measured)",
        "  3 recorded; $0.7500; 120 tokens in, 15 out; p50 500 ms, p95 500 ms, slowest c1 500 ms (recorded)",
        "  output contract: 1 invalid, 1 repaired",
        "  1 of 3 answers (33.3%) break the output contract: a problem of prompt or schema, not of the network",
        "  no answer (network or provider): 1 timeout",
    ]
    assert lines[1].style == "bad"


@pytest.mark.parametrize(
    ("dollars", "text"), [(None, "cost unknown"), (0.0, "$0"), (0.01234, "$0.0123"), (1234.5, "$1,234.50")]
)
def test_money(dollars: float | None, text: str) -> None:
    assert money(dollars) == text


@pytest.mark.parametrize(("value", "text"), [(0.85, "850 ms"), (1.24, "1.2 s")])
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_colour_is_only_there_where_it_is_wanted() -> None:
    lines = [Line("good", "good"), Line("plain")]
    assert painted(lines, color=False) == "good\nplain"
    assert painted(lines, color=True) == "\x1b[32mgood\x1b[0m\nplain"
