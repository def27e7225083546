"""Limits on one request: `max_latency`, `max_cost`, `max_tokens`. What is not known is an error, never a pass.

A copy of another sample's reply cost what that one cost, and its latency was not measured; nor was that of a reply
from a vendor's batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from msgspec import Struct

from promptops.core.checks.base import CheckContext, CheckError, Finding, NotMeasured, found
from promptops.models import Json
from promptops.times import parse_duration


class LimitCheck(Struct, frozen=True):
    """`measure` reads the figure (None: unknown), `parse` the limit, `words` prints either."""

    name: str
    noun: str
    form: str
    unknown: str
    parse: Callable[[Json], float]
    measure: Callable[[CheckContext], float | None]
    words: Callable[[float], str]

    def problems(self, options: Json) -> Iterator[str]:
        try:
            self.parse(options)
        except ValueError:
            yield f"takes {self.form}"

    def run(self, options: Json, context: CheckContext) -> Finding:
        limit, actual = self.parse(options), self.measure(context)
        if actual is None:
            raise CheckError(self.unknown)
        told = f"{self.noun} {self.words(actual)}"
        return found(actual <= limit, f"{told}, within {self.words(limit)}", f"{told}, over {self.words(limit)}")


def _number(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ValueError(value)
    return float(value)


def _count(value: Json) -> float:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(value)
    return value


def _seconds(value: Json) -> float:
    if (seconds := parse_duration(value) if isinstance(value, str) else _number(value)) <= 0:
        raise ValueError(value)
    return seconds


def _latency(context: CheckContext) -> float:
    if context.copied:
        raise NotMeasured("the latency was not measured: the reply is a copy of another sample's (--no-cache asks)")
    if context.reply.batch:
        raise NotMeasured("the latency was not measured: a batch answered (without --batch it is measured)")
    return context.reply.latency


MAX_LATENCY = LimitCheck(
    "max_latency",
    "latency",
    "a duration such as 2s or 800ms, or seconds",
    "the latency is unknown",
    _seconds,
    _latency,
    lambda value: f"{value:.3g} s" if value >= 1 else f"{value * 1000:.0f} ms",
)
MAX_COST = LimitCheck(
    "max_cost",
    "cost",
    "US dollars such as 0.05",
    "the cost is unknown: give the model's price in pyproject.toml, [tool.promptops.prices]",
    _number,
    lambda context: context.cost,
    lambda value: f"${value:.6g}",
)
MAX_TOKENS = LimitCheck(
    "max_tokens",
    "output tokens",
    "a whole number of output tokens, at least 1",
    "the provider did not count the output tokens",
    _count,
    lambda context: context.reply.usage.output_tokens,
    lambda value: f"{value:.0f}",
)
