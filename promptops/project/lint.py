"""Every mistake that can be found without asking a model and without running code of the repository."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from promptops.core import pricing
from promptops.core.alike import repeated_words
from promptops.core.metrics_outlook import spread_of
from promptops.core.presets import contradictions
from promptops.core.statistics.exact_pairs import exact_non_inferiority
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.core.statistics.planning import least_cases
from promptops.core.statistics.planning_units import Shape
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.formats import UNBOUNDED, CanarySettings
from promptops.models import Usage
from promptops.project.datasets import Dataset, dataset_of
from promptops.project.files import Problems
from promptops.project.prompt_file import check_python
from promptops.project.prompts import Prompt, load_prompt
from promptops.project.root import Project


def lint(project: Project, names: Iterable[str], *, providers: Collection[str] | None = None) -> list[Problem]:
    """Return the problems of these prompts and their datasets, sorted by path and line.

    `providers` are the names that a pin may begin with (None: not looked at). Raises `UsageError` for a name that is
    no prompt.
    """
    found: list[Problem] = []
    for name in names:
        try:
            prompt = load_prompt(project, name)
        except ProblemsError as error:
            found += error.problems
            continue
        found += _params(project, prompt)
        found += _providers(project, prompt, providers) if providers is not None else ()
        try:
            dataset = dataset_of(project, prompt)
        except ProblemsError as error:
            found += error.problems
            continue
        found += _functions(project, prompt, dataset) if dataset else ()
    return sorted(set(found))


def undecided(project: Project, names: Iterable[str]) -> Iterator[Problem]:
    """Warn of suites on which a canary could never say PASS, or nothing at all; prompts with problems are left out."""
    for name in names:
        try:
            prompt = load_prompt(project, name)
            dataset = dataset_of(project, prompt)
        except ProblemsError:
            continue
        if dataset is None:
            continue
        shown = project.relative(dataset.path)
        if why := _too_few(dataset, prompt):
            yield Problem(shown, 0, why, "promptops estimate says more", "warning")
        if why := _few_clusters(dataset):
            yield Problem(shown, 0, why, "cases of more documents", "warning")
        if why := repeated_words(dataset.cases):
            yield Problem(shown, 0, why, "keep one of them, or give them one cluster", "warning")
        yield from _canary_settings(project, prompt, dataset)


def _few_clusters(dataset: Dataset) -> str:
    units: set[tuple[str, str]] = set()
    cases = 0
    for case in dataset.cases:
        units.add((case.cluster, "" if case.cluster else case.id))
        cases += 1
    if len(units) == cases or len(units) >= FEWEST_CLUSTERS:
        return ""
    return f"a canary on {len(units)} clusters can never say PASS: it takes {FEWEST_CLUSTERS}"


def _canary_settings(project: Project, prompt: Prompt, dataset: Dataset) -> Iterator[Problem]:
    """Settings of the canary that name what is not there."""
    settings, shown = prompt.spec.canary, project.relative(prompt.folder / "prompt.yaml")
    metrics = {settings.primary, *settings.guardrails}
    versions = [version.name for version in prompt.versions]
    if settings.anchor is not None and settings.anchor not in versions:
        yield Problem(shown, 0, f"canary.anchor: there is no {settings.anchor}", ", ".join(versions))
    if settings.must_pass or "distance" in metrics:
        yield from _cases_named(settings, dataset, shown, distance="distance" in metrics)
    if {"validation", "first_pass"} & metrics and not prompt.spec.output:
        yield Problem(shown, 0, "canary: validation is measured by an output contract", "output: schema.json")
    if "cost" in metrics and pricing.cost(prompt.newest.pin, Usage(1, 1), project.config.prices) is None:
        why = f"canary: the price of {prompt.newest.pin} is not known, so its cost is not measured"
        yield Problem(shown, 0, why, "set [tool.promptops.prices]")


def _cases_named(settings: CanarySettings, dataset: Dataset, shown: str, *, distance: bool) -> Iterator[Problem]:
    """Must-pass cases that there are not, and cases without what `distance` compares with."""
    names: set[str] = set()
    bare: list[str] = []
    for case in dataset.cases:
        names.update((case.id, *(f"tag:{tag}" for tag in case.tags)))
        bare += [] if case.has_expected else [case.id]
    for name in settings.must_pass:
        if name not in names:
            yield Problem(shown, 0, f"canary.must_pass: {name!r} is no case", "a case id, or tag:NAME")
    if distance and bare:
        few = f"{', '.join(bare[:3])}{' …' * (len(bare) > 3)}"
        why = f"canary: distance is measured to what is expected; cases that expect nothing count as lost: {few}"
        yield Problem(shown, 0, why, "write expected: for each case", "warning")


def _too_few(dataset: Dataset, prompt: Prompt) -> str:
    """Why the cases cannot decide about an equal candidate; empty where they can."""
    settings, cases = prompt.spec.canary, len(dataset.cases)
    if settings.primary in UNBOUNDED:
        return ""
    named = Counter(case.cluster for case in dataset.cases if case.cluster)
    clusters = (*named.values(), *[1] * (cases - named.total())) if named else ()
    if clusters and len(clusters) < FEWEST_CLUSTERS:
        return ""  # of which there is a warning of its own
    shape = Shape(prompt.spec.samples, clusters, spread_of(settings.primary))
    least = least_cases(shape, settings.delta, settings.alpha)
    if cases >= least:
        return ""
    many, points = f"{cases} case{'s' * (cases != 1)}", f"{100 * settings.delta:g} points"
    return (
        f"a canary on {many} {_still_says(cases, settings)}: to show an equal candidate not worse by {points} takes "
        f"{least} cases even without a single flip"
    )


def _still_says(cases: int, settings: CanarySettings) -> str:
    """What so few cases can say at all."""
    if cases >= math.ceil(math.log2(1 / settings.alpha)):
        return "can PASS only a candidate that does better on them"
    best = exact_non_inferiority(0, cases, cases, settings.delta, alpha=settings.alpha, after_betting=True)
    if best > settings.alpha:
        return "can say nothing at all"
    return "can never say REGRESS, and PASS only a candidate that does better on them"


def _functions(project: Project, prompt: Prompt, dataset: Dataset) -> list[Problem]:
    """Python checks of cases that name no function."""
    problems, shown = Problems(), project.relative(dataset.path)
    for case in dataset.cases:
        for check in case.checks:
            if check.name == "python":
                problems.catch(lambda check=check: check_python(project, prompt.folder, shown, check))  # type: ignore[misc]
    return problems.found


def _providers(project: Project, prompt: Prompt, known: Collection[str]) -> Iterator[Problem]:
    """Pins of a provider that nobody knows: nothing could be asked."""
    for version in prompt.versions:
        if (name := version.pin.provider) not in known:
            message = f"no provider is called {name!r}{did_you_mean(name, known)} (known: {', '.join(known)})"
            hint = f"add [tool.promptops.providers.{name}] with its base_url to pyproject.toml"
            yield Problem(project.relative(version.path), version.head.line("model"), message, hint)


def _params(project: Project, prompt: Prompt) -> Iterator[Problem]:
    """Params that work against the task: plainly so, or a little."""
    for version in prompt.versions:
        for name, plainly, message, hint in contradictions(version.params, prompt.spec.task):
            shown, line = project.relative(version.path), version.head.line("params", name)
            yield Problem(shown, line, message, hint, "error" if plainly else "warning")
