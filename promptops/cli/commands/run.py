"""`promptops run`: ask versions for their datasets, and judge them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from promptops.cli.commands._asking import (
    EXIT_CODES,
    choices,
    environ,
    parse_mode,
    parse_pin,
    recorded_run,
    say_estimate,
)
from promptops.cli.commands._batches import (
    BatchOption,
    CancelOption,
    asked_in_batches,
    batch_resume,
    batch_wanted,
    check_batches,
    say_handing_over,
)
from promptops.cli.commands._shared import JsonOption, colour, current_project, emit_json, finish, note
from promptops.cli.options import CacheOption, CaseOptions, EffortOptions, ModelOption, ResumeOption, takes_options
from promptops.cli.progress import Telling
from promptops.errors import ProblemsError, UsageError
from promptops.models import Verdict

if TYPE_CHECKING:
    from promptops.models import Json
    from promptops.project.root import Project
    from promptops.reporting.run import RunReport
    from promptops.runner.resuming import StoredRun
    from promptops.runner.session import Session
    from promptops.runner.sinks import RecordingSink
    from promptops.runner.targets import Target
    from promptops.runner.versions import VersionResult

EXAMPLES = (
    "promptops run booking@v3",
    "promptops run booking@v3 --mode record --samples 3",
    "promptops run --mode replay",
    "promptops run booking@v3 --batch",
)


@takes_options
def run(
    selectors: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SELECTOR", help="booking, booking@v3, booking@production, env:production, candidate, all."
        ),
    ] = None,
    *,
    mode: Annotated[
        str,
        typer.Option(
            "--mode", metavar="new|replay|record|live", help="Ask what is missing, nothing, all and write, all."
        ),
    ] = "new",
    cases: CaseOptions,
    model: ModelOption = None,
    effort: EffortOptions,
    resume: ResumeOption = None,
    cache: CacheOption = None,
    batch: BatchOption = None,
    cancel: CancelOption = False,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Accept the outcomes as the baseline; lets `record` rewrite a served version."),
    ] = False,
    no_evidence: Annotated[bool, typer.Option("--no-evidence", help="Write no evidence file.")] = False,
    telling: Telling,
    as_json: JsonOption = False,
) -> None:
    """Ask versions for their datasets, judge the answers, and compare with what was accepted.

    Without a selector: what environments serve and the newest version of every prompt. Recordings are written in the
    modes `new` (what is missing) and `record` (everything). Ends in 0, 1 (something broke), 10 (not measured) or 11.
    With --batch the providers answer within a day, at half the price; Ctrl-C leaves them at it.
    """
    from promptops.reporting.run import RunReport
    from promptops.runner.session import Session

    project = current_project()
    pin = parse_pin(model)
    chosen = choices(cases, effort, pin=pin, accept=accept, cache=cache)
    session = Session(project, parse_mode(mode, "new", "replay", "record", "live"), environ(), chosen)
    if accept and (pin is not None or session.mode == "live"):
        raise UsageError("--accept accepts what is recorded with a version's own model: leave --model and `live` out")
    wish, chosen_selectors = batch_resume(resume, selectors or (), cancel=cancel)
    targets = _targets(session, chosen_selectors)
    if batch:
        check_batches(session, targets)
    if accept:
        _refuse_too_large(targets)
    report = RunReport()
    plan: dict[str, Json] = {"mode": session.mode, "targets": [f"{target.name} {target.pin}" for target in targets]}
    if batch:
        plan["batch"] = True
    with recorded_run(session, "run", targets, plan, resume=wish, alone=bool(batch)) as stored:
        session.batch = batch_wanted(stored, batch, cancel=cancel)
        found = _ask(session, stored, targets, report, telling, whole=as_json, cancel=cancel)
        _conclude(project, session, found, report, stored, evidence=not no_evidence, as_json=as_json)
        if accept:
            _accept(project, found)
        stored.finish(_verdict(found))
    finish(EXIT_CODES[_verdict(found)])


def _targets(session: Session, selectors: Sequence[str]) -> list[Target]:
    pairs = session.select(selectors)
    if not pairs:
        raise UsageError("nothing is selected: there is no prompt yet (start one with `promptops new NAME`)")
    targets = [session.target(prompt, version) for prompt, version in pairs]
    if problems := [target.frozen.problem for target in targets if target.frozen]:
        raise ProblemsError(problems)
    if not any(target.cases for target in targets):
        raise UsageError("no case is selected: write fixtures/<prompt>/cases.jsonl, or choose another --tag")
    return [target for target in targets if target.cases]


def _refuse_too_large(targets: Sequence[Target]) -> None:
    from promptops.runner.versions import MOST_EVIDENCE

    for target in targets:
        if target.total > MOST_EVIDENCE:
            raise UsageError(
                f"{target.name} has {target.total:,} cases, and the outcome of each would be kept in git: at most "
                f"{MOST_EVIDENCE:,} are accepted; name a smaller dataset in prompt.yaml"
            )


def _ask(
    session: Session,
    stored: StoredRun,
    targets: Sequence[Target],
    report: RunReport,
    telling: Telling,
    *,
    whole: bool,
    cancel: bool,
) -> list[VersionResult]:
    from promptops.reporting.progress import cached_words
    from promptops.runner.collect import measure
    from promptops.runner.estimates import estimate_run
    from promptops.runner.sinks import RecordingSink
    from promptops.runner.versions import version_result

    for notice in dict.fromkeys(notice for target in targets for notice in target.notices):
        note(f"notice: {notice}")
    total = sum(len(target.cases) * target.samples for target in targets)
    title = targets[0].name if len(targets) == 1 else f"{len(targets)} versions"
    if session.batch:
        say_handing_over(session, stored, targets, telling, cancel=cancel)
    elif session.mode != "replay":
        say_estimate(estimate_run(session, targets, stored.left_out), caps=session.caps, telling=telling)
    settings = stored.settings(session.engine_settings(targets))
    if session.batch:
        settings = asked_in_batches(session, stored, targets, settings, telling, cancel=cancel)
    with telling.progress(title, total) as progress:
        try:
            results = measure(session, targets, settings, progress=progress, whole=whole)
        except KeyboardInterrupt:
            again = "" if session.mode == "replay" else "; the same command goes on from there"
            note(f"stopped after {progress.done} of {total} samples{again}")
            raise
    found = [version_result(each, see=report.add, reuses=session.reuses) for each in results]
    if (counted := progress.tally.progress()).cached:
        note(cached_words(counted))
    for sink in settings.sinks:
        if isinstance(sink, RecordingSink):
            _say_recorded(sink)
    return found


def _say_recorded(sink: RecordingSink) -> None:
    if sink.written:
        note(f"recorded {sink.written} replies")
    if sink.kept_back:
        note(
            f"{sink.kept_back} replies of served versions were not recorded: what they were accepted with is replaced "
            "with --accept only"
        )


def _verdict(found: Sequence[VersionResult]) -> Verdict:
    from promptops.runner.versions import worst

    return worst([result.verdict for result in found])


def _conclude(
    project: Project,
    session: Session,
    found: Sequence[VersionResult],
    report: RunReport,
    stored: StoredRun,
    *,
    evidence: bool,
    as_json: bool,
) -> None:
    from promptops.release.records import append_run

    at, again = stored.moment(), stored.round > 1
    written: dict[str, str] = {}
    for result in found:
        record = result.evidence(session, at) if evidence else None
        if record is not None:
            path = append_run(project, result.target.prompt, record, again=again)
            written[result.target.name] = project.relative(path)
    if as_json:
        emit_json(run_json(session, found, at, written))
        return
    from promptops.reporting.lines import painted

    typer.echo(painted(report.lines(found, written), color=colour()))


def run_json(session: Session, found: Sequence[VersionResult], at: str, written: dict[str, str]) -> dict[str, Any]:
    """Everything a run found, as plain data; the cases as an iterator."""
    from msgspec import to_builtins

    return {
        "verdict": _verdict(found),
        "mode": session.mode,
        "environment": session.environment,
        "finished_at": at,
        "versions": [
            {
                "prompt": result.target.prompt,
                **result.target.side.model_dump(mode="json"),
                "verdict": result.verdict,
                "complete": result.complete,
                "measurement": result.target.measurement.digest,
                "evidence": written.get(result.target.name),
                "suite": [to_builtins(finding) for finding in result.suite.findings] if result.suite else [],
                "summary": to_builtins(result.summary) if result.summary.cases else None,
                "cases": (row.to_json() for row in result.results.rows()),
            }
            for result in found
        ],
    }


def _accept(project: Project, found: Sequence[VersionResult]) -> None:
    """Accept what is recorded now of the cases that ran."""
    from promptops.cli.commands._measured import measure, now
    from promptops.release.accept import accept_outcomes

    for result in found:
        target = result.target
        only = tuple(result.results.outcomes()) if target.partial else ()
        done = accept_outcomes(project, measure(project, target.prompt, target.version), at=now(), only=only)
        what = "the same outcomes as before" if done.same else f"{len(done.added)} new, {len(done.changed)} changed"
        note(f"accepted {target.name}: {what}; review and commit evidence/{target.version}.json")
