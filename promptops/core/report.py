"""What a report says of one case, and of one version: plain data that workers send and reporters consume."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast, get_args

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptops.core.quantiles import Quantiles
from promptops.core.reask import CUT, last_usage
from promptops.core.shown import short
from promptops.core.stats import wilson_interval
from promptops.models import (
    Case,
    CaseResult,
    CheckResult,
    Difference,
    Json,
    Judgement,
    Outcome,
    Reply,
    Sample,
    Standing,
    Turn,
    Usage,
)

_TEXT_LIMIT = 4_000
_EARLIER_LIMIT = 1_000  # characters of an answer after which the model was asked again
_SLOWEST = 3
_NETWORK = frozenset({"connection", "timeout", "rate_limit", "server", "auth", "not_found", "bad_reply"})
INVALID_SHARE = 0.05
"""The share of outputs that break the contract above which prompt or schema is taken to be the reason."""
STANDINGS: tuple[Standing, ...] = get_args(Standing)


class CaseRow(Struct, frozen=True):
    """One case of one version and pin, as reports show it. `cost` is US dollars (None: unknown).

    `cached_tokens` are input tokens that the provider read from its cache, `saved` the US dollars that this saved
    (None: the price is unknown); not for copies. `lost` are the dollars of conversations that ended without an answer
    (None: unknown), which are not in `cost`. `cut` counts replies that ended at `max_tokens` or at the end of the
    context.
    `sources` has an entry for each reply, `latencies` (seconds) for each whose latency was measured: not for copies.

    `validated` replies were held against the output contract: `invalid_first` broke it at first, `invalid` in the end,
    after the model had been asked again `asked_again` times; `earlier` are the answers of the shown sample before that,
    each with what was wrong.

    `against` words the accepted baseline that `standing` refers to; `asked` is the last user message and `answered`
    the text of the first sample that decided, both clipped to 4,000 characters. `where` is the case's file and line.
    """

    prompt: str
    version: str
    pin: str
    case: str
    standing: Standing
    outcome: Outcome
    reason: str = ""
    against: str = ""
    where: str = ""
    asked: str = ""
    answered: str = ""
    expected: Json = None
    value: Json = None
    checks: tuple[CheckResult, ...] = ()
    repairs: tuple[str, ...] = ()
    validated: int = 0
    invalid_first: int = 0
    invalid: int = 0
    asked_again: int = 0
    earlier: tuple[str, ...] = ()
    passes: int = 0
    of: int = 0
    failure: str = ""
    message: str = ""
    hint: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cut: int = 0
    cached_tokens: int = 0
    saved: float | None = 0.0
    cost: float | None = 0.0
    lost: float | None = 0.0
    latencies: tuple[float, ...] = ()
    sources: tuple[str, ...] = ()
    recorded_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, read back by `from_json`."""
        plain = {name: getattr(self, name) for name in self.__struct_fields__}
        plain["checks"] = [to_builtins(check) for check in self.checks]
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseRow:
        """Read what `to_json` wrote, or a part of it; tuples come back as tuples."""
        checks = tuple(
            CheckResult(**{**check, "differences": tuple(Difference(**d) for d in check["differences"])})
            for check in data.get("checks", ())
        )
        rest = {key: tuple(data.get(key, ())) for key in ("repairs", "latencies", "sources", "earlier")}
        return cls(**{**data, **rest, "checks": checks})


