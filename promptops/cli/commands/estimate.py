"""`promptops estimate`: what a run would cost, and what a canary on this dataset could detect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import to_builtins

from promptops.cli.commands._asking import choices, environ, parse_mode, parse_pin
from promptops.cli.commands._shared import JsonOption, current_project, emit_json, note, say_prose
from promptops.cli.options import CaseOptions, ModelOption, takes_options
from promptops.cli.progress import duration

if TYPE_CHECKING:
    from promptops.core.metrics_outlook import MetricOutlook
    from promptops.core.statistics.planning import SuiteOutlook
    from promptops.runner.counting import Prompts
    from promptops.runner.estimates import Estimate
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

EXAMPLES = ("promptops estimate booking@v3", "promptops estimate all --mode record --samples 3")


@takes_options
def estimate(
    selectors: Annotated[list[str] | None, typer.Argument(metavar="SELECTOR", help="What would be asked.")] = None,
    *,
    mode: Annotated[str, typer.Option("--mode", metavar="new|record|live", help="The mode of the run.")] = "new",
    cases: CaseOptions,
    model: ModelOption = None,
    online: Annotated[
        bool, typer.Option("--online", help="Let providers that count tokens themselves count the first prompts.")
    ] = False,
    batch: Annotated[bool, typer.Option("--batch", help="Reckon with the price of the providers' batch APIs.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what a run would ask and cost at most, and what a canary on the dataset can and cannot detect.

    Nothing is asked but, with --online, a provider's own count. The worst case takes every byte for a token and every
    answer for as long as it may be; the prompts are also counted by the model's vocabulary, or estimated.
    """
    from promptops.runner.session import Session

    project = current_project()
    chosen = choices(cases, pin=parse_pin(model), batch=batch)
    session = Session(project, parse_mode(mode, "new", "record", "live"), environ(), chosen)
    found = [_estimated(session, *pair) for pair in session.select(selectors or ())]
    if batch:
        from promptops.runner.batching import check_batches

        check_batches(session, [target for target, _ in found])
    if as_json:
        emit_json([_json(session, *one, _prompts(session, one[0], online=online)) for one in found])
        return
    for target, expected in found:
        _show(target, expected, session, online=online)
    if not found:
        note("nothing is selected: there is no prompt yet")


def _estimated(session: Session, prompt: str, version: str) -> tuple[Target, Estimate]:
    from promptops.runner.estimates import estimate_run

    target = session.target(prompt, version)
    return target, estimate_run(session, [target])


def _prompts(session: Session, target: Target, *, online: bool) -> Prompts | None:
    from promptops.runner.counting import count_prompts

    return count_prompts(session, target, online=online)


def _show(target: Target, expected: Estimate, session: Session, *, online: bool) -> None:
    from promptops.cli.commands._canary_estimate import canary_estimate
    from promptops.models import Caps
    from promptops.reporting.estimates import asking_words, money_words, prompts_words, tokens_words
    from promptops.reporting.outlook import outlook_lines

    each = f"{target.samples} sample{'s' * (target.samples != 1)} each"
    cases = f"{len(target.cases)} case{'s' * (len(target.cases) != 1)}"
    say_prose(f"{target.name} on {target.pin}: {cases}, {each}")
    if not target.cases:
        say_prose("  no dataset: nothing to ask, nothing to compare")
        return
    asked = f"{expected.requests} requests" if expected.requests else "nothing to ask"
    recorded = f", {expected.recorded} recorded" if expected.recorded else ""
    time = f", about {duration(expected.seconds)}" if expected.seconds is not None else ""
    money = f", {tokens_words(expected)}, {money_words(expected)}" if expected.requests else ""
    say_prose(f"  run --mode {session.mode}: {asked}{recorded}{money}{time}")
    if (prompts := _prompts(session, target, online=online)) is not None:
        say_prose(f"  {prompts_words(prompts)}")
    requests = 2 * len(target.cases) * target.samples
    if (canary := canary_estimate(session, target)) is not None:
        comparison, asked_by_it = canary
        time = f", about {duration(asked_by_it.seconds)}" if asked_by_it.seconds is not None else ""
        say_prose(f"  canary against {comparison.baseline.version}: {asking_words(asked_by_it, Caps())}{time}")
        requests = asked_by_it.requests
    for line in outlook_lines(_outlook(target), requests=requests, delta=_delta(target)):
        say_prose(line)
    from promptops.reporting.outlook import metric_outlook_lines

    for line in metric_outlook_lines(_metrics(target), clusters=len(_clusters(target))):
        say_prose(line)


def _metrics(target: Target) -> list[MetricOutlook]:
    """What can be decided of each metric, where more than one outcome of each case decides."""
    from promptops.core.metrics import is_plain, metric_settings
    from promptops.core.metrics_outlook import metrics_outlook

    settings, clusters = target.spec.canary, _clusters(target)
    metrics = metric_settings(settings, samples=target.samples)
    if is_plain(metrics, {"": ""} if clusters else {}):
        return []
    samples, cases = target.samples, len(target.cases)
    return metrics_outlook(metrics, cases, alpha=settings.alpha, samples=samples, clusters=clusters)


def _clusters(target: Target) -> tuple[int, ...]:
    """The sizes of the clusters of the dataset, in an order as a canary asks; empty: there are none."""
    from promptops.core.plan import cluster_sizes, clusters_of, in_order

    return cluster_sizes([case.id for case in in_order(target.cases, 0)], clusters_of(target.cases))


def _outlook(target: Target) -> SuiteOutlook:
    """What a canary on this dataset can decide by its primary metric, by simulation of its tests."""
    from promptops.core.metrics import metric_settings
    from promptops.core.metrics_outlook import spread_of
    from promptops.core.statistics.planning import suite_outlook
    from promptops.core.statistics.planning_units import Shape

    settings = target.spec.canary
    tests = sum(one.critical for one in metric_settings(settings, samples=target.samples))
    shape = Shape(target.samples, _clusters(target), spread_of(settings.primary))
    return suite_outlook(len(target.cases), margin=settings.delta, alpha=settings.alpha, shape=shape, tests=tests)


def _delta(target: Target) -> float:
    return target.spec.canary.delta


def detectability(target: Target) -> dict[str, Any]:
    """What `_outlook` found, as plain data."""
    found, settings = _outlook(target), target.spec.canary
    return {
        "cases": found.cases,
        "alpha": settings.alpha,
        "delta": settings.delta,
        "least_cases": found.least_cases,
        "detectable_drop": found.detectable,
        "pass": [{"noise": row.noise, "probability": row.outlook.passed} for row in found.equal],
        "outlook": [to_builtins(row) for row in (*found.equal, *found.worse)],
        "clusters": len(_clusters(target)),
        "metrics": [
            {
                "title": one.title,
                **one.setting.model_dump(),
                "finds": one.finds,
                "passes": one.passes,
                "cases_for_a_pass": one.needed,
            }
            for one in _metrics(target)
        ],
        "cases_for_a_pass": [{"noise": noise, "cases": cases} for noise, cases in found.needed],
    }


def _json(session: Session, target: Target, expected: Estimate, prompts: Prompts | None) -> dict[str, Any]:
    from promptops.cli.commands._canary_estimate import canary_estimate

    canary = canary_estimate(session, target) if target.cases else None
    return {
        "prompt": target.prompt,
        "version": target.version,
        "pin": str(target.pin),
        "samples": target.samples,
        **to_builtins(expected),
        "unpriced": list(expected.unpriced),
        "prompts": None if prompts is None else to_builtins(prompts),
        "canary": {**detectability(target), "asks": canary and to_builtins(canary[1])},
    }
