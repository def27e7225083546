"""A run that asks through the providers' batch APIs, and which no kill loses or repeats.

What is handed over is written down first, what the provider calls it at once after it has said so, and what it answered
goes into the run store like any other sample. So whoever goes on with the run knows of each batch whether the provider
may have it, and asks before another one is made. `measured_in_batches` does all that; the engine then finds every
sample in the store, and judges, records and reports it as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from msgspec.structs import replace

from promptops.core.plan import Planned
from promptops.errors import UsageError
from promptops.models import PlannedSample
from promptops.providers.batches import has_batches
from promptops.runner.batch_desk import SYSTEM_CLOCK, Clock, Desk, waiting
from promptops.runner.batch_parcels import custom_id
from promptops.runner.batch_samples import FromBatches
from promptops.runner.engine import EngineSettings
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.runner.targets import Target

__all__ = ["Clock", "check_batches", "measured_in_batches", "not_handed_over", "waiting"]


def check_batches(session: Session, targets: Sequence[Target]) -> None:
    """Raise `UsageError` where a run of `targets` cannot be asked in batches."""
    if session.mode == "replay":
        raise UsageError("a replay asks nothing, so there is nothing to make a batch of: leave --batch out")
    if judged := [target.name for target in targets if target.judges]:
        raise UsageError(f"{judged[0]} is judged by other prompts, which batches do not ask: leave --batch out")
    if again := [target.name for target in targets if target.closure.reask]:
        why = "asks again for invalid output, and a batch answers once"
        raise UsageError(f"{again[0]} {why}: leave --batch out, or set reask: 0 below output")
    config = session.project.config
    for pin in dict.fromkeys(target.pin for target in targets):
        if not has_batches(pin, config):
            raise UsageError(f"{pin}: batches are made at OpenAI's and Anthropic's endpoints only: leave --batch out")


def measured_in_batches(
    session: Session,
    stored: StoredRun,
    targets: Sequence[Target],
    settings: EngineSettings,
    *,
    say: Callable[[str], object],
    cancel: bool = False,
    clock: Clock = SYSTEM_CLOCK,
) -> EngineSettings:
    """Hand over what is to be asked, wait for it, and return the settings of an engine that finds it in the store.

    `say` gets a line whenever there is news. With `cancel` nothing is handed over, and what is under way is cancelled.
    Raises `ProviderError` where waiting makes no sense any more; the batches stay, and so does the run.
    """
    desk = Desk(session, stored, targets, say, clock)
    over = False
    while not over:
        desk.find_lost()
        if cancel:
            desk.cancel()
        else:
            desk.hand_over()
        over = desk.wait()
    return replace(settings, open_client=lambda: FromBatches(stored))


def not_handed_over(stored: StoredRun, plan: Iterable[Planned]) -> Iterator[Planned]:
    """The part of a plan that no batch under way has."""
    rows = stored.store.batches
    there = {name for record in waiting(stored) for name in rows.custom_ids(record.run, record.number)}
    for planned in plan:
        if not isinstance(planned, PlannedSample) or custom_id(stored.id, planned) not in there:
            yield planned
