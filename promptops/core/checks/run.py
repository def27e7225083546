"""Run one check on one output."""

from __future__ import annotations

from typing import Literal

from promptops.core.checks.base import CheckContext, CheckError, NotMeasured
from promptops.core.checks.registry import CHECKS
from promptops.core.user_calls import describe, user_traceback
from promptops.errors import UserCodeError
from promptops.models import CheckResult, CheckSpec


def run_check(spec: CheckSpec, context: CheckContext) -> CheckResult:
    """Return what `spec` says of the output. It never raises: a check that cannot be made has the status `error`."""
    try:
        finding = CHECKS[spec.name].run(spec.options, context)
    except CheckError as error:
        return CheckResult(spec.label, "error", error.message, traceback=error.trace)
    except NotMeasured as unknown:
        return CheckResult(spec.label, "unmeasured", unknown.message)
    except UserCodeError as error:
        return CheckResult(spec.label, "error", str(error).splitlines()[0], traceback=error.detail)
    except Exception as error:  # a bug in a check must not take the session down, nor pass
        return CheckResult(spec.label, "error", describe(error), traceback=user_traceback(error))
    if finding.advice:
        return CheckResult(spec.label, "advice", finding.message, score=finding.score)
    if finding.held == "cannot":
        return CheckResult(spec.label, "fail", finding.message)
    if not spec.negate:
        status: Literal["pass", "fail"] = "pass" if finding.held == "yes" else "fail"
        return CheckResult(spec.label, status, finding.message, finding.differences, score=finding.score)
    if finding.held == "no":
        return CheckResult(spec.label, "pass", finding.message)
    return CheckResult(spec.label, "fail", f"{finding.message}, and should not")
