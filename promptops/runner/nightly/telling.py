"""Who is told of an alarm: the webhook of `[tool.promptops.drift.webhook]`, and the issues of the job's own project."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from promptops.core.digest import sha256_of
from promptops.core.nightly.events import AlarmTelling, AlarmTold, AnyEvent
from promptops.core.nightly.messages import Told
from promptops.core.nightly.watch import Watch, fold, parse_moment
from promptops.core.shown import several
from promptops.errors import UsageError
from promptops.models import Json
from promptops.runner.nightly.issues import TOKEN, Tracker
from promptops.runner.nightly.posting import Undelivered
from promptops.runner.nightly.webhook import Webhook
from promptops.times import timestamp

if TYPE_CHECKING:
    from promptops.config import WebhookConfig
    from promptops.core.nightly.attribution import Factor
    from promptops.runner.nightly.night import Seen
    from promptops.store.drift_log import DriftLog
    from promptops.times import Clock

CUT_OFF: Final = timedelta(minutes=10)
"""Who began to tell so long ago, and did not say how it went, was cut off: a webhook takes six minutes at most."""
AHEAD: Final = timedelta(days=1)
"""Clocks of two machines differ by less."""
NOBODY = f"nobody is told of an alarm: neither [tool.promptops.drift.webhook] nor ${TOKEN} says who"


class Receiver(Protocol):
    """Somebody who is told. `name` is what the log remembers of it."""

    name: str

    def tell(self, told: Sequence[Told], clock: Clock) -> str:
        """Tell of all of them at once; returns what was done, in words. Raises `Undelivered`."""
        ...


def receivers(webhook: WebhookConfig | None, environ: Mapping[str, str]) -> tuple[list[Receiver], list[str]]:
    """Return who is to be told, and what keeps the others from it: mistakes of the configuration, in words."""
    found: list[Receiver] = []
    mistakes: list[str] = []
    try:
        if webhook is not None:
            found.append(Webhook(webhook, environ))
    except Undelivered as error:
        mistakes.append(f"the webhook cannot be called: {error}")
    try:
        if environ.get(TOKEN, "").strip():
            found.append(Tracker(environ))
    except Undelivered as error:
        mistakes.append(f"no issue can be opened: {error}")
    return found, mistakes


def check_receivers(webhook: WebhookConfig | None, environ: Mapping[str, str]) -> None:
    """Raise `UsageError` where an alarm could not be told: better before the night than after it."""
    _, mistakes = receivers(webhook, environ)
    if mistakes:
        raise UsageError("; ".join(mistakes))


def told_of(seen: Seen, factors: Sequence[Factor], *, again: bool = False) -> Told:
    """What a message says of one endpoint; `again`: whether it was told before is not known."""
    alarm = seen.watch.alarm
    assert alarm is not None
    moved = tuple(f"{factor.name} {factor.said}" for factor in factors if factor.said != "not tested")
    name, serves = seen.endpoint.name, seen.endpoint.serves
    return Told(name, serves, alarm.at, alarm.lane, alarm.reason, alarm.epoch, moved, alarm_id(seen.watch), again)


def alarm_id(watch: Watch) -> str:
    """What the one alarm of an epoch is called: the same for a run that raises it anew because its log was not kept."""
    epoch = watch.epoch
    assert epoch is not None
    named: dict[str, Json] = {"endpoint": epoch.endpoint, "epoch": epoch.epoch, "at": epoch.at, "seed": epoch.seed}
    return sha256_of(named).removeprefix("sha256:")[:16]


def deliver(
    receiver: Receiver,
    due: Sequence[Seen],
    factors: Mapping[str, Sequence[Factor]],
    log: DriftLog,
    clock: Clock,
    say: Callable[[str], None],
) -> None:
    """Tell one receiver of the alarms that it was not told of, unless another run is at it. Raises `Undelivered`.

    That it begins to is noted first, so that of two runs one tells; that it did is noted last. A run that is cut off
    in between leaves open whether it did: it is told once more, as `again` and under the same name, ten minutes later.
    """
    claimed, again = _claim(receiver.name, due, log, clock, say)
    if not claimed:
        return
    told = [told_of(one, factors.get(one.endpoint.name, ()), again=one.endpoint.name in again) for one in claimed]
    try:
        done = receiver.tell(told, clock)
    except Undelivered:
        _note(log, [_telling(one.watch, receiver.name, clock, failed=True) for one in claimed])
        raise
    at = timestamp(clock.now())
    _note(log, [AlarmTold(endpoint=t.endpoint, epoch=t.epoch, at=at, to=receiver.name) for t in told])
    say(f"{done}: {len(told)} endpoint{'s' * (len(told) != 1)} changed")


def _claim(
    to: str, due: Sequence[Seen], log: DriftLog, clock: Clock, say: Callable[[str], None]
) -> tuple[list[Seen], set[str]]:
    """Those of `due` that this run is to tell of, and which of them another run may have told of."""
    again, busy = set[str](), list[str]()

    def decide(events: list[AnyEvent]) -> list[AnyEvent]:
        known, fresh = fold(events), list[AnyEvent]()
        again.clear()
        busy.clear()
        for one in due:
            watch = known.get(one.endpoint.name)
            if watch is None or watch.alarm is None or to in watch.told or _epoch(watch) != _epoch(one.watch):
                continue
            begun = watch.telling.get(to)
            if begun is not None and -AHEAD < clock.now() - parse_moment(begun) < CUT_OFF:
                busy.append(one.endpoint.name)
                continue
            again.update({one.endpoint.name} if begun is not None else ())
            fresh.append(_telling(watch, to, clock))
        return fresh

    claimed = {event.endpoint for event in log.append(decide)}
    if busy:
        say(f"{to}: another run is telling of {several(busy)}; where it was cut off, a run in ten minutes tells")
    return [one for one in due if one.endpoint.name in claimed], again


def _telling(watch: Watch, to: str, clock: Clock, *, failed: bool = False) -> AlarmTelling:
    at = timestamp(clock.now())
    return AlarmTelling(endpoint=watch.endpoint, epoch=_epoch(watch), at=at, to=to, failed=failed)


def _epoch(watch: Watch) -> int:
    return watch.epoch.epoch if watch.epoch is not None else 0


def _note(log: DriftLog, events: Sequence[AnyEvent]) -> None:
    log.append(lambda _: events)
