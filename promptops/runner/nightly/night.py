"""One visit of the watch: read every endpoint that is due, look again at what is far off, and append what was found."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from promptops.core.nightly.events import (
    AlarmRaised,
    AnyEvent,
    EpochBegun,
    Missed,
    NightState,
    NightsThinned,
    ProbesChosen,
    ReadingTaken,
)
from promptops.core.nightly.sizes import PROMPTS
from promptops.core.nightly.watch import FAST_TIMES, Watch, fold, parse_moment
from promptops.core.shown import several
from promptops.models import Sample
from promptops.providers.identity import same_model
from promptops.runner.nightly.asking import Asked
from promptops.runner.nightly.choosing import NotAskedError, choose, params_for
from promptops.runner.nightly.endpoints import Endpoint, called
from promptops.runner.nightly.taking import Taking
from promptops.store.drift_log import DamagedLog, DriftLog
from promptops.times import Clock, parse_duration, timestamp

if TYPE_CHECKING:
    from promptops.config import Config, DriftConfig

APART: Final = 600.0  # seconds between two looks of the fast lane
LOOKS: Final = 3
STALE: Final = timedelta(days=3)
"""Without a reading for so long nothing is said of an endpoint that was quiet before."""


class Seen(Struct, frozen=True):
    """One endpoint after a visit. `read` says whether it was asked; `why` is set where it could not be measured.

    `lost`: there was a log of it before.
    """

    endpoint: Endpoint
    watch: Watch
    state: NightState
    read: bool = False
    why: str = ""
    notices: tuple[str, ...] = ()
    lost: bool = False


@dataclass
class Nightly:
    """The watch over `endpoints`. `expected`: a log was kept before, so that finding none means that it was lost.

    `fleet` are the names of all that are watched together, of which `endpoints` are some: the threshold is for all.
    `accepted` is the epoch of each endpoint that was accepted, as git has it: a log that has less of it is an old one.
    """

    endpoints: Sequence[Endpoint]
    log: DriftLog
    clock: Clock
    config: Config
    settings: DriftConfig
    ask: Asked
    expected: bool = True
    accepted: Mapping[str, int] = field(default_factory=dict)
    fleet: Sequence[str] = ()
    tell: Callable[[str], None] = lambda _: None

    # --- what a person decides

    def accept(self, names: Sequence[str], *, reason: str) -> list[EpochBegun]:
        """Begin a new epoch of the endpoints `names`; a damaged log is put aside first, and then all begin anew."""
        try:
            self.log.read()
        except DamagedLog as error:
            where = self.log.put_aside(timestamp(self.clock.now()).replace(":", ""))
            self.tell(f"{error}; it was moved to {where}")
            names = [endpoint.name for endpoint in self.endpoints]

        def decide(events: list[AnyEvent]) -> list[AnyEvent]:
            known = fold(events)
            return [self._epoch(name, known.get(name), reason) for name in names]

        return [event for event in self.log.append(decide) if isinstance(event, EpochBegun)]

    def _epoch(self, name: str, watch: Watch | None, reason: str) -> EpochBegun:
        before = watch.epoch.epoch if watch is not None and watch.epoch is not None else 0
        return EpochBegun(
            endpoint=name,
            epoch=max(before, self.accepted.get(name, 0)) + 1,
            at=timestamp(self.clock.now()),
            seed=secrets.randbits(53),
            size=self.settings.size,
            prompts=list(self.settings.prompts or PROMPTS),
            reference=self.settings.reference,
            calibration=self.settings.calibration,
            spacing=round(parse_duration(self.settings.spacing)),
            reason=reason[:1_000],
        )

    # --- what is there

    def look(self) -> list[Seen]:
        """Every endpoint as the log has it; nothing is asked."""
        try:
            known = fold(self.log.read())
        except DamagedLog as error:
            return [self._lost(endpoint, str(error)) for endpoint in self.endpoints]
        count = self._count(known)
        return [self._seen(endpoint, known, count) for endpoint in self.endpoints]

    def _seen(self, endpoint: Endpoint, known: dict[str, Watch], count: int, *, read: bool = False) -> Seen:
        watch = known.get(endpoint.name)
        if why := self._gone(endpoint.name, known):
            return self._lost(endpoint, why)
        if watch is None or watch.epoch is None:
            return Seen(endpoint, Watch(endpoint.name), "unmeasurable", why="the watch over it has not begun")
        state = watch.state(endpoints=count)
        why = self._why(watch, state)
        notices = tuple(watch.last.notices) if watch.last is not None else ()
        return Seen(endpoint, watch, "unmeasurable" if why else state, read, why, notices)

    def _why(self, watch: Watch, state: NightState) -> str:
        """Why nothing can be said of it, in words; empty where something can."""
        if state == "unmeasurable" and watch.missed is not None:
            return watch.missed.reason
        if state == "unmeasurable" and watch.calibration.hourly:
            return "its readings follow the hours of the day: nights, read at one hour, would be taken for a change"
        if state == "unmeasurable" and watch.calibration.trending:
            return (
                "its readings went up or down all through the calibration: nights would be ranked among what it has "
                "left behind"
            )
        if state == "unmeasurable" and watch.thinned is not None and watch.thinned.weekly:
            return (
                "its nights follow the days of the week, which the calibration did not show: they would be taken for a "
                "change"
            )
        if state == "unmeasurable" and watch.refused:
            return "its readings hang together: what one says of the next would be taken for a change"
        last = parse_moment(watch.last.at) if watch.last is not None else self.clock.now()
        if state in ("stable", "watch") and self.clock.now() - last > STALE:
            return f"it was not read for {(self.clock.now() - last).days} days: does the nightly job run?"
        return ""

    def _gone(self, name: str, known: Mapping[str, Watch]) -> str:
        """Why what was kept of an endpoint is lost, in words; empty where it is there, or never was."""
        watch = known.get(name)
        if not known and self.expected:
            return f"its state was lost: there is none in {self.log.place}, and the watch has begun before"
        has = watch.epoch.epoch if watch is not None and watch.epoch is not None else 0
        if known and has < self.accepted.get(name, 0):
            found = f"has its epoch {has}" if has else "has nothing of it"
            return (
                f"its state was lost: {self.log.place} {found}, and its epoch {self.accepted[name]} was accepted "
                "(prompts/drift.json)"
            )
        return ""

    def _lost(self, endpoint: Endpoint, why: str) -> Seen:
        return Seen(endpoint, Watch(endpoint.name), "unmeasurable", why=why, lost=True)

    def _count(self, known: dict[str, Watch]) -> int:
        """How many are watched together: all of the environment that have an epoch, whichever are visited."""
        return sum(name in known for name in {*self.fleet, *(endpoint.name for endpoint in self.endpoints)}) or 1

    # --- a visit

    def visit(self, *, only_calibration: bool = False) -> list[Seen]:
        """Read every endpoint that is due, append what was found, and return all as they are then."""
        try:
            known = fold(self.log.read())
        except DamagedLog as error:
            return [self._lost(endpoint, str(error)) for endpoint in self.endpoints]
        takings: list[Taking] = []
        missed: list[Missed] = []
        for endpoint in self.endpoints:
            watch = known.get(endpoint.name)
            if watch is None or self._gone(endpoint.name, known) or not watch.due(self.clock.now()):
                continue
            if only_calibration and watch.role == "night":
                continue
            begun = self._begin(endpoint, watch)
            if isinstance(begun, Taking):
                takings.append(begun)
            else:
                missed.append(begun)
        self._take(takings)
        self._append([*missed, *takings])
        known = fold(self.log.read())
        count, read = self._count(known), {taking.endpoint.name for taking in takings}
        return [self._seen(endpoint, known, count, read=endpoint.name in read) for endpoint in self.endpoints]

    def _begin(self, endpoint: Endpoint, watch: Watch) -> Taking | Missed:
        assert watch.epoch is not None
        if watch.chosen is None:
            try:
                chosen = choose(watch, endpoint, self.config, self.ask, timestamp(self.clock.now()))
            except NotAskedError as error:
                return Missed(
                    endpoint=endpoint.name,
                    epoch=watch.epoch.epoch,
                    at=timestamp(self.clock.now()),
                    reason=str(error)[:2_000],
                    failure=error.kind,
                )
            appended = self.log.append(lambda events: [chosen] if _wants_probes(events, chosen) else [])
            watch.apply(appended[0] if appended else chosen)
        return Taking(endpoint, watch, params_for(watch, endpoint, self.config))

    def _take(self, takings: Sequence[Taking]) -> None:
        """Ask block after block; who is far off is looked at twice more, ten minutes apart, all of them together."""
        self._block(takings)
        far = [t for t in takings if not t.why and t.watch.alarm is None and t.gross()]
        self._rest([taking for taking in takings if taking not in far])
        for _ in range(1, LOOKS):
            if far:
                names = several([taking.endpoint.name for taking in far])
                self.tell(f"{names}: far from the reference; looking again in {APART / 60:g} minutes")
                self.clock.sleep(APART)
                self._block(far)
                far = [taking for taking in far if not taking.why and taking.gross()]
        for taking in far:
            taking.confirmed = True
        self._rest(takings)

    def _rest(self, takings: Sequence[Taking]) -> None:
        while wanting := [t for t in takings if not t.why and len(t.blocks) < t.wanted]:
            self._block(wanting)

    def _block(self, takings: Sequence[Taking]) -> None:
        """One block of every endpoint, all in flight together, the texts taking turns."""
        if not takings:
            return
        found: dict[str, list[Sample]] = {taking.endpoint.name: [] for taking in takings}
        for sample in self.ask([probe for taking in takings for probe in taking.next_block()]):
            found[sample.key.pin].append(sample)
        for taking in takings:
            taking.add(found[taking.endpoint.name])

    def _append(self, found: Sequence[Taking | Missed]) -> None:
        at = timestamp(self.clock.now())

        def decide(events: list[AnyEvent]) -> list[AnyEvent]:
            known, fresh = fold(events), list[AnyEvent]()
            count = self._count(known)
            for item in found:
                event = item.event(at) if isinstance(item, Taking) else item
                watch = known.get(event.endpoint)
                if watch is None or watch.epoch is None or watch.epoch.epoch != event.epoch:
                    self.tell(f"{event.endpoint}: a new epoch began meanwhile; this reading is not counted")
                elif isinstance(item, Missed) or isinstance(event, Missed):
                    fresh.append(event)
                elif event.number != watch.readings + 1:
                    self.tell(f"{event.endpoint}: another run has read it meanwhile; this reading is not counted")
                else:
                    fresh += self._judged(item, event, watch, count)
            return fresh

        self.log.append(decide)

    def _judged(self, taking: Taking, event: ReadingTaken, watch: Watch, count: int) -> list[AnyEvent]:
        """The reading with the state that it leads to, and the alarm that it raises."""
        had_alarm = watch.alarm is not None
        watch.apply(event)
        watch.detector.endpoints = count
        found: list[AnyEvent] = []
        if not had_alarm and (thinned := self._thinned(event, watch)) is not None:
            watch.apply(thinned)
            found.append(thinned)
        alarm = None if had_alarm else self._alarm(taking, event, watch)
        if alarm is not None:
            watch.apply(alarm)
            found.append(alarm)
        state = watch.state(endpoints=count)
        betting = watch.calibrated and event.role == "night"
        level = watch.detector.level if betting else None
        update = {"state": state, "level": level, "threshold": watch.detector.threshold if betting else None}
        return [event.model_copy(update=update), *found]

    def _thinned(self, event: ReadingTaken, watch: Watch) -> NightsThinned | None:
        """Stands instead of an alarm of the detector where the nights before it hang together, or follow the week."""
        if event.role != "night" or watch.detector.alarm != "changed":
            return None
        found = watch.hanging_nights()
        if found is None:
            return self._weekly(event, watch)
        return NightsThinned(
            endpoint=event.endpoint,
            epoch=event.epoch,
            at=event.at,
            correlation=found.value,
            every=(found.thin or 0) * (watch.thin or 1),
        )

    def _weekly(self, event: ReadingTaken, watch: Watch) -> NightsThinned | None:
        found = watch.weekly_nights()
        if found is None:
            return None
        return NightsThinned(
            endpoint=event.endpoint, epoch=event.epoch, at=event.at, correlation=found, every=0, weekly=True
        )

    def _alarm(self, taking: Taking, event: ReadingTaken, watch: Watch) -> AlarmRaised | None:
        def raised(lane: str, reason: str) -> AlarmRaised:
            fields = {"endpoint": event.endpoint, "epoch": event.epoch, "at": event.at, "lane": lane, "reason": reason}
            return AlarmRaised.model_validate(fields)

        pin, own = taking.endpoint.pin, called(taking.endpoint.pin, self.config)
        known = set(taking.watch.served.models) if taking.watch.served is not None else set(event.served.models)
        known |= {name for name in event.served.models if same_model(pin.model, name) or same_model(own, name)}
        if strangers := sorted(set(event.served.models) - known):
            return raised("identity", f"another model answers: replies name {', '.join(strangers)[:300]}")
        if taking.confirmed:
            return raised("fast", _far_words(taking))
        if event.role == "night" and watch.calibrated and watch.detector.alarm == "changed":
            level, threshold = watch.detector.level, watch.detector.threshold
            told = f"the nights since it was calibrated add up to a level of {level:,.0f}"
            return raised("detector", f"{told}; CHANGED begins at {threshold:,.0f}")
        return None


def _far_words(taking: Taking) -> str:
    """Which probes are off in every look, the worst of them with its figures."""
    far, block = sorted(taking.gross()), taking.watch.distances(taking.blocks[-1])
    worst = max(far, key=lambda probe: block[probe])
    largest = taking.watch.largest.get(worst, 0.0)
    return (
        f"{len(far)} of {len(block)} probes are beyond {FAST_TIMES:g} times the largest deviation of the calibration "
        f"in {LOOKS} looks, {APART / 60:g} minutes apart "
        f"({worst!r}: {block[worst]:.3g}, calibration at most {largest:.3g})"
    )


def _wants_probes(events: list[AnyEvent], chosen: ProbesChosen) -> bool:
    watch = fold(events).get(chosen.endpoint)
    return watch is not None and watch.chosen is None and watch.epoch is not None and watch.epoch.epoch == chosen.epoch
