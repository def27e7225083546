"""What was promised, as ratios of one run: each goal held, missed or not measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.rounds import Result, Row

LIVE, RUN, REPLAY = "pytest --promptops, live", "promptops run, live", "pytest --promptops, replay"
MIB = 1024 * 1024
_PROMISED = {"side by side": 1000, "replay": 1000, "live, many cases": 10_000, "replay, many cases": 10_000}


@dataclass(frozen=True, slots=True)
class Goal:
    """One promise: `value` at most `limit` (or at least, where `at_least`); None where it was not measured."""

    title: str
    value: float | None
    limit: float
    unit: str = "times"
    at_least: bool = False

    @property
    def held(self) -> bool | None:
        """Whether the goal was reached, None where it was not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def goals_of(results: Sequence[Result], *, latency: float) -> list[Goal]:
    """The goals over the sections of one benchmark; `latency` is seconds of each request.

    They are promised for 1,000 cases side by side and 10,000 in the large sections: of fewer none is measured.
    """
    results = [result for result in results if result.section.count >= _PROMISED.get(result.section.key, 0)]
    found = {result.section.key: {row.name: row for row in result.rows if row.runs} for result in results}
    sizes = {result.section.key: result.section for result in results}

    def of(key: str, name: str, what: Callable[[Row], float]) -> float | None:
        row = found.get(key, {}).get(name)
        return what(row) if row is not None else None

    def over(above: float | None, below: float | None) -> float | None:
        return above / below if above is not None and below else None

    def less(above: float | None, below: float | None) -> float | None:
        return above - below if above is not None and below is not None else None

    side = sizes.get("side by side")
    large = sizes.get("live, many cases")
    ideal = math.ceil(large.count / large.concurrency) * latency if large else None
    thousand = side.count / 1000 if side else None
    empty = of("start", "pytest, empty tests", wall)
    return [
        Goal("live under pytest, to a bare aiohttp loop", of("side by side", LIVE, ratio), 1.4),
        Goal("live under pytest, to the fastest peer", over(of("side by side", LIVE, wall), _fastest(found)), 1.0),
        Goal("many live cases under pytest, to the ideal", over(of("live, many cases", LIVE, wall), ideal), 1.35),
        Goal("their peak memory", over(of("live, many cases", LIVE, memory), MIB), 120.0, "MiB"),
        Goal("128 in flight, to 32", _wider(found, "live, 128 in flight", "live, many cases"), 1.0),
        Goal("256 in flight, to 128", _wider(found, "live, 256 in flight", "live, 128 in flight"), 1.15),
        Goal("CPU of 1,000 in `promptops run`", over(of("side by side", RUN, cpu), thousand), 1.5, "s"),
        Goal("CPU of 1,000 under pytest", over(of("side by side", LIVE, cpu), thousand), 2.5, "s"),
        Goal("replay, to pytest with as many empty tests", of("replay, many cases", REPLAY, ratio), 1.6),
        Goal("promptfoo on a warm cache, to replay", _cached(found), 8.0, at_least=True),
        Goal("`promptops --help`, to `python -c pass`", of("start", "promptops --help", ratio), 10.0),
        Goal("first request, beside pytest's own start", less(of("side by side", LIVE, first), empty), 0.7, "s"),
        Goal(
            "first request of `promptops run`, beside the interpreter",
            less(of("side by side", RUN, first), of("start", "python -c pass", wall)),
            0.7,
            "s",
        ),
    ]


def wall(row: Row) -> float:
    """Median seconds."""
    return statistics.median(run.wall for run in row.runs)


def cpu(row: Row) -> float:
    """Median CPU seconds."""
    return statistics.median(run.cpu for run in row.runs)


def memory(row: Row) -> float:
    """The highest peak of memory, in bytes."""
    return max(run.rss for run in row.runs)


def first(row: Row) -> float:
    """Median seconds from the start of the process to its first request."""
    return statistics.median(run.first for run in row.runs)


def ratio(row: Row) -> float:
    """Median of the ratios to the yardstick of the same round."""
    return statistics.median(row.ratios) if row.ratios else math.nan


def _fastest(found: Mapping[str, Mapping[str, Row]]) -> float | None:
    peers = [wall(row) for row in found.get("side by side", {}).values() if row.kind == "peer" and not row.problem]
    return min(peers, default=None)


def _wider(found: Mapping[str, Mapping[str, Row]], wide: str, narrow: str) -> float | None:
    above, below = found.get(wide, {}).get(LIVE), found.get(narrow, {}).get(LIVE)
    return wall(above) / wall(below) if above and below else None


def _cached(found: Mapping[str, Mapping[str, Row]]) -> float | None:
    rows = found.get("replay", {})
    theirs, mine = rows.get("promptfoo, warm cache"), rows.get(REPLAY)
    return wall(theirs) / wall(mine) if theirs and mine and not theirs.problem else None
