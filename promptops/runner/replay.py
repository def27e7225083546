"""A run that asks nobody: there is nothing to wait for, so it needs neither a loop nor a thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.models import Sample
from promptops.runner.engine import SAY_EVERY, EngineSettings
from promptops.runner.events import Event, RunFinished, RunStarted, SampleDone
from promptops.runner.tally import Tally


def replayed(plan: Iterable[Planned], settings: EngineSettings) -> Iterator[Event]:
    """Yield the events of a replay as an engine would, the samples in the order of the plan; nothing is written.

    Two busy threads that hand a million samples to each other spend more time on that than on the samples.
    """
    began, tally = time.monotonic(), Tally(settings.planned)
    said = began
    if settings.find is None:
        raise RuntimeError("a replay needs recordings to find samples in")
    yield RunStarted(settings.mode, settings.planned, settings.run)
    for planned in plan:
        sample = planned if isinstance(planned, Sample) else settings.find(planned)
        if settings.follow is not None and sample.reply is not None and not sample.answers:
            found = [each if isinstance(each, Sample) else settings.find(each) for each in settings.follow(sample)]
            sample = replace(sample, answers=tuple(found))
        tally.count(sample)
        yield SampleDone(sample)
        if time.monotonic() >= said + SAY_EVERY:
            said = time.monotonic()
            yield tally.progress()
    yield tally.progress()
    yield RunFinished(
        recorded=tally.recorded, cached=tally.cached, failed=tally.failed, seconds=time.monotonic() - began
    )
