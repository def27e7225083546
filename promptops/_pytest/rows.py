"""One judged case beside its baseline, as the row that reports carry."""

from __future__ import annotations

from promptops.core.closure import render
from promptops.core.report import CaseRow, row_of
from promptops.core.standing import varies
from promptops.errors import PromptopsError
from promptops.models import Case, CaseResult
from promptops.runner.session import Session
from promptops.runner.targets import Target


def case_row(session: Session, target: Target, case: Case, result: CaseResult, *, always_asked: bool) -> CaseRow:
    """Judge the standing of `result`; what was asked is rendered for what a reader will look at."""
    stood = session.stand(target, result, case, varying=_varying(target, result))
    asked = _asked(target, case) if always_asked or stood.standing not in ("passed", "fixed") else ""
    against = target.baseline.words(case, target.measurement)
    return row_of(result, case, standing=stood.standing, reason=stood.reason, against=against, asked=asked)


def _varying(target: Target, result: CaseResult) -> int:
    """How many cases have a chance for a false alarm: those that varied when accepted, and this one if it varies now.

    Known before the run ends, and the same for every order and every number of workers.
    """
    entries = target.baseline.entries
    before = sum(0 < entry.passes < entry.of for entry in entries.values())
    entry = entries.get(result.case)
    counted = entry is not None and 0 < entry.passes < entry.of
    return max(1, before + (varies(result, None) and not counted))


def _asked(target: Target, case: Case) -> str:
    try:
        messages = render(target.closure, case.inputs)
    except PromptopsError:
        return ""
    return next((message.content for message in reversed(messages) if message.role == "user"), "")
