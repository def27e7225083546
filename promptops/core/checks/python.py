"""`python`: a function of the repository, `checks.py:polite`, called with the output and the case."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from promptops.core.checks.base import CheckContext, CheckError, Finding, found, quoted
from promptops.core.user_calls import Raised, call_user
from promptops.models import CheckResult, Json

HALF = 0.5
REFERENCE = re.compile(r"(?P<file>[\w\-./]+\.py):(?P<name>[A-Za-z_]\w*)")


class PythonCheck:
    """`- python: checks.py:polite`. The function takes `(output, case)`.

    It returns True (pass) or False (fail), a text that says what is wrong, None (nothing is), a float from 0 to 1 (a
    score, which passes from `HALF` on), or a `CheckResult`, which may have a score.
    `output` is the parsed and normalised value; the text where there is no contract. Any other answer, and anything
    that it raises, is an error.
    """

    name = "python"

    def problems(self, options: Json) -> Iterator[str]:
        if not isinstance(options, str) or not REFERENCE.fullmatch(options):
            yield "takes a file and a function, such as checks.py:polite"

    def run(self, options: Json, context: CheckContext) -> Finding:
        if context.has_contract and not context.parsed.valid:
            return Finding("cannot", "not called, the output is invalid: " + "; ".join(context.parsed.problems[:3]))
        reference = str(options)
        output = context.parsed.value if context.has_contract else context.reply.text
        try:
            answer = call_user(context.python(reference), output, context.case)
        except Raised as raised:
            raise CheckError(f"{reference} raised {raised.reason}", raised.trace) from None
        return _finding(reference, answer)


def _finding(reference: str, answer: Any) -> Finding:
    if answer is None or isinstance(answer, bool):
        return found(answer is not False, f"{reference} is content", f"{reference} returned False")
    if isinstance(answer, str) and answer.strip():
        return Finding("no", answer[:8_000])
    if isinstance(answer, CheckResult):
        if answer.status == "error":
            raise CheckError(answer.message or f"{reference} returned an error", answer.traceback)
        score = None if answer.score is None else _score(reference, answer.score)
        return Finding("yes" if answer.status == "pass" else "no", answer.message, answer.differences, score)
    if isinstance(answer, float):
        score = _score(reference, answer)
        said = f"{reference} gives {score:.3g} of 1"
        return Finding("yes" if score >= HALF else "no", said, score=score)
    if inspect.iscoroutine(answer):
        answer.close()
        raise CheckError(f"{reference} is async: a check is a plain function")
    kind = quoted(type(answer).__name__)
    raise CheckError(f"{reference} returned {kind}: return True, False, None or a text that says what is wrong")


def _score(reference: str, number: float) -> float:
    if not 0 <= number <= 1:  # NaN neither
        raise CheckError(f"{reference} returned {number!r}: a score lies between 0 and 1")
    return float(number)
