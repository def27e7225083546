"""What one process does for the batches of one run: find what was lost, hand over, wait, fetch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar, cast

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.digest import sample_seed
from promptops.errors import ProviderError
from promptops.models import Failure, Pin, PlannedSample, Spent
from promptops.providers.batches import BatchApi, BatchStatus, batch_api_for
from promptops.runner.batch_parcels import Box, Boxes, custom_id
from promptops.runner.batch_purse import Purse, added
from promptops.runner.batch_samples import Samples
from promptops.runner.engine import may_ask
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.runner.targets import Target
from promptops.store.batch_rows import BatchItem, BatchRecord
from promptops.times import timestamp

T = TypeVar("T")
logger = logging.getLogger("promptops")

FIRST_PAUSE: Final = 2.0  # seconds between the first two questions how far a batch is; most take minutes
LONGEST_PAUSE: Final = 60.0
SETTLES_IN: Final = 10.0  # seconds after which a batch that was made is in the list of batches
CREATIONS: Final = 3  # times that a batch is sent that was not made
LONGEST_WAIT: Final = timedelta(hours=26)  # vendors promise an end within 24 hours
PATIENCE: Final = 30  # questions in a row that may fail before the waiting ends: the batch goes on without us
_LOOKS: Final = 5  # at the list of batches while one settles
_AT_ONCE: Final = 500  # results that are written with one transaction
_UNCLEAR: Final = frozenset({"connection", "timeout", "server", "bad_reply"})
"""Failures after which a batch may have been made all the same."""


class Clock(Struct, frozen=True):
    """Time as an argument: `sleep` waits seconds, `now` is the time of day."""

    sleep: Callable[[float], object] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


SYSTEM_CLOCK: Final = Clock()


class _Unclear(Exception):
    """Whether a batch was made cannot be found out now."""

    def __init__(self, error: ProviderError) -> None:
        self.error = error
        super().__init__(str(error))


@dataclass
class Desk:
    """Everything that one process does for the batches of one run."""

    session: Session
    stored: StoredRun
    targets: Sequence[Target]
    say: Callable[[str], object]
    clock: Clock
    _apis: dict[str, BatchApi] = field(default_factory=dict)
    _where: dict[str, int] = field(default_factory=dict)
    _problem: ProviderError | None = None

    def __post_init__(self) -> None:
        self._rows = self.stored.store.batches
        self._samples = Samples(self.session, self.stored, self.targets, self.clock.now)

    # --- what an earlier process left

    def find_lost(self) -> None:
        """Find out of each batch that may have been made whether it was; forget those that were not."""
        for record in self._rows.of(self.stored.id):
            if record.state in ("open", "taken"):
                continue
            found = self._find(record) if record.state == "creating" else None
            if found is None:
                self._rows.drop(record.run, record.number)
            else:
                self.say(f"batch {found.batch} was made before the run was cut short")

    def _find(self, record: BatchRecord) -> BatchRecord | None:
        """Look for a batch at its provider until it must be in the list; what was found is noted.

        Where the clock was set back since it was begun, that time says nothing: looked for is what a day has made.
        """
        api, begun, now = self._api(record.pin), datetime.fromisoformat(record.begun), self.clock.now()
        since = begun if begun <= now else now - timedelta(days=1)
        count, foreign = int(cast("int", record.data["count"])), _foreign(record)
        looks = 0
        while True:
            late = (self.clock.now() - begun).total_seconds() >= SETTLES_IN or looks >= _LOOKS
            looks += 1
            found = list(api.find(_mark(record), since=since.timestamp(), count=count))
            known = self._rows.ids([batch for batch, _ in found]) | foreign
            for batch, certain in found:
                if batch not in known:
                    opened = replace(record, state="open", batch=batch, data={**record.data, "certain": certain})
                    self._rows.update(opened)
                    return opened
            if late:
                return None
            self.clock.sleep(SETTLES_IN / _LOOKS)

    # --- handing over

    def hand_over(self) -> None:
        """Make batches of everything that is to be asked and is in none."""
        open_ = waiting(self.stored)
        self._where = {
            name: record.number for record in open_ for name in self._rows.custom_ids(record.run, record.number)
        }
        joined: dict[int, list[BatchItem]] = {}
        boxes, purse = Boxes(self._make), self._purse(open_)
        for planned in self._wanted():
            item = BatchItem(custom_id(self.stored.id, planned), planned.key, planned.digest)
            if (number := self._where.get(item.custom_id)) is not None:
                joined.setdefault(number, []).append(item)
            elif not boxes.again(item) and (refused := self._put(boxes, purse, planned, item)) is not None:
                self._samples.fail([item], refused)
        boxes.close()
        for number, items in joined.items():
            self._rows.join(self.stored.id, number, items)
        self._samples.flush()

    def _put(self, boxes: Boxes, purse: Purse, planned: PlannedSample, item: BatchItem) -> Failure | None:
        """Put one request into a box; the failure where it cannot be asked."""
        api = self._api(planned.key.pin)
        try:
            line = api.line(item.custom_id, planned.request, sample_seed(planned.key.case, planned.key.index))
        except ProviderError as error:
            return self._samples.failure(error)
        except (TypeError, ValueError, RecursionError) as error:
            return Failure("request", f"the request cannot be written as JSON: {error}")
        if len(api.head) + len(line) + len(api.tail) + len(api.joint) > api.most_bytes:
            return Failure("request", f"the request has {len(line):,} bytes, more than a whole batch may have")
        held = purse.take(planned.request)
        if isinstance(held, Failure):
            return held
        boxes.put(api, planned, item, line, held)
        return None

    def _wanted(self) -> Iterator[PlannedSample]:
        """What the engine would ask a provider."""
        for planned in self.stored.missing(self.session.plan(self.targets)):
            if isinstance(planned, PlannedSample) and asks(self.session, planned):
                yield planned

    def _purse(self, open_: Sequence[BatchRecord]) -> Purse:
        spent = self.session.spent
        for record in open_:
            dollars, tokens, requests = cast("Sequence[float]", record.data["worst"])
            spent = added(spent, Spent(dollars, int(tokens), int(requests)))
        return Purse(self.session.caps, self.session.worst_case, spent)

    def _make(self, box: Box) -> None:
        """Make one batch: written down, uploaded, written down, made, written down."""
        number = max((record.number for record in self._rows.of(self.stored.id)), default=0) + 1
        worst = [box.worst.dollars, box.worst.tokens, box.worst.requests]
        record = BatchRecord(
            self.stored.id,
            number,
            box.pin,
            "made",
            timestamp(self.clock.now()),
            data={"count": box.count, "worst": worst},
        )
        self._rows.add(record, box.items)
        self._where.update((item.custom_id, number) for item in box.items)
        parcel = box.parcel(_mark(record))
        try:
            record = replace(record, file=box.api.upload(parcel), state="creating", begun=timestamp(self.clock.now()))
            self._rows.update(record)
            made = self._created(box, record, lambda: box.api.create(parcel, record.file))
        except _Unclear as unclear:
            self._problem = unclear.error
            return
        except ProviderError as error:
            self._samples.fail(box.items, self._samples.failure(error))
            self._rows.drop(record.run, record.number)
            self.say(f"no batch was made of {box.count:,} requests: {self._samples.redacted(str(error))}")
            return
        self.say(f"batch {made} of {box.pin}: {box.count:,} requests are handed over")

    def _created(self, box: Box, record: BatchRecord, create: Callable[[], BatchStatus]) -> str:
        """Make a batch and note what it is called; where it is unclear whether it was made, the provider is asked.

        One that was certainly not made, for a reason that may pass, is made a little later.
        """
        for tried in range(1, CREATIONS + 1):
            try:
                status = create()
            except ProviderError as error:
                if error.kind not in _UNCLEAR | {"rate_limit"}:
                    raise
                logger.debug("%s: whether a batch was made is not known: %s", box.pin, error.kind)
                if error.kind in _UNCLEAR and (found := self._looked_for(record, error)) is not None:
                    return found.batch
                if tried == CREATIONS:
                    raise
                self.clock.sleep(max(FIRST_PAUSE, min(LONGEST_PAUSE, error.retry_after or 0.0)))
            else:
                data = {**record.data, "certain": True}
                self._rows.update(replace(record, state="open", batch=status.batch, data=data))
                return status.batch
        raise AssertionError("the last try returns or raises")

    def _looked_for(self, record: BatchRecord, error: ProviderError) -> BatchRecord | None:
        try:
            return self._find(record)
        except ProviderError as second:
            raise _Unclear(second) from error

    # --- waiting and fetching

    def cancel(self) -> None:
        """Cancel what is under way, and what is certainly ours."""
        for record in _open(self.stored):
            if record.data.get("certain"):
                state = self._api(record.pin).cancel(record.batch).state
                self.say(f"batch {record.batch} is cancelled ({state}); what it answered by now is fetched")
            else:
                self.say(f"batch {record.batch} is not cancelled: whether it is ours is known when it has ended")

    def wait(self) -> bool:
        """Wait until every batch has ended, and fetch what came of it; raises what made waiting senseless, at last.

        False where one turned out to be somebody else's, so that ours is still to be looked for.
        """
        pending = {record.number: record for record in _open(self.stored)}
        said: dict[int, str] = {}
        failed: dict[int, int] = {}
        pause = FIRST_PAUSE
        while pending:
            for number, record in list(pending.items()):
                try:
                    over = self._looked_at(record, said)
                except ProviderError as error:
                    failed[number] = failed.get(number, 0) + 1
                    over = error.kind not in _UNCLEAR | {"rate_limit"} or failed[number] >= PATIENCE
                    self._problem = _told(record, error) if over else self._problem
                else:
                    failed.pop(number, None)
                if over:
                    del pending[number]
            if pending:
                self.clock.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 1.5)
        if self._problem is not None:
            raise self._problem
        return not waiting(self.stored)

    def _looked_at(self, record: BatchRecord, said: dict[int, str]) -> bool:
        """Ask how far one batch is, say so where that is news, and fetch it when it has ended."""
        api = self._api(record.pin)
        status = api.status(record.batch)
        words = progress_words(record, status)
        if said.get(record.number) != words:
            said[record.number] = words
            self.say(words)
        if status.ended:
            self._fetch(api, record, status)
        elif self.clock.now() - datetime.fromisoformat(record.begun) > LONGEST_WAIT:
            hours = LONGEST_WAIT // timedelta(hours=1)
            raise ProviderError("outage", f"has not ended within {hours} hours ({status.state}): --cancel gives it up")
        return status.ended

    def _fetch(self, api: BatchApi, record: BatchRecord, status: BatchStatus) -> None:
        """Write everything that came of a batch into the store, then note that it is there."""
        left = self._rows.custom_ids(record.run, record.number)
        foreign, all_ = 0, len(left)
        for entries in _groups(api.results(status)):
            ours = [entry for entry in entries if entry.custom_id in left]
            foreign += len(entries) - len(ours)
            items = self._rows.items(record.run, record.number, [entry.custom_id for entry in ours])
            for entry in ours:
                if entry.custom_id in left:
                    self._samples.answered(items[entry.custom_id], entry)
                    left.discard(entry.custom_id)
            self._samples.flush()
        if foreign and len(left) == all_ and not record.data.get("certain"):
            self._not_ours(record)
            return
        error = status.problem or status.left or ProviderError("bad_reply", f"batch {status.batch} has no such result")
        for names in _groups(sorted(left)):
            for items_ in self._rows.items(record.run, record.number, names).values():
                self._samples.fail(items_, self._samples.failure(error))
        self._samples.flush()
        self._rows.update(replace(record, state="taken"))

    def _not_ours(self, record: BatchRecord) -> None:
        """A batch that was taken for ours was somebody else's: ours is another one, or was never made."""
        self.say(f"batch {record.batch} is not of this run: looking for the right one")
        others = sorted({*_foreign(record), record.batch})
        data = {**record.data, "foreign": others}
        self._rows.update(replace(record, state="creating", batch="", data=data))

    def _api(self, pin: str) -> BatchApi:
        if pin not in self._apis:
            session = self.session
            self._apis[pin] = batch_api_for(
                Pin.parse(pin), session.project.config, session.environ, sleep=self.clock.sleep
            )
        return self._apis[pin]


