from __future__ import annotations

from collections.abc import Callable

from promptops.core.report import CaseRow
from promptops.reporting.listing import listed_lines

MakeRow = Callable[..., CaseRow]


def test_cases_of_one_reason_stand_on_one_line(row: MakeRow) -> None:
    rows = [row("c1", "fixed"), row("c2", "fixed"), row("c3", "passed"), row("c4", "broke"), row("c5", "known")]
    assert [line.text for line in listed_lines(rows)] == ["fixed: booking@v2 c1, c2"]


def test_what_could_not_be_measured_says_why_and_what_to_do_once(row: MakeRow) -> None:
    rows = [row("c1", "unmeasurable", None), row("c2", "unmeasurable", None), row("c1", "fixed", version="v3")]
    assert [line.text for line in listed_lines(rows)] == [
        "fixed: booking@v3 c1",
        "unmeasurable: booking@v2 c1, c2  timeout: no answer in 60 s",
        "  next: try again later",
    ]


def test_a_long_list_is_cut(row: MakeRow) -> None:
    lines = list(listed_lines([row(f"c{number}", "fixed") for number in range(23)]))
    assert lines[0].text.endswith("c19 … and 3 more")
