"""Judge one sample: what a contract and the checks say of an output, or why there is nothing to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptops.core.checks import CheckContext, run_check
from promptops.core.checks.base import Resolver
from promptops.core.contract import Contract, Parsed
from promptops.core.judging import Asked, Judge
from promptops.models import Case, CheckResult, CheckSpec, Judgement, Outcome, Reply, Sample

_SCHEMA = CheckSpec("schema")
_MATCHES = CheckSpec("matches")
_RECORDING = ("stale_recording", "edited_recording", "unreadable_recordings")
NOTHING = "nothing is checked: give the case `expected`, or the prompt `checks` or an `output` contract"

ONLY_ADVICE = "nothing gates: a judge that advises is the only check; calibrate it, or add a check"


def judge(
    sample: Sample,
    case: Case,
    contract: Contract,
    checks: Sequence[CheckSpec],
    resolve_python: Resolver,
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    judges: Mapping[Asked, Judge] | None = None,
) -> Judgement:
    """Judge `sample` by the prompt's `checks` (see `checks_for`) and the case's own; `judges` are what these name.

    A reply that calls one of `tools` with other arguments than its schema allows, or none of them, fails.

    A stale, edited or unreadable recording is an `error`, any other missing reply `unmeasurable`. Any check that errors
    makes the outcome `error`; one that cannot judge this output makes it `unmeasurable` where none fails.
    Deterministic, and never raises for what a model wrote.
    """
    if sample.reply is None:
        return Judgement(sample, _without_reply(sample))
    has_contract = contract.schema is not None
    parsed = contract.parse(sample.reply.text)
    specs = checks_for(case, has_contract=has_contract, checks=checks)
    copied = sample.source == "cached"
    answers = {answer.key: answer for answer in sample.answers}
    context = CheckContext(
        case, sample.reply, sample.cost, parsed, resolve_python, has_contract, copied, sample.key, judges or {}, answers
    )
    results = [run_check(spec, context) for spec in specs]
    results += _own_errors(parsed, specs, results)
    results += _wrong_calls(sample.reply, tools)
    return Judgement(
        sample,
        _outcome(results),
        value=parsed.value,
        valid=parsed.valid if has_contract else None,
        repairs=parsed.repairs,
        checks=tuple(results),
    )


def checks_for(case: Case, *, has_contract: bool, checks: Sequence[CheckSpec]) -> list[CheckSpec]:
    """The prompt's checks and the case's own.

    A prompt without checks has the default ones: `schema` where there is a contract, `matches` where the case has
    `expected` and no `matches` or `equals` of its own.
    """
    if checks:
        return [*checks, *case.checks]
    compared = any(spec.name in ("matches", "equals") for spec in case.checks)
    defaults = [_SCHEMA] * has_contract + [_MATCHES] * (case.has_expected and not compared)
    return [*defaults, *case.checks]


def _without_reply(sample: Sample) -> Outcome:
    return "error" if sample.failure is not None and sample.failure.kind in _RECORDING else "unmeasurable"


def _wrong_calls(reply: Reply, tools: Sequence[Mapping[str, Any]]) -> list[CheckResult]:
    """What the calls of a reply do not keep to, told without being asked for; nothing where they do."""
    if not reply.tool_calls or not tools:
        return []
    from promptops.core.tools import call_problems

    problems = call_problems(tools, reply.tool_calls)
    return [CheckResult("tool_calls", "fail", "; ".join(problems))] if problems else []


def _own_errors(parsed: Parsed, specs: Sequence[CheckSpec], results: Sequence[CheckResult]) -> list[CheckResult]:
    """Errors that no check of the user's would show: nothing to check, a contract that raised."""
    if not specs:
        return [CheckResult("checks", "error", NOTHING)]
    if all(spec.name == "judge" for spec in specs) and results and all(each.status == "advice" for each in results):
        return [CheckResult("checks", "unmeasured", ONLY_ADVICE)]
    if parsed.error and not any(spec.name == "schema" for spec in specs):
        return [CheckResult("schema", "error", parsed.problems[0], traceback=parsed.error)]
    return []


def _outcome(results: Sequence[CheckResult]) -> Outcome:
    statuses = {result.status for result in results}
    if "error" in statuses or "fail" in statuses:
        return "error" if "error" in statuses else "fail"
    return "unmeasurable" if "unmeasured" in statuses else "pass"
