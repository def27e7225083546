"""What a report says of one case, and of one version: plain data that workers send and reporters consume."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from promptops.core.stats import quantile, wilson_interval
from promptops.models import Case, CaseResult, CheckResult, Difference, Json, Judgement, Outcome, Standing

_TEXT_LIMIT = 4_000
_NETWORK = frozenset({"connection", "timeout", "rate_limit", "server", "auth", "not_found", "bad_reply"})
STANDINGS: tuple[Standing, ...] = get_args(Standing)


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of one version and pin, as reports show it. Latencies are seconds, `cost` US dollars (None: unknown).

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
    invalid: int = 0
    passes: int = 0
    of: int = 0
    failure: str = ""
    message: str = ""
    hint: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    latencies: tuple[float, ...] = ()
    sources: tuple[str, ...] = ()
    recorded_at: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data, read back by `from_json`."""
        plain = {name: getattr(self, name) for name in self.__slots__}
        plain["checks"] = [dataclasses.asdict(check) for check in self.checks]
        return plain

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseRow:
        """Read what `to_json` wrote; tuples come back as tuples."""
        checks = tuple(
            CheckResult(**{**check, "differences": tuple(Difference(**d) for d in check["differences"])})
            for check in data["checks"]
        )
        rest = {key: tuple(data[key]) for key in ("repairs", "latencies", "sources")}
        return cls(**{**data, **rest, "checks": checks})


def row_of(
    result: CaseResult,
    case: Case,
    *,
    standing: Standing,
    reason: str = "",
    against: str = "",
    asked: str = "",
) -> CaseRow:
    """Return the row of one judged case; the sample shown is the first that came out as the case did."""
    shown = next((j for j in result.judgements if j.outcome == result.outcome), result.judgements[0])
    key, reply, failure = shown.sample.key, shown.sample.reply, shown.sample.failure
    replies = [j.sample.reply for j in result.judgements if j.sample.reply]
    costs = [j.sample.cost for j in result.judgements if j.sample.reply]
    return CaseRow(
        prompt=key.prompt,
        version=key.version,
        pin=key.pin,
        case=key.case,
        standing=standing,
        outcome=result.outcome,
        reason=reason,
        against=against,
        where=f"{case.path}:{case.line}" if case.path else "",
        asked=asked[:_TEXT_LIMIT],
        answered=(reply.text if reply else "")[:_TEXT_LIMIT],
        expected=case.expected,
        value=_bounded(shown),
        checks=tuple(check for check in shown.checks if check.status != "pass"),
        repairs=shown.repairs,
        invalid=sum(j.valid is False for j in result.judgements),
        passes=result.passes,
        of=result.of,
        failure=failure.kind if failure else "",
        message=failure.message if failure else "",
        hint=failure.hint if failure else "",
        input_tokens=sum(r.usage.input_tokens or 0 for r in replies),
        output_tokens=sum(r.usage.output_tokens or 0 for r in replies),
        cost=None if None in costs else sum(cast("list[float]", costs)),
        latencies=tuple(r.latency for r in replies),
        sources=tuple(j.sample.source for j in result.judgements if j.sample.reply),
        recorded_at=shown.sample.recorded_at or "",
    )


def _bounded(judgement: Judgement) -> Json:
    """The parsed output, unless it is larger than a report should carry."""
    reply = judgement.sample.reply
    return judgement.value if reply and len(reply.text) <= _TEXT_LIMIT else None


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """One version under one pin. `rate` is passed of measured cases with its 95 % Wilson `interval`.

    `invalid` counts samples whose output broke the contract, `network` failures by kind: one says that the model
    answered badly, the other that it did not answer. `p50` and `p95` are seconds.
    """

    prompt: str
    version: str
    pin: str
    counts: Mapping[str, int]
    cases: int
    passed: int
    measured: int
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


def summarise(rows: Iterable[CaseRow]) -> list[VersionSummary]:
    """One summary for each (prompt, version, pin), in that order, versions by number."""
    groups: dict[tuple[str, str, str], list[CaseRow]] = {}
    for row in rows:
        groups.setdefault((row.prompt, row.version, row.pin), []).append(row)
    ordered = sorted(groups, key=lambda key: (key[0], int(key[1][1:]), key[2]))
    return [_summary(groups[key]) for key in ordered]


def _summary(rows: Sequence[CaseRow]) -> VersionSummary:
    counts = Counter(row.standing for row in rows)
    measured = [row for row in rows if row.outcome in ("pass", "fail")]
    passed = sum(row.outcome == "pass" for row in measured)
    latencies = sorted(latency for row in rows for latency in row.latencies)
    failures = Counter(row.failure for row in rows if row.failure)
    costs = [row.cost for row in rows if row.sources]
    slowest = sorted(((row.case, max(row.latencies)) for row in rows if row.latencies), key=lambda item: -item[1])
    return VersionSummary(
        prompt=rows[0].prompt,
        version=rows[0].version,
        pin=rows[0].pin,
        counts={standing: counts[standing] for standing in STANDINGS},
        cases=len(rows),
        passed=passed,
        measured=len(measured),
        rate=passed / len(measured) if measured else None,
        interval=wilson_interval(passed, len(measured)) if measured else None,
        cost=None if None in costs else sum(cast("list[float]", costs)),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        p50=quantile(latencies, 0.5) if latencies else None,
        p95=quantile(latencies, 0.95) if latencies else None,
        sources=dict(sorted(Counter(source for row in rows for source in row.sources).items())),
        slowest=tuple(slowest[:3]),
        invalid=sum(row.invalid for row in rows),
        repaired=sum(bool(row.repairs) for row in rows),
        network={kind: count for kind, count in sorted(failures.items()) if kind in _NETWORK},
        other={kind: count for kind, count in sorted(failures.items()) if kind not in _NETWORK},
    )
