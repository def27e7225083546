"""One judged case beside its baseline, as the row that reports carry."""

from __future__ import annotations

from promptops.core.closure import render
from promptops.core.report import CaseRow, row_of
from promptops.core.standing import varies
from promptops.errors import PromptopsError
from promptops.models import Case, CaseResult
from promptops.runner.session import Session
from promptops.runner.targets import Target


def case_row(session: Session, target: Target, case: Case, result: CaseResult, *, reported: bool) -> CaseRow:
    """Judge the standing of `result`. What was asked and answered is told of cases that a reader will look at.

    These are all where report files are written (`reported`), else those that did not simply pass.
    """
    stood = session.stand(target, result, case, varying=_varying(target, result))
    whole = reported or stood.standing not in ("passed", "fixed")
    return row_of(
        result,
        case,
        standing=stood.standing,
        reason=stood.reason,
        against=target.baseline.words(case, target.measurement),
        asked=_asked(target, case) if whole else "",
        whole=whole,
        saving=target.saving,
    )


def _varying(target: Target, result: CaseResult) -> int:
    """How many cases have a chance for a false alarm: those that varied when accepted, and this one if it varies now.

    Known before the run ends, and the same for every order and every number of workers.
    """
    counted = result.case in target.varied
    return max(1, len(target.varied) + (varies(result, None) and not counted))


def _asked(target: Target, case: Case) -> str:
    try:
        messages = render(target.closure, case.inputs, read=target.read)
    except PromptopsError:
        return ""
    return next((message.content for message in reversed(messages) if message.role == "user"), "")
