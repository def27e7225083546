"""What a comparison of models adds up of one model's samples, without holding any of them."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from promptops.core.canary import baseline_passed, candidate_passed
from promptops.core.quantiles import Quantiles
from promptops.errors import FailureKind
from promptops.models import CaseResult, Failure, Judgement, Sample

LatencySource = Literal["live", "recorded"]


class Figures(Struct, frozen=True):
    """What was seen of one model.

    `answered` samples have a reply, `live` of them asked now, the others recorded. `cost_per_1000` is US dollars for
    1,000 requests as long as these (None: a price is unknown, or nothing was answered), `spent` what was asked now
    cost as far as it is known: judges too, and what was answered before a request failed. `p50` and `p95` are seconds:
    of the live replies, or where there is none of the recorded ones, as `latency_source` says. `valid` of `contracted`
    outputs satisfied the output contract. `failures` counts samples without a reply by kind, `first_failure` is one of
    the most frequent kind.
    """

    answered: int
    live: int
    cost_per_1000: float | None
    spent: float
    p50: float | None
    p95: float | None
    latency_source: LatencySource | None
    valid: int
    contracted: int
    errors: int
    cut: int
    input_tokens: int
    output_tokens: int
    failures: tuple[tuple[FailureKind, int], ...] = ()
    first_failure: Failure | None = None

    @property
    def validation_rate(self) -> float | None:
        """The share of outputs that satisfied the contract; None where there is no contract, or no output."""
        return self.valid / self.contracted if self.contracted else None


class ModelTally:
    """Takes the judged cases of one model and keeps a score for each, and sums.

    `current` is the model that the others are compared with: a check that raises on its output says nothing (the case
    is not measured), on another's output it is no pass; both as a canary has it.
    """

    def __init__(self, cases: int, *, current: bool) -> None:
        self._passed = baseline_passed if current else candidate_passed
        self._scores = array("d", [math.nan]) * cases
        self._done = bytearray(cases)
        self._sums: Counter[str] = Counter()
        self._cost: float | None = 0.0
        self._spent = 0.0
        self._latencies = {"live": Quantiles(), "recorded": Quantiles()}
        self._failures: Counter[FailureKind] = Counter()
        self._told: dict[FailureKind, Failure] = {}

    def add(self, position: int, result: CaseResult) -> None:
        """Take one case; `position` is its place in the order of the comparison. A copy of a reply is no sample."""
        asked = [judgement for judgement in result.judgements if judgement.sample.source != "cached"]
        passed = [self._passed(judgement.outcome) for judgement in asked]
        if passed and None not in passed:
            self._scores[position] = sum(map(bool, passed)) / len(passed)
        self._done[position] = 1
        for judgement in asked:
            self._add(judgement)

    def done(self, position: int) -> bool:
        """Whether the case at this place has come, measured or not."""
        return bool(self._done[position])

    def scores(self, asked: int) -> list[float | None]:
        """The share of samples that passed, of the first `asked` cases; None: not measured."""
        return [None if math.isnan(score) else score for score in self._scores[:asked]]

    @property
    def spent(self) -> float:
        """US dollars of what was asked so far whose price is known."""
        return self._spent

    def figures(self) -> Figures:
        """What the cases so far come to."""
        sums, answered = self._sums, self._sums["answered"]
        source: LatencySource | None = "live" if sums["live"] else "recorded" if answered else None
        latencies = self._latencies[source or "recorded"]
        failures = tuple(self._failures.most_common())
        return Figures(
            answered=answered,
            live=sums["live"],
            cost_per_1000=1000 * self._cost / answered if answered and self._cost is not None else None,
            spent=self._spent,
            p50=latencies.quantile(0.5),
            p95=latencies.quantile(0.95),
            latency_source=source,
            valid=sums["valid"],
            contracted=sums["contracted"],
            errors=sums["errors"],
            cut=sums["cut"],
            input_tokens=sums["input_tokens"],
            output_tokens=sums["output_tokens"],
            failures=failures,
            first_failure=self._told[failures[0][0]] if failures else None,
        )

    def _add(self, judgement: Judgement) -> None:
        sample, sums = judgement.sample, self._sums
        self._spent += math.fsum(each.cost or 0.0 for each in (sample, *sample.answers) if each.source == "live")
        if sample.reply is None:
            self._failed(sample)
            return
        sums["answered"] += 1
        sums["live"] += sample.source == "live"
        sums["contracted"] += judgement.valid is not None
        sums["valid"] += judgement.valid is True
        sums["errors"] += judgement.outcome == "error"
        sums["cut"] += sample.reply.finish_reason == "length"
        sums["input_tokens"] += sample.reply.usage.input_tokens or 0
        sums["output_tokens"] += sample.reply.usage.output_tokens or 0
        self._cost = None if self._cost is None or sample.cost is None else self._cost + sample.cost
        if not sample.reply.batch:
            self._latencies["live" if sample.source == "live" else "recorded"].add(sample.reply.latency)

    def _failed(self, sample: Sample) -> None:
        failure = sample.failure or Failure("cancelled", "the run ended before this sample was asked")
        self._failures[failure.kind] += 1
        self._told.setdefault(failure.kind, failure)


def asked_in_order(tallies: Iterable[ModelTally], cases: int) -> int:
    """How many of the first cases have come for every model: as far as that the comparison can be judged."""
    held = list(tallies)
    return next((place for place in range(cases) if not all(tally.done(place) for tally in held)), cases)
