"""Tier 2: takes the texts of a baseline, and compares tonight's with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from promptops.core.nightly.events import AnyEvent, TextsTaken
from promptops.core.nightly.texts import PROMPTS, texts_p_value
from promptops.core.nightly.watch import Watch, fold
from promptops.models import Sample
from promptops.runner.nightly.asking import Probe, probe_params
from promptops.runner.nightly.endpoints import Endpoint
from promptops.runner.nightly.night import Nightly, Seen
from promptops.runner.nightly.taking import COMPLETE, total_cost
from promptops.times import timestamp

WEEK = timedelta(days=7)
_INDEX = 1_000_000  # sample indices of tier 2 begin there: seeds of its own
_MOST_TEXT = 3_000  # characters that are kept of a text


def take_texts(nightly: Nightly, seen: Sequence[Seen]) -> list[TextsTaken]:
    """Take texts wherever they are due; returns what was appended. An endpoint that does not answer is left out."""
    if nightly.settings.texts == "off":
        return []
    every = WEEK if nightly.settings.texts == "weekly" else None
    found = []
    for one in seen:
        if one.watch.texts_due(nightly.clock.now(), every):
            event = _taken(nightly, one.endpoint, one.watch)
            if event is not None:
                found.append(event)

    def decide(events: list[AnyEvent]) -> list[AnyEvent]:
        known = fold(events)
        return [event for event in found if _is_wanted(event, known.get(event.endpoint))]

    return [event for event in nightly.log.append(decide) if isinstance(event, TextsTaken)] if found else []


def _is_wanted(event: TextsTaken, watch: Watch | None) -> bool:
    """Not where another run was quicker, or a new epoch has begun."""
    if watch is None or watch.epoch is None or watch.epoch.epoch != event.epoch:
        return False
    return watch.texts is None if event.texts else True


def _taken(nightly: Nightly, endpoint: Endpoint, watch: Watch) -> TextsTaken | None:
    assert watch.epoch is not None
    size, first = watch.size, _INDEX + 1_000 * (watch.readings + 1)
    asked = probe_params(endpoint.pin, nightly.config, tokens=size.words, temperature=1.0) or {}
    params = tuple(sorted(asked.items(), key=lambda item: item[0]))
    prompts = PROMPTS[: size.texts]
    samples = nightly.ask(
        [Probe(endpoint.pin, text, first + at, params) for at in range(size.samples) for text in prompts]
    )
    texts = _texts(samples)
    if sum(map(len, texts.values())) < COMPLETE * size.texts * size.samples:
        nightly.tell(f"{endpoint.name}: its texts could not be asked tonight")
        return None
    event = TextsTaken(
        endpoint=endpoint.name,
        epoch=watch.epoch.epoch,
        at=timestamp(nightly.clock.now()),
        requests=sum(len(sample.attempts) or 1 for sample in samples),
        cost=total_cost(0.0, samples),
    )
    if watch.texts is None:
        return event.model_copy(update={"texts": {prompt: list(found) for prompt, found in texts.items()}})
    p = texts_p_value(watch.texts.texts, texts, seed=watch.epoch.seed + watch.readings, words=size.words)
    return event.model_copy(update={"p": p})


def _texts(samples: Sequence[Sample]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for sample in samples:
        if sample.reply is not None:
            found.setdefault(sample.key.case, []).append(sample.reply.text[:_MOST_TEXT])
    return found
