"""Runs a plan to its end and judges each case as soon as all of its samples are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec import Struct, field

from promptops.core.plan import Planned
from promptops.models import Case, CaseResult, Sample
from promptops.runner.background import EventStream
from promptops.runner.engine import EngineSettings
from promptops.runner.events import Event, RunFinished, SampleDone
from promptops.runner.replay import replayed
from promptops.runner.results import Results
from promptops.runner.session import Session
from promptops.runner.targets import Target

Progress = Callable[[Event], None]
"""Who wants to know how far a run is: gets every event."""
SideKey = tuple[str, str, str]


class Collected(Struct):
    """The judged cases of each target, and how the run ended (None while it runs, or where it was interrupted)."""

    results: dict[SideKey, dict[str, CaseResult]] = field(default_factory=dict)
    finished: RunFinished | None = None

    def of(self, target: Target) -> dict[str, CaseResult]:
        """The judged cases of one target, in the order in which they were complete."""
        return self.results.get(side_key(target), {})


def side_key(target: Target) -> SideKey:
    """What tells targets apart: prompt, version and pin."""
    return target.prompt, target.version, str(target.pin)


def collect(
    session: Session,
    plan: Iterable[Planned],
    targets: Sequence[Target],
    settings: EngineSettings,
    *,
    progress: Progress = lambda _: None,
    into: Collected | None = None,
    enough: Callable[[], bool] = lambda: False,
) -> Collected:
    """Ask for `plan`, judge and hold every sample; checks run in this thread.

    `enough` is asked after each judged case: then nothing more is sent, and what is in flight is dropped.

    Ctrl-C leaves through here as `KeyboardInterrupt`, after what is done was written; `into` then holds what was
    judged. Raises what the engine raises.
    """
    collected = into if into is not None else Collected()

    def see(event: Event) -> None:
        if isinstance(event, RunFinished):
            collected.finished = event
        progress(event)

    with EventStream(plan, settings) as events:
        for target, samples in complete(events, targets, see):
            judged = session.judge(target, samples)
            collected.results.setdefault(side_key(target), {})[judged.case] = judged
            if enough():
                events.cancel()
    return collected


def measure(
    session: Session,
    targets: Sequence[Target],
    settings: EngineSettings,
    *,
    progress: Progress = lambda _: None,
    whole: bool = False,
) -> list[Results]:
    """Ask for every case of `targets` and judge, holding none of them; otherwise like `collect`.

    `whole`: results have the texts of cases that passed, too.
    """
    results = {side_key(target): Results(target, whole=whole) for target in targets}
    planned: dict[tuple[SideKey, str], tuple[int, Case]] = {}

    with events_of(_plan(session, targets, planned), settings) as events:
        for target, samples in complete(events, targets, progress):
            side = side_key(target)
            position, case = planned.pop((side, samples[0].key.case))
            results[side].add(position, case, session.judge(target, samples, case))
    return list(results.values())


@contextmanager
def events_of(plan: Iterable[Planned], settings: EngineSettings) -> Iterator[Iterable[Event]]:
    """The events of a run of `plan`: of an engine, or of a replay, which needs none."""
    if settings.mode == "replay":
        yield replayed(plan, settings)
        return
    with EventStream(plan, settings) as events:
        yield events


def _plan(
    session: Session, targets: Iterable[Target], planned: dict[tuple[SideKey, str], tuple[int, Case]]
) -> Iterator[Planned]:
    """The samples of all cases; `planned` has the cases under way, each with its position in the dataset."""

    def noted(target: Target) -> Iterator[Case]:
        side = side_key(target)
        for position, case in enumerate(target.cases):
            planned[side, case.id] = position, case
            yield case

    for target in targets:
        yield from session.plan_cases(target, noted(target))


def complete(
    events: Iterable[Event], targets: Iterable[Target], see: Callable[[Event], None]
) -> Iterator[tuple[Target, list[Sample]]]:
    """Yield the samples of a case, by index, as soon as all of them are there; `see` gets every event."""
    by_key = {side_key(target): target for target in targets}
    waiting: dict[tuple[SideKey, str], list[Sample]] = {}
    for event in events:
        if isinstance(event, SampleDone):
            key = event.sample.key
            side = (key.prompt, key.version, key.pin)
            target, samples = by_key[side], waiting.setdefault((side, key.case), [])
            samples.append(event.sample)
            if len(samples) == target.samples:
                del waiting[side, key.case]
                yield target, sorted(samples, key=lambda sample: sample.key.index)
        see(event)
