"""`promptops canary`: compare a candidate with what is served, case by case."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import Struct, to_builtins
from msgspec.structs import replace

from promptops.cli.commands._asking import (
    EXIT_CODES,
    BudgetOption,
    BudgetRequestsOption,
    BudgetTokensOption,
    ConcurrencyOption,
    EventsOption,
    LimitOption,
    ModelOption,
    QuietOption,
    ResumeOption,
    SamplesOption,
    TagOption,
    choices,
    environ,
    parse_mode,
    parse_pin,
    recorded_run,
    resume_of,
    say_estimate,
)
from promptops.cli.commands._shared import JsonOption, colour, current_project, emit_json, finish, note
from promptops.cli.progress import Telling
from promptops.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from promptops.core.canary import CanaryDecision
    from promptops.models import Json, Pin, Verdict
    from promptops.project.root import Project
    from promptops.reporting.lines import Line
    from promptops.runner.canary import CanaryResult, Comparison
    from promptops.runner.resuming import Resume, StoredRun
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

EXAMPLES = (
    "promptops canary booking@v3",
    "promptops canary booking@v3 --against staging --tag quick",
    "promptops canary booking@v2 --model openai/gpt-4.1-mini-2025-04-14",
)


def canary(
    ref: Annotated[str, typer.Argument(metavar="NAME@vN", help="The candidate (NAME alone: its newest version).")],
    *,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="REF", help="The baseline: an environment, or a version such as v1."),
    ] = None,
    baseline: Annotated[
        str, typer.Option("--baseline", metavar="live|recorded", help="Ask it, or replay it.")
    ] = "live",
    mode: Annotated[
        str, typer.Option("--mode", metavar="live|replay", help="Ask both sides, or replay both.")
    ] = "live",
    model: ModelOption = None,
    tag: TagOption = None,
    limit: LimitOption = 0,
    samples: SamplesOption = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the random order (default: a new one).")] = None,
    concurrency: ConcurrencyOption = None,
    budget: BudgetOption = None,
    budget_tokens: BudgetTokensOption = None,
    budget_requests: BudgetRequestsOption = None,
    resume: ResumeOption = None,
    max_samples: Annotated[
        int | None, typer.Option("--max-samples", min=2, metavar="N", help="Stop at so many samples of both sides.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0.0, metavar="USD", help="Stop once they have cost so much.")
    ] = None,
    warn_only: Annotated[
        bool, typer.Option("--warn-only", help="Exit 0 whatever the verdict; it is still said, and in the evidence.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="PATH", help="Also write a report: .html, .json or .md.")
    ] = None,
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Write no evidence file.")] = False,
    quiet: QuietOption = False,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare a candidate with what is served, case by case, both asked now and next to each other.

    It looks after every case, and stops as soon as it knows; what is in flight is dropped then.

    Ends in pass (0), regress (1), inconclusive (11) or unmeasurable (10); with --warn-only in 0. A whole canary is
    appended to the candidate's evidence; one of some cases only (--tag, --limit), or one that --max-samples or
    --max-cost stopped before it knew, licenses nothing and is not.
    """
    from promptops.runner.session import Session

    project = current_project()
    chosen = choices(
        tag=tag,
        limit=limit,
        samples=samples,
        concurrency=concurrency,
        budget=budget,
        budget_tokens=budget_tokens,
        budget_requests=budget_requests,
    )
    session = Session(project, parse_mode(mode, "live", "replay"), environ(), chosen)
    if baseline not in ("live", "recorded"):
        raise UsageError(f"--baseline {baseline!r}: write live or recorded")
    if report is not None:
        from promptops.reporting.canary_files import check_canary_report_path

        check_canary_report_path(report)
    comparison = _comparison(session, ref, against, parse_pin(model), seed, recorded=baseline == "recorded")
    comparison = _capped(comparison, max_samples, max_cost)
    with _recorded_run(comparison, resume_of(resume)[0], seed) as stored:
        result = _run(stored, comparison, Telling(quiet, events))
        warn_only = warn_only or comparison.candidate.spec.canary.warn_only
        telling = _Ending(write=not no_evidence, as_json=as_json, warn_only=warn_only, report=report)
        code = _conclude(project, result, stored, telling)
        if result.concluded:  # else it counts as interrupted: the same command goes on with its sequence
            stored.finish(result.decision(comparison.attempt).verdict)
    finish(code)


def _comparison(
    session: Session, ref: str, against: str | None, pin: Pin | None, seed: int | None, *, recorded: bool
) -> Comparison:
    from promptops.runner.canary import Comparison

    prompt, version = one_version(session, ref, newest=pin is None)
    candidate = session.target(prompt, version, pin)
    base = session.target(prompt, _baseline_version(session, prompt, against or (version if pin else None)))
    chosen_seed = secrets.randbelow(2**31) if seed is None else seed
    return Comparison(session, base, candidate, chosen_seed, "recorded" if recorded else "live")


