"""One version on several models: asked next to each other, judged as they come, and none of the replies held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.model_choice import Choice, Model, choose_model
from promptops.core.model_figures import ModelTally, asked_in_order
from promptops.core.model_life import life_of
from promptops.core.plan import Planned, cluster_sizes, clustered_order, clusters_of
from promptops.core.statistics.against import Plan
from promptops.core.statistics.metric import FEWEST_CLUSTERS
from promptops.errors import MissingExtra, ModelFileError, ProblemsError, UsageError
from promptops.models import Case, Pin, Verdict
from promptops.runner.background import EventStream
from promptops.runner.collect import Progress, SideKey, complete, events_of, side_key
from promptops.runner.events import Event, RunFinished
from promptops.runner.leaving import Leaving
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.runner.sinks import RecordingSink
from promptops.runner.targets import Target

Place = tuple[int, Case]


class Refused(Struct, frozen=True):
    """A model that cannot be asked for this version: `problem` says why, `hint` what mends it."""

    pin: Pin
    problem: str
    hint: str = ""


class ModelComparison(Struct, frozen=True, dict=True):
    """What is compared: `current`, the version on its own model, with `others`, the same version on other ones.

    Cases are asked in the order that `seed` stands for, all models of a case next to each other. Where the samples
    have cost `most_cost` US dollars it stops: that is valid at any time.
    """

    session: Session
    current: Target
    others: tuple[Target, ...]
    refused: tuple[Refused, ...] = ()
    seed: int = 0
    most_cost: float | None = None

    def __post_init__(self) -> None:
        self.current.require_unedited()
        if not self.current.cases:
            why = "--tag and --limit leave none" if self.current.total else "write fixtures/…/cases.jsonl"
            raise UsageError(f"{self.current.prompt!r} has no case to compare on: {why}")

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is asked, the current model first."""
        return (self.current, *self.others)

    @cached_property
    def order(self) -> list[int]:
        """The places of the cases in the dataset, in the order in which they are asked."""
        places = {case.id: place for place, case in enumerate(self.current.cases)}
        return [places[case] for case in clustered_order(places, clusters_of(self.current.cases), self.seed)]

    @property
    def tests(self) -> Plan:
        """What the tests are made for, by `canary:` of prompt.yaml."""
        settings = self.current.spec.canary
        return Plan(
            cases=len(self.current.cases),
            margin=settings.delta,
            alpha=settings.alpha,
            samples=self.current.samples,
            seed=self.seed,
            clusters=self._clusters,
        )

    @property
    def _clusters(self) -> tuple[int, ...]:
        """The sizes of the clusters in the order of asking; empty: every case stands for itself."""
        cases = self.current.cases
        return cluster_sizes([cases[place].id for place in self.order], clusters_of(cases))

    def plan(self, under_way: dict[tuple[SideKey, str], Place]) -> Iterator[Planned]:
        """Every sample, case by case, the models taking turns at being the first.

        Providers vary by the hour: all models meet a case in the same minute. `under_way` gets the cases that are
        being asked, each with its place in the order.
        """
        targets, cases = self.targets, self.current.cases
        for place, number in enumerate(self.order):
            case, first = cases[number], place % len(targets)
            for target in (*targets[first:], *targets[:first]):
                under_way[side_key(target), case.id] = place, case
                yield from self.session.plan_cases(target, [case])

    def notices(self, today: date) -> list[str]:
        """What is worth a line before anything is asked."""
        told = [notice for target in self.targets for notice in target.notices]
        told += [words for target in self.targets if (words := gone_words(target.pin, today))]
        if clusters := self._clusters:
            too_few = len(clusters) < FEWEST_CLUSTERS
            few = f", fewer than {FEWEST_CLUSTERS}: none can be shown to be not worse" if too_few else ""
            units = "1 unit" if len(clusters) == 1 else f"{len(clusters)} units"
            told.append(f"the cases of a cluster count once: {units}{few}")
        settings = self.current.spec.canary
        if settings.primary != "pass_rate" or settings.guardrails:
            told.append("models are compared by their pass rate alone: primary metric and guardrails are the canary's")
        return list(dict.fromkeys(told))


class ComparisonResult(Struct, frozen=True):
    """What a comparison found. `written` replies were recorded, `kept_back` were not, to spare what was accepted.

    `given_up` is True where the current model did not answer any more, so that the others were not asked either.
    """

    comparison: ModelComparison
    choice: Choice
    finished: RunFinished
    written: int = 0
    kept_back: int = 0
    given_up: bool = False

    @property
    def concluded(self) -> bool:
        """Whether every case was asked; else the same command would take it further."""
        return self.choice.asked == self.choice.plan.cases

    @property
    def status(self) -> Verdict:
        """How the run ended: a model that was refused before anything was asked is not worth going on for."""
        refused = {str(found.pin) for found in self.comparison.refused}
        if set(self.choice.unmeasured) - refused:
            return "unmeasurable"
        return "inconclusive" if self.choice.open else "pass"