def row_of(
    result: CaseResult,
    case: Case,
    *,
    standing: Standing,
    reason: str = "",
    against: str = "",
    asked: str = "",
    whole: bool = True,
    saving: Callable[[Reply], float | None] | None = None,
) -> CaseRow:
    """Return the row of one judged case; the sample shown is the first that came out as the case did.

    Not `whole`, it is without what only somebody who looks at this very case reads: its place, what was expected and
    answered, and when. Ten thousand rows of cases that passed then take a third of the memory. `saving` says how many
    US dollars a provider's cache saved of a reply.
    """
    outcome = result.outcome
    shown = next((j for j in result.judgements if j.outcome == outcome), result.judgements[0])
    key, reply, failure = shown.sample.key, shown.sample.reply, shown.sample.failure
    found = [(j.sample, j.sample.reply) for j in result.judgements if j.sample.reply]
    costs = [sample.cost for sample, _ in found]
    lost = [j.sample.cost for j in result.judgements if j.sample.reply is None and j.sample.earlier]
    live = [(sample, reply) for sample, reply in found if sample.source != "cached"]
    used = [each for sample, reply in live if _uses_cache(reply.usage) for each in _replies(sample, reply)]
    savings = [saving(reply) if saving else None for reply in used]
    return CaseRow(
        prompt=key.prompt,
        version=key.version,
        pin=key.pin,
        case=key.case,
        standing=standing,
        outcome=outcome,
        reason=reason,
        against=against,
        where=f"{case.path}:{case.line}" if whole and case.path else "",
        asked=asked[:_TEXT_LIMIT],
        answered=reply.text[:_TEXT_LIMIT] if whole and reply else "",
        expected=case.expected if whole else None,
        value=_bounded(shown) if whole else None,
        checks=tuple([check for check in shown.checks if check.status != "pass"]),
        repairs=shown.repairs,
        validated=sum([j.valid is not None for j in result.judgements]),
        invalid_first=sum([j.first_valid is False for j in result.judgements]),
        invalid=sum([j.valid is False for j in result.judgements]),
        asked_again=sum([len(j.sample.earlier) for j in result.judgements]),
        earlier=tuple([_told(turn) for turn in shown.sample.earlier]) if whole else (),
        passes=result.passes,
        of=result.of,
        failure=failure.kind if failure else "",
        message=failure.message if failure else "",
        hint=failure.hint if failure else "",
        input_tokens=sum([reply.usage.input_tokens or 0 for _, reply in found]),
        output_tokens=sum([reply.usage.output_tokens or 0 for _, reply in found]),
        cut=sum([reply.finish_reason in CUT for _, reply in found]),
        cached_tokens=sum([reply.usage.cached_tokens or 0 for reply in used]),
        saved=None if None in savings else sum(cast("list[float]", savings)),
        cost=None if None in costs else sum(cast("list[float]", costs)),
        lost=None if None in lost else sum(cast("list[float]", lost)),
        latencies=tuple([reply.latency for sample, reply in found if sample.source != "cached" and not reply.batch]),
        sources=tuple(
            ["batch" if reply.batch and sample.source == "live" else sample.source for sample, reply in found]
        ),
        recorded_at=(shown.sample.recorded_at or "") if whole else "",
    )


def _told(turn: Turn) -> str:
    return f"{short(turn.text, _EARLIER_LIMIT)}\n{'; '.join(turn.problems)}"[:_TEXT_LIMIT]


def _replies(sample: Sample, reply: Reply) -> list[Reply]:
    """The reply of each request of a sample, with what that used alone: a price may depend on the length of one."""
    if not sample.earlier:
        return [reply]
    usages = [*(turn.usage for turn in sample.earlier), last_usage(sample, reply.usage)]
    return [replace(reply, usage=usage) for usage in usages]


def _uses_cache(usage: Usage) -> bool:
    return bool(usage.cached_tokens or usage.cache_write_tokens)


def _bounded(judgement: Judgement) -> Json:
    """The parsed output, unless it is larger than a report should carry."""
    reply = judgement.sample.reply
    return judgement.value if reply and len(reply.text) <= _TEXT_LIMIT else None


class VersionSummary(Struct, frozen=True):
    """One version under one pin. `rate` is passed of measured cases with its 95 % Wilson `interval`.

    The interval is as wide as the cases that were asked make it: one of copies only beside them is no further case.
    `varying` counts cases whose samples disagree, `answered` samples with a reply, `invalid` those whose output broke
    the contract in the end, `invalid_first` those whose first answer did, of `validated` held against one; the
    model was asked again `asked_again` times; `first_pass_rate` and `validation_rate` are the shares that satisfied it,
    `suspect` that so many first answers did not that prompt or schema is the problem,
    `cut` those that ended at their limit, `lost` the dollars of conversations that ended without an answer (not in
    `cost`, which is that of answers), `network` failures by kind: one says that the model answered
    badly, the other that it did not answer. `p50` and `p95` are seconds (of more than 100,000 samples to 0.1 %).
    """

    prompt: str
    version: str
    pin: str
    counts: Mapping[str, int]
    cases: int
    passed: int
    measured: int
    varying: int
    answered: int
    rate: float | None
    interval: tuple[float, float] | None
    cost: float | None
    input_tokens: int
    output_tokens: int
    p50: float | None
    p95: float | None
    sources: Mapping[str, int]
    slowest: tuple[tuple[str, float], ...]
    invalid: int
    repaired: int
    network: Mapping[str, int]
    other: Mapping[str, int]
    cut: int = 0
    cached_tokens: int = 0
    saved: float | None = 0.0
    lost: float | None = 0.0
    validated: int = 0
    invalid_first: int = 0
    asked_again: int = 0
    first_pass_rate: float | None = None
    validation_rate: float | None = None
    suspect: bool = False


