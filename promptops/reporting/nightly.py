"""The watch in words: one block for each endpoint, what to do next, and the nights as a chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from promptops.core.nightly.attribution import Factor
from promptops.core.nightly.events import NightState, TextsTaken
from promptops.core.nightly.watch import TEXTS_LEVEL, Watch
from promptops.core.shown import several
from promptops.reporting.lines import Line, Style
from promptops.reporting.nightly_chart import COLUMNS, chart, hanging_words, ordinal
from promptops.reporting.safe import one_line
from promptops.reporting.summary import money
from promptops.runner.nightly.night import Seen

STYLES: dict[NightState, Style] = {
    "stable": "good",
    "watch": "warn",
    "changed": "bad",
    "unmeasurable": "warn",
    "recalibrating": "plain",
}
_LANES = {
    "detector": "the detector (proven: at most one false alarm in ten years of nights)",
    "fast": "the fast lane (a heuristic for gross swaps; the detector has not decided)",
    "identity": "what the replies say of themselves",
    "texts": "the texts",
}


def watch_lines(seen: Sequence[Seen], now: datetime) -> list[Line]:
    """What a visit found: a fleet that changed in one night is one message, then a block for each endpoint.

    What all of several would say alike is said once.
    """
    if len(seen) > 1 and all(one.lost and one.why == seen[0].why for one in seen):
        return _all_lost(seen)
    fleet = _fleet(seen)
    blocks = (line for one in seen for line in _block(one, now, steps=not (fleet and one.state == "changed")))
    return [*fleet, *blocks]


def _all_lost(seen: Sequence[Seen]) -> list[Line]:
    names = ", ".join(one_line(one.endpoint.name) for one in seen[:5]) + (" …" if len(seen) > 5 else "")
    return [
        Line(f"UNMEASURABLE: all {len(seen)} endpoints ({names})", "warn"),
        Line(f"  {one_line(seen[0].why, 600)}", "warn"),
        *(Line(f"  next: {step}") for step in _bring_back("")),
    ]


def _fleet(seen: Sequence[Seen]) -> list[Line]:
    changed = [one for one in seen if one.state == "changed" and one.watch.alarm is not None]
    nights = {one.watch.alarm.at[:10] for one in changed if one.watch.alarm is not None}
    if len(changed) < 2 or len(nights) > 1:
        return []
    where = {one.endpoint.route for one in changed}
    behind = f", all behind {one_line(next(iter(where)))}" if len(where) == 1 else ""
    return [
        Line(f"CHANGED in one night ({next(iter(nights))}): {len(changed)} of {len(seen)} endpoints{behind}", "bad"),
        Line(
            "  one cause is likelier than many: look at the gateway, the network and the vendor's notices first", "bad"
        ),
        *(Line(f"  next: {step}") for step in _looked_into("")),
    ]


def _block(seen: Seen, now: datetime, *, steps: bool = True) -> Iterator[Line]:
    watch = seen.watch
    yield Line(f"{seen.state.upper()}: {one_line(seen.endpoint.name)}{_serves(seen)}", STYLES[seen.state])
    if watch.alarm is not None:
        yield Line(f"  since {watch.alarm.at}, said by {_said_by(watch)}:", "bad")
        yield Line(f"  {one_line(watch.alarm.reason, 600)}", "bad")
        for notice in _doubts(watch):
            yield Line(f"  NOTICE: {notice}", "warn")
    if seen.why:
        yield Line(f"  {one_line(seen.why, 600)}{_tries(watch)}", "warn")
    elif watch.missed is not None:  # it has CHANGED, and stays so
        yield Line(f"  not read: {one_line(watch.missed.reason, 600)}{_tries(watch)}", "warn")
    if watch.thinned is not None and watch.thinned.every:
        yield Line(f"  NOTICE: since {watch.thinned.at} {hanging_words(watch)}", "warn")
    for notice in seen.notices:
        yield Line(f"  NOTICE: {one_line(notice, 400)}", "warn")
    if watch.epoch is not None:
        yield Line(f"  {_progress(watch)}")
        yield Line(f"  {_asked(seen, now)}", "dim")
    for step in _next(seen) if steps else ():
        yield Line(f"  next: {step}")


def _said_by(watch: Watch) -> str:
    """Who raised the alarm; what the fast lane saw first the detector may have decided since."""
    assert watch.alarm is not None
    if watch.alarm.lane == "fast" and watch.detector.alarm == "changed":
        return "the fast lane, and by now by the detector, too"
    return _LANES[watch.alarm.lane]


def _doubts(watch: Watch) -> Iterator[str]:
    """What somebody has to know who is about to act on an alarm."""
    if watch.back_since:
        yield f"since {watch.back_since} the readings are no longer that far off (CHANGED stays until it is accepted)"
    if watch.saw_no_week:
        yield (
            "the calibration saw no whole week, and this came within three: a weekly rhythm would look like it; "
            'spacing = "24h" and calibration = 30 see one'
        )


def _tries(watch: Watch) -> str:
    """Since when, where it was tried more than once."""
    tries = len(watch.outage)
    return f" ({tries} tries since {watch.outage[0].at})" if tries > 1 else ""


def _serves(seen: Seen) -> str:
    names = seen.endpoint.serves
    return f" (answers for {several(names)})" if names else ""


def _progress(watch: Watch) -> str:
    epoch = watch.epoch
    assert epoch is not None
    if watch.calibration.trending:
        return f"epoch {epoch.epoch} since {epoch.at}: no history to rank a night in"
    if watch.refused:
        return f"epoch {epoch.epoch} since {epoch.at}: a statement that rests on independent readings cannot be made"
    if not watch.calibrated:
        done, wanted = (
            min(watch.readings, epoch.reference) + len(watch.calibration.readings),
            epoch.reference + watch.calibration.target,
        )
        said = f"epoch {epoch.epoch} since {epoch.at}: {done} of {wanted} readings of the calibration"
        if (watch.thin or 1) > 1:
            said += f" (more than usual: they hang together, and every {ordinal(watch.thin or 1)} counts)"
        return said
    level, threshold = watch.detector.level, watch.detector.threshold
    nights = f"{len(watch.nights)} night{'s' * (len(watch.nights) != 1)}"
    thinned = f", every {ordinal(watch.thin or 1)} counts" if (watch.thin or 1) > 1 else ""
    return (
        f"epoch {epoch.epoch} since {epoch.at}: {nights}{thinned}; detector {level:,.3g} "
        f"(WATCH at {threshold / 10:,.0f}, CHANGED at {threshold:,.0f})"
    )


def _asked(seen: Seen, now: datetime) -> str:
    watch = seen.watch
    if watch.chosen is None:
        return "nothing was read yet"
    tier = "first tokens of border inputs"
    if watch.chosen.tier == "1a":
        cold = "at temperature 0: a changed temperature does not show (a new epoch asks at 1 where it may)"
        tier = f"log probabilities of one token, {'and which one comes' if watch.chosen.drawn else cold}"
    inputs = f", {watch.chosen.varying} of {len(watch.chosen.texts)} nearly a tie" if watch.chosen.tier == "1b" else ""
    last = f"; read {watch.last.at}" if watch.last is not None else ""
    due = "now" if watch.due(now) else f"{watch.next_at(now):%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"tier {watch.chosen.tier}: {tier}{inputs}, {watch.requests} requests a reading"
        f"{last}; next due {due}; {money(watch.cost)} so far"
    )


def _next(seen: Seen) -> Iterator[str]:
    watch, name = seen.watch, one_line(seen.endpoint.name)
    if watch.epoch is None and not seen.lost:
        yield f"promptops drift accept {name} --reason TEXT   begins it"
    elif watch.epoch is None:
        yield from _bring_back(name)
    elif seen.state == "changed":
        yield from _looked_into(name)
    elif watch.calibration.trending:
        yield f"promptops drift accept {name} --reason TEXT, when it has settled: the calibration begins anew"
    elif watch.refused:
        yield 'spacing = "24h" and calibration = 30 in [tool.promptops.drift]: readings at the hour of the check'
        yield f"then promptops drift accept {name} --reason TEXT"
    elif seen.state == "unmeasurable":
        yield from _mend(watch, name)
    elif seen.state == "recalibrating":
        yield "promptops drift calibrate hourly (a job of promptops schedule), or once with --stay"


def _bring_back(name: str) -> list[str]:
    return [
        "bring the state back (the job's branch, cache or store), and run this again",
        f"or begin anew, in a decision of yours: {_command('accept', name)} --reason TEXT",
    ]


def _looked_into(name: str) -> list[str]:
    steps = (
        (_command("history", name), "how it came, night by night"),
        ("promptops run --mode live", "does it matter to your cases?"),
        (f"{_command('accept', name)} --reason TEXT", "when the new behaviour is to be the reference"),
    )
    width = max(len(command) for command, _ in steps)
    return [f"{command:<{width}}   {what}" for command, what in steps]


def _command(verb: str, name: str) -> str:
    return f"promptops drift {verb} {name}".rstrip()


def _mend(watch: Watch, name: str) -> Iterator[str]:
    """What to do about an outage; some do not pass by themselves."""
    failure = watch.missed.failure if watch.missed is not None else "job"
    if failure == "job":
        yield "look at the job of promptops schedule, or read it now: promptops drift"
    elif failure == "auth":
        yield "nothing is said about the model: renew the key (api_key_env), and run this again"
    elif failure == "not_found":
        yield "if the vendor retired it: promptops models, then pin another (promptops canary --model PIN)"
    elif failure == "request":
        yield "it refuses what it took before, or answers without what it gave: is that announced?"
        yield f"promptops drift accept {name} --reason TEXT   begins an epoch with what it gives now"
    else:
        yield "nothing is said about the model: run this again when the provider answers"


def watch_history_lines(watches: Sequence[Watch], *, columns: int = COLUMNS) -> list[Line]:
    """The chart of every endpoint, as wide as `columns`, and its alarms and missed nights."""
    if not watches:
        return [
            Line("no night yet: promptops drift accept begins the watch, promptops schedule writes the nightly job")
        ]
    lines: list[Line] = []
    for watch in watches:
        epoch = watch.epoch
        since = f"epoch {epoch.epoch} since {epoch.at}" if epoch is not None else "no epoch"
        if epoch is not None and epoch.reason:
            since += f": {one_line(epoch.reason, 100)}"
        lines.append(Line(f"{one_line(watch.endpoint)}  {since}", "title"))
        lines += chart(watch, columns=columns)
    return lines


def night_lines(texts: Sequence[TextsTaken], factors: Mapping[str, Sequence[Factor]]) -> list[Line]:
    """What tier 2 said tonight, and after an alarm which part moved."""
    lines = []
    for taken in texts:
        if taken.texts:
            count = sum(map(len, taken.texts.values()))
            lines.append(Line(f"texts of {one_line(taken.endpoint)}: {count} kept as the baseline of tier 2", "dim"))
        elif taken.p is not None:
            moved = taken.p <= TEXTS_LEVEL
            said = "they come from another distribution" if moved else "not shown to differ"
            said += f" (p = {taken.p:.2g}; it takes {TEXTS_LEVEL:.2g})"
            lines.append(Line(f"texts of {one_line(taken.endpoint)}: {said}", "bad" if moved else "plain"))
    styles: dict[str, Style] = {"moved": "bad", "did not move": "good"}
    alike: dict[tuple[Factor, ...], list[str]] = {}
    for endpoint, found in factors.items():
        alike.setdefault(tuple(found), []).append(one_line(endpoint))
    for found, endpoints in alike.items():
        each = f"each of {several(endpoints)}" if len(endpoints) > 1 else endpoints[0]
        lines.append(Line(f"which part of {each} moved, all others held fixed:", "title"))
        lines += [
            Line(f"  {factor.name:<8} {factor.said:<13} {one_line(factor.how, 300)}", styles.get(factor.said, "dim"))
            for factor in found
        ]
    return lines
