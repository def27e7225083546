"""A canary in words: the verdict first, what it rests on, and every case that flipped with how the outputs differ."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat

from promptops.core.canary import CanaryDecision, Detects, baseline_passed, candidate_passed
from promptops.models import Difference, Judgement
from promptops.reporting.anchor_words import anchor_lines, creep_warning
from promptops.reporting.canary_metrics import metric_lines
from promptops.reporting.canary_words import cases_words, finding_words
from promptops.reporting.failure import sides
from promptops.reporting.lines import Line, Style
from promptops.reporting.safe import one_line
from promptops.runner.canary_result import CanaryResult, Flip, telling

_STYLES: dict[str, Style] = {"pass": "good", "regress": "bad", "inconclusive": "warn", "unmeasurable": "warn"}
_BROKE, _FIXED, _DIFFERENCES, _SHORT = 10, 5, 6, 40
_WIDTH, _REASONS = 80, 5


def canary_lines(
    result: CanaryResult,
    decision: CanaryDecision,
    attempt: int,
    *,
    evidence: str,
    next_step: str,
    table: bool = True,
) -> list[Line]:
    """All lines of a canary's report, safe for a terminal; `evidence` is the file written, if any.

    Without `table` the rows of the metrics are left out: a file has them as a table of its own.
    """
    return [
        *_verdict(result, decision),
        *_figures(result, decision, table=table),
        *_must_pass(result),
        *_flips(result, decision),
        *_unmeasured(result, decision),
        *_ending(result, decision, attempt, evidence, next_step),
    ]


def _verdict(result: CanaryResult, decision: CanaryDecision) -> Iterator[Line]:
    cand, base = result.comparison.candidate, result.comparison.baseline
    better = " (improved)" if decision.improved else ""
    partial = f", partial: {len(cand.cases)} of {cand.total} cases" if result.comparison.partial else ""
    yield Line(
        f"{decision.verdict.upper()}{better}: {one_line(decision.reason, 400)}{partial}", _STYLES[decision.verdict]
    )
    title = f"{cand.name} against {base.version}"
    pins = f" on {cand.pin}" if cand.pin == base.pin else f" on {cand.pin} (baseline on {base.pin})"
    if len(title + pins) <= _WIDTH:
        yield Line(one_line(title + pins), "title")
        return
    yield Line(one_line(title), "title")
    yield Line(one_line(f"  {'candidate' if cand.pin != base.pin else 'both'} on {cand.pin}", 400))
    if cand.pin != base.pin:
        yield Line(one_line(f"  baseline on {base.pin}", 400))


def _figures(result: CanaryResult, decision: CanaryDecision, *, table: bool) -> Iterator[Line]:
    settings = result.comparison.candidate.spec.canary
    if decision.metrics:
        yield from metric_lines(decision, settings, table=table)
        yield Line(f"  cases       {cases_words(decision)}")
    elif decision.measured and decision.difference is not None:
        yield from (Line(f"  {title:<12}{text}") for title, text in finding_words(decision, settings))
        if (drop := decision.detectable) is not None and decision.detects is not None:
            yield Line(f"  detects     {_detects(drop, decision.detects)}")
    if result.anchored is not None:
        titles = chain(["anchor"], repeat(""))
        for title, line in zip(titles, anchor_lines(result.anchored, settings), strict=False):
            yield Line(f"  {title:<12}{line.text}", line.style)
    if decision.measured:
        yield Line(f"  cost        {_cost(result)}; latency {_ratio(result.latency_ratio)} (medians){_source(result)}")
    if result.comparison.session.mode != "replay":
        yield Line(f"  used        {_used(result)}")
        yield Line(f"  spent       {_spent(result)}")
    if broken := result.broken():
        named = ", ".join(f"{case} (p = {p:.2g})" for case, p in broken.items())
        yield Line(f"  broken      beyond chance, case by case: {one_line(named, 400)}", "bad")


def _detects(drop: float, detects: Detects) -> str:
    """What such a canary finds, by the figure that `estimate` gives, at the usual share of flips or what came here."""
    return f"a drop of {100 * drop:.0f} points or more, 4 times in 5, where {detects.noise:.0%} flip by chance"


def _used(result: CanaryResult) -> str:
    """`124 of 240 samples, 3 of them without a reply, and 62 of must-pass cases before them`."""
    done, most = result.samples
    failed, gates = result.unanswered, result.must_pass.samples
    silent = f", {'all' if failed == done else f'{failed:,}'} of them without a reply" if failed else ""
    return f"{done:,} of {most:,} samples{silent}" + (
        f", and {gates:,} of must-pass cases before them" if gates else ""
    )


def _spent(result: CanaryResult) -> str:
    """`$0.0074 of at most $0.1176 (about $0.0144 expected)`: what it cost, of what was planned."""
    planned = result.planned
    if planned is None or planned.worst_case is None:
        return f"${result.cost:.4f}, as far as prices are known"
    about = f" (about ${planned.expected:.4f} was expected)" if planned.expected is not None else ""
    return f"${result.cost:.4f} of at most ${planned.worst_case:.4f}{about}"


def _must_pass(result: CanaryResult) -> Iterator[Line]:
    """What the must-pass cases answered that ended it, or why nobody saw them."""
    shown = list(result.must_pass.results.items())
    if shown:
        yield Line("")
    for case, found in shown[:_BROKE]:
        judgement = telling(found)
        failure = judgement.sample.failure
        if failure is not None:
            hint = f"; next: {one_line(failure.hint, 300)}" if failure.hint else ""
            yield Line(f"  must-pass {one_line(case)} not measured: {one_line(failure.message)}{hint}", "warn")
            continue
        yield Line(f"  must-pass {one_line(case)}: {_text(judgement)}", "bad")
        yield from _failed(judgement)
    if len(shown) > _BROKE:
        yield Line(f"  … and {len(shown) - _BROKE} more must-pass cases", "dim")


def _source(result: CanaryResult) -> str:
    comparison = result.comparison
    if comparison.session.mode == "replay":
        return "; both sides replayed, figures as recorded"
    return "; the baseline is replayed, its figures as recorded" if comparison.baseline_source == "recorded" else ""


def _cost(result: CanaryResult) -> str:
    return "nothing" if result.cost_ratio is None and result.free else _ratio(result.cost_ratio)


def _ratio(ratio: float | None) -> str:
    return "not known" if ratio is None else f"{ratio:.2f}x"


def _flips(result: CanaryResult, decision: CanaryDecision) -> Iterator[Line]:
    flips = list(result.flips(decision))
    told = [flip for kind in ("broke", "fixed") for flip in flips if flip.kind == kind]
    if told and _short(told[0]):
        yield Line("")
    for kind, most in (("broke", _BROKE), ("fixed", _FIXED)):
        some = [flip for flip in flips if flip.kind == kind]
        style: Style = "bad" if kind == "broke" else "good"
        for flip in some[:most]:
            name = f"  {kind} {one_line(flip.case)}"
            if short := _short(flip):
                yield Line(f"{name}: {short}", style)
                continue
            yield Line("")
            yield Line(name, style)
            yield from _outputs(flip)
        if len(some) > most:
            if not _short(some[most - 1]):
                yield Line("")
            names = ", ".join(flip.case for flip in some[most:])
            yield Line(f"  {len(some) - most} more {kind}: {one_line(names, 400)} (--json has their outputs)", "dim")


def _short(flip: Flip) -> str:
    """`negative → positive`, where both outputs are a few plain words; else empty."""
    texts = [_text(flip.baseline), _text(flip.candidate)]
    return " → ".join(texts) if not _structured(flip) and all(len(text) <= _SHORT for text in texts) else ""


def _structured(flip: Flip) -> bool:
    return any(difference.path != "root" for difference in flip.differences)


def _outputs(flip: Flip) -> Iterator[Line]:
    if _structured(flip):
        for difference in flip.differences[:_DIFFERENCES]:
            yield Line(f"    {one_line(difference.path, 120)}: {_change(difference)}")
        if len(flip.differences) > _DIFFERENCES:
            yield Line(f"    … and {len(flip.differences) - _DIFFERENCES} more differences", "dim")
    else:
        yield Line(f"    baseline:  {_text(flip.baseline)}")
        yield Line(f"    candidate: {_text(flip.candidate)}")
    yield from _failed(flip.candidate if flip.kind == "broke" else flip.baseline)


def _failed(judgement: Judgement) -> Iterator[Line]:
    """The first check that an output did not pass."""
    failed = (check for check in judgement.checks if check.status != "pass")
    for check in islice(failed, 1):
        yield Line(f"    {one_line(check.label)}: {one_line(check.message)}", "dim")


def _change(difference: Difference) -> str:
    return " → ".join(sides(difference, 120))


def _text(judgement: Judgement) -> str:
    return one_line(judgement.sample.reply.text if judgement.sample.reply else "(no reply)", 160)


def _unmeasured(result: CanaryResult, decision: CanaryDecision) -> Iterator[Line]:
    """Why cases were not measured: each reason once, with the first case that it stopped and how many more."""
    why: defaultdict[str, list[str]] = defaultdict(list)
    for case, name, judgements in _unknown(result, decision):
        if cause := _cause(judgements):
            why[f"{name} not measured: {cause}"].append(case)
    for words, cases in islice(why.items(), _REASONS):
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        yield Line(f"  {one_line(cases[0])}{more}: {words}", "warn")
    if len(why) > _REASONS:
        rest = set().union(*list(why.values())[_REASONS:])
        yield Line(f"  … and {len(rest)} more case{'s' * (len(rest) != 1)} not measured", "warn")


def _unknown(result: CanaryResult, decision: CanaryDecision) -> Iterator[tuple[str, str, list[Judgement]]]:
    """The samples for which a case is missing: the case, the side, and what there is of it."""
    for case in decision.missing:
        if case in result.baseline:
            yield case, "baseline", [j for j in result.baseline[case].judgements if baseline_passed(j.outcome) is None]
        if case in result.candidate:
            yield (
                case,
                "candidate",
                [j for j in result.candidate[case].judgements if candidate_passed(j.outcome) is None],
            )


def _cause(judgements: Sequence[Judgement]) -> str:
    """Why a side of a case is not known: it has no reply, or a check (a judge) could not say."""
    if failure := next((j.sample.failure for j in judgements if j.sample.failure), None):
        return one_line(failure.message) + (f"; next: {one_line(failure.hint, 300)}" if failure.hint else "")
    told = next((check for j in judgements for check in j.checks if check.status in ("error", "unmeasured")), None)
    return f"{one_line(told.label)}: {one_line(told.message)}" if told else ""


def _stands(result: CanaryResult, decision: CanaryDecision) -> bool:
    """Whether all replies are there, of models and judges, so that asking for what is missing asks for nothing."""
    unknown = [j for _, _, judgements in _unknown(result, decision) for j in judgements]
    pending = any(j.sample.failure or any(check.status == "unmeasured" for check in j.checks) for j in unknown)
    return bool(unknown) and not pending


def _ending(
    result: CanaryResult, decision: CanaryDecision, attempt: int, evidence: str, next_step: str
) -> Iterator[Line]:
    yield Line("")
    creep = creep_warning(result.anchored) if result.anchored is not None else ""
    for warning in filter(None, (*decision.warnings, creep)):
        yield Line(f"warning: {warning}", "warn")
    if decision.settle:
        yield Line(f"what would settle it: {decision.settle}")
    if result.candidate_written:
        path = result.comparison.session.project.relative(result.comparison.candidate.recordings_path)
        one = result.candidate_written == 1
        replies = "1 reply" if one else f"{result.candidate_written} replies"
        recorded = "had no recording yet and " + ("is recorded" if one else "are recorded")
        yield Line(f"{replies} of the candidate {recorded}: {path}")
    if evidence:
        yield Line(f"evidence: {evidence} (attempt {attempt}); commit it")
    elif not decision.measured and not _stands(result, decision):
        what = "compared" if result.gates else "measured"
        yield Line(f"no evidence was written and no attempt spent: nothing was {what}", "dim")
    elif result.comparison.partial:
        yield Line("no evidence was written: a canary of some cases licenses nothing", "dim")
    elif not result.licenses(attempt):
        yield Line(f"no evidence was written: {_unfinished(result, decision)}", "dim")
    yield Line(f"verdict: {decision.verdict.upper()}", _STYLES[decision.verdict])
    if next_step:
        yield Line(f"next: {next_step}")


def _unfinished(result: CanaryResult, decision: CanaryDecision) -> str:
    """Why it licenses nothing, and what to do; what was measured is kept, and is the same attempt."""
    if result.comparison.session.mode == "replay":
        return "what has no recording was not measured, and it licenses nothing"
    if result.refused:
        return "it stopped before it knew; with a higher cap the same command goes on where it was"
    if decision.verdict == "unmeasurable" and _stands(result, decision):
        return "a check or a judge raised; mend that first: the same canary, asked again, is another attempt"
    if decision.verdict == "unmeasurable":
        return "not enough was measured; the same command asks again for what is missing"
    return "it stopped before it knew; the same command with more to spend goes on where it was"
