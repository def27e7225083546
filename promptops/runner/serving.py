"""What becomes of an answer at run time: another model is asked where none came, a declared value stands in for none.

`serving` decides, and whoever drives it asks, waiting or awaiting.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterable

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.contract import Contract, Parsed
from promptops.core.reask import CUT, total_usage
from promptops.formats import Closure, Fallback
from promptops.models import Json, Pin, PlannedSample, Sample, ServedRules, Usage

_FINAL = frozenset({"request", "template", "budget", "cancelled"})
"""Failures that another model would meet as well."""
_PROBLEMS = 3


class Served(Struct, frozen=True):
    """How a prompt was served: by the last `sample`, or, where `value` is set, by what prompt.yaml declares.

    `why` says why it is not the pinned model's own output (empty: it is), `parsed` is what the contract made of the
    text where it was looked at. `usage` and `cost` are those of all that was asked.
    """

    sample: Sample
    usage: Usage
    cost: float | None
    why: str = ""
    value: Fallback | None = None
    parsed: Parsed | None = None

    @property
    def logged(self) -> str:
        """`why` without what a model wrote."""
        return self.why.partition("\n")[0]


def serving(
    plan: Iterable[PlannedSample], fallback: Fallback | None, contract: Callable[[], Contract]
) -> Generator[PlannedSample, Sample, Served]:
    """Yield what is asked, be sent the samples, and return how the prompt was served.

    `plan` has the pinned model first, then those that may stand in for it. The contract is only made, and the output
    only looked at, where a value is declared.
    """
    asked, why = list[Sample](), ""
    for planned in plan:
        asked.append((yield planned))
        if not falls_back(asked[-1]):
            break
        why = why or _no_answer(asked[-1])
    last = asked[-1]
    if last.reply is None:
        stands_in = fallback if falls_back(last) else None
        return _served(asked, why, stands_in, None)
    why = why if len(asked) > 1 else ""
    if fallback is None or last.reply.tool_calls:
        return _served(asked, why, None, None)
    parsed = contract().parse(last.reply.text)
    if parsed.valid:
        return _served(asked, why, None, parsed)
    return _served(asked, _invalid(last, parsed), fallback, parsed)


def falls_back(sample: Sample) -> bool:
    """Whether another model, or a declared value, may stand in: not where this request can never succeed."""
    return sample.failure is not None and sample.failure.kind not in _FINAL


def rules_at_run_time(closure: Closure, pin: str) -> ServedRules | None:
    """Which replies count at run time; another model than the pinned one has regions, hosts and prints of its own."""
    settings = closure.identity
    if settings is None:
        return None
    allow = frozenset([*settings.allow, *settings.runtime])
    if pin != closure.model:
        return ServedRules(allow)
    return ServedRules(allow, tuple(settings.fingerprints), tuple(settings.regions), tuple(settings.hosts))


def value_of(fallback: Fallback) -> Json:
    """A copy: what a caller does to it must not reach the next one."""
    value: Json = json.loads(json.dumps(fallback.value))
    return value


def _served(asked: list[Sample], why: str, value: Fallback | None, parsed: Parsed | None) -> Served:
    """Sums of all that was asked: a model that failed after it had been asked again has cost something, too."""
    last, before = asked[-1], [sample for sample in asked[:-1] if sample.earlier]
    usages = [turn.usage for sample in before for turn in sample.earlier]
    usages += [last.reply.usage] if last.reply is not None else [turn.usage for turn in last.earlier]
    costs = [sample.cost for sample in (*before, *([last] if last.reply is not None or last.earlier else []))]
    cost = None if None in costs else math.fsum(cost for cost in costs if cost is not None)
    return Served(last, total_usage(usages) if usages else Usage(), cost, why, value, parsed)


def _no_answer(sample: Sample) -> str:
    failure = sample.failure
    assert failure is not None
    return f"{Pin.parse(sample.key.pin)} did not answer ({failure.kind})\n{failure.message}"


def _invalid(sample: Sample, parsed: Parsed) -> str:
    answers = len(sample.earlier) + 1
    many = "the answer" if answers == 1 else f"the last of {answers} answers"
    cut = " was cut at its limit and" if sample.reply is not None and sample.reply.finish_reason in CUT else ""
    problems = "; ".join(parsed.problems[:_PROBLEMS])
    return f"{many} of {sample.key.pin}{cut} does not satisfy the output contract\n{problems}"


def with_rules(planned: PlannedSample, closure: Closure) -> PlannedSample:
    """A planned sample with which replies count at run time, and how often it is asked again."""
    return replace(planned, served=rules_at_run_time(closure, planned.key.pin), reask=closure.reask)
