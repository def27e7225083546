"""How `promptops canary` ends: evidence, what is shown, reports, the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._asking import EXIT_CODES
from promptops.cli.commands._canary_comparison import attempt_of, earlier_canaries
from promptops.cli.commands._shared import emit_json, note, say_lines
from promptops.cli.options import Options

if TYPE_CHECKING:
    from promptops.core.canary import CanaryDecision
    from promptops.formats import CanaryEvidence, Environment, Side
    from promptops.models import Verdict
    from promptops.reporting.lines import Line
    from promptops.runner.canary_result import CanaryResult
    from promptops.runner.resuming import StoredRun


class Ending(Options, frozen=True):
    """What the user wants at the end."""

    warn_only: Annotated[
        bool, typer.Option("--warn-only", help="Exit 0 whatever the verdict; it is still said, and in the evidence.")
    ] = False
    report: Annotated[
        Path | None, typer.Option("--report", metavar="PATH", help="Also write a report: .html, .json or .md.")
    ] = None
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Write no evidence file.")] = False


def check_ending(ending: Ending) -> None:
    """Raises `UsageError` for a report that cannot be written, before anything is asked."""
    if ending.report is not None:
        from promptops.reporting.canary_files import check_canary_report_path

        check_canary_report_path(ending.report)


def conclude(result: CanaryResult, stored: StoredRun, ending: Ending, *, as_json: bool) -> int:
    """Write the evidence, show the result, end the run, and return the exit code.

    A run without a verdict is not ended: the same command goes on with its sequence.
    """
    from promptops.cli.commands._measured import now

    attempt = result.comparison.attempt
    at = stored.moment() if result.concluded(attempt) else now()
    attempt, written = (attempt, "") if ending.no_evidence else _write(result, stored, at)
    decision = result.decision(attempt)
    _show(result, decision, attempt, at, written, report=ending.report, as_json=as_json)
    if result.concluded(attempt):
        stored.finish(decision.verdict)
    elif decision.verdict == "unmeasurable" and not result.refused:
        stored.finish("unmeasurable")
    return _exit_code(decision.verdict, warn_only=ending.warn_only or result.comparison.candidate.spec.canary.warn_only)


def _write(result: CanaryResult, stored: StoredRun, at: str) -> tuple[int, str]:
    """Append the evidence where it is some, as the attempt that it is by then; returns that and the file."""
    from promptops.release.records import append_canary
    from promptops.store.runs import ABANDONED

    comparison, project = result.comparison, result.comparison.session.project
    candidate, baseline = comparison.candidate, comparison.baseline

    def build(attempt: int) -> CanaryEvidence | None:
        return result.evidence(attempt, at) if result.licenses(attempt) else None

    if not result.licenses(comparison.attempt):
        return attempt_of(comparison), ""
    path, record = append_canary(
        project,
        candidate.prompt,
        candidate.side,
        baseline.side,
        candidate.measurement.digest,
        build,
        again=stored.round > 1,
        abandoned=len(comparison.abandoned),
    )
    if record is None:
        note("another canary of this comparison ended meanwhile, so that this one has to show more: go on with it")
        return attempt_of(comparison), ""
    for run in comparison.abandoned:
        stored.store.finish_run(run, ABANDONED)
    return record.attempt, project.relative(path)


def _show(
    result: CanaryResult,
    decision: CanaryDecision,
    attempt: int,
    at: str,
    written: str,
    *,
    report: Path | None,
    as_json: bool,
) -> None:
    from promptops.reporting.canary import canary_lines
    from promptops.reporting.canary_json import canary_json

    earlier = _earlier_regress(result)
    next_step = "" if earlier and decision.verdict != "regress" else _next_step(result, decision, written)
    lines = canary_lines(result, decision, attempt, evidence=written, next_step=next_step)
    document = canary_json(result, attempt, at, written)
    if as_json:
        emit_json(document)
    else:
        say_lines(lines)
        if earlier and decision.verdict != "regress":
            note(f"attempt {earlier} at this comparison said regress: it counts until a canary says pass")
    if report is not None:
        lines = canary_lines(result, decision, attempt, evidence=written, next_step=next_step, table=False)
        _write_report(report, result, decision, lines, document)


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
    """What comes after a canary: mending it, or promoting it where its baseline is served; empty: nothing does."""
    candidate, baseline = result.comparison.candidate, result.comparison.baseline
    if not written or candidate.options:
        return ""
    if decision.verdict == "regress":
        return f"mend {candidate.name}; nothing was changed, and {baseline.version} goes on being served"
    session = result.comparison.session
    places = [
        name for name, it in session.manifest.environments.items() if _serves(it, candidate.prompt, baseline.side)
    ]
    if not places:
        return ""
    place = session.environment if session.environment in places else places[0]
    if decision.verdict == "inconclusive" and session.manifest.environments[place].require == "shown-not-worse":
        return f"{place} takes a PASS only: more cases, or a better candidate"
    promote = f"promptops promote {candidate.name} --to {place}"
    return f"mend what broke, or where it may stay: {promote} --ack CASE" if decision.broke else promote


def _serves(environment: Environment, prompt: str, side: Side) -> bool:
    entry = environment.prompts.get(prompt)
    return entry is not None and (entry.version, entry.digest, entry.pin) == (side.version, side.digest, side.pin)


def _earlier_regress(result: CanaryResult) -> int:
    """The attempt whose REGRESS still counts in the evidence of this comparison; 0 where there is none."""
    from promptops.core.licence import standing_regress

    found = standing_regress(earlier_canaries(result.comparison))
    return found.attempt if found else 0
