"""`promptops compare`: one version on several models, and the cheapest that is enough."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from promptops.cli.commands._asking import (
    EXIT_CODES,
    choices,
    environ,
    parse_mode,
    recorded_run,
    resume_of,
    say_estimate,
)
from promptops.cli.commands._shared import JsonOption, colour, current_project, emit_json, finish, note
from promptops.cli.options import CaseOptions, EffortOptions, ResumeOption, takes_options
from promptops.cli.progress import Telling
from promptops.errors import UsageError

if TYPE_CHECKING:
    from promptops.models import Json, Pin
    from promptops.runner.compare import ComparisonResult, ModelComparison
    from promptops.runner.resuming import StoredRun
    from promptops.runner.session import Session

EXAMPLES = (
    "promptops compare booking --models openai/gpt-4.1-nano-2025-04-14",
    "promptops compare booking@v3 --models acme/s,acme/m --svg compare.svg",
    "promptops compare booking --models acme/s --mode live --samples 3",
    "promptops compare booking --models acme/s,acme/l --max-cost 2 --json",
)


@takes_options
def compare(
    ref: Annotated[
        str, typer.Argument(metavar="NAME", help="The version (NAME alone: what is served, else the newest).")
    ],
    *,
    models: Annotated[
        list[str], typer.Option("--models", metavar="PIN,PIN…", help="The models to try; may be given again.")
    ],
    mode: Annotated[
        str,
        typer.Option(
            "--mode", metavar="new|replay|record|live", help="Ask what is missing, nothing, all and write, all."
        ),
    ] = "new",
    cases: CaseOptions,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the order in which cases are asked.")] = 0,
    effort: EffortOptions,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0.0, metavar="USD", help="Stop once they have cost so much.")
    ] = None,
    resume: ResumeOption = None,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="PATH", help="Draw quality against cost, with the Pareto line.")
    ] = None,
    telling: Telling,
    as_json: JsonOption = False,
) -> None:
    """Ask which model is enough: one version on several, by quality, cost, latency and validation.

    The model that the version names is always among them; the others are compared with it, case by case. The answer is
    the cheapest that is shown to be not worse, by the canary's test, corrected for picking one of several.

    Ends in 0 (answered), 11 (another could be a cheaper answer) or 10 (one could not be measured). It writes no
    evidence: what comes next is a version with the new model, and its canary.
    """
    from promptops.runner.session import Session

    pins = parse_models(models)
    if svg is not None and svg.suffix != ".svg":
        raise UsageError(f"--svg {str(svg)!r}: name a file that ends in .svg")
    project = current_project()
    chosen = choices(cases, effort)
    session = Session(project, parse_mode(mode, "new", "replay", "record", "live"), environ(), chosen)
    comparison = _comparison(session, ref, pins, seed, max_cost)
    plan: dict[str, Json] = {
        "mode": session.mode,
        "targets": [f"{target.name} {target.pin}" for target in comparison.targets],
    }
    with recorded_run(
        session, "compare", comparison.targets, plan, resume=resume_of(resume)[0], key={"seed": seed}
    ) as stored:
        result = _run(stored, comparison, telling)
        _show(result, svg, as_json=as_json)
        if result.concluded:  # else it counts as interrupted: the same command goes on with it
            stored.finish(result.status)
    finish(EXIT_CODES[result.choice.verdict])


def parse_models(texts: list[str]) -> list[Pin]:
    """Read `--models a,b,c`; raises `UsageError` with everything that is wrong with it."""
    from promptops.core.aliases import floating_alias
    from promptops.models import Pin

    pins: list[Pin] = []
    wrong: list[str] = []
    for text in (part.strip() for whole in texts for part in whole.split(",")):
        try:
            pin = Pin.parse(text)
        except ValueError as error:
            wrong.append(str(error) if text else "there is an empty name between two commas")
            continue
        if instead := floating_alias(pin):
            wrong.append(f"{text!r} floats: what it stands for changes. Write {instead}")
        pins.append(pin)
    if wrong:
        raise UsageError("\n".join(f"--models: {one}" for one in wrong))
    return pins


def _comparison(session: Session, ref: str, pins: list[Pin], seed: int, max_cost: float | None) -> ModelComparison:
    from promptops.runner.compare import comparison_of

    prompt, version = _version(session, ref)
    return comparison_of(session, prompt, version, pins, seed=seed, most_cost=max_cost)


def _version(session: Session, ref: str) -> tuple[str, str]:
    """Read `NAME@vN`, `NAME@ENV`, or `NAME`: what the environment in force serves, else the newest version."""
    found = session.select([ref])
    if "@" not in ref and len({prompt for prompt, _ in found}) == 1:
        prompt, newest = found[-1]
        served = session.manifest.environments.get(session.environment)
        entry = served.prompts.get(prompt) if served else None
        return prompt, entry.version if entry else newest
    if len(found) != 1:
        raise UsageError(f"{ref!r} names {len(found)} versions: name one, such as booking@v3")
    return found[0]


def _run(stored: StoredRun, comparison: ModelComparison, telling: Telling) -> ComparisonResult:
    from promptops.runner.compare import run_comparison
    from promptops.runner.estimates import estimate_run

    session, targets = comparison.session, comparison.targets
    for notice in comparison.notices(_today()):
        note(f"notice: {notice}")
    for refused in comparison.refused:
        note(f"{refused.pin} is not asked: {refused.problem}")
    ask = "this command in another --mode"
    say_estimate(estimate_run(session, targets, stored.left_out), caps=session.caps, telling=telling, ask=ask)
    total = sum(len(target.cases) * target.samples for target in targets)
    with telling.progress(f"{comparison.current.name} on {len(targets)} models", total) as progress:
        try:
            return run_comparison(comparison, stored=stored, progress=progress)
        except KeyboardInterrupt:
            again = "" if session.mode == "replay" else "; the same command goes on from there"
            note(f"stopped after {progress.done} of {total} samples{again}")
            raise


def _show(result: ComparisonResult, svg: Path | None, *, as_json: bool) -> None:
    if svg is not None:
        from promptops.reporting.compare_svg import compare_svg
        from promptops.store.atomic import write_text

        write_text(svg, compare_svg(result))
        note(f"drawn: {svg}")
    if as_json:
        from promptops.reporting.compare_json import compare_json

        emit_json(compare_json(result))
        return
    from promptops.reporting.compare import compare_lines
    from promptops.reporting.lines import painted

    lines = compare_lines(result, _today(), next_step=_next_step(result))
    typer.echo(painted(lines, color=colour()))


def _next_step(result: ComparisonResult) -> str:
    """How to make a version with the model that is enough, and run its canary; empty where there is none to make."""
    from promptops.project.prompts import version_names

    current, enough = result.comparison.current, result.choice.enough
    if enough is None or enough == str(current.pin) or current.partial:
        return ""
    if current.version == version_names(result.comparison.session.project, current.prompt)[-1]:
        return f"promptops models --successor --prompt {current.prompt} --to {enough}"
    return f"a new version of {current.prompt} like {current.version} with `model: {enough}`, and its canary"


def _today() -> date:
    return datetime.now(UTC).date()
