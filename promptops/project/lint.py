"""Every mistake that can be found without asking a model and without running code of the repository."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec import Struct

from promptops.core import pricing
from promptops.core.alike import copies_words
from promptops.core.metrics import is_plain, metric_settings
from promptops.core.plan import cluster_sizes, clustered_order, clusters_of
from promptops.core.presets import contradictions
from promptops.core.statistics.exact_pairs import pairs_for_any_pass, pairs_for_no_flip
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.errors import Problem, ProblemsError, did_you_mean
from promptops.formats import CanarySettings
from promptops.models import Case, Usage
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
        shown, units = project.relative(dataset.path), _Units.of(dataset.cases)
        if why := _few_clusters(units, prompt) or _too_few(units, prompt):
            hint = "promptops estimate says more" if units.can_pass else "cases of more documents"
            yield Problem(shown, 0, why, hint, "warning")
        if why := copies_words(dataset.cases):
            yield Problem(shown, 0, why, "leave the copies out, or name one cluster for those alike", "warning")
        yield from _canary_settings(project, prompt, dataset)


class _Units(Struct, frozen=True):
    """What a canary counts: `clusters` are their sizes as they are asked (empty: each of `cases` is a unit)."""

    cases: int
    clusters: tuple[int, ...]

    @classmethod
    def of(cls, cases: Sequence[Case]) -> _Units:
        clusters = clusters_of(cases)
        order = clustered_order((case.id for case in cases), clusters, 0) if clusters else []
        return cls(len(cases), cluster_sizes(order, clusters))

    @property
    def clustered(self) -> bool:
        return bool(self.clusters)

    @property
    def count(self) -> int:
        return len(self.clusters) or self.cases

    @property
    def can_pass(self) -> bool:
        return not self.clusters or self.count >= FEWEST_CLUSTERS


def _few_clusters(units: _Units, prompt: Prompt) -> str:
    if units.can_pass:
        return ""
    least = _for_a_regress(prompt)
    nor = f", nor REGRESS: it takes {least}" if units.count < least else ""
    return f"a canary on {units.count} clusters can never say PASS: it takes {FEWEST_CLUSTERS}{nor}"


def _canary_settings(project: Project, prompt: Prompt, dataset: Dataset) -> Iterator[Problem]:
    """Settings of the canary that name what is not there."""
    settings, shown = prompt.spec.canary, project.relative(prompt.folder / "prompt.yaml")
    metrics = {settings.primary, *settings.guardrails}
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


def _too_few(units: _Units, prompt: Prompt) -> str:
    """Why that many units cannot decide of an equal candidate; empty where they can."""
    settings, least = prompt.spec.canary, _without_a_flip(units, prompt)
    if units.cases >= least:
        return ""
    worse = units.count >= _for_a_regress(prompt)
    better = units.count >= pairs_for_any_pass(settings.delta, settings.alpha)
    what = {
        (False, False): "nothing at all",
        (True, False): "only REGRESS, never PASS",
        (True, True): "REGRESS, and PASS only of a candidate that is clearly better",
        (False, True): "nothing but PASS, and that only of a candidate that is clearly better",
    }[worse, better]
    many = f"{units.cases} case{'s' * (units.cases != 1)}"
    many += f" in {units.count} clusters" * units.clustered
    return (
        f"a canary on {many} can say {what}: to show an equal one not worse by {100 * settings.delta:g} points takes "
        f"{least} cases even without a single flip"
    )


def _for_a_regress(prompt: Prompt) -> int:
    """The units that a REGRESS takes where the candidate breaks each; critical metrics share its alpha (Holm)."""
    metrics = metric_settings(prompt.spec.canary, samples=prompt.spec.samples)
    return math.ceil(math.log2(sum(metric.critical for metric in metrics) / prompt.spec.canary.alpha))


def _without_a_flip(units: _Units, prompt: Prompt) -> int:
    """The cases that a PASS takes where nothing differs, by the tests that the canary makes of such units."""
    settings, samples = prompt.spec.canary, prompt.spec.samples
    primary = metric_settings(settings, samples=samples)[:1]
    if is_plain(primary, {"": ""} if units.clustered else {}):
        return pairs_for_no_flip(settings.delta, settings.alpha, after_betting=True)
    from promptops.core.metrics_outlook import spread_of
    from promptops.core.statistics.planning import cases_without_a_flip
    from promptops.core.statistics.planning_units import Shape

    shape = Shape(samples, units.clusters, spread_of(settings.primary))
    return cases_without_a_flip(shape, settings.delta, settings.alpha)


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
