"""Calibrating a judge: it is asked about outputs that people have labelled, and compared with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec import Struct
from msgspec.structs import replace

from promptops.core.calibration import NONE, Agreement, agreement_of, confusion
from promptops.core.checks.base import quoted
from promptops.core.judging import Asked, Grade, Judge, grade_of, judging_keys, plan_judging
from promptops.core.plan import Planned
from promptops.core.statistics.prediction_powered import PoweredMean, powered_mean
from promptops.errors import UsageError
from promptops.formats import Calibration, Confusion
from promptops.models import Json, Reply, Sample, SampleKey
from promptops.project.judges import calibration_path, load_calibration, load_judge, load_judges
from promptops.project.labels import CHOICES, GRADES, Label, Labels, labels_path, load_labels
from promptops.project.stored import render_json
from promptops.runner.background import EventStream
from promptops.runner.engine import EngineSettings
from promptops.runner.events import Event, SampleDone
from promptops.runner.replay import replayed
from promptops.runner.resuming import StoredRun
from promptops.runner.session import Session
from promptops.store.atomic import write_text
from promptops.store.runs import UNMEASURABLE

_LABELS = "labels"
# No verdict is worth some number too: what it is does not bias the rate, leaving out whom a judge refuses would.
_WORTH: Mapping[str, float] = {"pass": 1.0, "fail": 0.0, "first": 1.0, "tie": 0.5, "second": 0.0, NONE: 0.0}


@dataclass(frozen=True)
class Calibrated:
    """What was measured of a judge.

    `grades` are its verdicts by label id, `unread` why an answer was none, `unasked` what has no answer at all.
    """

    asked: Asked
    judge: Judge
    labels: Labels
    grades: Mapping[str, Grade]
    unread: Mapping[str, str]
    unasked: Mapping[str, str]
    requests: int
    cost: float | None
    agreement: Agreement = field(init=False)
    counts: Mapping[tuple[str, str], int] = field(init=False)

    def __post_init__(self) -> None:
        pairs = [(row.label, self.said(row)) for row in self.labelled if row.case.id not in self.unasked]
        object.__setattr__(self, "counts", confusion(pairs))
        object.__setattr__(self, "agreement", agreement_of(self.counts))

    @property
    def labelled(self) -> list[Label]:
        """The rows that a person has labelled."""
        return [row for row in self.labels.rows if row.label]

    @property
    def words(self) -> tuple[str, ...]:
        """What people and judge can say."""
        known = CHOICES if self.labels.compares else GRADES
        return (*known, NONE) if self.unread else known

    def said(self, row: Label) -> str:
        """What the judge said of a row, in the words of people."""
        grade = self.grades.get(row.case.id)
        if grade is None:
            return NONE
        if self.labels.compares:
            return "first" if grade.score == 1 else "second" if grade.score == 0 else "tie"
        return "pass" if grade.passed else "fail"

    @property
    def flips(self) -> int:
        """Of how many pairs it said otherwise when the order was changed."""
        return sum(grade.flipped for grade in self.grades.values())

    @property
    def pass_rate(self) -> PoweredMean | None:
        """The rate at which people would pass the outputs of this file, labelled or not.

        None below two labels, and while the judge was not asked about all of them: what is missing may not be missing
        by chance.
        """
        if len(self.labelled) < 2 or self.unasked:
            return None
        labels = [_WORTH[row.label] for row in self.labelled]
        judged = [_WORTH[self.said(row)] for row in self.labelled]
        others = [_WORTH[self.said(row)] for row in self.labels.rows if not row.label]
        return powered_mean(labels, judged, others)

    def record(self, at: str) -> Calibration:
        """What is committed."""
        rate, agreement = self.pass_rate, self.agreement
        return Calibration(
            prompt=self.judge.closure.prompt,
            version=self.judge.closure.version,
            judge=self.judge.digest,
            labels=self.labels.digest,
            compares=self.labels.compares,
            threshold=self.asked.threshold,
            counts=[Confusion(people=one, judge=other, count=n) for (one, other), n in sorted(self.counts.items())],
            unread=len(self.unread),
            agreement=agreement.agreement,
            kappa=agreement.kappa,
            interval=agreement.interval,
            flips=self.flips,
            pairs=len(self.grades) if self.labels.compares else 0,
            pass_rate=rate.value if rate else None,
            pass_rate_interval=rate.interval if rate else None,
            calibrated_at=at,
        )


def calibrate(
    session: Session,
    asked: Asked,
    *,
    progress: Callable[[Event], None] = lambda _: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Calibrated:
    """Ask a judge about every row of its labels, in the session's mode; answers are recorded as other samples are.

    What was answered before a kill is not asked again; `tell` hears where a calibration goes on.
    Raises `UsageError` where there is nothing to compare with, and what is wrong with the files.
    """
    labels = load_labels(session.project, asked.prompt)
    if labels is None or not any(row.label for row in labels.rows):
        where = session.project.relative(labels_path(session.project, asked.prompt))
        raise UsageError(
            f'{asked.prompt!r} has no labels: write {where}, {{"id": "l1", "output": "…", "label": "pass"}}'
        )
    asked = replace(asked, compares=labels.compares)
    judge = load_judge(session.project, asked)
    with _stored(session, judge, labels) as stored:
        answers = _ask(session, judge, asked, labels.rows, stored, progress, tell)
        if stored is not None:
            complete = all(answer.failure is None for answer in answers.values())
            stored.finish("pass" if complete else UNMEASURABLE)
    grades: dict[str, Grade] = {}
    unread: dict[str, str] = {}
    unasked: dict[str, str] = {}
    for row in labels.rows:
        own = [answers[key] for key in judging_keys(judge, asked, _key(judge, row)) if key in answers]
        failed = next((answer.failure for answer in own if answer.failure is not None), None)
        texts = [answer.reply.text for answer in own if answer.reply is not None]
        if failed is not None or not texts:
            unasked[row.case.id] = failed.message if failed is not None else "it was not asked"
            continue
        try:
            grades[row.case.id] = grade_of(asked, texts)
        except ValueError as error:
            unread[row.case.id] = f"{error}; it said {' / '.join(quoted(text, 80) for text in texts)}"
    costs = [answer.cost for answer in answers.values() if answer.source == "live" and answer.reply is not None]
    known = [cost for cost in costs if cost is not None]
    cost = sum(known) if len(known) == len(costs) else None
    return Calibrated(asked, judge, labels, grades, unread, unasked, len(costs), cost)


def keep(session: Session, calibrated: Calibrated, at: str) -> str:
    """Write what was measured beside the judge; returns the path. Where nothing changed, the file stays as it is."""
    record = calibrated.record(at)
    path = calibration_path(session.project, record.prompt, record.version)
    before = load_calibration(session.project, record.prompt, record.version)
    if before is None or before.model_copy(update={"calibrated_at": at}) != record:
        write_text(path, render_json(record))
    return session.project.relative(path)


class Use(Struct, frozen=True):
    """A judge as the checks of one prompt ask it."""

    prompt: str
    asked: Asked
    judge: Judge


def judges_in_use(session: Session, prompts: Iterable[str] | None = None) -> dict[tuple[str, str], tuple[str, ...]]:
    """(judge and version, its pin) → the prompts whose checks name it, of `prompts` (None: all).

    Raises what is wrong with the files of a prompt or its judges.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for use in uses_of_judges(session, prompts):
        users = found.setdefault((use.judge.name, str(use.judge.pin)), [])
        users += [] if use.prompt in users else [use.prompt]
    return {key: tuple(users) for key, users in sorted(found.items())}


