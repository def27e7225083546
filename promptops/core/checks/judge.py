"""`judge`: another prompt grades the output."""

from __future__ import annotations

from collections.abc import Iterator

from promptops.core import judging
from promptops.core.checks.base import CheckContext, CheckError, Finding, NotMeasured, quoted, unknown_keys
from promptops.core.judging import Judge
from promptops.models import Json, Sample

_OWN = ("template", "stale_recording", "edited_recording", "unreadable_recordings")


class JudgeCheck:
    """`- judge: polite@v2`, or with `threshold` and `against: expected`.

    A judge that is not calibrated advises: what it says is shown, and decides nothing. One that gates and was not
    asked leaves the output unmeasured; one whose answer is not what it was asked for is an error.
    """

    name = "judge"

    def problems(self, options: Json) -> Iterator[str]:
        yield from judging.problems(options)
        if isinstance(options, dict):
            yield from unknown_keys(options, judging.OPTIONS)

    def run(self, options: Json, context: CheckContext) -> Finding:
        asked = judging.parse_asked(options)
        judge = context.judges.get(asked)
        if judge is None:
            raise CheckError(f"{asked.name} was not loaded, so it cannot judge")
        if not (advises := judge.advises):
            return self._graded(asked, judge, context)
        try:
            found = self._graded(asked, judge, context)
        except (CheckError, NotMeasured) as error:
            return Finding("no", f"{error.message} (advice only: {advises})", advice=True)
        said = "would pass" if found.held == "yes" else "would fail"
        return Finding(found.held, f"{said}, {found.message} (advice only: {advises})", score=found.score, advice=True)

    def _graded(self, asked: judging.Asked, judge: Judge, context: CheckContext) -> Finding:
        if asked.compares and not context.case.has_expected:
            raise CheckError(f"{judge.name} compares with `expected`, which the case has not")
        grade = self._grade(asked, judge, context)
        message = f"{judge.name} says {grade.score:.2g}: {grade.reason}"
        return Finding("yes" if grade.passed else "no", message, score=grade.score)

    def _grade(self, asked: judging.Asked, judge: Judge, context: CheckContext) -> judging.Grade:
        keys = judging.judging_keys(judge, asked, context.key) if context.key is not None else []
        answers = [context.answers[key] for key in keys if key in context.answers]
        if not keys or len(answers) < len(keys):
            raise NotMeasured(f"{judge.name} was not asked")
        texts = [_text(judge, answer) for answer in answers]
        try:
            return judging.grade_of(asked, texts)
        except ValueError as error:
            said = " / ".join(quoted(text, 200) for text in texts)
            raise CheckError(f"{judge.name} gave no verdict: {error}; it said {said}") from None


def _text(judge: Judge, answer: Sample) -> str:
    if answer.reply is not None:
        return answer.reply.text
    failure = answer.failure
    why = f"{judge.name} has no answer: {failure.message}" if failure is not None else f"{judge.name} was not asked"
    if failure is not None and failure.kind in _OWN:
        raise CheckError(why)
    raise NotMeasured(why)
