"""What follows the probes of a night: texts, datasets in their turn, after an alarm what moved, and who is told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from promptops.cli.commands._drift_dataset import check_targets, stored_nights
from promptops.cli.commands._shared import note
from promptops.cli.progress import Telling

if TYPE_CHECKING:
    from promptops.core.nightly.attribution import Factor
    from promptops.core.nightly.events import TextsTaken
    from promptops.runner.drift import DriftResult
    from promptops.runner.nightly.night import Nightly, Seen
    from promptops.runner.resuming import Resume
    from promptops.runner.session import Session
    from promptops.runner.targets import Target


@dataclass
class Night:
    """What a night found beside the probes."""

    texts: list[TextsTaken] = field(default_factory=list)
    results: list[DriftResult] = field(default_factory=list)
    factors: dict[str, list[Factor]] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    unpriced: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """It as plain data."""
        return {
            "texts": [{"endpoint": t.endpoint, "baseline": bool(t.texts), "p": t.p, "at": t.at} for t in self.texts],
            "attribution": {
                name: [to_builtins(factor) for factor in factors] for name, factors in self.factors.items()
            },
            "waiting": [*self.waiting, *self.unpriced],
        }


def raised(seen: Sequence[Seen]) -> list[Seen]:
    """The endpoints whose alarm was raised in this visit."""
    return [
        one
        for one in seen
        if one.read
        and one.watch.alarm is not None
        and one.watch.last is not None
        and one.watch.alarm.at == one.watch.last.at
    ]


def follow(session: Session, watch: Nightly, seen: Sequence[Seen], wish: Resume, telling: Telling) -> Night:
    """Run tier 2 where it is due, tier 3 in rotation within its money, and after an alarm the experiments."""
    from promptops.runner.nightly.experiments import attribute
    from promptops.runner.nightly.texts import take_texts

    night, alarmed = Night(), raised(seen)
    if not any(one.read and one.watch.calibrated for one in seen):
        return night
    night.texts = take_texts(watch, seen)
    targets = _in_turn(session, watch, seen, alarmed, night)
    if targets:
        night.results, _ = check_targets(session, targets, wish, telling, at=watch.clock.now())
    for one in alarmed:
        night.factors[one.endpoint.name] = attribute(session, watch, one, seen)
    return night


def _in_turn(
    session: Session, watch: Nightly, seen: Sequence[Seen], alarmed: Sequence[Seen], night: Night
) -> list[Target]:
    """The versions whose dataset is asked tonight: behind an alarm first, then who waited longest."""
    from promptops.core.nightly.rotation import turn_of
    from promptops.runner.drift import drift_targets
    from promptops.runner.estimates import estimate

    names = sorted({name for one in seen if one.state != "unmeasurable" for name in one.endpoint.serves})
    if not names or not watch.settings.dataset_budget:
        return []
    targets = {target.name: target for target in drift_targets(session, names)}
    now = watch.clock.now()
    today = f"{now:%Y-%m-%d}"
    last = {f"{n.prompt}@{n.version}": n.night for n in stored_nights(session.project, ())}
    costs: dict[str, float | None] = {}
    for name, target in targets.items():
        if last.get(name) != today:
            expected = estimate(session, session.plan([target]), [target])
            costs[name] = expected.worst_case if expected.expected is None else expected.expected
    first = {name for one in alarmed for name in one.endpoint.serves}
    turn = turn_of(costs, last, dollars=watch.settings.dataset_budget, first=first, night=now.toordinal())
    night.waiting, night.unpriced = turn.waiting, turn.unpriced
    if turn.unpriced:
        note(f"notice: no price is known for {', '.join(turn.unpriced)}: not asked by rotation, only by --tier 3")
    dear = [name for name in turn.waiting if (costs[name] or 0.0) > watch.settings.dataset_budget]
    if dear:
        told = f"dataset_budget pays for no night of {', '.join(dear)}"
        note(f"notice: {told}: not asked before it is raised, but by --tier 3")
    if waiting := [name for name in turn.waiting if name not in dear]:
        note(f"notice: {', '.join(waiting)} wait for another night (dataset_budget)")
    return [targets[name] for name in turn.chosen]


def tell(watch: Nightly, seen: Sequence[Seen], night: Night) -> bool:
    """Tell of alarms that nobody was told of yet, all of one night in one message; returns whether that can be done.

    An outage is tried again by the next run. False is a mistake of the configuration, or nobody to be told.
    """
    from promptops.runner.nightly.posting import Undelivered
    from promptops.runner.nightly.telling import NOBODY, deliver, receivers

    alarmed = [one for one in seen if one.watch.alarm is not None]
    if not alarmed:
        return True
    found, mistakes = receivers(watch.settings.webhook, os.environ)
    for words in mistakes or ([] if found else [NOBODY]):
        note(f"notice: {words}; the next run tries again")
    able = bool(found) and not mistakes
    for receiver in found:
        due = [one for one in alarmed if receiver.name not in one.watch.told]
        if not due:
            continue
        try:
            deliver(receiver, due, night.factors, watch.log, watch.clock, note)
        except Undelivered as error:
            note(f"{receiver.name} was not told, and the next run tries again: {error}")
            able = able and not error.mistaken
    return able
