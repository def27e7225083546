from __future__ import annotations

import math

import pytest

from benchmarks.base import Kind
from benchmarks.goals import LIVE, MIB, REPLAY, RUN, Goal, goals_of
from benchmarks.measuring import Measured
from benchmarks.rounds import Result, Row, Section

NAMES = {
    "live": "live under pytest, to a bare aiohttp loop",
    "peer": "live under pytest, to the fastest peer",
    "ideal": "many live cases under pytest, to the ideal",
    "memory": "their peak memory",
    "cpu": "CPU of 1,000 in `promptops run`",
    "first": "first request, beside pytest's own start",
}


def row(name: str, *walls: float, kind: Kind = "ours", ratios: tuple[float, ...] = (), problem: str = "") -> Row:
    runs = tuple(Measured(0, "", wall, cpu=wall / 2, rss=100 * MIB, first=0.9) for wall in walls)
    return Row(name, kind, "1.0", runs, ratios, problem)


def result(key: str, count: int, *rows: Row) -> Result:
    return Result(Section(key, (), "aiohttp", count, 32, 1), rows)


def found(*results: Result) -> dict[str, Goal]:
    return {goal.title: goal for goal in goals_of(results, latency=0.05)}


def test_a_goal_that_was_not_measured_is_neither_held_nor_missed() -> None:
    assert {goal.held for goal in goals_of([], latency=0.05)} == {None}


def test_fewer_cases_than_were_promised_measure_nothing() -> None:
    few = result("side by side", 200, row(LIVE, 1.0, ratios=(1.1,)))
    assert found(few)[NAMES["live"]].held is None


def test_goals_are_medians_of_the_rounds() -> None:
    side = result(
        "side by side",
        2000,
        row(LIVE, 2.0, 9.0, 2.2, ratios=(1.2, 4.0, 1.3)),
        row(RUN, 2.0),
        row("slow", 8.0, kind="peer"),
        row("quick", 4.4, kind="peer"),
        row("wrong", 0.1, kind="peer", problem="found 3 of 2000 right"),
    )
    goals = found(side, result("start", 1, row("pytest, empty tests", 0.3, kind="yardstick")))
    assert (goals[NAMES["live"]].value, goals[NAMES["live"]].held) == (1.3, True)
    assert goals[NAMES["peer"]].value == pytest.approx(0.5)
    assert goals[NAMES["cpu"]].value == pytest.approx(0.5)  # of 1,000, where 2,000 took 1.0
    assert goals[NAMES["first"]].value == pytest.approx(0.6)


def test_the_ideal_is_whole_turns_of_the_latency() -> None:
    goals = found(result("live, many cases", 10_000, row(LIVE, 20.0)))
    assert goals[NAMES["ideal"]].value == pytest.approx(20.0 / (math.ceil(10_000 / 32) * 0.05))
    assert (goals[NAMES["memory"]].value, goals[NAMES["memory"]].held) == (100.0, True)


def test_a_peer_that_must_be_slower_is_held_above_its_limit() -> None:
    rows = (row("promptfoo, warm cache", 12.0, kind="peer"), row(REPLAY, 1.0))
    goal = found(result("replay", 1000, *rows))["promptfoo on a warm cache, to replay"]
    assert (goal.value, goal.at_least, goal.held) == (12.0, True, True)
