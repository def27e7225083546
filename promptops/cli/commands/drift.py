"""`promptops drift`: ask what is served again, and compare with its recording."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins

from promptops.cli.commands._asking import (
    BudgetOption,
    BudgetRequestsOption,
    BudgetTokensOption,
    ConcurrencyOption,
    EventsOption,
    LimitOption,
    QuietOption,
    ResumeOption,
    TagOption,
    choices,
    environ,
    recorded_run,
    resume_of,
    say_estimate,
)
from promptops.cli.commands._shared import JsonOption, colour, current_project, emit_json, finish, note
from promptops.cli.progress import Telling

if TYPE_CHECKING:
    from promptops.models import Json
    from promptops.project.root import Project
    from promptops.runner.drift import DriftResult
    from promptops.runner.resuming import Resume
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

EXAMPLES = ("promptops drift", "promptops drift booking@production --samples 3", "promptops drift --history")

_ONE_NIGHT = timedelta(hours=12)
"""What was measured before that is another night's."""
EXIT_CODES = {"stable": 0, "changed": 1, "unmeasurable": 10, "watch": 11}


def drift(
    selectors: Annotated[
        list[str] | None, typer.Argument(metavar="[SELECTOR]…", help="Which served versions (default: all of them).")
    ] = None,
    *,
    env: Annotated[str | None, typer.Option("--env", metavar="ENV", help="What this environment serves.")] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", metavar="N", min=1, max=20, help="Samples per case (default: prompt.yaml)."),
    ] = None,
    tag: TagOption = None,
    limit: LimitOption = 0,
    concurrency: ConcurrencyOption = None,
    budget: BudgetOption = None,
    budget_tokens: BudgetTokensOption = None,
    budget_requests: BudgetRequestsOption = None,
    resume: ResumeOption = None,
    history: Annotated[bool, typer.Option("--history", help="Show the nights so far, and ask nothing.")] = False,
    quiet: QuietOption = False,
    events: EventsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask the served version of every prompt again and compare with its recording: does the model still answer so?

    STABLE ends in 0, CHANGED in 1, UNMEASURABLE in 10, WATCH in 11. Nothing is recorded; each night is a row of the
    run store's history.
    """
    from promptops.runner.session import Session

    project = current_project()
    if history:
        _show_history(project, selectors or (), as_json=as_json)
        return
    chosen = choices(
        tag=tag,
        limit=limit,
        samples=samples,
        concurrency=concurrency,
        budget=budget,
        budget_tokens=budget_tokens,
        budget_requests=budget_requests,
        environment=env,
    )
    session = Session(project, "live", environ(), chosen)
    wish, chosen_selectors = resume_of(resume, selectors or ())
    finish(_run(session, chosen_selectors, wish, Telling(quiet, events), as_json=as_json))


def exit_code(states: Sequence[str]) -> int:
    """The code of several endpoints: changed beats unmeasurable beats watch beats stable."""
    return next((EXIT_CODES[state] for state in ("changed", "unmeasurable", "watch") if state in states), 0)


def _run(session: Session, selectors: Sequence[str], resume: Resume, telling: Telling, *, as_json: bool) -> int:
    from promptops.runner.drift import drift_targets, run_drift
    from promptops.runner.estimates import estimate

    targets = drift_targets(session, selectors)
    for problem in (target.frozen.problem for target in targets if target.frozen):
        note(f"notice: {problem}")
    plan: dict[str, Json] = {"targets": [f"{target.name} {target.pin}" for target in targets]}
    with recorded_run(session, "drift", targets, plan, resume=resume, within=_ONE_NIGHT) as stored:
        expected = estimate(session, stored.missing(session.plan(targets)), targets)
        say_estimate(expected, caps=session.caps, telling=telling)
        total = sum(len(target.cases) * target.samples for target in targets)
        with telling.progress("drift", total) as progress:
            try:
                results = run_drift(session, targets, stored=stored, progress=progress)
            except KeyboardInterrupt:
                note(f"stopped after {progress.done} of {total} samples; the same command goes on from there")
                raise
        for result in results:
            stored.store.add_night(_night(result, stored.id))
        _show(results, as_json=as_json)
        code = exit_code([result.decision.state for result in results])
        stored.finish(next(state for state, number in EXIT_CODES.items() if number == code))
    return code


def _show(results: Sequence[DriftResult], *, as_json: bool) -> None:
    from promptops.reporting.drift import drift_lines
    from promptops.reporting.lines import painted

    if as_json:
        emit_json(drift_json(results))
    else:
        typer.echo(painted(drift_lines(results), color=colour()))


def _night(result: DriftResult, run: str) -> Any:
    from promptops.store.runs import DriftNight

    target, decision = result.target, result.decision
    return DriftNight(
        prompt=target.prompt,
        version=target.version,
        pin=str(target.pin),
        night=datetime.now(UTC).strftime("%Y-%m-%d"),
        state=decision.state,
        agreement=decision.agreement,
        run=run,
        data={**_decision_json(result), "digest": target.digest},
    )


def _decision_json(result: DriftResult) -> dict[str, Any]:
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in to_builtins(result.decision).items()}
    return {**plain, "cost": result.cost, "unrecorded": list(result.unrecorded)}


def drift_json(results: Sequence[DriftResult]) -> dict[str, Any]:
    """Everything a check found, as plain data."""

    def side(target: Target) -> dict[str, Any]:
        return {"prompt": target.prompt, **target.side.model_dump(mode="json"), "cases": len(target.cases)}

    states = [result.decision.state for result in results]
    worst = next((state for state in ("changed", "unmeasurable", "watch") if state in states), "stable")
    return {"state": worst, "endpoints": [{**side(r.target), **_decision_json(r)} for r in results]}


def _show_history(project: Project, selectors: Sequence[str], *, as_json: bool) -> None:
    from promptops.core.select import parse_selector
    from promptops.errors import StoreError
    from promptops.reporting.drift import history_lines
    from promptops.reporting.lines import painted
    from promptops.store.runs import RunStore

    wanted = {parse_selector(text).prompt for text in selectors}
    try:
        with RunStore.in_folder(project.store_dir, read_only=True) as store:
            nights = [night for night in store.nights() if not wanted or night.prompt in wanted]
    except StoreError:
        if (project.store_dir / "store.db").exists():
            raise
        nights = []
    if as_json:
        emit_json([to_builtins(night) for night in nights])
    else:
        typer.echo(painted(history_lines(nights), color=colour()))
