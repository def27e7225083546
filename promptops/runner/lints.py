"""What is unwise though nothing is wrong: what a version costs, and how long it takes. Offline; runs no user code.

Each prompt's newest version is looked at: what is released is frozen, and nobody can mend it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptops.core.closure import build_closure, request_for
from promptops.core.context import fits_into
from promptops.core.pricing import Prices, cost
from promptops.core.quantiles import Quantiles
from promptops.core.template.order import late_constant
from promptops.core.tokens import TextCounter, count_request
from promptops.errors import Problem, ProblemsError, PromptopsError, TemplateRefused
from promptops.models import Request, Sample, Usage
from promptops.project.datasets import dataset_of
from promptops.project.prompts import Prompt, PromptVersion, load_prompt
from promptops.providers.vocabularies import context_window, counter_for
from promptops.store.recordings import load, recordings_path
from promptops.times import parse_duration

if TYPE_CHECKING:
    from promptops.formats import Closure
    from promptops.models import Case
    from promptops.project.root import Project

COST_PER_REQUEST: Final = 0.05  # US dollars, where prompt.yaml sets no budget
P95_LATENCY: Final = 10.0  # seconds, likewise
LONG_CONSTANT: Final = 400  # tokens of constant text behind a variable
_CASES: Final = 200  # that are rendered to say what a request can be
_SAMPLES: Final = 10_000  # recorded ones that are looked at


class Looked(Struct, frozen=True):
    """One version with what its lints look at. `requests` are those of the first cases that can be rendered."""

    project: Project
    prompt: Prompt
    version: PromptVersion
    closure: Closure
    requests: Sequence[Request]

    @property
    def shown(self) -> str:
        return self.project.relative(self.version.path)

    @property
    def prices(self) -> Prices:
        return self.project.config.prices

    @property
    def counter(self) -> TextCounter:
        return counter_for(self.version.pin, self.project.config, self.project.root)

    def samples(self) -> list[Sample]:
        """Recorded samples with a reply, none where they cannot be read (the run says why)."""
        prompt, version = self.prompt.name, self.version.name
        path = recordings_path(self.project.fixtures_dir, prompt, version, self.version.pin)
        try:
            found = load(path, root=self.project.root).samples()
            return [sample for sample in islice(found, _SAMPLES) if sample.reply]
        except PromptopsError:
            return []


def lint_advice(project: Project, names: Iterable[str]) -> list[Problem]:
    """Return what is unwise about the newest version of each prompt; a prompt that cannot be read is `lint`'s."""
    found: list[Problem] = []
    for name in names:
        try:
            prompt = load_prompt(project, name)
            looked = _look(project, prompt, prompt.newest)
        except PromptopsError:
            continue
        for check in LINTS:
            found += check(looked)
    return sorted(set(found))


def _look(project: Project, prompt: Prompt, version: PromptVersion) -> Looked:
    closure = build_closure(version, prompt.inputs, None, prompt.spec)
    try:
        dataset = dataset_of(project, prompt)
    except ProblemsError:
        dataset = None
    cases = islice(dataset.cases, _CASES) if dataset else ()
    return Looked(project, prompt, version, closure, tuple(_requests(closure, cases)))


def _requests(closure: Closure, cases: Iterable[Case]) -> Iterator[Request]:
    for case in cases:
        try:
            yield request_for(closure, case.inputs)
        except TemplateRefused:
            continue


def cost_lint(looked: Looked) -> Iterator[Problem]:
    """A request that costs more than the prompt's budget: as recorded, else as it can at most."""
    written = looked.prompt.spec.budgets.cost_per_request
    limit = COST_PER_REQUEST if written is None else written
    costs = [found for sample in looked.samples() if (found := _cost(looked, sample)) is not None]
    if costs:
        mean = sum(costs) / len(costs)
        said = f"a request costs ${mean:.4f} (mean of {len(costs):,} recorded)"
    else:
        mean, said = _most(looked)
    if mean > limit:
        yield _over(looked, said, f"${limit:g}", "cost_per_request", default=written is None)


def _cost(looked: Looked, sample: Sample) -> float | None:
    if sample.cost is not None or sample.reply is None:
        return sample.cost
    return cost(looked.version.pin, sample.reply.usage, looked.prices)


def _most(looked: Looked) -> tuple[float, str]:
    """The dearest request that says how long its answer may be; 0 where there is none, or no price."""
    if "max_tokens" not in looked.closure.params:
        return 0.0, ""
    pin, answer = looked.version.pin, looked.closure.params["max_tokens"]
    prompts = [count_request(request, looked.counter).tokens for request in looked.requests]
    most = cost(pin, Usage(max(prompts), answer), looked.prices) or 0.0 if prompts else 0.0
    return most, f"a request can cost ${most:.4f} (max_tokens {looked.closure.params['max_tokens']})"


def context_lint(looked: Looked) -> Iterator[Problem]:
    """A case whose prompt, with the answer, is longer than the model takes."""
    window = context_window(looked.version.pin, looked.project.config)
    if window is None:
        return
    fits = fits_into(window, looked.counter)
    found = [failure for request in looked.requests if (failure := fits(request))]
    if found:
        many = f" ({len(found)} of the first {len(looked.requests)} cases)" if len(looked.requests) > 1 else ""
        yield Problem(looked.shown, 1, f"{found[0].message}{many}", found[0].hint)


def caching_lint(looked: Looked) -> Iterator[Problem]:
    """A variable before a long constant part: no provider's cache can keep what stands behind it."""
    found = late_constant(looked.version.template, looked.version.includes)
    if found is None or found.after < LONG_CONSTANT:
        return
    message = (
        f"{found.variable!r} stands before about {found.after:,} tokens of constant text, "
        f"which no provider's cache can keep there (about {found.before:,} stand before it)"
    )
    hint = (
        "put what is the same for every case first, and what varies last: providers cache a prompt's beginning, mostly "
        "from 1,024 tokens on, and read it at a tenth to a half of the price"
    )
    yield Problem(looked.shown, looked.version.first_line + found.line - 1, message, hint, "warning")


def latency_lint(looked: Looked) -> Iterator[Problem]:
    """Recorded replies whose 95th percentile of latency is above the prompt's budget."""
    written = looked.prompt.spec.budgets.p95_latency
    limit = P95_LATENCY if written is None else parse_duration(written) if isinstance(written, str) else written
    latencies, count = Quantiles(), 0
    for sample in looked.samples():
        if sample.reply and sample.source != "cached" and not sample.reply.batch:
            latencies.add(sample.reply.latency)
            count += 1
    p95 = latencies.quantile(0.95)
    if p95 is not None and p95 > limit:
        said = f"the 95th percentile of latency is {p95:.{1 if p95 >= 0.95 else 3}f} s ({count:,} recorded)"
        yield _over(looked, said, f"{limit:g} s", "p95_latency", default=written is None)


def _over(looked: Looked, said: str, limit: str, key: str, *, default: bool) -> Problem:
    whose = "what is usual" if default else "the prompt's budget"
    hint = f"a cheaper or quicker model, a shorter prompt, a lower max_tokens; or budgets: {{{key}: …}} in prompt.yaml"
    return Problem(looked.shown, 1, f"{said}, more than {whose} of {limit}", hint, "warning" if default else "error")


LINTS = (cost_lint, latency_lint, context_lint, caching_lint)
