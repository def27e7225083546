"""What a run will ask, cost and take, before the first request."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice

from msgspec import Struct, field
from msgspec.structs import replace

from promptops.core import pricing
from promptops.core.plan import Planned
from promptops.core.pricing import output_bound
from promptops.core.reask import worst_turns
from promptops.core.stats import median
from promptops.models import Pin, PlannedSample, Reply, Sample, Usage
from promptops.runner.session import Session
from promptops.runner.targets import Target

MOST_WALKED = 20_000  # samples that are rendered to say what a run will ask; of a larger one, a part stands for all
_PART = 200  # where every sample is asked anyhow, and no budget depends on it
_TELLING = 10_000  # recorded samples of a target that say what the next ones will cost and take


class Estimate(Struct, frozen=True):
    """`requests` will be sent, `recorded` samples come from recordings, `refused` cannot be rendered.

    `missing` counts the samples of a replay that have no recording, by version (`booking@v3`).

    `input_tokens` and `output_tokens` are the most that the requests can have, each asked once: every byte taken for a
    token, every answer as long as it may be. `worst_case` is US dollars for them (None where a price is unknown, then
    `unpriced` names the pins), `expected` dollars and `seconds` as recordings of the same pins suggest (None: there are
    none). Not `exact`, it was reckoned from a part of the plan. `again` more requests may ask again for valid output,
    `repeats` more ask for must-pass cases that failed: tokens and worst case have them. `batch`: at the price of a
    batch.
    """

    requests: int
    recorded: int = 0
    refused: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    worst_case: float | None = 0.0
    unpriced: tuple[str, ...] = ()
    expected: float | None = None
    seconds: float | None = None
    missing: Mapping[str, int] = field(default_factory=dict)
    exact: bool = True
    again: int = 0
    repeats: int = 0
    batch: bool = False

    def plus(self, more: Estimate, *, repeats: bool = False) -> Estimate:
        """Both together; `repeats`: what of `more` is asked only where must-pass cases fail."""
        both = (self.worst_case, more.worst_case)
        return replace(
            self,
            requests=self.requests + (0 if repeats else more.requests),
            repeats=self.repeats + (more.requests if repeats else 0),
            input_tokens=self.input_tokens + more.input_tokens,
            output_tokens=self.output_tokens + more.output_tokens,
            worst_case=None if both[0] is None or both[1] is None else both[0] + both[1],
        )

    def scaled(self, factor: float) -> Estimate:
        """What is expected of a plan that is `factor` (≥ 1) times as long as the part of it that was walked."""
        if factor == 1:
            return self
        counts = ("requests", "recorded", "refused", "input_tokens", "output_tokens", "again")
        more: dict[str, int] = {name: round(getattr(self, name) * factor) for name in counts}
        money_and_time: dict[str, float | None] = {
            name: value and value * factor
            for name, value in (
                ("worst_case", self.worst_case),
                ("expected", self.expected),
                ("seconds", self.seconds),
            )
        }
        return replace(self, **more, **money_and_time, exact=False)


def estimate_run(
    session: Session,
    targets: Sequence[Target],
    missing: Callable[[Iterable[Planned]], Iterable[Planned]] | None = None,
) -> Estimate:
    """Estimate a run of every case of `targets`; a long one by every n-th case.

    `missing` leaves out what needs not be asked again: which samples those are, a part does not tell.
    """
    total = sum(len(target.cases) * target.samples for target in targets)
    short = session.mode in ("live", "record") and not session.caps and missing is None
    step = -(-total // (_PART if short else MOST_WALKED)) or 1
    walked = 0

    def part() -> Iterator[Planned]:
        nonlocal walked
        for target in targets:
            for planned in session.plan_cases(target, islice(target.cases, 0, None, step)):
                walked += 1
                yield planned

    found = estimate(session, missing(part()) if missing else part(), targets)
    return found.scaled(total / walked) if walked else found


def estimate(session: Session, plan: Iterable[Planned], targets: Sequence[Target]) -> Estimate:
    """Walk the plan without asking anybody; mode `new` counts what is not recorded."""
    requests = recorded = refused = again = 0
    worst, input_tokens, output_tokens = 0.0, 0, 0
    unpriced: set[str] = set()
    missing: Counter[str] = Counter()
    for planned in plan:
        if not isinstance(planned, PlannedSample):
            refused += planned.reply is None
            recorded += planned.reply is not None
        elif session.mode in ("replay", "new") and session.find(planned).reply is not None:
            recorded += 1
        elif session.mode == "replay":
            missing[f"{planned.key.prompt}@{planned.key.version}"] += 1
        for asked in to_ask(session, planned):
            requests += 1
            again += asked.reask
            for usage in worst_turns(asked):
                input_tokens += usage.input_tokens or 0
                output_tokens += usage.output_tokens or 0
            price = session.worst_of(asked)
            if price is None:
                unpriced.add(asked.key.pin)
            worst += price or 0.0
    expected, seconds = _by_recordings(session, targets, requests)
    return Estimate(
        requests,
        recorded,
        refused,
        input_tokens,
        output_tokens,
        None if unpriced else worst,
        tuple(sorted(unpriced)),
        expected,
        seconds,
        dict(sorted(missing.items())),
        again=again,
        batch=session.batch,
    )


def to_ask(session: Session, planned: Planned) -> Iterator[PlannedSample]:
    """What has to be asked for a planned sample: itself, and judges about it, as if it took all the room it has."""
    if not isinstance(planned, PlannedSample) or session.mode == "replay":
        return
    found = session.find_alone(planned) if session.mode == "new" else None
    if found is None or found.reply is None:
        yield planned
        if not session.judged(planned.key):
            return
        found = Sample(planned.key, planned.digest, Reply("x" * output_bound(planned.request)))
    for each in session.follow(found):
        if isinstance(each, PlannedSample) and not (session.mode == "new" and session.find_alone(each).reply):
            yield each


def _by_recordings(session: Session, targets: Sequence[Target], requests: int) -> tuple[float | None, float | None]:
    recorded = (islice(session.recordings(target).samples(), _TELLING) for target in targets)
    samples = [sample for found in recorded for sample in found if sample.reply and sample.source != "cached"]
    if not samples or not requests:
        return None, None
    costs = [cost for sample in samples if (cost := _cost(session, sample)) is not None]
    latencies = [sample.reply.latency for sample in samples if sample.reply and not sample.reply.batch]
    expected = sum(costs) / len(costs) * requests if len(costs) == len(samples) else None
    if session.batch or not latencies:
        return expected, None
    used = [(usage.input_tokens or 0) + (usage.output_tokens or 0) for usage in _usages(samples)]
    waiting = _held_back(session, targets, requests, sum(used) / len(used))
    return expected, max(waiting, median(latencies) * requests / session.concurrency(targets))


def _usages(samples: Iterable[Sample]) -> Iterator[Usage]:
    return (sample.reply.usage for sample in samples if sample.reply)


def _held_back(session: Session, targets: Sequence[Target], requests: int, tokens: float) -> float:
    """Seconds that the limits of the providers alone take: in any minute so many requests, or tokens.

    Each provider has the share of the requests that its targets have of all samples.
    """
    samples: Counter[str] = Counter()
    for target in targets:
        samples[target.pin.provider] += len(target.cases) * target.samples
    minutes = [0]
    for provider, count in samples.items():
        config = session.project.config.providers.get(provider)
        asked = math.ceil(requests * count / samples.total())
        limits = [(asked, config.rpm), (asked * tokens, config.tpm)] if config else []
        minutes += [math.ceil(amount / limit) - 1 for amount, limit in limits if limit]
    return 60.0 * max(minutes)


def _cost(session: Session, sample: Sample) -> float | None:
    """What a recorded reply would cost now: one that a batch gave costs more when it is asked for alone."""
    reply = sample.reply
    if reply is None or reply.batch == session.batch:
        return sample.cost
    pin = Pin.parse(sample.key.pin)
    return pricing.cost(pin, reply.usage, session.project.config.prices, batch=session.batch)
