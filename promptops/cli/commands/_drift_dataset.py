"""The dataset in `promptops drift`: served versions asked again, compared with their recordings, a night each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from promptops.cli.commands._asking import recorded_run, say_estimate
from promptops.cli.commands._shared import note
from promptops.cli.progress import Telling
from promptops.times import clock_of

if TYPE_CHECKING:
    from promptops.models import Json
    from promptops.project.root import Project
    from promptops.runner.drift import DriftResult
    from promptops.runner.resuming import Resume
    from promptops.runner.session import Session
    from promptops.runner.targets import Target
    from promptops.store.runs import DriftNight

_ONE_NIGHT = timedelta(hours=12)
"""What was measured before that is another night's."""
EXIT_CODES = {"stable": 0, "changed": 1, "unmeasurable": 10, "watch": 11}


def check_datasets(
    session: Session, selectors: Sequence[str], wish: Resume, telling: Telling
) -> tuple[list[DriftResult], int]:
    """Ask the datasets of served versions, add a row to the history for each; returns what was found, and the code."""
    from promptops.runner.drift import drift_targets

    targets = drift_targets(session, selectors)
    for problem in (target.frozen.problem for target in targets if target.frozen):
        note(f"notice: {problem}")
    return check_targets(session, targets, wish, telling, at=clock_of(os.environ).now())


def exit_code(states: Sequence[str]) -> int:
    """The code of several endpoints: changed beats unmeasurable beats watch beats stable."""
    return next((EXIT_CODES[state] for state in ("changed", "unmeasurable", "watch") if state in states), 0)


def check_targets(
    session: Session, targets: Sequence[Target], resume: Resume, telling: Telling, *, at: datetime
) -> tuple[list[DriftResult], int]:
    """Ask the datasets of `targets`; the night of their rows is that of `at`."""
    from promptops.runner.drift import run_drift
    from promptops.runner.estimates import estimate

    plan: dict[str, Json] = {"targets": [f"{target.name} {target.pin}" for target in targets]}
    with recorded_run(session, "drift", targets, plan, resume=resume, within=_ONE_NIGHT) as stored:
        expected = estimate(session, stored.outstanding(session.plan(targets)), targets)
        say_estimate(expected, caps=session.caps, telling=telling)
        total = sum(len(target.cases) * target.samples for target in targets)
        with telling.progress("drift", total) as progress:
            try:
                results = run_drift(session, targets, stored=stored, progress=progress)
            except KeyboardInterrupt:
                note(f"stopped after {progress.done} of {total} samples; the same command goes on from there")
                raise
        for result in results:
            stored.store.add_night(_night(result, stored.id, at))
        code = exit_code([result.decision.state for result in results])
        stored.finish(next(state for state, number in EXIT_CODES.items() if number == code))
    return results, code


def _night(result: DriftResult, run: str, at: datetime) -> Any:
    from promptops.store.runs import DriftNight

    target, decision = result.target, result.decision
    return DriftNight(
        prompt=target.prompt,
        version=target.version,
        pin=str(target.pin),
        night=at.strftime("%Y-%m-%d"),
        state=decision.state,
        agreement=decision.agreement,
        run=run,
        data={**_decision_json(result), "digest": target.digest},
    )


def _decision_json(result: DriftResult) -> dict[str, Any]:
    plain = {key: list(v) if isinstance(v, tuple) else v for key, v in to_builtins(result.decision).items()}
    return {
        **plain,
        "cost": result.cost,
        "verdict": result.verdict,
        "why": result.why,
        "unrecorded": list(result.unrecorded),
    }


def results_json(results: Sequence[DriftResult]) -> list[dict[str, Any]]:
    """Everything that was found of each version, as plain data."""

    def side(target: Target) -> dict[str, Any]:
        return {"prompt": target.prompt, **target.side.model_dump(mode="json"), "cases": len(target.cases)}

    return [{**side(result.target), **_decision_json(result)} for result in results]


def stored_nights(project: Project, selectors: Sequence[str]) -> list[DriftNight]:
    """The nights of the run store, oldest first; none where there is no store."""
    from promptops.core.select import parse_selector
    from promptops.errors import StoreError
    from promptops.store.runs import RunStore

    wanted = {parse_selector(text).prompt for text in selectors}
    try:
        with RunStore.in_folder(project.store_dir, read_only=True) as store:
            return [night for night in store.nights() if not wanted or night.prompt in wanted]
    except StoreError:
        if (project.store_dir / "store.db").exists():
            raise
        return []