def one_version(session: Session, ref: str, *, newest: bool = True) -> tuple[str, str]:
    """Read `NAME@vN`, `NAME@ENV` or `NAME` (the newest version, or the served one); raises `UsageError`."""
    found = session.select([ref])
    if "@" not in ref and len({prompt for prompt, _ in found}) == 1:
        prompt = found[0][0]
        return (prompt, found[-1][1]) if newest else (prompt, session.served(prompt))
    if len(found) != 1:
        raise UsageError(f"{ref!r} names {len(found)} versions: name one, such as booking@v3")
    return found[0]


def _baseline_version(session: Session, prompt: str, against: str | None) -> str:
    """What to compare with: what the environment in force serves, or what `--against` names."""
    if against is None:
        return session.served(prompt)
    if against in session.manifest.environments:
        return session.served(prompt, against)
    ref = against if "@" in against else f"{prompt}@{against}"
    found, version = one_version(session, ref)
    if found != prompt:
        raise UsageError(f"--against {against!r} is another prompt: a canary compares versions of one")
    return version


def _capped(comparison: Comparison, max_samples: int | None, max_cost: float | None) -> Comparison:
    """The comparison as the attempt that it is, and where it stops at the latest."""
    from promptops.project.evidence import load_evidence
    from promptops.release.records import next_attempt

    candidate, sides = comparison.candidate, comparison.candidate.samples + comparison.baseline.samples
    if max_samples is not None and max_samples < sides:
        raise UsageError(f"--max-samples {max_samples}: one case takes {sides} samples")
    evidence = load_evidence(comparison.session.project, candidate.prompt, candidate.version)
    attempt = next_attempt(evidence, candidate.side, comparison.baseline.side, candidate.measurement.digest)
    return replace(comparison, attempt=attempt, most_samples=max_samples, most_cost=max_cost)


def _recorded_run(comparison: Comparison, resume: Resume, seed: int | None) -> AbstractContextManager[StoredRun]:
    """The canary's run; one that is gone on with keeps its order, so only a seed that was asked for has to agree."""
    targets = (comparison.baseline, comparison.candidate)
    plan: dict[str, Json] = {
        "targets": [f"{target.name} {target.pin}" for target in targets],
        "baseline": comparison.baseline.side.model_dump(),
        "candidate": comparison.candidate.side.model_dump(),
        "seed": comparison.seed,
    }
    key: Json = {"seed": seed, "baseline": comparison.baseline_source}
    return recorded_run(comparison.session, "canary", targets, plan, resume=resume, key=key)


def _run(stored: StoredRun, comparison: Comparison, telling: Telling) -> CanaryResult:
    from promptops.runner.canary import run_canary
    from promptops.runner.estimates import estimate

    comparison = replace(comparison, seed=int(str(stored.plan["seed"])))
    targets = (comparison.baseline, comparison.candidate)
    for notice in dict.fromkeys(n for target in targets for n in target.notices):
        note(f"notice: {notice}")
    expected = estimate(comparison.session, stored.missing(comparison.plan()), targets)
    say_estimate(expected, caps=comparison.session.caps, telling=telling)
    title = f"{comparison.candidate.name} against {comparison.baseline.version}"
    total = comparison.asked_at_most * sum(target.samples for target in targets)
    with telling.progress(title, total) as progress:
        try:
            return run_canary(comparison, stored=stored, progress=progress)
        except KeyboardInterrupt:
            note(f"stopped after {progress.done} of {total} samples; the same command goes on from there")
            raise


class _Ending(Struct, frozen=True):
    """What the user wants at the end."""

    write: bool
    as_json: bool
    warn_only: bool
    report: Path | None


def _conclude(project: Project, result: CanaryResult, stored: StoredRun, telling: _Ending) -> int:
    """Write the evidence, show the result, and return the exit code."""
    from promptops.cli.commands._measured import now
    from promptops.project.evidence import load_evidence
    from promptops.release.records import append_canary, next_attempt

    comparison = result.comparison
    candidate, baseline = comparison.candidate, comparison.baseline
    sides = (candidate.side, baseline.side, candidate.measurement.digest)
    at, written = stored.moment() if result.concluded else now(), ""
    if telling.write and result.licenses:
        build = lambda attempt: result.evidence(attempt, at)  # noqa: E731
        path, record = append_canary(project, candidate.prompt, *sides, build, again=stored.round > 1)
        attempt, written = record.attempt, project.relative(path)
    else:
        attempt = next_attempt(load_evidence(project, candidate.prompt, candidate.version), *sides)
    decision = result.decision(attempt)
    from promptops.reporting.canary import canary_lines
    from promptops.reporting.lines import painted

    earlier = _earlier_regress(project, result)
    lines = canary_lines(
        result, decision, attempt, evidence=written, next_step="" if earlier else _next_step(result, decision, written)
    )
    document = canary_json(result, attempt, at, written)
    if telling.as_json:
        emit_json(document)
    else:
        typer.echo(painted(lines, color=colour()))
        if earlier and decision.verdict != "regress":
            note(f"attempt {earlier} at this comparison said regress: it counts until a canary says pass")
    if telling.report is not None:
        _write_report(telling.report, result, decision, lines, document)
    return _exit_code(decision.verdict, warn_only=telling.warn_only)


