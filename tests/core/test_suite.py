"""A suite keeps or breaks the promises of prompt.yaml."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from promptops.core.report import CaseRow, summarise
from promptops.core.suite import judge_suite, promises
from promptops.formats import Budgets

PASSED = CaseRow(
    "p", "v1", "x/y", "c", "passed", "pass", passes=1, of=1, latencies=(0.1,), sources=("recorded",), cost=0.001
)
BROKE = replace(PASSED, standing="broke", outcome="fail", passes=0)
VARIES = replace(PASSED, standing="broke", outcome="fail", passes=1, of=2, latencies=(0.1, 0.1))
MISSING = replace(PASSED, standing="unmeasurable", outcome="unmeasurable", passes=0, of=0, latencies=(), sources=())


@pytest.mark.parametrize(
    ("rows", "wanted", "status"),
    [
        ([PASSED] * 9 + [BROKE], 0.9, "pass"),
        ([PASSED] * 8 + [BROKE] * 2, 0.9, "fail"),
        ([PASSED] * 8 + [BROKE, VARIES], 0.9, "undecided"),
        ([BROKE] * 19 + [VARIES], 0.9, "fail"),
        ([PASSED] * 9 + [MISSING], 0.9, "unmeasurable"),
        ([PASSED] * 7 + [BROKE] * 2 + [MISSING], 0.9, "fail"),
        ([MISSING], 0.9, "unmeasurable"),
        ([BROKE], 0.0, "pass"),
    ],
)
def test_the_pass_rate_decides(rows: Sequence[CaseRow], wanted: float, status: str) -> None:
    assert judge_suite(summarise(rows)[0], pass_rate=wanted, budgets=Budgets()).status == status


@pytest.mark.parametrize(
    ("rows", "budgets", "status", "words"),
    [
        ([PASSED], Budgets(cost_per_request=0.001), "pass", "$0.001000"),
        ([PASSED], Budgets(cost_per_request=0.0009), "fail", "at most $0.000900"),
        ([replace(PASSED, cost=None)], Budgets(cost_per_request=1.0), "unmeasurable", "tool.promptops.prices"),
        ([MISSING], Budgets(cost_per_request=1.0), "unmeasurable", "nothing was measured"),
        ([PASSED], Budgets(p95_latency="99ms"), "fail", "0.100 s (as recorded), at most 0.099 s"),
        ([PASSED], Budgets(p95_latency=0.1), "pass", "at most 0.100 s"),
        ([MISSING], Budgets(p95_latency=0.1), "unmeasurable", "nothing was measured"),
        ([replace(PASSED, invalid=1), PASSED], Budgets(validation_failure_rate=0.5), "pass", "1 of 2"),
        ([replace(PASSED, invalid=1), PASSED], Budgets(validation_failure_rate=0.4), "fail", "at most 40.0%"),
        ([MISSING], Budgets(validation_failure_rate=0.4), "unmeasurable", "nothing was measured"),
    ],
)
def test_a_budget_decides(rows: Sequence[CaseRow], budgets: Budgets, status: str, words: str) -> None:
    verdict = judge_suite(summarise(rows)[0], pass_rate=None, budgets=budgets)

    assert verdict.status == status
    assert words in verdict.findings[0].text


def test_the_worst_finding_decides() -> None:
    budgets = Budgets(cost_per_request=0.0001, p95_latency=1.0)

    verdict = judge_suite(summarise([PASSED, MISSING])[0], pass_rate=0.5, budgets=budgets)

    assert [finding.status for finding in verdict.findings] == ["unmeasurable", "fail", "pass"]
    assert verdict.status == "fail"


@pytest.mark.parametrize(
    ("pass_rate", "budgets", "promised"),
    [(None, Budgets(), False), (0.0, Budgets(), True), (None, Budgets(p95_latency=1.0), True)],
)
def test_a_suite_exists_only_where_something_is_promised(
    pass_rate: float | None, budgets: Budgets, promised: bool
) -> None:
    assert promises(pass_rate, budgets) is promised