def comparison_of(
    session: Session, prompt: str, version: str, pins: Sequence[Pin], *, seed: int = 0, most_cost: float | None = None
) -> ModelComparison:
    """Read what is compared; a model that cannot be asked for this version becomes a row that says why.

    Raises what is wrong with the version itself, and `UsageError` for a provider that nobody knows.
    """
    current = session.target(prompt, version)
    found: list[Target] = []
    refused: list[Refused] = []
    for pin in dict.fromkeys(pins):
        if pin != current.pin:
            one = _target(session, prompt, version, pin)
            refused += [one] if isinstance(one, Refused) else []
            found += [one] if isinstance(one, Target) else []
    if not found and not refused:
        raise UsageError(f"--models names only {current.pin}, which {current.name} has already: name another model")
    return ModelComparison(session, current, tuple(found), tuple(refused), seed, most_cost)


def _target(session: Session, prompt: str, version: str, pin: Pin) -> Target | Refused:
    from promptops.providers.registry import provider_for

    try:
        if session.mode != "replay":
            provider_for(pin, session.project.config, session.environ)
        return session.target(prompt, version, pin)
    except ModelFileError as error:
        return Refused(pin, str(error), f"promptops models pull {pin.model.partition('@')[0]}")
    except MissingExtra as error:
        return Refused(pin, str(error))
    except ProblemsError as error:
        hints = [problem.hint for problem in error.problems if problem.hint]
        return Refused(pin, "; ".join(problem.message for problem in error.problems), hints[0] if hints else "")


def run_comparison(
    comparison: ModelComparison, *, stored: StoredRun | None = None, progress: Progress = lambda _: None
) -> ComparisonResult:
    """Ask every model for every case and judge; raises what the engine raises, and `KeyboardInterrupt`.

    Every sample is asked, and of recordings those that are copies do not count. What has a recording is not asked in
    mode `new`; what is asked is recorded there.
    """
    session, targets = comparison.session, comparison.targets
    given_up: set[Pin] = set()
    settings = session.engine_settings(targets, fresh=True)
    settings = stored.settings(settings) if stored is not None else settings
    if (opened := settings.open_client) is not None:
        settings = replace(settings, open_client=lambda: Leaving(opened(), given_up.add))
    tallies = {side_key(t): ModelTally(len(comparison.order), current=t is comparison.current) for t in targets}
    under_way: dict[tuple[SideKey, str], Place] = {}
    finished = RunFinished()

    def see(event: Event) -> None:
        nonlocal finished
        finished = event if isinstance(event, RunFinished) else finished
        progress(event)

    over = _over(comparison, list(tallies.values()), given_up)
    with events_of(comparison.plan(under_way), settings) as events:
        for target, samples in complete(events, targets, see):
            side = side_key(target)
            place, case = under_way.pop((side, samples[0].key.case))
            tallies[side].add(place, session.judge(target, samples, case))
            if isinstance(events, EventStream) and over():
                events.cancel()
    recorders = [sink for sink in settings.sinks if isinstance(sink, RecordingSink)]
    return ComparisonResult(
        comparison,
        _choice(comparison, tallies),
        finished,
        written=sum(sink.written for sink in recorders),
        kept_back=sum(sink.kept_back for sink in recorders),
        given_up=comparison.current.pin in given_up,
    )


def _over(comparison: ModelComparison, tallies: Sequence[ModelTally], given_up: set[Pin]) -> Callable[[], bool]:
    """Whether nothing more is to be asked: no money is left, or nothing to compare with."""
    most, current = comparison.most_cost, comparison.current.pin

    def over() -> bool:
        spent = most is not None and sum(tally.spent for tally in tallies) >= most
        return spent or current in given_up

    return over


def _choice(comparison: ModelComparison, tallies: dict[SideKey, ModelTally]) -> Choice:
    cases = len(comparison.order)
    asked = asked_in_order(tallies.values(), cases)

    def model(target: Target) -> Model:
        tally = tallies[side_key(target)]
        return Model(str(target.pin), tally.scores(asked), tally.figures())

    refused = [Model(str(found.pin), problem=found.problem, hint=found.hint) for found in comparison.refused]
    others = [*map(model, comparison.others), *refused]
    return choose_model(model(comparison.current), others, comparison.tests)


def gone_words(pin: Pin, today: date) -> str:
    """That a model was shut down, by the table of model lives; empty where it was not."""
    life = life_of(pin)
    if life.status(today) != "gone":
        return ""
    instead = f"; {life.replacement} is recommended instead" if life.replacement else ""
    return f"{pin} was shut down on {life.shutdown} ({life.source}, read {life.read}){instead}"
