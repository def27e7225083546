"""A drift check in words: one block for each served version, and the nights so far."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from promptops.core.drift import CHANGED_LEVEL, DriftDecision
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line
from promptops.reporting.summary import money
from promptops.runner.drift import DriftResult

if TYPE_CHECKING:
    from promptops.store.runs import DriftNight

_STYLES: dict[str, Style] = {"stable": "good", "changed": "bad", "watch": "warn", "unmeasurable": "warn"}
_VERDICT_STYLES: dict[str, Style] = {"WORSE": "bad", "NOT WORSE": "good", "UNKNOWN": "plain"}
_LISTED, _WHOLE = 5, 3
_WORST_FIRST = ("changed", "unmeasurable", "watch", "stable")


def drift_lines(results: Sequence[DriftResult]) -> list[Line]:
    """All lines of a check's report, the worst first, safe for a terminal.

    Of many versions one that answers as it did has one line.
    """
    ordered = sorted(results, key=lambda it: (_WORST_FIRST.index(it.decision.state), it.target.prompt))
    many = len(results) > _WHOLE
    return [line for it in ordered for line in (_brief(it) if many and _quiet(it) else _block(it))]


def _quiet(result: DriftResult) -> bool:
    """Whether a night of it has nothing to tell."""
    it = result.decision
    told = (it.reasons, it.differing, it.broke, it.fixed, it.missing, result.unrecorded)
    return it.state == "stable" and not any(told)


def _brief(result: DriftResult) -> Iterator[Line]:
    head, *_ = _block(result)
    cases = result.decision.measured
    yield Line(f"{head.text}: {cases} case{'s' * (cases != 1)}, the same texts", head.style)


def _block(result: DriftResult) -> Iterator[Line]:
    target, decision = result.target, result.decision
    yield Line(f"{decision.state.upper()}: {target.name} on {one_line(str(target.pin))}", _STYLES[decision.state])
    for reason in decision.reasons:
        yield Line(f"  {one_line(reason, 400)}", _STYLES[decision.state])
    if decision.measured:
        yield Line(f"  {_words(decision)}; {money(result.cost)}")
        yield Line(
            f"  outcomes by the canary's tests: {result.verdict}: {one_line(result.why, 300)}",
            _VERDICT_STYLES[result.verdict],
        )
        yield Line(f"  {_power(decision)}", "dim")
    for name, cases in (("fails now and passed before", decision.broke), ("passes now", decision.fixed)):
        if cases:
            yield Line(f"  {name}: {_listed(cases)}")
    yield from _failures(result)
    if result.unrecorded:
        yield Line(f"  without a recording of their own: {_listed(result.unrecorded)}", "warn")
        yield Line(f"  next: promptops run {target.name} --mode new", "warn")
    elif decision.own_agreement is None and decision.state == "watch":
        step = f"promptops run {target.name} --mode new --samples 3"
        yield Line(f"  next: once it is sure that this is the model you accepted: {step}", "warn")
    if decision.state == "changed":
        yield Line(f"  next: promptops run {target.name} --mode live, and a canary of what you would serve instead")


def _words(decision: DriftDecision) -> str:
    cases = f"{decision.measured} case{'s' * (decision.measured != 1)}"
    texts = f"{cases}, {len(decision.differing)} answered in another text"
    if decision.agreement is not None:
        texts += f", agreement {decision.agreement:.1%}"
    if decision.own_agreement is not None:
        texts += f" (recorded samples among themselves {decision.own_agreement:.1%})"
    tests = (("texts", decision.p_texts), ("outcomes", decision.p_outcomes), ("validity", decision.p_validity))
    tested = ", ".join(f"{name} p = {p:.2g}" for name, p in tests if p is not None)
    return f"{texts}; {tested}" if tested else texts


def _power(decision: DriftDecision) -> str:
    if decision.needs is None:
        why = "only one sample of a case is recorded" if decision.own_agreement is None else "there are too few cases"
        if decision.own_agreement == 0:
            why = "no recorded text of a case repeats, so another one is no news"
        return f"texts alone cannot say CHANGED here: {why}"
    return (
        f"texts say CHANGED (p ≤ {CHANGED_LEVEL:.2g}: one false alarm in ten years of nights) when about "
        f"{decision.needs} of {decision.measured} cases answer in a text never seen"
    )


def _failures(result: DriftResult) -> Iterator[Line]:
    failures = [
        (case, judgement.sample.failure)
        for case, found in result.tonight.items()
        for judgement in found.judgements
        if judgement.sample.failure
    ]
    for case, failure in failures[:_LISTED]:
        yield Line(f"  {one_line(case)}: not measured: {one_line(failure.message)}", "warn")
    if failures and failures[0][1].hint:
        yield Line(f"  next: {one_line(failures[0][1].hint, 300)}", "warn")


def history_lines(nights: Sequence[DriftNight]) -> list[Line]:
    """The nights so far, oldest first."""
    if not nights:
        return [Line("no night yet: promptops drift asks, promptops schedule writes the nightly job")]
    return [
        Line(
            f"{night.night}  {night.state.upper():<12}  {night.prompt}@{night.version}  {one_line(night.pin)}  "
            + ("agreement not measured" if night.agreement is None else f"agreement {night.agreement:.1%}"),
            _STYLES.get(night.state, "plain"),
        )
        for night in nights
    ]


def _listed(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - _LISTED} more" if len(cases) > _LISTED else ""
    return one_line(", ".join(cases[:_LISTED]), 300) + more
