"""The one place that puts a project, its files and its providers together for asking and judging."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from promptops.config import environment_name
from promptops.core import pricing
from promptops.core.judge import judge
from promptops.core.judging import judging_keys
from promptops.core.plan import Planned, limits_latency, plan_samples
from promptops.core.prompt_cache import Keep, keep_of, written_bound
from promptops.core.reask import as_today, worst_turns
from promptops.core.redact import Redactor, secrets_of
from promptops.core.select import resolve
from promptops.core.standing import Stood, stand
from promptops.core.wire.endpoints import settings_of
from promptops.errors import ProblemsError, PromptopsError, UsageError
from promptops.formats import Manifest
from promptops.models import (
    Caps,
    Case,
    CaseResult,
    Failure,
    Mode,
    Pin,
    PlannedSample,
    Reply,
    Request,
    Sample,
    SampleKey,
    Spent,
)
from promptops.project.dataset_cases import choose
from promptops.project.manifest import load_manifest
from promptops.project.user_code import resolver
from promptops.runner.engine import Asker, EngineSettings
from promptops.runner.fitting import fits_for, fitted
from promptops.runner.journal import Resumed
from promptops.runner.sinks import RecordingSink
from promptops.runner.target_files import TargetFiles
from promptops.runner.targets import Target
from promptops.store import recordings as store_recordings
from promptops.store.recordings import Recordings
from promptops.times import parse_duration

if TYPE_CHECKING:
    from promptops.project.root import Project
    from promptops.runner.batches import Sink

REPLAY_CONCURRENCY = 16
_PROBLEMS = 10  # malformed lines of a recordings file that a failure names


class Choices(Struct, frozen=True):
    """What the user chose for a run; every field left alone means what the project's files say.

    `pin` tests every target against another model, `samples` overrides how many are asked of a case, `tags` keeps the
    cases that have one of them, `limit` the first so many (0: all), `caps` is the budget, `accept` allows `record` to
    rewrite what a served version was accepted with. `cache` True keeps replies across runs, False copies none at all.
    `batch` asks through the providers' batch APIs.
    """

    environment: str | None = None
    pin: Pin | None = None
    samples: int | None = None
    tags: tuple[str, ...] = ()
    limit: int = 0
    concurrency: int | None = None
    caps: Caps = Caps()
    accept: bool = False
    cache: bool | None = None
    batch: bool = False


@dataclass
class Session:
    """One run's view of a project. Files are read once; nothing is asked before an engine is started.

    `asker` makes what asks the providers (default: `providers.client.Client`).
    """

    project: Project
    mode: Mode
    environ: Mapping[str, str]
    choices: Choices = Choices()  # noqa: RUF009  frozen
    asker: Callable[[], Asker] | None = None

    def __post_init__(self) -> None:
        self.environment = environment_name(self.project.config, self.choices.environment, self.environ)
        self.manifest: Manifest = load_manifest(self.project)
        self._files = TargetFiles(self.project, self.manifest, self.environment)
        self._recordings: dict[tuple[str, str, str], Recordings | PromptopsError] = {}
        self._targets: dict[tuple[str, str, str], Target] = {}
        self._by_side: dict[tuple[str, str, str], Target] = {}
        self.batch = self.choices.batch
        self.spent = Spent()  # before this process went on with a run
        self._redactors: dict[str, Redactor] = {}
        self._resolvers: dict[str, Callable[[str], Callable[..., Any]]] = {}

    # --- what is tested

    def select(self, selectors: Sequence[str] = ()) -> list[tuple[str, str]]:
        """Return the (prompt, version) pairs that `selectors` name; raises `UsageError` for one that names nothing.

        Without a selector: what any environment serves, and the newest version of every prompt.
        """
        return resolve(selectors, self._files.versions(), self.manifest)

    def target(self, prompt: str, version: str, pin: Pin | None = None) -> Target:
        """Return what is needed to ask and judge one version, with `pin` in place of the one it names.

        The output contract (Python of the repository) is loaded here. Raises `ProblemsError`, `UserCodeError` and
        `UsageError` for what is wrong with this prompt; other prompts are not touched.
        """
        pin = pin or self.choices.pin
        key = (prompt, version, str(pin or ""))
        if key not in self._targets:
            target = self._files.target(prompt, version, pin, self._choose, self.choices.samples)
            fits = None if self.mode == "replay" else fits_for(self.project, target.pin)
            saving = partial(_saved, target.pin, self.project.config.prices)
            self._targets[key] = replace(target, fits=fits, saving=saving)
            self._by_side[prompt, version, str(target.pin)] = self._targets[key]
        return self._targets[key]

    def served(self, prompt: str, environment: str | None = None) -> str:
        """Return the version of `prompt` that an environment serves; raises `UsageError` where it serves none."""
        name = environment or self.environment
        entry = self.manifest.environments[name].prompts.get(prompt) if name in self.manifest.environments else None
        if entry is None:
            raise UsageError(
                f"{name!r} serves no version of {prompt!r}: take one in with `promptops adopt {prompt}@v1 --env {name}`"
            )
        return entry.version

    def _choose(self, cases: Sequence[Case]) -> Sequence[Case]:
        return choose(cases, tags=self.choices.tags, limit=self.choices.limit)

    # --- asking

    def plan(self, targets: Iterable[Target]) -> Iterator[Planned]:
        """Yield every sample of `targets`, target by target, case by case, lazily."""
        for target in targets:
            yield from self.plan_cases(target, target.cases)

    def plan_cases(self, target: Target, cases: Iterable[Case]) -> Iterator[Planned]:
        """Yield the samples of some cases.

        Where replies would have to be merged into a recordings file that cannot be read, each sample is that failure:
        nothing is asked that could not be kept, and other targets go on.
        """
        found = self._read(target.prompt, target.version, str(target.pin)) if self.mode in ("record", "new") else None
        for planned in plan_target(target, cases):
            if isinstance(found, PromptopsError):
                yield Sample(planned.key, "", failure=_unreadable(found))
            else:
                yield planned

    def engine_settings(
        self, targets: Sequence[Target], *, run: str | None = None, sinks: Sequence[Sink] = (), fresh: bool = False
    ) -> EngineSettings:
        """Return how an engine asks for `targets` in this session's mode; recordings are written where it says so.

        `fresh` asks for every sample, whatever identical ones were answered.
        """
        asks = self.mode != "replay"
        recorder = (
            [RecordingSink(self.path_of(targets), self._writable(targets))] if self.mode in ("record", "new") else []
        )
        return EngineSettings(
            mode=self.mode,
            concurrency=self.concurrency(targets) if asks else REPLAY_CONCURRENCY,
            planned=sum(len(target.cases) * target.samples for target in targets),
            run=run,
            find=self.find_alone,
            open_client=self._opener(targets, self.ask_fresh if fresh else self.open_client) if asks else None,
            redacted=self.redacted,
            follow=self.follow if any(target.judges for target in targets) else None,
            sinks=(*recorder, *sinks),
        )

    def _opener(self, targets: Sequence[Target], open_client: Callable[[], Asker]) -> Callable[[], Asker]:
        """How what asks is made: as given, unless invalid output of a target is asked for again."""
        if not any(target.closure.reask for target in targets):
            return open_client
        from promptops.runner.reasking import ReaskingAsker, Rules

        rules = {
            (target.prompt, target.version, str(target.pin)): Rules(target.contract, target.fits) for target in targets
        }
        return lambda: ReaskingAsker(open_client(), rules, self.redacted)

    def concurrency(self, targets: Sequence[Target]) -> int:
        """How many samples are in flight: as chosen, else as configured, else what the providers stand together."""
        chosen = self.choices.concurrency or self.project.config.concurrency
        if chosen:
            return chosen
        providers = self.project.config.providers
        names = {target.pin.provider for target in targets}
        return (
            sum(providers[name].concurrency if name in providers else 1 if name == "local" else 16 for name in names)
            or 1
        )

    def find(self, planned: PlannedSample) -> Sample:
        """Look a planned sample up in the recordings, with what judges answered about it."""
        sample = self.find_alone(planned)
        if sample.reply is None or not (wanted := self.follow(sample)):
            return sample
        answers = [each if isinstance(each, Sample) else self.find_alone(each) for each in wanted]
        return replace(sample, answers=tuple(answers))

    def follow(self, sample: Sample) -> Sequence[Planned]:
        """What judges are to be asked about a sample; nothing about their own answers."""
        target = self._by_side.get((sample.key.prompt, sample.key.version, sample.key.pin))
        return target.follow(sample) if target is not None else ()

    def judged(self, key: SampleKey) -> bool:
        """Whether judges are asked about this sample, once it has a reply."""
        target = self._by_side.get((key.prompt, key.version, key.pin))
        return target is not None and bool(target.judges)

    def recorded_case(self, target: Target, case: Case) -> CaseResult:
        """One case as it is recorded, judged as of today, whatever this session asks."""
        samples = [self.find(one) if isinstance(one, PlannedSample) else one for one in plan_target(target, [case])]
        return self.judge(target, samples, case)

    def find_alone(self, planned: PlannedSample) -> Sample:
        """Look a planned sample up in the recordings, which are read once; a malformed file is a failure."""
        key = planned.key
        recordings = self._read(key.prompt, key.version, key.pin)
        if isinstance(recordings, PromptopsError):
            return Sample(key, planned.digest, failure=_unreadable(recordings), source="recorded")
        options = f"--promptops-model {key.pin}" if self.choices.pin else ""
        try:
            found = recordings.find(planned, options=options)
            if not (planned.reask or found.earlier) or found.reply is None:
                return found
            today = as_today(planned, found, self._files.contract(key.prompt))
            return today or recordings.otherwise_asked(planned, found, options=options)
        except ProblemsError as error:
            return Sample(key, planned.digest, failure=_unreadable(error), source="recorded")

    def recordings(self, target: Target) -> Recordings:
        """The recordings of a target as they were when the session read them; raises where they cannot be read."""
        found = self._read(target.prompt, target.version, str(target.pin))
        if isinstance(found, PromptopsError):
            raise found
        return found

    def recorded(self, target: Target) -> Collection[tuple[str, int]]:
        """The (case, sample index) that stand in the recordings, valid or not; none where they cannot be read."""
        found = self._read(target.prompt, target.version, str(target.pin))
        return () if isinstance(found, PromptopsError) else found.lines.keys()

    def open_client(self) -> Asker:
        """Make what asks the providers, once for identical samples; to be called in the loop that uses it."""
        from promptops.runner.caching import caching

        return caching(self.ask_fresh, self)

    def ask_fresh(self) -> Asker:
        """Make what asks the providers for every sample; to be called in the loop that uses it."""
        if self.asker is not None:
            return self.asker()
        from promptops.providers.client import Client
        from promptops.runner.budget import Budget
        from promptops.store.shared_limits import SharedLimits, default_folder

        config, caps = self.project.config, self.caps
        limits = SharedLimits(default_folder(self.environ))
        return Client(
            config,
            environ=self.environ,
            concurrency=self.choices.concurrency,
            ledger=limits,
            fingerprint=limits.fingerprint,
            allowance=Budget(caps, self.worst_case, self._cost, spent=self.spent) if caps else None,
            time_limit=parse_duration(config.run_timeout) if config.run_timeout else None,
        )

    @property
    def reuses(self) -> bool:
        """Whether replies of earlier runs may be among this run's."""
        from promptops.runner.shelves import cache_config

        return not self.batch and self.mode in ("new", "live") and cache_config(self) is not None

    def redacted(self, sample: Sample) -> Sample:
        """Return the sample as its recording would give it back, without secrets."""
        return store_recordings.redacted(sample, self.redactor(sample.key.prompt))

    def redactor(self, prompt: str) -> Redactor:
        """What removes keys and the matches of the `redact:` patterns of project and prompt."""
        if prompt not in self._redactors:
            patterns = [*self.project.config.redact, *self._files.redact_patterns(prompt)]
            self._redactors[prompt] = Redactor(patterns, secrets_of(self.environ))
        return self._redactors[prompt]

    @property
    def caps(self) -> Caps:
        """The budget of a run: as chosen, else as configured."""
        chosen, config = self.choices.caps, self.project.config
        return Caps(
            chosen.dollars or config.budget,
            chosen.tokens or config.budget_tokens,
            chosen.requests or config.budget_requests,
        )

    def spend(self, samples: Iterable[Sample]) -> None:
        """Count what an engine of this session has asked against the budget of the next one."""
        live = [each for one in samples for each in (one, *one.answers) if not isinstance(each, Resumed)]
        used = [each.reply.usage for each in live if each.reply is not None]
        self.spent = Spent(
            self.spent.dollars + sum(each.cost or 0.0 for each in live),
            self.spent.tokens + sum((usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in used),
            self.spent.requests + sum(len(each.attempts) for each in live),
        )

    def worst_case(self, request: Request) -> float | None:
        """The most US dollars that one request can cost; None where no price is known."""
        prices = self.project.config.prices
        return pricing.worst_case(request, prices, batch=self.batch, keep=self._keep(request))

    def worst_of(self, planned: PlannedSample) -> float | None:
        """The most US dollars that a sample can cost, with every time that it is asked again at most."""
        if not planned.reask:
            return self.worst_case(planned.request)
        prices, pin = self.project.config.prices, planned.request.pin
        keep = self._keep(planned.request)
        written = written_bound(planned.request, keep)
        turns = worst_turns(planned)
        costs = [pricing.dearest(pin, usage, prices, written=written, keep=keep) for usage in turns]
        return None if None in costs else sum(cost for cost in costs if cost is not None)

    def _keep(self, request: Request) -> Keep:
        settings = settings_of(request.pin.provider, self.project.config)
        return keep_of(request, settings.format, settings.prompt_cache) if settings else "off"

    def _cost(self, request: Request, reply: Reply) -> float | None:
        return pricing.cost(request.pin, reply.usage, self.project.config.prices)

    def _read(self, prompt: str, version: str, pin: str) -> Recordings | PromptopsError:
        """Recordings, or what is wrong with their file: read when they are first needed, once."""
        key = (prompt, version, pin)
        if key not in self._recordings:
            path = store_recordings.recordings_path(self.project.fixtures_dir, prompt, version, pin)
            try:
                self._recordings[key] = store_recordings.load(path, root=self.project.root)
            except PromptopsError as error:
                self._recordings[key] = error
        return self._recordings[key]

    def path_of(self, targets: Sequence[Target]) -> Callable[[Sample], Path]:
        """Which recordings file a sample belongs into; what judges answered has one of its own."""
        paths = {(t.prompt, t.version, str(t.pin)): t.recordings_path for t in targets}

        def path_of(sample: Sample) -> Path:
            key = sample.key
            own = paths.get((key.prompt, key.version, key.pin))
            fixtures = self.project.fixtures_dir
            return own or store_recordings.recordings_path(fixtures, key.prompt, key.version, key.pin)

        return path_of

    def _writable(self, targets: Sequence[Target]) -> Callable[[Sample], bool]:
        """`record` does not replace in passing what a served version was accepted with."""
        guarded = {
            (t.prompt, t.version, str(t.pin))
            for t in targets
            if t.served and self.mode == "record" and not self.choices.accept
        }
        judged = {
            (key.prompt, key.version, key.pin): (t.prompt, t.version, str(t.pin))
            for t in targets
            for judge_asked, judge in t.judges.items()
            for key in judging_keys(judge, judge_asked, SampleKey(t.prompt, t.version, str(t.pin), ""))[:1]
        }

        def writable(sample: Sample) -> bool:
            side = (sample.key.prompt, sample.key.version, sample.key.pin)
            return judged.get(side, side) not in guarded

        return writable

    # --- judging

    def judge(self, target: Target, samples: Sequence[Sample], case: Case | None = None) -> CaseResult:
        """Judge all samples of one case (left out: looked up by its id) by the contract and the checks of `target`."""
        case = case or target.case(samples[0].key.case)
        if target.prompt not in self._resolvers:
            self._resolvers[target.prompt] = resolver(target.source)
        resolve = self._resolvers[target.prompt]
        tools = target.closure.tools
        judges = target.judges
        judged = tuple(
            judge(sample, case, target.contract, target.checks, resolve, tools=tools, judges=judges)
            for sample in samples
        )
        return CaseResult(case.id, judged)

    def stand(self, target: Target, result: CaseResult, case: Case, *, varying: int = 1) -> Stood:
        """Compare one judged case with what was accepted; `varying` is how many cases of the run vary."""
        found = target.baseline.of(case, target.measurement)
        return stand(result, found.entry, same_measurement=found.same, gate=target.spec.gate, varying=varying)


@fitted
def plan_target(target: Target, cases: Iterable[Case] | None = None) -> Iterator[Planned]:
    """Yield the samples of one target, of all its cases or of `cases`, lazily."""
    pin = target.pin if str(target.pin) != target.closure.model else None
    return plan_samples(
        target.closure,
        target.cases if cases is None else cases,
        samples=target.samples,
        pin=pin,
        released=target.released,
        timed=limits_latency(target.checks) or target.spec.budgets.p95_latency is not None,
        read=target.read,
    )


def _saved(pin: Pin, prices: pricing.Prices, reply: Reply) -> float | None:
    return pricing.saved(pin, reply.usage, prices, batch=reply.batch)


def _unreadable(error: PromptopsError) -> Failure:
    """Each malformed line with its number; what mends them may need a person, as after a merge."""
    problems = error.problems if isinstance(error, ProblemsError) else ()
    lines = [str(replace(problem, hint="")) for problem in problems[:_PROBLEMS]] or [str(error)]
    if (more := len(problems) - _PROBLEMS) > 0:
        lines.append(f"and {more} more")
    hint = "   or mend the lines   or delete the file and record it again"
    restore = f"git restore -- {shlex.quote(problems[0].path)}{hint}" if problems else ""
    return Failure("unreadable_recordings", "\n".join(lines), restore)
