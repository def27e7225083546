"""A run in the store: begun, or gone on with where an earlier process did not bring it to its end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.digest import canonical_json
from promptops.core.plan import Planned
from promptops.errors import StoreError, UsageError
from promptops.models import Case, Json, PlannedSample, Sample
from promptops.runner.journal import Resumed
from promptops.runner.sinks import RunJournal
from promptops.store.runs import INTERRUPTED, KEPT_FOR, RUNNING, STOPPED, RunRecord, RunStore

if TYPE_CHECKING:
    from promptops.runner.engine import EngineSettings
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

Wanted = Iterable[tuple["Target", Iterable[Case]]]
_MOST_LEFT = 1_000  # runs without an end that are looked at
_AT_ONCE = 500  # samples looked up with one question to the store


def _nobody(_sample: Sample) -> Iterable[Planned]:
    return ()


class Resume(Struct, frozen=True):
    """What the user wants of an earlier run of the same plan that did not come to its end.

    By itself a run goes on with one that is not too old; with `never` it asks all again. `demanded` takes one however
    old, and is an error where there is none; `run` says which.
    """

    never: bool = False
    demanded: bool = False
    run: str = ""


class StoredRun:
    """One run of this process in the run store: what it has already, and where its samples go.

    `id` is its name, `plan` its plan as it was written when it was begun, `there` how many samples it had when it was
    gone on with (0: it was begun now).
    """

    def __init__(
        self,
        store: RunStore,
        record: RunRecord,
        there: int,
        left: RunRecord | None = None,
        *,
        follow: Callable[[Sample], Iterable[Planned]] = _nobody,
    ) -> None:
        self._left, self._follow = left, follow
        self.store, self.id, self.plan, self.there = store, record.id, record.plan, there
        self.round = record.round
        self.taken = 0
        self._begun = there > 0 and store.begun(record.id)
        self._open = True

    @classmethod
    def begin(
        cls,
        session: Session,
        kind: str,
        wanted: Wanted,
        *,
        plan: Mapping[str, Json],
        command: str,
        resume: Resume = Resume(),  # noqa: B008  frozen
        within: timedelta = KEPT_FOR,
        key: Json = None,
        alone: bool = False,
    ) -> StoredRun:
        """Go on with the run that `resume` wants, else begin one.

        `plan` is a summary for people and what else a run has to remember; `key` is part of what makes two plans equal.
        `alone`: not beside another process that asks the same plan alone, unless `resume` wants everything again.
        Raises `UsageError` where a run is demanded and there is none, or one has to be alone and is not, `StoreError`
        where the store cannot be used.
        """
        if session.mode == "replay" and resume.demanded:
            raise UsageError("a replay asks nothing, so there is nothing to go on with")
        digest = "" if session.mode == "replay" else plan_digest(kind, session.mode, wanted, key)
        store = RunStore.in_folder(session.project.store_dir)
        try:
            record = None
            if alone and digest and not resume.never and not store.alone(digest):
                raise UsageError(_not_alone(store.living(digest)))
            if digest and not resume.never:
                record = store.claim(digest, run=resume.run, within=None if resume.demanded else within)
            if record is not None:
                if session.caps:
                    session.spent = store.spent(record.id)
                return cls(store, record, store.replies(record.id), follow=session.follow)
            if resume.demanded:
                raise UsageError(_none_to_go_on_with(store, kind, resume.run))
            left = store.left(digest) if digest and not resume.never else None
            run = store.start_run(
                kind, plan=plan, plan_digest=digest, environment=session.environment, command=command[:500]
            )
            return cls(store, RunRecord(run, kind, "", "", plan=plan), 0, left)
        except BaseException:
            store.close()
            raise

    def words(self, total: int, option: str) -> str:
        """`going on with run …: 312 of 1,000 samples are there; --no-resume asks all again`; empty for a new run.

        Where a run of the same plan is too old to be gone on with unasked, by its clock, that is said.
        """
        if self._left is not None and self._left.status != STOPPED:
            resume = option.replace("no-resume", "resume")
            return f"run {self._left.id} of the same plan was cut short at {self._left.seen}; {resume} goes on with it"
        if not self.there:
            return ""
        there = f"{self.there:,} of {max(total, self.there):,} samples are there"
        return f"going on with run {self.id}: {there}; {option} asks all again"

    def settings(self, settings: EngineSettings, *, every: bool = False) -> EngineSettings:
        """The settings of an engine that keeps this run; `every`: samples from recordings too."""
        journal = RunJournal(self.store, self.id, self.round, every=every)
        return replace(settings, run=self.id, journal=journal, resumed=self.take if self.there else None)

    def take(self, planned: PlannedSample) -> Sample | None:
        """What this run measured of a planned sample before this process; None where it has to be asked.

        Of one that failed after the model had been asked again, the failure, which has the answers before it.
        Called once for a sample: the store is not looked into any more when everything that was there has been taken.
        """
        if self.taken >= self.there and not (planned.reask and self._begun):
            return None
        stored = self.store.get(self.id, planned.key)
        found = _measured(planned, stored)
        self.taken += found is not None
        if found is None and stored is not None and stored.earlier and stored.request == planned.digest:
            return stored if stored.reply is None else None
        return found

    def missing(self, plan: Iterable[Planned]) -> Iterator[Planned]:
        """The part of a plan that is still to be looked for or asked."""
        left = iter(plan)
        while batch := list(islice(left, _AT_ONCE)):
            found = self.store.get_many(self.id, [planned.key for planned in batch]) if self.there else {}
            for planned in batch:
                if not isinstance(planned, PlannedSample) or _measured(planned, found.get(planned.key)) is None:
                    yield planned

    def outstanding(self, plan: Iterable[Planned]) -> Iterator[Planned]:
        """`missing`, and what judges have not said yet of the samples that are there: what an estimate counts."""
        if not self.there:
            yield from plan
            return
        left = iter(plan)
        while batch := list(islice(left, _AT_ONCE)):
            found = self.store.get_many(self.id, [planned.key for planned in batch])
            for planned in batch:
                sample = _measured(planned, found.get(planned.key)) if isinstance(planned, PlannedSample) else None
                if sample is None:
                    yield planned
                else:
                    yield from self.missing(self._follow(sample))

    @property
    def left_out(self) -> Callable[[Iterable[Planned]], Iterator[Planned]] | None:
        """`outstanding`, where there is something that needs not be asked again; None for a run that was begun now."""
        return self.outstanding if self.there else None

    def left_behind(self, kind: str, plan: Mapping[str, Json]) -> list[str]:
        """Other runs of a kind, with the same `plan`, that measured something and were left before their end."""
        found = self.store.unended(kind, limit=_MOST_LEFT)
        same = (record for record in found if record.id != self.id)
        return [record.id for record in same if all(record.plan.get(name) == value for name, value in plan.items())]

    def moment(self) -> str:
        """The moment that evidence of this run names: the same when it is written again after a kill."""
        return self.store.conclude(self.id)

    def finish(self, status: str) -> None:
        """End the run, once its results are where they belong: it is not gone on with any more."""
        self.store.finish_run(self.id, status)
        self._open = False

    def close(self) -> None:
        """Close the store; a run that was not finished counts as interrupted."""
        if self._open:
            with suppress(StoreError):  # then it counts as killed, which comes to the same
                self.finish(INTERRUPTED)
        self.store.close()


def plan_digest(kind: str, mode: str, wanted: Wanted, key: Json = None) -> str:
    """What makes two plans equal: kind, mode, versions, pins, samples of a case, and the inputs of the cases.

    Neither the order of the cases nor how they are judged is part of it, and nothing is rendered.
    """
    cases: dict[tuple[Json, ...], int] = {}
    for target, chosen in wanted:
        name = (target.prompt, target.version, str(target.pin), target.digest, target.samples)
        cases[name] = (cases.get(name, 0) + sum(map(_number_of, chosen))) % 2**256
    targets = sorted([*name, f"{number:064x}"] for name, number in cases.items())
    digest = hashlib.sha256(canonical_json({"kind": kind, "mode": mode, "key": key, "targets": targets}))
    return f"sha256:{digest.hexdigest()}"


def _number_of(case: Case) -> int:
    """A number that stands for what a case asks: a sum of them is the same in any order."""
    return int.from_bytes(hashlib.sha256(canonical_json([case.id, case.inputs])).digest(), "big")


def _measured(planned: PlannedSample, found: Sample | None) -> Resumed | None:
    if found is None or found.reply is None or found.request != planned.digest:
        return None
    return Resumed(**{name: getattr(found, name) for name in Sample.__struct_fields__})


def _not_alone(other: RunRecord | None) -> str:
    which = f"run {other.id}, in process {other.pid} of {other.host}," if other else "another process"
    return f"{which} asks the same in batches: wait for it; --no-resume asks, and pays for, everything a second time"


def _none_to_go_on_with(store: RunStore, kind: str, run: str) -> str:
    open_ = store.unended(kind)
    if run and (record := store.run(run)) is None:
        head = f"there is no run {run!r}"
    elif run and record is not None and not any(other.id == run for other in open_):
        what = f"is asking, in process {record.pid} of {record.host}" if record.status == RUNNING else "came to its end"
        head = f"run {run} cannot be gone on with: it {what} ({record.status})"
    elif run:
        head = f"run {run} asked for something else"
    else:
        head = "there is no run of this plan to go on with"
    lines = [f"  {found.id}  begun {found.started}, {found.status}: {_plan_words(found.plan)}" for found in open_]
    return "\n".join([head, *(["runs that did not come to their end:", *lines] if lines else [])])


def _plan_words(plan: Mapping[str, Json]) -> str:
    targets = plan.get("targets")
    named = ", ".join(map(str, targets)) if isinstance(targets, Sequence) and not isinstance(targets, str) else ""
    return f"mode {plan.get('mode', 'live')}, {named}"