def summarise(rows: Iterable[CaseRow]) -> list[VersionSummary]:
    """One summary for each (prompt, version, pin), in that order, versions by number."""
    groups: dict[tuple[str, str, str], RunningSummary] = {}
    for row in rows:
        key = (row.prompt, row.version, row.pin)
        if key not in groups:
            groups[key] = RunningSummary(*key)
        groups[key].add(row)
    return in_order(group.summary() for group in groups.values())


def in_order(summaries: Iterable[VersionSummary]) -> list[VersionSummary]:
    """By prompt, then by the number of the version, then by pin."""
    return sorted(summaries, key=lambda summary: (summary.prompt, int(summary.version[1:]), summary.pin))


class RunningSummary:
    """Sums up the rows of one version and pin as they come, and holds none of them."""

    def __init__(self, prompt: str, version: str, pin: str) -> None:
        self._side = (prompt, version, pin)
        self._standings: Counter[Standing] = Counter()
        self._sums: Counter[str] = Counter()
        self._sources: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._cost: float | None = 0.0
        self._saved: float | None = 0.0
        self._lost: float | None = 0.0
        self._latencies = Quantiles()
        self._slowest: list[tuple[float, int, str]] = []

    def add(self, row: CaseRow) -> None:
        """Take one row."""
        sums = self._sums
        self._standings[row.standing] += 1
        sums["passed"] += row.outcome == "pass"
        sums["measured"] += row.outcome in ("pass", "fail")
        sums["varying"] += 0 < row.passes < row.of
        sums["asked"] += row.outcome in ("pass", "fail") and set(row.sources) != {"cached"}
        sums["answered"] += len(row.sources)
        sums["validated"] += row.validated
        sums["invalid_first"] += row.invalid_first
        sums["invalid"] += row.invalid
        sums["asked_again"] += row.asked_again
        sums["repaired"] += bool(row.repairs)
        sums["cut"] += row.cut
        sums["cached_tokens"] += row.cached_tokens
        self._saved = None if self._saved is None or row.saved is None else self._saved + row.saved
        self._lost = None if self._lost is None or row.lost is None else self._lost + row.lost
        sums["input_tokens"] += row.input_tokens
        sums["output_tokens"] += row.output_tokens
        self._sources.update(row.sources)
        if row.failure:
            self._failures[row.failure] += 1
        if row.sources:
            self._cost = None if self._cost is None or row.cost is None else self._cost + row.cost
        for latency in row.latencies:
            self._latencies.add(latency)
        if row.latencies:
            bisect.insort(self._slowest, (-max(row.latencies), self._standings.total(), row.case))
            del self._slowest[_SLOWEST:]

    def summary(self) -> VersionSummary:
        """What the rows so far come to."""
        sums, failures = self._sums, sorted(self._failures.items())
        passed, measured = sums["passed"], sums["measured"]
        return VersionSummary(
            *self._side,
            counts={standing: self._standings[standing] for standing in STANDINGS},
            cases=self._standings.total(),
            passed=passed,
            measured=measured,
            varying=sums["varying"],
            answered=sums["answered"],
            rate=passed / measured if measured else None,
            interval=_interval(passed, measured, sums["asked"]),
            cost=self._cost,
            input_tokens=sums["input_tokens"],
            output_tokens=sums["output_tokens"],
            p50=self._latencies.quantile(0.5),
            p95=self._latencies.quantile(0.95),
            sources=dict(sorted(self._sources.items())),
            slowest=tuple((case, -latency) for latency, _, case in self._slowest),
            invalid=sums["invalid"],
            repaired=sums["repaired"],
            network={kind: count for kind, count in failures if kind in _NETWORK},
            other={kind: count for kind, count in failures if kind not in _NETWORK},
            cut=sums["cut"],
            cached_tokens=sums["cached_tokens"],
            saved=self._saved,
            lost=self._lost,
            validated=sums["validated"],
            invalid_first=sums["invalid_first"],
            asked_again=sums["asked_again"],
            first_pass_rate=_share(sums["validated"] - sums["invalid_first"], sums["validated"]),
            validation_rate=_share(sums["validated"] - sums["invalid"], sums["validated"]),
            suspect=sums["invalid_first"] > INVALID_SHARE * sums["validated"],
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _interval(passed: int, measured: int, asked: int) -> tuple[float, float] | None:
    """The interval of the rate, as wide as `asked` cases make it; where every case is a copy, as those they copy do."""
    total = asked or measured
    return wilson_interval(passed * total / measured, total) if measured else None