def waiting(stored: StoredRun) -> list[BatchRecord]:
    """The batches of a run that a provider has, or may have, and whose results are not fetched."""
    return [record for record in stored.store.batches.of(stored.id) if record.state in ("creating", "open")]


def _open(stored: StoredRun) -> list[BatchRecord]:
    return [record for record in waiting(stored) if record.state == "open"]


def asks(session: Session, planned: PlannedSample) -> bool:
    """Whether a run in this session's mode asks for a sample that it does not have yet."""
    if session.mode != "new":
        return session.mode in ("live", "record")
    recorded = session.find(planned)
    return recorded.reply is None and may_ask(planned, recorded)


def progress_words(record: BatchRecord, status: BatchStatus) -> str:
    """`batch msgbatch_1 of anthropic/claude-…: 120 of 500 answered, 3 failed (in_progress)`."""
    total = status.total or int(cast("int", record.data["count"]))
    failed = f", {status.failed:,} failed" if status.failed else ""
    return f"batch {record.batch} of {record.pin}: {status.answered:,} of {total:,} answered{failed} ({status.state})"


def _mark(record: BatchRecord) -> str:
    """Our name of a batch."""
    return f"{record.run}-{record.number}"


def _foreign(record: BatchRecord) -> set[str]:
    return set(map(str, cast("Sequence[str]", record.data.get("foreign") or ())))


def _told(record: BatchRecord, error: ProviderError) -> ProviderError:
    text = f"batch {record.batch}: {error} [it goes on without us; --resume goes on waiting for it]"
    return ProviderError(error.kind, text, status=error.status)


def _groups(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while group := list(islice(left, _AT_ONCE)):
        yield group