def uses_of_judges(session: Session, prompts: Iterable[str] | None = None) -> Iterator[Use]:
    """Every judge that a check of `prompts` (None: all) names, as it asks it: with its threshold, or comparing.

    Raises what is wrong with the files of a prompt or its judges.
    """
    from promptops.project.datasets import dataset_of
    from promptops.project.prompts import load_readable

    for name in session.project.prompt_names() if prompts is None else prompts:
        source = load_readable(session.project, name)
        for asked, judge in load_judges(session.project, source, dataset_of(session.project, source)).items():
            yield Use(name, asked, judge)


def _key(judge: Judge, row: Label) -> SampleKey:
    return SampleKey(judge.closure.prompt, _LABELS, str(judge.pin), row.case.id)


def _ask(
    session: Session,
    judge: Judge,
    asked: Asked,
    rows: Sequence[Label],
    stored: StoredRun | None,
    progress: Callable[[Event], None],
    tell: Callable[[str], None],
) -> dict[SampleKey, Sample]:
    plan = [
        planned
        for row in rows
        for planned in plan_judging(judge, asked, Sample(_key(judge, row), "", Reply(row.output)), row.case)
    ]
    target = session.target(judge.closure.prompt, judge.closure.version)
    settings = replace(session.engine_settings([target]), planned=len(plan), follow=None)
    if stored is not None:
        settings = stored.settings(settings)
        if stored.there:
            tell(f"going on with run {stored.id}: {stored.there:,} of {len(plan):,} answers are there")
    found: dict[SampleKey, Sample] = {}
    with _events(plan, settings, replays=session.mode == "replay") as events:
        for event in events:
            progress(event)
            if isinstance(event, SampleDone):
                found[event.sample.key] = event.sample
    return found


@contextmanager
def _stored(session: Session, judge: Judge, labels: Labels) -> Iterator[StoredRun | None]:
    """A run in the store: what a calibration that was cut short was answered is not asked again. None in a replay."""
    if session.mode == "replay":
        yield None
        return
    key = {"judge": judge.digest, "labels": labels.digest}
    plan: dict[str, Json] = {"mode": session.mode, "targets": [judge.name]}
    stored = StoredRun.begin(session, "judge", [], plan=plan, command=f"judge calibrate {judge.name}", key=key)
    try:
        yield stored
    finally:
        stored.close()


@contextmanager
def _events(plan: Sequence[Planned], settings: EngineSettings, *, replays: bool) -> Iterator[Iterator[Event]]:
    if replays:
        yield replayed(plan, settings)
        return
    with EventStream(plan, settings) as events:
        yield iter(events)