def _exit_code(verdict: Verdict, *, warn_only: bool) -> int:
    if warn_only and verdict != "pass":
        note(f"WARN ONLY: the verdict is {verdict.upper()}, and this ends in 0 instead of {EXIT_CODES[verdict]}")
        return 0
    return EXIT_CODES[verdict]


def _write_report(
    path: Path, result: CanaryResult, decision: CanaryDecision, lines: list[Line], document: dict[str, Any]
) -> None:
    from promptops.reporting.canary_files import CanaryReport, write_canary_report
    from promptops.reporting.canary_metrics import metric_rows

    comparison = result.comparison
    title = f"{decision.verdict.upper()}: canary of {comparison.candidate.name} against {comparison.baseline.version}"
    rows = list(metric_rows(decision, comparison.candidate.spec.canary))
    write_canary_report(path, CanaryReport(title, lines, rows, document))
    note(f"report: {path}")


def _next_step(result: CanaryResult, decision: CanaryDecision, written: str) -> str:
    """The command that comes after a canary that shows no harm; empty where there is none."""
    candidate, session = result.comparison.candidate, result.comparison.session
    if not written or candidate.options:
        return ""
    broke = any(flip.kind == "broke" for flip in result.flips(decision))
    acks = "  # and --ack CASE for each case that broke, where that may stay" if broke else ""
    return f"promptops promote {candidate.name} --to {session.environment}{acks}"


def _earlier_regress(project: Project, result: CanaryResult) -> int:
    """The attempt whose REGRESS still counts in the evidence of this comparison; 0 where there is none."""
    from promptops.core.licence import standing_regress
    from promptops.project.evidence import load_evidence

    candidate, baseline = result.comparison.candidate, result.comparison.baseline
    same = [
        record
        for record in load_evidence(project, candidate.prompt, candidate.version).canaries
        if (record.candidate, record.baseline) == (candidate.side, baseline.side)
        and record.measurement.digest == candidate.measurement.digest
    ]
    found = standing_regress(same)
    return found.attempt if found else 0


def canary_json(result: CanaryResult, attempt: int, at: str, written: str) -> dict[str, Any]:
    """Everything a canary found, as plain data."""
    from promptops.reporting.canary_metrics import metric_json

    comparison, decision = result.comparison, result.decision(attempt)

    def side(target: Target) -> dict[str, Any]:
        return {"prompt": target.prompt, **target.side.model_dump(mode="json")}

    return {
        **result.evidence(attempt, at).model_dump(mode="json"),
        "candidate": side(comparison.candidate),
        "baseline": side(comparison.baseline),
        "reason": decision.reason,
        "metric_findings": metric_json(decision.metrics),
        "warn_only": comparison.candidate.spec.canary.warn_only,
        "p_not_worse": decision.p_not_worse,
        "looks": to_builtins(decision.looks) if decision.looks else None,
        "baseline_rate": decision.baseline_rate,
        "candidate_rate": decision.candidate_rate,
        "measured": decision.measured,
        "broke": list(decision.broke),
        "fixed": list(decision.fixed),
        "missing": list(decision.missing),
        "must_pass_unmeasured": list(result.must_pass.unmeasured),
        "same": decision.same,
        "improved": decision.improved,
        "detectable_drop": decision.detectable,
        "settle": decision.settle,
        "warnings": list(decision.warnings),
        "broken_beyond_chance": result.broken(),
        "samples": dict(zip(("done", "planned"), result.samples, strict=True)),
        "cost_ratio": result.cost_ratio,
        "latency_ratio": result.latency_ratio,
        "cost": result.cost,
        "partial": comparison.partial,
        "evidence": written or None,
        "flips": [
            {
                "case": flip.case,
                "kind": flip.kind,
                "baseline": flip.baseline.value,
                "candidate": flip.candidate.value,
                "differences": [
                    {"path": d.path, "kind": d.kind, "baseline": d.expected, "candidate": d.actual}
                    for d in flip.differences
                ],
            }
            for flip in result.flips(decision)
        ],
    }
