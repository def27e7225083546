"""From the results of a batch to samples in the run store, and from there to the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from promptops.core import pricing
from promptops.core.redact import Redactor, secrets_of
from promptops.core.wire.endpoints import settings_of
from promptops.errors import FailureKind, ProviderError
from promptops.models import Failure, Pin, PlannedSample, Reply, Sample
from promptops.providers.batches import Entry
from promptops.providers.identity import check_identity, check_reply, counting_as
from promptops.runner.fitting import rules_of
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.runner.targets import Target
from promptops.store.batch_rows import BatchItem
from promptops.times import timestamp

_AGAIN: Final = "run again: what was answered is not asked again"
_HINTS: Final[Mapping[FailureKind, str]] = {
    "auth": "set the key's variable in the environment, then run again",
    "cancelled": _AGAIN,
    "identity": "pin the model that really answers",
    "not_found": "pin a model that the provider still serves: promptops bump",
    "rate_limit": "run again when earlier batches have ended: what was answered is not asked again",
    "server": _AGAIN,
    "timeout": _AGAIN,
    "connection": _AGAIN,
}
_AT_ONCE: Final = 500


class Samples:
    """Makes the samples of one run's batches, and writes them; `now` is the time of day."""

    def __init__(
        self, session: Session, stored: StoredRun, targets: Sequence[Target], now: Callable[[], datetime]
    ) -> None:
        self._session, self._stored, self._now = session, stored, now
        self._rules = {(target.prompt, target.version): rules_of(target.spec.identity) for target in targets}
        self._redactor = Redactor(session.project.config.redact, secrets_of(session.environ))
        self._made: list[Sample] = []

    def redacted(self, text: str) -> str:
        """A text of a provider without secrets."""
        return self._redactor.text(text)

    def failure(self, error: ProviderError) -> Failure:
        """What a sample has in place of a reply."""
        return Failure(error.kind, self.redacted(str(error)), _HINTS.get(error.kind, ""))

    def answered(self, items: Sequence[BatchItem], entry: Entry) -> None:
        """Make the samples that one result answers: the first is asked, the others are copies of it."""
        for item in items:
            sample = self._sample(item, entry)
            copied = item is not items[0] and sample.reply is not None
            self._add(replace(sample, source="cached") if copied else sample)

    def fail(self, items: Sequence[BatchItem], failure: Failure) -> None:
        """Make samples without a reply."""
        for item in items:
            self._add(Sample(item.key, item.request, failure=failure))

    def flush(self) -> None:
        """Write what was made."""
        made, self._made = self._made, []
        if made:
            self._stored.store.append(self._stored.id, made, round_=self._stored.round)

    def _add(self, sample: Sample) -> None:
        self._made.append(self._session.redacted(sample))
        if len(self._made) >= _AT_ONCE:
            self.flush()

    def _sample(self, item: BatchItem, entry: Entry) -> Sample:
        pin, config = Pin.parse(item.key.pin), self._session.project.config
        try:
            reply = self._checked(item, pin, entry)
        except ProviderError as error:
            return Sample(item.key, item.request, failure=self.failure(error))
        return Sample(
            item.key,
            item.request,
            reply=replace(reply, batch=True, latency=0.0),
            cost=pricing.cost(pin, reply.usage, config.prices, batch=True),
            recorded_at=timestamp(self._now()),
        )

    def _checked(self, item: BatchItem, pin: Pin, entry: Entry) -> Reply:
        """The reply of an entry, if it counts as the pin's."""
        if entry.reply is None:
            raise entry.error or ProviderError("bad_reply", "the result is empty")
        settings = settings_of(pin.provider, self._session.project.config)
        model = settings.models.get(pin.model) if settings else None
        with counting_as(self._rules.get((item.key.prompt, item.key.version))):
            check_identity(pin, entry.reply.served_model, {}, called=model.name if model else None)
            check_reply(pin, entry.reply, {})
        return entry.reply


class FromBatches:
    """Finds in the run store what the batches of a run answered; implements `runner.engine.Asker`."""

    def __init__(self, stored: StoredRun) -> None:
        self._stored = stored

    async def sample(self, planned: PlannedSample) -> Sample:
        """The sample as it was written; a failure where no batch had it."""
        found = self._stored.store.get(self._stored.id, planned.key)
        if found is not None and found.request == planned.digest:
            return found
        return Sample(planned.key, planned.digest, failure=Failure("cancelled", "no batch asked for it", _AGAIN))

    def stop(self) -> None:
        """Nothing is on its way."""

    async def aclose(self) -> None:
        """Nothing is open."""
