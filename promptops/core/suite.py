"""Whether a version as a whole holds what `prompt.yaml` promises: `pass_rate` and `budgets`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from promptops.core.report import VersionSummary
from promptops.formats import Budgets
from promptops.times import parse_duration

Status = Literal["pass", "fail", "undecided", "unmeasurable"]


class Finding(Struct, frozen=True):
    """One promise: what it says, and whether the run keeps it. `text` is one line."""

    name: str
    status: Status
    text: str


class SuiteVerdict(Struct, frozen=True):
    """All promises of one version. The worst finding decides: fail, unmeasurable, undecided, pass."""

    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        found = {finding.status for finding in self.findings}
        order: tuple[Status, ...] = ("fail", "unmeasurable", "undecided")
        return next((status for status in order if status in found), "pass")


def promises(pass_rate: float | None, budgets: Budgets) -> bool:
    """Whether there is anything to judge a suite by."""
    return pass_rate is not None or any(value is not None for value in budgets.__dict__.values())


def judge_suite(summary: VersionSummary, *, pass_rate: float | None, budgets: Budgets) -> SuiteVerdict:
    """Judge all cases of one version and pin.

    The pass rate is passed of measured cases and must reach `pass_rate`. Where the samples of a case disagree with each
    other, a rate below it is undecided as long as its 95 % Wilson interval reaches it. A case that could not be
    measured makes the pass rate unmeasurable, unless so many failed that no outcome of it could mend the rate.
    """
    checks = (
        _pass_rate(summary, pass_rate),
        _cost(summary, budgets.cost_per_request),
        _latency(summary, budgets.p95_latency),
        _validation(summary, budgets.validation_failure_rate),
        _first_pass(summary, budgets.first_pass_failure_rate),
    )
    return SuiteVerdict(tuple(finding for finding in checks if finding is not None))


def _pass_rate(summary: VersionSummary, wanted: float | None) -> Finding | None:
    if wanted is None:
        return None
    missing = summary.cases - summary.measured
    said = f"pass rate {summary.passed} of {summary.measured}, wanted {wanted:.1%}"
    if (summary.passed + missing) / summary.cases < wanted and not summary.varying:
        return Finding("pass_rate", "fail", said)
    if missing:
        return Finding("pass_rate", "unmeasurable", f"{said}; {missing} of {summary.cases} cases were not measured")
    if summary.rate is not None and summary.rate >= wanted:
        return Finding("pass_rate", "pass", said)
    if summary.interval is not None and summary.interval[1] >= wanted:
        high = f"{summary.interval[1]:.1%}"
        return Finding("pass_rate", "undecided", f"{said}; outputs vary, and the 95% interval reaches up to {high}")
    return Finding("pass_rate", "fail", said)


def _cost(summary: VersionSummary, limit: float | None) -> Finding | None:
    if limit is None:
        return None
    if not summary.answered or summary.cost is None:
        why = (
            "nothing was measured"
            if not summary.answered
            else "the price of the model is not known: set [tool.promptops.prices]"
        )
        return Finding("cost_per_request", "unmeasurable", f"cost per request: {why}")
    cost = summary.cost / summary.answered
    said = f"cost per request ${cost:.6f}, at most ${limit:.6f}"
    return Finding("cost_per_request", "pass" if cost <= limit else "fail", said)


def _latency(summary: VersionSummary, limit: float | str | None) -> Finding | None:
    if limit is None:
        return None
    seconds = parse_duration(limit) if isinstance(limit, str) else limit
    if summary.p95 is None:
        return Finding("p95_latency", "unmeasurable", "p95 latency: nothing was measured")
    recorded = " (as recorded)" if "live" not in summary.sources else ""
    said = f"p95 latency {summary.p95:.3f} s{recorded}, at most {seconds:.3f} s"
    return Finding("p95_latency", "pass" if summary.p95 <= seconds else "fail", said)


def _first_pass(summary: VersionSummary, limit: float | None) -> Finding | None:
    if limit is None:
        return None
    if not summary.answered:
        return Finding(
            "first_pass_failure_rate", "unmeasurable", "first-pass validation failures: nothing was measured"
        )
    rate = summary.invalid_first / summary.answered
    said = f"first-pass validation failures {summary.invalid_first} of {summary.answered}, at most {limit:.1%}"
    return Finding("first_pass_failure_rate", "pass" if rate <= limit else "fail", said)


def _validation(summary: VersionSummary, limit: float | None) -> Finding | None:
    if limit is None:
        return None
    if not summary.answered:
        return Finding("validation_failure_rate", "unmeasurable", "validation failures: nothing was measured")
    rate = summary.invalid / summary.answered
    said = f"validation failures {summary.invalid} of {summary.answered}, at most {limit:.1%}"
    return Finding("validation_failure_rate", "pass" if rate <= limit else "fail", said)
