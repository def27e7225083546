"""Runs a plan to its end and judges each case as soon as all of its samples are there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from promptops.core.plan import Planned
from promptops.models import CaseResult, Sample
from promptops.runner.background import EventStream
from promptops.runner.engine import EngineSettings
from promptops.runner.events import RunFinished, SampleDone
from promptops.runner.session import Session
from promptops.runner.targets import Target

Progress = Callable[[Sample], None]
SideKey = tuple[str, str, str]


@dataclass
class Collected:
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
) -> Collected:
    """Ask for `plan` and judge; checks run in this thread.

    Ctrl-C leaves through here as `KeyboardInterrupt`, after what is done was written; `into` then holds what was
    judged. Raises what the engine raises.
    """
    collected = into if into is not None else Collected()
    by_key = {side_key(target): target for target in targets}
    waiting: dict[tuple[SideKey, str], list[Sample]] = {}
    with EventStream(plan, settings) as events:
        for event in events:
            if isinstance(event, RunFinished):
                collected.finished = event
            elif isinstance(event, SampleDone):
                key = event.sample.key
                side = (key.prompt, key.version, key.pin)
                samples = waiting.setdefault((side, key.case), [])
                samples.append(event.sample)
                if len(samples) == by_key[side].samples:
                    del waiting[side, key.case]
                    ordered = sorted(samples, key=lambda sample: sample.key.index)
                    judged = session.judge(by_key[side], ordered)
                    collected.results.setdefault(side, {})[key.case] = judged
                progress(event.sample)
    return collected
