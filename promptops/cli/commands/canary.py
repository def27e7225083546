"""`promptops canary`: compare a candidate with what is served, case by case."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from promptops.cli.commands._asking import choices, environ, parse_mode, parse_pin, resume_of, say_estimate
from promptops.cli.commands._canary_comparison import comparison_of, recorded_canary
from promptops.cli.commands._canary_ending import Ending, check_ending, conclude
from promptops.cli.commands._shared import JsonOption, current_project, finish, note
from promptops.cli.options import CaseOptions, EffortOptions, ModelOption, ResumeOption, takes_options
from promptops.cli.progress import Telling
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.runner.canary import Comparison
    from promptops.runner.canary_result import CanaryResult
    from promptops.runner.resuming import StoredRun

EXAMPLES = (
    "promptops canary booking@v3",
    "promptops canary booking@v3 --against staging --tag quick",
    "promptops canary booking@v2 --model openai/gpt-4.1-mini-2025-04-14",
)


@takes_options
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
    cases: CaseOptions,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Of the random order (default: a new one).")] = None,
    effort: EffortOptions,
    resume: ResumeOption = None,
    max_samples: Annotated[
        int | None, typer.Option("--max-samples", min=2, metavar="N", help="Stop at so many samples of both sides.")
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option("--max-cost", min=0.0, metavar="USD", help="Stop before they could cost more than this."),
    ] = None,
    ending: Ending,
    telling: Telling,
    as_json: JsonOption = False,
) -> None:
    """Compare a candidate with what is served, case by case, both asked now and next to each other.

    It looks after every case, and stops as soon as it knows; what is in flight is dropped then.

    Ends in pass (0), regress (1), inconclusive (11) or unmeasurable (10); with --warn-only in 0. A whole canary is
    appended to the candidate's evidence; one of some cases only (--tag, --limit), or one that a cap or an outage
    stopped before it knew, licenses nothing and is not: the same command goes on with it.
    """
    from promptops.runner.session import Session

    if max_cost is not None and not max_cost > 0:
        raise UsageError("--max-cost is a number of dollars above 0")
    project = current_project()
    chosen = choices(cases, effort)
    dollars = [cap for cap in (effort.budget or project.config.budget, max_cost) if cap is not None]
    chosen = replace(chosen, caps=replace(chosen.caps, dollars=min(dollars, default=None)))
    session = Session(project, parse_mode(mode, "live", "replay"), environ(), chosen)
    check_ending(ending)
    comparison = comparison_of(
        session,
        ref,
        against=against,
        pin=parse_pin(model),
        seed=seed,
        baseline=baseline,
        max_samples=max_samples,
        max_cost=max_cost,
    )
    with recorded_canary(comparison, resume_of(resume)[0], seed) as (comparison, stored):
        result = _ask(stored, comparison, telling)
        code = conclude(result, stored, ending, as_json=as_json)
    finish(code)


def _ask(stored: StoredRun, comparison: Comparison, telling: Telling) -> CanaryResult:
    from promptops.runner.canary import run_canary

    targets = (comparison.baseline, comparison.candidate)
    for notice in dict.fromkeys(n for target in targets for n in target.notices):
        note(f"notice: {notice}")
    expected = comparison.expected(stored.outstanding)
    say_estimate(expected, caps=comparison.session.caps, telling=telling)
    planned = comparison.expected() if stored.there else expected  # of the whole canary, whatever is there of it
    title = f"{comparison.candidate.name} against {comparison.baseline.version}"
    total = comparison.asked_at_most * sum(target.samples for target in targets)
    with telling.progress(title, total) as progress:
        try:
            return run_canary(comparison, stored=stored, planned=planned, progress=progress)
        except KeyboardInterrupt:
            note(f"stopped after {progress.done} of {total} samples; the same command goes on from there")
            raise
