"""Runs the experiments that say which part moved, after an alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from promptops.core.nightly.attribution import Factor, judging_factor, route_and_pin, version_factor
from promptops.core.nightly.served import OTHER_ADDRESS
from promptops.core.nightly.surprise import SURPRISE
from promptops.core.nightly.watch import Watch, first_blocks
from promptops.core.plan import plan_case
from promptops.core.wire.endpoints import settings_of
from promptops.models import Pin, PlannedSample
from promptops.runner.drift import recorded_samples
from promptops.runner.nightly.choosing import params_for
from promptops.runner.nightly.endpoints import route_of
from promptops.runner.nightly.night import Nightly, Seen
from promptops.runner.nightly.taking import Taking

if TYPE_CHECKING:
    from promptops.runner.session import Session
    from promptops.runner.targets import Target

MOST_CASES = 200  # of each version whose recorded texts are judged again
SHOWN = 3  # nights in a row that were far by themselves, after which one that is near means something


def attribute(session: Session, nightly: Nightly, seen: Seen, fleet: Sequence[Seen]) -> list[Factor]:
    """Hold everything but one part fixed, part by part; asks the probes once more, by every route there is."""
    targets = [_target(session, name) for name in seen.endpoint.serves]
    version, dataset, judge = _recorded(session, targets)
    route, pin = _asked(nightly, seen, fleet)
    return [version, dataset, judge, route, pin]


def _target(session: Session, name: str) -> Target:
    prompt, _, version = name.partition("@")
    return session.target(prompt, version)


def _recorded(session: Session, targets: Sequence[Target]) -> tuple[Factor, Factor, Factor]:
    """Nothing is asked but a judge, where there is one: the recorded texts are what is held fixed."""
    stale = recorded = tested = other = judged = otherwise = edited = 0
    for target in targets:
        by_judge = any(check.name == "judge" for check in target.checks)
        for case in target.cases[:MOST_CASES]:
            entry = target.baseline.of(case, target.measurement).entry
            if entry is not None and entry.case != case.digest:
                edited += 1
                continue
            for planned in plan_case(target.closure, case, indices=[0], released=target.released, read=target.read):
                found = session.find(planned) if isinstance(planned, PlannedSample) else planned
                kind = found.failure.kind if found.failure is not None else ""
                stale += kind == "stale_recording"
                recorded += found.reply is not None
            samples = recorded_samples(session, target, case)
            if entry is None or not samples:
                continue
            moved = session.judge(target, samples).outcome != entry.outcome
            tested, other = tested + (not by_judge), other + (moved and not by_judge)
            judged, otherwise = judged + by_judge, otherwise + (moved and by_judge)
    return (
        version_factor(stale, recorded),
        judging_factor("dataset", tested=tested, other=other, edited=edited),
        judging_factor("judge", tested=judged, other=otherwise),
    )


def _asked(nightly: Nightly, seen: Seen, fleet: Sequence[Seen]) -> tuple[Factor, Factor]:
    far = _is_far(nightly, seen, seen.endpoint.pin)
    if far is None:
        reason = "it does not answer"
        return Factor("route", "not tested", reason), Factor("pin", "not tested", reason)
    settings = settings_of(seen.endpoint.pin.provider, nightly.config)
    others = {}
    for name in settings.failover if settings is not None else ():
        pin = Pin(name, seen.endpoint.pin.model)
        route = route_of(pin, nightly.config)
        found = _is_far(nightly, seen, pin) if route != seen.endpoint.route else None
        if found is not None:
            others[f"{name} ({route})"] = found
    neighbours = {
        one.endpoint.name: one.state == "changed"
        for one in fleet
        if one.endpoint.name != seen.endpoint.name and one.endpoint.route == seen.endpoint.route and not one.why
    }
    return route_and_pin(
        far=far,
        plain=_is_plain(seen.watch),
        renamed=seen.watch.alarm is not None and seen.watch.alarm.lane == "identity",
        readdressed=_readdressed(seen),
        other_routes=others,
        neighbours=neighbours,
    )


def _is_plain(watch: Watch) -> bool:
    """Whether what raised the alarm shows in a single reading: it did in each of the last three."""
    if watch.alarm is not None and watch.alarm.lane == "fast":
        return True
    last = watch.nights[-SHOWN:]
    return len(last) == SHOWN and all(
        _beyond(watch, first_blocks(night), {SURPRISE: night.values.get(SURPRISE, 0.0)}) for night in last
    )


def _beyond(watch: Watch, distances: Mapping[str, float], surprise: Mapping[str, float]) -> bool:
    """Whether any of it is further off than all of the calibration."""
    usual = max((abs(reading.get(SURPRISE, 0.0)) for reading in watch.calibration.readings), default=0.0)
    return any(value > watch.largest.get(probe, 0.0) for probe, value in distances.items()) or any(
        abs(value) > usual for value in surprise.values()
    )


def _readdressed(seen: Seen) -> bool:
    """Whether a night of this epoch was asked at another address than those before it."""
    return any(OTHER_ADDRESS in notice for night in seen.watch.nights for notice in night.notices)


def _is_far(nightly: Nightly, seen: Seen, pin: Pin) -> bool | None:
    """Whether one block, asked by `pin`, is further from the reference than any of the calibration; None: no answer.

    Where tokens are drawn it is a whole reading: its surprise is compared with those of the calibration.
    """
    watch = seen.watch
    if watch.chosen is None or not watch.largest:
        return None
    taking = Taking(replace(seen.endpoint, pin=pin), watch, params_for(watch, seen.endpoint, nightly.config))
    while not taking.why and len(taking.blocks) < (taking.wanted if watch.chosen.drawn else 1):
        taking.add(nightly.ask(taking.next_block()))
    if taking.why:
        return None
    return _beyond(watch, watch.distances(taking.blocks[0]), taking.surprise())
